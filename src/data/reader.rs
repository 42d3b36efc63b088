//! A stored disk read at any place, as the check of a guest wants it.
//!
//! ```text
//! offset ─▶ segment ─▶ branch page ─▶ leaf page ─▶ chunks ─▶ bytes
//!                          └── the last few of each are kept ──┘
//! ```
//!
//! Every page and chunk is held against its id. What is in no page is zeros. The first failure of
//! the store is kept: whoever read may have taken it for something the guest did.
//!
//! It deliberately does not read ahead or on several threads: a check reads a few thousand places.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Digest;
use domain::port::{CheckItem, StoredDisk};
use event::{Failure, Progress, Work};

use crate::fault::Result;
use crate::fetch::Fetcher;
use crate::grid::{SEGMENT_BYTES, segment_begin, segment_len};
use crate::index::Domain;
use crate::manifest::{ChunkRef, Root, SEGMENTS_PER_BRANCH, SegmentRef, decode_branch};
use crate::segment::stretch;
use crate::store::Store;
use crate::walk::{Segments, leaf};

/// Branch pages kept: 64 GiB of disk, about 72 KiB each.
const BRANCHES_KEPT: usize = 4;
/// Leaf pages kept: at most 80 KiB each, most far less.
const LEAVES_KEPT: usize = 32;
/// Chunks kept, decoded: at most 8 MiB. A file system's tables lie in a handful of places.
const CHUNKS_KEPT: usize = 32;
/// Frames read between two looks whether to go on: a few milliseconds.
const FRAMES_PER_PAUSE: u64 = 64;

/// What was used last, the newest first.
struct Recent<K, V> {
    rows: VecDeque<(K, Arc<V>)>,
    most: usize,
}

impl<K: PartialEq + Copy, V> Recent<K, V> {
    fn new(most: usize) -> Self {
        Self { rows: VecDeque::new(), most }
    }

    fn get(&mut self, key: K) -> Option<Arc<V>> {
        let at = self.rows.iter().position(|(there, _)| *there == key)?;
        let row = self.rows.remove(at)?;
        let value = Arc::clone(&row.1);
        self.rows.push_front(row);
        Some(value)
    }

    fn put(&mut self, key: K, value: V) -> Arc<V> {
        let value = Arc::new(value);
        self.rows.truncate(self.most - 1);
        self.rows.push_front((key, Arc::clone(&value)));
        value
    }
}

/// A stored disk that can be read at any place.
pub(crate) struct Reader<'a> {
    disk: &'a StoredDisk,
    inside: Mutex<Inside<'a>>,
}

struct Inside<'a> {
    fetcher: Fetcher<'a>,
    work: &'a dyn Work,
    root: Root,
    branches: Recent<u32, Vec<SegmentRef>>,
    leaves: Recent<Digest, Vec<ChunkRef>>,
    chunks: Recent<Digest, Vec<u8>>,
    /// Frames read so far.
    frames: u64,
    failure: Option<Failure>,
}

/// Looks at a guest. A failure of the store is the answer, whatever the check made of it.
pub(crate) fn check_guest(
    store: &Store,
    domain: Domain,
    disk: &StoredDisk,
    work: &dyn Work,
) -> Result<Vec<CheckItem>> {
    let reader = Reader::open(store, domain, disk, work)?;
    let checked = guest::check(&reader);
    match (reader.failure(), checked) {
        (Some(failure), _) => Err(failure),
        (None, Ok(items)) => Ok(items),
        (None, Err(error)) => Err(Failure::Ours(format!("a check of a guest failed by itself: {error}"))),
    }
}

impl<'a> Reader<'a> {
    /// Reads the root page.
    pub(crate) fn open(
        store: &'a Store,
        domain: Domain,
        disk: &'a StoredDisk,
        work: &'a dyn Work,
    ) -> Result<Self> {
        let mut fetcher = Fetcher::new(store, domain, None);
        let root = Segments::open_disk(&mut fetcher, disk)?.root;
        let inside = Inside {
            fetcher,
            work,
            root,
            branches: Recent::new(BRANCHES_KEPT),
            leaves: Recent::new(LEAVES_KEPT),
            chunks: Recent::new(CHUNKS_KEPT),
            frames: 0,
            failure: None,
        };
        Ok(Self { disk, inside: Mutex::new(inside) })
    }

