//! The rules of schedules, one by one, in a log of memory: what ticks, what waits, what is skipped.

use std::collections::BTreeMap;

use event::{FlowId, Refusal, Scope};

use crate::AccountId;
use crate::events_schedule::{ScheduleBackfilled, ScheduleCreated, TicksMissed};
use crate::image::house;
use crate::rules;
use crate::schedule::{
    Ending, Overlap, Plan, Planned, RECENT_MAX, RUNNING, SCHEDULES, Schedule, ScheduleId, TICKS, Then,
    WAITING, Why, run_name,
};
use crate::tests_kit::{ACCOUNT, BEGIN_MS, World, code};

const MINUTE_MS: i64 = 60_000;
/// The first full minute after the log begins: that is 2027-01-15T08:00:00Z.
const FIRST_MS: i64 = BEGIN_MS + MINUTE_MS;

fn id() -> ScheduleId {
    ScheduleId::from("sch-1")
}

fn account() -> AccountId {
    AccountId::from(ACCOUNT)
}

/// A schedule that ticks every minute.
fn wanted(overlap: Overlap) -> ScheduleCreated {
    ScheduleCreated {
        schedule: id(),
        account: account(),
        key: String::new(),
        name: "minutely".to_owned(),
        plan: Plan { when: "* * * * *".to_owned(), anchor_ms: BEGIN_MS, ..Plan::default() },
        planned: Planned { operation: "image.check".to_owned(), parameters: BTreeMap::new() },
        overlap,
        catch_up_ms: 10 * MINUTE_MS,
        failures_max: 2,
        next: None,
    }
}

fn create(world: &mut World, wanted: ScheduleCreated) -> Result<ScheduleCreated, Refusal> {
    let now_ms = world.now_ms;
    world.decide(&house(), |view| rules::create_schedule(view, wanted, now_ms))
}

fn with(overlap: Overlap) -> World {
    let mut world = World::new();
    create(&mut world, wanted(overlap)).unwrap();
    world
}

fn row(world: &World) -> Schedule {
    SCHEDULES.get(&world.rows, &house(), &[ACCOUNT, "sch-1"]).unwrap()
}

fn tick(world: &mut World, at_ms: i64, now_ms: i64) -> Result<Then, Refusal> {
    world.decide(&house(), |view| rules::tick(view, &account(), &id(), at_ms, now_ms)).map(|event| event.then)
}

fn end(world: &mut World, run: &str, ending: Ending) -> Result<bool, Refusal> {
    world
        .decide(&house(), |view| rules::end_run(view, &account(), &id(), run, ending))
        .map(|event| event.pauses)
}

/// The minute after the first, by number, of which the first is 0.
fn at(number: i64) -> i64 {
    FIRST_MS + number * MINUTE_MS
}

fn names(world: &World) -> (Vec<String>, Vec<String>) {
    let list = |table: &event::Table<crate::schedule::Run>| -> Vec<String> {
        let runs = table.list(&world.rows, &house(), &["sch-1"]);
        runs.into_iter().map(|run| run.name.trim_start_matches("2027-01-15T").to_owned()).collect()
    };
    (list(&RUNNING), list(&WAITING))
}

fn failed() -> Ending {
    Ending::Failed(Refusal::new("ServiceUnavailable", "no"))
}

