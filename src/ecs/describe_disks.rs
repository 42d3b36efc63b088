//! `DescribeDisks`: disks in pages, by number or by token.

use service::{DiskQuery, DiskRequest, DiskView, Disks, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::pages::Paging;
use crate::shape_image::tags;

/// Entries of a page by token where nobody says, and at most. The API allows 500; a page here has 100.
const RESULTS: (u32, u32) = (10, 100);

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let params = &ask.params;
    let paging = Paging::of(&ask, RESULTS)?;
    if params.text("InstanceId").is_some() {
        // No disk is an instance's before there are instances.
        return ask.read_only(paging.answer(Object::new().list("Disks", "Disk", Vec::<Object>::new()), 0));
    }
    let query = DiskQuery {
        region: Some(region.clone()),
        ids: params.several("DiskIds")?,
        name: params.string("DiskName"),
        status: params.string("Status"),
        disk_type: params.string("DiskType"),
        snapshot: params.string("SnapshotId"),
        tags: ask.wanted_tags()?,
        page: Some(paging.page),
    };
    let found: Disks = ask.look(Request::Disk(DiskRequest::List(query))).await?;
    let answer = Object::new().list("Disks", "Disk", found.disks.iter().map(disk));
    ask.read_only(paging.answer(answer, found.total_count).put("RegionId", region.as_str()))
}

fn disk(disk: &DiskView) -> Object {
    Object::new()
        .put("DiskId", &disk.disk_id)
        .put("DiskName", &disk.disk_name)
        .put("Description", &disk.description)
        .put("Status", &disk.status)
        .put("Type", &disk.r#type)
        .put("Category", "cloud_essd")
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
        .put("Encrypted", false)
        .put("KMSKeyId", "")
        .put("Portable", true)
        .put("ProductCode", "")
        .put("ResourceGroupId", "")
        .put("Tags", tags(&disk.tags))
}
