//! Children that go on beside their parent, flows that go on as new ones, and stories that were patched.

use event::FlowId;

use crate::queue::lock;
use crate::tests_kit::*;
use crate::{Outcome, ParentEnd, State, TakesUp};

fn begin(ops: Vec<Op>, end: ParentEnd) -> Op {
    more(More::Begin(ops, end))
}

/// The flow that a flow of this house has begun.
fn child_of(engine: &crate::Engine<World>, parent: FlowId) -> crate::FlowRow {
    let flows = engine.snapshot().unwrap().flows(100, |_| true).unwrap();
    let mut children = flows.into_iter().filter(|flow| flow.cause == event::Cause::Parent(parent));
    children.next_back().expect("it has begun one")
}

#[test]
fn a_child_goes_on_beside_its_parent_and_is_waited_for_when_the_parent_wants() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("a")]);
    let row = house.live(async |engine| {
        let ops = vec![begin(vec![make("a")], ParentEnd::Wait), make("b"), more(More::Ended), note_op("end")];
        let id = engine.start(actor(), "r", Script(ops)).await.unwrap();
        house.world.until(|world| world.calls_of("b ends").len() == 1).await;
        house.world.open_gate("a");
        engine.wait(id).await.unwrap()
    });
    assert_eq!(output(&row)[1..], ["b", "a", "end"]);
    house.check();
}

#[test]
fn what_becomes_of_a_child_when_its_parent_ends_is_as_was_said() {
    for (end, state) in
        [(ParentEnd::Leave, State::Done), (ParentEnd::Cancel, State::Undone), (ParentEnd::Wait, State::Done)]
    {
        let house = House::new();
        house.world.plan("a", [Plan::Gate("a")]);
        house.world.plan("b", [Plan::Gate("b")]);
        house.live(async |engine| {
            let ops = vec![begin(vec![make("z"), make("a")], end), make("b")];
            let id = engine.start(actor(), "r", Script(ops)).await.unwrap();
            house.world.until_at_work("a").await;
            house.world.open_gate("b");
            if end == ParentEnd::Wait {
                for _ in 0..20 {
                    settle(engine).await;
                }
                assert!(!engine.snapshot().unwrap().flow(id).unwrap().state.has_ended());
            } else {
                assert_eq!(engine.wait(id).await.unwrap().state, State::Done, "{end:?}");
            }
            house.world.open_gate("a");
            assert_eq!(engine.wait(id).await.unwrap().state, State::Done, "{end:?}");
            let child = engine.wait(child_of(engine, id).id).await.unwrap();
            assert_eq!(child.state, state, "{end:?}");
        });
        house.check();
    }
}

#[test]
fn when_the_parent_turns_a_child_is_cancelled_and_waited_for_unless_it_was_to_be_left() {
    for (end, state) in [
        (ParentEnd::Leave, State::Done),
        (ParentEnd::Cancel, State::Undone),
        (ParentEnd::Wait, State::Undone),
    ] {
        let house = House::new();
        house.world.plan("a", [Plan::UntilCancelled("stops")]);
        if end == ParentEnd::Leave {
            house.world.plan("a", [Plan::Gate("stops")]);
        }
        house.world.plan("b", [Plan::Gate("b")]);
        house.live(async |engine| {
            let ops = vec![begin(vec![make("a")], end), make("b"), Op::Refuse];
            let id = engine.start(actor(), "r", Script(ops)).await.unwrap();
            house.world.until_at_work("a").await;
            house.world.open_gate("stops");
            house.world.open_gate("b");
            assert_eq!(engine.wait(id).await.unwrap().state, State::Undone);
            let child = engine.wait(child_of(engine, id).id).await.unwrap();
            assert_eq!(child.state, state, "{end:?}");
            assert_eq!(lock(&house.world.things).len(), usize::from(state == State::Done));
        });
        house.check();
    }
}

#[test]
fn a_child_is_begun_once_whenever_the_power_goes() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("never"), Plan::Succeed]);
    house.world.plan("b", [Plan::Gate("never"), Plan::Succeed]);
    let ops = vec![begin(vec![make("a")], ParentEnd::Wait), make("b"), more(More::Ended)];
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(ops.clone())).await.unwrap();
        house.world.until_at_work("a").await;
        house.world.until_at_work("b").await;
        id
    });
    assert_eq!(house.rest(id).state, State::Done);
    let flows = house.live(async |engine| engine.snapshot().unwrap().flows(100, |_| true).unwrap().len());
    assert_eq!(flows, 2);
    house.check();
}

