//! `DeleteSnapshot`: a snapshot goes, or its making is stopped.

use service::{Request, SnapshotRequest};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let at = ask.thing("SnapshotId", "s-", "InvalidSnapshotId.NotFound")?;
    let force = ask.params.flag("Force")?.unwrap_or(false);
    ask.finish(Request::Snapshot(SnapshotRequest::Delete { at, force })).await?;
    Ok(Object::new())
}
