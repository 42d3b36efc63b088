//! What `verify` says of an archive that somebody has been at: which segment, and in it which events. Whoever reads
//! what is not as it was written is refused, by name, and everybody else goes on.

use std::path::Path;

use event::Seq;
use files::Files as _;
use redb::ReadableTable as _;

use crate::archive::Archive;
use crate::archiving::prove;
use crate::segment::{Block, Opened, Packing, Segment};
use crate::store::SEGMENTS;
use crate::tests_archive::{ALL, archive, long_lived};
use crate::tests_damage::{quietly, tamper};
use crate::tests_kit::*;
use crate::{ARCHIVE, Damage, Engine, Error, Fault, State, examine};

/// A house with an archive of several segments, and what they are.
fn archived() -> (House, Vec<Segment>) {
    let house = long_lived();
    house.live(async |engine| archive(engine, ALL).await);
    let engine = Engine::open(house.options()).unwrap();
    let segments = engine.shared.store.snapshot().unwrap().archive.segments().unwrap().to_vec();
    assert!(segments.len() > 3);
    drop(engine);
    (house, segments)
}

fn path(segment: &Segment) -> String {
    format!("{DIR}/{ARCHIVE}/{}", segment.name())
}

/// Rows, each with the number of its first event.
type Rows = Vec<(u64, Vec<u8>)>;

/// The rows of a segment.
fn rows_of(house: &House, segment: &Segment) -> Rows {
    let archive = Archive::empty(house.disk.mount(), Path::new(DIR));
    let opened = Opened::of(archive.bytes_of(segment).unwrap()).unwrap();
    let blocks = (0..opened.blocks()).map(|index| opened.block(index).unwrap().0);
    let rows = |block: Block| {
        let rows =
            (0..block.len()).filter_map(|row| block.row(row).map(|(first, row)| (first, row.to_vec())));
        rows.collect::<Vec<_>>()
    };
    blocks.flat_map(rows).collect()
}

/// The faults of a house that was tampered with, found by whoever has it open and by whoever only looks.
fn faults(house: &House) -> Vec<Fault> {
    let files: std::sync::Arc<dyn files::Files> = house.disk.mount();
    let looked = quietly(|| examine(&files, Path::new(DIR), &[]).unwrap().verified);
    let opened = Engine::open(house.options()).unwrap().verify().unwrap();
    assert_eq!(opened.faults, looked.faults);
    assert_eq!(opened.head, looked.head);
    assert!(looked.head > Seq(100), "it is walked to the end");
    looked.faults
}

/// The one fault of a house in which something was done to the second segment.
fn only(change: impl FnOnce(&House, &[Segment])) -> (Fault, Vec<Segment>) {
    let (house, segments) = archived();
    change(&house, &segments);
    let faults = faults(&house);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].what.contains(&segments[1].name()), "{faults:?}");
    // Whoever reads what lies there is told, and who reads what lies elsewhere is not.
    let engine = Engine::open(house.options()).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let error = snapshot.record(segments[1].first).unwrap_err().to_string();
    assert!(error.contains(&segments[1].name()) && error.contains("audit verify"), "{error}");
    assert!(snapshot.record(segments[0].first).unwrap().is_some());
    assert!(snapshot.record(segments[2].first).unwrap().is_some());
    assert!(engine.at(segments[2].last).is_err(), "the past leads through it");
    drop(engine);
    house.live(async |engine| {
        engine.run(actor(), "later", Script(vec![note_op("it goes on")])).await.unwrap();
    });
    (faults[0].clone(), segments)
}

fn range(segment: &Segment) -> (Seq, Seq) {
    (segment.first, segment.last)
}

#[test]
fn an_archive_that_nobody_touched_is_whole() {
    let (house, _) = archived();
    assert_eq!(faults(&house), []);
}

#[test]
fn a_segment_that_is_gone_is_told_with_its_events() {
    let (fault, segments) =
        only(|house, segments| house.disk.remove(Path::new(&path(&segments[1]))).unwrap());
    assert_eq!((fault.damage, fault.events), (Damage::Removed, Some(range(&segments[1]))));
}

