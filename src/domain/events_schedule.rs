//! What becomes true of schedules, their ticks and their runs.

use event::{Event, FlowId, Subject};
use serde::{Deserialize, Serialize};

use crate::AccountId;
use crate::details::Concerned;
use crate::events::events;
use crate::schedule::{Ending, Next, Overlap, Plan, Planned, ScheduleId, Then};

events! {
    /// A schedule is there.
    ScheduleCreated "schedule.created/1" about schedule {
        /// Its id.
        schedule: ScheduleId,
        /// Whose it is: as who its operations are asked for.
        account: AccountId,
        /// The key it was asked for with; empty for a person at the machine.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        key: String,
        /// Its name.
        name: String,
        /// When it ticks.
        plan: Plan,
        /// What it starts.
        planned: Planned,
        /// What a tick is made of that comes while a run goes on.
        overlap: Overlap,
        /// How late a tick may come, milliseconds.
        catch_up_ms: i64,
        /// Failures in a row after which it is paused; never for 0.
        failures_max: u32,
        /// Its first tick.
        next: Option<Next>,
    }
    /// A schedule ticks no more until it is resumed.
    SchedulePaused "schedule.paused/1" about schedule {
        /// The schedule.
        schedule: ScheduleId,
        /// Why.
        why: String,
    }
    /// A schedule ticks again.
    ScheduleResumed "schedule.resumed/1" about schedule {
        /// The schedule.
        schedule: ScheduleId,
        /// Its next tick, if there is one.
        next: Option<Next>,
    }
    /// A schedule is gone. What it began goes on.
    ScheduleDeleted "schedule.deleted/1" about schedule {
        /// The schedule.
        schedule: ScheduleId,
    }
    /// The time of a schedule came, and what was made of it.
    TickCame "schedule.ticked/1" about schedule {
        /// The schedule.
        schedule: ScheduleId,
        /// The time, milliseconds since 1970 UTC.
        at_ms: i64,
        /// What was made of it.
        then: Then,
        /// The next tick, if there is one.
        next: Option<Next>,
    }
    /// So many ticks of a schedule had been missed that they are told as one.
    TicksMissed "schedule.ticks-missed/1" about schedule {
        /// The schedule.
        schedule: ScheduleId,
        /// The first of them, milliseconds since 1970 UTC.
        first_ms: i64,
        /// The last of them.
        last_ms: i64,
        /// How many they are.
        count: u64,
        /// Whether they are more than anybody counted.
        #[serde(default)]
        or_more: bool,
        /// The next tick, if there is one.
        next: Option<Next>,
    }
    /// Somebody wanted a run of a schedule now.
    RunAsked "schedule.run-asked/1" about schedule {
        /// The schedule.
        schedule: ScheduleId,
        /// The run.
        run: String,
        /// The time it stands for, milliseconds since 1970 UTC.
        at_ms: i64,
        /// What was made of it.
        then: Then,
    }
    /// Somebody makes up for a time of a schedule that has passed.
    ScheduleBackfilled "schedule.backfilled/1" about schedule {
        /// The schedule.
        schedule: ScheduleId,
        /// The first millisecond of that time, since 1970 UTC.
        first_ms: i64,
        /// The last.
        last_ms: i64,
        /// The ticks of it that had not run.
        ticks: Vec<i64>,
    }
    /// A run of a schedule began operations.
    RunBegan "schedule.run-began/1" about schedule {
        /// The schedule.
        schedule: ScheduleId,
        /// The run.
        run: String,
        /// The operations.
        flows: Vec<FlowId>,
    }
    /// A run of a schedule has ended.
    RunEnded "schedule.run-ended/1" about schedule {
        /// The schedule.
        schedule: ScheduleId,
        /// The run.
        run: String,
        /// How.
        ending: Ending,
        /// Whether that was one failure too many in a row.
        #[serde(default)]
        pauses: bool,
    }
}
