//! Copy a snapshot to another region.
//!
//! | from | until | if it ends here, what remains |
//! |---|---|---|
//! | begun | reserved | nothing: the source may be deleted again |
//! | reserved | its disk is stored and read back | nothing: id and space come back |
//! | sealed | the source is let go | the copy, whole without its source |

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events::{SnapshotCopyBegun, SnapshotReserved};
use domain::port::{Job, Pace, Place};
use domain::{SnapshotId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::arrival::{Arrival, From};
use crate::{Flow, Ports, of};

/// What a copy is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopySnapshot {
    /// The snapshot.
    pub source: SnapshotId,
    /// Whose it is, where, and in which store.
    pub from: Place,
    /// Whose the copy will be, where, and in which store.
    pub to: Place,
    /// Name of the copy; empty for none.
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
    /// How fast.
    #[serde(default)]
    pub pace: Pace,
}

#[async_trait]
impl Workflow for CopySnapshot {
    type Ports = Ports;
    type Output = SnapshotId;
    const NAME: &'static str = "copy_snapshot";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.to.account, &self.to.region)
    }

    fn label(&self) -> String {
        format!("copy the snapshot `{}` to `{}`", self.source, self.to.region)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.source.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<SnapshotId, Halt> {
        let target = SnapshotId(format!("s-{}", flow.new_id()));
        let it = Copy { asked: self, target };
        let begun = flow.decide(it.source_scope(), of(&it, |view, it| {
                rules::begin_snapshot_copy(view, &it.asked.source, &it.target, &it.asked.to.region)
            }))                                                                         // SnapshotCopyBegun
            .undo(of(&it, |view, it| it.let_go_of(view))).await?;  // SnapshotCopyEnded

        let (scope, arrival) = (it.asked.scope(), it.arrival(&begun));
        flow.decide(scope.clone(), of(&(it.clone(), begun), |view, (it, begun)| {
                rules::reserve_snapshot(view, it.asked.reservation(&it.target, &begun))  // SnapshotReserved
            }))
            .undo(of(&it, |view, it| rules::release_snapshot(view, &it.target))).await?;    // SnapshotReleased

        arrival.arrive(flow).await?;                                                    // DataTransferred, DataVerified

        flow.decide(scope, of(&it, |view, it| rules::seal_snapshot(view, &it.target)))  // SnapshotSealed
            .point_of_no_return("it is accomplished; deleting it is an operation of its own").await?;

        arrival.settle(flow).await?;                                                    // DataSettled
        flow.decide(it.source_scope(), of(&it, |view, it| Ok(it.let_go_of(view))))      // SnapshotCopyEnded
            .nothing_to_undo("it is past the point of no return").await?;
        Ok(it.target)
    }
}

/// A copy under way.
#[derive(Clone)]
struct Copy {
    asked: CopySnapshot,
    target: SnapshotId,
}

impl Copy {
    fn source_scope(&self) -> Scope {
        image::scope(&self.asked.from.account, &self.asked.from.region)
    }

    fn let_go_of(&self, view: &event::View<'_>) -> domain::events::SnapshotCopyEnded {
        rules::end_snapshot_copy(view, &self.asked.source, &self.target, &self.asked.to.region)
    }

    fn arrival(&self, begun: &SnapshotCopyBegun) -> Arrival {
        let pace = self.asked.pace.clone();
        let from = From::Store { place: self.asked.from.clone(), disk: begun.disk, pace };
        let job = Job(self.target.0.clone());
        Arrival { of: self.target.clone().into(), snapshot: None, place: self.asked.to.clone(), job, from }
    }
}

impl CopySnapshot {
    /// What will be reserved, when it is known what is copied.
    pub fn reservation(self, target: &SnapshotId, begun: &SnapshotCopyBegun) -> SnapshotReserved {
        SnapshotReserved {
            snapshot: target.clone(),
            name: self.name,
            description: self.description,
            tags: self.tags,
            account: self.to.account,
            region: self.to.region,
            size_bytes: begun.size_bytes,
            kind: begun.kind,
            of_disk: None,
            copy_of: Some((self.from.region, self.source)),
            disk: None,
            retention_days: self.retention_days,
        }
    }
}
