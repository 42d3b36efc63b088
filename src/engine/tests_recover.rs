//! Recovery goes on: whatever is wrong with one flow's records, that flow parks alone and the others come to
//! their ends.

use async_trait::async_trait;
use event::{FlowId, Scope};
use serde::{Deserialize, Serialize};

use crate::at::work_key;
use crate::store::{LOG, WORK};
use crate::tests_kit::*;
use crate::workflow::{Book, Workflow};
use crate::{Engine, Flow, Halt, Options, State};

/// A story that later programs have forgotten, and a version that earlier ones have not heard of.
#[derive(Serialize, Deserialize)]
struct Other<const VERSION: u32>;

#[async_trait]
impl<const VERSION: u32> Workflow for Other<VERSION> {
    type Ports = World;
    type Output = ();
    const NAME: &'static str = if VERSION == 1 { "forgotten" } else { Script::NAME };
    const VERSION: u32 = VERSION;

    fn scope(&self) -> Scope {
        scope()
    }

    fn label(&self) -> String {
        "another".to_owned()
    }

    async fn run(self, flow: &Flow<World>) -> Result<(), Halt> {
        tell(flow, vec![make("other"), make("gate")]).await.map(|_| ())
    }
}

/// Flows that stand in the middle of their second step when the power goes: one that is called `bad`, then two that
/// nothing is wrong with.
fn crashed(house: &House) -> (FlowId, [FlowId; 2]) {
    let script = |name: &str| Script(vec![make(&format!("{name} one")), make(&format!("{name} two"))]);
    for name in ["bad two", "well two", "fine two"] {
        house.world.plan(name, [Plan::Gate("never")]);
    }
    house.crash(async |engine| {
        let mut ids = Vec::new();
        for name in ["bad", "well", "fine"] {
            ids.push(engine.start(actor(), name, script(name)).await.unwrap());
            house.world.until_at_work(&format!("{name} two")).await;
        }
        (ids[0], [ids[1], ids[2]])
    })
}

/// Breaks something of the flow `bad`, and checks that it parks and says why while the others end.
fn check(break_it: impl FnOnce(&Engine<World>, FlowId), why: &str) {
    let house = House::new();
    let (bad, others) = crashed(&house);
    let engine = Engine::open(house.options()).unwrap();
    break_it(&engine, bad);
    drop(engine);
    rest_alone(&house, bad, &others, why);
}

fn rest_alone(house: &House, bad: FlowId, others: &[FlowId], why: &str) {
    house.live(async |engine| {
        for other in others {
            assert_eq!(engine.wait(*other).await.unwrap().state, State::Done);
        }
        let row = engine.wait(bad).await.unwrap();
        assert_eq!(row.state, State::Parked);
        assert!(row.parked.as_ref().is_some_and(|parked| parked.contains(why)), "{row:?}");
        // It takes its place as any that is parked: another opening leaves it alone.
        let more = engine.run(actor(), "more", Script(vec![make("more")])).await.unwrap();
        assert_eq!(more.state, State::Done);
    });
    house.live(async |engine| assert_eq!(engine.wait(bad).await.unwrap().state, State::Parked));
}

/// Changes the row of the log that holds the step that `bad` has behind it.
fn change_row(engine: &Engine<World>, bad: FlowId, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    let snapshot = engine.snapshot().unwrap();
    let flow = snapshot.flow(bad).unwrap();
    let (first, row) = snapshot.0.row_at(flow.last).unwrap().unwrap();
    assert!(first > flow.first.0 && first < snapshot.head().unwrap().0, "a row of its own, and not the last");
    drop(snapshot);
    engine.shared.store.tamper(|txn| {
        let mut log = txn.open_table(LOG).unwrap();
        match change(row) {
            Some(row) => _ = log.insert(first, row.as_slice()).unwrap(),
            None => _ = log.remove(first).unwrap(),
        }
    });
}

#[test]
fn a_flow_whose_record_does_not_decode_parks_alone() {
    let garbage = |row: Vec<u8>| Some([&row[..32], &[0xc1; 100]].concat());
    check(|engine, bad| change_row(engine, bad, garbage), "does not decode");
}

#[test]
fn a_flow_whose_record_is_missing_parks_alone() {
    check(|engine, bad| change_row(engine, bad, |_| None), "is missing");
}

#[test]
fn a_flow_in_whose_place_another_record_stands_parks_alone() {
    let foreign = |engine: &Engine<World>, bad| {
        let head = engine.snapshot().unwrap().head().unwrap();
        let (_, last) = engine.snapshot().unwrap().0.row_at(head).unwrap().unwrap();
        change_row(engine, bad, |_| Some(last));
    };
    check(foreign, "stands in the place of");
}

#[test]
fn a_damaged_working_row_stops_nobody() {
    let house = House::new();
    let (bad, others) = crashed(&house);
    let engine = Engine::open(house.options()).unwrap();
    engine.shared.store.tamper(|txn| {
        let mut work = txn.open_table(WORK).unwrap();
        work.insert(work_key(bad, "", "recovered").as_slice(), [7; 40].as_slice()).unwrap();
    });
    drop(engine);
    house.live(async |engine| {
        for id in others.into_iter().chain([bad]) {
            assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
        }
    });
    house.check();
}

#[test]
fn a_flow_of_a_story_or_a_version_that_is_not_in_the_book_parks_alone() {
    for (newer, name) in [(false, "forgotten"), (true, "script")] {
        let house = House::new();
        let (_, others) = crashed(&house);
        house.world.plan("gate", [Plan::Gate("never")]);
        let book = Book::default().with::<Script>().with::<Other<1>>().with::<Other<99>>();
        let engine = Engine::open(Options { book, ..house.options() }).unwrap();
        let (runtime, disk) = (runtime(), house.disk.clone());
        let bad = runtime.block_on(async {
            engine.drive().await.unwrap();
            let bad = if newer {
                engine.start(actor(), "another", Other::<99>).await
            } else {
                engine.start(actor(), "another", Other::<1>).await
            };
            house.world.until_at_work("gate").await;
            disk.power_cut();
            bad.unwrap()
        });
        drop(runtime);
        drop(engine);
        disk.power_on();
        rest_alone(&house, bad, &others, name);
    }
}
