//! The archive: what is in it is read as if it were in the log, by whoever reads the log, and the log's database
//! forgets it.
//!
//! A house with a long life is asked everything twice, before its log is archived and after; the answers have to be
//! the same, down to the bytes of rows. What a run has to forget it really forgets, which is looked at in the tables.

use std::path::Path;

use event::{Rows, Seq};
use redb::ReadableTableMetadata as _;

use crate::ended::TABLES;
use crate::tests_kit::*;
use crate::{
    ARCHIVE, Archived, Chore, ENDED, Engine, Error, Filter, FlowRow, Keep, Moment, State, Stretch, restore,
};

/// All but the last row of the log goes, in however small pieces, whatever the clock says.
pub(crate) const ALL: Keep = Keep { for_ms: -1_000_000_000_000, live_bytes: u64::MAX, parts: true };

/// Does what there is to be done; says how many segments and how many rows of flows.
pub(crate) async fn archive(engine: &Engine<World>, keep: Keep) -> (u64, u64) {
    let mut done = (0, 0);
    while let Some(chore) = engine.archive(keep).await.expect("it can be archived") {
        let Chore { segment, rows } = chore;
        if let Some(Stretch { first, last, raw_bytes, file_bytes }) = segment {
            assert!(first <= last && raw_bytes > 0 && file_bytes > 0);
            done.0 += 1;
        }
        done.1 += rows;
    }
    done
}

/// A house with a history of many flows: some refused, some cancelled and undone, one told something, one parked.
pub(crate) fn long_lived() -> House {
    let house = House::new();
    house.world.plan("bad", [Plan::Caller]);
    house.world.plan("broken", [Plan::Ours]);
    house.live(async |engine| {
        for n in 0..40 {
            house.clock.pass(1000);
            let ops = match n % 5 {
                0 => vec![take_op(&format!("n{n}")), note_op(&"x".repeat(300)), make(&format!("k{n}"))],
                1 => vec![take_op(&format!("m{n}")), Op::Refuse],
                2 => vec![note_op("y"), make("bad")],
                3 => vec![join([vec![note_op("a")], vec![note_op("b")]]), Op::Seal(format!("s{n}"))],
                _ => vec![note_op("z"), Op::Sleep(5)],
            };
            engine.run(actor(), &format!("r{n}"), Script(ops)).await.unwrap();
        }
        let parked = engine.run(actor(), "parked", Script(vec![take_op("p"), make("broken")])).await.unwrap();
        assert_eq!(parked.state, State::Parked);
        for n in 0..30 {
            house.clock.pass(10);
            engine.run(actor(), &format!("late{n}"), Script(vec![note_op("late")])).await.unwrap();
        }
    });
    house
}

/// What anybody can ask of a log, as one text.
#[derive(Debug, PartialEq)]
struct Answers {
    records: Vec<event::Record>,
    flows: Vec<FlowRow>,
    histories: Vec<Vec<event::Record>>,
    pages: Vec<Vec<FlowRow>>,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    requests: Vec<String>,
    times: Vec<Seq>,
    hashes: Vec<Option<[u8; 32]>>,
    log_rows: Vec<(Seq, Vec<u8>)>,
    past: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
    verified: crate::Verified,
    rebuilt: crate::Rebuilt,
}

fn rows_of(rows: &dyn Rows) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    rows.scan(b"", &mut |key, value| {
        all.push((key.to_vec(), value.to_vec()));
        true
    });
    all
}

