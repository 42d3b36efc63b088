//! Schedules: what is to be started, when, and what is made of a tick that comes while the one before goes on.
//!
//! ```text
//!            its time has come                        begun by who keeps the house
//!  Schedule ──── TickCame ────▶ a run that waits ──▶ a run ──── RunBegan ────▶ operations ──── RunEnded
//!     │                                                                             │
//!     └── skipped: missed, or another run goes on                                   └─▶ the next that waits
//! ```
//!
//! A run is named by the time it stands for, so that there is one for each: what starts its operation is a request
//! made of the schedule and that name, which the log knows for ever.

use std::collections::BTreeMap;

use calendar::{Calendar, Spec, jitter_ms};
use event::{FlowId, Refusal, Table, text_id};
use serde::{Deserialize, Serialize};

use crate::AccountId;

text_id! {
    /// A schedule: `sch-` and 20 lower-case letters and digits.
    ScheduleId
}

/// Runs that ended lately and are shown with a schedule; the log has all of them.
pub const RECENT_MAX: usize = 10;

/// When a schedule ticks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// A cron expression, `every 6h` or `at 2027-01-01T03:00`.
    pub when: String,
    /// The time zone it is in.
    pub zone: String,
    /// Nothing before this, milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<i64>,
    /// Nothing after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<i64>,
    /// What `every …` counts from if it has no start: when the schedule was asked for.
    pub anchor_ms: i64,
    /// How much later than it ticks a run begins at most, by chance that is the same each time.
    #[serde(default)]
    pub jitter_ms: i64,
}

/// What a tick that comes while a run goes on is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// It waits, unless another waits already.
    BufferOne,
    /// It waits behind those that wait.
    BufferAll,
    /// What goes on is cancelled, and it begins when that has ended.
    CancelOther,
    /// It begins beside the others.
    Allow,
}

impl Overlap {
    /// Every one of them, with its word.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("skip", Self::Skip),
        ("buffer-one", Self::BufferOne),
        ("buffer-all", Self::BufferAll),
        ("cancel-other", Self::CancelOther),
        ("allow", Self::Allow),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, overlap)| *overlap == self).map_or("skip", |(word, _)| word)
    }
}

/// What a schedule starts: a named operation and its parameters. What it means is for who starts it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Which: `image.create`.
    pub operation: String,
    /// Its parameters, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// The next tick of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// The time it stands for, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// When it comes: that, and its jitter.
    pub comes_ms: i64,
}

/// What made a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// A tick.
    Tick,
    /// Somebody who wanted it now.
    Hand,
    /// Somebody who makes up for a time that has passed.
    Backfill,
}

/// What was made of a tick, or of a run that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// It begins.
    Begins,
    /// It waits until what goes on has ended.
    Waits {
        /// What goes on is cancelled for it, and these, which waited, are dropped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead_of: Option<Vec<String>>,
    },
    /// It is skipped.
    Skipped(Why),
}

/// Why a tick was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Nobody was there when it came, and it is too late for it now.
    Missed,
    /// A run goes on, or waits.
    Overlap,
    /// As many go on or wait as may.
    Full,
}

impl Why {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Overlap => "overlap",
            Self::Full => "full",
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// All it was for is done.
    Done,
    /// It was cancelled, or given up.
    Cancelled,
    /// It failed, or was refused.
    Failed(Refusal),
}

/// A run that goes on or waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its name: the time it stands for, or `now-` and an id.
    pub name: String,
    /// Its schedule.
    pub schedule: ScheduleId,
    /// Whose it is.
    pub account: AccountId,
    /// The time it stands for, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// What made it.
    pub by: By,
    /// Since when it goes on or waits.
    pub since_ms: i64,
    /// Whether it is to be cancelled for the one behind it.
    pub is_cancelling: bool,
    /// The operations it began; none until it has.
    pub flows: Vec<FlowId>,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Its name.
    pub name: String,
    /// The time it stood for, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// When it had ended.
    pub ended_ms: i64,
    /// The operations it had begun.
    pub flows: Vec<FlowId>,
    /// How it ended.
    pub ending: Ending,
}

/// A schedule as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// Whose it is.
    pub account: AccountId,
    /// The key it was created with, as which its operations are asked for; empty for a person at the machine.
    pub key: String,
    /// Its name.
    pub name: String,
    /// When it ticks.
    pub plan: Plan,
    /// What it starts.
    pub planned: Planned,
    /// What a tick is made of that comes while a run goes on.
    pub overlap: Overlap,
    /// How late a tick may come, milliseconds.
    pub catch_up_ms: i64,
    /// Failures in a row after which it is paused; never for 0.
    pub failures_max: u32,
    /// When it was created, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// Why it is paused, while it is.
    pub paused: Option<String>,
    /// Its next tick; none while it is paused, and after its last.
    pub next: Option<Next>,
    /// The last time that ticked, or was skipped.
    pub last_ms: Option<i64>,
    /// Failures in a row.
    pub failures: u32,
    /// How many runs have ended.
    pub ended: u64,
    /// How many ticks were skipped.
    pub skipped: u64,
    /// The last that were, the newest first.
    pub recent: Vec<Past>,
}

/// A schedule whose tick is due, as the table of ticks has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticking {
    /// Whose it is.
    pub account: AccountId,
    /// The schedule.
    pub schedule: ScheduleId,
    /// When it comes, milliseconds since 1970 UTC.
    pub comes_ms: i64,
}

/// Schedules, in the scope of the house, by account and id.
pub const SCHEDULES: Table<Schedule> = Table::new("schedule");
/// Ids of schedules, in the scope of the house, by account and name.
pub const SCHEDULE_NAMES: Table<ScheduleId> = Table::new("schedule-name");
/// Whose a schedule is, in the scope of the house: events name it by its id alone.
pub const SCHEDULE_OWNERS: Table<AccountId> = Table::new("schedule-owner");
/// Ticks to come, in the scope of the house, by when they come.
pub const TICKS: Table<Ticking> = Table::new("schedule-tick");
/// Runs that go on, in the scope of the house, by schedule and name.
pub const RUNNING: Table<Run> = Table::new("schedule-run");
/// Runs that wait, in the scope of the house, by schedule and name.
pub const WAITING: Table<Run> = Table::new("schedule-wait");

impl Plan {
    /// What it says, read.
    pub fn calendar(&self) -> Result<Calendar, calendar::Error> {
        Calendar::read(&Spec {
            when: &self.when,
            zone: &self.zone,
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            anchor_ms: self.anchor_ms,
        })
    }

    /// The first tick after a time, if it has one.
    pub fn next_after(&self, calendar: &Calendar, id: &ScheduleId, after_ms: i64) -> Option<Next> {
        let mut ticks = calendar.after(after_ms);
        let at_ms = ticks.next()?;
        let following = if self.jitter_ms > 0 { ticks.next() } else { None };
        Some(Next { at_ms, comes_ms: at_ms + jitter_ms(id.as_str(), at_ms, following, self.jitter_ms) })
    }
}

/// The name of the run that stands for a time. Names sort as their times do.
pub fn run_name(at_ms: i64) -> String {
    crate::time::text(at_ms)
}

/// The name of a run that somebody wanted now, by an id of its operation.
pub fn hand_name(minted: &str) -> String {
    format!("now-{minted}")
}
