//! What may be asked about disks, snapshots, buckets and tags.

use domain::RegionId;
use serde::{Deserialize, Serialize};

use crate::request_image::Page;

/// A disk or a snapshot, by its id or its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThingAt {
    /// Its id, or its name.
    pub thing: String,
    /// Where it is, when its name alone does not tell.
    pub region: Option<RegionId>,
}

/// What something new is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// Its name; empty for none.
    pub name: String,
    /// Its description; empty for none.
    pub description: String,
    /// Its tags, as they were said: a key that comes twice is refused.
    pub tags: Vec<(String, String)>,
}

/// Which disks; what is not said is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskQuery {
    /// The region; all if none is given.
    pub region: Option<RegionId>,
    /// Those of these ids, at most 100.
    pub ids: Option<Vec<String>>,
    /// Those of this name.
    pub name: Option<String>,
    /// `Creating`, `Available` or `All`.
    pub status: Option<String>,
    /// `system`, `data` or `all`.
    pub disk_type: Option<String>,
    /// Those made from this snapshot.
    pub snapshot: Option<String>,
    /// Those with all these tags; without a value, with the key.
    pub tags: Vec<(String, Option<String>)>,
    /// Asked for at this time or later, milliseconds since 1970 UTC.
    pub from_ms: Option<i64>,
    /// Asked for at this time or earlier.
    pub until_ms: Option<i64>,
    /// Which page; all of them if it is not said.
    pub page: Option<Page>,
}

/// Which snapshots; what is not said is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotQuery {
    /// The region; all if none is given.
    pub region: Option<RegionId>,
    /// Those of these ids, at most 100.
    pub ids: Option<Vec<String>>,
    /// Those of this disk.
    pub disk: Option<String>,
    /// Those of this name.
    pub name: Option<String>,
    /// `progressing`, `accomplished`, `failed` or `all`.
    pub status: Option<String>,
    /// `image`, `disk`, `image_disk` or `none`.
    pub usage: Option<String>,
    /// `system` or `data`, in any case.
    pub source_disk_type: Option<String>,
    /// `auto`, `user` or `all`.
    pub snapshot_type: Option<String>,
    /// Those with all these tags; without a value, with the key.
    pub tags: Vec<(String, Option<String>)>,
    /// Asked for at this time or later, milliseconds since 1970 UTC.
    pub from_ms: Option<i64>,
    /// Asked for at this time or earlier.
    pub until_ms: Option<i64>,
    /// Which page; all of them if it is not said.
    pub page: Option<Page>,
}

/// What may be asked about disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskRequest {
    /// Starts to make one.
    Create {
        /// What it is called.
        called: Called,
        /// Where it will be; the region of what it is made from, or the default one.
        region: Option<RegionId>,
        /// Its size; 0 for that of what it is made from.
        size_bytes: u64,
        /// The snapshot it is made from.
        snapshot: Option<String>,
        /// The image whose system disk it is made from.
        image: Option<String>,
    },
    /// Those there are.
    List(DiskQuery),
    /// One.
    Show(ThingAt),
    /// Starts to change one.
    Modify {
        /// The disk.
        at: ThingAt,
        /// Its name.
        name: Option<String>,
        /// Its description; empty for none.
        description: Option<String>,
        /// Its size; it only grows.
        size_bytes: Option<u64>,
    },
    /// Starts to delete one, or stops its making; a collection follows when that is done.
    Delete(ThingAt),
}

/// What may be asked about snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotRequest {
    /// Starts to take one.
    Create {
        /// The disk.
        disk: ThingAt,
        /// What it is called.
        called: Called,
        /// Days it is kept for; for ever if that is not said.
        retention_days: Option<u32>,
    },
    /// Those there are.
    List(SnapshotQuery),
    /// One.
    Show(ThingAt),
    /// Starts to change one.
    Modify {
        /// The snapshot.
        at: ThingAt,
        /// Its name.
        name: Option<String>,
        /// Its description; empty for none.
        description: Option<String>,
        /// Days it is kept for since its creation; 0 for ever.
        retention_days: Option<u32>,
    },
    /// Starts to copy one to another region, or finds the unfinished copy with the same input.
    Copy {
        /// The snapshot.
        at: ThingAt,
        /// Where to.
        to: RegionId,
        /// What the copy is called.
        called: Called,
        /// Days the copy is kept for; for ever if that is not said.
        retention_days: Option<u32>,
        /// Bytes a second that it may send; no limit if that is not said.
        bytes_per_second: Option<u64>,
    },
    /// Starts to delete one, or stops its making; a collection follows when that is done.
    Delete {
        /// The snapshot.
        at: ThingAt,
        /// Even if disks were made from it.
        force: bool,
    },
}

/// What may be asked about buckets and their objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BucketRequest {
    /// Starts to make one.
    Create {
        /// Its name.
        bucket: String,
        /// Where it will be; the default region if none is given.
        region: Option<RegionId>,
    },
    /// The account's, of one region or of all.
    List {
        /// The region; all if none is given.
        region: Option<RegionId>,
    },
    /// Starts to delete one that holds nothing.
    Delete {
        /// Its name.
        bucket: String,
    },
    /// Starts to put a file, or finds the unfinished put with the same input.
    Put {
        /// Absolute path of the file.
        path: String,
        /// Where it goes.
        bucket: String,
        /// Its key.
        key: String,
        /// Whether an object of that key may be replaced.
        replace: bool,
    },
    /// Starts to get an object, or finds the unfinished get with the same input.
    Get {
        /// Where it is.
        bucket: String,
        /// Its key.
        key: String,
        /// Absolute path of the file to make.
        path: String,
        /// Whether a file of that name may be replaced.
        replace: bool,
    },
    /// Starts to remove an object.
    Remove {
        /// Where it is.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// A stretch of what is in one, by key.
    Objects {
        /// The bucket.
        bucket: String,
        /// What the keys begin with.
        prefix: String,
        /// The key behind which the stretch begins.
        after: String,
        /// How many; at most 1000.
        count: u32,
    },
}

/// What may be asked about tags. Resources are named by their ids; images by their names as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TagRequest {
    /// Starts to put tags on resources of one region, and to take others off: on all, or on none.
    Change {
        /// The resources.
        resources: Vec<String>,
        /// Where they are, when their names alone do not tell.
        region: Option<RegionId>,
        /// Tags to set, as they were said: a key that comes twice is refused.
        set: Vec<(String, String)>,
        /// Keys of tags to take off.
        remove: Vec<String>,
        /// Whether all are taken off, those of the system excepted.
        all: bool,
    },
    /// The tags there are: a row for each resource and tag.
    List {
        /// Only those of these resources.
        resources: Vec<String>,
        /// The region; all if none is given.
        region: Option<RegionId>,
        /// Only these tags, of resources that have all of them; without a value, any value.
        tags: Vec<(String, Option<String>)>,
    },
}
