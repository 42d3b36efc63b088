//! Proving the projections: a fold from nothing. The log itself is proved in `tamper`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use event::{FlowId, Fold, Record, Rows, RowsMut, Seq};
use redb::ReadableTable;

use crate::Error;
use crate::chain::Hash;
use crate::committer::panic_text;
use crate::fold::EngineFold;
use crate::lineage::Lineage;
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

/// Rows in memory, for a fold from nothing.
#[derive(Default)]
pub(crate) struct Fresh(pub(crate) BTreeMap<Vec<u8>, Vec<u8>>);

impl Rows for Fresh {
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

impl RowsMut for Fresh {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match value {
            Some(value) => _ = self.0.insert(key, value),
            None => _ = self.0.remove(&key),
        }
    }
}

/// Folds every record into rows, and calls `before` with each.
fn fold_all<R: RowsMut>(
    snapshot: &Snapshot,
    domain: &Arc<dyn Fold>,
    rows: &mut R,
    mut before: impl FnMut(&mut R, &Record),
) -> Result<u64, Error> {
    let mut fold = EngineFold::new(domain.clone());
    let mut events = 0;
    for row in snapshot.log.iter().map_err(Error::read)? {
        let (first, bytes) = row.map_err(Error::read)?;
        let records = records_in(first.value(), bytes.value())?;
        for record in &records {
            before(rows, record);
            fold.apply(rows, record);
            events += 1;
        }
        fold.flush(rows);
    }
    Ok(events)
}

/// Folds the log anew and compares.
pub(crate) fn rebuild(snapshot: &Snapshot, domain: &Arc<dyn Fold>) -> Result<Rebuilt, Error> {
    let mut fresh = Fresh::default();
    let events = fold_all(snapshot, domain, &mut fresh, |_, _| {})?;
    let Fresh(mut fresh) = fresh;
    let mut report = Rebuilt { events, rows: fresh.len() as u64, differing: 0, faults: Vec::new() };
    let mut named = Vec::new();
    let mut note = |key: &[u8], what: &'static str| {
        report.differing += 1;
        if named.len() < FAULTS_NAMED_MAX {
            named.push((key.to_vec(), what));
        }
    };
    for row in snapshot.rows.iter().map_err(Error::read)? {
        let (key, value) = row.map_err(Error::read)?;
        match fresh.remove(key.value()) {
            None => note(key.value(), "the log does not account for it"),
            Some(folded) if folded != value.value() => note(key.value(), "it is not what the log comes to"),
            Some(_) => {}
        }
    }
    for key in fresh.keys() {
        note(key, "it is missing");
    }
    drop(fresh);
    if !named.is_empty() {
        let mut traced = Traced { rows: Fresh::default(), now: None, writers: BTreeMap::new() };
        traced.writers.extend(named.iter().map(|(key, _)| (key.clone(), None)));
        fold_all(snapshot, domain, &mut traced, |rows, record| {
            rows.now = Some((record.seq, record.flow, record.kind.clone()));
        })?;
        report.faults.extend(named.into_iter().map(|(key, what)| {
            let writer = traced.writers.remove(&key).flatten();
            let events = writer.as_ref().map(|(seq, ..)| (*seq, *seq));
            let (flow, kind) = writer.map(|(_, flow, kind)| (flow, kind)).unzip();
            let (place, what) = (name_of(&key), what.to_owned());
            Fault { place, what, damage: Damage::Projection, events, flow, kind, row: None, bytes: None }
        }));
    }
    Ok(report)
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

/// The changes that make the projections what the log comes to.
pub(crate) fn refold(
    snapshot: &Snapshot,
    domain: &Arc<dyn Fold>,
) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, Error> {
    let mut fresh = Fresh::default();
    fold_all(snapshot, domain, &mut fresh, |_, _| {})?;
    let Fresh(fresh) = fresh;
    let mut changes: BTreeMap<_, _> = fresh.into_iter().map(|(key, value)| (key, Some(value))).collect();
    for row in snapshot.rows.iter().map_err(Error::read)? {
        let (key, _) = row.map_err(Error::read)?;
        changes.entry(key.value().to_vec()).or_insert(None);
    }
    Ok(changes)
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
    for row in snapshot.log.range(begin..).map_err(Error::read)? {
        let (first, bytes) = row.map_err(Error::read)?;
        let records = records_in(first.value(), bytes.value())?;
        found.extend(records.into_iter().filter(|record| record.seq >= from));
        if found.len() >= count {
            break;
        }
    }
    found.truncate(count);
    Ok(found)
}
