//! Standing still and going on: one, a kind, all.

use event::FlowId;

use crate::tests_kit::*;
use crate::{Denial, Engine, Error, State, Which};

/// Gives whatever would go on the time to.
async fn a_while(engine: &Engine<World>) {
    for _ in 0..30 {
        settle(engine).await;
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_flow_that_stands_still_ends_its_attempt_and_begins_nothing_until_it_goes_on() {
    for which in [None, Some(Which::Kind("script".to_owned())), Some(Which::All)] {
        let house = House::new();
        house.world.plan("a", [Plan::Gate("a")]);
        house.live(async |engine| {
            let script = Script(vec![make("a"), make("b")]);
            let id = engine.start(actor(), "r", script).await.unwrap();
            let which = which.clone().unwrap_or(Which::Flow(id));
            house.world.until_at_work("a").await;
            engine.pause(actor(), which.clone(), "maintenance").await.unwrap();
            house.world.open_gate("a");
            let mut watch = engine.watch(id).unwrap();
            watch.progress.wait_for(|progress| progress.doing == "paused: maintenance").await.unwrap();
            a_while(engine).await;
            assert_eq!(house.world.calls_of("b").len(), 0);
            assert!(story(engine, id).contains(&"1 thing.made/1 a".to_owned()), "its attempt is an event");
            engine.resume(actor(), which, "done").await.unwrap();
            assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
        });
        house.check();
    }
}

#[test]
fn the_background_stands_still_and_people_go_on_also_after_a_crash() {
    let house = House::new();
    let (behind, kind) = house.crash(async |engine| {
        engine.pause(actor(), Which::Background, "the night is short").await.unwrap();
        let script = Script(vec![Op::Each(vec![("part".to_owned(), vec![make("b")])], 1)]);
        let behind = engine.start_as(actor(), "behind", crate::Class::Background, script).await.unwrap();
        let person = engine.run(actor(), "person", Script(vec![make("a")])).await.unwrap();
        assert_eq!(person.state, State::Done);
        (behind, person.name)
    });
    house.live(async |engine| {
        assert_eq!(engine.background_stands_still().as_deref(), Some("the night is short"));
        a_while(engine).await;
        let row = engine.snapshot().unwrap().flow(behind).unwrap();
        assert_eq!(engine.stands_still(&row).as_deref(), Some("the night is short"));
        assert_eq!(house.world.calls_of("b").len(), 0);
        engine.pause(actor(), Which::Kind(kind.clone()), "").await.unwrap();
        assert!(engine.background_stands_still().is_some());
        engine.resume(actor(), Which::Kind(kind), "").await.unwrap();
        engine.resume(actor(), Which::Background, "").await.unwrap();
        assert_eq!(engine.wait(behind).await.unwrap().state, State::Done);
        assert_eq!(engine.background_stands_still(), None);
    });
    house.check();
}

#[test]
fn what_stands_still_does_so_after_a_crash_too_and_what_is_started_meanwhile_waits() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a"), make("b")])).await.unwrap();
        house.world.until_at_work("a").await;
        engine.pause(actor(), Which::Flow(id), "one").await.unwrap();
        engine.pause(actor(), Which::Kind("script".to_owned()), "all of them").await.unwrap();
        id
    });
    house.live(async |engine| {
        let other = engine.start(actor(), "s", Script(vec![note_op("x")])).await.unwrap();
        a_while(engine).await;
        assert_eq!(house.world.calls_of("a").len(), 1);
        assert_eq!(engine.snapshot().unwrap().pauses().len(), 1);
        engine.resume(actor(), Which::Kind("script".to_owned()), "").await.unwrap();
        assert_eq!(engine.wait(other).await.unwrap().state, State::Done);
        a_while(engine).await;
        assert_eq!(house.world.calls_of("a").len(), 1, "it was paused by itself as well");
        engine.resume(actor(), Which::Flow(id), "").await.unwrap();
        assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
    });
    house.check();
}

