//! A disk into the store: from a file, from another store, or made of zeros.
//!
//! ```text
//! workers, one a core                                    keeper
//! file   next segment with data → read → hash → chunk
//!                                         │              fsync the packs
//!   → claim what nobody has → compress → own pack   ──▶   one index transaction
//!                              │                         checkpoint
//! stored next segment named    │
//!   → page → claim what nobody has → fetch, check
//!                     ◀── bounded by the interval ──
//! ```
//!
//! Segments finish in any order and are recorded one by one, so a crash costs what was read (or
//! sent) since the keeper last came round and nothing else; `checkpoint_interval_bytes` bounds that.
//! A chunk is stored once: who first claims its id stores it, whoever meets it later only names it.
//! A later segment may be recorded before the frame it names is: the segment that claimed it is then
//! not recorded either, and is done again.
//!
//! Nothing here depends on another job's unfinished packs, so what is given back by a discard is
//! missed by nobody. Where segments come from is `origin`'s business; what is different when they
//! come from a store is in `copy`.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use domain::Digest;
use domain::port::Transferred;
use event::{Failure, Progress, Work};
use files::Open;
use redb::ReadableTable;

use crate::fault::{self, Result};
use crate::fence::{Turn, fenced};
use crate::grid::{segment_begin, segment_len, segments};
use crate::index::{
    CHUNKS, COUNTERS, Domain, FRAMES, JobRow, Kind, NEXT_PACK, OWNED, PACKS, PackRow, SEGMENTS, begin_job,
    chunk_key, decode, encode, job_row_mut, put_job,
};
use crate::origin::{Next, Origin, Supply};
use crate::pack::{Appended, Writer, seal_cut};
use crate::probe::{self, LEVEL_NEW};
use crate::store::{Store, owned, remove_if_there};
use crate::worker::{Filled, Finished, Worker};

/// One attempt at a transfer.
pub(crate) struct Transfer<'a> {
    pub(crate) store: &'a Store,
    pub(crate) domain: Domain,
    /// The job's key in the index.
    pub(crate) job: String,
    pub(crate) origin: Origin<'a>,
    pub(crate) work: &'a dyn Work,
    pub(crate) turn: &'a Turn<'a>,
}

/// What the threads share.
pub(crate) struct Shared {
    /// First segment not handed out.
    pub(crate) next: u64,
    /// Source bytes handed out and not yet recorded.
    pub(crate) unrecorded_bytes: u64,
    pub(crate) finished: Vec<Finished>,
    workers: usize,
    waiting: usize,
    pub(crate) done_bytes: u64,
    failure: Option<Failure>,
    /// Packs that workers left open at their end.
    open: Vec<Writer>,
    /// Packs begun in this attempt that have no row yet.
    pub(crate) begun: Vec<u64>,
}

pub(crate) struct Run<'a> {
    pub(crate) transfer: &'a Transfer<'a>,
    pub(crate) supply: Supply<'a>,
    /// How hard to compress.
    pub(crate) level: i32,
    pub(crate) shared: Mutex<Shared>,
    /// To the keeper: there is something to record, or nobody left to wait for.
    pub(crate) finished: Condvar,
    /// To workers: there is room under the interval again.
    pub(crate) recorded: Condvar,
    pub(crate) claims: Mutex<HashSet<Digest>>,
    /// Held while progress is told, so that it never goes back.
    telling: Mutex<()>,
}

