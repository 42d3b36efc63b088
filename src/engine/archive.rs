//! The archive: the older part of the log, in segments beside the database, and how it is read.
//!
//! ```text
//!  event 1 ─────────────────▶ archive/…-….seg, …-….seg │ kiln.redb: the table `log` ─────────▶ head
//!                             named in `segments`       ▲ the end of the archive
//! ```
//!
//! Which segments there are stands in the database and changes in the commit that forgets their rows, so whoever
//! looks sees each event once, whatever was going on. Only the last of their names is read at once: opening a log costs
//! the same however long its history is, and the others are read together by the first who asks for something old. A
//! segment is read whole and held against its digest before anything of it is believed; the last few that were asked
//! for are kept. What is in a directory and not named is nothing: it was left by a run that was cut short.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use event::Seq;
use files::{Files, Open};
use redb::{AccessGuard, ReadOnlyTable, ReadableTable as _, ReadableTableMetadata as _};

use crate::Error;
use crate::queue::lock;
use crate::seal::unseal;
use crate::segment::{Block, Opened, Segment};

/// The archive's directory in the data directory.
pub const ARCHIVE: &str = "archive";

/// Segments that are kept open: a megabyte each.
const OPENED_MAX: usize = 4;
/// Blocks that are kept unpacked: 128 KiB each, so that a flow's steps, which lie together, are unpacked once.
const BLOCKS_MAX: usize = 32;

/// What a segment's file may be larger than it should be before it is cut for whoever looks at it.
const SPARE_BYTES: u64 = 1 << 20;

/// What was read last.
#[derive(Debug, Default)]
struct Cache {
    opened: VecDeque<(Seq, Arc<Opened>)>,
    blocks: VecDeque<(Seq, usize, Arc<Block>)>,
}

/// The table that names the segments.
type Names = ReadOnlyTable<u64, &'static [u8]>;

/// The segments as of one commit.
#[derive(Clone)]
pub(crate) struct Archive {
    files: Arc<dyn Files>,
    dir: PathBuf,
    /// Where they are named; none where there has never been one.
    names: Option<Arc<Names>>,
    count: usize,
    last: Option<Segment>,
    /// Those whose names have been read, of any commit: they come one behind the other, and none ever goes.
    known: Arc<Mutex<Arc<Vec<Segment>>>>,
    cache: Arc<Mutex<Cache>>,
}

/// All segments as of one commit, the oldest first.
pub(crate) struct Segments {
    known: Arc<Vec<Segment>>,
    count: usize,
}

impl Deref for Segments {
    type Target = [Segment];

    fn deref(&self) -> &[Segment] {
        &self.known[..self.count]
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Archive of {} segments", self.count)
    }
}

impl Archive {
    /// An archive without segments, in a data directory.
    pub(crate) fn empty(files: Arc<dyn Files>, data: &std::path::Path) -> Self {
        let dir = data.join(ARCHIVE);
        let (known, cache) = (Arc::default(), Arc::default());
        Self { files, dir, names: None, count: 0, last: None, known, cache }
    }

    /// The same archive as of the commit that the table is of.
    pub(crate) fn now(&mut self, names: Names) -> Result<Self, Error> {
        let count = usize::try_from(names.len().map_err(Error::read)?).map_err(Error::read)?;
        if count != self.count {
            let last = names.last().map_err(Error::read)?;
            let last = last.map(|(first, sealed)| named(first.value(), sealed.value())).transpose()?;
            (self.count, self.last) = (count, last);
        }
        Ok(Self { names: Some(Arc::new(names)), ..self.clone() })
    }

    /// All of them.
    pub(crate) fn segments(&self) -> Result<Segments, Error> {
        let mut known = lock(&self.known);
        if let Some(names) = self.names.as_ref().filter(|_| known.len() < self.count) {
            let from = known.last().map_or(0, |segment| segment.last.0 + 1);
            let rows = names.range(from..).map_err(Error::read)?;
            let more = rows.map(|row| {
                let (first, sealed) = row.map_err(Error::read)?;
                named(first.value(), sealed.value())
            });
            let more = more.collect::<Result<Vec<_>, Error>>()?;
            Arc::make_mut(&mut known).extend(more);
            if known.len() < self.count {
                return Err(Error::read("segments of the archive are named that do not follow one another"));
            }
        }
        Ok(Segments { known: known.clone(), count: self.count })
    }

