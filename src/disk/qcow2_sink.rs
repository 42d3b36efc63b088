//! qcow2, written: version 3, clusters of 64 KiB, plain or compressed.
//!
//! ```text
//! piece ─▶ clusters ─┬ all zero: nothing
//!                    ├ plain: room for a run of them is taken, the run is written
//!                    └ compressed, in the caller's thread ─▶ room is taken under a short lock ─▶
//!                      written, neighbours in one call
//! finish ─▶ L2 tables, refcounts, L1 table, and the header last; then one sync
//! ```
//!
//! Memory is the L1 table, at most [`TABLES_MAX`] L2 tables (a table that is not used is written and
//! read again when it is), two refcount blocks, and one [`Scratch`] of about a mebibyte for each
//! thread that writes compressed at the same time.
//!
//! Until the header is there the file is not a qcow2, so one that was left half written is never
//! taken for a disk.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::port::Compression;
use files::File;

use crate::codec::Encoder;
use crate::qcow2_header::{Codec, MAGIC};
use crate::qcow2_space::{CLUSTER_BITS, CLUSTER_BYTES, L1_CLUSTER, REFCOUNT_TABLE_CLUSTER, Space};
use crate::{Error, Sink, check_piece, is_zero};

const CLUSTER_LEN: usize = 1 << CLUSTER_BITS;
/// L2 entries of eight bytes: one table maps 512 MiB.
const TABLE_ENTRIES: u64 = CLUSTER_BYTES / 8;
/// L2 tables in memory: 4 MiB, which map 32 GiB around the places that threads write at.
const TABLES_MAX: usize = 64;
/// Clusters compressed before room is taken for all of them.
const BATCH_CLUSTERS: usize = 16;

const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
/// Of an entry for a compressed cluster the place takes this many bits, the sectors the rest.
const PLACE_BITS: u32 = 70 - CLUSTER_BITS;
const SECTOR_BITS: u32 = 9;
const FEATURE_COMPRESSION_TYPE: u64 = 1 << 3;
const HEADER_BYTES: u32 = 112;
const REFCOUNT_ORDER: u32 = 4;

/// A qcow2 file that is written.
pub(crate) struct Qcow2Sink {
    file: Arc<dyn File>,
    disk_bytes: u64,
    codec: Option<Codec>,
    map: Mutex<Map>,
    scratches: Mutex<Vec<Scratch>>,
    /// A piece was not written: the file must not become a disk.
    failed: AtomicBool,
}

/// Which cluster is where.
struct Map {
    space: Space,
    /// Places of the L2 tables, 0 for those that have none yet.
    l1: Vec<u64>,
    tables: HashMap<usize, Table>,
    clock: u64,
}

/// An L2 table in memory, as it will be in the file.
struct Table {
    bytes: Vec<u8>,
    used: u64,
}

/// What one thread needs to compress clusters.
struct Scratch {
    encoder: Encoder,
    /// A batch of compressed clusters, one behind the other.
    packed: Vec<u8>,
    /// The last cluster of the disk, filled up with zeros.
    padded: Vec<u8>,
}

/// Bytes of a piece, and where in the file they go.
struct Write<'a> {
    place: u64,
    bytes: &'a [u8],
}

impl Qcow2Sink {
    pub(crate) fn new(file: Arc<dyn File>, compression: Compression, disk_bytes: u64) -> Result<Self, Error> {
        file.set_len(0).map_err(|e| Error::io("emptying the qcow2 file", e))?;
        let l1_entries = disk_bytes.div_ceil(TABLE_ENTRIES << CLUSTER_BITS);
        assert!(l1_entries <= TABLE_ENTRIES, "an L1 table of one cluster maps 4 TiB, twice the largest disk");
        let codec = match compression {
            Compression::None => None,
            Compression::Zlib => Some(Codec::Deflate),
            Compression::Zstd => Some(Codec::Zstd),
        };
        let l1 = vec![0; usize::try_from(l1_entries).expect("an L1 table of one cluster fits into memory")];
        let map = Map { space: Space::new(), l1, tables: HashMap::new(), clock: 0 };
        Ok(Self {
            file,
            disk_bytes,
            codec,
            map: Mutex::new(map),
            scratches: Mutex::default(),
            failed: AtomicBool::new(false),
        })
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().expect("no thread panics while it holds the map")
    }

