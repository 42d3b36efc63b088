//! Looks through a store: what is in it, what is missing, what nobody accounts for. Changes nothing.

use std::collections::{HashMap, HashSet};

use domain::port::{LiveManifests, StoreReport};
use domain::{AccountId, ManifestId};
use event::Failure;
use redb::ReadableTable;

use crate::bucket::{PARTIAL_DIR, awaited, is_missing};
use crate::fault::{self, Result};
use crate::fetch::{Cold, Fetcher};
use crate::grid::segment_len;
use crate::index::{
    CHUNKS, Domain, JOBS, JobRow, Kind, PACKS, PackRow, Place, SEGMENTS, SegmentRow, TRANSFER,
    chunk_key_parts, decode, domain_of,
};
use crate::manifest::{ChunkRef, decode_leaf};
use crate::mark::Marked;
use crate::pack;
use crate::segment::{Segment, stretch};
use crate::store::{BUCKETS_DIR, ID_FILE, INDEX_FILE, PACKS_DIR, PINNED_DIR, Sight, Store};
use crate::walk::{Segments, leaf};
use crate::wire::awaited_parts;

/// Missing chunks named in a report; whoever misses more needs no longer list.
const MISSING_MAX: usize = 1000;

struct Examination<'a> {
    store: &'a Store,
    deep: bool,
    marked: Marked,
    report: StoreReport,
    /// Where chunks are read into, once there are any to read: one for all disks, for it is large beside
    /// what most of them have.
    buffer: Option<Segment>,
    /// Packs whose file is not there or too short, and why.
    broken: HashMap<u64, &'static str>,
}

/// Looks through the store.
pub(crate) fn examine(store: &Store, live: &dyn LiveManifests, deep: bool) -> Result<StoreReport> {
    let manifests = live.manifests()?;
    let mut examination = Examination {
        store,
        deep,
        marked: Marked::default(),
        report: StoreReport::default(),
        buffer: None,
        broken: HashMap::new(),
    };
    examination.files()?;
    examination.buckets()?;
    for (account, manifest) in &manifests {
        examination.disk(account, manifest)?;
    }
    examination.unfinished()?;
    examination.rows()?;
    Ok(examination.report)
}

