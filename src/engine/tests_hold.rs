//! Places that stories hold: how many, in which order, and that neither a cancel, a turn, a closing
//! nor a restart is held up by them.

use event::FlowId;

use crate::tests_kit::*;
use crate::{Engine, State};

/// A story that does these while it holds the one place there is.
fn holding(ops: impl IntoIterator<Item = Op>) -> Script {
    Script(vec![take_or_note(), Op::Hold("one".to_owned(), 1, ops.into_iter().collect())])
}

fn take_or_note() -> Op {
    Op::TryTake("n".to_owned())
}

/// Starts stories one millisecond apart, so that their ids sort as they were started.
async fn start(house: &House, engine: &Engine<World>, scripts: Vec<Script>) -> Vec<FlowId> {
    let mut ids = Vec::new();
    for script in scripts {
        house.clock.pass(1);
        let request = format!("r{}", house.clock.0.load(std::sync::atomic::Ordering::Relaxed));
        ids.push(engine.start(actor(), &request, script).await.unwrap());
    }
    ids
}

/// Waits until a flow says that it waits for its turn.
async fn waits_for_its_turn(engine: &Engine<World>, id: FlowId) {
    let mut watch = engine.watch(id).expect("it is driven");
    watch.progress.wait_for(|progress| progress.doing == "waiting for its turn").await.unwrap();
}

#[test]
fn as_many_stories_as_there_are_places_go_on_and_the_others_say_that_they_wait() {
    let house = House::new();
    house.world.plan("k0", [Plan::Gate("go")]);
    house.world.plan("k1", [Plan::Gate("go")]);
    house.live(async |engine| {
        let script = |n: usize| Script(vec![Op::Hold("two".to_owned(), 2, vec![make(&format!("k{n}"))])]);
        let ids = start(&house, engine, (0..5).map(script).collect()).await;
        house.world.until_at_work("k0").await;
        house.world.until_at_work("k1").await;
        for id in &ids[2..] {
            waits_for_its_turn(engine, *id).await;
        }
        assert_eq!(house.world.calls_of("k2").len(), 0);
        house.world.open_gate("go");
        for id in &ids {
            let row = engine.wait(*id).await.unwrap();
            assert_eq!(row.state, State::Done);
            let story = story(engine, *id);
            assert_eq!(story.len(), 3, "a place leaves no trace: {story:?}");
            assert!(story[1].starts_with("1 thing.made"), "and takes no number: {story:?}");
        }
    });
    assert!(*lock_max(&house) <= 2);
    house.check();
}

fn lock_max(house: &House) -> std::sync::MutexGuard<'_, usize> {
    crate::queue::lock(&house.world.at_work_max)
}

#[test]
fn a_place_is_given_up_when_its_holder_ends_parks_or_is_cancelled() {
    let house = House::new();
    house.world.plan("a", [Plan::Ours]);
    house.world.plan("b", [Plan::UntilCancelled("end")]);
    house.world.open_gate("end");
    house.live(async |engine| {
        let scripts = ["a", "b", "c", "d"].map(|key| holding([make(key)]));
        let ids = start(&house, engine, scripts.into()).await;
        assert_eq!(engine.wait(ids[0]).await.unwrap().state, State::Parked);
        house.world.until_at_work("b").await;
        engine.cancel(actor(), ids[1], "").await.unwrap();
        for (id, state) in ids.iter().zip([State::Parked, State::Undone, State::Done, State::Done]) {
            assert_eq!(engine.wait(*id).await.unwrap().state, state);
        }
    });
    assert_eq!(house.world.call_names().iter().filter(|name| name.len() == 1).count(), 4);
}

#[test]
fn after_a_restart_the_oldest_get_the_places_first_and_nobody_repeats_what_was_done() {
    let house = House::new();
    house.world.plan("k3", [Plan::Gate("never")]);
    let keys: Vec<_> = (0..8).map(|n| format!("k{n}")).collect();
    let ids = house.crash(async |engine| {
        // The fourth got the place first: it alone was there. The others came meanwhile.
        let mut ids = start(&house, engine, vec![holding([make("k3")])]).await;
        house.world.until_at_work("k3").await;
        house.clock.pass(-100);
        ids.extend(start(&house, engine, keys[..3].iter().map(|key| holding([make(key)])).collect()).await);
        house.clock.pass(200);
        ids.extend(start(&house, engine, keys[4..].iter().map(|key| holding([make(key)])).collect()).await);
        for id in &ids[1..] {
            waits_for_its_turn(engine, *id).await;
        }
        settle(engine).await;
        ids
    });
    house.world.plan("k3", []);
    let before = house.world.call_names().len();
    house.live(async |engine| {
        for id in &ids {
            assert_eq!(engine.wait(*id).await.unwrap().state, State::Done);
        }
    });
    let calls = house.world.call_names();
    let began: Vec<_> = calls[before..].iter().filter(|name| keys.contains(name)).collect();
    assert_eq!(began, keys.iter().collect::<Vec<_>>(), "oldest first, whoever had the place before");
    house.check();
}

