//! What was acknowledged and is not yet in the database on disk is there at the next opening, and nothing else is.

use std::path::Path;
use std::sync::Arc;

use event::Seq;
use files::Files as _;

use crate::journal::JOURNAL;
use crate::store::{Changes, META, Store};
use crate::tests_damage::{quietly, tamper};
use crate::tests_kit::*;
use crate::{DATABASE, Damage, Engine, Error, State, WITNESS, examine};

fn path(name: &str) -> String {
    format!("{DIR}/{name}")
}

/// A house whose process was killed with so many operations done since it was opened.
fn cut_off(operations: usize) -> House {
    cut_off_with("x", "y", operations)
}

/// One in which other things are told of, before it was opened and since. The database lacks some of it: how much is
/// committed together is chance, and with it whether the last commit had the database written.
fn cut_off_with(first: &str, note: &str, operations: usize) -> House {
    let lacks_some = |house: &House| {
        let store = Store::open(house.disk.fork(1).mount(), Path::new(DIR)).unwrap();
        store.untold().head.is_some()
    };
    let mut houses = (operations..operations + 16).map(|operations| cut_off_after(first, note, operations));
    houses.find(lacks_some).expect("one commit of sixteen leaves the database alone")
}

fn cut_off_after(first: &str, note: &str, operations: usize) -> House {
    let house = House::new();
    house.run("before", [note_op(first)]);
    house.crash(async |engine| {
        for n in 0..operations {
            engine
                .run(actor(), &format!("r{n}"), Script(vec![note_op(note), make(&format!("k{n}"))]))
                .await
                .unwrap();
        }
        // The process is killed: what it wrote is there, synced or not.
        house.disk.settle();
    });
    house
}

/// How many working rows there are, and how many of them the database has to be told.
fn work_of(house: &House) -> (usize, usize) {
    let store = Store::open(house.disk.mount(), Path::new(DIR)).unwrap();
    let known = store.snapshot().unwrap().work_keys(b"t").unwrap();
    let untold = store.untold().work;
    let all: std::collections::BTreeSet<_> = known.iter().chain(untold.keys()).collect();
    (all.len(), all.len() - known.len())
}

fn head(house: &House) -> Seq {
    let engine = Engine::open(house.options()).expect("it opens");
    assert!(engine.verify().unwrap().faults.is_empty());
    engine.snapshot().unwrap().head().unwrap()
}

#[test]
fn what_was_acknowledged_is_in_the_journal_and_told_to_the_database() {
    let house = cut_off(3);
    assert!(house.disk.get(path(JOURNAL)).unwrap().len() > 500);
    let without = House::on(house.disk.fork(1));
    without.disk.remove(Path::new(&path(JOURNAL))).unwrap();
    let error = Engine::open(without.options()).err().expect("what was acknowledged is missing");
    assert!(matches!(error, Error::Behind { .. }), "{error}");
    house.live(async |engine| {
        for n in 0..3 {
            let id = engine.snapshot().unwrap().started_by(&format!("r{n}")).unwrap();
            assert_eq!(engine.wait(id).await.unwrap().state, State::Done);
        }
    });
    house.check();
}

#[test]
fn a_journal_is_told_to_code_that_folds_otherwise_and_kept_for_code_that_knows_it() {
    for version in [1, 2] {
        let mut house = cut_off(3);
        let known = House::on(house.disk.fork(1));
        house.fold = Arc::new(Toy { version, unknown: "thing.made/1", ..Toy::default() });
        // Twice: what was refused once is there as it was.
        for _ in 0..2 {
            let error = Engine::open(house.options()).err().expect("it does not know what is in the journal");
            assert!(matches!(&error, Error::UnknownKind { kind } if kind == "thing.made/1"), "{error}");
        }
        house.fold = Arc::new(Toy { version, ..Toy::default() });
        assert_eq!(head(&house), head(&known));
        house.live(async |engine| assert_eq!(engine.rebuild().unwrap().differing, 0));
    }
}

#[test]
fn a_commit_is_one_sync_and_the_database_is_written_when_the_journal_is_full() {
    let house = House::new();
    house.run("before", [note_op("x")]);
    let store = Store::open(house.disk.mount(), Path::new(DIR)).unwrap();
    let work = |n: u32| [(format!("t{n:04}").into_bytes(), Some(vec![7; 300]))].into();
    let append = |n: u32| {
        if store.append(&Changes { work: work(n), ..Changes::default() }, None).unwrap() {
            store.write_behind().unwrap();
        }
    };
    let (mut largest, mut in_database) = (0, 0);
    for n in 0..500 {
        let (syncs, database) = (house.disk.syncs(), house.disk.get(path(DATABASE)));
        append(n);
        let is_written = house.disk.get(path(DATABASE)) != database;
        assert!(house.disk.syncs() - syncs == 1 || is_written, "commit {n}");
        in_database += u32::from(is_written);
        largest = largest.max(house.disk.get(path(JOURNAL)).unwrap().len());
        if n < 40 {
            // Whichever half is the older one, all that was acknowledged is found.
            let cut = House::on(house.disk.fork(3));
            cut.disk.power_cut();
            cut.disk.power_on();
            assert_eq!(work_of(&cut).0, n as usize + 1, "power lost after commit {n}");
        }
    }
    assert!((40..200).contains(&in_database), "{in_database} of 500 went to the database");
    assert!((3 << 10..=4 << 10).contains(&largest), "{largest} bytes");
    // Neither losing power nor closing in order takes anything, and what is there is not told twice.
    let cut = House::on(house.disk.fork(3));
    cut.disk.power_cut();
    cut.disk.power_on();
    let (all, untold) = work_of(&cut);
    assert!(all == 500 && untold > 0, "{all} {untold}");
    assert_eq!(work_of(&cut).0, 500);
    drop(store);
    assert_eq!(work_of(&house), (500, 0));
}

