//! A disk into the store.
//!
//! ```text
//! workers, one a core                                    keeper
//! next segment with data → read → hash → chunk           fsync the packs
//!   → claim what nobody has → compress → own pack   ──▶   one index transaction
//!                     ◀── bounded by the interval ──      checkpoint
//! ```
//!
//! Segments finish in any order and are recorded one by one, so a crash costs what was read since
//! the keeper last came round and nothing else; `checkpoint_interval_bytes` bounds that. A chunk is
//! stored once: who first claims its id stores it, whoever meets it later only names it. A later
//! segment may be recorded before the frame it names is: the segment that claimed it is then not
//! recorded either, and is done again.
//!
//! Nothing here depends on another job's unfinished packs, so what is given back by a discard is
//! missed by nobody.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use domain::Digest;
use domain::port::{Source, SourceIdentity, Transferred};
use event::{Failure, Progress, Refusal, Work};
use files::{Files, Open};
use redb::ReadableTable;

use crate::fault::{self, Result};
use crate::fence::{Turn, fenced};
use crate::grid::{CELL_BYTES, DISK_BYTES_MAX, SEGMENT_BYTES, segment_begin, segment_len, segments};
use crate::index::{
    CHUNKS, COUNTERS, Domain, FRAMES, JobRow, Kind, NEXT_PACK, OWNED, PACKS, PackRow, SEGMENTS, SegmentRow,
    begin_job, chunk_key, decode, encode, job_row_mut, put_job,
};
use crate::manifest::{self, ChunkRef, Root, SEGMENTS_PER_BRANCH, SegmentRef};
use crate::pack::{Appended, Writer, Zstd, seal_cut};
use crate::root::{Tree, of_zero_segment};
use crate::segment::{Segment, stretch};
use crate::store::{Sight, Store, owned};
use crate::walk::count_chunks;

/// One attempt at a transfer.
pub(crate) struct Transfer<'a> {
    pub(crate) store: &'a Store,
    pub(crate) domain: Domain,
    /// The job's key in the index.
    pub(crate) job: String,
    pub(crate) source: &'a Source,
    pub(crate) work: &'a dyn Work,
    pub(crate) turn: &'a Turn<'a>,
}

/// What the threads share.
struct Shared {
    /// First segment not handed out.
    next: u64,
    /// Source bytes handed out and not yet recorded.
    unrecorded_bytes: u64,
    finished: Vec<Finished>,
    workers: usize,
    waiting: usize,
    done_bytes: u64,
    failure: Option<Failure>,
    /// Packs that workers left open at their end.
    open: Vec<Writer>,
    /// Packs begun in this attempt that have no row yet.
    begun: Vec<u64>,
}

/// A segment that is in packs and not yet recorded.
struct Finished {
    segment: u64,
    row: Option<SegmentRow>,
    bytes: u64,
    frames: Vec<Appended>,
    /// Packs written, the durable length to record, and the file's length if sealed.
    packs: Vec<Filled>,
}

struct Filled {
    pack: u64,
    file: Arc<dyn files::File>,
    data_bytes: u64,
    sealed: Option<u64>,
}

struct Run<'a> {
    transfer: &'a Transfer<'a>,
    disk: Box<dyn disk::Source>,
    shared: Mutex<Shared>,
    /// To the keeper: there is something to record, or nobody left to wait for.
    finished: Condvar,
    /// To workers: there is room under the interval again.
    recorded: Condvar,
    claims: Mutex<HashSet<Digest>>,
}

