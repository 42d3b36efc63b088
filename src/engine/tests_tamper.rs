//! What `verify` says of a log that somebody edited with the file in hand: which record, and what was done to
//! it. Each test edits the log table through redb itself and asserts the whole report; what is around the place
//! has to be called sound.

use event::{Record, Seq};
use redb::{ReadableTable, WriteTransaction};

use crate::audit::Verified;
use crate::chain::{self, GENESIS, Hash};
use crate::store::{LOG, META};
use crate::tests_damage::{lived_in, log_rows, quietly, tamper};
use crate::tests_kit::*;
use crate::{Damage, Fault, WITNESS, examine};

/// Which events it is about, by the rows' keys, the place of a large one, and the last event.
type Events<'a> = &'a dyn Fn(&[u64], usize, u64) -> (u64, u64);
/// What somebody does to the rows of a log.
type Change<'a> = &'a dyn Fn(&WriteTransaction, &[(u64, Vec<u8>)]);

/// A house whose log has rows of several records, of several flows.
fn house() -> House {
    let house = lived_in();
    house.run("many", (0..40).map(|n| note_op(&format!("note {n:03}"))));
    house.run("after", [take_op("last"), note_op("the end")]);
    house
}

/// Where the records of a row lie.
fn records(row: &[u8]) -> Vec<(std::ops::Range<usize>, Record)> {
    let mut found = Vec::new();
    let mut at = 32;
    while chain::checks(&row[at..]).is_none() {
        let (bytes, record) = chain::one(row, at).unwrap();
        at = bytes.end;
        found.push((bytes, record));
    }
    assert!(!found.is_empty());
    found
}

/// A row of at least six records that is not the last, and its place among the rows.
fn large_row(rows: &[(u64, Vec<u8>)]) -> usize {
    let large = |(_, row): &(u64, Vec<u8>)| records(row).len() >= 6;
    rows[..rows.len() - 2].iter().rposition(large).expect("forty notes are several large rows")
}

fn put(txn: &WriteTransaction, key: u64, row: &[u8]) {
    txn.open_table(LOG).unwrap().insert(key, row).unwrap();
}

/// The report on a house of which one row was replaced, by whoever looks without opening.
fn report(house: &House) -> Verified {
    let files: std::sync::Arc<dyn files::Files> = house.disk.mount();
    quietly(|| examine(&files, std::path::Path::new(DIR), &[]).unwrap().verified)
}

/// The report on a house of which one row was replaced.
fn of_row(change: impl FnOnce(&mut Vec<u8>, &[(std::ops::Range<usize>, Record)])) -> (u64, Verified) {
    let house = house();
    let rows = log_rows(&house);
    let (key, mut row) = rows[large_row(&rows)].clone();
    let parts = records(&row);
    change(&mut row, &parts);
    tamper(&house, |txn| put(txn, key, &row));
    (key, report(&house))
}

/// The one fault there is.
fn only(report: &Verified) -> &Fault {
    assert_eq!((report.damaged, report.faults.len()), (1, 1), "{report:?}");
    assert_eq!(report.fault.as_ref(), report.faults.first());
    &report.faults[0]
}

#[test]
fn a_house_that_nobody_touched_is_whole_for_whoever_looks_without_opening() {
    let house = house();
    let before = house.disk.get(format!("{DIR}/{}", crate::DATABASE)).unwrap();
    let found = report(&house);
    assert_eq!((found.fault, found.damaged), (None, 0));
    assert_eq!(found.events, found.head.0);
    assert!(house.disk.get(format!("{DIR}/{}", crate::DATABASE)).unwrap() == before, "looking changed it");
    house.live(async |engine| assert_eq!(engine.verify().unwrap().head_hash, found.head_hash));
}

#[test]
fn a_changed_letter_names_the_record_its_flow_its_kind_and_its_bytes() {
    let (key, report) = of_row(|row, parts| {
        let (bytes, _) = &parts[3];
        let place = row[bytes.clone()].windows(5).position(|window| window == b"note ").unwrap();
        row[bytes.start + place] = b'v';
    });
    let fault = only(&report);
    let seq = Seq(key + 3);
    assert_eq!((fault.damage, fault.events, fault.row), (Damage::Changed, Some((seq, seq)), Some(key)));
    assert_eq!(
        (fault.place.clone(), fault.kind.as_deref()),
        (format!("event {seq}"), Some("note.written/1"))
    );
    assert!(fault.flow.is_some() && fault.bytes.as_ref().is_some_and(|bytes| bytes.len() > 100), "{fault:?}");
}

