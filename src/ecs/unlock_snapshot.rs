//! `UnlockSnapshot`: no snapshot is ever locked here, and that is the answer.

use service::{Request, SnapshotRequest, SnapshotView};

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let at = ask.thing_in(&region, "SnapshotId", "s-", "InvalidSnapshotId.NotFound")?;
    let snapshot: SnapshotView = ask.look(Request::Snapshot(SnapshotRequest::Show(at))).await?;
    let why = format!("The snapshot `{}` is not locked.", snapshot.snapshot_id);
    Err(ask.refuse("InvalidOperation.SnapshotNotLocked", why))
}
