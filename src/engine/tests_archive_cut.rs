//! An archiving run that is cut short: by the power at every call it makes to the disk, by a call that fails, by a
//! disk that is full, by the process. What was there is there once, and the next run goes on.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use event::{Record, Rows, Seq};

use crate::tests_archive::{ALL, archive, long_lived};
use crate::tests_damage::quietly;
use crate::tests_kit::*;
use crate::{ARCHIVE, Engine, Error};

/// All that a log says, and all that was made of it.
type All = (Vec<Record>, Vec<(Vec<u8>, Vec<u8>)>);

fn all_of(engine: &Engine<World>) -> All {
    let snapshot = engine.snapshot().unwrap();
    let mut rows = Vec::new();
    snapshot.scan(b"", &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        true
    });
    (snapshot.records(Seq(1), usize::MAX).unwrap(), rows)
}

/// Opens a house after whatever happened; says how many segments it has when all is there, and goes on with the run.
fn check(house: &House, before: &All, context: &str) -> u64 {
    let engine = Engine::open(house.options()).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(all_of(&engine) == *before, "{context}: it is not what it was");
    assert_eq!(engine.verify().unwrap().fault, None, "{context}");
    assert_eq!(engine.rebuild().unwrap().faults, [], "{context}");
    let segments = engine.archived().unwrap().segments;
    drop(engine);
    house.live(async |engine| archive(engine, ALL).await);
    let engine = Engine::open(house.options()).unwrap();
    assert!(all_of(&engine) == *before, "{context}: it is not what it was when the run has gone on");
    assert_eq!(engine.verify().unwrap().fault, None, "{context}");
    assert_eq!(engine.rebuild().unwrap().faults, [], "{context}");
    let names = files::Files::list(&*house.disk, std::path::Path::new(&format!("{DIR}/{ARCHIVE}"))).unwrap();
    assert_eq!(names.len() as u64, engine.archived().unwrap().segments, "{context}: {names:?}");
    segments
}

/// A house, and what is in it.
fn prepared() -> (House, All) {
    let house = long_lived();
    let before = all_of(&Engine::open(house.options()).unwrap());
    house.disk.settle();
    (house, before)
}

/// Runs what may be interrupted in a house of its own, and leaves it as a process that dies does.
fn attempt(house: &House) -> Option<Error> {
    let runtime = runtime();
    let engine = match Engine::open(house.options()) {
        Ok(engine) => engine,
        Err(error) => return Some(error),
    };
    let mut failed = None;
    let _ = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            loop {
                match engine.archive(ALL).await {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
        });
    }));
    drop(runtime);
    let _ = catch_unwind(AssertUnwindSafe(|| drop(engine)));
    failed
}

#[test]
fn the_power_may_go_at_every_call_of_an_archiving_run() {
    let (house, before) = prepared();
    let calls = {
        let copy = House::on(house.disk.fork(0));
        let begun = copy.disk.calls();
        assert!(attempt(&copy).is_none());
        copy.disk.calls() - begun
    };
    assert!(calls > 60, "{calls} calls");
    quietly(|| {
        let mut seen = std::collections::BTreeSet::new();
        for n in 1..=calls {
            let copy = House::on(house.disk.fork(n));
            if n % 2 == 0 {
                copy.disk.cut_after(n);
            } else {
                copy.disk.tear_after(n);
            }
            attempt(&copy);
            copy.disk.power_on();
            seen.insert(check(&copy, &before, &format!("cut at call {n}")));
        }
        assert!(seen.len() > 3, "cuts came before, between and after commits: {seen:?}");
    });
}

#[test]
fn a_call_that_fails_leaves_the_log_as_it_was_or_stops_it() {
    let (house, before) = prepared();
    quietly(|| {
        let (mut told, mut stopped) = (0, 0);
        for n in (1..).step_by(3) {
            let copy = House::on(house.disk.fork(n));
            let begun = copy.disk.calls();
            copy.disk.fail_after(n, ErrorKind::Other);
            match attempt(&copy) {
                Some(Error::Archive { .. }) => told += 1,
                Some(Error::Stopped { .. }) => stopped += 1,
                _ => {}
            }
            let calls = copy.disk.calls() - begun;
            copy.disk.clear_faults();
            // The process ends, and what it wrote is the system's to keep.
            copy.disk.settle();
            check(&copy, &before, &format!("failed at call {n}"));
            if calls < n {
                break;
            }
        }
        assert!(told > 3 && stopped > 3, "{told} runs failed, {stopped} stopped");
    });
}

#[test]
fn a_segment_that_cannot_be_read_back_is_not_counted() {
    let (house, before) = prepared();
    quietly(|| {
        let mut told = 0;
        for n in 1..400 {
            let copy = House::on(house.disk.fork(n));
            let begun = copy.disk.reads();
            copy.disk.fail_read(n, ErrorKind::Other);
            told += u64::from(matches!(attempt(&copy), Some(Error::Archive { .. })));
            let reads = copy.disk.reads() - begun;
            copy.disk.clear_faults();
            copy.disk.settle();
            check(&copy, &before, &format!("failed at read {n}"));
            if reads < n {
                break;
            }
        }
        assert!(told > 0);
    });
}

#[test]
fn a_disk_without_room_is_told_of_and_the_log_goes_on() {
    let (house, before) = prepared();
    house.live(async |engine| {
        house.disk.set_capacity(house.disk.used_bytes() + (1 << 20));
        let error = engine.archive(ALL).await.unwrap_err();
        assert!(matches!(&error, Error::Archive { why, .. } if why.contains("bytes are free")), "{error}");
        assert_eq!(engine.archived().unwrap().segments, 0);
        engine.run(actor(), "later", Script(vec![note_op("it goes on")])).await.unwrap();
        house.disk.set_capacity(1 << 40);
        assert!(archive(engine, ALL).await.0 > 0);
        assert_eq!(engine.snapshot().unwrap().records(Seq(1), before.0.len()).unwrap(), before.0);
    });
    house.check();
}

#[test]
fn a_run_that_nobody_waits_for_any_more_counts_nothing_twice() {
    let (house, before) = prepared();
    house.live(async |engine| {
        for n in 0..40 {
            // Whoever asked goes at some point; what was handed over is done all the same.
            let mut asked = Box::pin(engine.archive(ALL));
            for _ in 0..n {
                let polled =
                    std::future::poll_fn(|context| std::task::Poll::Ready(asked.as_mut().poll(context)));
                if polled.await.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(asked);
        }
        archive(engine, ALL).await;
        assert!(all_of(engine) == before);
    });
    house.check();
}
