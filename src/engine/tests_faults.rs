//! One generic test for every kind of story: whatever strikes wherever, in the end the log is the
//! one of an undisturbed run, or the world is clean.
//!
//! Power is cut and torn at each changing call of the disk, each step and each undo fails at its
//! first call in each of the ways it can, the flow is cancelled at each point.

use event::FlowId;
use sim::SimFiles;

use crate::State;
use crate::tests_kit::*;

fn stories() -> Vec<(&'static str, Vec<Op>)> {
    let child = |n: &str| (n.to_owned(), vec![make(n)]);
    vec![
        ("inside", vec![take_op("n"), note_op("a"), Op::NoteId]),
        ("plain", vec![take_op("n"), make("a"), make("b")]),
        ("sealed", vec![take_op("n"), make("a"), Op::Seal("s".to_owned()), make("b")]),
        ("refused", vec![take_op("n"), make("a"), Op::Refuse]),
        ("sleeper", vec![make("a"), Op::Sleep(50), Op::NoteId, make("b")]),
        (
            "several",
            vec![take_op("n"), join([vec![make("a"), note_op("x")], vec![make("b"), Op::NoteId]]), make("c")],
        ),
        ("racer", vec![race([vec![take_op("n"), make("a")], vec![signal("never"), make("b")]]), make("c")]),
        (
            "beside",
            vec![
                more(More::Begin(vec![make("a")], crate::ParentEnd::Wait)),
                make("b"),
                more(More::Ended),
                note_op("x"),
            ],
        ),
        ("parent", vec![take_op("n"), Op::Each(vec![child("a"), child("b"), child("c")], 2), note_op("x")]),
    ]
}

/// Stories whose children may have done what the parent does not undo.
const HAVE_CHILDREN: [&str; 2] = ["parent", "beside"];

struct Undisturbed {
    disk: std::sync::Arc<SimFiles>,
    id: FlowId,
    logs: Vec<(FlowId, Vec<String>)>,
    state: State,
    things: usize,
    calls: u64,
}

fn logs(house: &House) -> Vec<(FlowId, Vec<String>)> {
    house.live(async |engine| {
        let mut ids: Vec<_> =
            engine.snapshot().unwrap().flows(100, |_| true).unwrap().iter().map(|flow| flow.id).collect();
        ids.sort();
        ids.into_iter().map(|id| (id, in_order(story(engine, id)))).collect()
    })
}

/// A story's lines; those of branches, which come as they come, in the order of their paths.
fn in_order(mut lines: Vec<String>) -> Vec<String> {
    let branch = |line: &String| line.split(' ').next().is_some_and(|path| path.contains('/'));
    let mut sorted: Vec<_> = lines.iter().filter(|line| branch(line)).cloned().collect();
    sorted.sort();
    let mut sorted = sorted.into_iter();
    for line in lines.iter_mut().filter(|line| branch(line)) {
        *line = sorted.next().expect("there are as many");
    }
    lines
}

fn undisturbed(ops: &[Op]) -> Undisturbed {
    let house = House::new();
    house.live(async |_| ());
    let disk = house.disk.fork(0);
    let house = House::on(disk.fork(1));
    let row = house.run("r", ops.to_vec());
    let calls = house.disk.calls();
    let things = crate::queue::lock(&house.world.things).len();
    Undisturbed { disk, id: row.id, logs: logs(&house), state: row.state, things, calls }
}

/// Starts the story again, as its caller would, and lets it come to its end.
fn finish(house: &House, ops: &[Op], wanted: FlowId) -> State {
    let row = house.run("r", ops.to_vec());
    assert_eq!(row.id, wanted);
    house.live(async |engine| {
        assert!(engine.snapshot().unwrap().open_flows().is_empty());
    });
    house.check();
    row.state
}

fn assert_equal_or_clean(house: &House, plain: &Undisturbed, state: State, context: &str) {
    let things = crate::queue::lock(&house.world.things).len();
    if state == plain.state && state == State::Done {
        assert_eq!(logs(house), plain.logs, "{context}");
        assert_eq!(things, plain.things, "{context}");
    } else {
        assert_eq!(state, State::Undone, "{context}");
        assert_eq!(things, 0, "{context}: the world is clean");
        let names = house.live(async |engine| NAMES.list(&engine.snapshot().unwrap(), &scope(), &[]).len());
        assert_eq!(names, 0, "{context}: no name stays taken");
    }
}