#[test]
fn a_record_that_does_not_decode_any_more_is_told_by_its_place_and_by_what_continues_it() {
    for garbled in [0xc1, 0xff, 0x00, 0xc4] {
        let mut flow = None;
        let (key, report) = of_row(|row, parts| {
            flow = Some(parts[2].1.flow);
            row[parts[2].0.start] = garbled;
        });
        let fault = only(&report);
        let seq = Seq(key + 2);
        assert_eq!((fault.damage, fault.events, fault.row), (Damage::Changed, Some((seq, seq)), Some(key)));
        assert_eq!((fault.kind.clone(), fault.flow), (None, flow), "{garbled:x}");
    }
}

#[test]
fn every_byte_of_a_row_names_the_record_it_lies_in() {
    let house = house();
    let rows = log_rows(&house);
    let (key, whole) = rows[large_row(&rows)].clone();
    let parts = records(&whole);
    let checks_from = parts.last().unwrap().0.end;
    let keep = house.disk.fork(1);
    for place in (0..whole.len()).step_by(13) {
        let copy = House::on(keep.fork(place as u64));
        let mut row = whole.clone();
        row[place] ^= 0x11;
        tamper(&copy, |txn| put(txn, key, &row));
        let report = report(&copy);
        let fault = report.fault.clone().unwrap_or_else(|| panic!("byte {place} is not found"));
        assert_eq!(fault.row, Some(key), "byte {place}: {fault:?}");
        let (first, last) = fault.events.unwrap();
        if let Some(index) = parts.iter().position(|(bytes, _)| bytes.contains(&place)) {
            let seq = Seq(key + index as u64);
            assert_eq!((first, last, report.damaged), (seq, seq, 1), "byte {place}: {report:?}");
        } else {
            assert!(place < 32 || place >= checks_from);
            assert!(first.0 >= key && last.0 < key + parts.len() as u64, "byte {place}: {fault:?}");
        }
    }
}

#[test]
fn a_record_that_was_removed_inserted_or_swapped_within_its_row_is_told_as_such() {
    let (key, report) = of_row(|row, parts| drop(row.drain(parts[1].0.clone())));
    let fault = only(&report);
    assert_eq!((fault.damage, fault.events), (Damage::Removed, Some((Seq(key + 1), Seq(key + 1)))));

    let (key, report) = of_row(|row, parts| {
        let forged = Record { kind: "note.written/1".into(), payload: vec![0x80], ..parts[2].1.clone() };
        let forged = rmp_serde::to_vec_named(&forged).unwrap();
        row.splice(parts[2].0.start..parts[2].0.start, forged);
    });
    let fault = only(&report);
    assert_eq!((fault.damage, fault.events), (Damage::Inserted, Some((Seq(key + 2), Seq(key + 2)))));
    assert_eq!(fault.kind.as_deref(), Some("note.written/1"));

    let (key, report) = of_row(|row, parts| {
        let two = [&row[parts[2].0.clone()], &row[parts[1].0.clone()]].concat();
        row.splice(parts[1].0.start..parts[2].0.end, two);
    });
    let fault = only(&report);
    assert_eq!((fault.damage, fault.events), (Damage::Swapped, Some((Seq(key + 1), Seq(key + 2)))));
}

#[test]
fn whole_rows_that_are_gone_swapped_doubled_or_cut_off_are_told_as_such() {
    let check = |change: Change<'_>, damage, events: Events<'_>| {
        let house = house();
        let rows = log_rows(&house);
        tamper(&house, |txn| change(txn, &rows));
        let report = report(&house);
        let keys: Vec<u64> = rows.iter().map(|(key, _)| *key).collect();
        let head = records(&rows.last().unwrap().1).last().unwrap().1.seq.0;
        let (first, last) = events(&keys, large_row(&rows), head);
        assert_eq!(only(&report).damage, damage, "{report:?}");
        assert_eq!(only(&report).events, Some((Seq(first), Seq(last))), "{report:?}");
    };
    check(
        &|txn, rows| drop(txn.open_table(LOG).unwrap().remove(rows[4].0).unwrap()),
        Damage::Removed,
        &|keys, _, _| (keys[4], keys[5] - 1),
    );
    check(
        &|txn, rows| {
            put(txn, rows[4].0, &rows[7].1);
            put(txn, rows[7].0, &rows[4].1);
        },
        Damage::Swapped,
        &|keys, _, _| (keys[4], keys[7]),
    );
    check(&|txn, rows| put(txn, rows[4].0, &rows[7].1), Damage::Changed, &|keys, _, _| (keys[4], keys[4]));
    check(
        &|txn, rows| {
            let large = large_row(rows);
            put(txn, rows[large].0 + 1, &rows[large].1);
        },
        Damage::Inserted,
        &|keys, large, _| (keys[large] + 1, keys[large] + 1),
    );
    check(
        &|txn, rows| {
            let mut log = txn.open_table(LOG).unwrap();
            rows[rows.len() - 2..].iter().for_each(|(key, _)| drop(log.remove(key).unwrap()));
        },
        Damage::CutOff,
        &|keys, _, head| (keys[keys.len() - 2], head),
    );
    check(
        &|txn, rows| {
            let (mut next, mut hash) = (rows.last().unwrap().clone(), GENESIS);
            let last = records(&next.1).last().unwrap().1.clone();
            let forged = Record { seq: last.seq.next(), ..last };
            hash.copy_from_slice(&next.1[..32]);
            next = chain::pack(&[forged], &mut hash).remove(0);
            put(txn, next.0, &next.1);
        },
        Damage::Inserted,
        &|_, _, head| (head + 1, head + 1),
    );
}

