//! Images, families, snapshots, disks, regions and accounts as they stand: the rows of the projections.

use std::collections::BTreeMap;

use event::{FlowId, Scope, Seq, Table, View};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::place;
use crate::port::{CheckItem, Format, Location, StoredDisk};
pub use crate::told::{FamilyHead, Told};
use crate::upkeep::ForList;
use crate::{AccountId, DiskId, ImageId, RegionId, SnapshotId, StoreId, TaskId};

pub use crate::family::{FamilyRow, families, family_head, family_head_id, family_members, is_family_head};
pub use crate::live::live_manifests;

/// Where an image stands. The words are those of the ECS API, whose `CreateFailed` and `UnAvailable`
/// never occur here: an image that did not come to be leaves nothing behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// It waits until others of its kind are done.
    Waiting,
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
            Self::Waiting => "Waiting",
            Self::Creating => "Creating",
            Self::Available => "Available",
            Self::Deprecated => "Deprecated",
        }
    }

    /// Whether it is not whole yet.
    pub fn is_being_made(self) -> bool {
        matches!(self, Self::Waiting | Self::Creating)
    }
}

/// What an image is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Making {
    /// Disk files.
    Import,
    /// Snapshots; nothing is copied.
    Snapshots,
    /// Another image.
    Copy {
        /// That image.
        image: ImageId,
        /// Its owner.
        account: AccountId,
        /// Its region.
        region: RegionId,
    },
}

/// Which place a disk has in a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskKind {
    /// It boots.
    System,
    /// Any other.
    Data,
}

impl DiskKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Data => "data",
        }
    }
}

/// A disk of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageDisk {
    /// Where an instance has it: `/dev/xvda`.
    pub device: String,
    /// Which place it has.
    pub kind: DiskKind,
    /// The snapshot that holds it.
    pub snapshot: SnapshotId,
    /// Whether the image made that snapshot.
    pub own: bool,
    /// Size an instance's disk has; at least that of the content, what lies behind reads zero.
    pub size_bytes: u64,
    /// Size of the content; for a copy or a snapshot known from the beginning, for a file as well.
    pub disk_bytes: u64,
    /// The format it came in, if it was a file.
    pub format: Option<Format>,
    /// The file it came from.
    #[serde(with = "place::source")]
    pub source: Option<Location>,
    /// What is in the store, once it is there.
    pub disk: Option<StoredDisk>,
    /// Whether that was read back and found to be what it should be.
    pub verified: bool,
    /// Guest bytes that are not zero.
    pub data_bytes: u64,
    /// Bytes it added to the store.
    pub stored_bytes: u64,
}

/// Somebody an image is shared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Since when, milliseconds since 1970 UTC.
    pub since_ms: i64,
    /// Until when; for ever if that is not said.
    pub until_ms: Option<i64>,
}

impl Share {
    /// Whether it is in force at that time.
    pub fn holds(&self, now_ms: i64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

/// What an image check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// Whether one is asked for or under way.
    pub asked: bool,
    /// When the last one ended, milliseconds since 1970 UTC.
    pub finished_ms: Option<i64>,
    /// What that one found.
    #[serde(with = "place::items")]
    pub items: Vec<CheckItem>,
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
    /// The machine it wants.
    pub machine: Machine,
    /// Its disks, the system disk first.
    pub disks: Vec<ImageDisk>,
    /// What it was made from.
    pub making: Making,
    /// When it was asked for, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// Its place in the order of creation.
    pub born: Seq,
    /// The operation that makes or made it.
    pub flow: FlowId,
    /// The task of that operation, if the API has one for it.
    pub task: Option<TaskId>,
    /// Exports in progress.
    pub exports: u32,
    /// Copies of it in progress: the image that comes to be, and where.
    pub copies: BTreeMap<ImageId, Scope>,
    /// Those it is shared with.
    pub shares: BTreeMap<AccountId, Share>,
    /// Whether everybody in the region may use it.
    pub public: bool,
    /// Whether an image check was asked for, and what it found.
    pub detection: Option<Detection>,
    /// Since when it is Deprecated, if it is.
    pub deprecated_ms: Option<i64>,
    /// The distribution list it was made for.
    pub for_list: Option<ForList>,
}

impl Image {
    /// Its system disk.
    pub fn system(&self) -> &ImageDisk {
        self.disks.first().expect("an image is reserved with a system disk")
    }

    /// Whether it is shared with anybody at that time.
    pub fn is_shared(&self, now_ms: i64) -> bool {
        self.shares.values().any(|share| share.holds(now_ms))
    }

