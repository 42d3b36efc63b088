//! Beginning anew from an earlier step.

use event::{Cause, FlowId, Seq};

use crate::queue::lock;
use crate::tests_kit::*;
use crate::{Denial, Engine, Outcome, State, TakesUp, Turn};

/// The place of the event of a flow that stands at a path.
fn seq_at(engine: &Engine<World>, id: FlowId, path: &str) -> Seq {
    let snapshot = engine.snapshot().unwrap();
    let row = snapshot.flow(id).unwrap();
    let records = snapshot.records_of(&row).unwrap();
    records.iter().find(|record| record.path.as_str() == path).expect("it has one").seq
}

#[test]
fn a_parked_flow_undoes_what_it_did_from_a_step_on_and_is_begun_anew_from_there() {
    let house = House::new();
    house.world.plan("c", [Plan::Ours, Plan::Succeed]);
    let id = house.run("r", [take_op("n"), Op::NoteId, make("a"), make("b"), make("c")]).id;
    let next = house.live(async |engine| {
        let before = seq_at(engine, id, "4");
        let next = engine.reset(actor(), id, Some(before), "b was wrong", "once").await.unwrap();
        let old = engine.wait(id).await.unwrap();
        let said = |why: &str| why.contains("b was wrong") && why.contains(&next.to_string());
        assert!(matches!(&old.outcome, Some(Outcome::Abandoned(why)) if said(why)), "{old:?}");
        let row = engine.wait(next).await.unwrap();
        assert_eq!(row.state, State::Done);
        assert_eq!(row.takes_up, Some(TakesUp::Resets { flow: id, before }));
        let again = engine.reset(actor(), id, Some(before), "b was wrong", "once").await.unwrap();
        assert_eq!(again, next, "asked once more it is done once");
        let other = engine.reset(actor(), id, Some(before), "b was wrong", "twice").await.unwrap_err();
        assert_eq!(denial(&other), Some(Denial::NoReset));
        next
    });
    assert_eq!(house.world.calls_of("a").len(), 1, "it is told from the old records");
    assert_eq!(house.world.calls_of("~a").len(), 0);
    let calls = house.world.call_names();
    let calls: Vec<_> = calls.iter().filter(|name| !name.ends_with("ends")).collect();
    assert_eq!(calls, ["a", "b", "c", "~c", "~b", "b", "c"]);
    let is_step = |line: &&String| line.starts_with(|c: char| c.is_ascii_digit());
    let (old, told) = (house.story(id), house.story(next));
    let old: Vec<_> = old.iter().filter(is_step).collect();
    assert_eq!(old[4..], ["5~ thing.unmade/1 c", "4~ thing.unmade/1 b"]);
    let steps: Vec<_> = told.iter().filter(is_step).collect();
    assert_eq!(steps, ["4 thing.made/1 b", "5 thing.made/1 c"]);
    assert_eq!(lock(&house.world.things).len(), 3);
    house.check();
}

#[test]
fn one_that_was_begun_anew_undoes_all_of_it_also_after_crashes_and_a_second_reset() {
    let house = House::new();
    house.world.plan("c", [Plan::Ours, Plan::Ours, Plan::Gate("never"), Plan::Caller]);
    let id = house.run("r", [take_op("n"), make("a"), make("b"), make("c")]).id;
    let last = house.crash(async |engine| {
        let next = engine.reset(actor(), id, Some(seq_at(engine, id, "3")), "", "1").await.unwrap();
        engine.wait(id).await.unwrap();
        assert_eq!(engine.wait(next).await.unwrap().state, State::Parked);
        let last = engine.reset(actor(), next, Some(seq_at(engine, next, "3")), "", "2").await.unwrap();
        house.world.until(|world| world.calls_of("c").len() == 3).await;
        last
    });
    assert_eq!(house.rest(last).state, State::Undone);
    assert!(house.world.is_clean());
    assert_eq!(house.world.calls_of("a").len(), 1);
    assert_eq!(house.world.calls_of("b").len(), 3);
    let names = house.live(async |engine| NAMES.list(&engine.snapshot().unwrap(), &scope(), &[]).len());
    assert_eq!(names, 0, "the name that the first one took is given back");
    let fences: Vec<_> = house.world.calls_of("b").iter().map(|attempt| attempt.number).collect();
    assert!(fences[0] < fences[1], "of one incarnation the later fences the earlier: {fences:?}");
    house.check();
}

#[test]
fn a_reset_goes_on_after_a_power_cut_and_after_an_undo_that_parked() {
    let house = House::new();
    house.world.plan("c", [Plan::Ours, Plan::Succeed]);
    house.world.plan("~c", [Plan::Gate("never"), Plan::Ours, Plan::Succeed]);
    let id = house.run("r", [make("a"), make("b"), make("c")]).id;
    let next = house.crash(async |engine| {
        let next = engine.reset(actor(), id, Some(seq_at(engine, id, "2")), "", "once").await.unwrap();
        house.world.until_at_work("~c").await;
        next
    });
    house.live(async |engine| {
        assert!(parked(&engine.wait(id).await.unwrap()).contains("could not be undone"));
        assert!(engine.snapshot().unwrap().flow(next).is_none());
        engine.retry(actor(), id, "mended").await.unwrap();
        assert!(matches!(engine.wait(id).await.unwrap().outcome, Some(Outcome::Abandoned(_))));
        assert_eq!(output(&engine.wait(next).await.unwrap()), ["a", "b", "c"]);
    });
    assert_eq!(house.world.calls_of("a").len(), 1);
    assert_eq!(house.world.calls_of("b").len(), 2);
    house.check();
}

