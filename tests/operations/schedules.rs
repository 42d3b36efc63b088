//! The operations on schedules, and those that schedules are kept by.

use std::collections::BTreeMap;

use domain::events_schedule::TicksMissed;
use domain::schedule::{Ending, Overlap, Plan, Planned, RUNNING, SCHEDULES, ScheduleId, run_name};
use event::{FlowId, Refusal};
use workflows::{
    BackfillSchedule, BeginRun, CreateSchedule, DeleteSchedule, EndRun, PauseSchedule, ResumeSchedule,
    RunSchedule, TickSchedule,
};

use crate::cases::{Before, Case, Start, account, nothing, run, start};
use crate::world::{House, START_MS};

const MINUTE_MS: i64 = 60_000;

pub fn cases() -> Vec<Case> {
    vec![
        decided("create_schedule", nothing, |house| Box::pin(start(house, create()))),
        decided("pause_schedule", with_schedule, |house| {
            let why = "the mirror moves".to_owned();
            Box::pin(start(house, PauseSchedule { account: account(), schedule: schedule(house), why }))
        }),
        decided("resume_schedule", with_paused, |house| {
            let (schedule, now_ms) = (schedule(house), first_ms());
            Box::pin(start(house, ResumeSchedule { account: account(), schedule, now_ms }))
        }),
        decided("delete_schedule", with_run, |house| {
            Box::pin(start(house, DeleteSchedule { account: account(), schedule: schedule(house) }))
        }),
        decided("run_schedule", with_schedule, |house| {
            let (schedule, now_ms) = (schedule(house), START_MS);
            Box::pin(start(house, RunSchedule { account: account(), schedule, now_ms }))
        }),
        decided("backfill_schedule", with_schedule, |house| {
            let ticks = vec![first_ms() - 3 * MINUTE_MS, first_ms() - 2 * MINUTE_MS];
            let (first_ms, last_ms) = (ticks[0], ticks[1]);
            let (account, schedule) = (account(), schedule(house));
            Box::pin(start(house, BackfillSchedule { account, schedule, first_ms, last_ms, ticks }))
        }),
        decided("tick_schedule", with_schedule, |house| Box::pin(start(house, tick(house, 1)))),
        decided("tick_schedule_late", with_schedule, |house| {
            let missed = TicksMissed {
                schedule: schedule(house),
                first_ms: first_ms() + 3 * MINUTE_MS,
                last_ms: first_ms() + 90 * MINUTE_MS,
                count: 88,
                or_more: false,
                next: None,
            };
            let now_ms = first_ms() + 90 * MINUTE_MS;
            Box::pin(start(house, TickSchedule { missed: Some(missed), now_ms, ..tick(house, 3) }))
        }),
        decided("begin_run", with_run, |house| {
            let flows = vec![FlowId::derive(START_MS, b"an operation")];
            let (account, schedule, run) = (account(), schedule(house), the_run(house));
            Box::pin(start(house, BeginRun { account, schedule, run, flows }))
        }),
        decided("end_run", with_run, |house| Box::pin(start(house, end(house, Ending::Done)))),
        decided("end_run_failed", with_run, |house| {
            let refusal = Refusal::new("InvalidImageId.NotFound", "there is no image `web-1`");
            Box::pin(start(house, end(house, Ending::Failed(refusal))))
        }),
    ]
}

/// An operation that acts on nothing outside.
fn decided(name: &'static str, before: Before, start: Start) -> Case {
    Case { name, acts: false, before, start }
}

/// It ticks every minute, and one failure is one too many.
fn create() -> CreateSchedule {
    CreateSchedule {
        account: account(),
        key: String::new(),
        name: "minutely".to_owned(),
        plan: Plan { when: "* * * * *".to_owned(), anchor_ms: START_MS, ..Plan::default() },
        planned: Planned {
            operation: "image.check".to_owned(),
            parameters: BTreeMap::from([("image".to_owned(), "web-1".to_owned())]),
        },
        overlap: Overlap::BufferAll,
        catch_up_ms: 10 * MINUTE_MS,
        failures_max: 1,
        now_ms: START_MS,
    }
}

/// The first full minute after the beginning.
fn first_ms() -> i64 {
    (START_MS / MINUTE_MS + 1) * MINUTE_MS
}

/// The only schedule; the id of none once it is gone: a second start finds the first by its request.
fn schedule(house: &House) -> ScheduleId {
    let rows = house.engine.snapshot().unwrap();
    SCHEDULES.list_all(&rows).into_iter().map(|schedule| schedule.id).next().unwrap_or_default()
}

fn the_run(house: &House) -> String {
    let rows = house.engine.snapshot().unwrap();
    let mut runs = RUNNING.list_all(&rows).into_iter().map(|run| run.name);
    runs.next().unwrap_or_else(|| run_name(first_ms()))
}

/// The schedule's first ticks, on time.
fn tick(house: &House, count: i64) -> TickSchedule {
    let ticks: Vec<i64> = (0..count).map(|number| first_ms() + number * MINUTE_MS).collect();
    let now_ms = *ticks.last().unwrap();
    TickSchedule { account: account(), schedule: schedule(house), ticks, missed: None, now_ms }
}

fn end(house: &House, ending: Ending) -> EndRun {
    EndRun { account: account(), schedule: schedule(house), run: the_run(house), ending }
}

fn with_schedule(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(run(house, "schedule", create()))
}

fn with_paused(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async {
        run(house, "schedule", create()).await;
        let (account, schedule, why) = (account(), schedule(house), String::new());
        run(house, "pause", PauseSchedule { account, schedule, why }).await;
    })
}

/// A run goes on, and another waits.
fn with_run(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async {
        run(house, "schedule", create()).await;
        run(house, "tick", tick(house, 2)).await;
    })
}
