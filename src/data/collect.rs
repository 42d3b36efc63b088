//! Gives back what no live manifest names, beside everything else that goes on.
//!
//! A chunk is *condemned* first: from that commit on imports do not find it. It is removed once
//! every job begun before has ended and the live manifests, read after that, still do not name it.
//! A job that began earlier may have built on it and sealed meanwhile; then it is pardoned. A job
//! that began later cannot have found it.
//!
//! Removing works pack by pack, one transaction each: a pack with nothing left is taken out, one
//! with something left is copied without the rest. A crash at any point leaves either pack whole,
//! and a file that opening sweeps away.
//!
//! The same chunk stored twice (two imports at once, each without the other's unfinished packs) is
//! treated like a chunk nobody names, save for one of its copies.

use std::collections::{HashMap, HashSet};
use std::sync::TryLockError;

use domain::Digest;
use domain::port::{Collected, LiveManifests};
use event::{Failure, Progress, Work};
use files::File;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::fault::{self, Result};
use crate::fence::{Turn, fenced};
use crate::index::{
    CHUNKS, COLLECT, COUNTERS, ChunkKey, Domain, EXPORT, FRAMES, Inside, JOBS, JobRow, Kind, NEXT_JOB,
    NEXT_PACK, PACKS, PackRow, Place, TRANSFER, begin_job, chunk_key, chunk_key_parts, decode, encode,
    forget_old, job_row_mut, put_job,
};
use crate::mark::{Marked, mark};
use crate::pack::{self, FRAME_HEADER_BYTES, HEADER_BYTES};
use crate::store::{Store, doom};

/// Rows looked at or changed in one transaction.
const ROWS_AT_ONCE: usize = 8192;
/// Packs taken out in one transaction.
const PACKS_AT_ONCE: usize = 16;
/// Bytes copied at once from one pack to another.
const COPY_BYTES: u64 = 4 << 20;
/// Ids in one row of `frames`.
const IDS_PER_ROW: usize = 2048;
/// Finished collections remembered for a second run of their step.
const COLLECTIONS_REMEMBERED: usize = 256;

/// One attempt at a collection.
pub(crate) struct Collection<'a> {
    pub(crate) store: &'a Store,
    /// The job's key in the index.
    pub(crate) job: String,
    pub(crate) work: &'a dyn Work,
    pub(crate) turn: &'a Turn<'a>,
    pub(crate) live: &'a dyn LiveManifests,
}

/// What is to be done, found in one pass over the chunks.
#[derive(Default)]
struct Plan {
    /// By pack, the frames to remove.
    remove: HashMap<u64, HashSet<Digest>>,
    pardon: Vec<ChunkKey>,
    waiting: u64,
}