#[test]
fn a_schedule_is_created_with_its_first_tick_and_refused_where_it_says_nothing_sensible() {
    let mut world = World::new();
    let made = create(&mut world, wanted(Overlap::Skip)).unwrap();
    assert_eq!((made.next.map(|next| next.at_ms), made.plan.zone.as_str()), (Some(FIRST_MS), "UTC"));
    let plan = |when: &str| Plan { when: when.to_owned(), ..Plan::default() };
    let other =
        || ScheduleCreated { name: "other".to_owned(), schedule: "sch-2".into(), ..wanted(Overlap::Skip) };
    let past = "at 2020-01-01T00:00";
    let (end_ms, zone) = (Some(BEGIN_MS), "Mars/Olympus".to_owned());
    for (wanted, expected) in [
        (wanted(Overlap::Skip), "InvalidScheduleName.Duplicated"),
        (ScheduleCreated { name: "a b".to_owned(), ..other() }, "InvalidScheduleName.Malformed"),
        (ScheduleCreated { name: "sch-9".to_owned(), ..other() }, "InvalidScheduleName.Malformed"),
        (ScheduleCreated { name: String::new(), ..other() }, "InvalidScheduleName.Malformed"),
        (ScheduleCreated { plan: plan("0 0 30 2 *"), ..other() }, "InvalidSchedule.When"),
        (ScheduleCreated { plan: plan(past), ..other() }, "InvalidSchedule.NeverTicks"),
        (
            ScheduleCreated { plan: Plan { end_ms, ..plan("@daily") }, ..other() },
            "InvalidSchedule.NeverTicks",
        ),
        (ScheduleCreated { plan: Plan { zone, ..plan("@daily") }, ..other() }, "InvalidSchedule.TimeZone"),
        (
            ScheduleCreated {
                plan: Plan { start_ms: Some(2), end_ms: Some(1), ..plan("@daily") },
                ..other()
            },
            "InvalidSchedule.Bounds",
        ),
        (
            ScheduleCreated { plan: Plan { jitter_ms: -1, ..plan("@daily") }, ..other() },
            "InvalidSchedule.Span",
        ),
        (ScheduleCreated { catch_up_ms: 9_999, ..other() }, "InvalidSchedule.Span"),
        (ScheduleCreated { catch_up_ms: i64::MAX, ..other() }, "InvalidSchedule.Span"),
    ] {
        assert_eq!(code(create(&mut world, wanted)), expected);
    }
    for number in 1..rules::SCHEDULES_MAX {
        let (name, schedule) = (format!("n-{number}"), ScheduleId(format!("sch-n{number}")));
        create(&mut world, ScheduleCreated { schedule, name, ..wanted(Overlap::Skip) }).unwrap();
    }
    assert_eq!(code(create(&mut world, other())), "QuotaExceed.Schedule");
    let account = AccountId::from("200000");
    create(&mut world, ScheduleCreated { account, ..other() }).unwrap();
}

#[test]
fn each_tick_comes_once_and_in_order() {
    let mut world = with(Overlap::Allow);
    assert_eq!(code(tick(&mut world, at(1), at(1))), "IncorrectScheduleStatus");
    assert_eq!(tick(&mut world, at(0), at(0)), Ok(Then::Begins));
    assert_eq!(code(tick(&mut world, at(0), at(0))), "IncorrectScheduleStatus");
    assert_eq!(tick(&mut world, at(1), at(1)), Ok(Then::Begins));
    assert_eq!(names(&world).0, ["08:01:00Z", "08:02:00Z"]);
    assert_eq!(TICKS.list_all(&world.rows).iter().map(|tick| tick.comes_ms).collect::<Vec<_>>(), [at(2)]);
    let nobody = AccountId::from("200000");
    let answer = world.ask(&house(), |view| rules::tick(view, &nobody, &id(), at(2), at(2)));
    assert_eq!(code(answer), "InvalidSchedule.NotFound");
}

#[test]
fn while_a_run_goes_on_another_is_skipped_or_waits_or_takes_its_place_as_was_said() {
    let mut world = with(Overlap::Skip);
    tick(&mut world, at(0), at(0)).unwrap();
    assert_eq!(tick(&mut world, at(1), at(1)), Ok(Then::Skipped(Why::Overlap)));
    end(&mut world, &run_name(at(0)), Ending::Done).unwrap();
    assert_eq!(tick(&mut world, at(2), at(2)), Ok(Then::Begins));
    assert_eq!(row(&world).skipped, 1);

    let mut world = with(Overlap::BufferOne);
    tick(&mut world, at(0), at(0)).unwrap();
    assert_eq!(tick(&mut world, at(1), at(1)), Ok(Then::Waits { instead_of: None }));
    assert_eq!(tick(&mut world, at(2), at(2)), Ok(Then::Skipped(Why::Overlap)));
    end(&mut world, &run_name(at(0)), Ending::Done).unwrap();
    assert_eq!(names(&world), (vec!["08:02:00Z".to_owned()], vec![]));

    let mut world = with(Overlap::BufferAll);
    for number in 0..4 {
        tick(&mut world, at(number), at(number)).unwrap();
    }
    assert_eq!(names(&world).1, ["08:02:00Z", "08:03:00Z", "08:04:00Z"]);
    end(&mut world, &run_name(at(0)), failed()).unwrap();
    assert_eq!(names(&world).0, ["08:02:00Z"]);

    let mut world = with(Overlap::CancelOther);
    tick(&mut world, at(0), at(0)).unwrap();
    assert_eq!(tick(&mut world, at(1), at(1)), Ok(Then::Waits { instead_of: Some(vec![]) }));
    assert!(RUNNING.list_all(&world.rows)[0].is_cancelling);
    let dropped = Then::Waits { instead_of: Some(vec![run_name(at(1))]) };
    assert_eq!(tick(&mut world, at(2), at(2)), Ok(dropped));
    end(&mut world, &run_name(at(0)), Ending::Cancelled).unwrap();
    assert_eq!(names(&world), (vec!["08:03:00Z".to_owned()], vec![]));
    assert_eq!(row(&world).skipped, 1);
}

