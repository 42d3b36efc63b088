//! Limits of time, silence and pace on a step's attempts.

use std::time::Duration;

use crate::tests_kit::*;
use crate::{State, Which};

fn patient(key: &str, patience: Patience) -> Op {
    more(More::Patient(key.to_owned(), patience))
}

const TRIED: Patience = Patience {
    attempts_max: 3,
    attempt_ms: None,
    total_ms: None,
    heartbeat_ms: None,
    hiccups_are_final: false,
};

#[test]
fn an_attempt_that_takes_too_long_is_stopped_at_its_checkpoint_and_tried_again() {
    let house = House::new();
    house.world.plan("a", [Plan::UntilCancelled("stops")]);
    house.world.open_gate("stops");
    let row = house.run("r", [patient("a", Patience { attempt_ms: Some(500), ..TRIED })]);
    assert_eq!(row.state, State::Done);
    let calls = house.world.calls_of("a");
    assert_eq!(calls.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    house.check();
}

#[test]
fn an_attempt_that_does_not_look_up_is_cut_off_and_its_failures_are_counted() {
    let house = House::new();
    house
        .world
        .plan("a", [Plan::Gate("never"), Plan::Gate("never"), Plan::Gate("never"), Plan::Gate("never")]);
    let row = house.run("r", [make("z"), patient("a", Patience { attempt_ms: Some(500), ..TRIED })]);
    assert_eq!(row.state, State::Undone);
    let said = row.refusal().unwrap().message;
    assert_eq!(said, "an attempt took longer than the 0.5 seconds it may (3 attempts)");
    assert_eq!(house.world.calls_of("a ends").len(), 3, "each has ended before the next began");
    assert!(house.world.is_clean());
    house.check();
}

#[test]
fn one_that_comes_to_its_end_after_it_was_told_to_stop_has_done_its_work() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("late")]);
    let row = house.live(async |engine| {
        let script = Script(vec![patient("a", Patience { attempt_ms: Some(500), ..TRIED })]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("a").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        house.world.open_gate("late");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Done);
    assert_eq!(house.world.calls_of("a").len(), 1);
}

#[test]
fn a_step_that_looks_up_often_enough_may_be_long_and_one_that_is_silent_may_not() {
    let house = House::new();
    house.world.plan("a", [Plan::Checkpoint(1, "never")]);
    let row = house.run("r", [patient("a", Patience { heartbeat_ms: Some(700), ..TRIED })]);
    assert_eq!(row.state, State::Done);
    assert_eq!(house.world.calls_of("a").len(), 2, "the first was silent");
    house.world.plan("b", [Plan::UntilCancelled("stops")]);
    let row = house.live(async |engine| {
        let script = Script(vec![patient("b", Patience { heartbeat_ms: Some(700), ..TRIED })]);
        let id = engine.start(actor(), "s", script).await.unwrap();
        house.world.until_at_work("b").await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        engine.cancel(actor(), id, "enough").await.unwrap();
        house.world.open_gate("stops");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    assert_eq!(house.world.calls_of("b").len(), 1, "it looked up all the time");
    house.check();
}

#[test]
fn all_attempts_together_may_take_so_long_restarts_included() {
    let house = House::new();
    let patience = Patience { attempts_max: 100, total_ms: Some(60_000), ..TRIED };
    house.world.plan("a", [Plan::Gate("never"), Plan::World, Plan::World]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("z"), patient("a", patience)])).await.unwrap();
        house.world.until_at_work("a").await;
        settle(engine).await;
        id
    });
    house.clock.pass(59_500);
    let row = house.rest(id);
    assert_eq!(row.state, State::Undone);
    let said = row.refusal().unwrap().message;
    assert!(said.ends_with("60 seconds in all are allowed)") || said.ends_with("it may in all"), "{said}");
    assert!(house.world.is_clean());
    house.check();
}

#[test]
fn a_failure_whose_words_are_final_is_not_tried_again() {
    let house = House::new();
    house.world.plan("a", [Plan::World]);
    let row = house.run("r", [patient("a", Patience { hiccups_are_final: true, ..TRIED })]);
    assert_eq!(row.state, State::Undone);
    assert!(row.refusal().unwrap().message.ends_with("(trying again is no use)"));
    assert_eq!(house.world.calls_of("a").len(), 1);
}

#[test]
fn so_many_attempts_begin_in_so_long_over_all_flows_of_a_key() {
    let house = House::new();
    let rated = |key: &str| vec![more(More::Rated(key.to_owned(), 2, 1_000))];
    let took = house.live(async |engine| {
        let begun = tokio::time::Instant::now();
        let mut ids = Vec::new();
        for n in 0..6 {
            let script = Script(rated(&format!("k{n}")));
            ids.push(engine.start(actor(), &format!("r{n}"), script).await.unwrap());
        }
        for id in ids {
            assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
        }
        begun.elapsed()
    });
    // Two at once, then one each half second.
    assert!(took >= Duration::from_secs(2), "{took:?}");
    house.check();
}

#[test]
fn one_that_is_cancelled_while_it_waits_for_its_pace_does_not_begin() {
    let house = House::new();
    let rated = |key: &str| more(More::Rated(key.to_owned(), 1, 3_600_000));
    let engine = crate::Engine::open(house.options()).unwrap();
    // Time does not skip ahead here: it would wait for an hour.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let row = runtime.block_on(async {
        engine.drive().await.unwrap();
        engine.run(actor(), "r", Script(vec![rated("a")])).await.unwrap();
        let id = engine.start(actor(), "s", Script(vec![rated("b")])).await.unwrap();
        engine.cancel(actor(), id, "enough").await.unwrap();
        let row = engine.wait(id).await.unwrap();
        engine.close().await;
        row
    });
    assert_eq!(row.state, State::Undone);
    assert_eq!(house.world.calls_of("b").len(), 0);
}

#[test]
fn what_stood_still_while_it_waited_for_its_pace_keeps_it_when_it_goes_on() {
    let house = House::new();
    let rated = |key: &str| more(More::Rated(key.to_owned(), 1, 60_000));
    let engine = crate::Engine::open(house.options()).unwrap();
    // Time does not skip ahead before all of them stand still.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let took = runtime.block_on(async {
        engine.drive().await.unwrap();
        let mut ids = Vec::new();
        for n in 0..4 {
            let script = Script(vec![rated(&format!("k{n}"))]);
            ids.push(engine.start(actor(), &format!("r{n}"), script).await.unwrap());
        }
        let calls = |n: usize| house.world.calls_of(&format!("k{n}")).len();
        // Whichever comes first begins at once.
        let first = loop {
            match (0..4).find(|n| calls(*n) > 0) {
                Some(first) => break first,
                None => tokio::task::yield_now().await,
            }
        };
        engine.wait(ids[first]).await.unwrap();
        engine.pause(actor(), Which::All, "").await.unwrap();
        tokio::time::pause();
        // Each of them would have begun by then.
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!((0..4).map(calls).sum::<usize>(), 1);
        let goes_on = tokio::time::Instant::now();
        engine.resume(actor(), Which::All, "").await.unwrap();
        for id in ids {
            assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
        }
        engine.close().await;
        goes_on.elapsed()
    });
    assert!(took >= Duration::from_mins(2), "they began together: {took:?}");
    house.check();
}
