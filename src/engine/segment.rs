//! A segment of the archive: a stretch of the log in a file of its own, compressed, which says itself what it is.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `kilnseg1` |
//! | 8, 8 | the first and the last event, little-endian like all numbers here |
//! | 8, 8 | their times |
//! | 32 | the name of the log: the hash behind its very first row |
//! | 32, 32 | the chain's hash before the first row, and behind the last |
//! | 8, 8 | how many rows, and their bytes |
//! | 32 | BLAKE3 of all that |
//! | then, for each block: 8 | its first event |
//! | 4, 4 | bytes of its rows, and compressed |
//! | 16 | the beginning of a BLAKE3 of these three and of what is compressed |
//! | … | a zstd frame: for each row its first event (8), its length (4), and the row as it lay in the log |
//!
//! A row is what it was, hash and checks included, so the chain proves a segment as it proves the log. The BLAKE3
//! of the whole file stands in the log's own database, in the commit that forgot the rows. A block is what one
//! record costs to read, and what one flipped bit spoils.

use std::io::Read as _;
use std::ops::Range;

use event::Seq;
use serde::{Deserialize, Serialize};

use crate::chain::{self, GENESIS, Hash};

/// What the name of its file ends with.
pub(crate) const SEGMENT: &str = "seg";
/// What a segment begins with.
const MAGIC: [u8; 8] = *b"kilnseg1";
/// Bytes of rows in a segment. All of one are in memory when it is made, its rows are forgotten in one commit (a
/// thousand rows, some milliseconds), and one record of it costs reading the file, a megabyte or less.
pub(crate) const SEGMENT_BYTES: u64 = if cfg!(test) { 16 << 10 } else { 4 << 20 };
/// Bytes of rows in a block: enough to compress well, and a record costs a tenth of a millisecond.
const BLOCK_BYTES: usize = if cfg!(test) { 6 << 10 } else { 128 << 10 };
/// The level of compression: higher ones take several times as long for a tenth less.
const LEVEL: i32 = 3;
/// The most that a block may say it holds: one row that is far larger than any event.
const BLOCK_BYTES_MAX: usize = 1 << 30;

const HEADER_BYTES: usize = 8 + 4 * 8 + 3 * 32 + 2 * 8 + 32;
const BLOCK_HEADER_BYTES: usize = 8 + 4 + 4 + 16;
const ROW_HEADER_BYTES: usize = 8 + 4;

/// What a segment is, as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    /// The name of the log.
    pub(crate) log: Hash,
    /// The chain's hash before the first row.
    pub(crate) before: Hash,
    /// The chain's hash behind the last row.
    pub(crate) hash: Hash,
    pub(crate) rows: u64,
    /// Bytes of the rows.
    pub(crate) raw_bytes: u64,
    pub(crate) file_bytes: u64,
    /// BLAKE3 of the whole file.
    pub(crate) digest: Hash,
}

