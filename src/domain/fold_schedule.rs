//! How events about schedules become rows.
//!
//! After each of them whoever waits and may begin does: that is decided here and nowhere else, by the rows alone.

use event::{Event as _, Record, RowsMut};

use crate::AccountId;
use crate::events_schedule::{
    RunAsked, RunBegan, RunEnded, ScheduleBackfilled, ScheduleCreated, ScheduleDeleted, SchedulePaused,
    ScheduleResumed, TickCame, TicksMissed,
};
use crate::fold::with;
use crate::image::{house, moment};
use crate::rules::RUNNING_MAX;
use crate::schedule::{
    By, Ending, Next, Overlap, Past, RECENT_MAX, RUNNING, Run, SCHEDULE_NAMES, SCHEDULE_OWNERS, SCHEDULES,
    Schedule, ScheduleId, TICKS, Then, Ticking, WAITING, run_name,
};

pub(crate) fn apply(rows: &mut dyn RowsMut, record: &Record) -> bool {
    match record.kind.as_str() {
        ScheduleCreated::KIND => with(record, |event| created(rows, record, event)),
        SchedulePaused::KIND => with(record, |event: SchedulePaused| {
            change(rows, record, &event.schedule, |rows, schedule| {
                schedule.paused = Some(event.why);
                set_next(rows, schedule, None);
            });
        }),
        ScheduleResumed::KIND => with(record, |event: ScheduleResumed| {
            change(rows, record, &event.schedule, |rows, schedule| {
                (schedule.paused, schedule.failures) = (None, 0);
                set_next(rows, schedule, event.next);
            });
        }),
        ScheduleDeleted::KIND => with(record, |event: ScheduleDeleted| deleted(rows, &event.schedule)),
        TickCame::KIND => with(record, |event: TickCame| {
            change(rows, record, &event.schedule, |rows, schedule| {
                schedule.last_ms = Some(event.at_ms);
                set_next(rows, schedule, event.next);
                let run = new_run(schedule, run_name(event.at_ms), event.at_ms, By::Tick, record.time_ms);
                take(rows, schedule, &run, event.then);
            });
        }),
        TicksMissed::KIND => with(record, |event: TicksMissed| {
            change(rows, record, &event.schedule, |rows, schedule| {
                schedule.last_ms = Some(event.last_ms);
                schedule.skipped = schedule.skipped.saturating_add(event.count);
                set_next(rows, schedule, event.next);
            });
        }),
        RunAsked::KIND => with(record, |event: RunAsked| {
            change(rows, record, &event.schedule, |rows, schedule| {
                let run = new_run(schedule, event.run, event.at_ms, By::Hand, record.time_ms);
                take(rows, schedule, &run, event.then);
            });
        }),
        ScheduleBackfilled::KIND => with(record, |event: ScheduleBackfilled| {
            change(rows, record, &event.schedule, |rows, schedule| {
                for at_ms in event.ticks {
                    let run = new_run(schedule, run_name(at_ms), at_ms, By::Backfill, record.time_ms);
                    WAITING.put(rows, &house(), &[run.schedule.as_str(), &run.name], &run);
                }
            });
        }),
        RunBegan::KIND => with(record, |event: RunBegan| {
            RUNNING.change(rows, &house(), &[event.schedule.as_str(), &event.run], |run| {
                run.flows = event.flows;
            });
        }),
        RunEnded::KIND => with(record, |event: RunEnded| {
            change(rows, record, &event.schedule.clone(), |rows, schedule| {
                ended(rows, record, schedule, event);
            });
        }),
        _ => false,
    }
}

fn created(rows: &mut dyn RowsMut, record: &Record, event: ScheduleCreated) {
    let mut row = Schedule {
        id: event.schedule,
        account: event.account,
        key: event.key,
        name: event.name,
        plan: event.plan,
        planned: event.planned,
        overlap: event.overlap,
        catch_up_ms: event.catch_up_ms,
        failures_max: event.failures_max,
        created_ms: record.time_ms,
        paused: None,
        next: None,
        last_ms: None,
        failures: 0,
        ended: 0,
        skipped: 0,
        recent: Vec::new(),
    };
    set_next(rows, &mut row, event.next);
    SCHEDULE_NAMES.put(rows, &house(), &[row.account.as_str(), &row.name], &row.id);
    SCHEDULE_OWNERS.put(rows, &house(), &[row.id.as_str()], &row.account);
    SCHEDULES.put(rows, &house(), &[row.account.as_str(), row.id.as_str()], &row);
}

/// Changes a schedule, if it is there, and begins what may begin by then.
fn change(
    rows: &mut dyn RowsMut,
    record: &Record,
    id: &ScheduleId,
    change: impl FnOnce(&mut dyn RowsMut, &mut Schedule),
) {
    let Some(account) = account_of(rows, id) else { return };
    let Some(mut schedule) = SCHEDULES.get(rows, &house(), &[account.as_str(), id.as_str()]) else { return };
    change(rows, &mut schedule);
    SCHEDULES.put(rows, &house(), &[account.as_str(), id.as_str()], &schedule);
    begin_waiting(rows, &schedule, record.time_ms);
}

