//! Attempts: backoff, fences, the three families of failure, limits, sleeping.

use std::time::Duration;

use event::Attempt;

use crate::queue::lock;
use crate::tests_kit::*;
use crate::{State, TimerSet};

#[test]
fn the_worlds_failures_are_retried_with_growing_waits_that_repeat() {
    let waits = |house: &House| {
        house.world.plan("a", [Plan::World, Plan::World, Plan::World]);
        house.live(async |engine| {
            let begun = tokio::time::Instant::now();
            let row = engine.run(actor(), "r", Script(vec![make("a")])).await.unwrap();
            assert_eq!(row.state, State::Done);
            begun.elapsed()
        })
    };
    let one = waits(&House::new());
    // 200, 400 and 800 ms, each less up to a half of it.
    assert!(one > Duration::from_millis(700) && one < Duration::from_millis(1_500), "{one:?}");
    assert_eq!(waits(&House::new()).as_millis(), one.as_millis(), "the jitter repeats");
}

#[test]
fn while_a_step_waits_to_be_tried_again_its_progress_says_why() {
    let house = House::new();
    house.world.plan("a", [Plan::World]);
    house.live(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a")])).await.unwrap();
        let mut watch = engine.watch(id).unwrap();
        let said =
            watch.progress.wait_for(|progress| !progress.doing.is_empty()).await.unwrap().doing.clone();
        assert_eq!(said, "trying again after attempt 1 (a: the disk hiccuped)");
        engine.wait(id).await.unwrap();
        assert_eq!(watch.progress.borrow().doing, "", "it is no longer so");
    });
}

#[test]
fn a_failure_of_the_world_that_lasts_turns_the_flow() {
    let house = House::new();
    house.world.plan("a", std::iter::repeat_n(Plan::World, 100));
    let row = house.run("r", [take_op("n"), make("a")]);
    assert_eq!(row.state, State::Undone);
    let refusal = row.refusal().unwrap();
    assert_eq!(refusal.code, "ServiceUnavailable");
    assert_eq!(refusal.message, "a: the disk hiccuped (8 attempts)");
    assert_eq!(house.world.calls_of("a").len(), 8);
}

#[test]
fn the_callers_failure_is_not_retried_and_ours_parks() {
    let house = House::new();
    house.world.plan("a", [Plan::Caller]);
    let row = house.run("r", [make("a")]);
    assert_eq!((row.state, house.world.calls_of("a").len()), (State::Undone, 1));
    assert_eq!(row.refusal().unwrap().code, "InvalidThing");
    for (request, plan) in [("s", Plan::Ours), ("t", Plan::Panic)] {
        house.world.plan("b", [plan]);
        let row = house.run(request, [make("b")]);
        assert!(parked(&row).contains("step 1 met a fault of its own"), "{row:?}");
    }
    assert_eq!(house.world.calls_of("b").len(), 2);
    assert_eq!(house.world.calls_of("~b").len(), 0, "nothing is unwound blindly");
}

#[test]
fn past_the_point_of_no_return_a_failure_goes_forward_or_parks() {
    let house = House::new();
    house.world.plan("a", [Plan::Caller, Plan::World]);
    let row = house.run("r", [Op::Seal("s".to_owned()), make("a")]);
    assert_eq!(row.state, State::Done);
    house.world.plan("b", std::iter::repeat_n(Plan::World, 8));
    let row = house.run("s", [Op::Seal("s".to_owned()), make("b")]);
    assert!(parked(&row).contains("failed 8 times"), "{row:?}");
    let row = house.live(async |engine| {
        engine.retry(actor(), row.id, "mended").await.unwrap();
        engine.wait(row.id).await.unwrap()
    });
    assert_eq!(row.state, State::Done, "a person's retry has attempts of its own");
}

#[test]
fn attempts_survive_a_restart_and_fences_only_rise() {
    let house = House::new();
    house.world.plan("a", [Plan::World, Plan::Gate("never")]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![Op::MakeTwice("a".to_owned())])).await.unwrap();
        house.world.until(|world| world.calls_of("a").len() == 2).await;
        id
    });
    house.world.plan("a", [Plan::World, Plan::Succeed]);
    let row = house.rest(id);
    assert_eq!(row.state, State::Undone, "two attempts were allowed; the second did not end by itself");
    let attempt = |incarnation, number| Attempt { incarnation, number };
    assert_eq!(house.world.calls_of("a"), [attempt(1, 1), attempt(1, 2), attempt(2, 2)]);
    let undone = house.world.calls_of("~a");
    assert!(undone.len() == 1 && undone[0] > attempt(2, 2), "an undo fences the step: {undone:?}");
}

#[test]
fn a_later_attempt_fences_those_before_it_whatever_made_it_be_tried_again() {
    let house = House::new();
    house.world.plan("a", [Plan::World, Plan::World, Plan::Ours, Plan::Ours, Plan::Caller]);
    house.world.plan("~a", [Plan::World, Plan::Ours, Plan::Succeed]);
    house.live(async |engine| {
        let mut row = engine.run(actor(), "r", Script(vec![make("a")])).await.unwrap();
        while row.state == State::Parked {
            engine.retry(actor(), row.id, "again").await.unwrap();
            row = engine.wait(row.id).await.unwrap();
        }
        assert_eq!(row.state, State::Undone);
    });
    let mut attempts = house.world.calls_of("a");
    attempts.extend(house.world.calls_of("~a"));
    assert_eq!(attempts.len(), 8);
    assert!(attempts.is_sorted_by(|one, two| one < two), "{attempts:?}");
}