impl Transfer<'_> {
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
            row.source.get_or_insert_with(|| self.source.clone());
            row.domain = self.domain;
            put_job(tx, &self.job, &row)?;
            Ok(row)
        })?;
        if row.source.as_ref() != Some(self.source) {
            return Err(changed(self.source));
        }
        if let Some(transferred) = row.transferred {
            return Ok(transferred);
        }
        if row.attempt > Some(attempt) {
            return Err(fenced(&self.job));
        }
        let disk = open_source(&*self.store.files, self.source)?;
        self.seal_left_open()?;
        let run = Run {
            transfer: self,
            disk,
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
        };
        let result = run.run();
        let begun = std::mem::take(&mut run.shared().begun);
        self.store.forsaken(&begun);
        // A source that changed under us may show itself as any error.
        match result {
            Err(Failure::Cancelled) => Err(Failure::Cancelled),
            Err(failure) => check_source(&*self.store.files, self.source).and(Err(failure)),
            done => done,
        }
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
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> Result<Transferred> {
        std::thread::scope(|scope| {
            for _ in 0..self.transfer.store.options.workers {
                scope.spawn(|| {
                    let worked =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Worker::new(self).run()));
                    let worked = worked
                        .unwrap_or_else(|_| Err(Failure::Ours("a thread panicked while importing".into())));
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
                self.fail(Failure::Ours("the keeper of an import panicked".into()));
            }
        });
        let open = {
            let mut shared = self.shared();
            if let Some(failure) = shared.failure.take() {
                return Err(failure);
            }
            std::mem::take(&mut shared.open)
        };
        check_source(&*self.transfer.store.files, self.transfer.source)?;
        self.finish(open)
    }

    fn fail(&self, failure: Failure) {
        self.shared().failure.get_or_insert(failure);
        self.recorded.notify_all();
    }

    /// The keeper: records what is finished, until all is or something failed.
    fn keep(&self) {
        let options = &self.transfer.store.options;
        let enough = options.checkpoint_bytes;
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

    fn report(&self) -> Result<()> {
        let done_bytes = self.shared().done_bytes;
        let total_bytes = self.transfer.source.disk_bytes;
        self.transfer.work.checkpoint(Progress { doing: "importing".into(), done_bytes, total_bytes })
    }

    /// Makes a batch durable: packs first, then the rows that speak of them, with what `also` adds.
    fn record(
        &self,
        batch: &[Finished],
        also: impl FnOnce(&redb::WriteTransaction, &mut JobRow) -> crate::index::Inside<()>,
    ) -> Result<()> {
        let (store, job) = (self.transfer.store, self.transfer.job.as_str());
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
        frames.iter().for_each(|frame| _ = claims.remove(&frame.id));
        drop(claims);
        let mut shared = self.shared();
        shared.begun.retain(|pack| !registered.contains(pack));
        for finished in batch.iter().filter(|finished| finished.row.is_some()) {
            shared.unrecorded_bytes -= finished.bytes;
            shared.done_bytes += segment_len(self.transfer.source.disk_bytes, finished.segment) as u64;
        }
        drop(shared);
        self.recorded.notify_all();
        Ok(())
    }

    /// The next segment that has data and is not recorded, and the bytes it stands for under the
    /// interval. Waits until there is room for it.
    fn next(&self) -> Result<Option<u64>> {
        let disk_bytes = self.transfer.source.disk_bytes;
        let bound = self.transfer.store.options.checkpoint_interval_bytes;
        let mut shared = self.shared();
        loop {
            if shared.failure.is_some() || shared.next >= segments(disk_bytes) {
                return Ok(None);
            }
            let bytes = segment_len(disk_bytes, shared.next) as u64;
            if shared.unrecorded_bytes == 0 || shared.unrecorded_bytes + bytes <= bound {
                let from = segment_begin(shared.next);
                let data =
                    self.disk.next_data(from).map_err(|error| fault::disk("reading the source", error))?;
                let Some(data) = data else {
                    shared.done_bytes += disk_bytes - from;
                    shared.next = segments(disk_bytes);
                    return Ok(None);
                };
                let segment = data.start.max(from) / SEGMENT_BYTES as u64;
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
                return Ok(Some(segment));
            }
            shared.waiting += 1;
            self.finished.notify_all();
            shared = self.recorded.wait(shared).unwrap_or_else(PoisonError::into_inner);
            shared.waiting -= 1;
        }
    }

    /// All segments are recorded: writes branches and root, and records the answer.
    fn finish(&self, open: Vec<Writer>) -> Result<Transferred> {
        let transfer = self.transfer;
        let disk_bytes = transfer.source.disk_bytes;
        let mut worker = Worker::new(self);
        let mut rest = open.into_iter();
        worker.writer = rest.next();
        let mut filled = Vec::new();
        for writer in rest {
            filled.push(seal(writer)?);
        }
        let mut tree = Tree::new(disk_bytes);
        let (mut data_bytes, mut references) = (0, 0);
        let mut branches = Vec::new();
        let mut pages = Vec::new();
        for number in 0..segments(disk_bytes).div_ceil(SEGMENTS_PER_BRANCH) {
            let first = number * SEGMENTS_PER_BRANCH;
            let rows = transfer.store.index.read(|tx| {
                let table = tx.open_table(SEGMENTS)?;
                let job = transfer.job.as_str();
                table
                    .range((job, first)..(job, first + SEGMENTS_PER_BRANCH))?
                    .map(|row| {
                        let (key, row) = row?;
                        Ok((key.value().1, SegmentRow::decode(row.value())))
                    })
                    .collect::<crate::index::Inside<Vec<_>>>()
            })?;
            let mut branch = Vec::new();
            for (segment, row) in rows {
                data_bytes += row.data_bytes;
                references += CHUNKS_PER_SEGMENT;
                tree.push(segment, row.subtree);
                branch.extend(row.page.map(|page| SegmentRef { segment, page, subtree: row.subtree }));
            }
            if !branch.is_empty() {
                let page = manifest::encode_branch(&branch);
                let number = u32::try_from(number).expect("bounded by the largest disk");
                branches.push((number, manifest::page_id(&page)));
                pages.push(page);
                if pages.len() >= PAGES_AT_ONCE {
                    self.put_pages(&mut worker, std::mem::take(&mut pages), &mut filled)?;
                }
            }
        }
        let page = manifest::encode_root(&Root { disk_bytes, branches });
        let manifest = manifest::manifest_id(manifest::page_id(&page));
        pages.push(page);
        self.put_pages(&mut worker, pages, &mut filled)?;
        if let Some(writer) = worker.writer.take() {
            filled.push(seal(writer)?);
        }
        let sealed = Finished { segment: 0, row: None, bytes: 0, frames: Vec::new(), packs: filled };
        self.record(&[sealed], |_, _| Ok(()))?;
        let chunks = count_chunks(transfer.store, transfer.domain, &manifest, references)?;
        let root = tree.finish();
        check_source(&*transfer.store.files, transfer.source)?;
        let mut answer = None;
        self.record(&[], |_, row| {
            let transferred = Transferred {
                root,
                manifest,
                data_bytes,
                new_bytes: row.new_bytes,
                stored_bytes: row.stored_bytes,
                chunks,
            };
            row.transferred = Some(transferred.clone());
            answer = Some(transferred);
            Ok(())
        })?;
        self.shared().done_bytes = disk_bytes;
        self.report()?;
        Ok(answer.expect("set before the transaction committed"))
    }

    fn put_pages(
        &self,
        worker: &mut Worker<'_>,
        pages: Vec<Vec<u8>>,
        filled: &mut Vec<Filled>,
    ) -> Result<()> {
        let ids: Vec<Digest> = pages.iter().map(|page| manifest::page_id(page)).collect();
        let mut frames = Vec::new();
        for (which, id) in worker.claim(&ids)? {
            frames.push(worker.append(id, Kind::Page, &pages[which])?);
        }
        let mut packs = worker.fill()?;
        packs.append(filled);
        self.record(&[Finished { segment: 0, row: None, bytes: 0, frames, packs }], |_, _| Ok(()))
    }
}

