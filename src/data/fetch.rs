//! Frames back from packs: found, read in long stretches, decoded, and held against their ids.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Digest;
use event::Failure;
use files::File;

use crate::chunker::CHUNK_BYTES_MAX;
use crate::fault::{self, Result};
use crate::index::{Domain, Kind, PACKS, PackRow, Place, decode};
use crate::manifest::{ChunkRef, PAGE_BYTES_MAX, page_id};
use crate::pace::Toll;
use crate::pack::{FRAME_HEADER_BYTES, frame_header};
use crate::segment::stretch;
use crate::store::{Sight, Store};

/// Frames nearer to each other than this are read at once: cheaper than another system call.
const GAP_BYTES: u64 = 64 << 10;
/// A read is not longer than this, which bounds the buffer.
const READ_BYTES_MAX: u64 = 4 << 20;
/// A collection may move a frame between finding and reading it; this often in a row it cannot.
const TRIES: usize = 5;

/// Reads frames of one account; one for each thread.
pub(crate) struct Fetcher<'a> {
    store: &'a Store,
    domain: Domain,
    decoder: zstd::bulk::Decompressor<'static>,
    /// Grows to the longest read and stays, so that it is not cleared again and again.
    buffer: Vec<u8>,
    cold: Option<&'a Cold>,
    /// Told of every frame that is read.
    toll: Option<Arc<Toll>>,
}

/// The packs that have been dropped from the system's cache, for all threads of a verification: so
/// that they are read from the disk itself, once.
#[derive(Default)]
pub(crate) struct Cold(Mutex<HashSet<u64>>);

/// Where the pages of a manifest are read.
pub(crate) trait Pages {
    /// A page, held against its id.
    fn page(&mut self, id: &Digest) -> Result<Vec<u8>>;
}

impl Pages for Fetcher<'_> {
    fn page(&mut self, id: &Digest) -> Result<Vec<u8>> {
        Fetcher::page(self, id)
    }
}

/// Takes a frame: where it lay, what it holds, as it is, and decoded.
pub(crate) type Take<'t> = dyn FnMut(&Place, &ChunkRef, &[u8], &[u8]) -> Result<()> + 't;
/// Takes a frame of a pack as it was read.
type Each<'a, 't> = dyn FnMut(&mut Fetcher<'a>, u64, &Place, &ChunkRef, &[u8]) -> Result<()> + 't;

/// Frames in the order in which they lie in packs.
type Plan<'a> = Vec<(u64, Place, &'a ChunkRef)>;

impl<'a> Fetcher<'a> {
    pub(crate) fn new(store: &'a Store, domain: Domain, cold: Option<&'a Cold>) -> Self {
        Self {
            store,
            domain,
            decoder: zstd::bulk::Decompressor::new().expect("without a dictionary nothing can fail"),
            buffer: Vec::new(),
            cold,
            toll: None,
        }
    }

    /// One whose reads are what a copy sends.
    pub(crate) fn sending(store: &'a Store, domain: Domain, toll: Arc<Toll>) -> Self {
        Self { toll: Some(toll), ..Self::new(store, domain, None) }
    }

    /// Decodes chunks to their places in a segment; with `check`, each is held against its id.
    pub(crate) fn chunks(&mut self, chunks: &[ChunkRef], out: &mut [u8], check: bool) -> Result<()> {
        for _ in 0..TRIES {
            let plan = self.plan(chunks)?;
            if self.run(&plan, &mut |fetcher, pack, place, chunk, frame| {
                fetcher.chunk(pack, place, chunk, frame, &mut out[stretch(chunk)], check)
            })? {
                return Ok(());
            }
        }
        Err(Failure::World("packs move faster than they can be read".into()))
    }

