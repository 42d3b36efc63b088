//! What a flow is told: taken by name, oldest first, once, the same at every replay; and what it shows.

use crate::tests_kit::*;
use crate::{Denial, Error, State};

#[test]
fn what_a_flow_is_told_is_taken_by_name_oldest_first_whether_or_not_it_waits() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("a")]);
    let row = house.live(async |engine| {
        let script = Script(vec![make("a"), signal("x"), signal("y"), signal("x"), signal("late")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        for (name, text) in [("x", "one"), ("y", "two"), ("x", "three")] {
            engine.signal(actor(), id, name, &text, "").await.unwrap();
        }
        house.world.open_gate("a");
        while engine.snapshot().unwrap().flow(id).unwrap().signals > 0 {
            settle(engine).await;
        }
        engine.signal(actor(), id, "late", &"four", "").await.unwrap();
        engine.wait(id).await.unwrap()
    });
    assert_eq!(output(&row), ["a", "one", "two", "three", "four"]);
    assert_eq!(row.signals, 0);
    house.check();
}

#[test]
fn what_was_told_survives_a_crash_and_is_taken_once() {
    let house = House::new();
    house.world.plan("b", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let script = Script(vec![signal("x"), make("b"), signal("x")]);
        let id = engine.start(actor(), "r", script).await.unwrap();
        engine.signal(actor(), id, "x", &"one", "").await.unwrap();
        engine.signal(actor(), id, "x", &"two", "").await.unwrap();
        house.world.until_at_work("b").await;
        id
    });
    assert_eq!(output(&house.rest(id)), ["one", "b", "two"]);
    house.check();
}

#[test]
fn the_same_key_tells_once_also_after_a_crash() {
    let house = House::new();
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![signal("x"), signal("x")])).await.unwrap();
        engine.signal(actor(), id, "x", &"one", "k1").await.unwrap();
        engine.signal(actor(), id, "x", &"one again", "k1").await.unwrap();
        id
    });
    let row = house.live(async |engine| {
        engine.signal(actor(), id, "x", &"one once more", "k1").await.unwrap();
        engine.signal(actor(), id, "x", &"two", "k2").await.unwrap();
        engine.wait(id).await.unwrap()
    });
    assert_eq!(output(&row), ["one", "two"]);
    let keys = house.live(async |engine| {
        let snapshot = engine.snapshot().unwrap();
        crate::fold::TOLD.list(&snapshot, crate::fold::house(), &[]).len()
    });
    assert_eq!(keys, 0, "what was told under keys is forgotten at the end");
    house.check();
}

#[test]
fn who_waits_for_so_long_gets_what_comes_in_time_and_nothing_else() {
    let house = House::new();
    let waits = |ms| more(More::Signal("x".to_owned(), Some(ms)));
    let row = house.run("r", [waits(50), note_op("after")]);
    assert_eq!(output(&row), ["nothing", "after"]);
    let row = house.live(async |engine| {
        let id = engine.start(actor(), "s", Script(vec![make("a"), waits(3_600_000)])).await.unwrap();
        engine.signal(actor(), id, "x", &"in time", "").await.unwrap();
        engine.wait(id).await.unwrap()
    });
    assert_eq!(output(&row), ["a", "in time"]);
    assert!(row.timers.is_empty());
    house.check();
}

#[test]
fn that_the_time_was_over_stays_so_after_a_crash_even_if_it_was_told_meanwhile() {
    let house = House::new();
    house.world.plan("b", [Plan::Gate("never"), Plan::Succeed]);
    let id = house.crash(async |engine| {
        let waits = more(More::Signal("x".to_owned(), Some(50)));
        let id = engine.start(actor(), "r", Script(vec![waits, make("b")])).await.unwrap();
        house.world.until_at_work("b").await;
        engine.signal(actor(), id, "x", &"too late", "").await.unwrap();
        id
    });
    assert_eq!(output(&house.rest(id)), ["nothing", "b"]);
}

#[test]
fn who_cannot_be_told_says_why_and_nothing_is_written() {
    let house = House::new();
    let ended = house.run("r", [note_op("a")]).id;
    house.live(async |engine| {
        let head = engine.snapshot().unwrap().head().unwrap();
        let error = engine.signal(actor(), ended, "x", &"one", "").await.unwrap_err();
        assert_eq!(denial(&error), Some(Denial::Ended));
        let nobody = event::FlowId::derive(1, b"nobody");
        assert!(matches!(engine.signal(actor(), nobody, "x", &"one", "").await, Err(Error::NoFlow(_))));
        assert_eq!(engine.snapshot().unwrap().head().unwrap(), head);
        let id = engine.start(actor(), "s", Script(vec![signal("x")])).await.unwrap();
        let large = "x".repeat(crate::SIGNAL_BYTES_MAX + 1);
        let error = engine.signal(actor(), id, "x", &large, "").await.unwrap_err();
        assert_eq!(denial(&error), Some(Denial::TooLarge));
        engine.cancel(actor(), id, "enough").await.unwrap();
        let error = engine.signal(actor(), id, "x", &"one", "").await.unwrap_err();
        assert!(matches!(denial(&error), Some(Denial::Turned | Denial::Ended)), "{error}");
        assert_eq!(engine.wait(id).await.unwrap().state, State::Undone);
    });
    house.check();
}

