//! Modify name and description of a snapshot.

use async_trait::async_trait;
use domain::{AccountId, RegionId, SnapshotId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a modification is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifySnapshot {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Its name; empty for none.
    #[serde(default)]
    pub name: Option<String>,
    /// Its description; empty for none.
    #[serde(default)]
    pub description: Option<String>,
}

#[async_trait]
impl Workflow for ModifySnapshot {
    type Ports = Ports;
    type Output = SnapshotId;
    const NAME: &'static str = "modify_snapshot";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("modify the snapshot `{}`", self.snapshot)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.snapshot.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<SnapshotId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| rules::modify_snapshot(view, &it.snapshot, it.name.as_deref(), it.description.as_deref())))  // SnapshotModified
            .point_of_no_return("it is one event; the log keeps what was before").await?;
        Ok(self.snapshot)
    }
}