    /// Writes a piece uncompressed: runs of clusters that are not zero, each with one write as far
    /// as there is room in a row.
    fn write_plain(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut clusters = bytes.chunks(CLUSTER_LEN).enumerate().peekable();
        while let Some((first, chunk)) = clusters.next() {
            if is_zero(chunk) {
                continue;
            }
            let mut end = first + 1;
            while clusters.next_if(|(_, chunk)| !is_zero(chunk)).is_some() {
                end += 1;
            }
            let mut begin = first;
            while begin < end {
                let guest = (offset >> CLUSTER_BITS) + begin as u64;
                let (place, taken) = self.map().place_plain(&*self.file, guest, (end - begin) as u64)?;
                let until = begin + usize::try_from(taken).expect("no more than wanted");
                let run = begin * CLUSTER_LEN..bytes.len().min(until * CLUSTER_LEN);
                let run = Write { place, bytes: &bytes[run] };
                self.write_all(std::iter::once(run))?;
                begin = until;
            }
        }
        Ok(())
    }

    /// Writes a batch compressed: first all is compressed, then all gets its place, then all is
    /// written.
    fn write_packed(&self, offset: u64, bytes: &[u8], scratch: &mut Scratch) -> Result<(), Error> {
        let Scratch { encoder, packed, padded } = scratch;
        // Of each cluster: the compressed bytes, or none if it is stored as it is.
        let mut lens = [None; BATCH_CLUSTERS];
        let mut filled = 0;
        for (chunk, len) in bytes.chunks(CLUSTER_LEN).zip(&mut lens) {
            if is_zero(chunk) {
                continue;
            }
            let cluster = if chunk.len() == CLUSTER_LEN { chunk } else { pad(chunk, padded) };
            *len = encoder.encode(cluster, &mut packed[filled..]);
            filled += len.unwrap_or(0);
        }
        let (mut runs, mut plain) = (Vec::with_capacity(BATCH_CLUSTERS), Vec::new());
        let mut map = self.map();
        let mut begin = 0;
        for ((chunk, len), guest) in bytes.chunks(CLUSTER_LEN).zip(lens).zip(offset >> CLUSTER_BITS..) {
            if let Some(len) = len {
                let place = map.place_packed(&*self.file, guest, len as u64)?;
                join(&mut runs, place, begin..begin + len);
                begin += len;
            } else if !is_zero(chunk) {
                let (place, _) = map.place_plain(&*self.file, guest, 1)?;
                plain.push(Write { place, bytes: chunk });
            }
        }
        drop(map);
        let runs = runs.into_iter().map(|(place, run)| Write { place, bytes: &packed[run] });
        self.write_all(runs.chain(plain))
    }

    fn write_all<'a>(&self, mut writes: impl Iterator<Item = Write<'a>>) -> Result<(), Error> {
        writes.try_for_each(|Write { place, bytes }| {
            self.file
                .write_at(place, bytes)
                .map_err(|e| Error::io(format!("writing the qcow2 at byte `{place}`"), e))
        })
    }

    fn scratch(&self, codec: Codec) -> Result<Scratch, Error> {
        if let Some(scratch) = self.scratches.lock().expect("nothing panics while it is held").pop() {
            return Ok(scratch);
        }
        Ok(Scratch {
            encoder: Encoder::new(codec).map_err(|e| Error::io("making room to compress", e))?,
            packed: vec![0; BATCH_CLUSTERS * CLUSTER_LEN],
            padded: Vec::new(),
        })
    }

    fn write_piece(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let Some(codec) = self.codec else {
            return self.write_plain(offset, bytes);
        };
        let mut scratch = self.scratch(codec)?;
        let batches = bytes.chunks(BATCH_CLUSTERS * CLUSTER_LEN);
        for (number, batch) in batches.enumerate() {
            let at = offset + (number * BATCH_CLUSTERS * CLUSTER_LEN) as u64;
            self.write_packed(at, batch, &mut scratch)?;
        }
        self.scratches.lock().expect("nothing panics while it is held").push(scratch);
        Ok(())
    }

    fn header(&self) -> Vec<u8> {
        let l1_entries = u32::try_from(self.map().l1.len()).expect("an L1 table of one cluster");
        let zstd = self.codec == Some(Codec::Zstd);
        let mut header = Vec::with_capacity(HEADER_BYTES as usize);
        header.extend(MAGIC);
        header.extend(3u32.to_be_bytes());
        header.extend([0; 12]); // no backing file
        header.extend(CLUSTER_BITS.to_be_bytes());
        header.extend(self.disk_bytes.to_be_bytes());
        header.extend(0u32.to_be_bytes()); // not encrypted
        header.extend(l1_entries.to_be_bytes());
        header.extend((L1_CLUSTER << CLUSTER_BITS).to_be_bytes());
        header.extend((REFCOUNT_TABLE_CLUSTER << CLUSTER_BITS).to_be_bytes());
        header.extend(1u32.to_be_bytes()); // clusters of the refcount table
        header.extend([0; 12]); // no snapshots
        header.extend(if zstd { FEATURE_COMPRESSION_TYPE } else { 0 }.to_be_bytes());
        header.extend([0; 16]); // compatible and autoclear features
        header.extend(REFCOUNT_ORDER.to_be_bytes());
        header.extend(HEADER_BYTES.to_be_bytes());
        header.extend([u8::from(zstd), 0, 0, 0, 0, 0, 0, 0]);
        header
    }
}

