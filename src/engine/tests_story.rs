//! The rules of a story: what a replay does, what a rule may do, when a flow turns and what it undoes.

use crate::queue::lock;
use crate::tests_kit::*;
use crate::{Error, Outcome, State};

#[test]
fn a_step_that_is_in_the_log_is_not_done_again_after_a_crash() {
    let house = House::new();
    house.world.plan("b", [Plan::Gate("go")]);
    let id = house.crash(async |engine| {
        let script = Script(vec![take_op("n"), make("a"), make("b"), Op::NoteId, Op::NoteNow]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("b").await;
        id
    });
    house.world.open_gate("go");
    let row = house.rest(id);
    assert_eq!(row.state, State::Done);
    assert_eq!(house.world.calls_of("a").len(), 1, "its event answers for it");
    assert_eq!(house.world.calls_of("b").len(), 2, "it had begun, and its event was not written");
    house.check();
}

#[test]
fn a_replay_tells_the_same_story_with_the_same_ids_and_times() {
    let ops = || vec![Op::NoteId, Op::NoteNow, make("a"), Op::NoteNow, Op::NoteId, Op::NoteNow];
    let plain = House::new();
    let row = plain.run("r", ops());
    let wanted = plain.story(row.id);

    let house = House::new();
    house.world.plan("a", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(ops())).await.unwrap();
        house.world.until_at_work("a").await;
        id
    });
    assert_eq!(id, row.id);
    assert_eq!(house.rest(id).state, State::Done);
    assert_eq!(house.story(id), wanted);
}

#[test]
fn now_is_the_time_of_the_newest_record_and_not_of_the_replay() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let script = Script(vec![Op::NoteNow, make("a"), Op::NoteNow]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("a").await;
        id
    });
    house.clock.pass(60_000);
    house.rest(id);
    let story = house.story(id);
    assert_eq!(story[1], "1 note.written/1 1700000000000");
    assert_eq!(story[3], "3 note.written/1 1700000060000", "the step's record was written a minute later");
}

#[test]
fn two_flows_that_compete_for_a_name_never_both_win() {
    let house = House::new();
    house.live(async |engine| {
        let starts: Vec<_> = (0..20).map(|n| format!("r{n}")).collect();
        for request in &starts {
            engine.start(actor(), request, Script(vec![take_op("n"), make(request)])).await.unwrap();
        }
        let flows = engine.snapshot().unwrap().flows(100, |_| true).unwrap();
        assert_eq!(flows.len(), 20);
        let mut ends = Vec::new();
        for flow in flows {
            ends.push(engine.wait(flow.id).await.unwrap().state);
        }
        assert_eq!(ends.iter().filter(|state| **state == State::Done).count(), 1);
        assert_eq!(ends.iter().filter(|state| **state == State::Undone).count(), 19);
    });
    house.check();
}

#[test]
fn a_rule_that_panics_parks_its_flow_and_spoils_nobody_elses_commit() {
    let house = House::new();
    house.live(async |engine| {
        let bad = engine.run(actor(), "bad", Script(vec![take_op("a"), Op::BadRule]));
        let good = engine.run(actor(), "good", Script(vec![take_op("b"), note_op("fine")]));
        let (bad, good) = tokio::join!(bad, good);
        assert!(parked(&bad.unwrap()).contains("a rule that panics"));
        assert_eq!(good.unwrap().state, State::Done);
    });
    house.check();
}

#[test]
fn a_rule_that_reads_too_much_parks_its_flow() {
    let house = House::new();
    let row = house.run("r", [Op::GreedyRule]);
    assert!(parked(&row).contains("bounded number of rows"));
}

#[test]
fn a_story_that_panics_parks() {
    let house = House::new();
    let row = house.run("r", [make("a"), Op::BadStory]);
    assert!(parked(&row).contains("a story that panics"));
    assert!(!house.world.is_clean(), "nothing is unwound blindly");
}

#[test]
fn a_refusal_turns_the_flow_and_undoes_what_began_newest_first() {
    let house = House::new();
    let row = house.run("r", [take_op("n"), make("a"), make("b"), Op::Refuse]);
    assert_eq!(row.state, State::Undone);
    assert_eq!(row.refusal().unwrap().code, "No");
    assert!(house.world.is_clean());
    let wanted = [
        "flow.started/1",
        "1 name.taken/1 n",
        "2 thing.made/1 a",
        "3 thing.made/1 b",
        "4 flow.refused/1",
        "flow.turned/1",
        "3~ thing.unmade/1 b",
        "2~ thing.unmade/1 a",
        "1~ name.given/1 n",
        "flow.ended/1",
    ];
    assert_eq!(house.story(row.id), wanted);
    house.check();
}

