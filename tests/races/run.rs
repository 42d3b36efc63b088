//! Runs pairs: one after the other, to know what may be, and at once, to see what is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use engine::{Error, FlowRow, State};
use event::{FlowId, Order};
use files::Files;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use sim::{Race, SimFiles};

use crate::chance::count;
use crate::consistent;
use crate::operation::{ALL, Operation};
use crate::outcome::{End, Names, Outcome, world};
use crate::requests;
use crate::rule::Known;
use crate::scene::{Need, Stage, everything, with};
use crate::world::{House, Way, actor, incarnation};

/// Orders each pair is tried in when `KILN_ORDERS` does not say, with nobody cancelled and with each of the
/// two cancelled taken together. As many there are at least in each of these three, and with eight seeds each
/// of the two is first in four, with collections in two of them.
const ORDERS: u64 = 8;
/// Seeds that have found something, tried whatever is asked for: A, B and the seed.
const FOUND: &[(&str, &str, u64)] = &[
    // The chunks of an image went before its check had read them, which called that damage.
    ("delete_image", "check", 14),
];
/// Collections in a race that has any: one seldom comes just between a deletion and a late step.
const COLLECTIONS: u64 = 3;
/// What the competitors are called.
const COMPETITORS: [&str; 2] = ["A", "B"];
/// Stands for whoever cancels; the id of no flow.
const CANCELLER: FlowId = FlowId([0; 16]);
/// Longer than a share that has an end in a scene.
const LATER: Duration = Duration::from_secs(1);

/// Who was let through, and to what: `A:1`.
type Choices = Vec<String>;

/// Two operations.
type Pair = [&'static Operation; 2];

/// A pair at once.
struct Attempt<'a> {
    stage: &'a Stage,
    pair: Pair,
    /// Which of them somebody cancels, if somebody does.
    cancelled: Option<usize>,
    seed: u64,
}

#[derive(Default)]
struct Tally {
    pairs: u64,
    races: u64,
    orders: u64,
    distinct: u64,
}

/// Races every pair whose number leaves `part` when divided by `parts`.
pub fn play(part: usize, parts: usize) {
    stay_on_one_processor(part);
    let (first, orders) = (first_seed(), orders());
    println!("races begin at KILN_SEED={first}");
    let base = everything();
    let mut stages = BTreeMap::<Vec<Need>, Stage>::new();
    let mut alone = BTreeMap::new();
    let (mut tally, mut faults) = (Tally::default(), Vec::new());
    for pair in pairs().into_iter().skip(part).step_by(parts) {
        let needs: BTreeSet<Need> = pair.iter().flat_map(|one| one.needs).copied().collect();
        let needs: Vec<Need> = needs.into_iter().collect();
        let stage = stages.entry(needs.clone()).or_insert_with(|| with(&base, &needs));
        let mut alone = |order: &[usize]| {
            let who: Vec<_> = order.iter().map(|which| (*which, pair[*which].name)).collect();
            alone.entry((needs.clone(), who)).or_insert_with(|| in_turn(stage, pair, order)).clone()
        };
        let known = Known {
            orders: [in_turn(stage, pair, &[0, 1]), in_turn(stage, pair, &[1, 0])],
            alone: [alone(&[0]), alone(&[1])],
            nothing: alone(&[]),
        };
        let races = cancels(pair);
        let orders = orders.div_ceil(races.len() as u64).max(ORDERS);
        for cancelled in races {
            let mut distinct = BTreeSet::new();
            let found_before = FOUND.iter().filter(|(a, b, _)| [*a, *b] == pair.map(|one| one.name));
            let found_before = found_before.map(|(.., seed)| *seed).filter(|_| cancelled.is_none());
            let seeds: BTreeSet<u64> = (first..first + orders).chain(found_before).collect();
            for seed in seeds {
                let attempt = Attempt { stage, pair, cancelled, seed };
                let (found, choices) = attempt.race();
                if !known.allows(&found) {
                    faults.push(tell(&attempt.name(), &known, &found, &choices));
                    break;
                }
                distinct.insert(choices);
                tally.orders += 1;
            }
            tally.races += 1;
            tally.distinct += distinct.len() as u64;
        }
        tally.pairs += 1;
    }
    println!(
        "soak: {} pairs of {} operations, {orders} orders a pair and at least {ORDERS} whoever is cancelled: {} orders \
         in all, {} of them distinct ({} pairs with one of the two cancelled among them)",
        tally.pairs,
        ALL.len(),
        tally.orders,
        tally.distinct,
        tally.races - tally.pairs
    );
    assert!(faults.is_empty(), "{} races:\n{}", faults.len(), faults.join("\n"));
}

