//! Making the log's database small again: the oldest rows of the log go into segments, and the rows of flows that
//! ended long ago into a second file.
//!
//! ```text
//!  oldest rows ─▶ …-….seg.part ─sync─▶ …-….seg ─sync dir─▶ read back, proved ─▶ one commit: named, forgotten
//!  settled rows ─▶ kiln.ended.redb, one commit ───────────────────────────────▶ one commit: forgotten
//! ```
//!
//! What is archived is always the beginning of the log, whole rows, whoever they are of: a flow that goes on for years
//! is read through the archive when it is told again. Rows go when they are older than [`Keep::for_ms`], and
//! younger ones when the log's part of the database is larger than [`Keep::live_bytes`]. One call is one bounded
//! piece, of which a person waits for no more than its commit; what is prepared is prepared beside the log's threads.
//! A piece that was cut short leaves a file that nobody names, or rows that are in both files and the same: the next
//! run begins it again.

use std::collections::HashSet;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use event::{FlowId, Hand, Seq};
use files::{Files, Open};
use redb::{ReadableTable as _, ReadableTableMetadata as _};
use tokio::sync::OwnedMutexGuard;

use crate::archive::ARCHIVE;
use crate::chain::GENESIS;
use crate::ended::{ENDED, Moved, TABLES};
use crate::fold::{self, FLOWS, house};
use crate::index;
use crate::queue::Queue;
use crate::refold::Row;
use crate::segment::{Opened, Packing, SEGMENT, SEGMENT_BYTES, Segment};
use crate::settled::Settled;
use crate::store::{self, DATABASE, Store, get_row, remove_if_there};
use crate::writer::why_stopped;
use crate::{Engine, Error, Snapshot, audit, open, pace};

/// How long what was written stays in the log's database, if nothing else is said: what people look at is mostly of
/// the last weeks.
pub const ARCHIVE_AFTER_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Bytes of the log in its database, if nothing else is said, beyond which younger rows go as well. With rows of
/// flows and of the domain beside them, and what a tree leaves free, the file then stays below the 256 MiB whose
/// repair is what an opening after a kill may take.
pub const LIVE_BYTES_MAX: u64 = 32 << 20;
/// Rows of ended flows in one commit: some milliseconds.
const MOVED_ROWS_MAX: usize = if cfg!(test) { 24 } else { 4096 };
/// Rows one behind the other that stay, after which a table is left while there may be a segment to write: settled
/// rows stand before those of flows that run, and looking at these each time costs as much as a segment.
const UNSETTLED_MAX: usize = MOVED_ROWS_MAX / 4;
/// Bytes that have to be free on the disk before anything is moved: the log itself is to have them.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// What the name of a segment ends with until it is whole.
const PART: &str = ".part";
/// What a row of the log takes in the database at most, if its events are of an ordinary size.
const PAGE_BYTES: u64 = 4096;

/// What stays in the log's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// What is not older than this, in milliseconds,
    pub for_ms: i64,
    /// as long as the log's part of the database is not larger.
    pub live_bytes: u64,
    /// Whether a segment may be made that is not full.
    pub parts: bool,
}

impl Default for Keep {
    fn default() -> Self {
        Self { for_ms: ARCHIVE_AFTER_MS, live_bytes: LIVE_BYTES_MAX, parts: false }
    }
}

/// A piece that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chore {
    /// The events that went into the archive.
    pub segment: Option<Stretch>,
    /// So many rows of flows that have ended went into the second file.
    pub rows: u64,
}

/// Events that went into the archive together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first of them.
    pub first: Seq,
    /// The last.
    pub last: Seq,
    /// Bytes of their rows.
    pub raw_bytes: u64,
    /// Bytes of the file they are in.
    pub file_bytes: u64,
}

/// What is archived, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// How many segments there are.
    pub segments: u64,
    /// The last event in them; 0 if there are none.
    pub last: Seq,
    /// Its time, milliseconds since 1970 UTC.
    pub last_ms: i64,
    /// Bytes of the rows in them, and of their files.
    pub raw_bytes: u64,
    /// The same, compressed.
    pub file_bytes: u64,
    /// Events that are in the log's database.
    pub live_events: u64,
    /// Bytes of the log's database on the disk.
    pub database_bytes: u64,
    /// Rows of ended flows that are in the second file.
    pub ended_rows: u64,
    /// Bytes of that file on the disk.
    pub ended_bytes: u64,
}

/// Where the chores have come to in this opening of the log.
#[derive(Debug, Default)]
pub(crate) struct Chores {
    /// What is not named has been removed.
    is_swept: bool,
    /// Where to look on for rows that are settled.
    cursor: Vec<u8>,
    /// Whether any were found since the beginning.
    found: bool,
    /// All that could go has, as of this event.
    settled_at: Option<Seq>,
}

