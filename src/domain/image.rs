//! Images, families, snapshots, regions and accounts as they stand: the rows of the projections.

use std::collections::BTreeMap;

use event::{Rows, Scope, Seq, Table, View};
use serde::{Deserialize, Serialize};

use crate::port::{Format, StoredDisk};
use crate::{AccountId, ImageId, RegionId, SnapshotId, StoreId};

/// Where an image stands. The words are those of the ECS API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// It is being made.
    Creating,
    /// It is whole and may be used.
    Available,
    /// It may be used by its id, but stands for its family no more.
    Deprecated,
}

impl Status {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Available => "Available",
            Self::Deprecated => "Deprecated",
        }
    }
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its name, unique in its account and region.
    pub name: String,
    /// Its description; empty for none.
    pub description: String,
    /// Its family.
    pub family: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Where it stands.
    pub status: Status,
    /// Its creator.
    pub account: AccountId,
    /// Its region.
    pub region: RegionId,
    /// The snapshot of its system disk.
    pub snapshot: SnapshotId,
    /// Size of its system disk.
    pub disk_bytes: u64,
    /// The format it came in.
    pub format: Format,
    /// The file it was made from.
    pub source: String,
    /// Its disk in the store, once it is there.
    pub disk: Option<StoredDisk>,
    /// Whether that was read back and found to be what it should be.
    pub verified: bool,
    /// Guest bytes that are not zero.
    pub data_bytes: u64,
    /// Bytes it added to the store.
    pub stored_bytes: u64,
    /// When it was asked for, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// Its place in the order of creation.
    pub born: Seq,
    /// Exports in progress.
    pub exports: u32,
}

/// A snapshot: one disk in a store. Images name it; it may outlive them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The disk.
    pub disk: StoredDisk,
}

/// A region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Its id.
    pub id: RegionId,
    /// The id its store has to show.
    pub store: StoreId,
    /// Whether the store was made.
    pub ready: bool,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its decimal id.
    pub id: AccountId,
    /// What people call it.
    pub name: String,
}

/// How much of a quota an account uses in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Images, those being made included.
    pub images: u32,
}

/// Images by account, region and id.
pub const IMAGES: Table<Image> = Table::new("image");
/// Ids of images by account, region and name.
pub const NAMES: Table<ImageId> = Table::new("image-name");
/// Ids of images by account, region, family and order of creation.
pub const FAMILIES: Table<ImageId> = Table::new("family");
/// Where an image is, by id alone.
pub const PLACES: Table<Scope> = Table::new("image-place");
/// Snapshots by account, region and id.
pub const SNAPSHOTS: Table<Snapshot> = Table::new("snapshot");
/// Usage by account and region.
pub const USAGE: Table<Usage> = Table::new("usage");
/// Regions, in the scope of the house.
pub const REGIONS: Table<Region> = Table::new("region");
/// Accounts, in the scope of the house.
pub const ACCOUNTS: Table<Account> = Table::new("account");

/// The scope of what belongs to no account.
pub fn house() -> Scope {
    Scope::from("kiln")
}

/// The scope of an account in a region.
pub fn scope(account: &AccountId, region: &RegionId) -> Scope {
    Scope(format!("{account}/{region}"))
}

/// A place in the order of creation, as a key that sorts.
pub(crate) fn birth(seq: Seq) -> String {
    format!("{:016x}", seq.0)
}

/// The image a family stands for: the newest that is Available.
pub fn family_head(rows: &dyn Rows, scope: &Scope, family: &str) -> Option<Image> {
    family_members(rows, scope, family).into_iter().find(|image| image.status == Status::Available)
}

/// The images of a family, newest first, those being made left out.
pub fn family_members(rows: &dyn Rows, scope: &Scope, family: &str) -> Vec<Image> {
    let ids = FAMILIES.list(rows, scope, &[family]);
    let images = ids.into_iter().rev().filter_map(|id| IMAGES.get(rows, scope, &[id.as_str()]));
    images.filter(|image| image.status != Status::Creating).collect()
}

/// An image of the scope in view.
pub(crate) fn in_view(view: &View<'_>, id: &ImageId) -> Option<Image> {
    view.get(&IMAGES, &[id.as_str()])
}
