//! `CreateSnapshot`: a snapshot of a disk. It names no region: the disk's id tells.

use service::{Request, SnapshotRequest, Started};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let disk = ask.thing("DiskId", "d-", "InvalidDiskId.NotFound")?;
    let create = SnapshotRequest::Create {
        disk,
        called: ask.called("SnapshotName", "Description")?,
        retention_days: ask.retention_days()?,
    };
    let started: Started = ask.begin(Request::Snapshot(create)).await?;
    Ok(Object::new().put("SnapshotId", ask.made(&started, "s-").await?))
}