/// What is ready to be committed.
struct Ready {
    segment: Option<Segment>,
    moved: Option<Moved>,
}

impl<P: Send + Sync + 'static> Engine<P> {
    /// Does one piece of making the log's database small again; none if there is nothing to do. Only one is done at
    /// a time, whoever asks.
    ///
    /// # Errors
    /// If a segment could not be written or is not what was written: then the log is as it was, and the
    /// same may be asked again. If the second file could not be written the log stops, as after any commit that failed.
    pub async fn archive(&self, keep: Keep) -> Result<Option<Chore>, Error> {
        let (store, queue) = (self.shared.store.clone(), self.shared.queue.clone());
        let now_ms = self.shared.clock.now_ms();
        // On a task of its own, so that a piece comes to its end before the next begins, also if nobody waits for it.
        let piece = tokio::spawn(async move {
            let chores = store.chores.clone().lock_owned().await;
            one(store, queue, chores, keep, now_ms).await
        });
        piece.await.map_err(Error::read)?
    }

    /// What is archived, and how large everything is.
    pub fn archived(&self) -> Result<Archived, Error> {
        let store = &self.shared.store;
        let bytes_of = |name: &str| {
            store.files.identity(&store.dir().join(name)).map_or(0, |found| found.allocated_bytes)
        };
        let snapshot = store.snapshot()?;
        let segments = snapshot.archive.segments()?;
        let sum = |of: fn(&Segment) -> u64| segments.iter().map(of).sum();
        let ended = snapshot.ended.as_ref().map(|ended| ended.len().map_err(Error::read)).transpose()?;
        let last = snapshot.archive.end();
        Ok(Archived {
            segments: segments.len() as u64,
            last,
            last_ms: segments.last().map_or(0, |segment| segment.last_ms),
            raw_bytes: sum(|segment| segment.raw_bytes),
            file_bytes: sum(|segment| segment.file_bytes),
            live_events: snapshot.head()?.seq.0.saturating_sub(last.0),
            database_bytes: bytes_of(DATABASE),
            ended_rows: ended.unwrap_or(0),
            ended_bytes: bytes_of(ENDED),
        })
    }
}

async fn one(
    store: Arc<Store>,
    queue: Arc<Queue>,
    mut chores: OwnedMutexGuard<Chores>,
    keep: Keep,
    now_ms: i64,
) -> Result<Option<Chore>, Error> {
    let (stopping, pace) = (queue.clone(), queue.pace().clone());
    let prepared = pace::beside(Hand::Archiver, pace, move || {
        let stops = |error| {
            let error = why_stopped(Ok(Err(error)));
            stopping.stop(error.clone());
            error
        };
        let ready = audit::guarded(|| prepare(&store, &mut chores, keep, now_ms, stops));
        (ready, chores)
    });
    // Held until it is durable.
    let (ready, _chores) = prepared.await?;
    let Some(ready) = ready? else { return Ok(None) };
    let stretch = |segment: &Segment| Stretch {
        first: segment.first,
        last: segment.last,
        raw_bytes: segment.raw_bytes,
        file_bytes: segment.file_bytes,
    };
    let Ready { segment, moved } = ready;
    let rows = moved.as_ref().map_or(0, |moved| moved.keys.len() as u64);
    let chore = Chore { segment: segment.as_ref().map(stretch), rows };
    let ticket = queue.submit(Box::new(move |batch| {
        if let Some(segment) = segment {
            batch.archives(segment);
        }
        if let Some(moved) = moved {
            batch.moves(moved);
        }
    }));
    queue.durable(ticket).await?;
    Ok(Some(chore))
}

fn prepare(
    store: &Store,
    chores: &mut Chores,
    keep: Keep,
    now_ms: i64,
    stops: impl FnOnce(redb::Error) -> Error,
) -> Result<Option<Ready>, Error> {
    let snapshot = store.snapshot()?;
    let segment = next_segment(store, &snapshot, chores, keep, now_ms)?;
    // Rows go along if there is a full piece of them, as under a load that never ends there is always one more
    // segment; what is left goes when there is none.
    let rows = if segment.is_some() {
        let rows = settled_rows(&snapshot, &mut Chores::default(), UNSETTLED_MAX)?;
        if rows.len() == MOVED_ROWS_MAX { rows } else { Vec::new() }
    } else {
        settled_rows(&snapshot, chores, usize::MAX)?
    };
    if segment.is_none() && rows.is_empty() {
        return Ok(None);
    }
    let mut moved = None;
    if !rows.is_empty() {
        room(store, "moving rows of ended flows")?;
        let mark = snapshot.ended_mark()?;
        moved = Some(store.move_rows(&rows, mark).map_err(stops)?);
    }
    Ok(Some(Ready { segment, moved }))
}

