//! What becomes true of retention policies, distribution lists and their runs.

use event::{Event, FlowId, Subject};
use serde::{Deserialize, Serialize};

use crate::details::Concerned;
use crate::events::{ImageDeprecated, events};
use crate::upkeep::{Goal, Report, Tasks, UpkeepId};
use crate::{AccountId, ImageId, RegionId};

events! {
    /// A retention policy or a distribution list is there.
    UpkeepCreated "upkeep.created/1" about upkeep {
        /// Its id.
        upkeep: UpkeepId,
        /// Whose it is.
        account: AccountId,
        /// Its name.
        name: String,
        /// The family.
        family: String,
        /// Where that is; every region if none is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<RegionId>,
        /// What it is for.
        goal: Goal,
    }
    /// A retention policy or a distribution list says something else from now on.
    UpkeepChanged "upkeep.changed/1" about upkeep {
        /// Its id.
        upkeep: UpkeepId,
        /// Whose it is.
        account: AccountId,
        /// What it is for now.
        goal: Goal,
        /// What it was for.
        before: Goal,
    }
    /// A retention policy or a distribution list is gone. What it began goes on.
    UpkeepDeleted "upkeep.deleted/1" about upkeep {
        /// The id it had.
        upkeep: UpkeepId,
        /// Whose it was.
        account: AccountId,
    }
    /// A run began, by what was wanted at that time.
    UpkeepBegun "upkeep.run-begun/1" about upkeep {
        /// Of which.
        upkeep: UpkeepId,
        /// Whose that is.
        account: AccountId,
        /// Its name.
        name: String,
        /// The family.
        family: String,
        /// Where that is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<RegionId>,
        /// What it is for.
        goal: Goal,
    }
    /// What a run is to do was worked out.
    UpkeepPlanned "upkeep.run-planned/1" about upkeep {
        /// Of which.
        upkeep: UpkeepId,
        /// What it is to do.
        tasks: Tasks,
    }
    /// A run has ended.
    UpkeepEnded "upkeep.run-ended/1" about upkeep {
        /// Of which.
        upkeep: UpkeepId,
        /// Whose that is.
        account: AccountId,
        /// What it came to.
        report: Report,
    }
    /// Copying and sharing for a distribution list began in a region.
    LaneBegun "upkeep.region-begun/1" about upkeep {
        /// The list.
        upkeep: UpkeepId,
        /// Whose that is.
        account: AccountId,
        /// The region.
        region: RegionId,
        /// The operation that does it.
        by: FlowId,
    }
    /// Copying and sharing for a distribution list ended in a region.
    LaneEnded "upkeep.region-ended/1" about upkeep {
        /// The list.
        upkeep: UpkeepId,
        /// Whose that is.
        account: AccountId,
        /// The region.
        region: RegionId,
        /// The operation that did it.
        by: FlowId,
        /// What it came to.
        report: Report,
    }
}

impl ImageDeprecated {
    /// Somebody deprecated an image: by hand, and it was shared with nobody.
    pub fn of(image: ImageId) -> Self {
        Self { image, by: None, unshared: false }
    }
}
