//! Views of disks, snapshots, buckets and tags.

use std::collections::BTreeMap;

use domain::image::{Bucket, Disk, Snapshot};
use domain::port::ObjectInfo;
use serde::{Deserialize, Serialize};

use crate::view::{time_text, views};
use crate::view_image::GIB;

/// Milliseconds in a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

views! {
    /// A disk.
    DiskView {
        /// Its id.
        disk_id: String,
        /// Its name; empty for none.
        disk_name: String,
        /// Its description; empty for none.
        description: String,
        /// `Creating` or `Available`.
        status: String,
        /// `system` or `data`.
        r#type: String,
        /// Its size in GiB, rounded up.
        size: u64,
        /// Its exact size.
        size_bytes: u64,
        /// Guest bytes that are not zero.
        data_bytes: u64,
        /// The snapshot it was made from; empty for none.
        source_snapshot_id: String,
        /// The image it was made from; empty for none.
        image_id: String,
        /// Its region.
        region_id: String,
        /// Its owner.
        owner_id: String,
        /// When it was asked for.
        creation_time: String,
        /// Its tags.
        tags: BTreeMap<String, String>,
        /// The identity of its content; empty until that is stored.
        content_root: String,
        /// The operation that makes or made it.
        workflow_id: event::FlowId,
    }
    /// Disks.
    Disks {
        /// Oldest first, by region.
        disks: Vec<DiskView>,
        /// How many there are on all pages.
        total_count: u64,
        /// The page's number, from 1.
        page_number: u32,
        /// How many a page may have; all there are where nobody asked for pages.
        page_size: u32,
    }
    /// A snapshot.
    SnapshotView {
        /// Its id.
        snapshot_id: String,
        /// Its name; empty for none.
        snapshot_name: String,
        /// Its description; empty for none.
        description: String,
        /// `progressing` or `accomplished`.
        status: String,
        /// How far it has come: `100%`.
        progress: String,
        /// How many seconds that will take as things go; 0 when it is there, or not to be foreseen.
        remain_time: u64,
        /// Whether it may be used.
        available: bool,
        /// `image`, `disk`, `image_disk` or `none`.
        usage: String,
        /// Images that stand on it.
        images: u32,
        /// Disks made from it.
        disks: u32,
        /// The disk it is of; empty if it is of none that ever was.
        source_disk_id: String,
        /// Size of that in GiB, rounded up.
        source_disk_size: u64,
        /// Exact size of that.
        size_bytes: u64,
        /// `system` or `data`.
        source_disk_type: String,
        /// The snapshot it is a copy of; empty if it is none.
        source_snapshot_id: String,
        /// Where that is; empty if it is no copy.
        source_region_id: String,
        /// The image that made it; empty if none did.
        image_id: String,
        /// Its region.
        region_id: String,
        /// Its owner.
        owner_id: String,
        /// When it was asked for.
        creation_time: String,
        /// Days it is kept for since then; 0 for ever.
        retention_days: u32,
        /// When it is removed by itself; empty for never.
        removal_time: String,
        /// Its tags.
        tags: BTreeMap<String, String>,
        /// Guest bytes that are not zero.
        data_bytes: u64,
        /// Bytes it added to the store.
        stored_bytes: u64,
        /// The identity of its content; empty until that is stored.
        content_root: String,
        /// The operation that makes or made it.
        workflow_id: event::FlowId,
    }
    /// Snapshots.
    Snapshots {
        /// Oldest first, by region.
        snapshots: Vec<SnapshotView>,
        /// How many there are on all pages.
        total_count: u64,
        /// The page's number, from 1.
        page_number: u32,
        /// How many a page may have; all there are where nobody asked for pages.
        page_size: u32,
    }
    /// A bucket.
    BucketView {
        /// Its name.
        bucket_name: String,
        /// Its region.
        region_id: String,
        /// Its owner.
        owner_id: String,
        /// When it was asked for.
        creation_time: String,
        /// `Available`; `Changing` while it is made or removed.
        status: String,
    }
    /// Buckets.
    Buckets {
        /// By name.
        buckets: Vec<BucketView>,
    }
    /// An object.
    ObjectView {
        /// Its key.
        key: String,
        /// Its length in bytes.
        size: u64,
        /// When it was last written.
        last_modified: String,
    }
    /// Objects of a bucket.
    Objects {
        /// By key, in the order of its bytes.
        objects: Vec<ObjectView>,
        /// Whether there are more behind the last one.
        more: bool,
    }
    /// A tag of a resource.
    TagRow {
        /// `image`, `snapshot`, `disk`, `securitygroup`, `keypair`, `vpc`, `vswitch` or `eip`.
        resource_type: String,
        /// The resource.
        resource_id: String,
        /// Its key.
        tag_key: String,
        /// Its value.
        tag_value: String,
    }
    /// Tags.
    Tags {
        /// A row for each resource and tag.
        tag_resources: Vec<TagRow>,
    }
}