#[test]
fn what_waits_and_what_goes_on_at_once_has_a_bound() {
    let mut world = with(Overlap::BufferAll);
    let most = i64::try_from(rules::WAITING_MAX).unwrap();
    for number in 0..=most {
        tick(&mut world, at(number), at(number)).unwrap();
    }
    assert_eq!(tick(&mut world, at(most + 1), at(most + 1)), Ok(Then::Skipped(Why::Full)));
    let mut world = with(Overlap::Allow);
    let most = i64::try_from(rules::RUNNING_MAX).unwrap();
    for number in 0..most {
        assert_eq!(tick(&mut world, at(number), at(number)), Ok(Then::Begins));
    }
    assert_eq!(tick(&mut world, at(most), at(most)), Ok(Then::Skipped(Why::Full)));
}

#[test]
fn a_tick_that_comes_too_late_is_missed_by_the_clock_of_who_found_it() {
    let mut world = with(Overlap::Skip);
    // The log's own time is far ahead, as after a clock that was.
    world.now_ms = at(1_000_000);
    assert_eq!(tick(&mut world, at(0), at(10)), Ok(Then::Begins));
    assert_eq!(tick(&mut world, at(1), at(11) + 1), Ok(Then::Skipped(Why::Missed)));
    let missed = |first: i64, last: i64| TicksMissed {
        schedule: id(),
        first_ms: first,
        last_ms: last,
        count: 98,
        or_more: false,
        next: None,
    };
    let wrong = world.ask(&house(), |view| rules::miss_ticks(view, &account(), &missed(at(3), at(99))));
    assert_eq!(code(wrong), "IncorrectScheduleStatus");
    let told =
        world.decide(&house(), |view| rules::miss_ticks(view, &account(), &missed(at(2), at(99)))).unwrap();
    assert_eq!(told.next.map(|next| next.at_ms), Some(at(100)));
    assert_eq!(row(&world).skipped, 99);
}

#[test]
fn a_schedule_that_fails_too_often_in_a_row_is_to_be_paused() {
    let mut world = with(Overlap::Skip);
    let run = |world: &mut World, number: i64, ending: Ending| {
        tick(world, at(number), at(number)).unwrap();
        end(world, &run_name(at(number)), ending).unwrap()
    };
    assert!(!run(&mut world, 0, failed()));
    assert!(!run(&mut world, 1, Ending::Done));
    assert!(!run(&mut world, 2, failed()));
    assert!(!run(&mut world, 3, Ending::Cancelled), "a cancel is no failure");
    assert!(run(&mut world, 4, failed()));
    let row = row(&world);
    assert_eq!((row.failures, row.ended, row.recent.len()), (2, 5, 5));
    for number in 5..20 {
        run(&mut world, number, Ending::Done);
    }
    assert_eq!(self::row(&world).recent.len(), RECENT_MAX);
    assert_eq!(code(end(&mut world, &run_name(at(4)), failed())), "IncorrectScheduleStatus");
}