#[test]
fn the_turn_is_on_disk_before_the_first_undo_begins() {
    let house = House::new();
    house.world.plan("~a", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a"), Op::Refuse])).await.unwrap();
        house.world.until_at_work("~a").await;
        assert_eq!(story(engine, id).last().unwrap(), "flow.turned/1");
        id
    });
    assert_eq!(house.rest(id).state, State::Undone);
    assert!(house.world.is_clean());
}

#[test]
fn after_the_turn_a_replay_only_undoes_and_never_runs_forward() {
    let house = House::new();
    // The story's second step fails; at the replay it would succeed, and must not be asked.
    house.world.plan("b", [Plan::Caller, Plan::Succeed]);
    house.world.plan("~a", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let script = Script(vec![make("a"), make("b"), make("c")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("~a").await;
        id
    });
    assert_eq!(house.rest(id).state, State::Undone);
    assert_eq!(house.world.calls_of("b").len(), 1);
    assert_eq!(house.world.calls_of("c").len(), 0);
    assert_eq!(house.world.calls_of("~b").len(), 1, "an undo that is in the log is not done again");
    assert!(house.world.is_clean());
}

#[test]
fn a_step_that_a_replay_finds_unrecorded_counts_as_begun_and_is_undone() {
    let house = House::new();
    house.world.plan("b", [Plan::Gate("never")]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a"), make("b")])).await.unwrap();
        house.world.until_at_work("b").await;
        // Accepted while the step is at work; the power goes before it can end.
        engine.cancel(actor(), id, "enough").await.unwrap();
        id
    });
    lock(&house.world.things).insert("b".to_owned());
    assert_eq!(house.rest(id).state, State::Undone);
    assert_eq!(house.world.calls_of("b").len(), 1, "a cancelled flow begins nothing");
    assert!(house.world.is_clean(), "what it may have made is unmade");
    assert!(house.story(id).contains(&"2~ thing.unmade/1 b".to_owned()));
}

#[test]
fn an_undo_whose_thing_is_no_longer_ours_says_superseded_and_touches_nothing() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("go"), Plan::Caller]);
    let (one, two) = house.live(async |engine| {
        let one =
            engine.start(actor(), "one", Script(vec![take_op("n"), make("a"), Op::Refuse])).await.unwrap();
        house.world.until_at_work("a").await;
        // Somebody gives the name away under its hands, and another takes it.
        give_away(engine, one, "n").await;
        let two = engine.run(actor(), "two", Script(vec![take_op("n")])).await.unwrap();
        house.world.open_gate("go");
        (engine.wait(one).await.unwrap(), two)
    });
    assert_eq!(two.state, State::Done);
    assert_eq!(one.state, State::Undone);
    assert!(house.story(one.id).contains(&"1~ flow.superseded/1".to_owned()));
    house.live(async |engine| {
        let holder = NAMES.get(&engine.snapshot().unwrap(), &scope(), &["n"]);
        assert_eq!(holder, Some(two.id), "the name stays with whoever has it now");
    });
}

async fn give_away(engine: &crate::Engine<World>, flow: event::FlowId, name: &str) {
    let given = Given { name: name.to_owned() };
    let ticket = engine.shared.queue.submit(Box::new(move |batch| {
        let slot = crate::committer::Slot { flow, path: "", scope: &scope() };
        batch.append(&slot, event::Draft::of(&given));
    }));
    engine.shared.queue.durable(ticket).await.unwrap();
}

#[test]
fn a_refusal_that_the_story_handles_takes_the_same_turn_at_the_replay() {
    let house = House::new();
    let first = house.run("first", [take_op("n"), make("a")]);
    house.world.plan("b", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let script = Script(vec![Op::TryTake("n".to_owned()), make("b")]);
        let id = engine.start(actor(), "second", script).await.unwrap();
        house.world.until_at_work("b").await;
        // By now the name is free, and the rule would say yes.
        give_away(engine, id, "n").await;
        id
    });
    assert_eq!(house.rest(id).state, State::Done);
    let story = house.story(id);
    assert_eq!(story[1], "1 flow.refused/1");
    assert!(story[2].starts_with("2 note.written/1 `n` is taken by"), "{story:?}");
    assert_ne!(first.id, id);
}

