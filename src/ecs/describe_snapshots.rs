//! `DescribeSnapshots`: snapshots in pages, by number or by token.

use service::{Request, SnapshotQuery, SnapshotRequest, SnapshotView, Snapshots};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::pages::Paging;
use crate::shape_image::tags;

/// Entries of a page by token where nobody says, and at most, as the API documents.
const RESULTS: (u32, u32) = (10, 100);

/// The one category there is.
const CATEGORY: &str = "standard";

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let paging = Paging::of(&ask, RESULTS)?;
    if let Some(link) = params.text("SnapshotLinkId") {
        let why = format!("The specified SnapshotLinkId does not exist: `{}`.", link.escape_debug());
        return Err(ask.refuse("InvalidSnapshotLinkId.NotFound", why));
    }
    let (from_ms, until_ms) = ask.created()?;
    params.flag("Encrypted")?;
    // Snapshots here are of disks, of which no instance has any.
    let is_of_none = !ask.asks_for_what_is(&[
        ("InstanceId", ""),
        ("Encrypted", "false"),
        ("KMSKeyId", ""),
        ("Category", CATEGORY),
    ]);
    let query = SnapshotQuery {
        region: Some(region),
        ids: params
            .several("SnapshotIds")
            .map_err(|fault| ask.refuse("InvalidSnapshotIds.Malformed", fault.message))?,
        disk: params.string("DiskId"),
        name: params.string("SnapshotName"),
        status: params.string("Status"),
        usage: params.string("Usage"),
        source_disk_type: params.string("SourceDiskType"),
        snapshot_type: params.string("SnapshotType"),
        tags: ask.wanted_tags()?,
        from_ms,
        until_ms,
        page: Some(paging.page),
    };
    let mut found: Snapshots = ask.look(Request::Snapshot(SnapshotRequest::List(query))).await?;
    if is_of_none {
        found = Snapshots { snapshots: Vec::new(), total_count: 0, ..found };
    }
    let answer = Object::new().list("Snapshots", "Snapshot", found.snapshots.iter().map(snapshot));
    ask.read_only(paging.answer(answer, found.total_count))
}

fn snapshot(snapshot: &SnapshotView) -> Object {
    let shape = Object::new()
        .put("SnapshotId", &snapshot.snapshot_id)
        .put("SnapshotSN", &snapshot.snapshot_id)
        .put("SnapshotName", &snapshot.snapshot_name)
        .put("Description", &snapshot.description)
        .put("Status", &snapshot.status)
        .put("Progress", &snapshot.progress)
        .put("RemainTime", snapshot.remain_time)
        .put("Available", snapshot.available)
        .put("Usage", &snapshot.usage)
        .put("Category", CATEGORY)
        .put("SnapshotType", "user")
        .put("SourceDiskId", &snapshot.source_disk_id)
        .put("SourceDiskSize", snapshot.source_disk_size.to_string())
        .put("SourceDiskType", &snapshot.source_disk_type)
        .put("SourceStorageType", "disk")
        .put("RegionId", &snapshot.region_id)
        .put("CreationTime", &snapshot.creation_time)
        .put("LastModifiedTime", &snapshot.creation_time)
        .put("Encrypted", false)
        .put("KMSKeyId", "")
        .put("InstantAccess", false)
        .put("ProductCode", "")
        .put("ResourceGroupId", "")
        .put("FullSnapshotSizeInBytes", snapshot.data_bytes)
        .put("Tags", tags(&snapshot.tags));
    let told = |text: &String| (!text.is_empty()).then(|| text.clone());
    let shape = shape.put_some("SourceSnapshotId", told(&snapshot.source_snapshot_id));
    let shape = shape.put_some("SourceRegionId", told(&snapshot.source_region_id));
    shape.put_some("RetentionDays", (snapshot.retention_days > 0).then_some(snapshot.retention_days))
}