#[test]
fn a_power_cut_at_any_call_of_the_disk_changes_nothing_in_the_end() {
    for (name, ops) in stories() {
        let plain = undisturbed(&ops);
        for call in 1..=plain.calls {
            for tear in [false, true] {
                let house = House::on(plain.disk.fork(call));
                if tear {
                    house.disk.tear_after(call);
                } else {
                    house.disk.cut_after(call);
                }
                let Ok(engine) = crate::Engine::open(house.options()) else {
                    house.disk.power_on();
                    let state = finish(&house, &ops, plain.id);
                    assert_equal_or_clean(&house, &plain, state, &format!("{name}, opening, call {call}"));
                    continue;
                };
                let runtime = runtime();
                runtime.block_on(async {
                    // It may be gone at any of these.
                    let _ = engine.drive().await;
                    let _ = engine.run(actor(), "r", Script(ops.clone())).await;
                });
                drop(runtime);
                drop(engine);
                house.disk.power_cut();
                house.disk.power_on();
                let state = finish(&house, &ops, plain.id);
                assert_equal_or_clean(&house, &plain, state, &format!("{name}, call {call}, torn {tear}"));
            }
        }
    }
}

#[test]
fn a_failure_of_any_step_or_undo_leaves_the_same_log_or_a_clean_world() {
    for (name, ops) in stories() {
        let plain = undisturbed(&ops);
        for key in ["a", "b", "c"] {
            for (step, undo) in
                [(Plan::World, Plan::Succeed), (Plan::Caller, Plan::Succeed), (Plan::Caller, Plan::World)]
            {
                let house = House::on(plain.disk.fork(1));
                house.world.plan(key, [step.clone()]);
                house.world.plan(&format!("~{key}"), [undo.clone()]);
                let state = finish(&house, &ops, plain.id);
                let context = format!("{name}, {key} {step:?} {undo:?}");
                if name == "beside" && key == "b" && matches!(step, Plan::Caller) {
                    // A child that had come to its end stays, as what a parent did not do itself.
                    assert_eq!(state, State::Undone, "{context}");
                } else if HAVE_CHILDREN.contains(&name)
                    && !house.world.calls_of(key).is_empty()
                    && matches!(step, Plan::Caller)
                {
                    // A child's failure is its own: the parent ends as it would, the child undone.
                    assert_eq!(state, plain.state, "{context}");
                    assert_eq!(crate::queue::lock(&house.world.things).len(), plain.things - 1, "{context}");
                } else {
                    assert_equal_or_clean(&house, &plain, state, &context);
                }
            }
        }
    }
}

#[test]
fn a_cancel_at_any_point_leaves_the_same_log_or_a_clean_world() {
    for (name, ops) in stories() {
        let plain = undisturbed(&ops);
        for polls in 0..60 {
            let house = House::on(plain.disk.fork(polls));
            let state = house.live(async |engine| {
                let id = engine.start(actor(), "r", Script(ops.clone())).await.unwrap();
                for _ in 0..polls {
                    tokio::task::yield_now().await;
                }
                // It may be too late; then it is refused.
                let accepted = engine.cancel(actor(), id, "").await.is_ok();
                let row = engine.wait(id).await.unwrap();
                assert!(!accepted || row.state == State::Undone, "an accepted cancel is kept: {name}");
                row.state
            });
            house.check();
            let clean = crate::queue::lock(&house.world.things).is_empty();
            assert!(state == plain.state || clean || state == State::Undone, "{name} after {polls} polls");
            if state == State::Undone && !HAVE_CHILDREN.contains(&name) {
                assert!(clean, "{name} after {polls} polls");
            }
        }
    }
}

#[test]
fn every_step_and_every_undo_may_run_twice() {
    for (name, ops) in stories() {
        let plain = undisturbed(&ops);
        for key in ["a", "b", "c", "~a", "~b", "~c"] {
            let house = House::on(plain.disk.fork(1));
            // Done in full, and the power goes before its event is written.
            house.world.plan(key, [Plan::Gate("never")]);
            house.world.plan("b", if key == "~a" || key == "~b" { vec![Plan::Caller] } else { vec![] });
            if key == "b" {
                house.world.plan(key, [Plan::Gate("never")]);
            }
            house.crash(async |engine| {
                let id = engine.start(actor(), "r", Script(ops.clone())).await.unwrap();
                tokio::select! {
                    _ = engine.wait(id) => {}
                    () = house.world.until_at_work(key) => {}
                }
            });
            crate::queue::lock(&house.world.things).insert(key.trim_start_matches('~').to_owned());
            if key.starts_with('~') {
                crate::queue::lock(&house.world.things).remove(key.trim_start_matches('~'));
            }
            let called = house.world.calls_of(key).len();
            let state = finish(&house, &ops, plain.id);
            if called > 0 && house.world.calls_of(key).len() > called {
                let context = format!("{name}, {key} twice");
                if !HAVE_CHILDREN.contains(&name) {
                    assert_equal_or_clean(&house, &plain, state, &context);
                }
            }
        }
    }
}