impl DiskView {
    pub(crate) fn of(disk: &Disk) -> Self {
        Self {
            disk_id: disk.id.0.clone(),
            disk_name: disk.name.clone(),
            description: disk.description.clone(),
            status: disk_status(disk).to_owned(),
            r#type: disk.kind.word().to_owned(),
            size: disk.size_bytes.div_ceil(GIB),
            size_bytes: disk.size_bytes,
            data_bytes: disk.data_bytes,
            source_snapshot_id: disk.of_snapshot.as_ref().map(|id| id.0.clone()).unwrap_or_default(),
            image_id: disk.of_image.as_ref().map(|id| id.0.clone()).unwrap_or_default(),
            region_id: disk.region.0.clone(),
            owner_id: disk.account.0.clone(),
            creation_time: time_text(disk.created_ms),
            tags: disk.tags.clone(),
            content_root: disk.disk.map(|disk| disk.root.to_string()).unwrap_or_default(),
            workflow_id: disk.flow,
        }
    }
}

/// The API's word for where a disk stands.
pub(crate) fn disk_status(disk: &Disk) -> &'static str {
    if disk.ready { "Available" } else { "Creating" }
}

impl SnapshotView {
    /// `progress` is what is told of one that is being made, in percent.
    pub(crate) fn of(snapshot: &Snapshot, progress: u32) -> Self {
        let copy_of = snapshot.copy_of.as_ref();
        let kept_ms = snapshot.until_ms.map(|until_ms| until_ms - snapshot.created_ms);
        Self {
            snapshot_id: snapshot.id.0.clone(),
            snapshot_name: snapshot.name.clone(),
            description: snapshot.description.clone(),
            status: snapshot_status(snapshot).to_owned(),
            progress: format!("{}%", if snapshot.ready { 100 } else { progress }),
            remain_time: 0,
            available: snapshot.ready,
            usage: snapshot_usage(snapshot).to_owned(),
            images: snapshot.images,
            disks: snapshot.disks,
            source_disk_id: snapshot.of_disk.as_ref().map(|id| id.0.clone()).unwrap_or_default(),
            source_disk_size: snapshot.size_bytes.div_ceil(GIB),
            size_bytes: snapshot.size_bytes,
            source_disk_type: snapshot.kind.word().to_owned(),
            source_snapshot_id: copy_of.map(|(_, id)| id.0.clone()).unwrap_or_default(),
            source_region_id: copy_of.map(|(region, _)| region.0.clone()).unwrap_or_default(),
            image_id: snapshot.made_by.as_ref().map(|id| id.0.clone()).unwrap_or_default(),
            region_id: snapshot.region.0.clone(),
            owner_id: snapshot.account.0.clone(),
            creation_time: time_text(snapshot.created_ms),
            retention_days: kept_ms.and_then(|ms| u32::try_from(ms / DAY_MS).ok()).unwrap_or_default(),
            removal_time: snapshot.until_ms.map(time_text).unwrap_or_default(),
            tags: snapshot.tags.clone(),
            data_bytes: snapshot.data_bytes,
            stored_bytes: snapshot.stored_bytes,
            content_root: snapshot.disk.map(|disk| disk.root.to_string()).unwrap_or_default(),
            workflow_id: snapshot.flow,
        }
    }
}

/// The API's word for where a snapshot stands.
pub(crate) fn snapshot_status(snapshot: &Snapshot) -> &'static str {
    if snapshot.ready { "accomplished" } else { "progressing" }
}

/// The API's word for what a snapshot is used for.
pub(crate) fn snapshot_usage(snapshot: &Snapshot) -> &'static str {
    match (snapshot.images > 0, snapshot.disks > 0) {
        (true, true) => "image_disk",
        (true, false) => "image",
        (false, true) => "disk",
        (false, false) => "none",
    }
}

impl From<Bucket> for BucketView {
    fn from(bucket: Bucket) -> Self {
        Self {
            bucket_name: bucket.name,
            region_id: bucket.region.0,
            owner_id: bucket.account.0,
            creation_time: time_text(bucket.created_ms),
            status: if bucket.ready { "Available" } else { "Changing" }.to_owned(),
        }
    }
}

impl From<ObjectInfo> for ObjectView {
    fn from(object: ObjectInfo) -> Self {
        Self { key: object.key, size: object.bytes, last_modified: time_text(object.modified_ms) }
    }
}