#[test]
fn one_that_is_cancelled_while_it_is_begun_anew_is_undone_whole() {
    for parks in [false, true] {
        let house = House::new();
        let undo = if parks { Plan::Ours } else { Plan::Gate("open") };
        house.world.plan("b", [Plan::Ours]);
        house.world.plan("~b", [undo, Plan::Succeed]);
        let id = house.run("r", [make("a"), make("b")]).id;
        house.live(async |engine| {
            let next =
                engine.reset(actor(), id, Some(seq_at(engine, id, "1").next()), "", "1").await.unwrap();
            if parks {
                engine.wait(id).await.unwrap();
            } else {
                house.world.until_at_work("~b").await;
            }
            engine.cancel(actor(), id, "enough").await.unwrap();
            house.world.open_gate("open");
            assert!(matches!(engine.wait(id).await.unwrap().outcome, Some(Outcome::Abandoned(_))));
            let row = engine.wait(next).await.unwrap();
            assert!(matches!(row.outcome, Some(Outcome::Undone(Turn::Cancelled(why))) if why == "enough"));
        });
        assert!(house.world.is_clean());
        assert_eq!(house.world.calls_of("b").len(), 1, "it is not done once more");
        house.check();
    }
}

#[test]
fn whoever_waits_for_a_part_waits_for_the_one_that_was_begun_anew_from_it() {
    let house = House::new();
    house.world.plan("b", [Plan::Ours, Plan::Succeed]);
    let parent = house.run("r", [Op::Each(vec![("p".to_owned(), vec![make("a"), make("b")])], 1)]).id;
    house.live(async |engine| {
        let rows = engine.snapshot().unwrap().flows(9, |row| row.cause == Cause::Parent(parent)).unwrap();
        let part = rows[0].id;
        let next = engine.reset(actor(), part, None, "", "1").await.unwrap();
        engine.wait(part).await.unwrap();
        assert_eq!(engine.wait(next).await.unwrap().state, State::Done);
        engine.retry(actor(), parent, "").await.unwrap();
        let newest = engine.snapshot().unwrap().newest(part).map(|row| row.id);
        assert_eq!(newest, Some(next), "and so does whoever looks");
        let row = engine.wait(parent).await.unwrap();
        assert_eq!(row.state, State::Done, "{row:?}");
    });
    house.check();
}

/// What lost in a race is undone when the race is decided, so nothing can go on from within it.
#[test]
fn a_race_that_is_decided_is_begun_anew_whole_or_not_at_all() {
    let house = House::new();
    house.world.plan("c", [Plan::Ours, Plan::Succeed]);
    let id = house.live(async |engine| {
        let lines = race([vec![take_op("n"), signal("x")], vec![signal("y")]]);
        let script = Script(vec![make("a"), lines, make("c")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        engine.signal(actor(), id, "y", &"now".to_owned(), "").await.unwrap();
        assert_eq!(engine.wait(id).await.unwrap().state, State::Parked);
        let at = |path| seq_at(engine, id, path);
        let no = engine.reset(actor(), id, Some(at("2")), "", "1").await.unwrap_err().to_string();
        assert!(no.contains("stands in a race that was decided by event"), "{no}");
        assert!(no.contains(&format!("choose event {} or an earlier one", at("2.0/1"))), "{no}");
        // Between the decision and the undo: what lost is undone already, and not once more.
        let next = engine.reset(actor(), id, Some(at("2").next()), "", "1").await.unwrap();
        engine.wait(id).await.unwrap();
        assert_eq!(engine.wait(next).await.unwrap().state, State::Done);
        next
    });
    let undone = house.story(id).iter().filter(|line| line.starts_with("2.0/1~")).count();
    assert_eq!(undone, 0, "the one before had done that");
    house.check();
}

#[test]
fn what_cannot_be_begun_anew_says_why_and_stays_as_it_is() {
    let house = House::new();
    house.world.plan("b", [Plan::Ours]);
    house.world.plan("~d", [Plan::Ours]);
    let ended = house.run("q", [note_op("x")]).id;
    let sealed = house.run("r", [make("a"), Op::Seal("s".to_owned()), make("b")]).id;
    let turned = house.run("s", [make("d"), Op::Refuse]).id;
    house.live(async |engine| {
        let no = async |id, before| denial(&engine.reset(actor(), id, before, "", "1").await.unwrap_err());
        let runs = engine.start(actor(), "t", Script(vec![signal("x")])).await.unwrap();
        let head = engine.snapshot().unwrap().head().unwrap();
        assert_eq!(no(ended, None).await, Some(Denial::NoReset), "it is started once more instead");
        assert_eq!(no(sealed, None).await, Some(Denial::NoReset), "before its point of no return");
        assert_eq!(no(sealed, Some(seq_at(engine, sealed, "2!"))).await, Some(Denial::NoReset));
        assert_eq!(no(sealed, Some(Seq(999))).await, Some(Denial::NoReset), "no event of it");
        assert_eq!(no(turned, None).await, Some(Denial::NoReset), "half undone");
        assert_eq!(no(runs, None).await, Some(Denial::NoReset), "it goes on");
        assert_eq!(engine.snapshot().unwrap().head().unwrap(), head);
        assert_eq!(engine.snapshot().unwrap().flow(sealed).unwrap().state, State::Parked);
    });
    assert_eq!(lock(&house.world.things).len(), 2);
    house.check();
}