/// This thread and all that it starts. Those of an attempt hand on to one another all the time and seldom have
/// something to do at once: across processors that costs half as much again.
fn stay_on_one_processor(number: usize) {
    let allowed = sched_getaffinity(None).unwrap();
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|one| allowed.is_set(*one)).collect();
    let mut only = CpuSet::new();
    only.set(allowed[number % allowed.len()]);
    sched_setaffinity(None, &only).unwrap();
}

/// The first seed: the same each time when none is given, for a test that is run at every change.
fn first_seed() -> u64 {
    count("KILN_SEED").unwrap_or(1)
}

fn orders() -> u64 {
    count("KILN_ORDERS").unwrap_or(ORDERS).max(ORDERS)
}

/// Every pair that can meet, or those `KILN_PAIR` names.
fn pairs() -> Vec<Pair> {
    let only = std::env::var("KILN_PAIR").ok();
    let numbered = ALL.iter().enumerate();
    let all = numbered.flat_map(|(number, a)| ALL[number..].iter().map(move |b| [a, b]));
    let named = |pair: &Pair, only: &str| only.split('/').all(|name| pair.iter().any(|one| one.name == name));
    all.filter(|[a, b]| a.meets(b))
        .filter(|pair| only.as_ref().is_none_or(|only| named(pair, only)))
        .collect()
}

/// Whom somebody cancels: nobody, and each that can be. Of two that are the same either will do.
fn cancels([a, b]: Pair) -> Vec<Option<usize>> {
    let either = [a.acts, b.acts && a.name != b.name];
    let each = either.into_iter().enumerate().filter(|(_, acts)| *acts);
    std::iter::once(None).chain(each.map(|(which, _)| Some(which))).collect()
}

/// Runs those of the pair one after another.
fn in_turn(stage: &Stage, pair: Pair, order: &[usize]) -> Outcome {
    let disk = stage.disk.fork(1);
    let files: Arc<dyn Files> = disk.mount();
    incarnation(async {
        let house = House::open(&files, Way::Plain).unwrap();
        house.engine.drive().await.unwrap();
        tokio::time::advance(LATER).await;
        let mut flows = [None, None];
        for which in order {
            let id = pair[*which].start(&house, &stage.scene, COMPETITORS[*which]).await.unwrap();
            flows[*which] = Some(house.engine.wait(id).await.unwrap());
        }
        let outcome = finish(&house, &disk, stage, flows).await;
        house.collect("afterwards").await.unwrap();
        let what = format!("A {} and B {} one after another: {order:?}", pair[0].name, pair[1].name);
        house.check_whole(&what).await;
        consistent::check(&house, &what);
        house.engine.close().await;
        outcome
    })
}

impl Attempt<'_> {
    fn name(&self) -> String {
        let [a, b] = self.pair.map(|one| one.name);
        let cancelled =
            self.cancelled.map_or(String::new(), |which| format!(", {} cancelled,", COMPETITORS[which]));
        format!("A {a} and B {b}{cancelled} with KILN_SEED={}", self.seed)
    }

    /// How many collections come as well, at any time: they change no outcome, but take away what nobody
    /// holds, so that whoever did not hold what it needs is found out. In every other race from each side.
    fn collections(&self) -> u64 {
        self.seed / 2 % 2 * COLLECTIONS
    }

    /// Runs both at once; the first to be begun is A for even seeds and B for odd ones.
    fn race(&self) -> (Outcome, Choices) {
        let (Self { stage, pair, seed, .. }, what) = (self, self.name());
        let disk = stage.disk.fork(*seed);
        let files: Arc<dyn Files> = disk.mount();
        let race = Race::new(*seed);
        incarnation(async {
            let order: Arc<dyn Order> = race.clone();
            let house = House::open_in_order(&files, Way::Plain, Some(order)).unwrap();
            house.engine.drive().await.unwrap();
            tokio::time::advance(LATER).await;
            let mut ids = [CANCELLER; 2];
            for which in if seed.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
                ids[which] = pair[which].start(&house, &stage.scene, COMPETITORS[which]).await.unwrap();
            }
            let mut collections = Vec::new();
            for number in 0..self.collections() {
                let (collect, request) = (requests::collect(&stage.scene), format!("collection {number}"));
                collections.push(house.engine.start(actor(), &request, collect).await.unwrap());
            }
            let cancel = async {
                let which = self.cancelled?;
                let cancel = house.engine.cancel(actor(), ids[which], "a race");
                Some((which, race.aside(CANCELLER, "cancel", cancel).await))
            };
            race.go();
            let (cancelled, a, b) =
                tokio::join!(cancel, house.engine.wait(ids[0]), house.engine.wait(ids[1]));
            let rows = [a.unwrap(), b.unwrap()];
            for id in collections {
                assert_eq!(house.engine.wait(id).await.unwrap().trouble(), None, "{what}");
            }
            let choices = race.choices().into_iter().map(|(flow, path)| {
                let who = ids.iter().position(|id| *id == flow).map_or("other", |which| COMPETITORS[which]);
                format!("{who}:{path}")
            });
            let choices = choices.collect();
            answers(&house, &rows, cancelled, &what);
            let outcome = finish(&house, &disk, stage, rows.map(Some)).await;
            house.collect("afterwards").await.unwrap();
            house.check_whole(&what).await;
            consistent::check(&house, &what);
            house.engine.close().await;
            (outcome, choices)
        })
    }
}

