//! What may be asked of operations as a crowd.

use domain::RegionId;
use serde::{Deserialize, Serialize};

use crate::when::Time;

/// Which operations. Whatever is empty is not asked about; of several values any will do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowQuery {
    /// Only those that have not ended.
    pub open: bool,
    /// Names of their stories: `import-image`.
    pub kinds: Vec<String>,
    /// Where they stand: `parked`, `done`.
    pub states: Vec<String>,
    /// What they are about: an id, or the name of an image.
    pub image: Option<String>,
    /// The region they belong to, and where the image is if its name alone does not tell.
    pub region: Option<RegionId>,
    /// The account that asked for them.
    pub by: Option<String>,
    /// They began then or later.
    pub since: Option<Time>,
    /// They began before the end of this time.
    pub until: Option<Time>,
    /// Codes of what they failed with or are parked over.
    pub errors: Vec<String>,
    /// Stands in what a person calls them, in whatever case.
    pub text: String,
    /// Those that began before the event at this place: the `next` of the page before.
    pub after: Option<u64>,
    /// At most so many.
    pub count: u32,
}

impl WorkflowQuery {
    /// Those that have not ended, at most so many.
    pub fn open(count: u32) -> Self {
        Self { open: true, count, ..Self::default() }
    }

    /// The newest, at most so many.
    pub fn newest(count: u32) -> Self {
        Self { count, ..Self::default() }
    }
}
