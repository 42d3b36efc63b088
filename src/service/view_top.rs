//! Views of what goes on at this moment.

use serde::{Deserialize, Serialize};

use crate::view::{WorkflowView, views};

views! {
    /// What goes on at this moment.
    Top {
        /// When this was looked at, in milliseconds since 1970 UTC.
        time_ms: i64,
        /// Operations that have not ended, newest first; parked ones behind the others.
        workflows: Vec<WorkflowView>,
        /// How many are in progress.
        running: u64,
        /// How many wait for a person.
        parked: u64,
        /// Whether more are in progress than were counted.
        running_or_more: bool,
        /// Whether more wait for a person than were counted.
        parked_or_more: bool,
        /// What the log has done since it was opened; for the operator only, as it is of all accounts together.
        engine: Option<EngineView>,
    }
    /// What the log has done since it was opened.
    EngineView {
        /// Commits that were made durable.
        commits: u64,
        /// Events in them.
        events: u64,
        /// Microseconds that commits took, all together.
        commit_us: u64,
        /// Syncs of the log's file.
        syncs: u64,
        /// Microseconds that those took, all together.
        sync_us: u64,
        /// What waits to be decided.
        waiting: u64,
        /// Attempts at steps that failed.
        failed_attempts: u64,
        /// Operations that ended.
        ended: u64,
        /// Operations that were taken up again when the log was opened.
        recoveries: u64,
    }
}
