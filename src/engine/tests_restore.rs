//! A log restored from the rows of another: the same events up to the moment, the same projections, operations
//! that had not ended parked, and a lineage that the chain proves.

use std::path::Path;

use event::{Event, Rows, Seq};

use crate::fold::house as house_scope;
use crate::kinds::Parked;
use crate::tests_damage::log_rows;
use crate::tests_kit::*;
use crate::{Engine, Error, Moment, Restored, RestoredLog, Restoring, State, restore};

/// A house in which some operations have ended and two have not.
fn busy() -> House {
    let house = House::new();
    for n in 0..6 {
        let script = [take_op(&format!("n{n}")), note_op(&"x".repeat(300)), make(&format!("k{n}"))];
        house.run(&format!("r{n}"), script);
    }
    house.run("many", (0..30).map(|n| note_op(&format!("note {n}"))));
    house.world.plan("later", [Plan::Gate("never")]);
    house.world.plan("stuck", [Plan::Ours]);
    house.crash(async |engine| {
        engine.run(actor(), "stuck", Script(vec![make("stuck")])).await.unwrap();
        engine.start(actor(), "later", Script(vec![take_op("m"), make("later")])).await.unwrap();
        house.world.until_at_work("later").await;
        house.disk.settle();
    });
    house
}

/// Everything in a snapshot's or a moment's rows but what tells of flows and of the restoring itself.
fn told(rows: &dyn Rows) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    rows.scan(&[], &mut |key, value| {
        let of_flows = [&b"flow"[..], b"flow-open", b"flow-by", b"kind", b"pause", b"request"]
            .iter()
            .any(|table| key.starts_with(table) && key.get(table.len()) == Some(&0));
        if !of_flows {
            found.push((key.to_vec(), value.to_vec()));
        }
        true
    });
    found
}

fn restored(from: &House, at: Moment) -> Result<(House, RestoredLog), Error> {
    let (head, incarnation) = {
        let engine = Engine::open(from.options())?;
        let verified = engine.verify()?;
        ((verified.head, verified.head_hash), engine.snapshot()?.incarnation()?)
    };
    let rows = log_rows(from);
    let to = House::new();
    let files = to.disk.mount();
    let restoring = Restoring {
        files: files.clone(),
        dir: Path::new(DIR),
        fold: to.fold.clone(),
        clock: &*from.clock,
        actor: actor(),
        at,
        head,
        backed_up_ms: 1_700_000_000_500,
        incarnation,
    };
    let told = restore(restoring, rows.into_iter().map(Ok))?;
    Ok((to, told))
}

#[test]
fn as_of_each_event_the_restored_log_is_the_replay_as_of_then() {
    let from = busy();
    let original = Engine::open(from.options()).unwrap();
    let head = original.snapshot().unwrap().head().unwrap();
    drop(original);
    for seq in (0..=head.0).step_by(3).chain([head.0]) {
        let (to, told_of) = restored(&from, Moment::Event(Seq(seq))).unwrap();
        assert_eq!((told_of.at, told_of.given_up), (Seq(seq), head.0 - seq));
        let original = Engine::open(from.options()).unwrap();
        let engine = Engine::open(to.options()).unwrap();
        let (verified, rebuilt) = (engine.verify().unwrap(), engine.rebuild().unwrap());
        assert_eq!((verified.fault, rebuilt.faults), (None, Vec::new()), "as of {seq}");
        assert_eq!(verified.head, told_of.head);
        let why = format!("the log was restored as of event {seq}");
        assert_eq!(engine.background_stands_still(), Some(why), "nothing starts by itself");
        // The same past, bit for bit, and the present of the domain is that past.
        let (then, again) = (original.at(Seq(seq)).unwrap(), engine.at(Seq(seq)).unwrap());
        let all = |rows: &dyn Rows| {
            let mut all = Vec::new();
            rows.scan(&[], &mut |key, value| {
                all.push((key.to_vec(), value.to_vec()));
                true
            });
            all
        };
        assert!(all(&then) == all(&again), "as of {seq}");
        assert!(told(&then) == told(&engine.snapshot().unwrap()), "as of {seq}");
    }
}

