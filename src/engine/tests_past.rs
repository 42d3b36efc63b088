//! The past: at every commit and every millisecond of a random run the rows come out as they were,
//! and what auditors look up in the log is all there, page by page.

use std::collections::BTreeMap;

use event::{Event, FlowId, Rows, Seq};
use redb::ReadableTable;

use crate::tests_kit::*;
use crate::{Engine, Moment, Started, State};

type Copied = BTreeMap<Vec<u8>, Vec<u8>>;

/// All rows there are, and the head they belong to.
fn copy(engine: &Engine<World>) -> (Seq, Copied) {
    let snapshot = engine.snapshot().unwrap();
    let rows = snapshot.0.rows.iter().unwrap().map(|row| {
        let (key, value) = row.unwrap();
        (key.value().to_vec(), value.value().to_vec())
    });
    (snapshot.head().unwrap(), rows.collect())
}

fn all(rows: &dyn Rows) -> Copied {
    let mut found = Copied::new();
    rows.scan(&[], &mut |key, value| {
        found.insert(key.to_vec(), value.to_vec());
        true
    });
    found
}

/// Splitmix64, so that a run is a function of its seed.
fn below(seed: &mut u64, bound: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % bound
}

fn script(seed: &mut u64) -> Script {
    let ops = (0..=below(seed, 5)).map(|_| {
        let key = format!("k{}", below(seed, 6));
        match below(seed, 7) {
            0 => Op::Take(key),
            1 => Op::TryTake(key),
            2 => make(&key),
            3 => Op::TryMake(key),
            4 => Op::Sleep(below(seed, 3)),
            5 => Op::Each(vec![("x".to_owned(), vec![Op::Take(key)]), ("y".to_owned(), vec![make("y")])], 2),
            _ => note_op(&key),
        }
    });
    Script(ops.collect())
}

/// Runs random stories side by side, and copies the rows of every commit that it comes to see.
async fn random_run(house: &House, engine: &Engine<World>, mut seed: u64) -> BTreeMap<Seq, Copied> {
    let mut copies = BTreeMap::from([copy(engine)]);
    let mut ids = Vec::new();
    for n in 0..60 {
        let plan = [Plan::World, Plan::Caller, Plan::Ours, Plan::Succeed]
            [usize::try_from(below(&mut seed, 4)).unwrap()]
        .clone();
        house.world.plan(&format!("k{}", below(&mut seed, 6)), [plan]);
        ids.push(engine.start(actor(), &format!("r{n}"), script(&mut seed)).await.unwrap());
        if below(&mut seed, 3) == 0 {
            house.clock.pass(1);
        }
        if below(&mut seed, 4) == 0 {
            // It may have ended already.
            let _ = engine.cancel(actor(), ids[ids.len() / 2], "a whim").await;
        }
        copies.extend([copy(engine)]);
        settle(engine).await;
        copies.extend([copy(engine)]);
    }
    for id in ids {
        engine.wait(id).await.unwrap();
        copies.extend([copy(engine)]);
    }
    copies
}

#[test]
fn the_past_at_every_commit_is_what_a_reader_saw_then() {
    for seed in 1..=4 {
        let house = House::new();
        house.live(async |engine| {
            let copies = random_run(&house, engine, seed).await;
            assert!(copies.len() >= 60, "{} moments", copies.len());
            let mut replay = engine.replay().unwrap();
            for (seq, rows) in &copies {
                assert_eq!(replay.advance_to(*seq).unwrap(), *seq);
                assert_eq!(all(replay.rows()), *rows, "at event {seq} of seed {seed}");
            }
            for (seq, rows) in copies.iter().step_by(20) {
                let past = engine.at(*seq).unwrap();
                assert_eq!((past.seq(), all(&past)), (*seq, rows.clone()));
                replay.advance_to(*seq).unwrap();
                assert_eq!(all(replay.rows()), *rows, "going back is folding again");
            }
        });
        house.check();
    }
}

#[test]
fn stopping_at_each_record_of_a_commit_leads_to_the_same_rows_as_passing_it_by() {
    let house = House::new();
    house.live(async |engine| {
        let copies = random_run(&house, engine, 9).await;
        let (mut steps, head) = (engine.replay().unwrap(), engine.snapshot().unwrap().head().unwrap());
        for seq in (1..=head.0).map(Seq) {
            steps.advance_to(seq).unwrap();
            if let Some(rows) = copies.get(&seq) {
                assert_eq!(all(steps.rows()), *rows, "at event {seq}");
            }
        }
        assert_eq!(steps.advance_to(Seq(u64::MAX)).unwrap(), head, "there is nothing beyond the head");
    });
}

#[test]
fn a_time_is_the_last_record_of_its_millisecond_or_the_last_before_it() {
    let house = House::new();
    house.live(async |engine| {
        random_run(&house, engine, 5).await;
        let snapshot = engine.snapshot().unwrap();
        let records = snapshot.records(Seq(1), usize::MAX).unwrap();
        let (first, last) = (records[0].time_ms, records.last().unwrap().time_ms);
        assert!(last - first > 5 && records.len() > 300, "{} records", records.len());
        for time_ms in first - 2..=last + 2 {
            let expected = records.iter().rfind(|record| record.time_ms <= time_ms);
            let expected = expected.map_or(Seq(0), |record| record.seq);
            assert_eq!(snapshot.seq_at(time_ms).unwrap(), expected, "{time_ms}");
            if time_ms % 4 == 0 {
                let past = engine.at(Moment::TimeMs(time_ms)).unwrap();
                assert_eq!(past.seq(), expected);
                assert_eq!(all(&past), all(&engine.at(expected).unwrap()));
            }
        }
    });
    let empty = House::new();
    empty.live(async |engine| assert_eq!(engine.snapshot().unwrap().seq_at(i64::MAX).unwrap(), Seq(0)));
}