    /// Whether an account may see and use it at that time.
    pub fn is_visible_to(&self, account: &AccountId, now_ms: i64) -> bool {
        self.account == *account
            || self.public
            || self.shares.get(account).is_some_and(|share| share.holds(now_ms))
    }
}

/// A snapshot: one disk in a store. Images and disks name it; it may outlive them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Its name; empty for none.
    pub name: String,
    /// Its description; empty for none.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// What is in the store, once it is there; the snapshot is accomplished when it is `ready`.
    pub disk: Option<StoredDisk>,
    /// Whether that was read back and found to be what it should be.
    pub verified: bool,
    /// Whether it may be used.
    pub ready: bool,
    /// Size a disk made from it has at least.
    pub size_bytes: u64,
    /// Which place the disk had that it is of.
    pub kind: DiskKind,
    /// The disk it is of, if it is of one.
    pub of_disk: Option<DiskId>,
    /// The snapshot it is a copy of, and the region of that.
    pub copy_of: Option<(RegionId, SnapshotId)>,
    /// The image that made it, if one did.
    pub made_by: Option<ImageId>,
    /// Images that stand on it.
    pub images: u32,
    /// Disks made from it.
    pub disks: u32,
    /// How many of those images and disks are still being made.
    pub making: u32,
    /// Copies of it in progress, by the region they go to.
    pub copies: BTreeMap<RegionId, SnapshotId>,
    /// When it was asked for, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// Its place in the order of creation.
    pub born: Seq,
    /// The operation that makes or made it.
    pub flow: FlowId,
    /// When it is removed by itself; never if that is not said.
    pub until_ms: Option<i64>,
    /// Guest bytes that are not zero.
    pub data_bytes: u64,
    /// Bytes it added to the store.
    pub stored_bytes: u64,
}

/// A disk that no instance has, or none yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Its id.
    pub id: DiskId,
    /// Its name; empty for none.
    pub name: String,
    /// Its description; empty for none.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// What is in the store, once it is there.
    pub disk: Option<StoredDisk>,
    /// Whether that was read back and found to be what it should be.
    pub verified: bool,
    /// Whether it may be used.
    pub ready: bool,
    /// Its size; at least that of the content, what lies behind reads zero.
    pub size_bytes: u64,
    /// Which place it has or had.
    pub kind: DiskKind,
    /// The snapshot it was made from.
    pub of_snapshot: Option<SnapshotId>,
    /// The image it was made from.
    pub of_image: Option<ImageId>,
    /// Snapshots of it, those being made included.
    pub snapshots: u32,
    /// Snapshots of it that are being made.
    pub snapshotting: u32,
    /// Its snapshots that are being copied, by the region they go to.
    pub copies: BTreeMap<RegionId, SnapshotId>,
    /// Guest bytes that are not zero.
    pub data_bytes: u64,
    /// When it was asked for, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// Its place in the order of creation.
    pub born: Seq,
    /// The operation that makes or made it.
    pub flow: FlowId,
}

/// What the API calls a task: an import or an export, in progress or over. How far it has come is
/// its operation's to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What it does.
    pub action: TaskAction,
    /// The image it is about.
    pub image: ImageId,
    /// Its operation.
    pub flow: FlowId,
    /// When it was created, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// Where an export goes, disk by disk.
    pub targets: Vec<Location>,
}

/// What a task does, in the words of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskAction {
    /// An import.
    ImportImage,
    /// An export.
    ExportImage,
}

impl TaskAction {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ImportImage => "ImportImage",
            Self::ExportImage => "ExportImage",
        }
    }
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

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name, unique among all accounts and regions.
    pub name: String,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// Whether it was made, and is not being removed.
    pub ready: bool,
    /// When it was asked for, milliseconds since 1970 UTC.
    pub created_ms: i64,
}

/// How much of its quotas an account uses in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Images, those being made included.
    pub images: u32,
    /// Snapshots, those being made included.
    pub snapshots: u32,
    /// Disks, those being made included.
    pub disks: u32,
    /// Families with an image in them.
    pub families: u32,
    /// Pairs of an image and somebody it is shared with.
    pub shares: u32,
    /// Exports in progress.
    pub exports: u32,
}

/// How much an account may have in a region; what is not said is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quotas {
    /// Images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<u32>,
    /// Snapshots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<u32>,
    /// Disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disks: Option<u32>,
    /// Families.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub families: Option<u32>,
    /// Images in a family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_images: Option<u32>,
    /// Pairs of an image and somebody it is shared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<u32>,
    /// Accounts one image is shared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_shares: Option<u32>,
    /// Exports at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exports: Option<u32>,
}

/// An image somebody else shares, as the one it is shared with finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedImage {
    /// The image.
    pub image: ImageId,
    /// The scope of its owner.
    pub scope: Scope,
    /// Its family, so that a list can be put in order without looking at each image.
    pub family: Option<String>,
    /// Its place in the order of creation.
    pub born: Seq,
    /// Until when it is shared; for ever, or published, if that is not said.
    pub until_ms: Option<i64>,
}

impl SharedImage {
    pub(crate) fn of(image: &Image, scope: &Scope, until_ms: Option<i64>) -> Self {
        let (family, born) = (image.family.clone(), image.born);
        Self { image: image.id.clone(), scope: scope.clone(), family, born, until_ms }
    }
}