    /// Gives each of these chunks once, in any order: where its frame lay, the frame as it is, and
    /// the bytes it decodes to, held against its id.
    pub(crate) fn frames(&mut self, chunks: &[ChunkRef], take: &mut Take<'_>) -> Result<()> {
        let mut raw = vec![0; CHUNK_BYTES_MAX];
        let mut rest = chunks.to_vec();
        for _ in 0..TRIES {
            let plan = self.plan(&rest)?;
            let mut taken = 0;
            let whole = self.run(&plan, &mut |fetcher, pack, place, chunk, frame| {
                let raw = &mut raw[..chunk.len as usize];
                fetcher.chunk(pack, place, chunk, frame, raw, true)?;
                taken += 1;
                take(place, chunk, frame, raw)
            })?;
            if whole {
                return Ok(());
            }
            // What was given is not given again.
            rest = plan[taken..].iter().map(|(_, _, chunk)| **chunk).collect();
        }
        Err(Failure::World("packs move faster than they can be read".into()))
    }

    /// Tells the system that these chunks will be read next.
    pub(crate) fn announce(&mut self, chunks: &[ChunkRef]) -> Result<()> {
        let plan = self.plan(chunks)?;
        let mut rest = &plan[..];
        while let Some((pack, ..)) = rest.first() {
            let (range, count) = reach(rest);
            // A pack that is gone or cannot be opened shows itself when it is read.
            if let Ok(file) = self.file(*pack) {
                file.advise(range, true);
            }
            rest = &rest[count..];
        }
        Ok(())
    }

