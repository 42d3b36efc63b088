//! Take a snapshot of a disk. Nothing is copied: it holds on to what the disk holds.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events::SnapshotReserved;
use domain::image::DiskKind;
use domain::{AccountId, DiskId, RegionId, SnapshotId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a snapshot is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSnapshot {
    /// Who owns the disk.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The disk.
    pub disk: DiskId,
    /// Name of the snapshot; empty for none.
    #[serde(default)]
    pub name: String,
    /// Its description; empty for none.
    #[serde(default)]
    pub description: String,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Days after which it is removed by itself.
    #[serde(default)]
    pub retention_days: Option<u32>,
}

#[async_trait]
impl Workflow for CreateSnapshot {
    type Ports = Ports;
    type Output = SnapshotId;
    const NAME: &'static str = "create_snapshot";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("snapshot of `{}`", self.disk)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.disk.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<SnapshotId, Halt> {
        let snapshot = SnapshotId(format!("s-{}", flow.new_id()));
        let scope = self.scope();
        let (wanted, id) = (self.reservation(&snapshot), snapshot.clone());
        flow.decide(scope.clone(), move |view| rules::reserve_snapshot(view, wanted))          // SnapshotReserved
            .undo(move |view| rules::release_snapshot(view, &id)).await?;                      // SnapshotReleased

        flow.decide(scope, of(&snapshot, |view, id| rules::seal_snapshot(view, &id)))          // SnapshotSealed
            .point_of_no_return("it is accomplished; deleting it is an operation of its own").await?;
        Ok(snapshot)
    }
}

impl CreateSnapshot {
    /// What will be reserved.
    pub fn reservation(self, snapshot: &SnapshotId) -> SnapshotReserved {
        SnapshotReserved {
            snapshot: snapshot.clone(),
            name: self.name,
            description: self.description,
            tags: self.tags,
            account: self.account,
            region: self.region,
            size_bytes: 0,
            kind: DiskKind::Data,
            of_disk: Some(self.disk),
            copy_of: None,
            disk: None,
            retention_days: self.retention_days,
        }
    }
}