/// Two stories, of which the younger got the place first and has a record of what it did there. The
/// older one must not get in before the younger has ended, or both were at it by what the log says.
#[test]
fn after_a_restart_those_who_had_a_place_by_the_log_get_it_before_older_ones_that_waited() {
    let house = House::new();
    house.world.plan("k", [Plan::Gate("never")]);
    let ids = house.crash(async |engine| {
        let younger = start(&house, engine, vec![holding([make("j"), make("k")])]).await;
        house.world.until_at_work("k").await;
        house.clock.pass(-100);
        let older = start(&house, engine, vec![holding([make("o")])]).await;
        waits_for_its_turn(engine, older[0]).await;
        settle(engine).await;
        [older[0], younger[0]]
    });
    assert!(ids[0] < ids[1], "the one that waits is driven first");
    house.world.plan("k", []);
    house.live(async |engine| {
        for id in ids {
            assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
        }
    });
    assert_eq!(house.world.call_names().iter().rfind(|name| name.len() == 1).unwrap(), "o");
    house.check();
}

#[test]
fn a_cancel_finds_a_story_that_waits_for_a_place_and_undoes_what_it_began() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("go")]);
    house.live(async |engine| {
        let waiting = Script(vec![make("x"), Op::Hold("one".to_owned(), 1, vec![make("b")])]);
        let ids = start(&house, engine, vec![holding([make("a")]), waiting]).await;
        house.world.until_at_work("a").await;
        waits_for_its_turn(engine, ids[1]).await;
        engine.cancel(actor(), ids[1], "enough").await.unwrap();
        assert_eq!(engine.wait(ids[1]).await.unwrap().state, State::Undone);
        assert_eq!((house.world.calls_of("b").len(), house.world.calls_of("~x").len()), (0, 1));
        house.world.open_gate("go");
        assert_eq!(engine.wait(ids[0]).await.unwrap().state, State::Done);
    });
}

/// A story past its hold was cancelled, or had turned for that or for a failure, when the power
/// went. When it is told again, somebody older has the place and keeps it: it is undone all the
/// same, and all of it.
#[test]
fn a_story_that_only_undoes_is_not_kept_waiting_for_a_place_after_a_restart() {
    for (turned, failed) in [(false, false), (true, false), (true, true)] {
        let house = House::new();
        house.world.plan("z", [if failed { Plan::Caller } else { Plan::UntilCancelled("turn") }]);
        house.world.plan("y", [Plan::Gate("never")]);
        if turned {
            house.world.open_gate("turn");
            house.world.plan("~b", [Plan::Gate("never")]);
        }
        let ids = house.crash(async |engine| {
            let young = Script(vec![Op::Hold("one".to_owned(), 1, vec![make("a"), make("b"), make("z")])]);
            let mut ids = start(&house, engine, vec![young]).await;
            house.world.until_at_work(if failed { "~b" } else { "z" }).await;
            house.clock.pass(-100);
            ids.extend(start(&house, engine, vec![holding([make("y"), make("z")])]).await);
            if !failed {
                waits_for_its_turn(engine, ids[1]).await;
                engine.cancel(actor(), ids[0], "").await.unwrap();
            }
            if turned {
                // It gives its place up when it turns, and the other takes it.
                house.world.until_at_work("~b").await;
                house.world.until_at_work("y").await;
            }
            ids
        });
        house.world.plan("~b", []);
        house.world.plan("z", []);
        house.world.plan("y", [Plan::Gate("go")]);
        house.live(async |engine| {
            house.world.until_at_work("y").await;
            assert_eq!(
                engine.wait(ids[0]).await.unwrap().state,
                State::Undone,
                "turned before: {turned}, by a failure: {failed}"
            );
            house.world.open_gate("go");
            assert_eq!(engine.wait(ids[1]).await.unwrap().state, State::Done);
        });
        let things = crate::queue::lock(&house.world.things).clone();
        assert_eq!(
            things.into_iter().collect::<Vec<_>>(),
            ["y", "z"],
            "turned before: {turned}, by a failure: {failed}"
        );
        house.check();
    }
}

#[test]
fn a_story_that_waits_for_a_place_lets_the_engine_close_and_counts_no_recovery() {
    let house = House::new();
    house.world.plan("h", [Plan::UntilCancelled("end")]);
    house.world.open_gate("end");
    let runtime = runtime();
    let engine = Engine::open(house.options()).unwrap();
    let ids = runtime.block_on(async {
        engine.drive().await.unwrap();
        let ids = start(&house, &engine, vec![holding([make("h")]), holding([make("b")])]).await;
        waits_for_its_turn(&engine, ids[1]).await;
        let begun = tokio::time::Instant::now();
        engine.close().await;
        assert!(begun.elapsed().as_secs() < 5, "nobody had to be left behind");
        ids
    });
    for life in 1..=8 {
        house.world.plan("h", [Plan::Checkpoint(life << 30, "never")]);
        house.crash(async |engine| {
            house.world.until_at_work("h").await;
            waits_for_its_turn(engine, ids[1]).await;
            settle(engine).await;
        });
    }
    house.world.plan("h", []);
    assert_eq!(house.rest(ids[1]).state, State::Done);
    house.check();
}
