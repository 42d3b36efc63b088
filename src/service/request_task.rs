//! What may be asked of tasks: the imports and exports of an account, as the ECS API tells of them.

use domain::RegionId;
use serde::{Deserialize, Serialize};

use crate::request_image::Page;

/// Everything that may be asked of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskRequest {
    /// Tasks, newest first.
    List(TaskQuery),
    /// One task.
    Show {
        /// Its id, or that of its operation.
        task: String,
    },
    /// Cancels a task that is in progress.
    Cancel {
        /// Its id, or that of its operation.
        task: String,
        /// Why; it stands in the log.
        reason: String,
    },
}

/// Which tasks a list shows: those that everything said here holds of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskQuery {
    /// The region; all if none is given.
    pub region: Option<RegionId>,
    /// `ImportImage` or `ExportImage`; the other words of the API match nothing here.
    pub action: Option<String>,
    /// Where they stand: several words with commas between them.
    pub status: Option<String>,
    /// Their ids.
    pub ids: Vec<String>,
    /// The images they are about.
    pub images: Vec<String>,
    /// Created at this time or later, milliseconds since 1970 UTC.
    pub from_ms: Option<i64>,
    /// Created at this time or earlier.
    pub until_ms: Option<i64>,
    /// The page; all if none is given.
    pub page: Option<Page>,
}