#[test]
fn a_paused_schedule_ticks_when_it_is_resumed_and_not_for_what_was_meanwhile() {
    let mut world = with(Overlap::BufferAll);
    let pause = |world: &mut World, why: &str| {
        let why = why.to_owned();
        world.decide(&house(), |view| rules::pause_schedule(view, &account(), &id(), why)).map(drop)
    };
    let resume = |world: &mut World, now_ms: i64| {
        world.decide(&house(), |view| rules::resume_schedule(view, &account(), &id(), now_ms))
    };
    assert_eq!(code(resume(&mut world, at(0))), "IncorrectScheduleStatus");
    tick(&mut world, at(0), at(0)).unwrap();
    tick(&mut world, at(1), at(1)).unwrap();
    assert_eq!(code(pause(&mut world, &"x".repeat(257))), "InvalidParameter.Reason");
    pause(&mut world, "holidays").unwrap();
    assert_eq!(code(pause(&mut world, "again")), "IncorrectScheduleStatus");
    assert!(TICKS.list_all(&world.rows).is_empty());
    assert_eq!(code(tick(&mut world, at(2), at(2))), "IncorrectScheduleStatus");
    end(&mut world, &run_name(at(0)), Ending::Done).unwrap();
    assert_eq!(names(&world), (vec![], vec!["08:02:00Z".to_owned()]), "what a tick left waiting waits on");
    let hand = |world: &mut World| {
        world.decide(&house(), |view| rules::run_schedule(view, &account(), &id(), "now-1".to_owned(), at(3)))
    };
    hand(&mut world).unwrap();
    assert_eq!(names(&world).0, ["now-1"], "what somebody wants now does not");
    end(&mut world, "now-1", Ending::Done).unwrap();
    let resumed = resume(&mut world, at(50)).unwrap();
    assert_eq!(resumed.next.map(|next| next.at_ms), Some(at(51)));
    assert_eq!(names(&world).0, ["08:02:00Z"]);
    // A clock that was ahead and is set back: what ticked does not tick again.
    tick(&mut world, at(51), at(51)).unwrap();
    pause(&mut world, "").unwrap();
    assert_eq!(resume(&mut world, at(10)).unwrap().next.map(|next| next.at_ms), Some(at(52)));
}

#[test]
fn a_past_is_made_up_for_once() {
    let mut world = with(Overlap::Skip);
    let wanted = |ticks: &[i64]| ScheduleBackfilled {
        schedule: id(),
        first_ms: at(-10),
        last_ms: at(-1),
        ticks: ticks.to_vec(),
    };
    let backfill = |world: &mut World, ticks: &[i64]| {
        world.decide(&house(), |view| rules::backfill_schedule(view, &account(), wanted(ticks)))
    };
    assert_eq!(backfill(&mut world, &[at(-3), at(-2)]).unwrap().ticks.len(), 2);
    assert_eq!(names(&world), (vec!["07:58:00Z".to_owned()], vec!["07:59:00Z".to_owned()]));
    assert_eq!(code(backfill(&mut world, &[at(-3), at(-2)])), "IncorrectScheduleStatus");
    let many: Vec<i64> = (0..1001).map(|number| at(-2_000 + number)).collect();
    assert_eq!(code(backfill(&mut world, &many)), "IncorrectScheduleStatus");
    let run =
        |view: &event::View<'_>| rules::run_schedule(view, &account(), &id(), "now-1".to_owned(), at(0));
    assert_eq!(code(world.ask(&house(), run)), "IncorrectScheduleStatus");
}

#[test]
fn a_schedule_that_is_deleted_leaves_nothing_behind() {
    let mut world = World::new();
    let none = world.rows.clone();
    create(&mut world, wanted(Overlap::BufferAll)).unwrap();
    tick(&mut world, at(0), at(0)).unwrap();
    tick(&mut world, at(1), at(1)).unwrap();
    let flows = vec![FlowId([1; 16])];
    world
        .decide(&house(), |view| rules::begin_run(view, &account(), &id(), &run_name(at(0)), flows.clone()))
        .unwrap();
    assert_eq!(RUNNING.list_all(&world.rows)[0].flows, flows);
    world.decide(&house(), |view| rules::delete_schedule(view, &account(), &id())).unwrap();
    assert!(world.rows == none);
    let scope: Scope = house();
    world.tell(&scope, crate::events_schedule::SchedulePaused { schedule: id(), why: String::new() });
    assert!(world.rows == none, "an event about what is not there changes nothing");
}

#[test]
fn with_jitter_a_tick_comes_later_and_before_the_next() {
    let mut world = World::new();
    let plan = Plan { jitter_ms: 10 * MINUTE_MS, ..wanted(Overlap::Allow).plan };
    create(&mut world, ScheduleCreated { plan, ..wanted(Overlap::Allow) }).unwrap();
    let mut before_ms = 0;
    for number in 0..50 {
        let next = row(&world).next.unwrap();
        assert_eq!(next.at_ms, at(number));
        assert!(next.comes_ms > before_ms && (next.at_ms..at(number + 1)).contains(&next.comes_ms));
        before_ms = next.comes_ms;
        tick(&mut world, next.at_ms, next.comes_ms).unwrap();
    }
}
