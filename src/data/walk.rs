//! Through a stored disk, segment by segment, on all cores.
//!
//! The manifest is read page by page as the threads ask for segments. Each segment is fetched,
//! decoded and its subtree computed from the bytes; it has to be the one its branch page records,
//! and those together have to give the content root.
//!
//! Packs are read as the system gives them, which right after an import is from its cache: dropping
//! them first was measured to cost an import a fifth of its time. A deep examination does that.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::IntoIter;

use domain::port::StoredDisk;
use domain::{ContentRoot, Digest, ManifestId};
use event::{Failure, Progress, Work};

use crate::fault::{self, Result};
use crate::fence::Turn;
use crate::fetch::{Fetcher, Pages};
use crate::grid::{segment_begin, segment_len};
use crate::index::Domain;
use crate::manifest::{self, ChunkRef, Root, SegmentRef};
use crate::root::Tree;
use crate::segment::{Segment, stretch};
use crate::store::Store;

/// Segments each thread has announced to the system: enough to keep a disk busy.
const SEGMENTS_AHEAD: usize = 2;
/// Distinct chunks counted in one pass over the manifest: 8 bytes each in memory.
const COUNTED_AT_ONCE: u64 = 2 << 20;

/// The segments of a disk in order, pages read as they are needed.
pub(crate) struct Segments {
    pub(crate) root: Root,
    branches: IntoIter<(u32, Digest)>,
    now: IntoIter<SegmentRef>,
    tree: Tree,
}

impl Segments {
    /// Reads the root page.
    pub(crate) fn open(pages: &mut dyn Pages, manifest: &ManifestId) -> Result<Self> {
        let root = manifest::decode_root(&pages.page(&manifest.0)?)?;
        let tree = Tree::new(root.disk_bytes);
        Ok(Self { branches: root.branches.clone().into_iter(), root, now: Vec::new().into_iter(), tree })
    }

    /// Reads the root page of a disk, and fails unless it is of a disk of that size.
    pub(crate) fn open_disk(pages: &mut dyn Pages, disk: &StoredDisk) -> Result<Self> {
        let segments = Self::open(pages, &disk.manifest)?;
        if segments.root.disk_bytes != disk.disk_bytes {
            return Err(fault::corrupt(format_args!(
                "manifest `{}` is of a disk of `{}` bytes, not `{}`",
                disk.manifest, segments.root.disk_bytes, disk.disk_bytes
            )));
        }
        Ok(segments)
    }

    /// The next segment that holds anything.
    pub(crate) fn next(&mut self, pages: &mut dyn Pages) -> Result<Option<SegmentRef>> {
        loop {
            if let Some(segment) = self.now.next() {
                self.tree.push(segment.segment, segment.subtree);
                return Ok(Some(segment));
            }
            let Some((number, id)) = self.branches.next() else { return Ok(None) };
            let page = pages.page(&id)?;
            self.now = manifest::decode_branch(&page, number, self.root.disk_bytes)?.into_iter();
        }
    }

    /// The content root that the branch pages record; after the last segment.
    pub(crate) fn finish(self) -> ContentRoot {
        self.tree.finish()
    }
}

/// A segment's chunks.
pub(crate) fn leaf(fetcher: &mut Fetcher<'_>, root: &Root, segment: &SegmentRef) -> Result<Vec<ChunkRef>> {
    manifest::decode_leaf(&fetcher.page(&segment.page)?, manifest::leaf_len(root, segment.segment))
}

/// How to go through a disk.
pub(crate) struct Walk<'a> {
    pub(crate) store: &'a Store,
    pub(crate) domain: Domain,
    pub(crate) disk: &'a StoredDisk,
    pub(crate) work: &'a dyn Work,
    pub(crate) turn: &'a Turn<'a>,
    /// What a user is told is being done.
    pub(crate) doing: &'static str,
    /// Hold every chunk against its id.
    pub(crate) thorough: bool,
}

/// A segment that was read.
pub(crate) struct Taken<'a> {
    /// Its number.
    pub(crate) number: u64,
    /// Where the disk's data before it ended: from there to its beginning there is nothing.
    pub(crate) empty_from: u64,
    /// Its bytes.
    pub(crate) segment: &'a Segment,
    /// Its chunks.
    pub(crate) chunks: &'a [ChunkRef],
}

struct Shared {
    segments: Segments,
    /// Where the last segment that was handed out ends.
    handed_bytes: u64,
    done_bytes: u64,
    failure: Option<Failure>,
}

