//! What may be asked about retention policies and distribution lists. Each is the account's that asks, and named by its
//! name or its id.

use domain::RegionId;
use domain::upkeep::{Goal, Kind};
use serde::{Deserialize, Serialize};

/// What a run of a retention policy does: whoever may not do that has no policy do it.
const RETAINS: [&str; 4] = ["image-deprecate", "image-delete", "share-unshare", "share-unpublish"];
/// What a run of a distribution list does.
const DISTRIBUTES: [&str; 2] = ["share-copy", "share-share"];

/// One to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpkeepCreate {
    /// Its name.
    pub name: String,
    /// The family.
    pub family: String,
    /// Where that is: for a retention policy every region if it is not said, for a distribution list the default one.
    pub region: Option<RegionId>,
    /// What it is for.
    pub goal: Goal,
}

/// One that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpkeepAt {
    /// Which of the two it is.
    pub kind: Kind,
    /// Its name or its id.
    pub named: String,
}

/// What may be asked about them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpkeepRequest {
    /// Creates one.
    Create(UpkeepCreate),
    /// All of them, of a kind.
    List(Kind),
    /// One.
    Show(UpkeepAt),
    /// What it would do now, and why; nothing is done.
    Plan(UpkeepAt),
    /// Does it.
    Run(UpkeepAt),
    /// Has it say something else.
    Change {
        /// Which.
        at: UpkeepAt,
        /// What it is for from now on.
        goal: Goal,
    },
    /// Removes it. What it began goes on.
    Delete(UpkeepAt),
}

impl UpkeepRequest {
    /// What is done by it sooner or later, as policies of access name it.
    pub(crate) fn asks_beside(&self) -> Vec<String> {
        let kind = match self {
            Self::Create(create) => create.goal.kind(),
            Self::Change { at, .. } | Self::Run(at) => at.kind,
            Self::List(_) | Self::Show(_) | Self::Plan(_) | Self::Delete(_) => return Vec::new(),
        };
        let actions: &[&str] = match kind {
            Kind::Retention => &RETAINS,
            Kind::Distribution => &DISTRIBUTES,
        };
        actions.iter().map(|action| (*action).to_owned()).collect()
    }
}