fn answers(engine: &Engine<World>) -> Answers {
    let snapshot = engine.snapshot().unwrap();
    let records = snapshot.records(Seq(1), usize::MAX).unwrap();
    let flows = snapshot.flows(usize::MAX, |_| true).unwrap();
    let page = |filter: &Filter| snapshot.find(filter, None, 20).unwrap().flows;
    let mut log_rows = Vec::new();
    snapshot
        .log_rows::<Error>(Seq(1), |first, row| {
            log_rows.push((first, row.to_vec()));
            Ok(())
        })
        .unwrap();
    let head = snapshot.head().unwrap();
    let some = (1..=head.0).step_by(17).map(Seq);
    for record in &records {
        assert_eq!(snapshot.record(record.seq).unwrap().as_ref(), Some(record));
        let filter = |found: &event::Record| found.flow == record.flow;
        let page = snapshot.records_where(record.seq, record.seq, 1, filter).unwrap();
        assert_eq!(page.records.first(), Some(record));
    }
    Answers {
        histories: flows.iter().map(|flow| snapshot.records_of(flow).unwrap()).collect(),
        pages: vec![
            page(&Filter::default()),
            page(&Filter { states: vec![State::Undone], ..Filter::default() }),
            page(&Filter { states: vec![State::Done], names: vec!["script".into()], ..Filter::default() }),
            page(&Filter { states: vec![State::Parked], ..Filter::default() }),
            page(&Filter { until_ms: Some(records[records.len() / 3].time_ms), ..Filter::default() }),
        ],
        rows: rows_of(&snapshot),
        requests: snapshot.requests_under("r"),
        times: records.iter().map(|record| snapshot.seq_at(record.time_ms).unwrap()).collect(),
        hashes: (0..=head.0 + 1).map(|seq| snapshot.hash_at(Seq(seq)).unwrap()).collect(),
        past: some.map(|seq| rows_of(&engine.at(Moment::Event(seq)).unwrap())).collect(),
        verified: engine.verify().unwrap(),
        rebuilt: engine.rebuild().unwrap(),
        records,
        flows,
        log_rows,
    }
}

fn archived(engine: &Engine<World>) -> Archived {
    engine.archived().unwrap()
}

/// Rows of flows that are left in the log's database.
fn rows_left(engine: &Engine<World>) -> usize {
    let snapshot = engine.shared.store.snapshot().unwrap();
    let all = redb::ReadableTable::iter(&snapshot.rows).unwrap().map(|row| row.unwrap().0.value().to_vec());
    all.filter(|key| TABLES.iter().any(|table| key.starts_with(table))).count()
}

#[test]
fn an_archived_log_answers_whoever_reads_it_as_it_did_before() {
    let house = long_lived();
    let before = {
        let engine = Engine::open(house.options()).unwrap();
        (answers(&engine), rows_left(&engine))
    };
    assert!(before.0.verified.fault.is_none() && before.0.rebuilt.differing == 0);
    let (segments, rows) = house.live(async |engine| {
        let done = archive(engine, ALL).await;
        assert_eq!(answers(engine), before.0, "while it is open");
        done
    });
    assert!(segments > 2, "{segments} segments");
    assert!(rows > 100, "{rows} rows");
    let engine = Engine::open(house.options()).unwrap();
    assert_eq!(answers(&engine), before.0, "opened again");
    // And the database has really forgotten it.
    let left = engine.shared.store.snapshot().unwrap().log.len().unwrap();
    assert_eq!(left, 1, "rows of the log are left");
    let found = archived(&engine);
    assert_eq!((found.segments, found.ended_rows), (segments, rows));
    assert_eq!(found.last.0 + found.live_events, before.0.verified.head.0);
    assert!(found.file_bytes < found.raw_bytes, "{found:?}");
    assert_eq!(before.1 - rows_left(&engine), usize::try_from(rows).unwrap());
    assert!(rows_left(&engine) < before.1 / 3, "{} of {} rows are left", rows_left(&engine), before.1);
}

#[test]
fn a_flow_that_is_open_across_the_archive_goes_on_and_its_rows_follow_when_it_has_ended() {
    let house = House::new();
    let id = house.crash(async |engine| {
        house.world.plan("slow", [Plan::Gate("slow")]);
        let script = Script(vec![take_op("a"), note_op("b"), make("slow"), note_op("c")]);
        let id = engine.start(actor(), "long", script).await.unwrap();
        house.world.until_at_work("slow").await;
        for n in 0..60 {
            engine.run(actor(), &format!("r{n}"), Script(vec![note_op("x")])).await.unwrap();
        }
        archive(engine, ALL).await;
        assert!(archived(engine).segments > 0);
        id
    });
    // Its beginning is in the archive, and is what it is told again by.
    let flow = {
        house.world.open_gate("slow");
        house.rest(id)
    };
    assert_eq!(flow.state, State::Done);
    assert_eq!(house.world.calls_of("slow").len(), 2);
    house.live(async |engine| {
        let snapshot = engine.snapshot().unwrap();
        let key = crate::fold::FLOWS.key(crate::fold::house(), &[&id.to_string()]);
        let is_live = || {
            let snapshot = engine.shared.store.snapshot().unwrap();
            crate::store::get_row(&snapshot.rows, &key).is_some()
        };
        assert!(is_live());
        assert_eq!(snapshot.records_of(&flow).unwrap().len() as u64, flow.records);
        for n in 0..10 {
            engine.run(actor(), &format!("s{n}"), Script(vec![note_op("x")])).await.unwrap();
        }
        archive(engine, ALL).await;
        assert!(!is_live(), "it has ended, and its records are archived");
        assert_eq!(engine.snapshot().unwrap().flow(id), Some(flow.clone()));
        // The same request finds it, where it is now.
        let again = engine.start(actor(), "long", Script(vec![note_op("other")])).await.unwrap();
        assert_eq!(again, id);
    });
    house.check();
}