impl Collection<'_> {
    /// Runs to the end, from wherever an earlier attempt came to.
    pub(crate) fn run(&self) -> Result<Collected> {
        let _one = match self.store.collecting.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::World(format!(
                    "region `{}` is being collected by another job",
                    self.store.region
                )));
            }
        };
        let attempt = self.work.attempt();
        let row = self.store.index.write(|tx| match job_row_mut(tx, &self.job)? {
            Some(old) if old.attempt > Some(attempt) || old.done => Ok(old),
            _ => begin_job(tx, &self.job, attempt),
        })?;
        if row.done {
            return Ok(row.collected);
        }
        if row.attempt > Some(attempt) {
            return Err(fenced(&self.job));
        }
        self.store.sweep()?;
        self.condemn()?;
        // In this order: a job that has ended before is in the list that is read behind.
        let oldest = self.store.index.read(oldest_active)?;
        let marked = self.mark()?;
        let plan = self.plan(oldest, &marked)?;
        drop(marked);
        self.pardon(&plan.pardon)?;
        self.remove(&plan.remove)?;
        self.store.index.write(|tx| {
            let mut row = self.row(tx)?;
            row.collected.waiting_chunks = plan.waiting;
            row.done = true;
            put_job(tx, &self.job, &row)?;
            forget_old(tx, COLLECT, COLLECTIONS_REMEMBERED)?;
            Ok(row.collected)
        })
    }

    fn row(&self, tx: &WriteTransaction) -> Inside<JobRow> {
        job_row_mut(tx, &self.job)?
            .ok_or_else(|| redb::Error::Corrupted(format!("the row of `{}` is gone", self.job)))
    }

    fn report(&self, done_bytes: u64, total_bytes: u64) -> Result<()> {
        self.turn.check()?;
        self.work.checkpoint(Progress { doing: "collecting".into(), done_bytes, total_bytes })
    }

    fn mark(&self) -> Result<Marked> {
        mark(self.store, &self.live.manifests()?, || self.report(0, 0))
    }

    /// Condemns what no live manifest names, and all but one of several copies.
    fn condemn(&self) -> Result<()> {
        // Before the list is read: what was settled by now was sealed by now, so it is in the list.
        let settled: HashSet<u64> =
            self.store.index.read(|tx| Ok(settled(tx)?.into_iter().map(|(pack, _)| pack).collect()))?;
        let marked = self.mark()?;
        let mut kept: Option<(Domain, Digest)> = None;
        self.each_rows(|rows| {
            let mut condemned = Vec::new();
            for (key, place) in rows {
                let (domain, id, pack) = chunk_key_parts(key);
                if place.condemned != 0 || !settled.contains(&pack) {
                    continue;
                }
                if marked.holds(&domain, &id) && kept != Some((domain, id)) {
                    kept = Some((domain, id));
                } else {
                    condemned.push(*key);
                }
            }
            if condemned.is_empty() {
                return Ok(());
            }
            self.report(0, 0)?;
            self.store.index.write(|tx| {
                let next = tx.open_table(COUNTERS)?.get(NEXT_JOB)?.map_or(1, |next| next.value());
                let changed = set_condemned(tx, &condemned, next)?;
                let mut row = self.row(tx)?;
                row.collected.condemned_chunks += changed;
                put_job(tx, &self.job, &row)
            })
        })
    }

    /// Gives all rows of `chunks` in order, some at a time.
    fn each_rows(&self, mut look: impl FnMut(&[(ChunkKey, Place)]) -> Result<()>) -> Result<()> {
        let mut from: ChunkKey = [0; 56];
        loop {
            let rows = self.store.index.read(|tx| {
                let table = tx.open_table(CHUNKS)?;
                table
                    .range::<&ChunkKey>(&from..)?
                    .take(ROWS_AT_ONCE)
                    .map(|row| {
                        let (key, place) = row?;
                        Ok((*key.value(), Place::decode(place.value())))
                    })
                    .collect::<Inside<Vec<_>>>()
            })?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            look(&rows)?;
            if rows.len() < ROWS_AT_ONCE || *last == [0xff; 56] {
                return Ok(());
            }
            from = successor(last);
        }
    }

    /// What can be removed, what is to be pardoned, and how much has to wait.
    fn plan(&self, oldest: u64, marked: &Marked) -> Result<Plan> {
        let settled: HashSet<u64> =
            self.store.index.read(|tx| Ok(settled(tx)?.into_iter().map(|(pack, _)| pack).collect()))?;
        let mut plan = Plan::default();
        let mut group: Vec<(ChunkKey, Place)> = Vec::new();
        self.each_rows(|rows| {
            for (key, place) in rows {
                if group.first().is_some_and(|(first, _)| first[..48] != key[..48]) {
                    plan.group(&group, oldest, marked);
                    group.clear();
                }
                if settled.contains(&chunk_key_parts(key).2) {
                    group.push((*key, *place));
                }
            }
            Ok(())
        })?;
        plan.group(&group, oldest, marked);
        Ok(plan)
    }

    fn pardon(&self, keys: &[ChunkKey]) -> Result<()> {
        for some in keys.chunks(ROWS_AT_ONCE) {
            self.store.index.write(|tx| set_condemned(tx, some, 0))?;
        }
        Ok(())
    }

    fn remove(&self, packs: &HashMap<u64, HashSet<Digest>>) -> Result<()> {
        let mut whole = Vec::new();
        let mut partly = Vec::new();
        let mut total_bytes = 0;
        for (&pack, dead) in packs {
            let (row, frames) = self.store.index.read(|tx| frames_of(tx, pack))?;
            let Some(row) = row else { continue };
            total_bytes += row.file_bytes;
            if frames.iter().all(|(id, _)| dead.contains(id)) {
                whole.push((pack, row, frames));
            } else {
                partly.push((pack, row));
            }
        }
        whole.sort_unstable_by_key(|(pack, ..)| *pack);
        partly.sort_unstable_by_key(|(pack, ..)| *pack);
        let mut done_bytes = 0;
        for some in whole.chunks(PACKS_AT_ONCE) {
            self.report(done_bytes, total_bytes)?;
            self.store.index.write(|tx| {
                let mut row = self.row(tx)?;
                for (pack, pack_row, frames) in some {
                    doom(tx, *pack)?;
                    row.collected.removed_chunks += chunks_in(frames.iter());
                    row.collected.freed_bytes += pack_row.file_bytes;
                }
                put_job(tx, &self.job, &row)
            })?;
            let packs: Vec<u64> = some.iter().map(|(pack, ..)| *pack).collect();
            self.store.remove_doomed(&packs)?;
            done_bytes += some.iter().map(|(_, row, _)| row.file_bytes).sum::<u64>();
        }
        for (pack, row) in partly {
            self.report(done_bytes, total_bytes)?;
            self.rewrite(pack, &row, &packs[&pack])?;
            done_bytes += row.file_bytes;
        }
        Ok(())
    }

    /// Copies what is left of a pack into a new one, as it is, and takes the old one out.
    fn rewrite(&self, old: u64, row: &PackRow, dead: &HashSet<Digest>) -> Result<()> {
        let store = self.store;
        let (_, frames) = store.index.read(|tx| frames_of(tx, old))?;
        let source = store.pack_file(old).map_err(|error| fault::io("opening a pack", &error))?;
        let mut writer = store.begin_pack(&row.domain)?;
        let (new, file) = (writer.pack, std::sync::Arc::clone(writer.file()));
        let copied = (|| {
            let mut kept = Vec::new();
            let mut reader = Stretch { file: &*source, begin: 0, bytes: Vec::new(), end: row.data_bytes };
            for (id, place) in frames.iter().filter(|(id, _)| !dead.contains(id)) {
                let frame = reader.frame(old, id, place)?;
                kept.push(writer.append_frame(*id, *place, frame)?);
            }
            let data_bytes = writer.data_bytes();
            let file_bytes = writer.seal()?;
            file.sync()
                .map_err(|error| fault::io(format_args!("syncing pack `{}`", pack::name(new)), &error))?;
            store.sync_packs_dir()?;
            let pack_row = PackRow {
                domain: row.domain,
                owner: None,
                data_bytes,
                file_bytes,
                sealed: true,
                doomed: false,
            };
            store.index.write(|tx| {
                doom(tx, old)?;
                let mut chunks = tx.open_table(CHUNKS)?;
                let mut ids = tx.open_table(FRAMES)?;
                for some in kept.chunks(IDS_PER_ROW) {
                    let list: Vec<u8> = some.iter().flat_map(|frame| frame.id.0).collect();
                    ids.insert((new, some[0].place.offset), list.as_slice())?;
                }
                for frame in &kept {
                    let key = chunk_key(&row.domain, &frame.id, new);
                    chunks.insert(&key, &frame.place.encode())?;
                }
                tx.open_table(PACKS)?.insert(new, encode(&pack_row).as_slice())?;
                let mut counters = tx.open_table(COUNTERS)?;
                let next = counters.get(NEXT_PACK)?.map_or(1, |next| next.value());
                counters.insert(NEXT_PACK, next.max(new + 1))?;
                let mut job = self.row(tx)?;
                let gone = frames.iter().filter(|(id, _)| dead.contains(id));
                job.collected.removed_chunks += chunks_in(gone);
                job.collected.freed_bytes += row.file_bytes.saturating_sub(file_bytes);
                put_job(tx, &self.job, &job)
            })
        })();
        store.registered(&[new]);
        copied?;
        store.remove_doomed(&[old])
    }
}

