//! VHD, written: dynamic, blocks of 2 MiB, of exactly the size the disk has.
//!
//! ```text
//! 0       512     1536         next multiple of 4 KiB - 512
//! footer  header  block table  bitmap  2 MiB of data  (3584 bytes)  bitmap  2 MiB of data …  footer
//! ```
//!
//! A block gets its place when the first byte in it is written that is not zero. Its data begin at
//! a multiple of 4 KiB, so that zero blocks of the guest are holes in the file; the bitmap, which
//! many readers pass over, marks only what is no hole. A byte of a bitmap tells of 4 KiB, and
//! pieces are multiples of that, so no two threads ever write the same byte.
//!
//! Memory is the block table: 4 MiB for the largest disk. Footer and header are written last; a
//! file that was left half written is never taken for a disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use files::File;

use crate::vhd_footer::{self, DISK_BYTES_MAX, FOOTER_BYTES, FOOTER_LEN, HEADER_BYTES};
use crate::vhd_source::UNUSED;
use crate::{BLOCK_BYTES as PAGE_BYTES, Error, SECTOR_BYTES, Sink, check_piece, is_zero};

/// The block size that all tools know.
const BLOCK_BYTES: u32 = 2 << 20;
const BLOCK_LEN: usize = BLOCK_BYTES as usize;
/// A bit for each sector of a block: one sector.
const BITMAP_BYTES: u64 = SECTOR_BYTES;
/// From one block to the next: bitmap and data, and what keeps the data aligned.
const STRIDE_BYTES: u64 = (BITMAP_BYTES + BLOCK_BYTES as u64).next_multiple_of(PAGE_BYTES as u64);

const HEADER_PLACE: u64 = FOOTER_BYTES;
const TABLE_PLACE: u64 = HEADER_PLACE + HEADER_BYTES;

/// A VHD that is written.
pub(crate) struct VhdSink {
    file: Arc<dyn File>,
    disk_bytes: u64,
    map: Mutex<Map>,
    /// A piece was not written: the file must not become a disk.
    failed: AtomicBool,
}

/// Which block is where.
struct Map {
    /// Places of the blocks as the table has them.
    table: Vec<u32>,
    /// Place of the next block.
    next: u64,
}

impl VhdSink {
    pub(crate) fn new(file: Arc<dyn File>, disk_bytes: u64) -> Result<Self, Error> {
        if disk_bytes > DISK_BYTES_MAX {
            return Err(Error::size(format!(
                "the disk has `{disk_bytes}` bytes, more than the {DISK_BYTES_MAX} a VHD may have"
            ))
            .advise("export it as qcow2 or raw"));
        }
        file.set_len(0).map_err(|e| Error::io("emptying the VHD file", e))?;
        let entries = usize::try_from(disk_bytes.div_ceil(u64::from(BLOCK_BYTES))).expect("at most 2040 GiB");
        let table_end = TABLE_PLACE + entries as u64 * 4;
        let next = (table_end + BITMAP_BYTES).next_multiple_of(PAGE_BYTES as u64) - BITMAP_BYTES;
        let map = Mutex::new(Map { table: vec![UNUSED; entries], next });
        Ok(Self { file, disk_bytes, map, failed: AtomicBool::new(false) })
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().expect("no thread panics while it holds the map")
    }

    /// Writes the part of a piece that lies in one block, `inside` bytes from its begin.
    fn write_part(&self, number: usize, inside: usize, part: &[u8]) -> Result<(), Error> {
        let first = inside / PAGE_BYTES;
        let bits: Vec<u8> =
            part.chunks(PAGE_BYTES).map(|page| if is_zero(page) { 0 } else { 0xff }).collect();
        if is_zero(&bits) {
            return Ok(());
        }
        let block = self.map().place(number);
        let write = |place: u64, bytes: &[u8]| {
            self.file
                .write_at(place, bytes)
                .map_err(|e| Error::io(format!("writing the VHD at byte `{place}`"), e))
        };
        let mut at = 0;
        for run in bits.chunk_by(|one, next| one == next) {
            let end = (at + run.len() * PAGE_BYTES).min(part.len());
            if run[0] != 0 {
                write(block + BITMAP_BYTES + (inside + at) as u64, &part[at..end])?;
            }
            at = end;
        }
        write(block + first as u64, &bits)
    }
}

impl Map {
    /// The place of a block, which gets one if it has none.
    fn place(&mut self, number: usize) -> u64 {
        let entry = &mut self.table[number];
        if *entry == UNUSED {
            let sector = self.next / SECTOR_BYTES;
            *entry = u32::try_from(sector).expect("all blocks of 2040 GiB begin before 2^32 sectors");
            self.next += STRIDE_BYTES;
        }
        u64::from(*entry) * SECTOR_BYTES
    }
}

impl Sink for VhdSink {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        check_piece(offset, bytes.len(), self.disk_bytes)?;
        let (mut guest, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let inside = usize::try_from(guest % u64::from(BLOCK_BYTES)).expect("a block fits into memory");
            let number = usize::try_from(guest / u64::from(BLOCK_BYTES)).expect("at most 2040 GiB");
            let (part, behind) = rest.split_at(rest.len().min(BLOCK_LEN - inside));
            let written = self.write_part(number, inside, part);
            if written.is_err() {
                self.failed.store(true, Ordering::Relaxed);
                return written;
            }
            guest += part.len() as u64;
            rest = behind;
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), Error> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::ours("a VHD of which a piece was not written cannot be finished"));
        }
        let finishing = |e| Error::io("finishing the VHD", e);
        let map = self.map();
        let table: Vec<u8> = map.table.iter().flat_map(|entry| entry.to_be_bytes()).collect();
        let entries = u32::try_from(map.table.len()).expect("at most 2040 GiB");
        let footer = vhd_footer::footer(self.disk_bytes, HEADER_PLACE);
        // Readers round the table up to sectors, each as long as a footer, and want to see no blocks
        // in what that adds.
        let mut padded = table;
        padded.resize(padded.len().next_multiple_of(FOOTER_LEN), 0xff);
        // The last block may have been written in part; what is added reads as zero.
        self.file.set_len(map.next).map_err(finishing)?;
        self.file.write_at(TABLE_PLACE, &padded).map_err(finishing)?;
        let header = vhd_footer::header(TABLE_PLACE, entries, BLOCK_BYTES);
        self.file.write_at(HEADER_PLACE, &header).map_err(finishing)?;
        self.file.write_at(map.next, &footer).map_err(finishing)?;
        self.file.write_at(0, &footer).map_err(finishing)?;
        self.file.sync().map_err(finishing)
    }
}