#[test]
fn a_wait_between_attempts_ends_when_the_flow_is_cancelled() {
    let house = House::new();
    house.world.plan("a", [Plan::World]);
    let row = house.live(async |engine| {
        // Real time: a paused clock would jump over the minute while the log is asked.
        tokio::time::resume();
        let id = engine.start(actor(), "r", Script(vec![Op::MakeTwice("a".to_owned())])).await.unwrap();
        house.world.until(|world| world.call_names().len() == 2).await;
        let begun = tokio::time::Instant::now();
        engine.cancel(actor(), id, "").await.unwrap();
        let row = engine.wait(id).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(30));
        row
    });
    assert_eq!(row.state, State::Undone);
    assert_eq!(house.world.calls_of("a").len(), 1);
}

#[test]
fn a_limit_holds_for_all_flows_and_a_parked_flow_frees_its_place() {
    let house = House::new();
    for n in 0..12 {
        let plan = if n == 0 { Plan::Ours } else { Plan::Succeed };
        house.world.plan(&format!("k{n}"), [plan]);
    }
    house.live(async |engine| {
        let mut ids = Vec::new();
        for n in 0..12 {
            let op = Op::MakeLimited(format!("k{n}"), "disk".to_owned(), 3);
            ids.push(engine.start(actor(), &format!("r{n}"), Script(vec![op])).await.unwrap());
        }
        let mut done = 0;
        for id in ids {
            done += usize::from(engine.wait(id).await.unwrap().state == State::Done);
        }
        assert_eq!(done, 11);
    });
    assert!(*lock(&house.world.at_work_max) <= 3);
}

#[test]
fn a_limit_of_one_lets_the_next_one_in_when_its_holder_parks_or_is_cancelled() {
    let house = House::new();
    let limited = |key: &str| Script(vec![Op::MakeLimited(key.to_owned(), "one".to_owned(), 1)]);
    house.world.plan("a", [Plan::UntilCancelled("end")]);
    house.world.open_gate("end");
    house.live(async |engine| {
        let holder = engine.start(actor(), "a", limited("a")).await.unwrap();
        house.world.until_at_work("a").await;
        let waiting = engine.start(actor(), "b", limited("b")).await.unwrap();
        let given_up = engine.start(actor(), "c", limited("c")).await.unwrap();
        engine.cancel(actor(), given_up, "").await.unwrap();
        assert_eq!(engine.wait(given_up).await.unwrap().state, State::Undone);
        assert_eq!(house.world.calls_of("b").len(), 0);
        assert_eq!(house.world.calls_of("c").len(), 0);
        engine.cancel(actor(), holder, "").await.unwrap();
        assert_eq!(engine.wait(waiting).await.unwrap().state, State::Done);
    });
}

#[test]
fn a_sleep_survives_a_restart_and_stands_in_the_timer_table_meanwhile() {
    let house = House::new();
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![Op::Sleep(3_600_000), make("a")])).await.unwrap();
        while timers(engine).is_empty() {
            settle(engine).await;
        }
        assert_eq!(timers(engine), [1_700_003_600_000]);
        id
    });
    house.clock.pass(3_000_000);
    house.live(async |engine| {
        assert_eq!(timers(engine), [1_700_003_600_000]);
        let begun = tokio::time::Instant::now();
        assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
        assert_eq!(begun.elapsed().as_millis() / 1000, 600, "what was left of it");
        assert_eq!(timers(engine), [0; 0]);
    });
    let kinds: Vec<_> = house.story(id);
    assert_eq!(kinds[1..3], ["1 flow.timer-set/1", "1+ flow.timer-fired/1"]);
    house.check();
}

fn timers(engine: &crate::Engine<World>) -> Vec<i64> {
    let snapshot = engine.snapshot().unwrap();
    let rows = crate::fold::TIMERS.list(&snapshot, crate::fold::house(), &[]);
    for flow in snapshot.open_flows() {
        for record in snapshot.records_of(&flow).unwrap() {
            if let Ok(set) = record.get::<TimerSet>() {
                assert!(rows.is_empty() || rows.contains(&set.due_ms));
            }
        }
    }
    rows
}

#[test]
fn a_sleeper_wakes_when_it_is_cancelled() {
    let house = House::new();
    house.live(async |engine| {
        let script = Script(vec![make("a"), Op::Sleep(86_400_000), make("b")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        let begun = tokio::time::Instant::now();
        engine.cancel(actor(), id, "").await.unwrap();
        assert_eq!(engine.wait(id).await.unwrap().state, State::Undone);
        assert!(begun.elapsed() < Duration::from_hours(1));
        assert_eq!(timers(engine), [0; 0]);
    });
    assert!(house.world.is_clean());
    house.check();
}

/// The memo of failures went when the attempt after them succeeded, and with it the number that the undo
/// has to be above: after a restart an undo came as the attempt it undoes, and a port that fences would
/// have turned it away.
#[test]
fn an_undo_is_above_the_attempt_that_succeeded_after_a_restart() {
    let house = House::new();
    house.world.plan("a", [Plan::World, Plan::Gate("never")]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a"), Op::Refuse])).await.unwrap();
        house.world.until(|world| world.calls_of("a").len() == 2).await;
        id
    });
    assert_eq!(house.rest(id).state, State::Undone);
    let (acted, undone) = (house.world.calls_of("a"), house.world.calls_of("~a"));
    assert!(undone[0] > acted[2], "{acted:?}, then {undone:?}");
}