/// No answer is lost: whoever waited was told what the log says, and a cancel was heeded or denied.
fn answers(house: &House, rows: &[FlowRow; 2], cancelled: Option<(usize, Result<(), Error>)>, what: &str) {
    let snapshot = house.engine.snapshot().unwrap();
    for row in rows {
        assert_eq!(snapshot.flow(row.id).as_ref(), Some(row), "{what}: the answer is the log's");
        assert!(row.state.has_ended(), "{what}: {} is {:?}: {:?}", row.label, row.state, row.parked);
    }
    match cancelled {
        Some((which, Ok(()))) => {
            assert_eq!(rows[which].state, State::Undone, "{what}: a cancel that was accepted is heeded");
        }
        None | Some((_, Err(Error::Denied { .. }))) => {}
        Some((_, Err(error))) => panic!("{what}: {error}"),
    }
}

async fn finish(house: &House, disk: &SimFiles, stage: &Stage, flows: [Option<FlowRow>; 2]) -> Outcome {
    let mut names = Names::default();
    for (name, row) in COMPETITORS.iter().zip(&flows) {
        if let Some(row) = row {
            names.add(name, row.id);
        }
    }
    let ends = flows.map(|row| row.map(|row| End::of(&row, &names)));
    Outcome { ends, world: world(house, disk, &stage.scene, &names).await }
}

/// Says how an outcome differs from those there may be.
fn tell(what: &str, known: &Known, found: &Outcome, choices: &Choices) -> String {
    let mut text = format!("{what}: that is the outcome of no order: {:?}\n", found.ends);
    _ = writeln!(text, "  order {}", choices.join(" "));
    let outcomes = [
        ("A then B", &known.orders[0]),
        ("B then A", &known.orders[1]),
        ("A alone", &known.alone[0]),
        ("B alone", &known.alone[1]),
    ];
    for (name, outcome) in outcomes {
        _ = writeln!(text, "  {name}: {:?}", outcome.ends);
        let differs = |a: &[String], b: &[String]| -> Vec<String> {
            a.iter().filter(|line| !b.contains(line)).cloned().collect()
        };
        for line in differs(&outcome.world, &found.world) {
            _ = writeln!(text, "    wanted {line}");
        }
        for line in differs(&found.world, &outcome.world) {
            _ = writeln!(text, "    found  {line}");
        }
    }
    text
}

/// The same request twice: both are told of one operation.
pub fn play_joining() {
    let (first, orders) = (first_seed(), orders());
    let stage = everything();
    let names: Vec<&Operation> = ALL.iter().filter(|one| one.acts && one.needs.is_empty()).collect();
    for one in &names {
        let alone = in_turn(&stage, [one, one], &[0]);
        for seed in first..first + orders {
            let what = format!("{} asked twice with KILN_SEED={seed}", one.name);
            let found = join(&stage, one, seed, &what);
            assert_eq!(found, alone, "{what}");
        }
    }
    println!("soak: {} operations asked for twice in {orders} orders each", names.len());
}

fn join(stage: &Stage, one: &Operation, seed: u64, what: &str) -> Outcome {
    let disk = stage.disk.fork(seed);
    let files: Arc<dyn Files> = disk.mount();
    let race = Race::new(seed);
    incarnation(async {
        let order: Arc<dyn Order> = race.clone();
        let house = House::open_in_order(&files, Way::Plain, Some(order)).unwrap();
        house.engine.drive().await.unwrap();
        tokio::time::advance(LATER).await;
        let id = one.start(&house, &stage.scene, COMPETITORS[0]).await.unwrap();
        let again = async {
            let start = one.start(&house, &stage.scene, COMPETITORS[0]);
            let id = race.aside(CANCELLER, "again", start).await.unwrap();
            (id, house.engine.wait(id).await.unwrap())
        };
        race.go();
        let ((joined, told), row) = tokio::join!(again, house.engine.wait(id));
        let row = row.unwrap();
        assert_eq!((joined, &told), (id, &row), "{what}: both are told the same");
        let outcome = finish(&house, &disk, stage, [Some(row), None]).await;
        house.collect("afterwards").await.unwrap();
        house.check_whole(what).await;
        consistent::check(&house, what);
        house.engine.close().await;
        outcome
    })
}