#[test]
fn a_flow_goes_on_as_another_with_a_history_of_its_own_and_what_it_was_told() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("a")]);
    let go_on = |ops| more(More::GoOn(ops));
    let try_make = |key: &str| Op::TryMake(key.to_owned());
    let row = house.live(async |engine| {
        let last = vec![signal("x"), Op::NoteId];
        let ops = vec![try_make("a"), go_on(vec![note_op("second"), go_on(last)])];
        let id = engine.start(actor(), "r", Script(ops)).await.unwrap();
        house.world.until_at_work("a").await;
        engine.signal(actor(), id, "x", &"told to the first", "").await.unwrap();
        house.world.open_gate("a");
        let first = engine.wait(id).await.unwrap();
        assert_eq!(first.state, State::Done);
        let Some(Outcome::Continued(next)) = first.outcome else { panic!("{first:?}") };
        let row = engine.shared.wait_last(id).await.unwrap();
        let second = engine.snapshot().unwrap().flow(next).unwrap();
        assert_eq!(second.takes_up, Some(TakesUp::Continues(id)));
        assert_eq!(row.takes_up, Some(TakesUp::Continues(next)));
        row
    });
    assert_eq!(output(&row)[0], "told to the first");
    assert_eq!(row.records, 5, "started, told, taken, noted, ended");
    house.check();
}

#[test]
fn going_on_is_one_commit_wherever_the_power_goes() {
    let ops =
        || vec![note_op("one"), more(More::GoOn(vec![note_op("two"), more(More::GoOn(vec![make("a")]))]))];
    let plain = House::new();
    plain.live(async |_| ());
    let disk = plain.disk.fork(0);
    let plain = House::on(disk.fork(1));
    plain.run("r", ops());
    for call in 1..=plain.disk.calls() {
        let house = House::on(disk.fork(call));
        house.disk.cut_after(call);
        if let Ok(engine) = crate::Engine::open(house.options()) {
            let runtime = runtime();
            runtime.block_on(async {
                let _ = engine.drive().await;
                let _ = engine.run(actor(), "r", Script(ops())).await;
            });
            drop(runtime);
            drop(engine);
            house.disk.power_cut();
        }
        house.disk.power_on();
        house.live(async |engine| {
            let id = engine.start(actor(), "r", Script(ops())).await.unwrap();
            let row = engine.shared.wait_last(id).await.unwrap();
            assert_eq!(output(&row), ["a"], "cut at call {call}");
            let flows = engine.snapshot().unwrap().flows(100, |_| true).unwrap();
            assert_eq!(flows.len(), 3, "cut at call {call}");
            assert_eq!(NOTES.get(&engine.snapshot().unwrap(), &scope(), &[]), Some(2), "cut at call {call}");
        });
        house.check();
    }
}

#[test]
fn a_flow_with_something_left_to_undo_does_not_go_on_as_another() {
    let house = House::new();
    let row = house.run("r", [make("a"), more(More::GoOn(vec![]))]);
    assert!(parked(&row).contains("could not undo its step 1"), "{row:?}");
    let sealed = Op::Seal("s".to_owned());
    let row = house.run("s", [make("b"), sealed, more(More::GoOn(vec![note_op("next")]))]);
    assert!(matches!(row.outcome, Some(Outcome::Continued(_))), "past the point of no return nothing is");
}

#[test]
fn a_fan_out_waits_for_the_last_flow_that_continues_a_child() {
    let house = House::new();
    let child = vec![note_op("one"), more(More::GoOn(vec![make("a")]))];
    let row = house.run("r", [Op::Each(vec![("k".to_owned(), child)], 1)]);
    assert_eq!(output(&row), ["k: a"]);
}