#[test]
fn a_failure_that_the_story_handles_takes_the_same_turn_at_the_replay() {
    let house = House::new();
    house.world.plan("x", [Plan::Caller, Plan::Succeed]);
    house.world.plan("b", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let script = Script(vec![Op::TryMake("x".to_owned()), make("b")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("b").await;
        id
    });
    assert_eq!(house.rest(id).state, State::Done);
    assert_eq!(house.world.calls_of("x").len(), 1);
    assert_eq!(house.story(id)[2], "2 note.written/1 `x` cannot be");
}

#[test]
fn a_story_that_asks_for_another_event_than_the_log_has_parks() {
    let house = House::new();
    let in_mood = |ops| Op::InMood("changed".to_owned(), ops);
    house.world.plan("b", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let script = Script(vec![in_mood(vec![make("new")]), take_op("n"), make("b")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("b").await;
        id
    });
    lock(&house.world.moods).insert("changed".to_owned());
    let row = house.rest(id);
    assert!(parked(&row).contains("history diverged at step 1: the log has `name.taken/1`"), "{row:?}");
    assert_eq!(house.world.calls_of("new").len(), 0);
    // With the story it began with, it goes on.
    lock(&house.world.moods).clear();
    let row = house.live(async |engine| {
        engine.retry(actor(), id, "the old version is back").await.unwrap();
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Done);
}

#[test]
fn a_story_that_no_longer_comes_to_a_step_of_the_log_parks() {
    let house = House::new();
    lock(&house.world.moods).insert("long".to_owned());
    house.world.plan("b", [Plan::Gate("never")]);
    let script = vec![make("a"), Op::InMood("long".to_owned(), vec![note_op("x"), make("b")])];
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(script)).await.unwrap();
        house.world.until_at_work("b").await;
        id
    });
    lock(&house.world.moods).clear();
    let row = house.rest(id);
    assert!(parked(&row).contains("the log has a step 2 that the story never comes to"), "{row:?}");
}

#[test]
fn a_story_that_the_program_does_not_know_parks_and_says_so() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("never")]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![make("a")])).await.unwrap();
        house.world.until_at_work("a").await;
        id
    });
    let mut options = house.options();
    options.book = crate::Book::default();
    let engine = crate::Engine::open(options).unwrap();
    let row = runtime().block_on(async {
        engine.drive().await.unwrap();
        let row = engine.wait(id).await.unwrap();
        engine.close().await;
        row
    });
    assert!(parked(&row).contains("workflow `script@1` is not known"), "{row:?}");
}

#[test]
fn past_the_point_of_no_return_a_no_parks_and_is_asked_again_after_a_retry() {
    let house = House::new();
    let other = house.run("other", [take_op("n")]);
    let row = house.run("r", [make("a"), Op::Seal("s".to_owned()), take_op("n")]);
    assert!(parked(&row).contains("past its point of no return"), "{row:?}");
    assert!(!house.world.is_clean(), "what is sealed stays");
    let denied = house.live(async |engine| engine.unwind(actor(), row.id, "undo it").await.unwrap_err());
    assert!(denied.to_string().contains("past its point of no return"), "{denied}");
    house.live(async |engine| give_away(engine, row.id, "n").await);
    let row = house.live(async |engine| {
        engine.retry(actor(), row.id, "the name is free now").await.unwrap();
        engine.wait(row.id).await.unwrap()
    });
    assert_eq!(row.state, State::Done);
    assert_ne!(other.id, row.id);
    house.check();
}

