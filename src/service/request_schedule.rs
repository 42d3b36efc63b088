//! What may be asked about schedules. Each is the account's that asks, and named by its name or its id.
//!
//! Times are told as people write them, in the schedule's zone unless they have an offset: only who answers knows
//! which zone that is.

use domain::schedule::Overlap;
use serde::{Deserialize, Serialize};

use crate::Operation;

/// A schedule to create.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleCreate {
    /// Its name.
    pub name: String,
    /// When it ticks.
    pub ticks: TicksAsked,
    /// How much later than it ticks a run begins at most, milliseconds.
    pub jitter_ms: i64,
    /// What a tick is made of that comes while a run goes on.
    pub overlap: Overlap,
    /// How late a tick may come, milliseconds; a day if it is not said.
    pub catch_up_ms: Option<i64>,
    /// Failures in a row after which it is paused, never for 0; ten if it is not said.
    pub failures_max: Option<u32>,
    /// What it starts.
    pub operation: Operation,
}

/// When something ticks, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TicksAsked {
    /// A cron expression, `every 6h`, or `at 2027-01-01T03:00`.
    pub when: String,
    /// The time zone; UTC if it is empty.
    pub zone: String,
    /// Nothing before this time.
    pub start: Option<String>,
    /// Nothing after this time.
    pub end: Option<String>,
}

/// Whose ticks are to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreviewOf {
    /// Those of a schedule.
    Schedule(String),
    /// Those there would be.
    Ticks(TicksAsked),
}

/// What may be asked about schedules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleRequest {
    /// Creates one.
    Create(Box<ScheduleCreate>),
    /// All of them.
    List,
    /// One, with its runs.
    Show(String),
    /// Runs what it starts, now.
    RunNow(String),
    /// Lets it tick no more until it is resumed.
    Pause {
        /// The schedule.
        schedule: String,
        /// Why.
        why: String,
    },
    /// Lets it tick again.
    Resume(String),
    /// Makes up for the ticks of a time that has passed and have not run.
    Backfill {
        /// The schedule.
        schedule: String,
        /// From this time on.
        from: String,
        /// Up to this time; now if it is not said.
        to: Option<String>,
    },
    /// The next ticks.
    Preview {
        /// Whose.
        of: PreviewOf,
        /// From this time on; from now if it is not said.
        from: Option<String>,
        /// How many.
        count: u32,
    },
    /// Removes it. What it began goes on.
    Delete(String),
}
