//! Damage: files cut, emptied, flipped and tampered with. Each case is an error at opening, is
//! named by `verify` or `rebuild`, or leaves every acknowledged event as it was.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use event::Seq;
use files::{Backend, Files, Open};
use redb::{Database, ReadableDatabase, ReadableTable};

use crate::store::{LOG, ROWS};
use crate::tests_kit::*;
use crate::{DATABASE, Engine, Error, WITNESS};

fn database() -> String {
    format!("{DIR}/{DATABASE}")
}

fn witness() -> String {
    format!("{DIR}/{WITNESS}")
}

/// A house with some history, stopped in order.
pub(crate) fn lived_in() -> House {
    let house = House::new();
    house.live(async |engine| {
        for n in 0..12 {
            let script =
                Script(vec![take_op(&format!("n{n}")), note_op(&"x".repeat(500)), make(&format!("k{n}"))]);
            engine.run(actor(), &format!("r{n}"), script).await.unwrap();
        }
    });
    house
}

/// The same, killed while the last flow was at work.
fn killed() -> House {
    let house = lived_in();
    house.world.plan("last", [Plan::Gate("never")]);
    house.crash(async |engine| {
        engine.start(actor(), "last", Script(vec![take_op("m"), make("last")])).await.unwrap();
        house.world.until_at_work("last").await;
        // A process that dies leaves its writes to the system, the unsynced ones of the witness too.
        house.disk.settle();
    });
    house
}

fn events(house: &House) -> Vec<event::Record> {
    let engine = Engine::open(house.options()).unwrap();
    engine.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap()
}

enum Found {
    Refused(String),
    Named,
    Whole(Vec<event::Record>),
}

/// What opening, verifying and folding anew say about a database; none may panic.
fn examine(house: &House) -> Found {
    let found = catch_unwind(AssertUnwindSafe(|| {
        let engine = match Engine::open(house.options()) {
            Ok(engine) => engine,
            Err(error) => return Found::Refused(error.to_string()),
        };
        let named = match (engine.verify(), engine.rebuild()) {
            (Ok(verified), Ok(rebuilt)) => verified.fault.is_some() || rebuilt.differing > 0,
            _ => true,
        };
        if named {
            return Found::Named;
        }
        Found::Whole(engine.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap())
    }));
    found.unwrap_or_else(|_| panic!("a damaged file made the engine panic"))
}

pub(crate) fn quietly<T>(doing: impl FnOnce() -> T) -> T {
    // Panics inside redb are caught; their messages would bury the test's own.
    std::panic::set_hook(Box::new(|info| {
        if std::env::var_os("TEST_DEBUG").is_some() {
            eprintln!("{info}");
        }
    }));
    doing()
}

fn flip_everywhere(house: &House, stride: usize) {
    let whole = events(house);
    let image = house.disk.get(database()).unwrap();
    let mut counts = [0; 3];
    let mut offset = 0;
    while offset < image.len() {
        // Holes and zeros are skipped quickly, written places looked at closely.
        if image[offset..image.len().min(offset + 64)].iter().all(|byte| *byte == 0) {
            offset += 64;
            continue;
        }
        let mut copy = House::on(house.disk.fork(offset as u64));
        copy.fold = house.fold.clone();
        copy.disk.corrupt(database(), offset as u64, &[image[offset] ^ 0x10]);
        match examine(&copy) {
            Found::Refused(why) => {
                let said = ["opening the log", "reading the log", "the log holds events of the kind"];
                assert!(said.iter().any(|said| why.starts_with(said)), "{why}");
                counts[0] += 1;
            }
            Found::Named => counts[1] += 1,
            Found::Whole(events) => {
                assert!(events == whole, "offset {offset}: events were lost or changed in silence");
                counts[2] += 1;
            }
        }
        offset += stride;
    }
    assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}: some flips have to be found");
}

#[test]
fn a_bit_flipped_anywhere_in_a_database_that_was_closed_is_found_or_harmless() {
    let house = lived_in();
    quietly(|| flip_everywhere(&house, 97));
}