impl Plan {
    /// Decides over all settled copies of one frame.
    fn group(&mut self, copies: &[(ChunkKey, Place)], oldest: u64, marked: &Marked) {
        let Some((first, _)) = copies.first() else { return };
        let (domain, id, _) = chunk_key_parts(first);
        let mut wanted = marked.holds(&domain, &id) && copies.iter().all(|(_, place)| place.condemned != 0);
        for (key, place) in copies.iter().filter(|(_, place)| place.condemned != 0) {
            if std::mem::take(&mut wanted) {
                self.pardon.push(*key);
            } else if place.condemned <= oldest {
                self.remove.entry(chunk_key_parts(key).2).or_default().insert(id);
            } else {
                self.waiting += u64::from(place.kind == Kind::Chunk);
            }
        }
    }
}

/// A stretch of a pack in memory, moved on as frames are asked for in order.
struct Stretch<'a> {
    file: &'a dyn File,
    begin: u64,
    bytes: Vec<u8>,
    end: u64,
}

impl Stretch<'_> {
    fn frame(&mut self, pack: u64, id: &Digest, place: &Place) -> Result<&[u8]> {
        let len = FRAME_HEADER_BYTES as u64 + u64::from(place.len);
        let have = self.begin + self.bytes.len() as u64;
        if place.offset < self.begin || place.offset + len > have {
            let ahead = COPY_BYTES.max(len).min(self.end.saturating_sub(place.offset));
            self.bytes.resize(usize::try_from(ahead).expect("a few MiB"), 0);
            self.begin = place.offset;
            self.file.read_at(place.offset, &mut self.bytes).map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    fault::corrupt_chunk(id, pack, "is lost: the pack is cut short")
                }
                _ => fault::io(format_args!("reading pack `{}`", pack::name(pack)), &error),
            })?;
        }
        let at = usize::try_from(place.offset - self.begin).expect("within the stretch");
        self.bytes
            .get(at..at + usize::try_from(len).expect("a frame is small"))
            .filter(|frame| frame.starts_with(&pack::frame_header(id, place)))
            .ok_or_else(|| fault::corrupt_chunk(id, pack, "has a damaged header"))
    }
}