#[test]
fn what_is_younger_than_its_time_stays_unless_the_log_is_larger_than_it_may_be() {
    let house = House::new();
    house.live(async |engine| {
        let many = async |from: u64| {
            for n in from..from + 50 {
                engine.run(actor(), &format!("r{n}"), Script(vec![note_op(&"x".repeat(300))])).await.unwrap();
            }
        };
        let day = 24 * 60 * 60 * 1000;
        many(0).await;
        let old = engine.snapshot().unwrap().head().unwrap();
        house.clock.pass(2 * day);
        many(50).await;
        let keep = Keep { for_ms: day, live_bytes: u64::MAX, parts: false };
        archive(engine, keep).await;
        let found = archived(engine);
        assert!(found.segments > 0 && found.last <= old, "{found:?}, and {old} is old");
        assert!(found.raw_bytes / found.segments >= crate::segment::SEGMENT_BYTES, "each is full");
        archive(engine, Keep { parts: true, ..keep }).await;
        assert_eq!(archived(engine).last, old, "all that is old, if a part will do");
        assert_eq!(engine.archive(keep).await.unwrap(), None);
        let bytes = 10_000;
        archive(engine, Keep { live_bytes: bytes, parts: true, ..keep }).await;
        let snapshot = engine.shared.store.snapshot().unwrap();
        let rows = redb::ReadableTable::iter(&snapshot.log).unwrap().map(|row| row.unwrap().1.value().len());
        let left: usize = rows.sum();
        assert!(left <= 10_000 && left > 5_000, "{left} bytes are left");
    });
    house.check();
}

#[test]
fn a_log_is_archived_while_others_write_and_read_and_nobody_misses_anything() {
    let house = House::new();
    house.live(async |engine| {
        let mut expected = 0;
        for round in 0..20 {
            for n in 0..6 {
                let script = Script(vec![note_op(&format!("{round} {n}")), take_op(&format!("{round}-{n}"))]);
                engine.run(actor(), &format!("{round}/{n}"), script).await.unwrap();
                expected += 4;
            }
            let held = engine.snapshot().unwrap();
            let beside = format!("beside {round}");
            let (at_once, _) = tokio::join!(
                engine.run(actor(), &beside, Script(vec![note_op("beside")])),
                engine.archive(ALL),
            );
            at_once.unwrap();
            // A view of before sees what was there then.
            assert_eq!(held.records(Seq(1), usize::MAX).unwrap().len() as u64, expected);
            assert_eq!(
                held.flows(usize::MAX, |_| true).unwrap().len() as u64,
                held.requests_under("").len() as u64
            );
            expected += 3;
            let now = engine.snapshot().unwrap();
            let seqs: Vec<u64> =
                now.records(Seq(1), usize::MAX).unwrap().iter().map(|record| record.seq.0).collect();
            assert_eq!(seqs, (1..=expected).collect::<Vec<_>>(), "each once, in order");
        }
        assert!(archived(engine).segments > 5);
    });
    house.check();
}

#[test]
fn what_a_backup_has_of_an_archived_log_is_restored_as_of_a_moment_in_the_archive() {
    let house = long_lived();
    house.live(async |engine| archive(engine, ALL).await);
    let (rows, head, past) = {
        let engine = Engine::open(house.options()).unwrap();
        let verified = engine.verify().unwrap();
        let mut rows = Vec::new();
        let snapshot = engine.snapshot().unwrap();
        let visit = |first: Seq, row: &[u8]| {
            rows.push(Ok((first.0, row.to_vec())));
            Ok::<_, Error>(())
        };
        snapshot.log_rows(Seq(1), visit).unwrap();
        (rows, (verified.head, verified.head_hash), rows_of(&engine.at(Seq(40)).unwrap()))
    };
    let to = House::new();
    let restoring = crate::Restoring {
        files: to.disk.mount(),
        dir: Path::new(DIR),
        fold: to.fold.clone(),
        clock: &*house.clock,
        actor: actor(),
        at: Moment::Event(Seq(40)),
        head,
        backed_up_ms: 0,
        incarnation: 1,
    };
    let made = restore(restoring, rows.into_iter()).unwrap();
    assert_eq!(made.at, Seq(40));
    to.check();
    to.live(async |engine| {
        assert_eq!(rows_of(&engine.at(Seq(40)).unwrap()), past);
        archive(engine, ALL).await;
    });
    to.check();
}

