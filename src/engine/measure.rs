//! What an opening of the log has done so far, in numbers: for a page of metrics, and for people who look on.
//!
//! Everything is counted where it happens, in atomics; only how many flows of a kind stand where is behind a
//! lock, which the committer takes once a batch. Nothing of it is in the log, and nothing depends on it.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use files::{File, Identity};

use crate::Engine;
use crate::fold::State;
use crate::queue::lock;

/// Borders of the buckets of batches, in events: one flow alone brings one to eight.
const BATCH_BORDERS: [u64; 8] = [1, 4, 16, 64, 256, 1024, 4096, 8192];
/// Borders of the buckets of times, in microseconds: a fast disk syncs in a tenth of a millisecond, a slow one in
/// ten, one that is busy in a second.
const TIME_BORDERS: [u64; 9] = [100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000];

/// How often something was how large.
#[derive(Debug)]
struct Counted<const N: usize> {
    borders: [u64; N],
    buckets: [AtomicU64; N],
    count: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Counted<N> {
    fn new(borders: [u64; N]) -> Self {
        let buckets = std::array::from_fn(|_| AtomicU64::new(0));
        Self { borders, buckets, count: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    fn add(&self, value: u64) {
        if let Some(bucket) = self.borders.iter().position(|border| value <= *border) {
            self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn told(&self) -> Histogram {
        let mut below = 0;
        let bucket = |(border, bucket): (&u64, &AtomicU64)| {
            below += bucket.load(Ordering::Relaxed);
            (*border, below)
        };
        let buckets = self.borders.iter().zip(&self.buckets).map(bucket).collect();
        let (sum, count) = (self.sum.load(Ordering::Relaxed), self.count.load(Ordering::Relaxed));
        Histogram { buckets, sum, count }
    }
}

/// Counts of one opening of the log.
#[derive(Debug)]
pub(crate) struct Measures {
    /// The last event that is on disk.
    head: AtomicU64,
    batches: Counted<{ BATCH_BORDERS.len() }>,
    commits: Counted<{ TIME_BORDERS.len() }>,
    syncs: Counted<{ TIME_BORDERS.len() }>,
    pub(crate) failed_attempts: AtomicU64,
    pub(crate) recoveries: AtomicU64,
    pub(crate) tally: Arc<Tally>,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            head: AtomicU64::new(0),
            batches: Counted::new(BATCH_BORDERS),
            commits: Counted::new(TIME_BORDERS),
            syncs: Counted::new(TIME_BORDERS),
            failed_attempts: AtomicU64::new(0),
            recoveries: AtomicU64::new(0),
            tally: Arc::default(),
        }
    }
}

impl Measures {
    /// The log ended here when it was opened.
    pub(crate) fn begin_at(&self, head: u64) {
        self.head.store(head, Ordering::Relaxed);
    }

    /// A commit of events is on disk.
    pub(crate) fn committed(&self, head: u64, took: Duration) {
        self.batches.add(head.saturating_sub(self.head.swap(head, Ordering::Relaxed)));
        self.commits.add(micros(took));
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// How many flows of each kind stand where.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Tallied>);

#[derive(Debug, Default)]
struct Tallied {
    /// By name: open ones as there are, ended ones since the opening, in the order of [`State::ALL`].
    flows: BTreeMap<String, [u64; State::ALL.len()]>,
    parks: u64,
}

impl Tally {
    /// Flows went from where they stood, if they had begun, to where they stand.
    pub(crate) fn moved<'a>(&self, moves: impl Iterator<Item = (&'a str, Option<State>, State)>) {
        let mut tallied = lock(&self.0);
        for (name, before, now) in moves {
            if !tallied.flows.contains_key(name) {
                tallied.flows.insert(name.to_owned(), Default::default());
            }
            tallied.parks += u64::from(now == State::Parked && before.is_some());
            let counts = tallied.flows.get_mut(name).expect("it was just put there");
            if let Some(before) = before {
                counts[before.place()] = counts[before.place()].saturating_sub(1);
            }
            counts[now.place()] += 1;
        }
    }
}

/// How often something was how large.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Borders, and how many were no larger.
    pub buckets: Vec<(u64, u64)>,
    /// All together.
    pub sum: u64,
    /// How many there were.
    pub count: u64,
}

/// What an opening of the log has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Events in each commit that had any: as many as there were commits, as many events as there are in them.
    pub batches: Histogram,
    /// Microseconds that commits took, from the first row to the last sync.
    pub commit_us: Histogram,
    /// Microseconds that syncs of the log took.
    pub sync_us: Histogram,
    /// What waits to be decided.
    pub waiting: u64,
    /// Attempts at steps and undos that failed.
    pub failed_attempts: u64,
    /// Times that a flow came to wait for a person.
    pub parks: u64,
    /// Flows that were taken up again when the log was opened.
    pub recoveries: u64,
    /// How many flows of a kind stand where: open ones as there are, ended ones since the opening.
    pub flows: Vec<(String, State, u64)>,
}

impl<P: Send + Sync + 'static> Engine<P> {
    /// What has been done since the log was opened here.
    pub fn measured(&self) -> Measured {
        let measures = &self.shared.store.measures;
        let (flows, parks) = {
            let tallied = lock(&measures.tally.0);
            let of_name = |(name, counts): (&String, &[u64; State::ALL.len()])| {
                let name = name.clone();
                let counts = State::ALL.into_iter().zip(*counts).filter(|(_, count)| *count > 0);
                counts.map(move |(state, count)| (name.clone(), state, count)).collect::<Vec<_>>()
            };
            (tallied.flows.iter().flat_map(of_name).collect(), tallied.parks)
        };
        Measured {
            batches: measures.batches.told(),
            commit_us: measures.commits.told(),
            sync_us: measures.syncs.told(),
            waiting: self.shared.queue.waiting() as u64,
            failed_attempts: measures.failed_attempts.load(Ordering::Relaxed),
            parks,
            recoveries: measures.recoveries.load(Ordering::Relaxed),
            flows,
        }
    }
}

/// A file of the log, the journal or the database, with its syncs timed.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) file: Arc<dyn File>,
    pub(crate) measures: Arc<Measures>,
}

impl File for Timed {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        let begun = Instant::now();
        let synced = self.file.sync();
        self.measures.syncs.add(micros(begun.elapsed()));
        synced
    }

    fn identity(&self) -> io::Result<Identity> {
        self.file.identity()
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.file.next_data(from)
    }

    fn advise(&self, range: Range<u64>, soon: bool) {
        self.file.advise(range, soon);
    }
}