/// Chunks of a segment, about; only decides how many passes counting takes.
const CHUNKS_PER_SEGMENT: u64 = 256;
/// Segments recorded at once, however little is in them: keeps the keeper's list short.
const SEGMENTS_AT_ONCE: usize = 64;
/// Branch pages written in one transaction: a TiB of disk, 5 MiB of pages.
const PAGES_AT_ONCE: usize = 64;

fn seal(writer: Writer) -> Result<Filled> {
    let (pack, file) = (writer.pack, Arc::clone(writer.file()));
    let data_bytes = writer.data_bytes();
    let file_bytes = writer.seal()?;
    Ok(Filled { pack, file, data_bytes, sealed: Some(file_bytes) })
}

/// A thread that takes segments in.
struct Worker<'a> {
    run: &'a Run<'a>,
    zstd: Zstd,
    writer: Option<Writer>,
    /// Packs this segment filled up and sealed.
    sealed: Vec<Filled>,
}

impl<'a> Worker<'a> {
    fn new(run: &'a Run<'a>) -> Self {
        Self { run, zstd: Zstd::new(), writer: None, sealed: Vec::new() }
    }

    /// Until there is nothing left or someone failed; gives the pack it leaves open.
    fn run(mut self) -> Result<Option<Writer>> {
        let mut buffer = Segment::new();
        while let Some(segment) = self.run.next()? {
            let finished = self.segment(segment, &mut buffer)?;
            self.run.shared().finished.push(finished);
            self.run.finished.notify_all();
        }
        Ok(self.writer.take())
    }

