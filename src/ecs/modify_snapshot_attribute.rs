//! `ModifySnapshotAttribute`: name, description and how long it is kept; what is empty stays as it is.

use service::{Request, SnapshotRequest, SnapshotView};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let at = ask.thing("SnapshotId", "s-", "InvalidSnapshotId.NotFound")?;
    let (name, description) = (ask.params.string("SnapshotName"), ask.params.string("Description"));
    let retention_days = ask.retention_days()?;
    if name.is_none() && description.is_none() && retention_days.is_none() {
        let _: SnapshotView = ask.look(Request::Snapshot(SnapshotRequest::Show(at))).await?;
        return Ok(Object::new());
    }
    ask.finish(Request::Snapshot(SnapshotRequest::Modify { at, name, description, retention_days })).await?;
    Ok(Object::new())
}