#[test]
fn a_bit_flipped_anywhere_in_a_database_that_was_killed_is_found_or_harmless() {
    let house = killed();
    // Each copy is repaired by redb at opening; what it falls back to is compared with the witness.
    let kept = house.disk.fork(7);
    let reference = House::on(kept);
    let whole = events(&House::on(reference.disk.fork(8)));
    quietly(|| {
        let image = reference.disk.get(database()).unwrap();
        let mut offset = 0;
        let mut refused = 0;
        while offset < image.len() {
            if image[offset..image.len().min(offset + 64)].iter().all(|byte| *byte == 0) {
                offset += 64;
                continue;
            }
            let copy = House::on(reference.disk.fork(offset as u64));
            copy.disk.corrupt(database(), offset as u64, &[image[offset] ^ 0x04]);
            match examine(&copy) {
                Found::Refused(_) => refused += 1,
                Found::Named => {}
                Found::Whole(events) => {
                    assert!(events == whole, "offset {offset}: lost or changed in silence");
                }
            }
            offset += 131;
        }
        assert!(refused > 0);
    });
}

#[test]
fn a_database_that_was_cut_or_emptied_is_refused() {
    let house = lived_in();
    let image = house.disk.get(database()).unwrap();
    quietly(|| {
        for keep in
            [0, 1, 100, 4096, 5000, image.len() / 3, image.len() / 2, image.len() - 4096, image.len() - 1]
        {
            let copy = House::on(house.disk.fork(1));
            copy.disk.put(database(), &image[..keep]);
            match examine(&copy) {
                Found::Refused(why) => {
                    assert!(why.contains("opening the log") || why.contains("reading"), "{why}");
                }
                Found::Named => {}
                Found::Whole(events) => {
                    assert_eq!(events.len(), 12 * 5, "cut at {keep}: events were lost in silence");
                }
            }
        }
    });
}

#[test]
fn a_database_that_is_gone_while_its_witness_is_there_is_refused_and_not_begun_anew() {
    let house = lived_in();
    house.disk.remove(Path::new(&database())).unwrap();
    let error = Engine::open(house.options()).err().expect("it is refused");
    assert!(matches!(error, Error::Behind { found: 0, acknowledged: 60, .. }), "{error}");
}