    fn segment(&mut self, segment: u64, buffer: &mut Segment) -> Result<Finished> {
        let disk_bytes = self.run.transfer.source.disk_bytes;
        let len = segment_len(disk_bytes, segment);
        let bytes = self.read(segment, buffer)?;
        self.run.shared().unrecorded_bytes -= len as u64 - bytes;
        let chunks = buffer.cut();
        let mut finished = Finished {
            segment,
            row: Some(SegmentRow { page: None, subtree: of_zero_segment(len), data_bytes: 0 }),
            bytes,
            frames: Vec::new(),
            packs: Vec::new(),
        };
        if chunks.is_empty() {
            return Ok(finished);
        }
        let ids: Vec<Digest> = chunks
            .iter()
            .map(|chunk| Digest(*blake3::hash(&buffer.bytes()[chunk.clone()]).as_bytes()))
            .collect();
        let word = |value: usize| u32::try_from(value).expect("within a segment");
        let refs: Vec<ChunkRef> = chunks
            .iter()
            .zip(&ids)
            .map(|(chunk, id)| ChunkRef { offset: word(chunk.start), len: word(chunk.len()), id: *id })
            .collect();
        for (which, id) in self.claim(&ids)? {
            let frame = self.append(id, Kind::Chunk, &buffer.bytes()[stretch(&refs[which])])?;
            finished.frames.push(frame);
        }
        let page = manifest::encode_leaf(&refs);
        let page_id = manifest::page_id(&page);
        for (_, id) in self.claim(&[page_id])? {
            finished.frames.push(self.append(id, Kind::Page, &page)?);
        }
        finished.packs = self.fill()?;
        finished.row = Some(SegmentRow {
            page: Some(page_id),
            subtree: buffer.subtree(),
            data_bytes: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
        });
        Ok(finished)
    }

    /// Reads a segment, holes left out, and tells how much it read.
    fn read(&self, segment: u64, buffer: &mut Segment) -> Result<u64> {
        let say = |error| fault::disk("reading the source", error);
        let source = self.run.transfer.source;
        let begin = segment_begin(segment);
        let end = begin + segment_len(source.disk_bytes, segment) as u64;
        let mut stretches: Vec<std::ops::Range<usize>> = Vec::new();
        let mut from = begin;
        while from < end
            && let Some(data) = self.run.disk.next_data(from).map_err(say)?
            && data.start < end
        {
            from = data.end.min(end);
            let place = |at: u64| usize::try_from(at - begin).expect("within a segment");
            match stretches.last_mut() {
                Some(last) if last.end == place(data.start) => last.end = place(from),
                _ => stretches.push(place(data.start)..place(from)),
            }
        }
        buffer.begin(source.disk_bytes, segment, stretches.iter().cloned());
        let bytes = stretches.iter().map(|stretch| stretch.len() as u64).sum();
        self.run.transfer.turn.read.fetch_add(bytes, Ordering::Relaxed);
        for stretch in stretches {
            for at in stretch.clone().step_by(CELL_BYTES) {
                let part = at..stretch.end.min(at + CELL_BYTES);
                let offset = begin + part.start as u64;
                self.run.disk.read_at(offset, &mut buffer.bytes_mut()[part]).map_err(say)?;
            }
        }
        Ok(bytes)
    }

