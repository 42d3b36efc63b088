//! Proving the log and the projections: the chain from its first link, and a fold from nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use event::{Fold, Record, Rows, RowsMut, Seq};
use redb::ReadableTable;

use crate::Error;
use crate::chain::{self, GENESIS, Hash};
use crate::committer::panic_text;
use crate::fold::EngineFold;
use crate::store::{Snapshot, records_in};

/// Faults named one by one; more are only counted, so that a report of a ruined file ends.
const FAULTS_NAMED_MAX: usize = 20;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: an event, or a projection row.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

/// What a check of the log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Events read.
    pub events: u64,
    /// Place of the last event.
    pub head: Seq,
    /// The chain's hash at the head: keep it elsewhere to catch a rollback later.
    pub head_hash: Hash,
    /// The first fault, after which nothing is certain; none if the log is whole.
    pub fault: Option<Fault>,
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

/// Walks the log from its first event.
pub(crate) fn verify(snapshot: &Snapshot) -> Result<Verified, Error> {
    let head = snapshot.head()?;
    let mut hash = GENESIS;
    let mut last = Seq(0);
    let mut last_ms = i64::MIN;
    let mut fault = None;
    for row in snapshot.log.iter().map_err(Error::read)? {
        let (first, bytes) = row.map_err(Error::read)?;
        match check_row(first.value(), bytes.value(), &hash, last, last_ms) {
            Ok(checked) => (hash, last, last_ms) = checked,
            Err(found) => {
                fault = Some(found);
                break;
            }
        }
    }
    if fault.is_none() && (last != head.seq || hash != head.hash) {
        let what = if last < head.seq {
            format!("the log ends at event {last}, but its head says {}: later events were removed", head.seq)
        } else {
            format!("the log ends at event {last} with another hash than its head says")
        };
        fault = Some(Fault { place: format!("event {}", last.next()), what });
    }
    Ok(Verified { events: last.0, head: last, head_hash: hash, fault })
}

fn check_row(
    first: u64,
    row: &[u8],
    before: &Hash,
    last: Seq,
    last_ms: i64,
) -> Result<(Hash, Seq, i64), Fault> {
    let fault = |seq: u64, what: String| Fault { place: format!("event {seq}"), what };
    if first != last.next().0 {
        let what = format!(
            "the row after event {last} begins at event {first}: what lay between was removed or moved"
        );
        return Err(fault(last.next().0, what));
    }
    let records = chain::read(row).map_err(|why| fault(first, format!("it does not decode: {why}")))?;
    if records.first().map(|record| record.seq.0) != Some(first) {
        return Err(fault(first, "another event stands in its place".to_owned()));
    }
    let hash = chain::link(before, first, &row[32..]);
    if chain::hash_of(row) != Some(hash) {
        let end = chain::last_of(&records, first);
        let what = format!(
            "the chain breaks: it, or an event up to {end} beside it, was altered, moved or replaced"
        );
        return Err(fault(first, what));
    }
    let mut time_ms = last_ms;
    for record in &records {
        if record.time_ms < time_ms {
            return Err(fault(record.seq.0, "it is older than the event before it".to_owned()));
        }
        time_ms = record.time_ms;
    }
    Ok((hash, chain::last_of(&records, first), time_ms))
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

fn fold_all(snapshot: &Snapshot, domain: &Arc<dyn Fold>) -> Result<(Fresh, u64), Error> {
    let mut rows = Fresh::default();
    let mut fold = EngineFold::new(domain.clone());
    let mut events = 0;
    for row in snapshot.log.iter().map_err(Error::read)? {
        let (first, bytes) = row.map_err(Error::read)?;
        let records = records_in(first.value(), bytes.value())?;
        for record in &records {
            fold.apply(&mut rows, record);
            events += 1;
        }
        fold.flush(&mut rows);
    }
    Ok((rows, events))
}

/// Folds the log anew and compares.
pub(crate) fn rebuild(snapshot: &Snapshot, domain: &Arc<dyn Fold>) -> Result<Rebuilt, Error> {
    let (Fresh(mut fresh), events) = fold_all(snapshot, domain)?;
    let mut report = Rebuilt { events, rows: fresh.len() as u64, differing: 0, faults: Vec::new() };
    let mut note = |key: &[u8], what: &str| {
        report.differing += 1;
        if report.faults.len() < FAULTS_NAMED_MAX {
            report.faults.push(Fault { place: name_of(key), what: what.to_owned() });
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
    Ok(report)
}

/// The changes that make the projections what the log comes to.
pub(crate) fn refold(
    snapshot: &Snapshot,
    domain: &Arc<dyn Fold>,
) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, Error> {
    let (Fresh(fresh), _) = fold_all(snapshot, domain)?;
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