#[test]
fn a_patch_is_for_flows_that_come_to_it_and_not_for_those_that_went_past() {
    let patched =
        |new: &str, old: &str| more(More::Patched("p".to_owned(), vec![make(new)], vec![make(old)]));
    let house = House::new();
    // Before the patch the story was: a, old, b.
    house.world.plan("b", [Plan::Gate("never"), Plan::Succeed]);
    let went_past = house.crash(async |engine| {
        let ops = vec![make("a"), make("old"), make("b")];
        let id = engine.start(actor(), "r", Script(ops)).await.unwrap();
        house.world.until_at_work("b").await;
        id
    });
    let mut records = house.live(async |engine| {
        let row = engine.wait(went_past).await.unwrap();
        engine.snapshot().unwrap().records_of(&row).unwrap()
    });
    let after = Script(vec![make("a"), patched("new", "old"), make("b")]);
    let mut started: crate::Started = records[0].get().unwrap();
    started.input = rmp_serde::to_vec_named(&after).unwrap();
    records[0].payload = event::Draft::of(&started).payload;
    house.live(async |engine| assert_eq!(engine.retell(records).await, Ok(())));
    let row = house.run("s", [make("a"), patched("new", "old"), make("b"), patched("new", "old")]);
    assert_eq!(output(&row), ["a", "new", "b", "new"]);
    assert!(house.story(row.id).contains(&"?p flow.patched/1".to_owned()));
    house.check();
}

