//! Classes: a person's flow is not stuck behind a crowd of the background, and the crowd is not starved.

use crate::tests_kit::*;
use crate::{Class, Engine, State};

/// Who worked while holding the one place there is, in order.
fn order(house: &House) -> Vec<String> {
    house.world.call_names().into_iter().filter(|name| !name.ends_with(" ends")).collect()
}

async fn waits(engine: &Engine<World>, id: event::FlowId) {
    loop {
        let mut watch = engine.watch(id).expect("it is driven");
        // What was begun by its parent and by the opening at once is driven anew, and watched anew.
        if watch.progress.wait_for(|progress| progress.doing == "waiting for its turn").await.is_ok() {
            return;
        }
    }
}

#[test]
fn a_person_goes_before_a_crowd_that_came_first_and_the_crowd_gets_every_fourth_place() {
    let house = House::new();
    house.world.plan("first", [Plan::Gate("go")]);
    house.live(async |engine| {
        let limited = |key: String| Op::MakeLimited(key, "one".to_owned(), 1);
        let mut ids = Vec::new();
        let first = Script(vec![limited("first".to_owned())]);
        ids.push(engine.start_as(actor(), "first", Class::Background, first).await.unwrap());
        house.world.until_at_work("first").await;
        for (name, class) in [("crowd", Class::Background), ("person", Class::Person)] {
            for number in 0..5 {
                let key = format!("{name}-{number}");
                // Some wait for a place for a step, some to hold one: it is the same line.
                let script = match number % 2 {
                    0 => Script(vec![limited(key.clone())]),
                    _ => Script(vec![Op::Hold("one".to_owned(), 1, vec![make(&key)])]),
                };
                let id = engine.start_as(actor(), &key, class, script).await.unwrap();
                waits(engine, id).await;
                ids.push(id);
            }
        }
        house.world.open_gate("go");
        for id in ids {
            assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
        }
    });
    let expected = [
        "first", "person-0", "person-1", "person-2", "crowd-0", "person-3", "person-4", "crowd-1", "crowd-2",
        "crowd-3", "crowd-4",
    ];
    assert_eq!(order(&house), expected);
    house.check();
}

#[test]
fn a_flow_keeps_its_class_over_a_restart_and_its_parts_are_of_it() {
    let house = House::new();
    let ids = house.crash(async |engine| {
        house.world.plan("holder", [Plan::Gate("never"), Plan::Gate("go")]);
        let limited = |key: &str| Op::MakeLimited(key.to_owned(), "one".to_owned(), 1);
        let holder = engine.start(actor(), "holder", Script(vec![limited("holder")])).await.unwrap();
        house.world.until_at_work("holder").await;
        // Later ones, so that they are taken up behind it.
        house.clock.pass(1);
        let whole = Script(vec![Op::Each(vec![("part".to_owned(), vec![limited("part")])], 1)]);
        let whole = engine.start_as(actor(), "whole", Class::Background, whole).await.unwrap();
        let part = loop {
            let open = engine.snapshot().unwrap().open_flows();
            match open.into_iter().find(|row| row.cause == event::Cause::Parent(whole)) {
                Some(part) => break part.id,
                None => settle(engine).await,
            }
        };
        waits(engine, part).await;
        house.clock.pass(1);
        let person = engine.start(actor(), "person", Script(vec![limited("person")])).await.unwrap();
        waits(engine, person).await;
        for (id, class) in [(holder, Class::Person), (whole, Class::Background), (part, Class::Background)] {
            assert_eq!(engine.snapshot().unwrap().flow(id).unwrap().class, class);
        }
        [holder, part, whole, person]
    });
    house.live(async |engine| {
        house.world.until(|world| world.calls_of("holder").len() == 2).await;
        for id in [ids[1], ids[3]] {
            waits(engine, id).await;
        }
        house.world.open_gate("go");
        for id in ids {
            assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
        }
    });
    assert_eq!(order(&house), ["holder", "holder", "person", "part"]);
    house.check();
}