#[test]
fn a_journal_that_is_damaged_anywhere_is_taken_up_to_there_and_what_is_missing_is_told() {
    let house = cut_off(2);
    let whole = house.disk.get(path(JOURNAL)).unwrap();
    let end = head(&House::on(house.disk.fork(9)));
    for place in (0..whole.len()).step_by(11) {
        let copy = House::on(house.disk.fork(place as u64));
        copy.disk.corrupt(path(JOURNAL), place as u64, &[whole[place] ^ 0x04]);
        match quietly(|| Engine::open(copy.options())) {
            // Behind what is wanted lies what was there before.
            Ok(engine) => assert_eq!(engine.snapshot().unwrap().head().unwrap(), end, "byte {place}"),
            Err(Error::Behind { found, acknowledged, .. }) => {
                assert!(found < acknowledged && acknowledged == end.0, "byte {place}");
            }
            Err(error) => panic!("byte {place}: {error}"),
        }
    }
    for length in (0..whole.len()).step_by(101) {
        let copy = House::on(house.disk.fork(length as u64));
        copy.disk.put(path(JOURNAL), &whole[..length]);
        match quietly(|| Engine::open(copy.options())) {
            Ok(engine) => assert_eq!(engine.snapshot().unwrap().head().unwrap(), end, "{length} bytes"),
            Err(error) => assert!(matches!(error, Error::Behind { .. }), "{length} bytes: {error}"),
        }
    }
}

#[test]
fn a_journal_of_another_house_or_another_time_tells_nothing() {
    let house = cut_off(2);
    let [ours, theirs, twins] = [&house, &cut_off_with("another", "y", 5), &cut_off_with("x", "another", 5)]
        .map(|house| house.disk.get(path(JOURNAL)).unwrap());
    let older = House::on(house.disk.fork(1));
    house.disk.put(path(JOURNAL), &theirs);
    let error = Engine::open(house.options()).err().expect("its own is missing");
    assert!(matches!(error, Error::Behind { .. }), "{error}");
    // One that goes on from the same place, if the two were committed alike, and elsewhere: nothing of it is taken.
    house.disk.put(path(JOURNAL), &twins);
    let error = Engine::open(house.options()).err().expect("its own is missing");
    assert!(matches!(error, Error::Other { .. } | Error::Behind { .. }), "{error}");
    house.disk.put(path(JOURNAL), &ours);
    head(&house);
    // One of a database that is gone is not of the one that comes after.
    let fresh = House::new();
    fresh.disk.create_dirs(Path::new(DIR)).unwrap();
    fresh.disk.put(path(JOURNAL), &theirs);
    fresh.run("first", [note_op("x")]);
    assert_eq!(head(&fresh), Seq(3));
    // What is left of the time before is passed over.
    head(&older);
    older.run("later", [note_op("x")]);
    let end = head(&older);
    older.run("last", [note_op("x")]);
    assert_eq!(head(&older), Seq(end.0 + 3));
}

#[test]
fn a_database_that_was_rolled_back_with_its_witness_takes_nothing_of_what_came_after_it() {
    let house = House::new();
    house.run("before", [note_op("x")]);
    let older = [DATABASE, WITNESS].map(|name| (name, house.disk.get(path(name)).unwrap()));
    house.run("later", [note_op("x")]);
    for (name, bytes) in &older {
        house.disk.put(path(name), bytes);
    }
    // The second time it is in the incarnation in which the journal was written.
    for _ in 0..4 {
        assert_eq!(head(&house), Seq(3));
    }
    house.run("other", [note_op("y")]);
    assert_eq!(head(&house), Seq(6));
    house.check();
}

#[test]
fn a_damaged_note_beside_the_log_keeps_nobody_from_looking() {
    for name in ["head", "journal", "incarnation"] {
        let house = cut_off(2);
        house.run("later", [note_op("x")]);
        tamper(&house, |txn| {
            txn.open_table(META).unwrap().insert(name, b"not what was sealed".as_slice()).unwrap();
        });
        let files: Arc<dyn files::Files> = house.disk.mount();
        let looked = examine(&files, Path::new(DIR), &[]).unwrap();
        assert!(looked.verified.events > 5, "{name}");
        assert!(Engine::open(house.options()).is_err(), "{name}");
    }
}

#[test]
fn looking_at_a_log_takes_the_journal_with_it_and_changes_nothing() {
    let house = cut_off(3);
    let end = head(&House::on(house.disk.fork(1)));
    let files: Arc<dyn files::Files> = house.disk.mount();
    let before = house.disk.snapshot();
    let looked = examine(&files, Path::new(DIR), &[end]).unwrap();
    assert_eq!((looked.verified.head, looked.verified.faults.as_slice()), (end, &[][..]));
    assert!(looked.hashes[0].is_some());
    assert!(house.disk.snapshot() == before, "looking changed it");
    house.disk.put(path(JOURNAL), b"");
    let looked = examine(&files, Path::new(DIR), &[]).unwrap();
    assert_eq!(looked.verified.faults.len(), 1);
    assert_eq!(looked.verified.faults[0].damage, Damage::CutOff);
}
