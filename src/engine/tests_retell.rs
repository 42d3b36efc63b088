//! A story that is no longer the one of the log is found out, whatever changed in it.

use event::{FlowId, Record};

use crate::State;
use crate::tests_kit::*;

const MOOD: &str = "changed";

/// The records of a flow that was run to its end, and what telling them to the story of today says: as it was, and
/// after the world's mood has changed it.
fn told(ops: Vec<Op>) -> (Result<(), String>, Result<(), String>) {
    let house = House::new();
    let row = house.run("r", ops);
    assert!(row.state.has_ended());
    let records = records(&house, row.id);
    house.world.calls.lock().unwrap().clear();
    let as_it_was = house.live(async |engine| engine.retell(records.clone()).await);
    house.world.moods.lock().unwrap().insert(MOOD.to_owned());
    let changed = house.live(async |engine| engine.retell(records).await);
    assert_eq!(house.world.call_names(), Vec::<String>::new(), "nothing is done");
    house.check();
    (as_it_was, changed)
}

fn records(house: &House, id: FlowId) -> Vec<Record> {
    house.live(async |engine| {
        let snapshot = engine.snapshot().unwrap();
        let row = snapshot.flow(id).unwrap();
        snapshot.records_of(&row).unwrap()
    })
}

fn changed(ops: Vec<Op>) -> String {
    let (as_it_was, changed) = told(ops);
    assert_eq!(as_it_was, Ok(()));
    changed.unwrap_err()
}

fn in_mood(ops: Vec<Op>) -> Op {
    Op::InMood(MOOD.to_owned(), ops)
}

#[test]
fn a_story_that_is_as_it_was_is_told_to_its_log_without_doing_anything() {
    let ops = vec![take_op("n"), make("a"), Op::NoteId, Op::NoteNow, Op::Sleep(5), Op::Seal("s".to_owned())];
    assert_eq!(told(ops), (Ok(()), Ok(())));
}

#[test]
fn one_that_turned_is_told_with_its_undos() {
    let ops = vec![take_op("n"), make("a"), Op::Refuse, make("b")];
    assert_eq!(told(ops), (Ok(()), Ok(())));
}

#[test]
fn a_step_more_is_found_out_wherever_it_is() {
    assert!(changed(vec![make("a"), in_mood(vec![make("b")])]).contains("does not have"));
    assert!(changed(vec![in_mood(vec![take_op("n")]), make("a")]).contains("diverged at step 1"));
}

#[test]
fn a_step_less_is_found_out() {
    let house = House::new();
    house.world.moods.lock().unwrap().insert(MOOD.to_owned());
    let row = house.run("r", vec![make("a"), in_mood(vec![make("b")])]);
    let records = records(&house, row.id);
    house.world.moods.lock().unwrap().clear();
    let less = house.live(async |engine| engine.retell(records).await);
    assert!(less.unwrap_err().contains("a step 2 that the story never comes to"));
}

#[test]
fn an_undo_more_in_one_that_turned_is_found_out() {
    let ops = vec![make("a"), Op::Refuse, in_mood(vec![make("b")])];
    assert_eq!(told(ops), (Ok(()), Ok(())), "it never came so far");
    let house = House::new();
    let row = house.run("r", vec![make("a"), Op::Refuse]);
    assert_eq!(row.state, State::Undone);
    let mut records = records(&house, row.id);
    records.retain(|record| record.path.as_str() != "1~");
    let more = house.live(async |engine| engine.retell(records).await);
    assert!(more.unwrap_err().contains("undoes step 1"));
}

#[test]
fn what_is_no_whole_log_of_a_known_story_is_said_to_be_none() {
    let house = House::new();
    let row = house.run("r", vec![make("a")]);
    let records = records(&house, row.id);
    house.live(async |engine| {
        let no = |records: Vec<Record>| engine.retell(records);
        assert!(no(Vec::new()).await.unwrap_err().contains("no records"));
        assert!(no(records[1..].to_vec()).await.unwrap_err().contains("first record"));
        assert!(no(records[..2].to_vec()).await.unwrap_err().contains("not its end"));
    });
}
