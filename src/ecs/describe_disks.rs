//! `DescribeDisks`: disks in pages, by number or by token.

use service::{DiskQuery, DiskRequest, DiskView, Disks, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::pages::Paging;
use crate::shape_image::tags;

/// Entries of a page by token where nobody says, and at most. The API allows 500; a page here has 100.
const RESULTS: (u32, u32) = (10, 100);

/// The one category there is.
const CATEGORY: &str = "cloud_essd";
/// What is the same of all disks, which no instance has: asked for otherwise, there are none.
const ALIKE: [(&str, &str); 15] = [
    ("InstanceId", ""),
    ("Category", CATEGORY),
    ("PerformanceLevel", "PL1"),
    ("DiskChargeType", "PostPaid"),
    ("MultiAttach", "Disabled"),
    ("KMSKeyId", ""),
    ("LockReason", ""),
    ("AutoSnapshotPolicyId", ""),
    ("Portable", "true"),
    ("Encrypted", "false"),
    ("DeleteAutoSnapshot", "false"),
    ("DeleteWithInstance", "false"),
    ("EnableAutoSnapshot", "false"),
    ("EnableAutomatedSnapshotPolicy", "false"),
    ("EnableShared", "false"),
];
/// Those of them that are true or false.
const FLAGS: [&str; 7] = [
    "Portable",
    "Encrypted",
    "DeleteAutoSnapshot",
    "DeleteWithInstance",
    "EnableAutoSnapshot",
    "EnableAutomatedSnapshotPolicy",
    "EnableShared",
];

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let paging = Paging::of(&ask, RESULTS)?;
    let (from_ms, until_ms) = ask.created()?;
    for name in FLAGS {
        params.flag(name)?;
    }
    let is_of_none = !ask.asks_for_what_is(&ALIKE);
    let query = DiskQuery {
        region: Some(region),
        ids: params
            .several("DiskIds")
            .map_err(|fault| ask.refuse("InvalidDiskIds.Malformed", fault.message))?,
        name: params.string("DiskName"),
        status: params.string("Status"),
        disk_type: params.string("DiskType"),
        snapshot: params.string("SnapshotId"),
        tags: ask.wanted_tags()?,
        from_ms,
        until_ms,
        page: Some(paging.page),
    };
    let mut found: Disks = ask.look(Request::Disk(DiskRequest::List(query))).await?;
    if is_of_none {
        found = Disks { disks: Vec::new(), total_count: 0, ..found };
    }
    let answer = Object::new().list("Disks", "Disk", found.disks.iter().map(disk));
    ask.read_only(paging.answer(answer, found.total_count))
}

fn disk(disk: &DiskView) -> Object {
    Object::new()
        .put("DiskId", &disk.disk_id)
        .put("DiskName", &disk.disk_name)
        .put("Description", &disk.description)
        .put("Status", &disk.status)
        .put("Type", &disk.r#type)
        .put("Category", CATEGORY)
        .put("PerformanceLevel", "PL1")
        .put("Size", disk.size)
        .put("SourceSnapshotId", &disk.source_snapshot_id)
        .put("ImageId", &disk.image_id)
        .put("RegionId", &disk.region_id)
        .put("CreationTime", &disk.creation_time)
        .put("SerialNumber", disk.disk_id.trim_start_matches("d-"))
        .put("InstanceId", "")
        .put("Device", "")
        .put("DiskChargeType", "PostPaid")
        .put("DeleteWithInstance", false)
        .put("DeleteAutoSnapshot", false)
        .put("EnableAutoSnapshot", false)
        .put("EnableAutomatedSnapshotPolicy", false)
        .put("MultiAttach", "Disabled")
        .put("Encrypted", false)
        .put("KMSKeyId", "")
        .put("Portable", true)
        .put("ProductCode", "")
        .put("ResourceGroupId", "")
        .put("Tags", tags(&disk.tags))
}
