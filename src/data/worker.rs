//! A thread of a transfer: takes segments, cuts them (or reads how they are cut already), and
//! stores the chunks nobody has.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::Digest;
use event::Failure;
use files::File;

use crate::fault::{self, Result};
use crate::grid::{CELL_BYTES, SEGMENT_BYTES, segment_begin, segment_len};
use crate::index::{Kind, Place, SegmentRow};
use crate::manifest::{self, ChunkRef};
use crate::origin::{Next, Supply};
use crate::pack::{Appended, Writer, Zstd};
use crate::root::of_zero_segment;
use crate::segment::{Segment, stretch};
use crate::store::Sight;
use crate::transfer::Run;

/// A segment that is in packs and not yet recorded.
pub(crate) struct Finished {
    pub(crate) segment: u64,
    pub(crate) row: Option<SegmentRow>,
    pub(crate) bytes: u64,
    pub(crate) frames: Vec<Appended>,
    /// Packs written, the durable length to record, and the file's length if sealed.
    pub(crate) packs: Vec<Filled>,
}

pub(crate) struct Filled {
    pub(crate) pack: u64,
    pub(crate) file: Arc<dyn File>,
    pub(crate) data_bytes: u64,
    pub(crate) sealed: Option<u64>,
}

pub(crate) fn seal(writer: Writer) -> Result<Filled> {
    let (pack, file) = (writer.pack, Arc::clone(writer.file()));
    let data_bytes = writer.data_bytes();
    let file_bytes = writer.seal()?;
    Ok(Filled { pack, file, data_bytes, sealed: Some(file_bytes) })
}

/// A thread that takes segments in.
pub(crate) struct Worker<'r, 'a> {
    pub(crate) run: &'r Run<'a>,
    zstd: Zstd,
    pub(crate) writer: Option<Writer>,
    /// Packs this segment filled up and sealed.
    sealed: Vec<Filled>,
}

impl<'r, 'a> Worker<'r, 'a> {
    pub(crate) fn new(run: &'r Run<'a>) -> Self {
        Self { run, zstd: Zstd::new(run.level), writer: None, sealed: Vec::new() }
    }

    /// Until there is nothing left or someone failed; gives the pack it leaves open.
    pub(crate) fn run(mut self) -> Result<Option<Writer>> {
        match &self.run.supply {
            Supply::File(disk) => {
                let mut buffer = Segment::new();
                self.each(|worker, next| worker.segment(&**disk, next.segment, &mut buffer))?;
            }
            Supply::Stored(copying) => {
                let mut pages = copying.nearest(self.run.transfer);
                self.each(|worker, next| worker.copy(copying, &mut pages, next))?;
            }
            Supply::Zeros => {
                self.each(|_, _| Err(Failure::Ours("a segment of zeros was handed out".into())))?;
            }
        }
        Ok(self.writer.take())
    }

    fn each(&mut self, mut take: impl FnMut(&mut Self, &Next) -> Result<Finished>) -> Result<()> {
        while let Some(next) = self.run.next()? {
            let finished = take(self, &next)?;
            self.run.shared().finished.push(finished);
            self.run.finished.notify_all();
        }
        Ok(())
    }

    /// Only so much of a segment that was handed out counts towards the interval.
    pub(crate) fn weigh(&self, segment: u64, bytes: u64) {
        let len = segment_len(self.run.transfer.disk_bytes(), segment) as u64;
        self.run.shared().unrecorded_bytes -= len - bytes;
    }

    fn segment(&mut self, disk: &dyn disk::Source, segment: u64, buffer: &mut Segment) -> Result<Finished> {
        let len = segment_len(self.run.transfer.disk_bytes(), segment);
        let bytes = self.read(disk, segment, buffer)?;
        self.weigh(segment, bytes);
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
    fn read(&self, disk: &dyn disk::Source, segment: u64, buffer: &mut Segment) -> Result<u64> {
        let say = |error| fault::disk("reading the source", error);
        let disk_bytes = self.run.transfer.disk_bytes();
        let begin = segment_begin(segment);
        let end = begin + segment_len(disk_bytes, segment) as u64;
        let mut stretches: Vec<std::ops::Range<usize>> = Vec::new();
        let mut from = begin;
        while from < end
            && let Some(data) = disk.next_data(from).map_err(say)?
            && data.start < end
        {
            from = data.end.min(end);
            let place = |at: u64| usize::try_from(at - begin).expect("within a segment");
            match stretches.last_mut() {
                Some(last) if last.end == place(data.start) => last.end = place(from),
                _ => stretches.push(place(data.start)..place(from)),
            }
        }
        buffer.begin(disk_bytes, segment, stretches.iter().cloned());
        let bytes = stretches.iter().map(|stretch| stretch.len() as u64).sum();
        self.run.transfer.turn.read.fetch_add(bytes, Ordering::Relaxed);
        for stretch in stretches {
            for at in stretch.clone().step_by(CELL_BYTES) {
                let part = at..stretch.end.min(at + CELL_BYTES);
                let offset = begin + part.start as u64;
                disk.read_at(offset, &mut buffer.bytes_mut()[part]).map_err(say)?;
            }
        }
        Ok(bytes)
    }

    /// Claims what nobody has: gives, in order, the first place of each id that is to be stored.
    pub(crate) fn claim(&self, ids: &[Digest]) -> Result<Vec<(usize, Digest)>> {
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

    pub(crate) fn append(&mut self, id: Digest, kind: Kind, raw: &[u8]) -> Result<Appended> {
        self.make_room()?;
        let writer = self.writer.as_mut().expect("made above");
        writer.append(&mut self.zstd, id, kind, raw)
    }

    /// Appends a frame as it stands in a pack of the same account.
    pub(crate) fn append_frame(&mut self, id: Digest, place: &Place, frame: &[u8]) -> Result<Appended> {
        self.make_room()?;
        let writer = self.writer.as_mut().expect("made above");
        // Whether it is condemned is a matter of the pack it comes from.
        writer.append_frame(id, Place { condemned: 0, ..*place }, frame)
    }

    /// Sees to it that there is a pack to append to.
    fn make_room(&mut self) -> Result<()> {
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
        Ok(())
    }

    /// Gives everything to the files, and says which and how long they are.
    pub(crate) fn fill(&mut self) -> Result<Vec<Filled>> {
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