#[test]
fn a_segment_in_the_place_of_another_is_told_as_such() {
    let (fault, segments) = only(|house, segments| {
        let other = house.disk.get(path(&segments[2])).unwrap();
        house.disk.put(path(&segments[1]), &other);
    });
    assert_eq!((fault.damage, fault.events), (Damage::Swapped, Some(range(&segments[1]))));
    let held = format!("holds events {} to {}", segments[2].first, segments[2].last);
    assert!(fault.what.contains(&held), "{fault:?}");
}

#[test]
fn a_segment_of_another_house_is_told_as_such() {
    let (fault, segments) = only(|house, segments| {
        let other = House::new();
        other.clock.pass(5);
        other.live(async |engine| {
            for n in 0..200 {
                engine.run(actor(), &format!("other{n}"), Script(vec![note_op("other")])).await.unwrap();
            }
            archive(engine, ALL).await;
        });
        let engine = Engine::open(other.options()).unwrap();
        let theirs = engine.shared.store.snapshot().unwrap().archive.segments().unwrap().to_vec();
        house.disk.put(path(&segments[1]), &other.disk.get(path(&theirs[1])).unwrap());
    });
    assert_eq!((fault.damage, fault.events), (Damage::Changed, Some(range(&segments[1]))));
    assert!(fault.what.contains("another log"), "{fault:?}");
}

#[test]
fn a_segment_that_is_cut_off_is_told_from_the_first_event_that_is_missing() {
    let (fault, segments) = only(|house, segments| {
        let whole = house.disk.get(path(&segments[1])).unwrap();
        house.disk.put(path(&segments[1]), &whole[..whole.len() - 40]);
    });
    let (first, last) = fault.events.unwrap();
    assert_eq!((fault.damage, last), (Damage::CutOff, segments[1].last));
    assert!(first > segments[1].first, "what is before the cut is read: {fault:?}");
}

#[test]
fn a_record_that_somebody_changed_in_a_segment_and_packed_again_is_named() {
    let mut wanted = None;
    let (fault, _) = only(|house, segments| {
        let mut rows = rows_of(house, &segments[1]);
        let note = |row: &[u8]| row.windows(6).position(|window| window == b"xxxxxx");
        let found = rows.iter().enumerate().find_map(|(index, (_, row))| Some((index, note(row)?)));
        let (index, place) = found.unwrap();
        let (first, row) = &mut rows[index];
        let place = place + 2;
        let records = crate::chain::read(row).unwrap();
        let mut from = 32;
        for record in &records {
            let (bytes, _) = crate::chain::one(row, from).unwrap();
            from = bytes.end;
            if bytes.contains(&place) {
                wanted = Some((record.seq, record.flow, *first));
            }
        }
        row[place] = b'y';
        let bytes = repacked(&segments[1], &rows);
        house.disk.put(path(&segments[1]), &bytes);
    });
    let (seq, flow, row) = wanted.unwrap();
    assert_eq!((fault.damage, fault.events), (Damage::Changed, Some((seq, seq))));
    assert_eq!((fault.flow, fault.row), (Some(flow), Some(row)));
}

/// A segment of rows that are not proved, as somebody would make it who knows the format.
fn repacked(segment: &Segment, rows: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut packing = Packing::begin(Some(segment.log), segment.before).unwrap();
    for (first, row) in rows {
        packing.forge(*first, row);
    }
    packing.finish_as(segment)
}

#[test]
fn every_flipped_byte_of_a_segment_is_found_and_leaves_the_others_above_suspicion() {
    let (house, segments) = archived();
    let segment = &segments[1];
    let whole = house.disk.get(path(segment)).unwrap();
    let blocks = Opened::of(whole.clone()).unwrap().blocks();
    assert!(blocks > 1);
    let mut narrow = 0;
    // Of the last block every byte: a flipped bit there can unpack to more events than the segment has.
    let tail = whole.len() - 400;
    for place in (0..tail).step_by(37).chain(tail..whole.len()) {
        let copy = House::on(house.disk.fork(place as u64));
        copy.disk.corrupt(path(segment), place as u64, &[whole[place] ^ 0x20]);
        let faults = faults(&copy);
        assert!(!faults.is_empty(), "byte {place} is not found");
        for fault in &faults {
            let (first, last) = fault.events.unwrap();
            assert!(first >= segment.first && last <= segment.last, "byte {place}: {fault:?}");
            narrow += usize::from((first, last) != (segment.first, segment.last));
        }
    }
    assert!(narrow > 10, "{narrow} faults are told of less than the whole segment");
}