    /// The last of them.
    pub(crate) fn last(&self) -> Option<&Segment> {
        self.last.as_ref()
    }

    /// The last event in it; 0 while it is empty.
    pub(crate) fn end(&self) -> Seq {
        self.last.as_ref().map_or(Seq(0), |segment| segment.last)
    }

    /// The bytes of a segment's file, whatever they are.
    pub(crate) fn bytes_of(&self, segment: &Segment) -> io::Result<Vec<u8>> {
        let file = self.files.open(&self.dir.join(segment.name()), Open::Read)?;
        let there = file.identity()?.size_bytes;
        // One that has grown is another; so much of it as no segment has tells that as well.
        let most = segment.file_bytes + segment.raw_bytes + SPARE_BYTES;
        let wanted = usize::try_from(there.min(most)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; wanted];
        file.read_at(0, &mut bytes)?;
        file.advise(0..there, false);
        Ok(bytes)
    }

    fn fail(&self, segment: &Segment, why: impl fmt::Display) -> Error {
        Error::read(format!(
            "events {} to {} are in `{}` of the archive, and {why}; `kiln audit verify` says what is still whole, and \
             a copy of that file mends it",
            segment.first,
            segment.last,
            self.dir.join(segment.name()).display()
        ))
    }

    /// A segment, proved to be the one that was archived.
    fn opened(&self, segment: &Segment) -> Result<Arc<Opened>, Error> {
        if let Some((_, opened)) = lock(&self.cache).opened.iter().find(|(first, _)| *first == segment.first)
        {
            return Ok(opened.clone());
        }
        let bytes = self.bytes_of(segment).map_err(|error| self.fail(segment, error))?;
        let opened = Opened::of(bytes).map_err(|why| self.fail(segment, why))?;
        if opened.segment != *segment {
            return Err(self.fail(segment, "that file is not the one that was archived"));
        }
        Ok(Arc::new(opened))
    }

    /// A segment, and keeps it.
    fn kept(&self, segment: &Segment) -> Result<Arc<Opened>, Error> {
        let opened = self.opened(segment)?;
        let mut cache = lock(&self.cache);
        if !cache.opened.iter().any(|(first, _)| *first == segment.first) {
            cache.opened.truncate(OPENED_MAX - 1);
            cache.opened.push_front((segment.first, opened.clone()));
        }
        Ok(opened)
    }

    fn block(&self, segment: &Segment, opened: &Opened, index: usize) -> Result<Arc<Block>, Error> {
        let block = opened.block(index).map_err(|why| self.fail(segment, why))?.0;
        Ok(Arc::new(block))
    }

    /// The row that holds an archived event, with its first.
    pub(crate) fn row_at(&self, seq: Seq) -> Result<Option<(u64, Vec<u8>)>, Error> {
        if seq > self.end() {
            return Ok(None);
        }
        let segments = self.segments()?;
        let index = segments.partition_point(|segment| segment.last < seq);
        let Some(segment) = segments.get(index).filter(|segment| segment.first <= seq) else {
            return Ok(None);
        };
        let is_it = |(first, block, _): &&(Seq, usize, Arc<Block>), wanted: Option<usize>| {
            *first == segment.first && Some(*block) == wanted
        };
        let opened = self.kept(segment)?;
        let wanted = opened.block_of(seq.0);
        let known =
            lock(&self.cache).blocks.iter().find(|it| is_it(it, wanted)).map(|(.., block)| block.clone());
        let block = match (known, wanted) {
            (Some(block), _) => block,
            (None, None) => return Ok(None),
            (None, Some(index)) => {
                let block = self.block(segment, &opened, index)?;
                let mut cache = lock(&self.cache);
                cache.blocks.truncate(BLOCKS_MAX - 1);
                cache.blocks.push_front((segment.first, index, block.clone()));
                block
            }
        };
        let row = block.row_of(seq.0).and_then(|row| block.row(row));
        Ok(row.map(|(first, row)| (first, row.to_vec())))
    }