#[test]
fn a_row_written_anew_with_its_hash_is_given_away_by_the_next() {
    let house = house();
    let rows = log_rows(&house);
    let place = large_row(&rows);
    let (key, row) = &rows[place];
    let mut records: Vec<Record> = records(row).into_iter().map(|(_, record)| record).collect();
    records[1].actor.account = "666".into();
    let mut hash: Hash = chain::hash_of(&rows[place - 1].1).unwrap();
    let forged = chain::pack(&records, &mut hash);
    tamper(&house, |txn| put(txn, *key, &forged[0].1));
    let report = report(&house);
    let fault = only(&report);
    assert_eq!((fault.damage, fault.row), (Damage::Rewritten, Some(rows[place + 1].0)));
    assert!(fault.what.contains(&format!("ends at event {}", rows[place + 1].0 - 1)), "{fault:?}");
    assert!(fault.what.contains("what comes later follows"), "{fault:?}");
}

/// A row with these records, and checks that fit them.
fn row_of(records: &[&[u8]]) -> Vec<u8> {
    let checks: Vec<u8> = records.iter().flat_map(|record| chain::check_of(record)).collect();
    let length = u8::try_from(checks.len()).unwrap();
    [&GENESIS[..], &records.concat(), &[0xc4, length], &checks].concat()
}

/// What is done to a row's parts, given the records in them.
type Rewrite<'a> = &'a dyn Fn(&mut Vec<Vec<u8>>, &[Record]);

#[test]
fn rows_rewritten_up_to_the_head_with_checks_and_hashes_still_have_to_hold_their_events() {
    // Goal: whoever rewrites everything that proves a row cannot put into it what is no event, or another number.
    // Method: one row is made anew around a changed record, and every hash behind it up to head and witness.
    let rewritten = |change: Rewrite<'_>| {
        let house = house();
        let mut rows = log_rows(&house);
        let place = large_row(&rows);
        let (key, row) = rows[place].clone();
        let (ranges, told): (Vec<_>, Vec<_>) = records(&row).into_iter().unzip();
        let mut parts: Vec<Vec<u8>> = ranges.into_iter().map(|range| row[range].to_vec()).collect();
        change(&mut parts, &told);
        rows[place].1 = row_of(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut hash = chain::hash_of(&rows[place - 1].1).unwrap();
        for (key, row) in &mut rows[place..] {
            hash = chain::link(&hash, *key, &row[32..]);
            row[..32].copy_from_slice(&hash);
        }
        let store = crate::store::Store::open(house.disk.mount(), std::path::Path::new(DIR)).unwrap();
        let head = crate::store::Head { hash, ..store.snapshot().unwrap().head().unwrap() };
        let log = rows.split_off(place);
        store.commit(&crate::store::Changes { log, head: Some(head), ..Default::default() }).unwrap();
        drop(store);
        (key, report(&house))
    };
    let (key, untouched) = rewritten(&|_, _| ());
    assert_eq!((untouched.fault, key > 1), (None, true), "what is written anew as it was is what it was");

    let (key, found) = rewritten(&|parts, _| parts[2].fill(0xc1));
    let fault = only(&found);
    assert_eq!((fault.damage, fault.events), (Damage::Changed, Some((Seq(key + 2), Seq(key + 2)))));
    assert!(fault.what.contains("does not decode any more") && fault.row == Some(key), "{fault:?}");

    let (key, found) = rewritten(&|parts, told| {
        let other = Record { seq: Seq(told[2].seq.0 + 100), ..told[2].clone() };
        parts[2] = rmp_serde::to_vec_named(&other).unwrap();
    });
    let fault = only(&found);
    assert_eq!((fault.damage, fault.events), (Damage::Changed, Some((Seq(key + 2), Seq(key + 2)))));
    assert!(fault.what.contains(&format!("it says that it is event {}", key + 102)), "{fault:?}");

    let (key, found) = rewritten(&|parts, _| parts.clear());
    assert_eq!(found.faults[0].damage, Damage::Removed, "{found:?}");
    assert_eq!(found.faults[0].events, Some((Seq(key), Seq(key))));
}