#[test]
fn an_undo_that_cannot_finish_parks_and_goes_on_when_retried() {
    let house = House::new();
    house.world.plan("~a", [Plan::Ours]);
    let row = house.run("r", [take_op("n"), make("a"), make("b"), Op::Refuse]);
    assert!(parked(&row).contains("step 2 could not be undone"), "{row:?}");
    assert_eq!(lock(&house.world.things).iter().collect::<Vec<_>>(), ["a"]);
    let row = house.live(async |engine| {
        let denied = engine.cancel(actor(), row.id, "").await.unwrap_err();
        assert!(matches!(denied, Error::Denied { .. }), "{denied}");
        engine.retry(actor(), row.id, "mended").await.unwrap();
        engine.wait(row.id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    assert!(house.world.is_clean());
    assert_eq!(house.world.calls_of("~b").len(), 1, "what was undone is not undone again");
    house.check();
}

#[test]
fn an_operator_unwinds_a_parked_flow() {
    let house = House::new();
    house.world.plan("b", [Plan::Ours]);
    let row = house.run("r", [take_op("n"), make("a"), make("b")]);
    assert!(parked(&row).contains("two and two are five"));
    let row = house.live(async |engine| {
        engine.unwind(actor(), row.id, "give it up").await.unwrap();
        engine.wait(row.id).await.unwrap()
    });
    assert_eq!(row.state, State::Undone);
    assert!(house.world.is_clean());
    assert_eq!(row.refusal().unwrap().code, "OperationUnwound");
    assert_eq!(house.world.calls_of("b").len(), 1);
}

#[test]
fn an_operator_abandons_a_parked_flow_and_leaves_things_as_they_are() {
    let house = House::new();
    house.world.plan("b", [Plan::Ours]);
    let row = house.run("r", [make("a"), make("b")]);
    let row = house.live(async |engine| {
        assert!(engine.abandon(actor(), row.id, "hopeless").await.is_ok());
        assert!(engine.retry(actor(), row.id, "again").await.is_err(), "it has ended");
        engine.wait(row.id).await.unwrap()
    });
    assert_eq!(row.state, State::Abandoned);
    assert!(matches!(row.outcome, Some(Outcome::Abandoned(why)) if why.contains("hopeless")));
    assert!(!house.world.is_clean());
    assert_eq!(house.world.call_names().iter().filter(|name| name.starts_with('~')).count(), 0);
    house.check();
}

#[test]
fn only_a_parked_flow_is_retried_unwound_or_abandoned() {
    let house = House::new();
    let row = house.run("r", [make("a")]);
    house.live(async |engine| {
        assert!(engine.retry(actor(), row.id, "").await.is_err());
        assert!(engine.unwind(actor(), row.id, "").await.is_err());
        assert!(engine.abandon(actor(), row.id, "").await.is_err());
        let nobody = event::FlowId::derive(0, b"nobody");
        assert!(matches!(engine.cancel(actor(), nobody, "").await, Err(Error::NoFlow(_))));
    });
}

#[test]
fn two_steps_at_once_park_instead_of_depending_on_who_is_first() {
    let house = House::new();
    let row = house.run("r", [Op::Both("a".to_owned(), "b".to_owned())]);
    assert!(parked(&row).contains("was begun while step"), "{row:?}");
}

#[test]
fn a_step_that_is_dropped_half_way_parks_the_flow() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("never")]);
    let row = house.run("r", [Op::Drop("a".to_owned()), note_op("on we go")]);
    assert!(parked(&row).contains("dropped step 1 before its end"), "{row:?}");
}

#[test]
fn a_flow_that_takes_the_process_down_parks_after_five_recoveries() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("never")]);
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![take_op("n"), make("a")])).await.unwrap();
        house.world.until_at_work("a").await;
        id
    });
    for _ in 0..5 {
        house.world.plan("a", [Plan::Gate("never")]);
        house.crash(async |_| house.world.until_at_work("a").await);
    }
    let tries = house.world.calls_of("a").len();
    let row = house.rest(id);
    assert!(parked(&row).contains("taken up 5 times"), "{row:?}");
    assert_eq!(house.world.calls_of("a").len(), tries, "it is not tried a sixth time");
    // A person may let it go on.
    house.world.plan("a", []);
    let row = house.live(async |engine| {
        engine.retry(actor(), id, "the bug is gone").await.unwrap();
        engine.wait(id).await.unwrap()
    });
    assert_eq!(row.state, State::Done);
}

#[test]
fn recoveries_that_come_further_each_time_and_stops_in_order_count_for_nothing() {
    let house = House::new();
    let id = house.crash(async |engine| {
        house.world.plan("a", [Plan::Checkpoint(0, "never")]);
        let id = engine.start(actor(), "r", Script(vec![make("a")])).await.unwrap();
        house.world.until_at_work("a").await;
        id
    });
    for life in 1..=8 {
        house.world.plan("a", [Plan::Checkpoint(life << 30, "never")]);
        house.crash(async |engine| {
            house.world.until_at_work("a").await;
            settle(engine).await;
        });
    }
    for _ in 0..8 {
        house.world.plan("a", [Plan::UntilCancelled("never-needed")]);
        house.world.open_gate("never-needed");
        house.live(async |_| house.world.until_at_work("a").await);
    }
    house.world.plan("a", []);
    assert_eq!(house.rest(id).state, State::Done);
}

#[test]
fn a_flow_that_waits_does_not_count_as_one_that_takes_the_process_down() {
    let house = House::new();
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![Op::Sleep(1 << 40)])).await.unwrap();
        settle(engine).await;
        id
    });
    for _ in 0..8 {
        house.crash(async |engine| {
            for _ in 0..20 {
                settle(engine).await;
            }
        });
    }
    house.clock.pass(1 << 40);
    assert_eq!(house.rest(id).state, State::Done);
}
