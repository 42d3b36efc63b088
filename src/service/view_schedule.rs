//! Views of schedules, of their runs and of their ticks.

use std::collections::BTreeMap;

use calendar::Calendar;
use domain::schedule::{Ending, Past, Run, Schedule};
use event::FlowId;
use serde::{Deserialize, Serialize};

use crate::Operation;
use crate::view::{time_text, views};

views! {
    /// A schedule.
    ScheduleView {
        /// Its id.
        schedule_id: String,
        /// Its name.
        schedule_name: String,
        /// `Active`, `Paused`, or `Ended` when it never ticks again.
        status: String,
        /// Whose it is.
        account_id: String,
        /// When it ticks.
        when: String,
        /// The time zone of that.
        time_zone: String,
        /// Nothing before this; empty if it is not said.
        start_time: String,
        /// Nothing after this; empty if it is not said.
        end_time: String,
        /// How much later than it ticks a run begins at most, seconds.
        jitter_seconds: i64,
        /// What it starts, in a few words.
        label: String,
        /// The operation it starts.
        operation: String,
        /// The parameters of that.
        parameters: BTreeMap<String, String>,
        /// What a tick is made of that comes while a run goes on.
        overlap_policy: String,
        /// How late a tick may come, seconds.
        catch_up_seconds: i64,
        /// Failures in a row after which it is paused; 0 for never.
        pause_after: u32,
        /// Failures in a row so far.
        failures: u32,
        /// Why it is paused; empty if it is not.
        paused_because: String,
        /// Its next tick; none if there is none.
        next: Option<TickView>,
        /// Runs that go on, by their names.
        running: Vec<RunView>,
        /// How many wait.
        waiting: u64,
        /// Runs that ended lately, the newest first.
        recent: Vec<RunView>,
        /// How many have ended.
        ended: u64,
        /// How many ticks were skipped.
        skipped: u64,
        /// When it was created.
        creation_time: String,
    }
    /// Schedules.
    Schedules {
        /// By name.
        schedules: Vec<ScheduleView>,
    }
    /// A run of a schedule.
    RunView {
        /// Its name: the time it stands for, or `now-` and an id.
        run: String,
        /// The time it stands for, as clocks show it in the schedule's zone.
        local_time: String,
        /// `Waiting`, `Beginning`, `Running`, `Done`, `Cancelled` or `Failed`.
        state: String,
        /// The operations it began.
        workflow_ids: Vec<FlowId>,
        /// When it ended; empty if it has not.
        end_time: String,
        /// The code of why it failed; empty if it did not.
        error_code: String,
        /// Why it failed.
        error_message: String,
    }
    /// A tick.
    TickView {
        /// When, in UTC.
        time: String,
        /// When, as clocks show it in the schedule's zone.
        local_time: String,
        /// When the run begins: that and its jitter.
        begin_time: String,
    }
    /// Ticks to come.
    Ticks {
        /// The time zone.
        time_zone: String,
        /// One after another.
        ticks: Vec<TickView>,
    }
}

/// A time as clocks show it in a zone; in UTC if nobody can say which zone.
pub(crate) fn local(calendar: Option<&Calendar>, ms: i64) -> String {
    calendar.map_or_else(|| time_text(ms), |calendar| calendar.zone().text(ms))
}

impl ScheduleView {
    pub(crate) fn of(schedule: Schedule, running: &[Run], waiting: usize) -> Self {
        let calendar = schedule.plan.calendar().ok();
        let calendar = calendar.as_ref();
        let bound = |ms: Option<i64>| ms.map(|ms| local(calendar, ms)).unwrap_or_default();
        let status = match (&schedule.paused, schedule.next) {
            (Some(_), _) => "Paused",
            (None, None) => "Ended",
            (None, Some(_)) => "Active",
        };
        let operation =
            Operation { operation: schedule.planned.operation, parameters: schedule.planned.parameters };
        let next = schedule.next.map(|next| TickView {
            time: time_text(next.at_ms),
            local_time: local(calendar, next.at_ms),
            begin_time: time_text(next.comes_ms),
        });
        Self {
            schedule_id: schedule.id.0,
            schedule_name: schedule.name,
            status: status.to_owned(),
            account_id: schedule.account.0,
            start_time: bound(schedule.plan.start_ms),
            end_time: bound(schedule.plan.end_ms),
            jitter_seconds: schedule.plan.jitter_ms / 1000,
            when: schedule.plan.when,
            time_zone: schedule.plan.zone,
            label: operation.label(),
            operation: operation.operation,
            parameters: operation.parameters,
            overlap_policy: schedule.overlap.word().to_owned(),
            catch_up_seconds: schedule.catch_up_ms / 1000,
            pause_after: schedule.failures_max,
            failures: schedule.failures,
            paused_because: schedule.paused.unwrap_or_default(),
            next,
            running: running.iter().map(|run| going(calendar, run)).collect(),
            waiting: waiting as u64,
            recent: schedule.recent.iter().map(|past| ended(calendar, past)).collect(),
            ended: schedule.ended,
            skipped: schedule.skipped,
            creation_time: time_text(schedule.created_ms),
        }
    }
}

fn going(calendar: Option<&Calendar>, run: &Run) -> RunView {
    RunView {
        run: run.name.clone(),
        local_time: local(calendar, run.at_ms),
        state: if run.flows.is_empty() { "Beginning" } else { "Running" }.to_owned(),
        workflow_ids: run.flows.clone(),
        end_time: String::new(),
        error_code: String::new(),
        error_message: String::new(),
    }
}

fn ended(calendar: Option<&Calendar>, past: &Past) -> RunView {
    let (state, refusal) = match &past.ending {
        Ending::Done => ("Done", None),
        Ending::Cancelled => ("Cancelled", None),
        Ending::Failed(refusal) => ("Failed", Some(refusal)),
    };
    RunView {
        run: past.name.clone(),
        local_time: local(calendar, past.at_ms),
        state: state.to_owned(),
        workflow_ids: past.flows.clone(),
        end_time: time_text(past.ended_ms),
        error_code: refusal.map(|refusal| refusal.code.clone()).unwrap_or_default(),
        error_message: refusal.map(|refusal| refusal.message.clone()).unwrap_or_default(),
    }
}
