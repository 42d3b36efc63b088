//! What events tell in detail, and what they can be about.

use std::collections::BTreeMap;

use event::Subject;
use serde::{Deserialize, Serialize};

use crate::access::{AccessKeyId, Arn};
use crate::batch::BatchId;
use crate::group::GroupId;
use crate::image::DiskKind;
use crate::machine::{BootMode, Imds, LicenseType, Machine, Nvme, SecureBoot};
use crate::network::ItemId;
use crate::port::{Format, Location, StoredDisk, Target};
use crate::schedule::ScheduleId;
use crate::upkeep::UpkeepId;
use crate::{AccountId, DiskId, ImageId, RegionId, SnapshotId, TaskId};

/// What can be the subject of an event.
pub(crate) trait Concerned {
    fn tell(&self, subjects: &mut Vec<Subject>);
}

macro_rules! concerned {
    ($($id:ident),*) => {
        $(impl Concerned for $id {
            fn tell(&self, subjects: &mut Vec<Subject>) {
                subjects.push(Subject(self.0.clone()));
            }
        })*
    };
}

concerned!(
    AccessKeyId,
    AccountId,
    Arn,
    BatchId,
    DiskId,
    GroupId,
    ImageId,
    ItemId,
    RegionId,
    ScheduleId,
    SnapshotId,
    TaskId,
    UpkeepId,
    ResourceId
);

impl<T: Concerned> Concerned for Vec<T> {
    fn tell(&self, subjects: &mut Vec<Subject>) {
        for one in self {
            one.tell(subjects);
        }
    }
}

impl<T: Concerned> Concerned for Option<T> {
    fn tell(&self, subjects: &mut Vec<Subject>) {
        if let Some(one) = self {
            one.tell(subjects);
        }
    }
}

event::text_id! {
    /// Anything that has an id of its own: an image, a snapshot, a disk.
    ResourceId
}

impl From<ImageId> for ResourceId {
    fn from(id: ImageId) -> Self {
        Self(id.0)
    }
}

impl From<SnapshotId> for ResourceId {
    fn from(id: SnapshotId) -> Self {
        Self(id.0)
    }
}

impl From<crate::network::ItemId> for ResourceId {
    fn from(id: crate::network::ItemId) -> Self {
        Self(id.0)
    }
}

impl From<DiskId> for ResourceId {
    fn from(id: DiskId) -> Self {
        Self(id.0)
    }
}

/// A disk that an image is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskPlan {
    /// Where an instance has it: `/dev/xvda`.
    pub device: String,
    /// Which place it has.
    pub kind: DiskKind,
    /// The snapshot that holds it, or will.
    pub snapshot: SnapshotId,
    /// Whether the image makes that snapshot; it stands on one that is there otherwise.
    pub own: bool,
    /// Size an instance's disk will have.
    pub size_bytes: u64,
    /// Size of the content.
    pub disk_bytes: u64,
    /// The format it comes in, if it is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The file it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
    /// What is in the store already, if it stands on a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<StoredDisk>,
    /// How much of that is not zero.
    #[serde(default)]
    pub data_bytes: u64,
}

/// What a copy takes from its image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// The machine it wants.
    pub machine: Machine,
    /// Its disks, the system disk first: place, sizes and content.
    pub disks: Vec<CopiedDisk>,
}

/// A disk that is copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedDisk {
    /// Where an instance has it.
    pub device: String,
    /// Which place it has.
    pub kind: DiskKind,
    /// Size an instance's disk has.
    pub size_bytes: u64,
    /// What is copied.
    pub disk: StoredDisk,
}

/// A disk that is exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportDisk {
    /// Where an instance has it.
    pub device: String,
    /// What is exported.
    pub disk: StoredDisk,
    /// Where to.
    pub target: Target,
}

/// Attributes of an image that can be set; what is not there is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its family; once set it can be changed, not cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Whether it is deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<bool>,
    /// How it boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_mode: Option<BootMode>,
    /// Who holds its licence; only `BYOL` can be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_type: Option<LicenseType>,
    /// Its metadata service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imds: Option<Imds>,
    /// Whether it has a driver for NVMe disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvme: Option<Nvme>,
    /// Whether it boots securely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure_boot: Option<SecureBoot>,
    /// Tags set, or, with nothing as the value, removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Option<String>>,
}
