//! `CopySnapshot`: a snapshot in another region.

use domain::RegionId;
use service::{Request, SnapshotRequest, Started};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let source = ask.region().await?;
    let at = ask.thing_in(&source, "SnapshotId", "s-", "InvalidSnapshotId.NotFound")?;
    let to = ask.params.need("DestinationRegionId")?;
    ask.check_storage_location("DestinationStorageLocationArn")?;
    ask.params.need("DestinationSnapshotName")?;
    ask.params.need("DestinationSnapshotDescription")?;
    if to == source.as_str() {
        let why = "The destination region has to be another one than the snapshot's.";
        return Err(ask.refuse("InvalidOperation.NotSupportCopyInSameRegion", why));
    }
    if ask.params.flag("Encrypted")?.unwrap_or(false) || ask.params.text("KMSKeyId").is_some() {
        let why = "Copies are not encrypted here: leave Encrypted and KMSKeyId out.";
        return Err(ask.refuse("InvalidRegion.NotSupport", why));
    }
    let copy = SnapshotRequest::Copy {
        at,
        to: RegionId::from(to),
        called: ask.called("DestinationSnapshotName", "DestinationSnapshotDescription"),
        retention_days: ask.retention_days()?,
        bytes_per_second: None,
    };
    let started: Started = ask.begin(Request::Snapshot(copy)).await?;
    Ok(Object::new().put("SnapshotId", ask.made(&started, "s-").await?))
}
