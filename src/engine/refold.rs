//! Folding the log from its first event, with no more in memory than goes on: rows that will never change again are
//! handed over as soon as they are settled, to be compared, or to be kept.
//!
//! A row of a flow that has ended is looked at by nobody who folds, so what is held is the rows of the domain, of
//! flows that go on, and of the events since the last look, however long the log is.

use std::collections::HashSet;
use std::sync::Arc;

use event::{FlowId, Fold, Record, Rows as _, RowsMut, Seq};

use crate::Error;
use crate::committer::Overlay;
use crate::ended::{EndedFile, Mark, Moved, TABLES};
use crate::fold::{EngineFold, FLOWS, FlowRow, house};
use crate::fresh::Fresh;
use crate::settled::Settled;
use crate::store::{Changes, Snapshot, Staged, Store, records_in};

/// Events after which settled rows are handed over: their rows are some megabytes.
const LOOK_EVENTS: u64 = if cfg!(test) { 16 } else { 16_384 };

/// Rows that know what of them is held in memory.
pub(crate) trait Folding: RowsMut {
    /// The rows in memory.
    fn fresh(&mut self) -> &mut Fresh;

    /// What is called before each record is folded.
    fn before(&mut self, _record: &Record) {}
}

impl Folding for Fresh {
    fn fresh(&mut self) -> &mut Fresh {
        self
    }
}

/// A settled row.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// Folds every record into rows; those that have their last event at `upto` or before, and will never change again,
/// go to `settle` and are in the rows no more. Says how many events there were.
pub(crate) fn fold_all<R: Folding>(
    snapshot: &Snapshot,
    domain: &Arc<dyn Fold>,
    upto: Seq,
    rows: &mut R,
    mut settle: impl FnMut(Vec<Row>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut fold = EngineFold::new(domain.clone());
    let (mut events, mut looked, mut last) = (0, 0, Seq(0));
    for row in snapshot.log_rows(1)? {
        let (first, bytes) = row?;
        for record in records_in(first, &bytes)? {
            rows.before(&record);
            fold.apply(rows, &record);
            events += 1;
            last = record.seq;
        }
        fold.flush(rows);
        if events - looked >= LOOK_EVENTS {
            looked = events;
            settle(take_settled(rows.fresh(), &open_ones(&fold, last).up_to(upto)))?;
        }
    }
    settle(take_settled(rows.fresh(), &open_ones(&fold, last).up_to(upto)))?;
    Ok(events)
}

fn open_ones(fold: &EngineFold, last: Seq) -> Settled {
    let open = fold.flows.values().filter(|flow| !flow.state.has_ended());
    Settled::new(open.map(|flow| (flow.id, flow.first)), last)
}

fn take_settled(fresh: &mut Fresh, settled: &Settled) -> Vec<Row> {
    let mut keys = Vec::new();
    let flow = |id: FlowId| -> Option<FlowRow> {
        let row = fresh.get(&FLOWS.key(house(), &[&id.to_string()]));
        row.map(|row| FLOWS.read(&row))
    };
    for table in TABLES {
        fresh.scan(table, &mut |key, value| {
            if settled.has(key, value, flow) {
                keys.push(key.to_vec());
            }
            true
        });
    }
    let taken = keys.into_iter().map(|key| {
        let value = fresh.take(&key).expect("it was there a moment ago");
        (key, value)
    });
    taken.collect()
}

/// The changes that make the projections what the log comes to: of what is archived, the rows of ended flows into a
/// new second file, all others into the log's database.
pub(crate) fn refold(store: &Store, domain: &Arc<dyn Fold>) -> Result<(Staged, Option<Moved>), Error> {
    let snapshot = store.snapshot()?;
    let upto = snapshot.archive.end();
    let mark = snapshot.ended_mark()?;
    let wanted = (upto > Seq(0) || mark.is_some()).then(|| mark.unwrap_or_default().generation + 1);
    let failed = |error: redb::Error| store.not_opened(&error);
    let anew = wanted.map(|_| EndedFile::begin(&*store.files, store.dir())).transpose().map_err(failed)?;
    let mut fresh = Fresh::default();
    fold_all(&snapshot, domain, upto, &mut fresh, |rows| match &anew {
        Some(anew) => anew.fill(&rows).map_err(failed),
        None => Ok(()),
    })?;
    let mut changes = fresh.staged();
    for row in redb::ReadableTable::iter(&snapshot.rows).map_err(Error::read)? {
        let (key, _) = row.map_err(Error::read)?;
        changes.entry(key.value().to_vec()).or_insert(None);
    }
    drop(snapshot);
    let moved = match (anew, wanted) {
        (Some(anew), Some(generation)) => {
            let mark = Mark { generation, moves: 0 };
            anew.put(&[], mark).map_err(failed)?;
            Some(store.take_second(anew, mark).map_err(failed)?)
        }
        _ => None,
    };
    Ok((changes, moved))
}

/// Fails if there is a record that the folds do not know.
pub(crate) fn check_kinds(domain: &Arc<dyn Fold>, changes: &Changes) -> Result<(), Error> {
    let fold = EngineFold::new(domain.clone());
    for (first, row) in &changes.log {
        records_in(*first, row)?.iter().try_for_each(|record| fold.check_known(&record.kind))?;
    }
    Ok(())
}

/// Brings a fold that stands where the database does to the end of what that is told with `changes`, to which the rows
/// are added.
pub(crate) fn catch_up(
    mut fold: EngineFold,
    snapshot: Snapshot,
    changes: &mut Changes,
) -> Result<EngineFold, Error> {
    let mut rows = Overlay { base: snapshot, written: Arc::default(), changed: Staged::new() };
    for (first, row) in &changes.log {
        for record in records_in(*first, row)? {
            fold.check_known(&record.kind)?;
            fold.apply(&mut rows, &record);
        }
    }
    fold.flush(&mut rows);
    changes.rows = rows.changed;
    Ok(fold)
}

/// Hashes of the keys of rows, for whoever has to know whether there was one.
#[derive(Default)]
pub(crate) struct Keys(HashSet<[u8; 16]>);

impl Keys {
    fn hash(key: &[u8]) -> [u8; 16] {
        *blake3::hash(key).as_bytes().first_chunk().expect("a hash has 32 bytes")
    }

    pub(crate) fn add(&mut self, key: &[u8]) {
        self.0.insert(Self::hash(key));
    }

    pub(crate) fn has(&self, key: &[u8]) -> bool {
        self.0.contains(&Self::hash(key))
    }
}