#[test]
fn the_second_file_is_made_anew_from_the_log_when_it_is_gone_older_or_no_database() {
    let house = long_lived();
    let file = format!("{DIR}/{ENDED}");
    let older = house.live(async |engine| {
        for n in 0..10 {
            engine.run(actor(), &format!("x{n}"), Script(vec![note_op("x")])).await.unwrap();
        }
        engine.archive(ALL).await.unwrap();
        while engine.shared.store.snapshot().unwrap().ended_mark().unwrap().is_none() {
            engine.archive(ALL).await.unwrap();
        }
        house.disk.settle();
        house.disk.get(&file).unwrap()
    });
    let before = house.live(async |engine| {
        archive(engine, ALL).await;
        answers(engine)
    });
    let whole = house.disk.get(&file).unwrap();
    let change = |change: &dyn Fn(&House)| {
        let copy = House::on(house.disk.fork(3));
        change(&copy);
        let engine = crate::tests_damage::quietly(|| Engine::open(copy.options())).unwrap();
        assert_eq!(answers(&engine), before);
        assert!(archived(&engine).ended_rows > 100);
        drop(engine);
        copy.live(async |engine| {
            for n in 0..10 {
                engine.run(actor(), &format!("y{n}"), Script(vec![note_op("y")])).await.unwrap();
            }
            let (segments, rows) = archive(engine, ALL).await;
            assert!(segments > 0 && rows > 0);
        });
        copy.check();
    };
    change(&|house| files::Files::remove(&*house.disk, Path::new(&file)).unwrap());
    change(&|house| house.disk.put(&file, &older));
    change(&|house| house.disk.put(&file, b"a shopping list"));
    change(&|house| house.disk.put(&file, &whole[..whole.len() / 2]));
    change(&|house| house.disk.put(&file, b""));
}

#[test]
fn a_row_in_the_second_file_that_was_altered_added_or_removed_is_named() {
    let house = long_lived();
    house.live(async |engine| archive(engine, ALL).await);
    let first = {
        let engine = Engine::open(house.options()).unwrap();
        let flows = engine.snapshot().unwrap().flows(usize::MAX, |flow| flow.state.has_ended()).unwrap();
        flows.last().unwrap().clone()
    };
    let key = crate::fold::FLOWS.key(crate::fold::house(), &[&first.id.to_string()]);
    let check = |what: &str, change: &dyn Fn(&redb::WriteTransaction)| {
        let copy = House::on(house.disk.fork(1));
        tamper_ended(&copy, change);
        let engine = Engine::open(copy.options()).unwrap();
        assert_eq!(engine.verify().unwrap().fault, None, "the log itself is whole");
        let rebuilt = engine.rebuild().unwrap();
        assert_eq!((rebuilt.differing, rebuilt.faults[0].what.as_str()), (1, what));
        assert!(rebuilt.faults[0].place.starts_with("row `flow/kiln/"), "{:?}", rebuilt.faults);
    };
    let table = crate::store::ROWS;
    let row = |txn: &redb::WriteTransaction| {
        let table = txn.open_table(table).unwrap();
        redb::ReadableTable::get(&table, key.as_slice()).unwrap().unwrap().value().to_vec()
    };
    check("it is not what the log comes to", &|txn| {
        let changed = rmp_serde::to_vec(&FlowRow { label: "another".to_owned(), ..first.clone() }).unwrap();
        txn.open_table(table).unwrap().insert(key.as_slice(), changed.as_slice()).unwrap();
    });
    check("it is missing", &|txn| {
        txn.open_table(table).unwrap().remove(key.as_slice()).unwrap();
    });
    check("the log does not account for it", &|txn| {
        let row = row(txn);
        txn.open_table(table).unwrap().insert([&key[..], b"0"].concat().as_slice(), row.as_slice()).unwrap();
    });
}

