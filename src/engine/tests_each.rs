//! Fan-out: bounded, isolated, the same at every replay, settled before anything is undone.

use event::Cause;

use crate::queue::lock;
use crate::tests_kit::*;
use crate::{Outcome, State};

fn items(count: usize) -> Vec<(String, Vec<Op>)> {
    (0..count).map(|n| (format!("i{n:02}"), vec![make(&format!("i{n:02}"))])).collect()
}

#[test]
fn a_fan_out_runs_a_child_for_each_item_so_many_at_a_time() {
    let house = House::new();
    for n in 0..20 {
        house.world.plan(&format!("i{n:02}"), [Plan::Gate("go")]);
    }
    let row = house.live(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![Op::Each(items(20), 4)])).await.unwrap();
        house.world.until(|world| world.call_names().len() == 4).await;
        for _ in 0..50 {
            settle(engine).await;
        }
        assert_eq!(house.world.call_names().len(), 4, "the fifth waits for one of them");
        house.world.open_gate("go");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Done);
    assert_eq!(lock(&house.world.things).len(), 20);
    assert_eq!(*lock(&house.world.at_work_max), 4);
    house.check();
}

#[test]
fn a_child_that_fails_undoes_itself_and_does_not_stop_the_others() {
    let house = House::new();
    house.world.plan("i01", [Plan::Caller]);
    let row = house.run("r", [Op::Each(items(4), 2)]);
    let Some(Outcome::Done(output)) = row.outcome else { panic!("{row:?}") };
    let output: Vec<String> = rmp_serde::from_slice(&output).unwrap();
    assert_eq!(output, ["i00: i00; i01: `i01` cannot be; i02: i02; i03: i03"]);
    assert_eq!(lock(&house.world.things).len(), 3);
}

#[test]
fn children_have_the_same_ids_at_every_replay_and_are_not_run_twice() {
    let house = House::new();
    house.world.plan("i02", [Plan::Gate("never"), Plan::Succeed]);
    let ids = |house: &House| {
        house.live(async |engine| {
            let flows = engine.snapshot().unwrap().flows(100, |_| true).unwrap();
            let mut ids: Vec<_> = flows.into_iter().map(|flow| flow.id).collect();
            ids.sort();
            ids
        })
    };
    let plain = House::new();
    plain.run("r", [Op::Each(items(4), 2), note_op("end")]);
    let id = house.crash(async |engine| {
        let script = Script(vec![Op::Each(items(4), 2), note_op("end")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until(|world| world.calls_of("i03 ends").len() == 1).await;
        id
    });
    assert_eq!(house.rest(id).state, State::Done);
    assert_eq!(ids(&house), ids(&plain));
    assert_eq!(house.world.calls_of("i00").len(), 1);
    assert_eq!(lock(&house.world.things).len(), 4);
    house.check();
}

#[test]
fn a_parents_cancel_settles_its_children_before_anything_is_undone() {
    let house = House::new();
    house.world.plan("i01", [Plan::UntilCancelled("slow end")]);
    let row = house.live(async |engine| {
        let script = Script(vec![make("a"), Op::Each(items(6), 2)]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house
            .world
            .until(|world| world.calls_of("i04 ends").len() == 1 && world.calls_of("i01").len() == 1)
            .await;
        engine.cancel(actor(), id, "enough").await.unwrap();
        house.world.open_gate("slow end");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    let calls = house.world.call_names();
    let place = |name: &str| {
        calls.iter().position(|call| call == name).unwrap_or_else(|| panic!("{name} in {calls:?}"))
    };
    assert!(place("i01 ends") < place("~i01"));
    assert!(place("~i01 ends") < place("~each"), "children end before the fan-out is undone");
    assert!(place("~each ends") < place("~a"), "newest first");
    house.live(async |engine| assert!(engine.snapshot().unwrap().open_flows().is_empty()));
    house.check();
}

#[test]
fn a_parent_that_was_cancelled_and_crashed_still_settles_its_children() {
    let house = House::new();
    // In its second life it works until the parent has cancelled it.
    house.world.plan("i00", [Plan::Gate("never"), Plan::UntilCancelled("stop")]);
    house.world.open_gate("stop");
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![Op::Each(items(3), 3)])).await.unwrap();
        house.world.until_at_work("i00").await;
        engine.cancel(actor(), id, "").await.unwrap();
        id
    });
    assert_eq!(house.rest(id).state, State::Undone);
    house.live(async |engine| assert!(engine.snapshot().unwrap().open_flows().is_empty()));
    assert!(!lock(&house.world.things).contains("i00"));
    house.check();
}

#[test]
fn a_parked_child_parks_its_parent_after_the_others_have_ended() {
    let house = House::new();
    house.world.plan("i00", [Plan::Ours]);
    let row = house.run("r", [Op::Each(items(5), 1)]);
    assert!(parked(&row).contains("is parked; resume that first"), "{row:?}");
    assert_eq!(lock(&house.world.things).len(), 4);
    let row = house.live(async |engine| {
        let child = engine
            .snapshot()
            .unwrap()
            .flows(10, |flow| flow.state == State::Parked && flow.id != row.id)
            .unwrap();
        engine.retry(actor(), child[0].id, "mended").await.unwrap();
        engine.wait(child[0].id).await.unwrap();
        engine.retry(actor(), row.id, "its part is mended").await.unwrap();
        engine.wait(row.id).await.unwrap()
    });
    assert_eq!(row.state, State::Done);
    assert_eq!(lock(&house.world.things).len(), 5);
}

#[test]
fn two_items_with_one_key_park_instead_of_becoming_one() {
    let house = House::new();
    let twice = vec![("k".to_owned(), vec![make("a")]), ("k".to_owned(), vec![make("b")])];
    let row = house.run("r", [Op::Each(twice, 2)]);
    assert!(parked(&row).contains("two items of a fan-out have the key `k`"), "{row:?}");
    assert!(house.world.is_clean());
}

/// One line of a race had come to its end when another parked over its part. When the flow turns, the first is told to
/// its end before the other, and nothing may be undone before that one's part is.
#[test]
fn a_part_that_is_parked_in_a_line_of_a_race_stops_the_undo_of_all() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("a")]);
    house.world.plan("b", [Plan::Ours]);
    house.world.plan("~b", [Plan::Ours, Plan::Succeed]);
    house.live(async |engine| {
        let part = Op::Each(vec![("p".to_owned(), vec![make("b")])], 1);
        let script = Script(vec![race([vec![make("a")], vec![part]])]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("a").await;
        let snapshot = || engine.snapshot().unwrap();
        while snapshot().flows(9, |row| row.state == State::Parked).unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        for _ in 0..30 {
            settle(engine).await;
            tokio::task::yield_now().await;
        }
        house.world.open_gate("a");
        assert_eq!(engine.wait(id).await.unwrap().state, State::Parked);
        engine.unwind(actor(), id, "hopeless").await.unwrap();
        let row = engine.wait(id).await.unwrap();
        assert_eq!(row.state, State::Parked, "its part could not be undone: {row:?}");
        assert_eq!(house.world.calls_of("~a").len(), 0);
        let part = snapshot().flows(9, |row| row.cause == Cause::Parent(id)).unwrap()[0].id;
        engine.retry(actor(), part, "").await.unwrap();
        engine.wait(part).await.unwrap();
        engine.retry(actor(), id, "").await.unwrap();
        assert_eq!(engine.wait(id).await.unwrap().state, State::Undone);
    });
    assert!(house.world.is_clean());
    house.check();
}
