//! Races with a known outcome: one seed is one order, many seeds are many, and nothing that a flow
//! may wait for holds the race up.

use std::collections::BTreeSet;
use std::sync::Arc;

use event::FlowId;
use sim::Race;

use crate::tests_kit::*;
use crate::{Engine, FlowRow, Options, State};

/// What a race came to.
struct Raced {
    rows: Vec<FlowRow>,
    choices: Vec<(FlowId, String)>,
    /// Flow, path and kind of each record, in the order of the log.
    log: Vec<String>,
    house: House,
}

/// Lets scripts race; the last one is cancelled by somebody who races as well, if asked for.
fn race(seed: u64, scripts: &[Script], cancel: bool, prepare: impl FnOnce(&House)) -> Raced {
    let house = House::new();
    prepare(&house);
    let race = Race::new(seed);
    let options = Options { order: Some(race.clone()), ..house.options() };
    let engine = Engine::open(options).unwrap();
    let (rows, log) = runtime().block_on(async {
        engine.drive().await.unwrap();
        let mut ids = Vec::new();
        for (n, script) in scripts.iter().enumerate() {
            house.clock.pass(1);
            ids.push(engine.start(actor(), &format!("r{n}"), script.clone()).await.unwrap());
        }
        let canceller = async {
            if cancel {
                let cancelling = engine.cancel(actor(), ids[ids.len() - 1], "a race");
                // Refused when it comes too late.
                let _ = race.aside(FlowId([0; 16]), "cancel", cancelling).await;
            }
        };
        race.go();
        canceller.await;
        let mut rows = Vec::new();
        for id in ids {
            rows.push(engine.wait(id).await.unwrap());
        }
        let records = engine.snapshot().unwrap().records(event::Seq(1), usize::MAX).unwrap();
        let log = records.iter().map(|record| format!("{} {} {}", record.flow, record.path, record.kind));
        let log = log.collect();
        engine.close().await;
        (rows, log)
    });
    Raced { rows, choices: race.choices(), log, house }
}

fn deciding() -> Vec<Script> {
    let three = |key: &str| Script((0..3).map(|n| note_op(&format!("{key}{n}"))).collect());
    vec![three("a"), three("b")]
}

#[test]
fn two_flows_of_three_decides_come_in_every_order_there_is() {
    let mut orders = BTreeSet::new();
    for seed in 0..400 {
        let raced = race(seed, &deciding(), false, |_| {});
        let first = raced.rows[0].id;
        let steps = raced.choices.iter().filter(|(_, path)| !["begin", "end"].contains(&&**path));
        let order: String = steps.map(|(flow, _)| if *flow == first { 'a' } else { 'b' }).collect();
        assert_eq!(order.len(), 6, "{order}");
        let decided = raced.log.iter().filter(|line| line.ends_with("note.written/1"));
        let decided: String =
            decided.map(|line| if line.starts_with(&first.to_string()) { 'a' } else { 'b' }).collect();
        assert_eq!(order, decided, "the log has the order in which they were let through");
        orders.insert(order);
    }
    assert_eq!(orders.len(), 20, "{orders:?}");
}

/// Takes that compete, children, a limit, a place, backoff, sleeping, an undo: whatever may wait.
fn everything() -> (Vec<Script>, impl Fn(&House)) {
    let limited = |key: &str| Op::MakeLimited(key.to_owned(), "one".to_owned(), 1);
    let children = vec![
        ("x".to_owned(), vec![Op::TryTake("n".to_owned()), limited("x")]),
        ("y".to_owned(), vec![make("y"), Op::Sleep(5)]),
    ];
    let scripts = vec![
        Script(vec![Op::TryTake("n".to_owned()), Op::MakeTwice("a".to_owned()), limited("a2")]),
        Script(vec![Op::Hold("one".to_owned(), 1, vec![Op::Sleep(70_000), take_op("m")]), make("b")]),
        Script(vec![make("c"), take_op("m"), Op::Each(children, 2), limited("c2")]),
    ];
    let prepare = |house: &House| {
        house.world.plan("a", [Plan::World]);
        house.world.plan("c", [Plan::World, Plan::World]);
        house.world.plan("~c", [Plan::World]);
    };
    (scripts, prepare)
}

#[test]
fn the_same_seed_is_the_same_race_whatever_the_flows_wait_for() {
    let (mut logs, mut ends) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..40 {
        let (scripts, prepare) = everything();
        let once = race(seed, &scripts, seed % 2 == 0, &prepare);
        let again = race(seed, &scripts, seed % 2 == 0, &prepare);
        assert_eq!(once.choices, again.choices, "seed {seed}");
        assert_eq!(once.log, again.log, "seed {seed}");
        assert!(once.rows.iter().all(|row| row.state.has_ended()), "seed {seed}: {:?}", once.rows);
        ends.insert(once.rows.iter().map(|row| format!("{:?}", row.state)).collect::<Vec<_>>());
        logs.insert(once.log);
        once.house.check();
    }
    assert!(logs.len() > 30, "{} logs", logs.len());
    assert!(ends.len() >= 2, "{ends:?}");
}

#[test]
fn a_cancel_that_races_a_seal_wins_or_loses_by_the_seed() {
    let mut won = [0, 0];
    for seed in 0..60 {
        let script = Script(vec![make("a"), Op::Seal("s".to_owned()), make("b")]);
        let raced = race(seed, &[script], true, |_| {});
        let sealed = raced.log.iter().any(|line| line.ends_with("thing.sealed/1"));
        assert_eq!(raced.rows[0].state, if sealed { State::Done } else { State::Undone }, "seed {seed}");
        assert_eq!(raced.house.world.is_clean(), !sealed);
        won[usize::from(sealed)] += 1;
    }
    assert!(won.iter().all(|count| *count > 5), "{won:?}");
}

#[test]
fn an_engine_closes_while_its_flows_stand_at_the_gate() {
    let house = House::new();
    let race = Race::new(1);
    let order: Arc<dyn event::Order> = race.clone();
    let engine = Engine::open(Options { order: Some(order), ..house.options() }).unwrap();
    let id = runtime().block_on(async {
        engine.drive().await.unwrap();
        let id = engine.start(actor(), "r", Script(vec![make("a")])).await.unwrap();
        engine.close().await;
        id
    });
    assert_eq!((race.choices(), house.world.calls_of("a").len()), (vec![], 0));
    assert_eq!(house.rest(id).state, State::Done);
}
