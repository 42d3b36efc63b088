//! VHD, read: a fixed one is a raw disk with a footer behind it, a dynamic one consists of blocks.
//!
//! ```text
//! guest offset ─▶ block table (in memory) ─▶ none: zero
//!                                          └ block: bitmap, data ─▶ sectors marked in the bitmap
//!                                                                   are read, others are zero
//! ```
//!
//! Memory is the block table, and the part of one bitmap that a call needs. All blocks are known to
//! lie inside the file and apart from each other and from the tables, so what can be read out of a
//! file is never more than its length.

use std::ops::Range;
use std::sync::Arc;

use domain::port::Format;
use files::File;

use crate::raw::RawSource;
use crate::stretch::{Holes, first_data};
use crate::vhd_footer::{self, Dynamic, FOOTER_BYTES, HEADER_BYTES, Layout, malformed};
use crate::{Error, SECTOR_BYTES, Source, check_inside};

/// What an entry of a block that is not there says.
pub(crate) const UNUSED: u32 = u32::MAX;
/// The block table is read in parts of this size.
const TABLE_PART_BYTES: usize = 64 << 10;
/// Sectors that one byte of a bitmap tells of.
const BYTE_SECTORS: u64 = 8;

/// Opens a VHD.
pub(crate) fn open(file: Arc<dyn File>, file_bytes: u64) -> Result<Box<dyn Source>, Error> {
    match vhd_footer::read(&*file, file_bytes)? {
        Layout::Fixed { disk_bytes } => Ok(Box::new(RawSource::at_begin(file, Format::Vhd, disk_bytes))),
        Layout::Dynamic(header) => Ok(Box::new(DynamicSource::new(file, file_bytes, header)?)),
    }
}

/// A dynamic VHD that is read.
struct DynamicSource {
    file: Arc<dyn File>,
    header: Dynamic,
    /// Sectors at which the blocks begin, [`UNUSED`] for those that are not there.
    table: Vec<u32>,
}

/// Where guest bytes are: in no block, or in the one that begins at a place.
struct At {
    block: Option<u64>,
    /// Bytes from the begin of the block, and from there to its end or the disk's.
    inside: u64,
    rest: u64,
}

impl DynamicSource {
    fn new(file: Arc<dyn File>, file_bytes: u64, header: Dynamic) -> Result<Self, Error> {
        let table = read_table(&*file, &header)?;
        check_blocks(&table, &header, file_bytes)?;
        Ok(Self { file, header, table })
    }

    fn locate(&self, guest: u64) -> At {
        let Dynamic { block_bytes, disk_bytes, .. } = self.header;
        let number = usize::try_from(guest / block_bytes).expect("the block table fits into memory");
        let entry = self.table[number];
        let inside = guest % block_bytes;
        At {
            block: (entry != UNUSED).then(|| u64::from(entry) * SECTOR_BYTES),
            inside,
            rest: (block_bytes - inside).min(disk_bytes - guest),
        }
    }

    /// Place of the guest byte that is `inside` the block at a place.
    fn data_place(&self, block: u64, inside: u64) -> u64 {
        block + self.header.bitmap_bytes() + inside
    }

    /// The bytes of a block's bitmap that tell of the guest bytes `inside` it.
    fn read_bitmap(&self, block: u64, inside: &Range<u64>, bits: &mut Vec<u8>) -> Result<(), Error> {
        let first = inside.start / SECTOR_BYTES / BYTE_SECTORS;
        let end = inside.end.div_ceil(SECTOR_BYTES).div_ceil(BYTE_SECTORS);
        bits.resize(usize::try_from(end - first).expect("a bitmap fits into memory"), 0);
        self.file.read_at(block + first, bits).map_err(|e| reading(block, e))
    }

    /// Fills `part` from the guest bytes that begin `inside` a block.
    fn read_block(&self, block: u64, inside: u64, part: &mut [u8], bits: &mut Vec<u8>) -> Result<(), Error> {
        let end = inside + part.len() as u64;
        self.read_bitmap(block, &(inside..end), bits)?;
        let first_told = inside / SECTOR_BYTES / BYTE_SECTORS * BYTE_SECTORS;
        let marked = |sector: u64| {
            let told = usize::try_from(sector - first_told).expect("a bitmap fits into memory");
            bits[told / 8] & (0x80 >> (told % 8)) != 0
        };
        let mut at = inside;
        while at < end {
            let is_marked = marked(at / SECTOR_BYTES);
            let mut alike = at / SECTOR_BYTES + 1;
            while alike * SECTOR_BYTES < end && marked(alike) == is_marked {
                alike += 1;
            }
            let until = (alike * SECTOR_BYTES).min(end);
            let index = |at: u64| usize::try_from(at - inside).expect("inside the buffer");
            let run = &mut part[index(at)..index(until)];
            if is_marked {
                let place = self.data_place(block, at);
                self.file.read_at(place, run).map_err(|e| reading(place, e))?;
            } else {
                run.fill(0);
            }
            at = until;
        }
        Ok(())
    }