impl Sink for Qcow2Sink {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        check_piece(offset, bytes.len(), self.disk_bytes)?;
        let written = self.write_piece(offset, bytes);
        if written.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        written
    }

    fn finish(&self) -> Result<(), Error> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::ours("a qcow2 of which a piece was not written cannot be finished"));
        }
        let finishing = |e| Error::io("finishing the qcow2", e);
        let file_bytes = self.map().finish(&*self.file)?;
        // The last cluster may have been written in part; what is added reads as zero.
        self.file.set_len(file_bytes).map_err(finishing)?;
        self.file.write_at(0, &self.header()).map_err(finishing)?;
        self.file.sync().map_err(finishing)
    }
}

impl Map {
    /// Gives up to `wanted` guest clusters room in a row: its place, and for how many it is.
    fn place_plain(&mut self, file: &dyn File, guest: u64, wanted: u64) -> Result<(u64, u64), Error> {
        let (place, taken) = self.space.take(file, wanted)?;
        for number in 0..taken {
            self.set(file, guest + number, COPIED | (place + (number << CLUSTER_BITS)))?;
        }
        Ok((place, taken))
    }

    /// Gives a compressed guest cluster room: its place.
    fn place_packed(&mut self, file: &dyn File, guest: u64, len: u64) -> Result<u64, Error> {
        let place = self.space.pack(file, len)?;
        let further_sectors = ((place + len - 1) >> SECTOR_BITS) - (place >> SECTOR_BITS);
        self.set(file, guest, COMPRESSED | further_sectors << PLACE_BITS | place)?;
        Ok(place)
    }

    fn set(&mut self, file: &dyn File, guest: u64, entry: u64) -> Result<(), Error> {
        let number = usize::try_from(guest / TABLE_ENTRIES).expect("the L1 table fits into memory");
        self.clock += 1;
        if !self.tables.contains_key(&number) {
            self.load(file, number)?;
        }
        let table = self.tables.get_mut(&number).expect("it was just loaded");
        table.used = self.clock;
        let at = usize::try_from(guest % TABLE_ENTRIES).expect("a table fits into memory") * 8;
        table.bytes[at..at + 8].copy_from_slice(&entry.to_be_bytes());
        Ok(())
    }

    /// Has a table in memory: a new one, or one that was written to make room for others.
    fn load(&mut self, file: &dyn File, number: usize) -> Result<(), Error> {
        if self.tables.len() >= TABLES_MAX {
            let oldest = self.tables.iter().min_by_key(|(_, table)| table.used);
            let oldest = *oldest.expect("there are some").0;
            self.store(file, oldest)?;
        }
        let mut bytes = vec![0; CLUSTER_LEN];
        let place = self.l1[number];
        if place != 0 {
            file.read_at(place, &mut bytes)
                .map_err(|e| Error::io("reading back an L2 table of the qcow2", e))?;
        }
        self.tables.insert(number, Table { bytes, used: self.clock });
        Ok(())
    }

    /// Writes a table and forgets it.
    fn store(&mut self, file: &dyn File, number: usize) -> Result<(), Error> {
        if self.l1[number] == 0 {
            self.l1[number] = self.space.take(file, 1)?.0;
        }
        let table = self.tables.remove(&number).expect("only tables in memory are stored");
        file.write_at(self.l1[number], &table.bytes)
            .map_err(|e| Error::io("writing an L2 table of the qcow2", e))
    }

    /// Writes all that says where clusters are; gives the length of the file.
    fn finish(&mut self, file: &dyn File) -> Result<u64, Error> {
        self.space.end_packing();
        let mut numbers: Vec<usize> = self.tables.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            self.store(file, number)?;
        }
        let entry = |&place: &u64| if place == 0 { 0 } else { place | COPIED };
        let l1: Vec<u8> = self.l1.iter().flat_map(|place| entry(place).to_be_bytes()).collect();
        file.write_at(L1_CLUSTER << CLUSTER_BITS, &l1)
            .map_err(|e| Error::io("writing the L1 table of the qcow2", e))?;
        self.space.finish(file)
    }
}

/// Adds a part of a batch to the writes: neighbours in the batch that became neighbours in the file
/// are one write.
fn join(runs: &mut Vec<(u64, Range<usize>)>, place: u64, part: Range<usize>) {
    match runs.last_mut() {
        Some((first, run)) if *first + run.len() as u64 == place && run.end == part.start => {
            run.end = part.end;
        }
        _ => runs.push((place, part)),
    }
}

fn pad<'a>(chunk: &[u8], padded: &'a mut Vec<u8>) -> &'a [u8] {
    padded.clear();
    padded.extend_from_slice(chunk);
    padded.resize(CLUSTER_LEN, 0);
    padded
}
