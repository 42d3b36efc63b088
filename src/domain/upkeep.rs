//! Upkeep of a family: what is done again and again so that it stays as somebody wants it.
//!
//! ```text
//!  retention     family ──▶ which images stay, which are deprecated, which are deleted after a while
//!  distribution  family ──▶ in which regions its newest images are, and with whom they are shared
//! ```
//!
//! An upkeep only says what is wanted. What is to be done for it by now is worked out from the rows each time anew
//! (`retention.rs`, `distribution.rs`), so that nothing has to be remembered of the runs before: what was done is
//! there, what failed is not, and the next run does what is missing.

use std::collections::BTreeMap;

use event::{FlowId, Refusal, Seq, Table, text_id};
use serde::{Deserialize, Serialize};

use crate::port::Place;
use crate::{AccountId, ImageId, RegionId};

text_id! {
    /// An upkeep: `up-` and 20 lower-case letters and digits.
    UpkeepId
}

/// Images deprecated or deleted in one run: an event that is still small. The next run does the rest.
pub const TASKS_MAX: usize = 500;
/// Refusals that the report of a run keeps; each is in the log of its own operation as well.
pub const REFUSED_MAX: usize = 50;

/// Which of the two an upkeep is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A retention policy.
    Retention,
    /// A distribution list.
    Distribution,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Distribution => "distribution",
        }
    }

    /// What people call one.
    pub fn called(self) -> &'static str {
        match self {
            Self::Retention => "retention policy",
            Self::Distribution => "distribution list",
        }
    }
}

/// Which images of a family stay, in each region for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The newest so many that are Available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// Those that are younger, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub younger_ms: Option<i64>,
    /// How long one is deprecated before it is deleted, milliseconds.
    pub grace_ms: i64,
    /// Whether those that something stands on go as well.
    #[serde(default)]
    pub in_use: bool,
    /// Whether those that are shared go as well; their shares end when they are deprecated.
    #[serde(default)]
    pub shared: bool,
}

/// Where the newest images of a family are to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// How many of the newest.
    pub newest: u32,
    /// The regions they are copied to.
    pub to: Vec<RegionId>,
    /// The accounts they are shared with, there and where they come from.
    pub share_with: Vec<AccountId>,
}

/// What an upkeep is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// That images go when they are not needed any more.
    Retention(Retention),
    /// That images are where they are needed.
    Distribution(Distribution),
}

impl Goal {
    /// Which of the two it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Retention(_) => Kind::Retention,
            Self::Distribution(_) => Kind::Distribution,
        }
    }
}

/// An upkeep as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upkeep {
    /// Its id.
    pub id: UpkeepId,
    /// Whose it is.
    pub account: AccountId,
    /// Its name, of which an account has one.
    pub name: String,
    /// The family.
    pub family: String,
    /// Where that is; for a retention policy every region if none is said, for a distribution list where its images
    /// come from.
    pub region: Option<RegionId>,
    /// What it is for.
    pub goal: Goal,
    /// When it was created, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// The run that goes on.
    pub running: Option<FlowId>,
    /// What the last run came to.
    pub last: Option<Ran>,
    /// What the last work in each region came to, of a distribution list.
    pub regions: BTreeMap<RegionId, Ran>,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// The operation.
    pub flow: FlowId,
    /// When it had ended, milliseconds since 1970 UTC.
    pub ended_ms: i64,
    /// What it did and could not do.
    pub report: Report,
}

/// What a run did and could not do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Images that were deprecated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deprecated: Vec<At>,
    /// Images that were deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<At>,
    /// Copies that were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copied: Vec<At>,
    /// Images that were shared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<At>,
    /// Regions where copying and sharing was begun, and the operations that do it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begun: Vec<(RegionId, FlowId)>,
    /// What was refused or failed; it is tried again by the next run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<NotDone>,
    /// Regions that were not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub away: Vec<Away>,
}

/// An image, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct At {
    /// The region.
    pub region: RegionId,
    /// The image.
    pub image: ImageId,
}

/// Something that a run was to do and could not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotDone {
    /// To which image.
    pub at: At,
    /// What.
    pub what: Doing,
    /// Why not.
    pub why: Refusal,
}

/// What is done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doing {
    /// It is deprecated.
    Deprecate,
    /// It is deleted.
    Delete,
    /// It is copied.
    Copy,
    /// It is shared.
    Share,
}

impl Doing {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deprecate => "Deprecate",
            Self::Delete => "Delete",
            Self::Copy => "Copy",
            Self::Share => "Share",
        }
    }
}

/// A region that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// The region.
    pub region: RegionId,
    /// What its store says.
    pub why: String,
}

/// What a run is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks {
    /// Images to deprecate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deprecate: Vec<At>,
    /// Images to delete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<At>,
    /// What is missing in regions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lanes: Vec<Lane>,
    /// Regions that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub away: Vec<Away>,
}

/// What is missing in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// From where it is copied.
    pub from: Place,
    /// The region.
    pub to: Place,
    /// Copies, the oldest image first: each is newer for the family than those before.
    pub copies: Vec<Wanted>,
    /// Shares of images that are there.
    pub shares: Vec<Sharing>,
}

/// A copy that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Of which image.
    pub image: ImageId,
    /// That image's place in the order of creation.
    pub born: Seq,
    /// The name it will have.
    pub name: String,
    /// Its description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// Shares that are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// Of which image.
    pub image: ImageId,
    /// With whom.
    pub with: Vec<AccountId>,
}

/// The policy by which an image is deprecated or deleted, as it stood when that was planned; and the time of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// The policy.
    pub upkeep: UpkeepId,
    /// Its name.
    pub name: String,
    /// The family.
    pub family: String,
    /// What it says.
    pub retention: Retention,
    /// The time by the clock, milliseconds since 1970 UTC.
    pub now_ms: i64,
}

/// The list for which a copy was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForList {
    /// The list.
    pub upkeep: UpkeepId,
    /// The place of the image it is a copy of in the order of creation.
    pub born: Seq,
}

/// Upkeeps, in the scope of the house, by account and id.
pub const UPKEEPS: Table<Upkeep> = Table::new("upkeep");
/// Their ids, by account and name.
pub const UPKEEP_NAMES: Table<UpkeepId> = Table::new("upkeep-name");
/// Operations that copy and share for a distribution list, by account, upkeep and region.
pub const UPKEEP_LANES: Table<FlowId> = Table::new("upkeep-lane");