#[test]
fn a_flow_is_seen_running_in_the_past_and_a_name_comes_and_goes() {
    let house = House::new();
    house.world.plan("a", [Plan::Caller]);
    let row = house.run("r", [take_op("n"), make("a")]);
    assert_eq!(row.state, State::Undone);
    house.live(async |engine| {
        let states: Vec<_> = (0..=row.last.0)
            .map(|seq| {
                let past = engine.at(Seq(seq)).unwrap();
                let holder: Option<FlowId> = NAMES.get(&past, &scope(), &["n"]);
                (past.flow(row.id).map(|flow| (flow.state, flow.last.0)), holder.is_some())
            })
            .collect();
        let running = |last| Some((State::Running, last));
        let unwinding = |last| Some((State::Unwinding, last));
        assert_eq!(
            states[..5],
            [
                (None, false),
                (running(1), false),
                (running(2), true),
                (running(3), true),
                (unwinding(4), true),
            ]
        );
        assert_eq!(states.last().unwrap(), &(Some((State::Undone, row.last.0)), false));
    });
}

#[test]
fn the_past_of_one_subject_is_its_own_rows_at_every_moment() {
    let house = House::new();
    house.live(async |engine| {
        let copies = random_run(&house, engine, 3).await;
        let mut held = 0;
        for (seq, rows) in &copies {
            for name in (0..6).map(|n| format!("k{n}")) {
                let past = engine.past_of(&format!("name-{name}"), *seq).unwrap();
                let key = NAMES.key(&scope(), &[&name]);
                assert_eq!(past.get(&key).as_ref(), rows.get(&key), "`{name}` at event {seq}");
                assert_eq!(all(&past).len(), usize::from(rows.contains_key(&key)), "and of nobody else");
                held += usize::from(rows.contains_key(&key));
            }
        }
        assert!(held > 50, "{held}");
    });
}

#[test]
fn an_auditors_pages_hold_each_wanted_record_once() {
    let house = House::new();
    house.live(async |engine| {
        random_run(&house, engine, 7).await;
        let snapshot = engine.snapshot().unwrap();
        let records = snapshot.records(Seq(1), usize::MAX).unwrap();
        let wanted = |record: &event::Record| record.kind == Noted::KIND;
        for (from, to, count) in [(1, u64::MAX, 1), (0, u64::MAX, 7), (50, 200, 3), (9, 9, 1), (300, 20, 5)] {
            let expected: Vec<_> =
                records.iter().filter(|r| (from..=to).contains(&r.seq.0) && wanted(r)).cloned().collect();
            let (mut found, mut next) = (Vec::new(), Some(Seq(from)));
            while let Some(from) = next {
                let page = snapshot.records_where(from, Seq(to), count, wanted).unwrap();
                assert!(page.records.len() <= count);
                found.extend(page.records);
                next = page.next;
            }
            assert_eq!(found, expected, "{from} to {to}, {count} at a time");
        }
    });
}

#[test]
fn pages_of_flows_go_on_behind_the_last_one_seen_and_a_flow_tells_its_input() {
    let house = House::new();
    house.live(async |engine| {
        random_run(&house, engine, 8).await;
        let wanted = |row: &crate::FlowRow| row.state == State::Done;
        let snapshot = engine.snapshot().unwrap();
        let ids = |rows: Vec<crate::FlowRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
        let expected = ids(snapshot.flows(usize::MAX, wanted).unwrap());
        assert!(expected.len() > 10 && expected.is_sorted_by(|a, b| a > b));
        let mut found: Vec<FlowId> = Vec::new();
        loop {
            // As each page is asked for by itself, there is a newer flow each time.
            house.clock.pass(1);
            engine.run(actor(), &format!("later {}", found.len()), Script(vec![])).await.unwrap();
            let snapshot = engine.snapshot().unwrap();
            let page = ids(snapshot
                .flows_before(found.last().copied().or(Some(FlowId([255; 16]))), 0, wanted)
                .unwrap());
            assert_eq!(page, []);
            let cursor = found.last().copied().or_else(|| expected.first().copied());
            let page = ids(snapshot.flows_before(cursor, 4, wanted).unwrap());
            found.extend(&page);
            if page.len() < 4 {
                break;
            }
        }
        assert_eq!(found, expected[1..]);

        let script = Script(vec![note_op("x")]);
        let id = engine.start(actor(), "asked", script.clone()).await.unwrap();
        let started: Started = engine.snapshot().unwrap().started(id).unwrap().unwrap();
        assert_eq!((&*started.name, started.version), ("script", 1));
        assert_eq!(started.input, rmp_serde::to_vec_named(&script).unwrap());
        assert_eq!(engine.snapshot().unwrap().started(FlowId([9; 16])).unwrap(), None);
    });
}