#[test]
fn what_had_not_ended_is_parked_and_goes_on_only_when_a_person_says_so() {
    let from = busy();
    let (to, told_of) = restored(&from, Moment::Event(Seq(u64::MAX))).unwrap();
    assert_eq!(told_of.parked.len(), 1, "the one that was parked already is as it was");
    let later = told_of.parked[0];
    to.live(async |engine| {
        let row = engine.wait(later).await.unwrap();
        assert_eq!(row.state, State::Parked);
        assert!(row.parked.unwrap().contains("the log was restored as of event"));
        assert_eq!(to.world.call_names(), Vec::<String>::new(), "nothing was done to the world");
        engine.retry(actor(), later, "looked").await.unwrap();
        assert_eq!(engine.wait(later).await.unwrap().state, State::Done);
    });
    // Fenced against every attempt of before.
    let before = from.world.calls_of("later");
    let after = to.world.calls_of("later");
    assert!(
        after.iter().all(|attempt| before.iter().all(|earlier| attempt > earlier)),
        "{before:?} {after:?}"
    );
    assert!(after[0].incarnation >= 1_700_000_000);
    to.check();
}

#[test]
fn the_lineage_says_what_was_given_up_and_is_in_the_chain() {
    let from = busy();
    let head = {
        let engine = Engine::open(from.options()).unwrap();
        engine.verify().unwrap()
    };
    let (to, told_of) = restored(&from, Moment::Event(Seq(20))).unwrap();
    let engine = Engine::open(to.options()).unwrap();
    let verified = engine.verify().unwrap();
    assert_eq!(verified.lineage.len(), 1);
    let lineage = &verified.lineage[0];
    assert_eq!(engine.snapshot().unwrap().lineage().unwrap(), verified.lineage);
    assert_eq!((lineage.seq, lineage.restored.at, lineage.restored.head), (Seq(21), Seq(20), head.head));
    assert!(lineage.is_the_backups(head.head, &head.head_hash) && lineage.gave_up(Seq(21)));
    assert!(!lineage.gave_up(Seq(20)));
    let first = engine.snapshot().unwrap().record(Seq(21)).unwrap().unwrap();
    assert_eq!((first.kind.as_str(), first.scope), (Restored::KIND, house_scope().clone()));
    let parked = engine.snapshot().unwrap().records(Seq(22), 100).unwrap();
    let (parked, pause) = parked.split_at(parked.len() - 3);
    assert!(parked.iter().all(|record| record.kind == Parked::KIND));
    assert!(pause[1].get::<crate::Paused>().unwrap().which == crate::Which::Background);
    assert_eq!(parked.len(), told_of.parked.len());
    drop(engine);
    // A restored house lives on, and is restored again.
    to.run("more", [take_op("fresh"), make("fresh")]);
    let (again, _) = restored(&to, Moment::Event(Seq(22))).unwrap();
    again.check();
    let engine = Engine::open(again.options()).unwrap();
    let kept: Vec<Seq> = engine
        .snapshot()
        .unwrap()
        .lineage()
        .unwrap()
        .into_iter()
        .map(|lineage| lineage.restored.at)
        .collect();
    assert_eq!(kept, [Seq(20), Seq(22)]);
}

#[test]
fn a_moment_in_time_is_the_last_event_up_to_it() {
    let from = busy();
    let engine = Engine::open(from.options()).unwrap();
    let record = engine.snapshot().unwrap().record(Seq(12)).unwrap().unwrap();
    let wanted = engine.snapshot().unwrap().seq_at(record.time_ms).unwrap();
    drop(engine);
    let (_, told_of) = restored(&from, Moment::TimeMs(record.time_ms)).unwrap();
    assert_eq!((told_of.at, told_of.time_ms), (wanted, record.time_ms));
}

#[test]
fn rows_that_are_not_those_of_the_head_are_refused() {
    let from = busy();
    let whole = log_rows(&from);
    let head = {
        let engine = Engine::open(from.options()).unwrap();
        let verified = engine.verify().unwrap();
        (verified.head, verified.head_hash)
    };
    let attempt = |rows: Vec<(u64, Vec<u8>)>| {
        let to = House::new();
        let files = to.disk.mount();
        let restoring = Restoring {
            files: files.clone(),
            dir: Path::new(DIR),
            fold: to.fold.clone(),
            clock: &*from.clock,
            actor: actor(),
            at: Moment::Event(Seq(10)),
            head,
            backed_up_ms: 0,
            incarnation: 1,
        };
        restore(restoring, rows.into_iter().map(Ok)).map(drop).unwrap_err().to_string()
    };
    let mut cut = whole.clone();
    cut.pop();
    assert!(attempt(cut).contains("do not lead to its head"));
    let mut flipped = whole.clone();
    let end = flipped[8].1.len();
    flipped[8].1[end - 1] ^= 1;
    assert!(attempt(flipped).contains("the chain breaks"));
    let mut gap = whole;
    gap.remove(3);
    assert!(attempt(gap).contains("does not follow"));
}
