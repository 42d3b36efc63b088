//! `CreateSnapshot`: a snapshot of a disk. It names no region: the disk's id tells.

use service::{Request, SnapshotRequest, Started};
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let disk = ask.thing("DiskId", "d-", "InvalidDiskId.NotFound")?;
    check_category(&ask)?;
    ask.check_storage_location("StorageLocationArn")?;
    let create = SnapshotRequest::Create {
        disk,
        called: ask.called("SnapshotName", "Description"),
        retention_days: ask.retention_days()?,
    };
    let started: Started = ask.begin(Request::Snapshot(create)).await?;
    Ok(Object::new().put("SnapshotId", ask.made(&started, "s-").await?))
}

/// Categories are of a storage that is not here; a wrong word is told all the same.
fn check_category(ask: &Ask) -> Result<(), Fault> {
    let known = ["Standard", "Flash"];
    match ask.params.text("Category").filter(|word| !known.iter().any(|one| one.eq_ignore_ascii_case(word))) {
        None => Ok(()),
        Some(other) => {
            let why = format!("The specified Category `{}` is not valid.", other.escape_debug());
            Err(ask.refuse("InvalidParameter", why))
        }
    }
}