    /// Claims what nobody has: gives, in order, the first place of each id that is to be stored.
    fn claim(&self, ids: &[Digest]) -> Result<Vec<(usize, Digest)>> {
        let mut mine: Vec<(usize, Digest)> = {
            let mut claims = self.run.claims();
            ids.iter()
                .enumerate()
                .filter(|(_, id)| claims.insert(**id))
                .map(|(which, id)| (which, *id))
                .collect()
        };
        // Looked up behind the claim: what was claimed and recorded meanwhile is seen here.
        let asked: Vec<Digest> = mine.iter().map(|(_, id)| *id).collect();
        let transfer = self.run.transfer;
        let known =
            transfer.store.index.read(|tx| Sight::new(tx, transfer.domain).known(&asked, &transfer.job))?;
        let mut claims = self.run.claims();
        let mut known = known.into_iter();
        mine.retain(|(_, id)| {
            let known = known.next().expect("an answer for each");
            if known {
                claims.remove(id);
            }
            !known
        });
        Ok(mine)
    }

    fn append(&mut self, id: Digest, kind: Kind, raw: &[u8]) -> Result<Appended> {
        let store = self.run.transfer.store;
        if self.writer.as_ref().is_some_and(|writer| writer.data_bytes() >= store.options.pack_bytes)
            && let Some(full) = self.writer.take()
        {
            self.sealed.push(seal(full)?);
        }
        if self.writer.is_none() {
            store.check_room(SEGMENT_BYTES as u64)?;
            let writer = store.begin_pack(&self.run.transfer.domain)?;
            self.run.shared().begun.push(writer.pack);
            self.writer = Some(writer);
        }
        let writer = self.writer.as_mut().expect("made above");
        writer.append(&mut self.zstd, id, kind, raw)
    }

    /// Gives everything to the files, and says which and how long they are.
    fn fill(&mut self) -> Result<Vec<Filled>> {
        let mut packs = std::mem::take(&mut self.sealed);
        if let Some(writer) = &mut self.writer {
            self.run.transfer.store.check_room(0)?;
            writer.flush()?;
            let (pack, file) = (writer.pack, Arc::clone(writer.file()));
            packs.push(Filled { pack, file, data_bytes: writer.data_bytes(), sealed: None });
        }
        Ok(packs)
    }
}

/// Opens a source after making sure it is what it was.
fn open_source(files: &dyn Files, source: &Source) -> Result<Box<dyn disk::Source>> {
    check_source(files, source)?;
    if source.disk_bytes > DISK_BYTES_MAX {
        return Err(Failure::caller(
            "InvalidImageSize",
            format!("a disk of `{}` bytes is too large", source.disk_bytes),
        ));
    }
    let file = files
        .open(Path::new(&source.path), Open::Read)
        .map_err(|error| fault::io(format_args!("opening `{}`", source.path), &error))?;
    let disk = disk::open(file, Some(source.format))?;
    if disk.disk_bytes() != source.disk_bytes {
        return Err(changed(source));
    }
    Ok(disk)
}

/// Fails by name if the source is another than it was when the operation began.
pub(crate) fn check_source(files: &dyn Files, source: &Source) -> Result<()> {
    match files.identity(Path::new(&source.path)) {
        Ok(found) if identity(&found) == source.identity => Ok(()),
        Ok(_) => Err(changed(source)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(changed(source)),
        Err(error) => Err(fault::io(format_args!("looking at `{}`", source.path), &error)),
    }
}

/// A file's identity in the words of the domain.
pub(crate) fn identity(found: &files::Identity) -> SourceIdentity {
    SourceIdentity {
        device: found.device,
        inode: found.inode,
        file_bytes: found.size_bytes,
        modified_ns: found.modified_ns,
    }
}

fn changed(source: &Source) -> Failure {
    Refusal::new(
        "InvalidSource.Changed",
        format!("`{}` was changed or replaced while it was imported", source.path),
    )
    .advise("make sure nothing writes to it, a running machine for one, and import it again")
    .into()
}
