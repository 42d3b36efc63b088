//! Proving the projections: a fold from nothing. The log itself is proved in `tamper`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use event::{FlowId, Fold, Record, Rows, RowsMut, Seq};

use crate::Error;
use crate::chain::Hash;
use crate::committer::panic_text;
use crate::fresh::Fresh;
use crate::lineage::Lineage;
use crate::refold::{Folding, Keys, fold_all};
use crate::store::{Snapshot, records_in};
use crate::tamper::{Damage, FAULTS_NAMED_MAX, Fault};

/// What a check of the log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Events read.
    pub events: u64,
    /// Place of the last event.
    pub head: Seq,
    /// The chain's hash at the head: keep it elsewhere to catch a rollback later.
    pub head_hash: Hash,
    /// The first fault; none if the log is whole.
    pub fault: Option<Fault>,
    /// The first of all faults, in the order of the log.
    pub faults: Vec<Fault>,
    /// How many there are.
    pub damaged: u64,
    /// Where the log was restored from a backup and began anew.
    pub lineage: Vec<Lineage>,
}

/// What folding the log anew found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events folded.
    pub events: u64,
    /// Rows compared.
    pub rows: u64,
    /// Rows that differ.
    pub differing: u64,
    /// The first of them by name.
    pub faults: Vec<Fault>,
}

/// Reads of a damaged file may panic inside the database; here that is an answer.
pub(crate) fn guarded<T>(read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        Err(Error::read(format!("the database's pages are damaged ({})", panic_text(&*panic))))
    })
}

/// Folds the log anew and compares.
pub(crate) fn rebuild(snapshot: &Snapshot, domain: &Arc<dyn Fold>) -> Result<Rebuilt, Error> {
    let mut fresh = Fresh::default();
    let mut noted = Noted::default();
    let (mut settled, mut found) = (0, 0);
    let events = fold_all(snapshot, domain, ALL, &mut fresh, |rows| {
        settled += rows.len() as u64;
        for (key, value) in rows {
            match snapshot.get(&key) {
                None => noted.note(&key, MISSING),
                Some(kept) => {
                    found += 1;
                    if kept != value {
                        noted.note(&key, OTHER);
                    }
                }
            }
        }
        Ok(())
    })?;
    let rows = settled + fresh.len() as u64;
    let mut strange = 0;
    let mut all = snapshot.rows_in(b"", Bound::Unbounded, Bound::Unbounded, false)?;
    while let Some((key, value)) = all.next()? {
        match fresh.take(key.value()) {
            // One that was settled, or one that the log does not account for.
            None => strange += 1,
            Some(folded) if folded != value.value() => noted.note(key.value(), OTHER),
            Some(_) => {}
        }
    }
    fresh.scan(b"", &mut |key, _| {
        noted.note(key, MISSING);
        true
    });
    drop(fresh);
    if strange > found {
        note_strangers(snapshot, domain, &mut noted)?;
    }
    let mut report = Rebuilt { events, rows, differing: noted.count, faults: Vec::new() };
    if !noted.named.is_empty() {
        let mut traced = Traced { rows: Fresh::default(), now: None, writers: BTreeMap::new() };
        traced.writers.extend(noted.named.iter().map(|(key, _)| (key.clone(), None)));
        fold_all(snapshot, domain, ALL, &mut traced, |_| Ok(()))?;
        report.faults.extend(noted.named.into_iter().map(|(key, what)| {
            let writer = traced.writers.remove(&key).flatten();
            let events = writer.as_ref().map(|(seq, ..)| (*seq, *seq));
            let (flow, kind) = writer.map(|(_, flow, kind)| (flow, kind)).unzip();
            let (place, what) = (name_of(&key), what.to_owned());
            Fault { place, what, damage: Damage::Projection, events, flow, kind, row: None, bytes: None }
        }));
    }
    Ok(report)
}

/// Every event.
const ALL: Seq = Seq(u64::MAX);
const MISSING: &str = "it is missing";
const OTHER: &str = "it is not what the log comes to";

/// Rows that differ, the first of them by name.
#[derive(Default)]
struct Noted {
    count: u64,
    named: Vec<(Vec<u8>, &'static str)>,
}

impl Noted {
    fn note(&mut self, key: &[u8], what: &'static str) {
        self.count += 1;
        if self.named.len() < FAULTS_NAMED_MAX {
            self.named.push((key.to_vec(), what));
        }
    }
}

/// Finds the rows that are kept and that the log does not come to: there are more than it does. Only here are all
/// keys remembered, 16 bytes of each.
fn note_strangers(snapshot: &Snapshot, domain: &Arc<dyn Fold>, noted: &mut Noted) -> Result<(), Error> {
    let (mut fresh, mut keys) = (Fresh::default(), Keys::default());
    fold_all(snapshot, domain, ALL, &mut fresh, |rows| {
        for (key, _) in &rows {
            keys.add(key);
        }
        Ok(())
    })?;
    let mut all = snapshot.rows_in(b"", Bound::Unbounded, Bound::Unbounded, false)?;
    while let Some((key, _)) = all.next()? {
        if !fresh.has(key.value()) && !keys.has(key.value()) {
            noted.note(key.value(), "the log does not account for it");
        }
    }
    Ok(())
}

/// A record by which a row was written: its place, whose it is, its kind.
type Writer = (Seq, FlowId, String);

/// Rows in memory that know of some of them which record wrote them last.
struct Traced {
    rows: Fresh,
    now: Option<Writer>,
    writers: BTreeMap<Vec<u8>, Option<Writer>>,
}

impl Rows for Traced {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.rows.get(key)
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        self.rows.scan(prefix, visit);
    }
}

impl RowsMut for Traced {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if let Some(writer) = self.writers.get_mut(&key) {
            writer.clone_from(&self.now);
        }
        self.rows.set(key, value);
    }
}

impl Folding for Traced {
    fn fresh(&mut self) -> &mut Fresh {
        &mut self.rows
    }

    fn before(&mut self, record: &Record) {
        self.now = Some((record.seq, record.flow, record.kind.clone()));
    }
}

/// A key as a person reads it.
fn name_of(key: &[u8]) -> String {
    let parts: Vec<_> = key.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
    format!("row `{}`", parts.join("/"))
}

/// Records from a place on.
pub(crate) fn records(snapshot: &Snapshot, from: Seq, count: usize) -> Result<Vec<Record>, Error> {
    let from = from.max(Seq(1));
    let begin = snapshot.row_at(from)?.map_or(from.0, |(first, _)| first);
    let mut found = Vec::new();
    for row in snapshot.log_rows(begin)? {
        let (first, bytes) = row?;
        let records = records_in(first, &bytes)?;
        found.extend(records.into_iter().filter(|record| record.seq >= from));
        if found.len() >= count {
            break;
        }
    }
    found.truncate(count);
    Ok(found)
}