/// The number of the oldest job whose look-ups still count.
fn oldest_active(tx: &ReadTransaction) -> Inside<u64> {
    let jobs = tx.open_table(JOBS)?;
    let mut oldest = u64::MAX;
    for kind in [TRANSFER, EXPORT] {
        let (from, to) = (format!("{kind}/"), format!("{kind}0"));
        for row in jobs.range(from.as_str()..to.as_str())? {
            let row: JobRow = decode(row?.1.value())?;
            if row.active {
                oldest = oldest.min(row.begun);
            }
        }
    }
    Ok(oldest)
}

fn settled(tx: &ReadTransaction) -> Inside<Vec<(u64, PackRow)>> {
    let mut settled = Vec::new();
    for row in tx.open_table(PACKS)?.iter()? {
        let (pack, row) = row?;
        let row: PackRow = decode(row.value())?;
        if row.owner.is_none() && !row.doomed {
            settled.push((pack.value(), row));
        }
    }
    Ok(settled)
}

/// The frames of a pack, in order.
type Frames = Vec<(Digest, Place)>;

/// A pack's row and its frames.
fn frames_of(tx: &ReadTransaction, pack: u64) -> Inside<(Option<PackRow>, Frames)> {
    let Some(row) = tx.open_table(PACKS)?.get(pack)?.map(|row| decode::<PackRow>(row.value())).transpose()?
    else {
        return Ok((None, Vec::new()));
    };
    let chunks = tx.open_table(CHUNKS)?;
    let mut frames = Vec::new();
    for ids in tx.open_table(FRAMES)?.range((pack, 0)..=(pack, u64::MAX))? {
        for id in ids?.1.value().as_chunks::<32>().0 {
            let id = Digest(*id);
            if let Some(place) = chunks.get(&chunk_key(&row.domain, &id, pack))? {
                frames.push((id, Place::decode(place.value())));
            }
        }
    }
    frames.sort_unstable_by_key(|(_, place)| place.offset);
    debug_assert!(frames.first().is_none_or(|(_, place)| place.offset == HEADER_BYTES));
    Ok((Some(row), frames))
}

/// Sets since when rows are condemned; tells how many chunks that changed.
fn set_condemned(tx: &WriteTransaction, keys: &[ChunkKey], condemned: u64) -> Inside<u64> {
    let mut chunks = tx.open_table(CHUNKS)?;
    let mut changed = 0;
    for key in keys {
        let place = chunks.get(key)?.map(|place| Place::decode(place.value()));
        if let Some(place) = place
            && (place.condemned == 0) != (condemned == 0)
        {
            chunks.insert(key, &Place { condemned, ..place }.encode())?;
            changed += u64::from(place.kind == Kind::Chunk);
        }
    }
    Ok(changed)
}

fn chunks_in<'a>(frames: impl Iterator<Item = &'a (Digest, Place)>) -> u64 {
    frames.filter(|(_, place)| place.kind == Kind::Chunk).count() as u64
}

/// The next key there can be; the last has none and is not asked for.
fn successor(key: &ChunkKey) -> ChunkKey {
    let mut next = *key;
    for byte in next.iter_mut().rev() {
        let (sum, over) = byte.overflowing_add(1);
        *byte = sum;
        if !over {
            break;
        }
    }
    next
}