#[test]
fn a_flow_that_may_have_begun_the_old_way_before_a_crash_keeps_to_it() {
    let house = House::new();
    house.world.plan("old", [Plan::Gate("never"), Plan::Succeed]);
    house.world.plan("new", [Plan::Gate("never"), Plan::Succeed]);
    let patched =
        |new: &str, old: &str| more(More::Patched("p".to_owned(), vec![make(new)], vec![make(old)]));
    // It went the new way, and that is in the log: so it does again.
    let id = house.crash(async |engine| {
        let script = Script(vec![make("a"), patched("new", "old")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("new").await;
        id
    });
    assert_eq!(output(&house.rest(id)), ["a", "new"]);
    // It was in the middle of the step before: what follows is new to it.
    house.world.plan("a", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let script = Script(vec![make("a"), patched("c", "d")]);
        let id = engine.start(actor(), "s", script).await.unwrap();
        house.world.until_at_work("a").await;
        id
    });
    assert_eq!(output(&house.rest(id)), ["a", "c"]);
    // It had come exactly here and nobody knows what it did next: the old way.
    let id = house.crash(async |engine| {
        let script = Script(vec![Op::TryMake("e".to_owned()), signal("x"), patched("f", "g")]);
        let id = engine.start(actor(), "t", script).await.unwrap();
        engine.shared.queue.durable(crate::queue::Ticket(1)).await.unwrap();
        id
    });
    let row = house.live(async |engine| {
        engine.signal(actor(), id, "x", &"go", "").await.unwrap();
        engine.wait(id).await.unwrap()
    });
    assert_eq!(output(&row), ["e", "go", "f"], "taking what it was told was new");
    house.check();
}

#[test]
fn a_child_that_goes_on_as_another_just_when_its_parent_ends_is_cancelled_as_well() {
    let house = House::new();
    for key in ["c", "p"] {
        house.world.plan(key, [Plan::Gate(key)]);
    }
    let last = house.live(async |engine| {
        let child = vec![Op::TryMake("c".to_owned()), more(More::GoOn(vec![signal("never")]))];
        let begin = more(More::Begin(child, crate::ParentEnd::Cancel));
        let script = Script(vec![begin, Op::TryMake("p".to_owned())]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        house.world.until_at_work("c").await;
        house.world.until_at_work("p").await;
        let child =
            engine.snapshot().unwrap().open_flows().into_iter().find(|flow| flow.id != id).unwrap().id;
        let held = hold_committer(engine).await;
        for key in ["c", "p"] {
            house.world.open_gate(key);
            house.world.until(|world| world.calls_of(&format!("{key} ends")).len() == 1).await;
            for _ in 0..30 {
                tokio::task::yield_now().await;
            }
        }
        drop(held);
        assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
        let last = engine.shared.newest(child).unwrap().unwrap().id;
        assert_ne!(last, child);
        assert_eq!(engine.wait(last).await.unwrap().state, State::Undone);
        engine.snapshot().unwrap().flow(last).unwrap()
    });
    assert!(last.cancel.is_some(), "{last:?}");
    house.check();
}

#[test]
fn what_a_child_past_its_return_goes_on_as_is_cancelled_when_its_parent_has_ended() {
    // Whether it is the parent's end that meets it or the parent's undo, and whatever ends in between.
    for (turns, crashes) in [(false, false), (false, true), (true, false)] {
        let house = House::new();
        house.world.plan("c", [Plan::Gate("c"), Plan::Succeed]);
        let next = vec![note_op("n"), more(More::GoOn(vec![signal("never")]))];
        let child = vec![Op::Seal("s".to_owned()), Op::TryMake("c".to_owned()), more(More::GoOn(next))];
        let mut ops = vec![begin(child, ParentEnd::Cancel), make("p")];
        house.world.plan("p", [Plan::Gate("p")]);
        ops.extend(turns.then_some(Op::Refuse));
        let begun = async |engine: &crate::Engine<World>| {
            let id = engine.start(actor(), "r", Script(ops.clone())).await.unwrap();
            house.world.until_at_work("c").await;
            house.world.open_gate("p");
            let child = child_of(engine, id).id;
            if turns {
                let asked = || engine.snapshot().unwrap().flow(child).unwrap().cancel.is_some();
                while !asked() {
                    settle(engine).await;
                }
            } else {
                assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
            }
            (id, child)
        };
        let ends = async |engine: &crate::Engine<World>, (id, child): (FlowId, FlowId)| {
            house.world.open_gate("c");
            let last = engine.shared.wait_last(child).await.unwrap();
            assert_eq!(last.state, State::Undone, "{last:?}");
            assert_eq!((last.takes_up, last.records), (Some(TakesUp::Continues(child)), 4), "it did nothing");
            assert_eq!(engine.snapshot().unwrap().flow(child).unwrap().state, State::Done);
            assert!(engine.wait(id).await.unwrap().state.has_ended());
        };
        if crashes {
            let ids = house.crash(begun);
            house.live(async |engine| ends(engine, ids).await);
        } else {
            house.live(async |engine| {
                let ids = begun(engine).await;
                ends(engine, ids).await;
            });
        }
        house.check();
    }
}

/// That something new was done in one line said that another had not been where the story was changed: one that was
/// kept waiting for a place while it was told again.
#[test]
fn a_line_that_may_have_gone_past_a_patch_keeps_to_the_old_way_whatever_other_lines_have_done() {
    let house = House::new();
    house.world.plan("w", [Plan::Gate("w")]);
    house.world.plan("x", [Plan::Gate("never"), Plan::Succeed]);
    house.world.plan("y", [Plan::Gate("never"), Plan::Gate("y")]);
    let hold = |ops| Op::Hold("h".to_owned(), 1, ops);
    let patched = more(More::Patched("p".to_owned(), vec![make("new")], vec![make("old")]));
    let changed = Op::InMood("changed".to_owned(), vec![patched]);
    let id = house.crash(async |engine| {
        let other = vec![make("w"), hold(vec![note_op("other"), make("y")])];
        engine.start(actor(), "other", Script(other)).await.unwrap();
        house.world.until_at_work("w").await;
        let lines = [vec![make("x")], vec![hold(vec![note_op("held")]), changed]];
        let id = engine.start(actor(), "r", Script(vec![join(lines)])).await.unwrap();
        while NOTES.get(&engine.snapshot().unwrap(), &scope(), &[]).is_none() {
            settle(engine).await;
        }
        house.world.open_gate("w");
        house.world.until_at_work("y").await;
        id
    });
    lock(&house.world.moods).insert("changed".to_owned());
    house.live(async |engine| {
        house.world.until(|world| world.calls_of("x ends").len() == 1).await;
        settle(engine).await;
        house.world.open_gate("y");
        assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
    });
    assert_eq!((house.world.calls_of("new").len(), house.world.calls_of("old").len()), (0, 1));
    house.check();
}

/// A question in one line was taken for a step of the trunk, after which the no of another line was not the newest any
/// more: it was never asked for again.
#[test]
fn a_no_past_the_point_of_no_return_is_asked_for_again_also_if_another_line_came_to_a_patch() {
    let house = House::new();
    house.world.plan("b", [Plan::Gate("b")]);
    let patched = more(More::Patched("p".to_owned(), vec![], vec![]));
    let ops = [Op::Seal("s".to_owned()), join([vec![Op::Refuse], vec![make("b"), patched]])];
    let id = house.live(async |engine| {
        let id = engine.start(actor(), "r", Script(ops.to_vec())).await.unwrap();
        house.world.until_at_work("b").await;
        house.world.open_gate("b");
        assert_eq!(engine.wait(id).await.unwrap().state, State::Parked);
        engine.retry(actor(), id, "once more").await.unwrap();
        assert_eq!(engine.wait(id).await.unwrap().state, State::Parked);
        engine.abandon(actor(), id, "enough").await.unwrap();
        id
    });
    assert_eq!(house.story(id).iter().filter(|line| line.ends_with("flow.refused/1")).count(), 2);
    house.check();
}