fn tamper_ended(house: &House, change: impl FnOnce(&redb::WriteTransaction)) {
    use files::{Files as _, Open};
    let file = house.disk.open(Path::new(&format!("{DIR}/{ENDED}")), Open::Write).unwrap();
    let db = redb::Database::builder().create_with_backend(files::Backend::new(file)).unwrap();
    let txn = db.begin_write().unwrap();
    change(&txn);
    txn.commit().unwrap();
}

#[test]
fn a_fold_of_another_version_is_folded_through_the_archive() {
    let house = long_lived();
    let before = house.live(async |engine| {
        archive(engine, ALL).await;
        rows_of(&engine.snapshot().unwrap())
    });
    let newer =
        House { fold: std::sync::Arc::new(Toy { version: 2, ..Toy::default() }), ..House::on(house.disk) };
    let engine = Engine::open(newer.options()).unwrap();
    assert!(newer.fold.applied.load(std::sync::atomic::Ordering::Relaxed) > 100, "it was folded");
    assert_eq!(rows_of(&engine.snapshot().unwrap()), before);
    assert!(archived(&engine).ended_rows > 100);
    drop(engine);
    newer.check();
}

#[test]
fn what_a_run_left_that_was_cut_short_is_removed_by_the_next() {
    let house = long_lived();
    for name in ["00000000000000000001-00000000000000000009.seg", "x.seg.part", "notes.txt"] {
        house.disk.put(format!("{DIR}/{ARCHIVE}/{name}"), b"left");
    }
    house.live(async |engine| archive(engine, ALL).await);
    let left = |name: &str| house.disk.get(format!("{DIR}/{ARCHIVE}/{name}")).is_some();
    assert!(!left("00000000000000000001-00000000000000000009.seg") && !left("x.seg.part"));
    assert!(left("notes.txt"), "what is not ours stays");
}

#[test]
fn the_database_stays_as_small_under_a_steady_load_however_long_it_lasts() {
    let house = House::new();
    let keep = Keep { for_ms: i64::MAX, live_bytes: 20_000, parts: false };
    let (sizes, moved) = house.live(async |engine| {
        let mut sizes = Vec::new();
        for n in 0..600 {
            let script = Script(vec![take_op(&format!("n{}", n % 7)), note_op("x")]);
            engine.run(actor(), &format!("r{n:04}"), script).await.unwrap();
            if n % 20 == 19 {
                archive(engine, keep).await;
                let snapshot = engine.shared.store.snapshot().unwrap();
                let log = redb::ReadableTable::iter(&snapshot.log).unwrap();
                let bytes: usize = log.map(|row| row.unwrap().1.value().len()).sum();
                sizes.push((bytes, rows_left(engine), snapshot.rows.len().unwrap()));
            }
        }
        (sizes, archived(engine).ended_rows)
    });
    // How full the last segment could have been is another each time, so what is left goes up and down.
    for (bytes, flows, all) in &sizes {
        assert!(*bytes < 20_000 + 2 * 16_384, "{sizes:?}");
        // Of each flow the log has a kilobyte, and the rows are two or three.
        assert!(*flows < bytes / 300 && *all < *flows as u64 + 50, "{sizes:?}");
    }
    assert!(moved > 1_000, "{moved}");
    house.check();
}

#[test]
fn rows_go_along_with_segments_also_while_there_is_always_one_more_to_write() {
    let house = long_lived();
    let (chores, before) = house.live(async |engine| {
        for n in 0..120 {
            engine.run(actor(), &format!("more{n}"), Script(vec![note_op("more")])).await.unwrap();
        }
        let before = rows_left(engine);
        let mut chores = Vec::new();
        // As long as there are segments: a load that never ends never lets a look find none.
        while let Some(chore) = engine.archive(Keep { parts: false, ..ALL }).await.unwrap()
            && chore.segment.is_some()
        {
            chores.push(chore);
        }
        (chores, before)
    });
    assert!(chores.len() > 4, "{chores:?}");
    // The first has none before it whose flows could have rows to move.
    assert!(chores[2..].iter().any(|chore| chore.rows > 0), "{chores:?}");
    let moved: u64 = chores.iter().map(|chore| chore.rows).sum();
    assert!(moved > u64::try_from(before).unwrap() / 4, "{moved} of {before}");
}