#[test]
fn a_cancel_goes_through_where_everything_stands_still() {
    let house = House::new();
    house.world.plan("b", [Plan::Gate("b")]);
    house.live(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a"), make("b"), make("c")])).await.unwrap();
        house.world.until_at_work("b").await;
        engine.pause(actor(), Which::All, "").await.unwrap();
        house.world.open_gate("b");
        a_while(engine).await;
        engine.cancel(actor(), id, "enough").await.unwrap();
        assert_eq!(engine.wait(id).await.unwrap().state, State::Undone);
        assert!(house.world.is_clean());
    });
    house.check();
}

#[test]
fn pausing_twice_is_pausing_once_and_what_cannot_be_says_why() {
    let house = House::new();
    let ended = house.run("r", [note_op("a")]).id;
    house.world.plan("p", [Plan::Ours]);
    let parked = house.run("p", [make("p")]).id;
    house.live(async |engine| {
        let id = engine.start(actor(), "s", Script(vec![signal("x")])).await.unwrap();
        engine.pause(actor(), Which::Flow(id), "").await.unwrap();
        engine.pause(actor(), Which::All, "").await.unwrap();
        let head = engine.snapshot().unwrap().head().unwrap();
        engine.pause(actor(), Which::Flow(id), "again").await.unwrap();
        engine.pause(actor(), Which::All, "again").await.unwrap();
        let no = |error: Result<(), Error>| denial(&error.unwrap_err());
        assert_eq!(no(engine.pause(actor(), Which::Flow(ended), "").await), Some(Denial::Ended));
        assert_eq!(no(engine.pause(actor(), Which::Flow(parked), "").await), Some(Denial::Parked));
        let kind = Which::Kind("script".to_owned());
        let error = engine.resume(actor(), kind, "").await.unwrap_err().to_string();
        assert!(error.starts_with("all of `script`: that was not paused"), "{error}");
        let unknown = engine.pause(actor(), Which::Kind("scrip".to_owned()), "").await.unwrap_err();
        assert_eq!(unknown.to_string(), "there is no kind of workflow `scrip`; there are: script");
        let nobody = FlowId::derive(1, b"nobody");
        assert!(matches!(engine.resume(actor(), Which::Flow(nobody), "").await, Err(Error::NoFlow(_))));
        assert_eq!(engine.snapshot().unwrap().head().unwrap(), head, "nothing was written for any of it");
    });
    house.check();
}

#[test]
fn what_goes_on_does_so_when_that_is_on_disk_and_not_before() {
    let house = House::new();
    house.crash(async |engine| {
        engine.pause(actor(), Which::All, "").await.unwrap();
        engine.start(actor(), "r", Script(vec![make("a")])).await.unwrap();
        a_while(engine).await;
        house.disk.fail_sync(1, std::io::ErrorKind::Other);
        assert!(is_stopped(&engine.resume(actor(), Which::All, "").await.unwrap_err()));
        for _ in 0..30 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(house.world.calls_of("a").len(), 0);
    house.check();
}

#[test]
fn a_parent_that_stands_still_begins_no_more_parts() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("a")]);
    house.live(async |engine| {
        let parts = vec![("1".to_owned(), vec![make("a")]), ("2".to_owned(), vec![make("b")])];
        let id = engine.start(actor(), "r", Script(vec![Op::Each(parts, 1)])).await.unwrap();
        house.world.until_at_work("a").await;
        engine.pause(actor(), Which::Flow(id), "").await.unwrap();
        house.world.open_gate("a");
        a_while(engine).await;
        assert_eq!(engine.snapshot().unwrap().open_flows().len(), 1, "the first part has ended");
        assert_eq!(house.world.calls_of("b").len(), 0);
        engine.resume(actor(), Which::Flow(id), "").await.unwrap();
        assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
    });
    house.check();
}