impl Examination<'_> {
    fn missing(&mut self, what: String) {
        if self.report.missing.len() < MISSING_MAX {
            self.report.missing.push(what);
        }
    }

    /// Holds the files against the index.
    fn files(&mut self) -> Result<()> {
        let store = self.store;
        let say = |error| fault::io("looking through the store", &error);
        let top = store.files.list(&store.dir).map_err(say)?;
        let known = [ID_FILE, INDEX_FILE, PACKS_DIR, BUCKETS_DIR, PINNED_DIR];
        self.report.stray_files.extend(top.into_iter().filter(|name| !known.contains(&name.as_str())));
        let packs_dir = store.dir.join(PACKS_DIR);
        let names = store.files.list(&packs_dir).map_err(say)?;
        let under_way = store.under_way();
        let rows: HashMap<u64, PackRow> = store.index.read(|tx| {
            let table = tx.open_table(PACKS)?;
            table
                .iter()?
                .map(|row| {
                    let (pack, row) = row?;
                    Ok((pack.value(), decode(row.value())?))
                })
                .collect()
        })?;
        let mut there = HashSet::new();
        for name in names {
            let number = pack::number(&name);
            match number.and_then(|number| rows.get(&number).map(|row| (number, row))) {
                Some((number, row)) => {
                    let bytes = store.files.identity(&packs_dir.join(&name)).map_err(say)?.size_bytes;
                    self.report.packs += 1;
                    self.report.pack_bytes += bytes;
                    there.insert(number);
                    if bytes < row.data_bytes.max(row.file_bytes) {
                        self.broken.insert(number, "its pack is cut short");
                    }
                }
                None if number.is_some_and(|number| under_way.contains(&number)) => {}
                None => self.report.stray_files.push(format!("{PACKS_DIR}/{name}")),
            }
        }
        for (pack, _) in rows.iter().filter(|(pack, row)| !row.doomed && !there.contains(pack)) {
            self.broken.insert(*pack, "its pack is not there");
        }
        Ok(())
    }

    /// What puts that are over have left in buckets. Objects are their owners' business.
    fn buckets(&mut self) -> Result<()> {
        let store = self.store;
        let list = |path: &str| match store.files.list(&store.dir.join(path)) {
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            names => names.map_err(|error| fault::io("looking through the buckets", &error)),
        };
        for bucket in list(BUCKETS_DIR)? {
            let path = format!("{BUCKETS_DIR}/{bucket}");
            if domain::name::bucket(&bucket).is_err() {
                self.report.stray_files.push(path);
                continue;
            }
            let partial = format!("{path}/{PARTIAL_DIR}");
            // In this order: a job is in the index for longer than its file is there.
            let names = list(&partial)?;
            let mut awaited_here = HashSet::new();
            if !names.is_empty() {
                awaited_here = awaited(store)?;
                awaited_here.extend(awaited_parts(store, &bucket)?);
            }
            let is_stray = |name: &String| !awaited_here.contains(name) && !store.wire.is_live(name);
            let strays = names.into_iter().filter(is_stray);
            self.report.stray_files.extend(strays.map(|name| format!("{partial}/{name}")));
        }
        Ok(())
    }

    /// Goes through a live disk: every page and every chunk has to be there.
    fn disk(&mut self, account: &AccountId, manifest: &ManifestId) -> Result<()> {
        let domain = domain_of(account);
        if !self.marked.insert(domain, manifest.0) {
            return Ok(());
        }
        let cold = Cold::default();
        let mut fetcher = Fetcher::new(self.store, domain, self.deep.then_some(&cold));
        let opened = Segments::open(&mut fetcher, manifest);
        let Some(mut segments) = self.bear(opened)? else { return Ok(()) };
        for (_, branch) in &segments.root.branches {
            self.marked.insert(domain, *branch);
        }
        loop {
            let next = segments.next(&mut fetcher);
            let lost = next.is_err();
            let Some(Some(segment)) = self.bear(next)? else {
                // A branch that is lost takes its segments with it; the next may be there.
                if lost {
                    continue;
                }
                return Ok(());
            };
            if !self.marked.insert(domain, segment.page) {
                continue;
            }
            let read = leaf(&mut fetcher, &segments.root, &segment);
            let Some(chunks) = self.bear(read)? else { continue };
            let mut new = Vec::new();
            for chunk in chunks {
                if self.marked.insert(domain, chunk.id) {
                    new.push(chunk);
                }
            }
            let whole = self.chunks(domain, &new)?;
            if self.deep && !whole.is_empty() {
                let len = segment_len(segments.root.disk_bytes, segment.segment);
                let mut buffer = self.buffer.take().unwrap_or_else(Segment::new);
                buffer.begin(len as u64, 0, whole.iter().map(stretch));
                self.read(&mut fetcher, &whole, &mut buffer)?;
                self.buffer = Some(buffer);
            }
        }
    }

    /// Notes what is corrupt, passes on what is another failure.
    fn bear<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Failure::Caller(refusal)) => {
                self.missing(refusal.message);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Which of these chunks have a row and a pack that can hold them.
    fn chunks(&mut self, domain: Domain, chunks: &[ChunkRef]) -> Result<Vec<ChunkRef>> {
        let ids = chunks.iter().map(|chunk| chunk.id);
        let places = self.store.index.read(|tx| Sight::new(tx, domain).places(ids))?;
        let mut whole = Vec::with_capacity(chunks.len());
        for (chunk, place) in chunks.iter().zip(places) {
            match place.map(|(pack, _)| self.broken.get(&pack).copied()) {
                None => self.missing(format!("chunk `{}` is not in the store", chunk.id)),
                Some(Some(why)) => self.missing(format!("chunk `{}`: {why}", chunk.id)),
                Some(None) => whole.push(*chunk),
            }
        }
        Ok(whole)
    }

    /// Reads chunks and holds them against their ids; one by one where that fails, to name them.
    fn read(&mut self, fetcher: &mut Fetcher<'_>, chunks: &[ChunkRef], buffer: &mut Segment) -> Result<()> {
        match fetcher.chunks(chunks, buffer.bytes_mut(), true) {
            Err(Failure::Caller(_)) => {
                for chunk in chunks {
                    let read = fetcher.chunks(std::slice::from_ref(chunk), buffer.bytes_mut(), true);
                    self.bear(read)?;
                }
                Ok(())
            }
            other => other,
        }
    }

    /// Marks what unfinished imports have named so far.
    fn unfinished(&mut self) -> Result<()> {
        let pages = self.store.index.read(|tx| {
            let (jobs, segments) = (tx.open_table(JOBS)?, tx.open_table(SEGMENTS)?);
            let mut pages = Vec::new();
            let (from, to) = (format!("{TRANSFER}/"), format!("{TRANSFER}0"));
            for job in jobs.range(from.as_str()..to.as_str())? {
                let (key, row) = job?;
                let (key, row): (&str, JobRow) = (key.value(), decode(row.value())?);
                let domain = row.domain;
                let disk_bytes = row.disk_bytes();
                for row in segments.range((key, 0)..=(key, u64::MAX))? {
                    let (segment, row) = row?;
                    let row = SegmentRow::decode(row.value());
                    if let Some(page) = row.page {
                        pages.push((domain, segment.value().1, page, disk_bytes));
                    }
                }
            }
            Ok(pages)
        })?;
        for (domain, segment, page, disk_bytes) in pages {
            if !self.marked.insert(domain, page) {
                continue;
            }
            // What an unrecorded segment is to store again may be missing still.
            let Ok(bytes) = Fetcher::new(self.store, domain, None).page(&page) else { continue };
            let Ok(chunks) = decode_leaf(&bytes, segment_len(disk_bytes, segment)) else { continue };
            for chunk in chunks {
                self.marked.insert(domain, chunk.id);
            }
        }
        Ok(())
    }

    /// Counts rows, and those that nothing accounts for.
    fn rows(&mut self) -> Result<()> {
        let marked = &self.marked;
        let (chunks, orphaned) = self.store.index.read(|tx| {
            let (packs, jobs) = (tx.open_table(PACKS)?, tx.open_table(JOBS)?);
            let mut owners: HashMap<u64, bool> = HashMap::new();
            for row in packs.iter()? {
                let (pack, row) = row?;
                let row: PackRow = decode(row.value())?;
                if let Some(owner) = row.owner {
                    owners.insert(pack.value(), jobs.get(owner.as_str())?.is_some());
                }
            }
            let (mut chunks, mut orphaned) = (0, 0);
            for row in tx.open_table(CHUNKS)?.iter()? {
                let (key, place) = row?;
                let (domain, id, pack) = chunk_key_parts(key.value());
                let accounted = match owners.get(&pack) {
                    Some(at_work) => *at_work,
                    None => marked.holds(&domain, &id),
                };
                chunks += u64::from(Place::decode(place.value()).kind == Kind::Chunk);
                orphaned += u64::from(!accounted);
            }
            Ok((chunks, orphaned))
        })?;
        self.report.chunks = chunks;
        self.report.orphaned_chunks = orphaned;
        Ok(())
    }
}