/// Whether there is room on the disk for what is moved, which is there twice for a moment.
fn room(store: &Store, what: &str) -> Result<(), Error> {
    let fail = |why: String| Error::Archive { what: what.to_owned(), why };
    let free = store.files.free_bytes(store.dir()).map_err(|error| fail(error.to_string()))?;
    if free >= FREE_BYTES_MIN {
        return Ok(());
    }
    Err(fail(format!("only {free} bytes are free in the data directory, and the log is to have them")))
}

/// Writes the next segment, if its time has come.
fn next_segment(
    store: &Store,
    snapshot: &store::Snapshot,
    chores: &mut Chores,
    keep: Keep,
    now_ms: i64,
) -> Result<Option<Segment>, Error> {
    let end = snapshot.archive.end();
    let cut = cut(snapshot, keep, now_ms)?;
    if cut <= end {
        return Ok(None);
    }
    let mut rows: Vec<(u64, Vec<u8>)> = Vec::new();
    let (mut bytes, mut next) = (0, 0);
    // The last row of the log never goes, so the one behind those that do is always met.
    for row in snapshot.log.range(end.0 + 1..).map_err(Error::read)? {
        let (first, row) = row.map_err(Error::read)?;
        let first = first.value();
        next = first;
        // Where the one before ends is known by this one.
        if first > cut.0 + 1
            && let Some((stays, row)) = rows.pop()
        {
            next = stays;
            bytes -= row.len() as u64;
        }
        if first > cut.0 || bytes >= SEGMENT_BYTES {
            break;
        }
        bytes += row.value().len() as u64;
        rows.push((first, row.value().to_vec()));
    }
    if rows.is_empty() || (bytes < SEGMENT_BYTES && !keep.parts) {
        return Ok(None);
    }
    let what = format!("archiving from event {} on", rows[0].0);
    room(store, &what)?;
    let fail = |why: String| Error::Archive { what: what.clone(), why };
    let (log, before) = snapshot.archive.last().map(|last| (last.log, last.hash)).unzip();
    let mut packing =
        Packing::begin(log, before.unwrap_or(GENESIS)).map_err(|error| fail(error.to_string()))?;
    let nexts = rows.iter().skip(1).map(|(first, _)| *first).chain([next]);
    for ((first, row), next) in rows.iter().zip(nexts) {
        packing
            .row(*first, row, next)
            .map_err(|why| fail(format!("{why}; `kiln audit verify` says more")))?;
    }
    let (segment, file) = packing.finish().map_err(fail)?;
    let named = snapshot.archive.segments()?;
    write(store, chores, &named, (&segment, &file)).map_err(|error| fail(error.to_string()))?;
    prove(store, snapshot, &segment, &rows).map_err(fail)?;
    Ok(Some(segment))
}

/// The last event that may go; never one of the last row.
fn cut(snapshot: &store::Snapshot, keep: Keep, now_ms: i64) -> Result<Seq, Error> {
    let old = Snapshot(snapshot.clone()).seq_at(now_ms.saturating_sub(keep.for_ms))?;
    let rows = snapshot.log.len().map_err(Error::read)?;
    let mut cut = old;
    if rows.saturating_mul(PAGE_BYTES) > keep.live_bytes {
        let mut left = keep.live_bytes;
        for row in snapshot.log.iter().map_err(Error::read)?.rev() {
            let (first, row) = row.map_err(Error::read)?;
            let bytes = row.value().len() as u64;
            if bytes > left {
                // This one goes, and what comes before it: it ends before the one that was looked at last.
                break;
            }
            left -= bytes;
            cut = old.max(Seq(first.value() - 1));
        }
        if left == keep.live_bytes {
            // Not even the last row is to stay, and it does.
            cut = snapshot.head()?.seq;
        }
    }
    let last = snapshot.log.last().map_err(Error::read)?.map_or(0, |(first, _)| first.value());
    Ok(cut.min(Seq(last.saturating_sub(1))))
}