#[test]
fn a_flow_whose_beginning_is_in_a_segment_that_is_gone_parks_alone() {
    let house = House::new();
    let segment = house.crash(async |engine| {
        house.world.plan("slow", [Plan::Gate("slow")]);
        let script = Script(vec![note_op("first"), make("slow")]);
        engine.start(actor(), "long", script).await.unwrap();
        house.world.until_at_work("slow").await;
        for n in 0..20 {
            engine.run(actor(), &format!("r{n}"), Script(vec![note_op("x")])).await.unwrap();
        }
        archive(engine, ALL).await;
        engine.shared.store.snapshot().unwrap().archive.segments().unwrap()[0].clone()
    });
    house.disk.remove(Path::new(&path(&segment))).unwrap();
    house.live(async |engine| {
        let id = engine.snapshot().unwrap().started_by("long").unwrap();
        let flow = engine.wait(id).await.unwrap();
        assert!(flow.parked.is_some_and(|why| why.contains(&segment.name())));
        let other = engine.run(actor(), "other", Script(vec![note_op("x")])).await.unwrap();
        assert_eq!(other.state, crate::State::Done);
        assert!(matches!(engine.rebuild(), Err(Error::Read { .. })));
    });
}

#[test]
fn a_name_in_the_archive_that_is_damaged_is_told_when_it_is_wanted_and_what_is_younger_goes_on() {
    let house = long_lived();
    house.live(async |engine| archive(engine, ALL).await);
    tamper(&house, |txn| {
        let mut names = txn.open_table(SEGMENTS).unwrap();
        let (first, mut sealed) = {
            let row = names.first().unwrap().unwrap();
            (row.0.value(), row.1.value().to_vec())
        };
        *sealed.last_mut().unwrap() ^= 1;
        names.insert(first, sealed.as_slice()).unwrap();
    });
    house.live(async |engine| {
        let flow = engine.run(actor(), "after", Script(vec![note_op("after")])).await.unwrap();
        assert_eq!(flow.state, State::Done);
        let snapshot = engine.snapshot().unwrap();
        let end = engine.shared.store.snapshot().unwrap().archive.end();
        assert!(end > Seq(100) && snapshot.head().unwrap() > end);
        snapshot.record(end.next()).unwrap().expect("what is not archived is there");
        snapshot.record(Seq(1)).expect_err("what is archived cannot be found");
        let verified = engine.verify().unwrap();
        let [fault] = verified.faults.as_slice() else { panic!("{:?}", verified.faults) };
        assert_eq!((fault.damage, fault.events), (Damage::Changed, Some((Seq(1), end))));
        assert_eq!(verified.head, snapshot.head().unwrap(), "it is walked to the end");
    });
}

#[test]
fn a_segment_that_does_not_hold_just_the_rows_it_was_made_of_is_not_believed() {
    let house = long_lived();
    house.live(async |engine| {
        archive(engine, ALL).await;
        let store = &engine.shared.store;
        let snapshot = store.snapshot().unwrap();
        let segments = snapshot.archive.segments().unwrap();
        let rows = rows_of(&house, &segments[0]);
        let proved = |rows: &[(u64, Vec<u8>)]| prove(store, &snapshot, &segments[0], rows);
        proved(&rows).unwrap();
        let told = |what: &str, change: &dyn Fn(&mut Rows)| {
            let mut rows = rows.clone();
            change(&mut rows);
            assert!(proved(&rows).unwrap_err().contains("is not what was written"), "{what}");
        };
        told("a bit of a row", &|rows| *rows[1].1.last_mut().unwrap() ^= 1);
        told("where a row begins", &|rows| rows[1].0 += 1);
        told("one row less", &|rows| drop(rows.pop()));
        told("one row more", &|rows| rows.push(rows[0].clone()));
        let other = Segment { digest: [7; 32], ..segments[0].clone() };
        prove(store, &snapshot, &other, &rows).expect_err("another file");
    });
}