impl Walk<'_> {
    /// Gives every segment that holds anything to `take`, from several threads; ends when all have,
    /// and fails unless the bytes are those of the disk.
    pub(crate) fn run(&self, take: &(impl Fn(&Taken<'_>) -> Result<()> + Sync)) -> Result<ContentRoot> {
        let mut fetcher = Fetcher::new(self.store, self.domain, None);
        let segments = Segments::open_disk(&mut fetcher, self.disk)?;
        let shared = Mutex::new(Shared { segments, handed_bytes: 0, done_bytes: 0, failure: None });
        std::thread::scope(|scope| {
            for _ in 1..self.store.options.workers {
                scope.spawn(|| self.worker(&shared, take));
            }
            self.worker(&shared, take);
        });
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = shared.failure {
            return Err(failure);
        }
        let root = shared.segments.finish();
        if root != self.disk.root {
            return Err(fault::corrupt(format_args!(
                "manifest `{}` gives the content root `{root}`, not `{}`",
                self.disk.manifest, self.disk.root
            )));
        }
        self.report(self.disk.disk_bytes)?;
        Ok(root)
    }

    fn report(&self, done_bytes: u64) -> Result<()> {
        let total_bytes = self.disk.disk_bytes;
        self.work.checkpoint(Progress { doing: self.doing.to_owned(), done_bytes, total_bytes })
    }

    fn worker(&self, shared: &Mutex<Shared>, take: &impl Fn(&Taken<'_>) -> Result<()>) {
        let guard = || -> MutexGuard<'_, Shared> { shared.lock().unwrap_or_else(PoisonError::into_inner) };
        let mut run = || -> Result<()> {
            let mut fetcher = Fetcher::new(self.store, self.domain, None);
            let mut segment = Segment::new();
            let ahead = |fetcher: &mut Fetcher<'_>| -> Result<Option<(SegmentRef, u64, Vec<ChunkRef>)>> {
                let (next, empty_from) = {
                    let mut shared = guard();
                    if shared.failure.is_some() {
                        return Ok(None);
                    }
                    let Some(next) = shared.segments.next(fetcher)? else { return Ok(None) };
                    let end = self.end_of(&next);
                    (next, std::mem::replace(&mut shared.handed_bytes, end))
                };
                let page = fetcher.page(&next.page)?;
                let chunks = manifest::decode_leaf(&page, segment_len(self.disk.disk_bytes, next.segment))?;
                fetcher.announce(&chunks)?;
                Ok(Some((next, empty_from, chunks)))
            };
            let mut upcoming = VecDeque::new();
            loop {
                // While one is decoded, the system reads those behind it.
                while upcoming.len() < SEGMENTS_AHEAD
                    && let Some(next) = ahead(&mut fetcher)?
                {
                    upcoming.push_back(next);
                }
                let Some((next, empty_from, chunks)) = upcoming.pop_front() else { return Ok(()) };
                self.segment(&mut fetcher, &mut segment, &next, &chunks)?;
                take(&Taken { number: next.segment, empty_from, segment: &segment, chunks: &chunks })?;
                let end = self.end_of(&next);
                let done_bytes = {
                    let mut shared = guard();
                    shared.done_bytes = shared.done_bytes.max(end);
                    shared.done_bytes
                };
                self.turn.check()?;
                self.report(done_bytes)?;
            }
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut run));
        let result =
            result.unwrap_or_else(|_| Err(Failure::Ours(format!("a thread panicked while {}", self.doing))));
        if let Err(failure) = result {
            guard().failure.get_or_insert(failure);
        }
    }

    fn end_of(&self, segment: &SegmentRef) -> u64 {
        segment_begin(segment.segment) + segment_len(self.disk.disk_bytes, segment.segment) as u64
    }

    fn segment(
        &self,
        fetcher: &mut Fetcher<'_>,
        segment: &mut Segment,
        next: &SegmentRef,
        chunks: &[ChunkRef],
    ) -> Result<()> {
        segment.begin(self.disk.disk_bytes, next.segment, chunks.iter().map(stretch));
        fetcher.chunks(chunks, segment.bytes_mut(), self.thorough)?;
        if segment.subtree() != next.subtree {
            // Find the chunk to name.
            fetcher.chunks(chunks, segment.bytes_mut(), true)?;
            return Err(fault::corrupt(format_args!(
                "segment {} of manifest `{}` does not have the content its branch records",
                next.segment, self.disk.manifest
            )));
        }
        Ok(())
    }
}

/// How many distinct chunks a disk consists of, in bounded memory: ids are told apart by eight of
/// their bytes, and counted in as many passes over the manifest as their number asks for.
pub(crate) fn count_chunks(
    store: &Store,
    domain: Domain,
    manifest: &ManifestId,
    references: u64,
) -> Result<u64> {
    let passes = references.div_ceil(COUNTED_AT_ONCE).next_power_of_two();
    let mut count = 0;
    for pass in 0..passes {
        let mut seen: HashSet<u64> = HashSet::new();
        let mut fetcher = Fetcher::new(store, domain, None);
        let mut segments = Segments::open(&mut fetcher, manifest)?;
        while let Some(segment) = segments.next(&mut fetcher)? {
            for chunk in leaf(&mut fetcher, &segments.root, &segment)? {
                let prefix = u64::from_le_bytes(*chunk.id.0.first_chunk().expect("8 of 32 bytes"));
                if prefix & (passes - 1) == pass {
                    seen.insert(prefix >> passes.trailing_zeros());
                }
            }
        }
        count += seen.len() as u64;
    }
    Ok(count)
}
