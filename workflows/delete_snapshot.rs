//! Delete a snapshot that no image stands on. Its chunks are collected later.

use async_trait::async_trait;
use domain::{AccountId, RegionId, SnapshotId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a deletion is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteSnapshot {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Even if disks were made from it.
    #[serde(default)]
    pub force: bool,
    /// Nobody asked: it has been kept long enough.
    #[serde(default)]
    pub expired: bool,
}

#[async_trait]
impl Workflow for DeleteSnapshot {
    type Ports = Ports;
    type Output = SnapshotId;
    const NAME: &'static str = "delete_snapshot";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("delete the snapshot `{}`", self.snapshot)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.snapshot.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<SnapshotId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::delete_snapshot(view, &it.snapshot, it.force, it.expired)           // SnapshotDeleted
            }))
            .point_of_no_return("what is deleted is not brought back; its chunks may be collected from now on").await?;
        Ok(self.snapshot)
    }
}