impl Segment {
    /// The name of its file.
    pub(crate) fn name(&self) -> String {
        format!("{:020}-{:020}.{SEGMENT}", self.first.0, self.last.0)
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        for number in [self.first.0, self.last.0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for time_ms in [self.first_ms, self.last_ms] {
            bytes.extend_from_slice(&time_ms.to_le_bytes());
        }
        for hash in [&self.log, &self.before, &self.hash] {
            bytes.extend_from_slice(hash);
        }
        for number in [self.rows, self.raw_bytes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    fn of_file(bytes: &[u8]) -> Result<Self, String> {
        let header = bytes.get(..HEADER_BYTES).ok_or("it is shorter than its header")?;
        if header[..8] != MAGIC {
            return Err("it is no segment of an archive".to_owned());
        }
        let (said, check) = header.split_at(HEADER_BYTES - 32);
        if blake3::hash(said).as_bytes() != check {
            return Err("its header is damaged".to_owned());
        }
        let number = |at: usize| u64::from_le_bytes(said[at..at + 8].try_into().expect("eight bytes"));
        let hash = |at: usize| said[at..at + 32].try_into().expect("thirty-two bytes");
        Ok(Self {
            first: Seq(number(8)),
            last: Seq(number(16)),
            first_ms: number(24).cast_signed(),
            last_ms: number(32).cast_signed(),
            log: hash(40),
            before: hash(72),
            hash: hash(104),
            rows: number(136),
            raw_bytes: number(144),
            file_bytes: bytes.len() as u64,
            digest: *blake3::hash(bytes).as_bytes(),
        })
    }
}

/// A segment in the making.
pub(crate) struct Packing {
    segment: Segment,
    compressor: zstd::bulk::Compressor<'static>,
    /// The file, its header left out.
    file: Vec<u8>,
    block: Vec<u8>,
    block_first: u64,
    /// The row that was taken last.
    last: Vec<u8>,
}

impl Packing {
    /// A segment that goes on from a link of a log's chain; of a log without a name yet, its first row gives it.
    pub(crate) fn begin(log: Option<Hash>, before: Hash) -> std::io::Result<Self> {
        let segment = Segment {
            first: Seq(0),
            last: Seq(0),
            first_ms: 0,
            last_ms: 0,
            log: log.unwrap_or(GENESIS),
            before,
            hash: before,
            rows: 0,
            raw_bytes: 0,
            file_bytes: 0,
            digest: GENESIS,
        };
        let compressor = zstd::bulk::Compressor::new(LEVEL)?;
        Ok(Self {
            segment,
            compressor,
            file: Vec::new(),
            block: Vec::new(),
            block_first: 0,
            last: Vec::new(),
        })
    }

    /// Takes the next row; the one that follows it in the log begins at `next`.
    ///
    /// What the chain proves is what was written, so no record is decoded but the first and the last of a segment,
    /// which say when it was.
    ///
    /// # Errors
    /// If it does not follow the one before: then the log is damaged, and is left as it is.
    pub(crate) fn row(&mut self, first: u64, row: &[u8], next: u64) -> Result<(), String> {
        let segment = &mut self.segment;
        if next <= first || (segment.rows > 0 && segment.last.next() != Seq(first)) {
            return Err(format!("event {first} does not follow event {}", segment.last));
        }
        let hash = chain::link(&segment.hash, first, row.get(32..).unwrap_or_default());
        if chain::hash_of(row) != Some(hash) {
            return Err(format!("the chain breaks at event {first}"));
        }
        if segment.rows == 0 {
            let begin = chain::read_one(row, 0)?.ok_or("its first row holds no event")?;
            (segment.first, segment.first_ms) = (Seq(first), begin.time_ms);
            if first == 1 {
                segment.log = hash;
            }
        }
        (segment.last, segment.hash) = (Seq(next - 1), hash);
        self.last.clear();
        self.last.extend_from_slice(row);
        segment.rows += 1;
        segment.raw_bytes += row.len() as u64;
        if self.block.is_empty() {
            self.block_first = first;
        }
        let length = u32::try_from(row.len()).map_err(|_| format!("event {first} is too large"))?;
        self.block.extend_from_slice(&first.to_le_bytes());
        self.block.extend_from_slice(&length.to_le_bytes());
        self.block.extend_from_slice(row);
        if self.block.len() >= BLOCK_BYTES { self.close_block() } else { Ok(()) }
    }

    fn close_block(&mut self) -> Result<(), String> {
        let frame = self.compressor.compress(&self.block).map_err(|error| error.to_string())?;
        let length = |bytes: usize| u32::try_from(bytes).map_err(|_| "a block is too large".to_owned());
        if self.block.len() > BLOCK_BYTES_MAX {
            return Err("a block is too large".to_owned());
        }
        let begin = self.file.len();
        self.file.extend_from_slice(&self.block_first.to_le_bytes());
        self.file.extend_from_slice(&length(self.block.len())?.to_le_bytes());
        self.file.extend_from_slice(&length(frame.len())?.to_le_bytes());
        let check = check_of(&self.file[begin..], &frame);
        self.file.extend_from_slice(&check);
        self.file.extend_from_slice(&frame);
        self.block.clear();
        Ok(())
    }

    /// What it is, and the bytes of its file.
    pub(crate) fn finish(mut self) -> Result<(Segment, Vec<u8>), String> {
        if !self.block.is_empty() {
            self.close_block()?;
        }
        let mut segment = self.segment;
        let records = chain::read(&self.last)?;
        let end = records.last().filter(|record| record.seq == segment.last);
        segment.last_ms = end.ok_or_else(|| format!("event {} is not there", segment.last))?.time_ms;
        let mut bytes = segment.header();
        bytes.append(&mut self.file);
        segment.file_bytes = bytes.len() as u64;
        segment.digest = *blake3::hash(&bytes).as_bytes();
        Ok((segment, bytes))
    }
}

fn check_of(header: &[u8], frame: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header).update(frame);
    *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// A block where it lies in its file.
#[derive(Clone, Debug)]
struct Frame {
    first: u64,
    raw_bytes: usize,
    /// With its header.
    bytes: Range<usize>,
}

/// A segment's file, read.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What it says it is.
    pub(crate) segment: Segment,
    bytes: Vec<u8>,
    blocks: Vec<Frame>,
}

impl Opened {
    /// Finds the blocks of a file, as far as they go.
    ///
    /// # Errors
    /// If it does not say what it is.
    pub(crate) fn of(bytes: Vec<u8>) -> Result<Self, String> {
        let segment = Segment::of_file(&bytes)?;
        let mut blocks = Vec::new();
        let mut at = HEADER_BYTES;
        while let Some(header) = bytes.get(at..at + BLOCK_HEADER_BYTES) {
            let first = u64::from_le_bytes(header[..8].try_into().expect("eight bytes"));
            let length = |at: usize| {
                let length = u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
                usize::try_from(length).expect("32 bits are an address")
            };
            let end = at + BLOCK_HEADER_BYTES + length(12);
            if end > bytes.len() || length(8) > BLOCK_BYTES_MAX {
                break;
            }
            blocks.push(Frame { first, raw_bytes: length(8), bytes: at..end });
            at = end;
        }
        Ok(Self { segment, bytes, blocks })
    }

    /// How many blocks were found.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The block that holds an event, if one does.
    pub(crate) fn block_of(&self, seq: u64) -> Option<usize> {
        self.blocks.partition_point(|block| block.first <= seq).checked_sub(1)
    }

    /// The first event of a block, and its bytes in the file.
    pub(crate) fn place(&self, block: usize) -> Option<(u64, Range<usize>)> {
        self.blocks.get(block).map(|block| (block.first, block.bytes.clone()))
    }

    /// The rows of a block, and whether it is as it was written.
    pub(crate) fn block(&self, index: usize) -> Result<(Block, bool), String> {
        let frame = self.blocks.get(index).ok_or("there is no such block")?;
        let (header, packed) = self.bytes[frame.bytes.clone()].split_at(BLOCK_HEADER_BYTES);
        let is_sound = header[16..] == check_of(&header[..16], packed);
        let mut raw = Vec::with_capacity(frame.raw_bytes.min(2 * BLOCK_BYTES));
        let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(|error| error.to_string())?;
        let most = frame.raw_bytes as u64 + 1;
        decoder.take(most).read_to_end(&mut raw).map_err(|error| error.to_string())?;
        if raw.len() != frame.raw_bytes {
            return Err(format!("it comes to {} bytes, and not to {}", raw.len(), frame.raw_bytes));
        }
        let mut rows = Vec::new();
        let mut at = 0;
        while at < raw.len() {
            let header = raw.get(at..at + ROW_HEADER_BYTES).ok_or("a row is cut off")?;
            let first = u64::from_le_bytes(header[..8].try_into().expect("eight bytes"));
            let length = u32::from_le_bytes(header[8..].try_into().expect("four bytes"));
            let begin = at + ROW_HEADER_BYTES;
            let end = begin + usize::try_from(length).expect("32 bits are an address");
            if end > raw.len() {
                return Err("a row is cut off".to_owned());
            }
            rows.push((first, begin..end));
            at = end;
        }
        Ok((Block { raw, rows }, is_sound))
    }
}

/// Rows of a block.
#[derive(Debug)]
pub(crate) struct Block {
    raw: Vec<u8>,
    rows: Vec<(u64, Range<usize>)>,
}

impl Block {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A row with its first event.
    pub(crate) fn row(&self, index: usize) -> Option<(u64, &[u8])> {
        self.rows.get(index).map(|(first, range)| (*first, &self.raw[range.clone()]))
    }

    /// The place of the row that holds an event.
    pub(crate) fn row_of(&self, seq: u64) -> Option<usize> {
        self.rows.partition_point(|(first, _)| *first <= seq).checked_sub(1)
    }
}

#[cfg(test)]
impl Packing {
    /// Takes a row, whatever it is.
    pub(crate) fn forge(&mut self, first: u64, row: &[u8]) {
        if self.block.is_empty() {
            self.block_first = first;
        }
        self.block.extend_from_slice(&first.to_le_bytes());
        self.block.extend_from_slice(&u32::try_from(row.len()).unwrap().to_le_bytes());
        self.block.extend_from_slice(row);
        if self.block.len() >= BLOCK_BYTES {
            self.close_block().unwrap();
        }
    }

    /// The bytes of a file that says it is that segment.
    pub(crate) fn finish_as(mut self, segment: &Segment) -> Vec<u8> {
        if !self.block.is_empty() {
            self.close_block().unwrap();
        }
        [segment.header(), self.file].concat()
    }
}