#[test]
fn an_older_copy_of_the_database_is_refused() {
    let house = lived_in();
    let older = house.disk.get(database()).unwrap();
    house.run("later", [note_op("x")]);
    house.disk.put(database(), &older);
    let error = Engine::open(house.options()).err().expect("it is refused");
    assert!(matches!(error, Error::Behind { found: 60, acknowledged: 63, .. }), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let house = House::new();
    house.disk.put(database(), b"a shopping list");
    let error = Engine::open(house.options()).err().expect("it is refused");
    assert!(error.to_string().contains("nothing was repaired"), "{error}");
    assert_eq!(house.disk.get(database()).unwrap(), b"a shopping list");
}

/// Changes the tables through redb's own interface, as somebody with the file in hand would.
pub(crate) fn tamper(house: &House, change: impl FnOnce(&redb::WriteTransaction)) {
    let file = house.disk.open(Path::new(&database()), Open::Write).unwrap();
    let db = Database::builder().create_with_backend(Backend::new(file)).unwrap();
    let txn = db.begin_write().unwrap();
    change(&txn);
    txn.commit().unwrap();
    drop(db);
    assert!(house.disk.get(witness()).is_some());
}

pub(crate) fn log_rows(house: &House) -> Vec<(u64, Vec<u8>)> {
    let file = house.disk.open(Path::new(&database()), Open::Write).unwrap();
    let db = Database::builder().create_with_backend(Backend::new(file)).unwrap();
    let log = db.begin_read().unwrap().open_table(LOG).unwrap();
    log.iter()
        .unwrap()
        .map(|row| row.map(|(first, row)| (first.value(), row.value().to_vec())).unwrap())
        .collect()
}

/// What the check of the log says, or opening if it is refused there.
fn fault_of(house: &House) -> String {
    match Engine::open(house.options()) {
        Err(error) => error.to_string(),
        Ok(engine) => {
            let fault = engine.verify().unwrap().fault.expect("the fault is found");
            format!("{}: {}", fault.place, fault.what)
        }
    }
}

type LogRows = [(u64, Vec<u8>)];

fn check_tampering(change: impl Fn(&redb::WriteTransaction, &LogRows), wanted: impl Fn(&LogRows) -> String) {
    for keep_witness in [true, false] {
        let house = lived_in();
        let rows = log_rows(&house);
        assert!(rows.len() > 5, "{} rows", rows.len());
        tamper(&house, |txn| change(txn, &rows));
        if !keep_witness {
            house.disk.remove(Path::new(&witness())).unwrap();
        }
        let (fault, wanted) = (fault_of(&house), wanted(&rows));
        assert!(fault.contains(&wanted), "{fault} instead of {wanted}");
    }
}

#[test]
fn an_altered_event_is_named() {
    let of_x = |rows: &LogRows| {
        let has_x = |row: &[u8]| row.windows(3).position(|window| window == b"xxx");
        let found = rows[2..].iter().find_map(|(first, row)| Some((*first, row.clone(), has_x(row)?)));
        found.expect("a note of x")
    };
    check_tampering(
        |txn, rows| {
            let (first, mut row, place) = of_x(rows);
            row[place] = b'y';
            txn.open_table(LOG).unwrap().insert(first, row.as_slice()).unwrap();
        },
        |_| "changed: it decodes, and is not what was written".to_owned(),
    );
}

#[test]
fn a_removed_row_is_named() {
    check_tampering(
        |txn, rows| {
            txn.open_table(LOG).unwrap().remove(rows[4].0).unwrap();
        },
        |rows| format!("removed: the row after event {} begins", rows[4].0 - 1),
    );
}

#[test]
fn two_rows_that_changed_places_are_named() {
    check_tampering(
        |txn, rows| {
            let mut log = txn.open_table(LOG).unwrap();
            log.insert(rows[2].0, rows[3].1.as_slice()).unwrap();
            log.insert(rows[3].0, rows[2].1.as_slice()).unwrap();
        },
        |rows| format!("the row of event {} stands in the place of event {}", rows[3].0, rows[2].0),
    );
}

#[test]
fn a_log_cut_at_its_end_is_named() {
    check_tampering(
        |txn, rows| {
            txn.open_table(LOG).unwrap().remove(rows[rows.len() - 1].0).unwrap();
        },
        |rows| format!("its head is event 60, but its last is event {}", rows[rows.len() - 1].0 - 1),
    );
}

#[test]
fn a_log_cut_while_it_is_open_is_named_by_verify() {
    let house = lived_in();
    let engine = Engine::open(house.options()).unwrap();
    assert_eq!(engine.verify().unwrap().fault, None);
    let rows: Vec<u64> = log_rows_of(&engine);
    engine.shared.store.tamper(|txn| {
        txn.open_table(LOG).unwrap().remove(rows[rows.len() - 1]).unwrap();
    });
    let fault = engine.verify().unwrap().fault.expect("it is found");
    assert!(fault.what.contains("later events were removed"), "{fault:?}");
}

fn log_rows_of(engine: &Engine<World>) -> Vec<u64> {
    let snapshot = engine.shared.store.snapshot().unwrap();
    snapshot.log.iter().unwrap().map(|row| row.unwrap().0.value()).collect()
}

#[test]
fn one_projection_row_that_was_altered_added_or_removed_is_named() {
    type Tamper = fn(&redb::WriteTransaction, &[u8]);

    let name_row = b"name\x00100000/cn-a\x00n3".as_slice();
    let cases: [(&str, Tamper); 3] = [
        ("it is not what the log comes to", |txn, key| {
            let mut rows = txn.open_table(ROWS).unwrap();
            let mut row = rows.get(key).unwrap().unwrap().value().to_vec();
            let end = row.len() - 1;
            row[end] ^= 1;
            rows.insert(key, row.as_slice()).unwrap();
        }),
        ("it is missing", |txn, key| {
            txn.open_table(ROWS).unwrap().remove(key).unwrap();
        }),
        ("the log does not account for it", |txn, key| {
            let mut rows = txn.open_table(ROWS).unwrap();
            let row = rows.get(key).unwrap().unwrap().value().to_vec();
            rows.insert([key, b"0"].concat().as_slice(), row.as_slice()).unwrap();
        }),
    ];
    for (what, change) in cases {
        let house = lived_in();
        tamper(&house, |txn| change(txn, name_row));
        let engine = Engine::open(house.options()).unwrap();
        assert_eq!(engine.verify().unwrap().fault, None, "the log itself is whole");
        let rebuilt = engine.rebuild().unwrap();
        assert_eq!(rebuilt.differing, 1);
        assert!(rebuilt.faults[0].place.starts_with("row `name/100000/cn-a/n3"), "{:?}", rebuilt.faults);
        assert_eq!(rebuilt.faults[0].what, what);
    }
}

#[test]
fn a_damaged_witness_is_no_witness_and_a_missing_one_is_written_anew() {
    let house = lived_in();
    house.disk.corrupt(witness(), 3, &[0xff]);
    house.run("later", [note_op("x")]);
    house.disk.remove(Path::new(&witness())).unwrap();
    house.run("latest", [note_op("x")]);
    assert_eq!(house.disk.get(witness()).unwrap()[..8], 66u64.to_le_bytes());
    house.check();
}