#[test]
fn a_hash_that_was_changed_leaves_its_events_above_suspicion() {
    let (key, report) = of_row(|row, _| row[5] ^= 1);
    let fault = only(&report);
    assert_eq!((fault.damage, fault.bytes.clone(), fault.row), (Damage::Changed, Some(0..32), Some(key)));
    assert!(fault.what.contains("the hash of their row is another"), "{fault:?}");
}

#[test]
fn several_places_are_all_named_and_the_rest_is_sound() {
    let house = house();
    let rows = log_rows(&house);
    tamper(&house, |txn| {
        for (key, row) in [&rows[2], &rows[6]] {
            let mut row = row.clone();
            let end = records(&row)[0].0.end;
            row[end - 1] ^= 1;
            put(txn, *key, &row);
        }
        txn.open_table(LOG).unwrap().remove(rows[4].0).unwrap();
    });
    let report = report(&house);
    let told: Vec<_> = report.faults.iter().map(|fault| (fault.damage, fault.events.unwrap().0.0)).collect();
    let wanted = [(Damage::Changed, rows[2].0), (Damage::Removed, rows[4].0), (Damage::Changed, rows[6].0)];
    assert_eq!(told, wanted);
    assert_eq!(report.damaged, 3);
}

#[test]
fn a_note_of_the_end_that_was_damaged_and_a_log_that_is_behind_its_witness_are_told() {
    let house = house();
    tamper(&house, |txn| {
        let mut meta = txn.open_table(META).unwrap();
        let mut head = meta.get("head").unwrap().unwrap().value().to_vec();
        head[12] ^= 1;
        meta.insert("head", head.as_slice()).unwrap();
    });
    assert_eq!(only(&report(&house)).damage, Damage::Head);

    let house = lived_in();
    let older = house.disk.get(format!("{DIR}/{}", crate::DATABASE)).unwrap();
    house.run("later", [note_op("x")]);
    house.disk.put(format!("{DIR}/{}", crate::DATABASE), &older);
    let report_of_older = report(&house);
    let fault = only(&report_of_older);
    assert_eq!((fault.damage, fault.events), (Damage::CutOff, Some((Seq(61), Seq(63)))));
    assert!(house.disk.get(format!("{DIR}/{WITNESS}")).is_some());
}

#[test]
fn a_row_of_before_there_were_checks_is_read_and_its_fault_told_as_near_as_can_be() {
    let house = house();
    let rows = log_rows(&house);
    // The whole log as it was written before: the same records, no checks, chained anew.
    let mut hash = GENESIS;
    let old: Vec<(u64, Vec<u8>)> = rows
        .iter()
        .map(|(key, row)| {
            let end = records(row).last().unwrap().0.end;
            let mut row = row[..end].to_vec();
            hash = chain::link(&hash, *key, &row[32..]);
            row[..32].copy_from_slice(&hash);
            (*key, row)
        })
        .collect();
    let write = |house: &House, rows: &[(u64, Vec<u8>)]| {
        tamper(house, |txn| {
            for (key, row) in rows {
                put(txn, *key, row);
            }
        });
    };
    write(&house, &old);
    let sound = report(&house);
    assert_eq!(only(&sound).damage, Damage::Head, "only the note of the end knows the other chain");
    let place = large_row(&rows);
    let mut changed = old.clone();
    let end = changed[place].1.len();
    changed[place].1[end - 1] ^= 1;
    write(&house, &changed);
    let found = report(&house);
    let fault = found.fault.clone().unwrap();
    assert_eq!((fault.damage, fault.row), (Damage::Changed, Some(rows[place].0)));
    let (first, last) = fault.events.unwrap();
    assert!(first.0 == rows[place].0 && last.0 < rows[place + 1].0, "{fault:?}");
}

#[test]
fn a_projection_row_that_was_changed_names_the_record_that_wrote_it() {
    let house = house();
    let wanted = house.live(async |engine| {
        let snapshot = engine.snapshot().unwrap();
        let taken = snapshot.records_where(Seq(1), Seq(u64::MAX), 1000, |record| {
            record.get::<Taken>().is_ok_and(|taken| taken.name == "n3")
        });
        taken.unwrap().records[0].clone()
    });
    tamper(&house, |txn| {
        let key = b"name\x00100000/cn-a\x00n3".as_slice();
        txn.open_table(crate::store::ROWS).unwrap().insert(key, b"another".as_slice()).unwrap();
    });
    house.live(async |engine| {
        let rebuilt = engine.rebuild().unwrap();
        let fault = &rebuilt.faults[0];
        assert_eq!((rebuilt.differing, fault.damage), (1, Damage::Projection));
        assert_eq!(fault.events, Some((wanted.seq, wanted.seq)));
        assert_eq!((fault.flow, fault.kind.as_deref()), (Some(wanted.flow), Some("name.taken/1")));
    });
}