fn write(
    store: &Store,
    chores: &mut Chores,
    named: &[Segment],
    (segment, file): (&Segment, &[u8]),
) -> std::io::Result<()> {
    let (files, dir) = (&*store.files, store.dir().join(ARCHIVE));
    files.create_dirs(&dir)?;
    files.sync_dir(store.dir())?;
    if !chores.is_swept {
        sweep(files, &dir, named)?;
        chores.is_swept = true;
    }
    let part = dir.join(segment.name() + PART);
    remove_if_there(files, &part)?;
    let written = (|| {
        let new = files.open(&part, Open::CreateNew)?;
        new.write_at(0, file)?;
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::LooseSegment) {
            return Ok(());
        }
        new.sync()
    })();
    if let Err(error) = written {
        // What could not be synced is not tried again: the next one is another file.
        let _ = remove_if_there(files, &part);
        return Err(error);
    }
    files.rename(&part, &dir.join(segment.name()))?;
    files.sync_dir(&dir)
}

/// Removes what a run left that was cut short.
fn sweep(files: &dyn Files, dir: &Path, segments: &[Segment]) -> std::io::Result<()> {
    let named: HashSet<String> = segments.iter().map(Segment::name).collect();
    let ours = |name: &String| {
        let name = Path::new(name.strip_suffix(PART).unwrap_or(name));
        name.extension().is_some_and(|extension| extension == SEGMENT)
    };
    let strays = files.list(dir)?.into_iter().filter(|name| ours(name) && !named.contains(name));
    strays.into_iter().try_for_each(|name| remove_if_there(files, &dir.join(name)))
}

/// Reads a segment back: what is about to be forgotten is all there, to the bit.
pub(crate) fn prove(
    store: &Store,
    snapshot: &store::Snapshot,
    segment: &Segment,
    rows: &[(u64, Vec<u8>)],
) -> Result<(), String> {
    let bytes = snapshot.archive.bytes_of(segment).map_err(|error| format!("reading it back: {error}"))?;
    let opened = Opened::of(bytes)?;
    let mut is_it = opened.segment == *segment;
    let mut left = rows.iter();
    for index in 0..opened.blocks() {
        let (block, is_sound) = opened.block(index)?;
        is_it &= is_sound;
        for (first, row) in (0..block.len()).filter_map(|row| block.row(row)) {
            is_it &= left.next().is_some_and(|kept| kept.0 == first && kept.1 == row);
        }
    }
    if is_it && left.next().is_none() {
        return Ok(());
    }
    Err(format!("`{}` is not what was written", store.dir().join(ARCHIVE).join(segment.name()).display()))
}

/// Rows of the log's database that will never be others and whose records are archived, as many as go at once; a
/// table is left after so many that stay.
fn settled_rows(
    snapshot: &store::Snapshot,
    chores: &mut Chores,
    unsettled_max: usize,
) -> Result<Vec<Row>, Error> {
    let upto = snapshot.archive.end();
    if upto == Seq(0) || chores.settled_at == Some(upto) {
        return Ok(Vec::new());
    }
    let open = open::all(snapshot).into_iter().filter_map(|open| fold::flow(snapshot, open.id));
    let settled = Settled::new(open.map(|flow| (flow.id, flow.first)), upto);
    let flow = |id: FlowId| {
        let row = get_row(&snapshot.rows, &FLOWS.key(house(), &[&id.to_string()]));
        row.map(|row| FLOWS.read(&row))
    };
    let mut found = Vec::new();
    // The tables in the order of their keys, each from where the last look ended.
    for table in TABLES {
        let mut from = if chores.cursor.as_slice() > table { chores.cursor.clone() } else { table.to_vec() };
        if !from.starts_with(table) && from.as_slice() > table {
            continue;
        }
        let mut unsettled = 0;
        'anew: loop {
            let rows = snapshot.rows.range::<&[u8]>((Bound::Excluded(from.as_slice()), Bound::Unbounded));
            for row in rows.map_err(Error::read)? {
                let (key, value) = row.map_err(Error::read)?;
                let key = key.value();
                if !key.starts_with(table) || unsettled == unsettled_max {
                    break;
                }
                if let Some(next) = index::next_list(key, upto) {
                    from = next;
                    continue 'anew;
                }
                unsettled += 1;
                if settled.has(key, value.value(), flow) {
                    unsettled = 0;
                    chores.cursor = key.to_vec();
                    found.push((key.to_vec(), value.value().to_vec()));
                    if found.len() == MOVED_ROWS_MAX {
                        chores.found = true;
                        return Ok(found);
                    }
                }
            }
            break;
        }
    }
    // Once through; a look that found nothing at all from the beginning was the last.
    chores.cursor.clear();
    if found.is_empty() && !chores.found {
        chores.settled_at = Some(upto);
    }
    if found.is_empty() && chores.found {
        chores.found = false;
        return settled_rows(snapshot, chores, unsettled_max);
    }
    chores.found = !found.is_empty();
    Ok(found)
}
