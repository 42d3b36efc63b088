//! The past, asked for at a thousand random moments, is what was recorded at those moments.
//!
//! A random run of real stories on a simulated disk (imports, copies, shares, disks, snapshots,
//! refusals, cancels) copies the domain's rows after each of them. Then the engine is asked for
//! moments: by event and by time, those recorded, those between two of them, and those before the
//! first and behind the last. Where a record lies between, the expected rows come from a fold of
//! this file's own, which shares nothing with the engine's but the domain's `Projections`.
//! `KILN_SEED` repeats a run.

#![expect(unreachable_pub, reason = "what the modules of a test offer, they offer to it")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[expect(dead_code, reason = "a run of its own unless a seed is given")]
#[path = "torture/chance.rs"]
mod chance;
#[path = "operations/ports.rs"]
mod ports;
#[path = "replay/run.rs"]
mod run;
#[expect(dead_code, reason = "written for the tests of operations, which look closer")]
#[path = "operations/world.rs"]
mod world;

use std::collections::BTreeMap;

use chance::Chance;
use domain::Projections;
use domain::image::IMAGES;
use engine::Moment;
use event::{Fold, Record, Rows, RowsMut, Seq};
use run::{Recorded, Run, copy_of};
use world::House;

/// Moments asked for, as the acceptance has it.
const MOMENTS: usize = 1000;
/// The run that is played unless another is asked for.
const SEED: u64 = 20_260_303;

/// Rows of this test's own.
#[derive(Default)]
struct Own(BTreeMap<Vec<u8>, Vec<u8>>);

impl Rows for Own {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        for (key, value) in self.0.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) || !visit(key, value) {
                return;
            }
        }
    }
}

impl RowsMut for Own {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match value {
            Some(value) => _ = self.0.insert(key, value),
            None => _ = self.0.remove(&key),
        }
    }
}

/// What has to come out at a moment: the last event in it, and the rows then.
struct Expected {
    moment: Moment,
    seq: Seq,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[test]
fn the_past_at_a_thousand_random_moments_is_what_was_recorded_then() {
    let seed = std::env::var("KILN_SEED").ok().map_or(SEED, |seed| seed.parse().unwrap());
    println!("KILN_SEED={seed} repeats this run");
    let mut chance = Chance::new(seed);
    Run::play(seed, &mut Chance::new(seed ^ 1), async |house, recorded| {
        let records = house.engine.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
        let between = check_moments(house, &records, recorded, &mut chance);
        assert!(between > MOMENTS / 10, "only {between} moments lay within an operation");
        check_images(house, recorded, &mut chance);
    });
}

/// Asks for the moments; says how many lay between two recorded ones.
fn check_moments(house: &House, records: &[Record], recorded: &[Recorded], chance: &mut Chance) -> usize {
    let mut wanted = moments(records, recorded, chance);
    wanted.sort_by_key(|(_, seq)| *seq);
    let mut between = 0;
    let mut own = Own::default();
    let mut left = records.iter().peekable();
    for (moment, seq) in wanted {
        while let Some(record) = left.next_if(|record| record.seq <= seq) {
            Projections.apply(&mut own, record);
        }
        let rows = if let Some(recorded) = recorded.iter().find(|recorded| recorded.seq == seq) {
            recorded.rows.clone()
        } else {
            between += 1;
            own.0.clone()
        };
        check(house, &Expected { moment, seq, rows });
    }
    between
}

fn check(house: &House, expected: &Expected) {
    let past = house.engine.at(expected.moment).unwrap();
    let (moment, seq) = (expected.moment, expected.seq);
    assert_eq!(past.seq(), seq, "{moment:?}");
    let found = copy_of(&past);
    if found != expected.rows {
        let names = |key: &Vec<u8>| String::from_utf8_lossy(key).replace('\0', "/");
        let all = found.keys().chain(expected.rows.keys());
        let differ: Vec<_> =
            all.filter(|key| found.get(*key) != expected.rows.get(*key)).map(names).collect();
        panic!("at {moment:?}, event {seq}, these rows differ: {differ:?}");
    }
}

/// Random moments, each with the last record at or before it, found by looking at all of them.
fn moments(records: &[Record], recorded: &[Recorded], chance: &mut Chance) -> Vec<(Moment, Seq)> {
    let head = records.last().unwrap();
    let at = |time_ms: i64| {
        let before = records.iter().rev().find(|record| record.time_ms <= time_ms);
        (Moment::TimeMs(time_ms), before.map_or(Seq(0), |record| record.seq))
    };
    let span = u64::try_from(head.time_ms - records[0].time_ms).unwrap();
    let mut found = vec![at(records[0].time_ms - 1), at(head.time_ms + 1), (Moment::Event(Seq(0)), Seq(0))];
    found.push((Moment::Event(Seq(head.seq.0 + 1)), head.seq));
    while found.len() < MOMENTS {
        let recorded = &recorded[usize::try_from(chance.below(recorded.len() as u64)).unwrap()];
        let seq = Seq(chance.below(head.seq.0) + 1);
        let random_ms = records[0].time_ms + i64::try_from(chance.below(span)).unwrap();
        found.push(match chance.below(5) {
            0 => (Moment::Event(recorded.seq), recorded.seq),
            1 => at(recorded.time_ms),
            2 => at(recorded.time_ms - 1),
            3 => at(random_ms),
            _ => (Moment::Event(seq), seq),
        });
    }
    found
}

/// The past of one image, folded from its own records, is the row that was recorded.
fn check_images(house: &House, recorded: &[Recorded], chance: &mut Chance) {
    let mut compared = 0;
    for recorded in recorded.iter().filter(|_| chance.below(2) == 0) {
        let rows = Own(recorded.rows.clone());
        for image in IMAGES.list_all(&rows) {
            let past = house.engine.past_of(image.id.as_str(), Moment::Event(recorded.seq)).unwrap();
            let scope = domain::image::scope(&image.account, &image.region);
            let folded = IMAGES.get(&past, &scope, &[image.id.as_str()]);
            assert_eq!(folded.as_ref(), Some(&image), "at event {}", recorded.seq);
            compared += 1;
        }
    }
    assert!(compared > 5, "{compared} images compared");
}
