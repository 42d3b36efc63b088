//! What may be asked of images beside what `request.rs` has: creating one from snapshots, checking
//! one, and which of them a list shows.

use std::collections::BTreeMap;

use domain::RegionId;
use domain::image::DiskKind;
use domain::machine::MachineAsked;
use serde::{Deserialize, Serialize};

use crate::request::ImageAt;

/// Everything that may be asked of images and stands in no variant of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageRequest {
    /// Starts to create an image from snapshots, or from an instance.
    Create(ImageCreate),
    /// Starts to check the file systems of an image.
    Check(ImageAt),
}

/// A creation. Where several sources are named the first of them counts, as in the ECS API: the
/// instance, the disks, the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCreate {
    /// The instance whose disks the image gets.
    pub instance: Option<String>,
    /// The disks the image gets, in any order.
    pub disks: Vec<CreateDisk>,
    /// The snapshot of a system disk that is the image's only disk, by id or name.
    pub snapshot: Option<String>,
    /// Name of the image; its id if it is empty.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its family.
    pub family: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Where it will be, as its snapshots are; where the first of them is if it is not said.
    pub region: Option<RegionId>,
    /// What is said of the machine it wants; the rest is that of the image the system disk's
    /// snapshot comes from, while that image is there.
    pub machine: MachineAsked,
    /// Whether its file systems are to be checked when it is there.
    pub check: bool,
}

/// A disk of an image that is created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateDisk {
    /// The snapshot it is, by id or name; an empty disk if none is named.
    pub snapshot: Option<String>,
    /// Its size; that of the snapshot, or 20 GiB for an empty disk, if it is not said.
    pub size_bytes: Option<u64>,
    /// Where an instance will have it; the next free one if it is not said.
    pub device: Option<String>,
    /// Which place it has; that of the disk the snapshot is of if it is not said.
    pub kind: Option<DiskKind>,
}

/// Which images a list shows: those that everything said here holds of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageQuery {
    /// The region; all if none is given.
    pub region: Option<RegionId>,
    /// Whose: `self`, `others`, `system` or `marketplace`, as the ECS API has them; the account's own
    /// and those shared with it if it is not said. The last two have none here.
    pub owner: Option<String>,
    /// The account they are of; only together with `others`.
    pub owner_id: Option<String>,
    /// Those that are everybody's instead of those shared with the account; only together with `others`.
    pub public: bool,
    /// Where they stand, several words with commas between them, or `all`; wherever if it is not said.
    pub status: Option<String>,
    /// Their ids.
    pub ids: Vec<String>,
    /// Their name: `*` stands for anything, and a text without one may stand anywhere in the name.
    pub name: Option<String>,
    /// Their family, as the account sees it.
    pub family: Option<String>,
    /// A snapshot they stand on.
    pub snapshot: Option<String>,
    /// Their processor.
    pub architecture: Option<String>,
    /// Their kind of system.
    pub os_type: Option<String>,
    /// Tags they have, each with the value if one is given.
    pub tags: Vec<(String, Option<String>)>,
    /// The resource group they are in; only images of the account's own are in any.
    pub group: Option<String>,
    /// `instance` for those that instances use, `none` for the others.
    pub usage: Option<String>,
    /// Asked for at this time or later, milliseconds since 1970 UTC.
    pub from_ms: Option<i64>,
    /// Asked for at this time or earlier.
    pub until_ms: Option<i64>,
    /// Whether instances can be made of them.
    pub usable: Option<bool>,
    /// Whether a check found that they can be told at their first start what to do.
    pub cloud_init: Option<bool>,
    /// Newest first, whatever their family; by region and family, and newest first in each, else.
    pub newest_first: bool,
    /// Leaves out whether each is the one that its family stands for, which costs two rows an image.
    #[serde(default)]
    pub without_heads: bool,
    /// The page; all if none is given.
    pub page: Option<Page>,
}

/// A page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Which, from 1.
    pub number: u32,
    /// How many it has: 1 to 100.
    pub size: u32,
}