    fn inside(&self) -> MutexGuard<'_, Inside<'a>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first failure there was.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.inside().failure.clone()
    }
}

impl guest::Disk for Reader<'_> {
    fn disk_bytes(&self) -> u64 {
        self.disk.disk_bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64).filter(|end| *end <= self.disk.disk_bytes);
        if end.is_none() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{} bytes from `{offset}` reach beyond the disk", out.len()),
            ));
        }
        let mut inside = self.inside();
        inside.read(offset, out).map_err(|failure| {
            let error = io::Error::other(failure.to_string());
            inside.failure.get_or_insert(failure);
            error
        })
    }
}

impl Inside<'_> {
    fn read(&mut self, offset: u64, out: &mut [u8]) -> Result<()> {
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            let segment = at / SEGMENT_BYTES as u64;
            let from = usize::try_from(at - segment_begin(segment)).expect("within a segment");
            let len = rest.len().min(segment_len(self.root.disk_bytes, segment) - from);
            let (part, behind) = rest.split_at_mut(len);
            self.read_in(segment, from, part)?;
            at += len as u64;
            rest = behind;
        }
        Ok(())
    }

    /// Reads within a segment.
    fn read_in(&mut self, segment: u64, from: usize, out: &mut [u8]) -> Result<()> {
        out.fill(0);
        let end = from + out.len();
        let Some(chunks) = self.leaf(segment)? else { return Ok(()) };
        let first = chunks.partition_point(|chunk| stretch(chunk).end <= from);
        for chunk in chunks[first..].iter().take_while(|chunk| stretch(chunk).start < end) {
            let bytes = self.chunk(chunk)?;
            let place = stretch(chunk);
            let (begin, end) = (place.start.max(from), place.end.min(end));
            out[begin - from..end - from].copy_from_slice(&bytes[begin - place.start..end - place.start]);
        }
        Ok(())
    }

    /// The chunks of a segment; none if it is zeros.
    fn leaf(&mut self, segment: u64) -> Result<Option<Arc<Vec<ChunkRef>>>> {
        let number = u32::try_from(segment / SEGMENTS_PER_BRANCH).expect("bounded by the largest disk");
        let Ok(at) = self.root.branches.binary_search_by_key(&number, |(number, _)| *number) else {
            return Ok(None);
        };
        let branch = if let Some(branch) = self.branches.get(number) {
            branch
        } else {
            self.pause()?;
            let page = self.fetcher.page(&self.root.branches[at].1)?;
            self.branches.put(number, decode_branch(&page, number, self.root.disk_bytes)?)
        };
        let Ok(at) = branch.binary_search_by_key(&segment, |named| named.segment) else {
            return Ok(None);
        };
        let named = branch[at];
        if let Some(leaf) = self.leaves.get(named.page) {
            return Ok(Some(leaf));
        }
        self.pause()?;
        let chunks = leaf(&mut self.fetcher, &self.root, &named)?;
        Ok(Some(self.leaves.put(named.page, chunks)))
    }

    fn chunk(&mut self, chunk: &ChunkRef) -> Result<Arc<Vec<u8>>> {
        if let Some(bytes) = self.chunks.get(chunk.id) {
            return Ok(bytes);
        }
        self.pause()?;
        let mut bytes = vec![0; chunk.len as usize];
        self.fetcher.chunks(&[ChunkRef { offset: 0, ..*chunk }], &mut bytes, true)?;
        Ok(self.chunks.put(chunk.id, bytes))
    }

    /// Before every frame that is read.
    fn pause(&mut self) -> Result<()> {
        let number = self.frames;
        self.frames += 1;
        if number.is_multiple_of(FRAMES_PER_PAUSE) {
            let total_bytes = self.root.disk_bytes;
            // How much a check will read nobody knows before its end.
            let progress = Progress { doing: "checking the guest".into(), done_bytes: 0, total_bytes };
            return self.work.checkpoint(progress);
        }
        Ok(())
    }
}