/// Something that is to happen by itself at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Due {
    /// An image is to be checked.
    Check {
        /// The image.
        image: ImageId,
        /// Its scope.
        scope: Scope,
    },
    /// A share ends.
    ShareEnd {
        /// The image.
        image: ImageId,
        /// Its scope.
        scope: Scope,
        /// Whom it was shared with.
        account: AccountId,
        /// When.
        until_ms: i64,
    },
    /// A snapshot has been kept long enough.
    SnapshotEnd {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Its scope.
        scope: Scope,
        /// When.
        until_ms: i64,
    },
}

impl Due {
    /// What it is called in its key and in the request that starts what is due.
    pub fn name(&self) -> String {
        match self {
            Self::Check { image, .. } => format!("check/{image}"),
            Self::ShareEnd { image, account, until_ms, .. } => {
                format!("share-end/{image}/{account}/{until_ms}")
            }
            Self::SnapshotEnd { snapshot, until_ms, .. } => format!("snapshot-end/{snapshot}/{until_ms}"),
        }
    }

    /// When it is due, milliseconds since 1970 UTC; at once for 0.
    pub fn at_ms(&self) -> i64 {
        match self {
            Self::Check { .. } => 0,
            Self::ShareEnd { until_ms, .. } | Self::SnapshotEnd { until_ms, .. } => *until_ms,
        }
    }

    pub(crate) fn put(&self, rows: &mut dyn event::RowsMut) {
        DUE.put(rows, &house(), &[&moment(self.at_ms()), &self.name()], self);
    }

    pub(crate) fn remove(&self, rows: &mut dyn event::RowsMut) {
        DUE.remove(rows, &house(), &[&moment(self.at_ms()), &self.name()]);
    }
}

/// Images by account, region and id. By place: without names of fields, a row is little more than half as long.
pub const IMAGES: Table<Image> = Table::new("image").by_place();
/// Ids of images by account, region and name.
pub const NAMES: Table<ImageId> = Table::new("image-name");
/// Ids of images by account, region, family and order of creation.
pub const FAMILIES: Table<ImageId> = Table::new("family");
/// Ids of the Available images by account, region and family, newest first: where the fold finds the next
/// one when a family's newest is that no more.
pub const FAMILY_AVAILABLE: Table<ImageId> = Table::new("family-available");
/// What is asked most of a family, by account, region and family; a row for each with an image in it.
pub const FAMILY_ROWS: Table<FamilyRow> = Table::new("family-row").by_place();
/// What a family was told to stand for, by account, region and family.
pub const FAMILY_HEADS: Table<FamilyHead> = Table::new("family-head");
/// Where an image, a snapshot, a disk or a task is, by id alone.
pub const PLACES: Table<Scope> = Table::new("place");
/// Snapshots by account, region and id.
pub const SNAPSHOTS: Table<Snapshot> = Table::new("snapshot");
/// Disks by account, region and id.
pub const DISKS: Table<Disk> = Table::new("disk");
/// Tasks by account, region and id.
pub const TASKS: Table<Task> = Table::new("task");
/// Usage by account and region.
pub const USAGE: Table<Usage> = Table::new("usage");
/// Quotas by account and region.
pub const QUOTAS: Table<Quotas> = Table::new("quota");
/// What others share, by the account and region it is shared with, and image.
pub const SHARED: Table<SharedImage> = Table::new("shared").by_place();
/// What is everybody's, in the scope of a region, by order of publication.
pub const PUBLIC: Table<SharedImage> = Table::new("public").by_place();
/// What is to happen by itself, in the scope of the house, by time.
pub const DUE: Table<Due> = Table::new("due");
/// Regions, in the scope of the house.
pub const REGIONS: Table<Region> = Table::new("region");
/// Accounts, in the scope of the house.
pub const ACCOUNTS: Table<Account> = Table::new("account");
/// Buckets, in the scope of the house, by name.
pub const BUCKETS: Table<Bucket> = Table::new("bucket");

/// The scope of what belongs to no account.
pub fn house() -> Scope {
    Scope::from("kiln")
}

/// The scope of an account in a region.
pub fn scope(account: &AccountId, region: &RegionId) -> Scope {
    Scope(format!("{account}/{region}"))
}

/// The scope in which [`PUBLIC`] has what is everybody's in a region.
pub fn public_scope(region: &RegionId) -> Scope {
    Scope(format!("everybody/{region}"))
}

/// The account and the region of a scope that [`scope`] made.
pub fn parts_of(scope: &Scope) -> Option<(AccountId, RegionId)> {
    let (account, region) = scope.as_str().split_once('/')?;
    Some((AccountId::from(account), RegionId::from(region)))
}

/// A place in the order of creation, as a key that sorts.
pub(crate) fn birth(seq: Seq) -> String {
    format!("{:016x}", seq.0)
}

/// The same, as a key that sorts the newest first.
pub(crate) fn youth(seq: Seq) -> String {
    format!("{:016x}", u64::MAX - seq.0)
}

/// A time as a key that sorts; those before 1970 come first.
pub(crate) fn moment(ms: i64) -> String {
    format!("{:016x}", ms.max(0))
}

/// An image of the scope in view.
pub(crate) fn in_view(view: &View<'_>, id: &ImageId) -> Option<Image> {
    view.get(&IMAGES, &[id.as_str()])
}
