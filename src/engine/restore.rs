//! A log from the rows of another: what a restore from a backup begins with.
//!
//! ```text
//!  rows of the backup ──chain checked──▶ up to the moment ──▶ log and projections, folded anew
//!                                        what is cut in the middle of a row is packed anew
//!                     ──chain checked──▶ the rest: only that it leads to the backup's head
//!  then: log.restored, and flow.parked for every operation that had not ended
//! ```
//!
//! An operation that had not ended is parked and not driven. What it has done outside since that moment (a disk
//! written, an object made) is not in the log any more, and the house that the backup is of may be doing the rest
//! of it elsewhere: whether it goes on or is undone is for a person to say. The incarnation begins at the time of
//! the clock in seconds, which is more than the number of openings any log has had, so that attempts of before
//! are fenced by those of after, also in stores that the house of before went on to use.

use std::path::Path;
use std::sync::Arc;

use event::{Actor, Cause, Draft, FlowId, Fold, Record, Seq};
use files::Files;

use crate::chain::{self, GENESIS, Hash};
use crate::fold::{self, EngineFold, State, house};
use crate::fresh::Fresh;
use crate::kinds::{Parked, Paused, Which};
use crate::lineage::Restored;
use crate::store::{Changes, DATABASE, Head, Store};
use crate::{Clock, Error, Moment, pause};

/// Rows written in one commit: some 16 MiB.
const ROWS_PER_COMMIT: usize = 4096;

/// What a log is restored from, and as of when.
pub struct Restoring<'a> {
    /// The file system.
    pub files: Arc<dyn Files>,
    /// Where to; an empty directory, or none yet.
    pub dir: &'a Path,
    /// The domain's projections.
    pub fold: Arc<dyn Fold>,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who asks.
    pub actor: Actor,
    /// The moment up to which events are kept.
    pub at: Moment,
    /// Where the log ended when the backup was made, and the chain's hash there.
    pub head: (Seq, Hash),
    /// When that was.
    pub backed_up_ms: i64,
    /// The incarnation of the log when the backup was made.
    pub incarnation: u64,
}

/// What a restore came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredLog {
    /// The last event that was kept.
    pub at: Seq,
    /// Its time.
    pub time_ms: i64,
    /// Where the new log ends.
    pub head: Seq,
    /// The chain's hash there.
    pub head_hash: Hash,
    /// Events of the backup that were given up.
    pub given_up: u64,
    /// Operations that had not ended, and are parked.
    pub parked: Vec<FlowId>,
}

/// What has been read so far.
struct Reading {
    /// The hash of the first row.
    log: Hash,
    /// The backup's chain.
    hash: Hash,
    last: Seq,
    /// The new log's.
    kept_hash: Hash,
    kept: Seq,
    kept_ms: i64,
    is_past: bool,
}

/// Makes a log in a directory from the rows of another, as of a moment.
///
/// # Errors
/// If the rows are not those of the head, or hold what this program does not know, or the log cannot be written.
pub fn restore(
    restoring: Restoring<'_>,
    rows: impl Iterator<Item = Result<(u64, Vec<u8>), Error>>,
) -> Result<RestoredLog, Error> {
    let Restoring { files, dir, fold: domain, clock, actor, at, head, backed_up_ms, incarnation } = restoring;
    let store = Store::open(files, dir)?;
    if store.snapshot()?.head()?.seq > Seq(0) {
        let why = "there is a log already; restore into an empty directory".to_owned();
        return Err(Error::Open { path: dir.join(DATABASE), why });
    }
    let failed = |error: redb::Error| store.not_opened(&error);
    let (mut fresh, mut engine) = (Fresh::default(), EngineFold::new(domain.clone()));
    let mut reading = Reading::default();
    let mut changes = Changes::default();
    for row in rows {
        let (first, row) = row?;
        let (records, is_whole) = reading.take(first, &row, at)?;
        for record in &records {
            if !EngineFold::knows(&*domain, &record.kind) {
                return Err(Error::UnknownKind { kind: record.kind.clone() });
            }
            engine.apply(&mut fresh, record);
        }
        engine.flush(&mut fresh);
        if is_whole {
            reading.kept_hash = reading.hash;
            changes.log.push((first, row));
        } else {
            changes.log.extend(chain::pack(&records, &mut reading.kept_hash));
        }
        if changes.log.len() >= ROWS_PER_COMMIT {
            store.commit(&std::mem::take(&mut changes)).map_err(failed)?;
        }
    }
    if (reading.last, reading.hash) != head {
        let (seq, _) = head;
        return Err(Error::read(format!(
            "the backup's events end at event {} and do not lead to its head, event {seq}",
            reading.last
        )));
    }
    let time_ms = clock.now_ms().max(reading.kept_ms);
    let (records, parked) = beginning(&engine, &reading, head, backed_up_ms, actor, time_ms);
    for record in &records {
        engine.apply(&mut fresh, record);
    }
    engine.flush(&mut fresh);
    changes.log.extend(chain::pack(&records, &mut reading.kept_hash));
    let last = records.last().map_or(reading.kept, |record| record.seq);
    changes.rows = fresh.staged();
    changes.head = Some(Head { seq: last, hash: reading.kept_hash, time_ms });
    changes.fold = Some(fold::version(&*domain));
    changes.incarnation = Some(incarnation.saturating_add(1).max(time_ms.max(0).cast_unsigned() / 1000));
    store.commit(&changes).map_err(failed)?;
    store.settle().map_err(failed)?;
    Ok(RestoredLog {
        at: reading.kept,
        time_ms: reading.kept_ms.max(0),
        head: last,
        head_hash: reading.kept_hash,
        given_up: head.0.0 - reading.kept.0,
        parked,
    })
}