fn account_of(rows: &dyn RowsMut, id: &ScheduleId) -> Option<AccountId> {
    SCHEDULE_OWNERS.get(rows, &house(), &[id.as_str()])
}

fn set_next(rows: &mut dyn RowsMut, schedule: &mut Schedule, next: Option<Next>) {
    if let Some(before) = schedule.next {
        TICKS.remove(rows, &house(), &[&moment(before.comes_ms), schedule.id.as_str()]);
    }
    if let Some(next) = next {
        let comes_ms = next.comes_ms;
        let row = Ticking { account: schedule.account.clone(), schedule: schedule.id.clone(), comes_ms };
        TICKS.put(rows, &house(), &[&moment(comes_ms), schedule.id.as_str()], &row);
    }
    schedule.next = next;
}

fn new_run(schedule: &Schedule, name: String, at_ms: i64, by: By, since_ms: i64) -> Run {
    let (schedule, account) = (schedule.id.clone(), schedule.account.clone());
    Run { name, schedule, account, at_ms, by, since_ms, is_cancelling: false, flows: Vec::new() }
}

/// Does with a run what was decided of it.
fn take(rows: &mut dyn RowsMut, schedule: &mut Schedule, run: &Run, then: Then) {
    let id = schedule.id.as_str();
    match then {
        Then::Begins => RUNNING.put(rows, &house(), &[id, &run.name], run),
        Then::Waits { instead_of } => {
            if let Some(dropped) = instead_of {
                for name in &dropped {
                    WAITING.remove(rows, &house(), &[id, name]);
                }
                schedule.skipped = schedule.skipped.saturating_add(dropped.len() as u64);
                for mut other in RUNNING.list(rows, &house(), &[id]) {
                    other.is_cancelling = true;
                    RUNNING.put(rows, &house(), &[id, &other.name], &other);
                }
            }
            WAITING.put(rows, &house(), &[id, &run.name], run);
        }
        Then::Skipped(_) => schedule.skipped = schedule.skipped.saturating_add(1),
    }
}

fn ended(rows: &mut dyn RowsMut, record: &Record, schedule: &mut Schedule, event: RunEnded) {
    let key = [schedule.id.as_str(), &event.run];
    let Some(run) = RUNNING.get(rows, &house(), &key) else { return };
    RUNNING.remove(rows, &house(), &key);
    schedule.ended = schedule.ended.saturating_add(1);
    match &event.ending {
        Ending::Done => schedule.failures = 0,
        Ending::Failed(_) => schedule.failures = schedule.failures.saturating_add(1),
        // Whoever cancelled it said nothing of whether it can be done.
        Ending::Cancelled => {}
    }
    let Run { name, at_ms, flows, .. } = run;
    schedule.recent.insert(0, Past { name, at_ms, ended_ms: record.time_ms, flows, ending: event.ending });
    schedule.recent.truncate(RECENT_MAX);
}

/// Begins those that wait, as far as others let them.
fn begin_waiting(rows: &mut dyn RowsMut, schedule: &Schedule, now_ms: i64) {
    let id = schedule.id.as_str();
    let going = RUNNING.list(rows, &house(), &[id]).len();
    let most = if schedule.overlap == Overlap::Allow { RUNNING_MAX } else { 1 };
    let Some(room) = most.checked_sub(going).filter(|room| *room > 0) else { return };
    // What a tick has left waiting waits while the schedule is paused; what somebody asked for does not.
    let waiting = WAITING.list(rows, &house(), &[id]).into_iter();
    let may = waiting.filter(|run| schedule.paused.is_none() || run.by != By::Tick);
    for mut run in may.take(room).collect::<Vec<_>>() {
        WAITING.remove(rows, &house(), &[id, &run.name]);
        run.since_ms = now_ms;
        RUNNING.put(rows, &house(), &[id, &run.name], &run);
    }
}

fn deleted(rows: &mut dyn RowsMut, id: &ScheduleId) {
    let Some(account) = account_of(rows, id) else { return };
    let key = [account.as_str(), id.as_str()];
    let Some(mut schedule) = SCHEDULES.get(rows, &house(), &key) else { return };
    set_next(rows, &mut schedule, None);
    for table in [&RUNNING, &WAITING] {
        for run in table.list(rows, &house(), &[id.as_str()]) {
            table.remove(rows, &house(), &[id.as_str(), &run.name]);
        }
    }
    SCHEDULE_NAMES.remove(rows, &house(), &[account.as_str(), &schedule.name]);
    SCHEDULE_OWNERS.remove(rows, &house(), &[id.as_str()]);
    SCHEDULES.remove(rows, &house(), &key);
}