    /// Where to look for a time: the last event of the segments that end before it, and the first of the one after.
    pub(crate) fn around_ms(&self, time_ms: i64) -> Result<(Seq, Option<Seq>), Error> {
        match &self.last {
            None => return Ok((Seq(0), None)),
            // It ends before that, and so do those before it.
            Some(last) if last.last_ms <= time_ms => return Ok((last.last, None)),
            Some(_) => {}
        }
        let segments = self.segments()?;
        let before = segments.partition_point(|segment| segment.last_ms <= time_ms);
        let after = segments.partition_point(|segment| segment.first_ms <= time_ms);
        let last = before.checked_sub(1).map_or(Seq(0), |index| segments[index].last);
        Ok((last, segments.get(after).map(|segment| segment.first)))
    }

    /// The archived rows whose first event is `from` or later, one block in memory at a time.
    pub(crate) fn rows(&self, from: u64) -> ArchivedRows {
        let is_over = from > self.end().0;
        let archive = self.clone();
        ArchivedRows { archive, from, is_over, left: None, opened: None, at: None, next_block: 0 }
    }
}

/// Rows of the archive, one after the other.
pub(crate) struct ArchivedRows {
    archive: Archive,
    from: u64,
    is_over: bool,
    /// The segments, once they are known, and which is the one to go on in.
    left: Option<(Segments, usize)>,
    opened: Option<Arc<Opened>>,
    at: Option<(Arc<Block>, usize)>,
    next_block: usize,
}

impl ArchivedRows {
    fn step(&mut self) -> Result<Option<(u64, RowBytes)>, Error> {
        while !self.is_over {
            if let Some((block, index)) = &mut self.at {
                let row = *index;
                *index += 1;
                match block.row(row) {
                    Some((first, _)) if first < self.from => {}
                    Some((first, _)) => return Ok(Some((first, RowBytes::Archived(block.clone(), row)))),
                    None => self.at = None,
                }
                continue;
            }
            let (segments, index) = if let Some(left) = &mut self.left {
                left
            } else {
                let segments = self.archive.segments()?;
                let index = segments.partition_point(|segment| segment.last.0 < self.from);
                self.left.insert((segments, index))
            };
            let Some(segment) = segments.get(*index) else { break };
            let opened = if let Some(opened) = &self.opened {
                opened.clone()
            } else {
                let opened = self.archive.opened(segment)?;
                self.next_block = opened.block_of(self.from).unwrap_or(0);
                self.opened.insert(opened).clone()
            };
            if self.next_block < opened.blocks() {
                self.at = Some((self.archive.block(segment, &opened, self.next_block)?, 0));
                self.next_block += 1;
            } else {
                *index += 1;
                self.opened = None;
            }
        }
        Ok(None)
    }
}

impl Iterator for ArchivedRows {
    type Item = Result<(u64, RowBytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        // What comes after an error does not follow; whoever wants it all the same begins there.
        self.is_over |= step.is_err();
        step.transpose()
    }
}

/// A segment, from the row that names it.
fn named(first: u64, sealed: &[u8]) -> Result<Segment, Error> {
    let bytes = unseal(&first.to_be_bytes(), sealed)?;
    rmp_serde::from_slice(&bytes).map_err(Error::read)
}

/// A row of the log, wherever it lies.
pub(crate) enum RowBytes {
    Archived(Arc<Block>, usize),
    Live(AccessGuard<'static, &'static [u8]>),
}

impl Deref for RowBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Archived(block, index) => block.row(*index).map_or(&[], |(_, row)| row),
            Self::Live(guard) => guard.value(),
        }
    }
}

/// The rows of the log from one on.
pub(crate) struct LogRows {
    pub(crate) archived: ArchivedRows,
    pub(crate) live: redb::Range<'static, u64, &'static [u8]>,
}

impl Iterator for LogRows {
    type Item = Result<(u64, RowBytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.archived.next() {
            return Some(row);
        }
        let row = self.live.next()?;
        Some(row.map_err(Error::read).map(|(first, row)| (first.value(), RowBytes::Live(row))))
    }
}