/// The records that a restored log goes on with, and the flows that they park.
fn beginning(
    engine: &EngineFold,
    reading: &Reading,
    (head_seq, head_hash): (Seq, Hash),
    backed_up_ms: i64,
    actor: Actor,
    time_ms: i64,
) -> (Vec<Record>, Vec<FlowId>) {
    let open = engine.flows.values().filter(|flow| !flow.state.has_ended() && flow.state != State::Parked);
    let mut open: Vec<_> = open.collect();
    open.sort_unstable_by_key(|flow| flow.id);
    let restored = Restored {
        at: reading.kept,
        head: head_seq,
        head_hash: head_hash.to_vec(),
        log: reading.log.to_vec(),
        backed_up_ms,
        parked: open.len() as u64,
    };
    let request = format!("restore/{time_ms}");
    let draft = Draft::of(&restored);
    let mut records = vec![Record {
        seq: reading.kept.next(),
        time_ms,
        flow: FlowId::derive(time_ms, request.as_bytes()),
        path: event::Path::from(""),
        kind: draft.kind.to_owned(),
        scope: house().clone(),
        subjects: draft.subjects,
        actor,
        cause: Cause::Request(request),
        previous: None,
        payload: draft.payload,
    }];
    let why = format!(
        "the log was restored as of event {}: what it has done outside since is not known any more. See that first",
        reading.kept
    );
    for (flow, place) in open.iter().zip(1..) {
        let draft = Draft::of(&Parked { why: why.clone() });
        records.push(Record {
            seq: Seq(reading.kept.next().0 + place),
            time_ms,
            flow: flow.id,
            path: event::Path::from(""),
            kind: draft.kind.to_owned(),
            scope: flow.scope.clone(),
            subjects: draft.subjects,
            actor: flow.actor.clone(),
            cause: flow.cause.clone(),
            previous: Some(flow.last),
            payload: draft.payload,
        });
    }
    // Nor does anything start by itself: it may have been done since.
    let (which, by) = (Which::Background, records[0].actor.clone());
    let reason = format!("the log was restored as of event {}", reading.kept);
    let paused = Draft::of(&Paused { which: which.clone(), by: by.clone(), reason });
    let request = format!("restore/{time_ms}/pause");
    let (flow, mut previous) = (FlowId::derive(time_ms, request.as_bytes()), None);
    for draft in pause::whole(&which, "pause", paused) {
        let seq = records.last().map_or(reading.kept, |record| record.seq).next();
        records.push(Record {
            seq,
            time_ms,
            flow,
            path: event::Path::from(""),
            kind: draft.kind.to_owned(),
            scope: house().clone(),
            subjects: draft.subjects,
            actor: by.clone(),
            cause: Cause::Request(request.clone()),
            previous: previous.replace(seq),
            payload: draft.payload,
        });
    }
    (records, open.into_iter().map(|flow| flow.id).collect())
}

/// Where rows lead: the last event and the chain's hash there, from the first link.
///
/// # Errors
/// If they are no chain.
pub fn chain_of(rows: impl Iterator<Item = Result<(u64, Vec<u8>), Error>>) -> Result<(Seq, Hash), Error> {
    let mut reading = Reading::default();
    for row in rows {
        let (first, row) = row?;
        reading.take(first, &row, Moment::Event(Seq(0)))?;
    }
    Ok((reading.last, reading.hash))
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            log: GENESIS,
            hash: GENESIS,
            last: Seq(0),
            kept_hash: GENESIS,
            kept: Seq(0),
            kept_ms: i64::MIN,
            is_past: false,
        }
    }
}

impl Reading {
    /// The records of a row that are kept, and whether those are all of it.
    fn take(&mut self, first: u64, row: &[u8], at: Moment) -> Result<(Vec<Record>, bool), Error> {
        let broken = |what: &str| Error::read(format!("the backup is damaged at event {first}: {what}"));
        let mut records = chain::read(row).map_err(|why| broken(&why))?;
        if first != self.last.next().0 || records.first().is_none_or(|record| record.seq.0 != first) {
            return Err(broken("it does not follow the events before it"));
        }
        let hash = chain::link(&self.hash, first, &row[32..]);
        if chain::hash_of(row) != Some(hash) {
            return Err(broken("the chain breaks"));
        }
        if first == 1 {
            self.log = hash;
        }
        (self.hash, self.last) = (hash, chain::last_of(&records, first));
        let all = records.len();
        let is_kept = |record: &Record| match at {
            Moment::Event(seq) => record.seq <= seq,
            Moment::TimeMs(time_ms) => record.time_ms <= time_ms,
        };
        let kept = if self.is_past { 0 } else { records.iter().take_while(|record| is_kept(record)).count() };
        records.truncate(kept);
        self.is_past |= kept < all;
        if let Some(last) = records.last() {
            (self.kept, self.kept_ms) = (last.seq, last.time_ms);
        }
        Ok((records, kept == all))
    }
}
