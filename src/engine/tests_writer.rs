//! Deciding while a batch is being written: what is decided sees what is on its way to the disk, nothing is told
//! before it is there, and if it never comes there, neither does what was decided on top of it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use event::{Cause, FlowId, Rows};
use sim::OnSync;

use crate::committer::Overlay;
use crate::queue::lock;
use crate::store::{Changes, Staged, Store};
use crate::tests_kit::*;
use crate::{Engine, State};

/// Where syncs wait until they are let go on, and then fail if they are told to.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    shut: bool,
    failing: bool,
    waiting: u32,
}

impl Gate {
    fn set(&self, shut: bool, failing: bool) {
        let mut state = lock(&self.state);
        (state.shut, state.failing) = (shut, failing);
        self.changed.notify_all();
    }

    fn pass(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.shut).expect("nobody panics in here");
        state.waiting -= 1;
        if state.failing { Err(io::Error::other("the disk is gone")) } else { Ok(()) }
    }

    /// Whether a commit is on its way to the disk.
    fn has_one(&self) -> bool {
        lock(&self.state).waiting > 0
    }
}

/// Two flows that want one name: the first is stuck on its way to the disk, the second is decided meanwhile.
/// Returns the engine's life with the gate still shut.
fn with_one_being_written(house: &House, then: impl AsyncFnOnce(&Engine<World>, &Gate, [FlowId; 2])) {
    house.run("warm", [note_op("x")]);
    let gate = Arc::new(Gate::default());
    let at_the_gate = gate.clone();
    let files = OnSync::new(house.disk.mount(), move || at_the_gate.pass());
    let engine = Engine::open(crate::Options { files, ..house.options() }).expect("the log opens");
    runtime().block_on(async {
        engine.drive().await.expect("the log takes a job");
        gate.set(true, false);
        let mut ids = Vec::new();
        for name in ["first", "second"] {
            let id = FlowId::derive(1, name.as_bytes());
            let script = Script(vec![take_op("n"), note_op(name)]);
            let begun = engine.shared.begin(id, actor(), Cause::Request(name.to_owned()), &script);
            ids.push(begun.known.await.expect("it is decided").expect("it may start"));
            // Its story is told to where it waits for the disk.
            while !gate.has_one() || engine.shared.queue.is_ahead() {
                tokio::task::yield_now().await;
            }
        }
        then(&engine, &gate, ids.try_into().expect("two of them")).await;
        engine.close().await;
    });
}

#[test]
fn what_is_decided_sees_what_is_on_its_way_to_the_disk_and_is_told_only_after_it() {
    let house = House::new();
    with_one_being_written(&house, async |engine, gate, [first, second]| {
        let snapshot = engine.snapshot().unwrap();
        assert!(snapshot.flow(first).is_none() && snapshot.flow(second).is_none(), "neither is on disk");
        gate.set(false, false);
        assert_eq!(engine.wait(first).await.unwrap().state, State::Done);
        assert_eq!(engine.wait(second).await.unwrap().state, State::Undone, "the name was taken");
    });
    house.check();
}

#[test]
fn if_a_batch_cannot_be_written_what_was_decided_on_top_of_it_never_was() {
    let house = House::new();
    with_one_being_written(&house, async |engine, gate, [first, second]| {
        gate.set(false, true);
        for id in [first, second] {
            let error = engine.wait(id).await.unwrap_err().to_string();
            assert!(error.contains("the disk is gone"), "{error}");
        }
        // Nothing more may be written, not even what redb would on closing.
        house.disk.power_cut();
    });
    house.disk.power_on();
    house.check();
    house.live(async |engine| {
        let flow = engine.snapshot().unwrap().flow(FlowId::derive(1, b"second"));
        assert_eq!(flow, None, "it was never handed over");
    });
}

/// What prepares a piece of the archive stops the log when the disk fails under it, while a batch is with the writer.
/// The committer took that for written: what it had taken by then it decided without the batch, and handed over as
/// well. A seed of the simulation stood still there.
#[test]
fn a_log_that_is_stopped_still_writes_what_is_on_its_way() {
    let queue = crate::queue::Queue::new(None);
    queue.begin_writing();
    queue.stop(crate::Error::Stopped { why: "the disk failed".into() });
    assert!(queue.is_writing());
    queue.written(crate::queue::Ticket(1));
    assert!(!queue.is_writing());
}

#[test]
fn rows_are_read_through_both_layers() {
    let house = House::new();
    house.run("warm", [note_op("x")]);
    let store = Store::open(house.disk.mount(), Path::new(DIR)).expect("the log opens");
    let key = |n: u32| format!("t\0{n:03}").into_bytes();
    let layer = |of: &dyn Fn(u32) -> Option<Option<&'static str>>| -> Staged {
        (0..60).filter_map(|n| Some((key(n), of(n)?.map(|text| text.as_bytes().to_vec())))).collect()
    };
    // Each pair of layers does each of: nothing, put, remove.
    let base = layer(&|n| (n % 2 == 0).then_some(Some("base")));
    let written = layer(&|n| [None, Some(Some("written")), Some(None)][n as usize / 2 % 3]);
    let changed = layer(&|n| [None, Some(Some("changed")), Some(None)][n as usize / 6 % 3]);
    store.commit(&Changes { rows: base.clone(), ..Changes::default() }).expect("it commits");

    let mut all = base;
    all.extend(written.clone());
    all.extend(changed.clone());
    let expected: BTreeMap<_, _> = all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let written = Arc::new(Changes { rows: written, ..Changes::default() });
    let overlay = Overlay { base: store.snapshot().expect("it reads"), written, changed };
    let mut found = BTreeMap::new();
    overlay.scan(b"t\0", &mut |key, value| found.insert(key.to_vec(), value.to_vec()).is_none());
    assert_eq!(found, expected);
    for n in 0..60 {
        assert_eq!(overlay.get(&key(n)), expected.get(&key(n)).cloned(), "{n}");
    }
    for count in 1..expected.len() {
        let mut seen = Vec::new();
        overlay.scan(b"t\0", &mut |key, _| {
            seen.push(key.to_vec());
            seen.len() < count
        });
        assert_eq!(seen, expected.keys().take(count).cloned().collect::<Vec<_>>());
    }
}