    fn plan<'b>(&self, chunks: &'b [ChunkRef]) -> Result<Plan<'b>> {
        let ids = chunks.iter().map(|chunk| chunk.id);
        let places = self.store.index.read(|tx| Sight::new(tx, self.domain).places(ids))?;
        let mut plan = Vec::with_capacity(chunks.len());
        for (chunk, place) in chunks.iter().zip(places) {
            let (pack, place) = place.ok_or_else(|| gone(&chunk.id))?;
            if place.raw_len != chunk.len || place.kind != Kind::Chunk {
                return Err(fault::corrupt_chunk(&chunk.id, pack, "has another length"));
            }
            plan.push((pack, place, chunk));
        }
        plan.sort_unstable_by_key(|(pack, place, _)| (*pack, place.offset));
        Ok(plan)
    }

    /// A page of a manifest.
    pub(crate) fn page(&mut self, id: &Digest) -> Result<Vec<u8>> {
        for _ in 0..TRIES {
            let place = self
                .store
                .index
                .read(|tx| Ok(Sight::new(tx, self.domain).places([*id].into_iter())?.pop().flatten()))?;
            let (pack, place) = place.ok_or_else(|| gone(id))?;
            if place.raw_len as usize > PAGE_BYTES_MAX || place.kind != Kind::Page {
                return Err(fault::corrupt_chunk(id, pack, "is no page"));
            }
            let mut page = vec![0; place.raw_len as usize];
            if self.read(pack, place.offset, frame_len(&place), id)? {
                let frame = std::mem::take(&mut self.buffer);
                let decoded = self.decode(pack, &place, id, &frame, &mut page);
                self.buffer = frame;
                decoded?;
                self.charge(frame_len(&place));
                if page_id(&page) != *id {
                    return Err(fault::corrupt_chunk(id, pack, "does not have the bytes its id says"));
                }
                return Ok(page);
            }
        }
        Err(Failure::World("packs move faster than they can be read".into()))
    }

    /// Follows a plan sorted by pack and offset and gives each frame. `false` if a pack has gone
    /// meanwhile.
    fn run(&mut self, plan: &[(u64, Place, &ChunkRef)], each: &mut Each<'a, '_>) -> Result<bool> {
        let mut rest = plan;
        while let Some((pack, first, chunk)) = rest.first() {
            let (range, count) = reach(rest);
            if !self.read(*pack, range.start, range.end - range.start, &chunk.id)? {
                return Ok(false);
            }
            self.charge(rest[..count].iter().map(|(_, place, _)| frame_len(place)).sum());
            let bytes = std::mem::take(&mut self.buffer);
            let decoded = rest[..count].iter().try_for_each(|(pack, place, chunk)| {
                let begin = usize::try_from(place.offset - first.offset).expect("within one read");
                let end = begin + FRAME_HEADER_BYTES + place.len as usize;
                each(self, *pack, place, chunk, &bytes[begin..end])
            });
            self.buffer = bytes;
            decoded?;
            rest = &rest[count..];
        }
        Ok(true)
    }

    /// Reads a stretch of a pack into the buffer. `false` if the pack is gone.
    fn read(&mut self, pack: u64, offset: u64, len: u64, first: &Digest) -> Result<bool> {
        let file = match self.file(pack) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if self.is_listed(pack)? {
                    Err(fault::corrupt_chunk(first, pack, "is lost: the pack is not there"))
                } else {
                    Ok(false)
                };
            }
            Err(error) => return Err(fault::io("opening a pack", &error)),
        };
        let len = usize::try_from(len).expect("bounded above");
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        match file.read_at(offset, &mut self.buffer[..len]) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(fault::corrupt_chunk(first, pack, "is lost: the pack is cut short"))
            }
            Err(error) => Err(fault::io(format_args!("reading pack `{}`", crate::pack::name(pack)), &error)),
        }
    }

    fn file(&self, pack: u64) -> io::Result<Arc<dyn File>> {
        let file = self.store.pack_file(pack)?;
        if let Some(Cold(cooled)) = self.cold
            && cooled.lock().unwrap_or_else(PoisonError::into_inner).insert(pack)
        {
            let len = file.identity().map_or(0, |identity| identity.size_bytes);
            file.advise(0..len, false);
        }
        Ok(file)
    }

    /// Whether the pack should be there: one that is doomed goes before its row does, and what was left of it lies
    /// elsewhere.
    fn is_listed(&self, pack: u64) -> Result<bool> {
        self.store.index.read(|tx| {
            let row =
                tx.open_table(PACKS)?.get(pack)?.map(|row| decode::<PackRow>(row.value())).transpose()?;
            Ok(row.is_some_and(|row| !row.doomed))
        })
    }

    fn charge(&self, bytes: u64) {
        if let Some(toll) = &self.toll {
            toll.charge(bytes);
        }
    }

    fn chunk(
        &mut self,
        pack: u64,
        place: &Place,
        chunk: &ChunkRef,
        frame: &[u8],
        out: &mut [u8],
        check: bool,
    ) -> Result<()> {
        self.decode(pack, place, &chunk.id, frame, out)?;
        if check && blake3::hash(out).as_bytes() != &chunk.id.0 {
            return Err(fault::corrupt_chunk(&chunk.id, pack, "does not have the bytes its id says"));
        }
        Ok(())
    }

    fn decode(&mut self, pack: u64, place: &Place, id: &Digest, frame: &[u8], out: &mut [u8]) -> Result<()> {
        let (header, content) = frame[..FRAME_HEADER_BYTES + place.len as usize].split_at(FRAME_HEADER_BYTES);
        if header != frame_header(id, place) {
            return Err(fault::corrupt_chunk(id, pack, "has a damaged header"));
        }
        if !place.zstd {
            if content.len() != out.len() {
                return Err(fault::corrupt_chunk(id, pack, "has another length"));
            }
            out.copy_from_slice(content);
            return Ok(());
        }
        match self.decoder.decompress_to_buffer(content, out) {
            Ok(len) if len == out.len() => Ok(()),
            _ => Err(fault::corrupt_chunk(id, pack, "does not decode")),
        }
    }
}

/// The frames from the first on that are read at once: their stretch of the pack, and how many.
fn reach(plan: &[(u64, Place, &ChunkRef)]) -> (Range<u64>, usize) {
    let (pack, first, _) = &plan[0];
    let mut end = first.offset + frame_len(first);
    let mut count = 1;
    for (other, place, _) in &plan[1..] {
        let behind = place.offset + frame_len(place);
        if other != pack || place.offset > end + GAP_BYTES || behind - first.offset > READ_BYTES_MAX {
            break;
        }
        end = end.max(behind);
        count += 1;
    }
    (first.offset..end, count)
}

fn frame_len(place: &Place) -> u64 {
    FRAME_HEADER_BYTES as u64 + u64::from(place.len)
}

fn gone(id: &Digest) -> Failure {
    fault::corrupt(format_args!("chunk `{id}` is not in the store"))
}