    /// The first stretch of a block's bytes from `inside` on that has marked sectors, to the byte of
    /// the bitmap: what is not marked in it reads as zero all the same.
    fn marked_in(&self, block: u64, inside: &Range<u64>, bits: &mut Vec<u8>) -> Result<Range<u64>, Error> {
        self.read_bitmap(block, inside, bits)?;
        let byte_bytes = BYTE_SECTORS * SECTOR_BYTES;
        let base = inside.start / byte_bytes * byte_bytes;
        let begin = bits.iter().take_while(|&&byte| byte == 0).count();
        let marked = bits[begin..].iter().take_while(|&&byte| byte != 0).count();
        let guest = |byte: usize| (base + byte as u64 * byte_bytes).clamp(inside.start, inside.end);
        Ok(guest(begin)..guest(begin + marked))
    }
}

impl Source for DynamicSource {
    fn format(&self) -> Format {
        Format::Vhd
    }

    fn disk_bytes(&self) -> u64 {
        self.header.disk_bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        check_inside(offset, out.len(), self.header.disk_bytes)?;
        let mut bits = Vec::new();
        let (mut guest, mut rest) = (offset, out);
        while !rest.is_empty() {
            let at = self.locate(guest);
            let len = usize::try_from(at.rest).unwrap_or(usize::MAX).min(rest.len());
            let (part, behind) = rest.split_at_mut(len);
            match at.block {
                Some(block) => self.read_block(block, at.inside, part, &mut bits)?,
                None => part.fill(0),
            }
            guest += len as u64;
            rest = behind;
        }
        Ok(())
    }

    fn next_data(&self, from: u64) -> Result<Option<Range<u64>>, Error> {
        let (mut holes, mut bits) = (Holes::default(), Vec::new());
        first_data(from, self.header.disk_bytes, |guest| {
            let At { block, inside, rest } = self.locate(guest);
            let Some(block) = block else { return Ok((rest, None)) };
            let marked = self.marked_in(block, &(inside..inside + rest), &mut bits)?;
            if marked.is_empty() {
                return Ok((rest, None));
            }
            let place = self.data_place(block, marked.start);
            let data = holes.data_in(&*self.file, place, marked.end - marked.start)?;
            let skipped = marked.start - inside;
            Ok((marked.end - inside, data.map(|data| skipped + data.start..skipped + data.end)))
        })
    }
}

fn read_table(file: &dyn File, header: &Dynamic) -> Result<Vec<u32>, Error> {
    let len = usize::try_from(header.used_entries).expect("the number of entries is bounded");
    let mut table = Vec::with_capacity(len);
    let mut part = vec![0; TABLE_PART_BYTES.min(len * 4)];
    while table.len() < len {
        let bytes = part.len().min((len - table.len()) * 4);
        let place = header.table_place + table.len() as u64 * 4;
        let part = &mut part[..bytes];
        file.read_at(place, part).map_err(|e| Error::io("reading the VHD's block table", e))?;
        let (entries, _) = part.as_chunks();
        table.extend(entries.iter().copied().map(u32::from_be_bytes));
    }
    Ok(table)
}

/// Fails unless each block has a place of its own, inside the file and apart from all tables.
fn check_blocks(table: &[u32], header: &Dynamic, file_bytes: u64) -> Result<(), Error> {
    let mut blocks: Vec<u32> = table.iter().copied().filter(|&entry| entry != UNUSED).collect();
    blocks.sort_unstable();
    let whole_bytes = header.bitmap_bytes() + header.block_bytes;
    let place = |entry: u32| u64::from(entry) * SECTOR_BYTES;
    let footer_place = file_bytes - FOOTER_BYTES;
    if let Some(&last) = blocks.last()
        && place(last) + whole_bytes > footer_place
    {
        return Err(malformed(format!(
            "the VHD is cut short: its block at `{}` ends behind the file's end",
            place(last)
        )));
    }
    if let Some(two) = blocks.windows(2).find(|two| place(two[0]) + whole_bytes > place(two[1])) {
        return Err(malformed(format!(
            "the VHD's blocks at `{}` and `{}` overlap",
            place(two[0]),
            place(two[1])
        )));
    }
    for (name, begin, bytes) in [
        ("the footer's copy", 0, FOOTER_BYTES),
        ("the header", header.header_place, HEADER_BYTES),
        ("the block table", header.table_place, header.entries * 4),
    ] {
        // Blocks do not overlap, so the first one that ends behind the begin is the only one to ask.
        let first = blocks.partition_point(|&entry| place(entry) + whole_bytes <= begin);
        if let Some(&entry) = blocks.get(first)
            && place(entry) < begin + bytes
        {
            return Err(malformed(format!("the VHD's block at `{}` overlaps {name}", place(entry))));
        }
    }
    Ok(())
}

fn reading(place: u64, error: std::io::Error) -> Error {
    Error::io(format!("reading the VHD at byte `{place}`"), error)
}