#[test]
fn a_flow_that_does_not_listen_is_told_only_so_much() {
    let house = House::new();
    house.live(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![signal("x")])).await.unwrap();
        let told = (0..crate::SIGNALS_MAX).map(|n| async move {
            engine.signal(actor(), id, "y", &n, "").await.unwrap();
        });
        at_once(told).await;
        let error = engine.signal(actor(), id, "y", &"one more", "").await.unwrap_err();
        assert_eq!(denial(&error), Some(Denial::Busy));
        assert_eq!(engine.snapshot().unwrap().flow(id).unwrap().signals, crate::SIGNALS_MAX);
    });
    house.check();
}

/// Waits for all of them, which share commits.
async fn at_once(all: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.map(|one| Some(Box::pin(one))).collect();
    std::future::poll_fn(|context| {
        for slot in &mut all {
            if let Some(one) = slot
                && one.as_mut().poll(context).is_ready()
            {
                *slot = None;
            }
        }
        if all.iter().all(Option::is_none) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[test]
fn what_a_flow_shows_is_asked_while_it_runs_and_shown_again_after_a_restart() {
    let house = House::new();
    let show = |text: &str| more(More::Show("at".to_owned(), text.to_owned()));
    let script = Script(vec![show("first"), note_op("a"), show("second"), signal("go")]);
    let asked = async |engine: &crate::Engine<World>, id| loop {
        let shown: Option<String> = engine.query(id, "at").unwrap();
        if shown.as_deref() == Some("second") {
            return;
        }
        settle(engine).await;
    };
    let id = house.crash(async |engine| {
        let id = engine.start(actor(), "r", script).await.unwrap();
        asked(engine, id).await;
        assert_eq!(engine.query::<String>(id, "other").unwrap(), None);
        assert!(matches!(engine.query::<u64>(id, "at"), Err(Error::Read { .. })));
        id
    });
    house.live(async |engine| {
        asked(engine, id).await;
        engine.signal(actor(), id, "go", &"", "").await.unwrap();
        engine.wait(id).await.unwrap();
        while engine.shared.live(id).is_some() {
            settle(engine).await;
        }
        assert_eq!(denial(&engine.query::<String>(id, "at").unwrap_err()), Some(Denial::NotDriven));
    });
}

#[test]
fn of_two_lines_each_gets_after_a_crash_what_it_had_taken() {
    let house = House::new();
    house.world.plan("a", [Plan::Gate("a")]);
    let id = house.crash(async |engine| {
        let lines = join([vec![make("a"), signal("x")], vec![signal("x"), signal("end")]]);
        let id = engine.start(actor(), "r", Script(vec![lines])).await.unwrap();
        engine.signal(actor(), id, "x", &"one", "").await.unwrap();
        while engine.snapshot().unwrap().flow(id).unwrap().signals > 0 {
            settle(engine).await;
        }
        house.world.open_gate("a");
        while !story(engine, id).iter().any(|line| line.contains("thing.made")) {
            settle(engine).await;
        }
        id
    });
    house.live(async |engine| {
        for (name, text) in [("x", "two"), ("end", "three")] {
            engine.signal(actor(), id, name, &text, "").await.unwrap();
        }
        assert_eq!(output(&engine.wait(id).await.unwrap()), ["a,two; one,three"]);
    });
    house.check();
}

#[test]
fn a_timer_that_nobody_waits_for_any_more_is_gone() {
    let house = House::new();
    let waits = more(More::Signal("x".to_owned(), Some(3_600_000)));
    let raced = race([vec![Op::Sleep(3_600_000)], vec![signal("go")]]);
    house.live(async |engine| {
        let id = engine.start(actor(), "r", Script(vec![waits, raced, signal("end")])).await.unwrap();
        for name in ["x", "go"] {
            engine.signal(actor(), id, name, &"", "").await.unwrap();
        }
        while !story(engine, id).iter().any(|line| line.contains("raced")) {
            settle(engine).await;
        }
        let snapshot = engine.snapshot().unwrap();
        assert_eq!(snapshot.flow(id).unwrap().timers, Vec::<String>::new());
        assert!(crate::fold::TIMERS.list(&snapshot, crate::fold::house(), &[]).is_empty());
        engine.signal(actor(), id, "end", &"", "").await.unwrap();
        engine.wait(id).await.unwrap();
    });
    house.check();
}