impl Transfer<'_> {
    /// Size of the disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.origin.disk_bytes()
    }

    /// Runs to the end, from wherever an earlier attempt came to.
    pub(crate) fn run(&self) -> Result<Transferred> {
        let attempt = self.work.attempt();
        let row = self.store.index.write(|tx| {
            let old = job_row_mut(tx, &self.job)?;
            if let Some(old) = &old
                && (old.attempt > Some(attempt) || old.transferred.is_some())
            {
                return Ok(old.clone());
            }
            let mut row = begin_job(tx, &self.job, attempt)?;
            self.origin.note(&mut row);
            row.domain = self.domain;
            put_job(tx, &self.job, &row)?;
            Ok(row)
        })?;
        self.origin.check_same(&self.job, &row)?;
        if let Some(transferred) = row.transferred {
            return Ok(transferred);
        }
        if row.attempt > Some(attempt) {
            return Err(fenced(&self.job));
        }
        let supply = self.origin.open(self)?;
        self.seal_left_open()?;
        let level = match (&supply, row.level) {
            (Supply::File(disk), 0) => self.choose_level(&**disk)?,
            (Supply::File(_), level) => level,
            // What comes from a store is not probed: that would send it.
            (Supply::Stored(_) | Supply::Zeros, _) => LEVEL_NEW,
        };
        let run = Run {
            transfer: self,
            supply,
            level,
            shared: Mutex::new(Shared {
                next: 0,
                unrecorded_bytes: 0,
                finished: Vec::new(),
                workers: self.store.options.workers,
                waiting: 0,
                done_bytes: 0,
                failure: None,
                open: Vec::new(),
                begun: Vec::new(),
            }),
            finished: Condvar::new(),
            recorded: Condvar::new(),
            claims: Mutex::default(),
            telling: Mutex::default(),
        };
        let result = run.run();
        let begun = std::mem::take(&mut run.shared().begun);
        if result.is_err() {
            self.drop_begun(&begun);
        }
        self.store.forsaken(&begun);
        // A source that changed under us may show itself as any error.
        match result {
            Err(Failure::Cancelled) => Err(Failure::Cancelled),
            Err(failure) => self.store.check_id().and(self.origin.check(self.store)).and(Err(failure)),
            done => done,
        }
    }

    /// Removes what nothing speaks of, so that attempts that fail again and again do not fill the
    /// disk. What cannot be removed now is swept later. An index that has failed may speak of them
    /// when it is opened anew.
    fn drop_begun(&self, begun: &[u64]) {
        if begun.is_empty() || self.store.index.is_broken() || self.store.check_id().is_err() {
            return;
        }
        for &pack in begun {
            let removed = remove_if_there(&*self.store.files, &self.store.pack_path(pack));
            if let Err(error) = removed {
                tracing::debug!(pack, %error, "an unfinished pack is left for the next sweep");
            }
        }
    }

    /// Finds out how hard to compress, and keeps it: an attempt after this one does the same.
    fn choose_level(&self, disk: &dyn disk::Source) -> Result<i32> {
        let (level, read) = probe::level(self.store, self.domain, &self.job, disk, self.disk_bytes())?;
        self.turn.read.fetch_add(read, Ordering::Relaxed);
        self.store.index.write(|tx| {
            if let Some(mut row) = job_row_mut(tx, &self.job)? {
                row.level = level;
                put_job(tx, &self.job, &row)?;
            }
            Ok(level)
        })
    }

    /// Seals packs of an attempt that did not come to its end.
    fn seal_left_open(&self) -> Result<()> {
        let open = self.store.index.read(|tx| {
            let mut open = Vec::new();
            let (packs, frames, chunks) =
                (tx.open_table(PACKS)?, tx.open_table(FRAMES)?, tx.open_table(CHUNKS)?);
            for pack in owned(tx, &self.job)? {
                let Some(row) = packs.get(pack)? else { continue };
                let row: PackRow = decode(row.value())?;
                if row.sealed {
                    continue;
                }
                let mut places = Vec::new();
                for ids in frames.range((pack, 0)..=(pack, u64::MAX))? {
                    let (_, ids) = ids?;
                    for id in ids.value().as_chunks::<32>().0 {
                        let place = chunks.get(&chunk_key(&row.domain, &Digest(*id), pack))?;
                        let place = place.map(|place| crate::index::Place::decode(place.value()));
                        places.extend(place.map(|place| (place.offset, Digest(*id))));
                    }
                }
                open.push((pack, row, places));
            }
            Ok(open)
        })?;
        for (pack, row, places) in open {
            let file = self.store.files.open(&self.store.pack_path(pack), Open::Write).map_err(|error| {
                fault::io(format_args!("opening pack `{}` again", crate::pack::name(pack)), &error)
            })?;
            let file_bytes = seal_cut(&*file, pack, row.data_bytes, &places)?;
            let row = PackRow { sealed: true, file_bytes, ..row };
            self.store.index.write(|tx| {
                tx.open_table(PACKS)?.insert(pack, encode(&row).as_slice())?;
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Run<'_> {
    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn claims(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> Result<Transferred> {
        std::thread::scope(|scope| {
            for _ in 0..self.transfer.store.options.workers {
                scope.spawn(|| {
                    let worked =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Worker::new(self).run()));
                    let worked = worked
                        .unwrap_or_else(|_| Err(Failure::Ours("a thread of a transfer panicked".into())));
                    let mut shared = self.shared();
                    shared.workers -= 1;
                    match worked {
                        Ok(open) => shared.open.extend(open),
                        Err(failure) => _ = shared.failure.get_or_insert(failure),
                    }
                    drop(shared);
                    self.finished.notify_all();
                    self.recorded.notify_all();
                });
            }
            let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.keep()));
            if kept.is_err() {
                self.fail(Failure::Ours("the keeper of a transfer panicked".into()));
            }
        });
        let open = {
            let mut shared = self.shared();
            if let Some(failure) = shared.failure.take() {
                return Err(failure);
            }
            std::mem::take(&mut shared.open)
        };
        self.transfer.origin.check(self.transfer.store)?;
        self.finish(open)
    }

    /// Fails if another thread has.
    pub(crate) fn go_on(&self) -> Result<()> {
        self.shared().failure.clone().map_or(Ok(()), Err)
    }

    fn fail(&self, failure: Failure) {
        self.shared().failure.get_or_insert(failure);
        self.recorded.notify_all();
    }

    /// The keeper: records what is finished, until all is or something failed.
    fn keep(&self) {
        let options = &self.transfer.store.options;
        let enough = self.supply.checkpoint_bytes(options.checkpoint_bytes);
        loop {
            let (batch, last) = {
                let mut shared = self.shared();
                loop {
                    if shared.failure.is_some() {
                        return;
                    }
                    let bytes: u64 = shared.finished.iter().map(|finished| finished.bytes).sum();
                    let count = shared.finished.len();
                    let stuck = shared.waiting > 0 && count > 0;
                    if bytes >= enough || count >= SEGMENTS_AT_ONCE || stuck || shared.workers == 0 {
                        break;
                    }
                    shared = self.finished.wait(shared).unwrap_or_else(PoisonError::into_inner);
                }
                (std::mem::take(&mut shared.finished), shared.workers == 0)
            };
            let recorded = self.record(&batch, |_, _| Ok(()));
            if let Err(failure) = recorded.and_then(|()| self.report()) {
                return self.fail(failure);
            }
            if last && self.shared().finished.is_empty() {
                return;
            }
        }
    }

    pub(crate) fn report(&self) -> Result<()> {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let done_bytes = self.shared().done_bytes;
        let total_bytes = self.transfer.disk_bytes();
        let doing = self.transfer.origin.doing().to_owned();
        self.transfer.work.checkpoint(Progress { doing, done_bytes, total_bytes })
    }

    /// Makes a batch durable: packs first, then the rows that speak of them, with what `also` adds.
    pub(crate) fn record(
        &self,
        batch: &[Finished],
        also: impl FnOnce(&redb::WriteTransaction, &mut JobRow) -> crate::index::Inside<()>,
    ) -> Result<()> {
        let (store, job) = (self.transfer.store, self.transfer.job.as_str());
        store.check_id()?;
        // The last word about each pack is the longest.
        let mut packs: Vec<&Filled> = batch.iter().flat_map(|finished| &finished.packs).collect();
        packs.sort_by_key(|filled| (filled.pack, filled.data_bytes, filled.sealed));
        packs.dedup_by(|later, kept| {
            let same = later.pack == kept.pack;
            if same {
                *kept = *later;
            }
            same
        });
        for filled in &packs {
            filled.file.sync().map_err(|error| {
                fault::io(format_args!("syncing pack `{}`", crate::pack::name(filled.pack)), &error)
            })?;
        }
        let new = {
            let shared = self.shared();
            packs.iter().any(|filled| shared.begun.contains(&filled.pack))
        };
        if new {
            store.sync_packs_dir()?;
        }
        self.transfer.turn.check()?;
        let mut frames: Vec<&Appended> = batch.iter().flat_map(|finished| &finished.frames).collect();
        frames.sort_by_key(|frame| (frame.pack, frame.place.offset));
        let mut sorted: Vec<_> = frames
            .iter()
            .map(|frame| (chunk_key(&self.transfer.domain, &frame.id, frame.pack), frame.place.encode()))
            .collect();
        sorted.sort_unstable();
        store.index.write(|tx| {
            let mut row = job_row_mut(tx, job)?
                .ok_or_else(|| redb::Error::Corrupted(format!("the row of `{job}` is gone")))?;
            let mut chunks = tx.open_table(CHUNKS)?;
            for (key, place) in &sorted {
                chunks.insert(key, place)?;
            }
            let mut ids = tx.open_table(FRAMES)?;
            for of_pack in frames.chunk_by(|a, b| a.pack == b.pack) {
                let list: Vec<u8> = of_pack.iter().flat_map(|frame| frame.id.0).collect();
                ids.insert((of_pack[0].pack, of_pack[0].place.offset), list.as_slice())?;
            }
            let mut rows = tx.open_table(PACKS)?;
            let mut mine = tx.open_table(OWNED)?;
            for filled in &packs {
                let pack = PackRow {
                    domain: self.transfer.domain,
                    owner: Some(job.to_owned()),
                    data_bytes: filled.data_bytes,
                    file_bytes: filled.sealed.unwrap_or(0),
                    sealed: filled.sealed.is_some(),
                    doomed: false,
                };
                rows.insert(filled.pack, encode(&pack).as_slice())?;
                mine.insert((job, filled.pack), ())?;
            }
            if let Some(last) = packs.last() {
                let mut counters = tx.open_table(COUNTERS)?;
                let next = counters.get(NEXT_PACK)?.map_or(1, |next| next.value());
                counters.insert(NEXT_PACK, next.max(last.pack + 1))?;
            }
            let mut segments = tx.open_table(SEGMENTS)?;
            for finished in batch {
                if let Some(segment) = &finished.row {
                    segments.insert((job, finished.segment), &segment.encode())?;
                }
            }
            for frame in frames.iter().filter(|frame| frame.place.kind == Kind::Chunk) {
                row.new_bytes += u64::from(frame.place.raw_len);
                row.stored_bytes += crate::pack::FRAME_HEADER_BYTES as u64 + u64::from(frame.place.len);
            }
            also(tx, &mut row)?;
            put_job(tx, job, &row)
        })?;
        let registered: Vec<u64> = packs.iter().map(|filled| filled.pack).collect();
        store.registered(&registered);
        let mut claims = self.claims();
        for frame in &frames {
            claims.remove(&frame.id);
        }
        drop(claims);
        let mut shared = self.shared();
        shared.begun.retain(|pack| !registered.contains(pack));
        for finished in batch.iter().filter(|finished| finished.row.is_some()) {
            shared.unrecorded_bytes -= finished.bytes;
            shared.done_bytes += segment_len(self.transfer.disk_bytes(), finished.segment) as u64;
        }
        drop(shared);
        self.recorded.notify_all();
        Ok(())
    }

    /// The next segment that has data and is not recorded, and the bytes it stands for under the
    /// interval. Waits until there is room for it.
    pub(crate) fn next(&self) -> Result<Option<Next>> {
        let disk_bytes = self.transfer.disk_bytes();
        let bound = self.transfer.store.options.checkpoint_interval_bytes;
        let mut shared = self.shared();
        loop {
            if shared.failure.is_some() || shared.next >= segments(disk_bytes) {
                return Ok(None);
            }
            let bytes = segment_len(disk_bytes, shared.next) as u64;
            if shared.unrecorded_bytes == 0 || shared.unrecorded_bytes + bytes <= bound {
                let from = segment_begin(shared.next);
                let Some(next) = self.supply.next(shared.next)? else {
                    shared.done_bytes += disk_bytes - from;
                    shared.next = segments(disk_bytes);
                    return Ok(None);
                };
                let segment = next.segment;
                shared.done_bytes += segment_begin(segment) - from;
                shared.next = segment + 1;
                let recorded = self.transfer.store.index.read(|tx| {
                    let table = tx.open_table(SEGMENTS)?;
                    Ok(table.get((self.transfer.job.as_str(), segment))?.is_some())
                })?;
                let bytes = segment_len(disk_bytes, segment) as u64;
                if recorded {
                    shared.done_bytes += bytes;
                    continue;
                }
                shared.unrecorded_bytes += bytes;
                return Ok(Some(next));
            }
            shared.waiting += 1;
            self.finished.notify_all();
            shared = self.recorded.wait(shared).unwrap_or_else(PoisonError::into_inner);
            shared.waiting -= 1;
        }
    }
}

/// Segments recorded at once, however little is in them: keeps the keeper's list short.
const SEGMENTS_AT_ONCE: usize = 64;
