//! What may be asked of the past.

use domain::RegionId;
use event::FlowId;
use serde::{Deserialize, Serialize};

use crate::request::ImageAt;
use crate::when::{Time, When};

/// Which lines of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAsked {
    /// Where to begin; else at the first event, or, from the newest on, at the last.
    pub from: Option<u64>,
    /// At most so many; the service gives no more than a thousand at once.
    pub count: u32,
    /// Only what concerns this: an id, or the name of an image.
    pub subject: Option<String>,
    /// The region of the image, when its name alone does not tell.
    pub region: Option<RegionId>,
    /// Only what this account asked for.
    pub by: Option<String>,
    /// Only from this time on.
    pub since: Option<Time>,
    /// Only up to the end of this time.
    pub until: Option<Time>,
    /// Only events of these kinds; `*` stands for any letters.
    pub kind: Option<String>,
    /// Only what belongs to this operation.
    pub workflow: Option<FlowId>,
    /// The newest first.
    pub reverse: bool,
    /// Only up to this event.
    #[serde(default)]
    pub through: Option<u64>,
    /// Only what was decided among what this account has.
    #[serde(default)]
    pub owner: Option<String>,
    /// Only what was decided in this region.
    #[serde(default)]
    pub in_region: Option<RegionId>,
}

/// A head that was kept elsewhere, to be looked for in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Place of the last event then.
    pub event: u64,
    /// The chain's hash there.
    pub hash: String,
    /// The log's name, if it was kept with it.
    pub log: Option<String>,
    /// When it was signed, milliseconds since 1970 UTC, if it was.
    pub time_ms: Option<i64>,
}

/// A backup to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupAsked {
    /// Where to: the absolute path of a directory that is not there yet.
    pub to: String,
    /// A backup of before, as a directory: what is in it already is given a further name instead of being copied.
    pub reuse: Option<String>,
    /// Only the log and the keys, not what is stored in the regions.
    pub log_only: bool,
}

/// What is to go into the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveAsked {
    /// Whether anything is to be moved; else it is only told how large everything is.
    pub now: bool,
    /// After how many days an event is old enough; what the house has if this is not given.
    pub older_than_days: Option<u32>,
}

/// What of the past is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replayed {
    /// Images.
    Images,
    /// Families.
    Families,
    /// Whom images were shared with.
    Shares,
    /// Snapshots.
    Snapshots,
    /// Disks.
    Disks,
    /// What accounts used of what they might have.
    Quotas,
    /// Regions.
    Regions,
    /// One image, by its id or the name it had then.
    Image(String),
}

/// What may be done with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Start an instance from it, by its id.
    Launch,
    /// Share it with another account.
    Share,
    /// Copy it: its owner to another region, others within its own.
    Copy,
    /// Export it.
    Export,
    /// Change its attributes.
    Modify,
    /// Delete it.
    Delete,
}

impl Action {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::Launch, Self::Share, Self::Copy, Self::Export, Self::Modify, Self::Delete];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::Share => "share",
            Self::Copy => "copy",
            Self::Export => "export",
            Self::Modify => "modify",
            Self::Delete => "delete",
        }
    }
}

/// Questions answered from the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditRequest {
    /// Lines of the log.
    Log(LogAsked),
    /// What there was at a moment.
    Replay {
        /// The moment.
        at: When,
        /// What of it.
        of: Replayed,
        /// Only in this region.
        region: Option<RegionId>,
    },
    /// What changed between two moments.
    Diff {
        /// The earlier one.
        from: When,
        /// The later one.
        to: When,
        /// Only what concerns this id or name.
        subject: Option<String>,
    },
    /// Which accounts could do something with an image at a moment.
    WhoCould {
        /// What.
        action: Action,
        /// The image, by its id or the name it had then.
        image: ImageAt,
        /// The moment.
        at: When,
    },
    /// What one account could do with an image at a moment.
    Could {
        /// The account.
        account: String,
        /// The image, by its id or the name it had then.
        image: ImageAt,
        /// The moment.
        at: When,
    },
    /// What happened to something, in plain words.
    Story {
        /// An id, the name of an image, or `family:NAME`.
        id: String,
    },
}
