//! The footer of a VHD, and the header of a dynamic one: read, refused unless they make sense, and
//! written.
//!
//! | bytes of the footer | field | taken |
//! |---|---|---|
//! | 0–7 | magic `conectix` | |
//! | 8–11, 12–15 | features, version | any, 1.0 |
//! | 16–23 | place of the dynamic header | in the file |
//! | 24–27 | seconds since 2000 UTC | any |
//! | 28–31, 32–39 | creator application, its version and system | decides the size, see below |
//! | 40–47, 48–55 | original size, current size | |
//! | 56–59 | geometry: cylinders, heads, sectors a track | decides the size, see below |
//! | 60–63 | type | 2 fixed, 3 dynamic |
//! | 64–67 | checksum | |
//! | 68–83, 84, 85–511 | id, saved state, reserved | any |
//!
//! | bytes of the dynamic header | field | taken |
//! |---|---|---|
//! | 0–7 | magic `cxsparse` | |
//! | 16–23, 28–31 | block table: place, entries | in the file, enough for the disk |
//! | 24–27 | version | 1.0 |
//! | 32–35 | block size | a power of two from 4 KiB to 256 MiB |
//! | 36–39 | checksum | |
//! | 40–767 | parent: only differencing disks have one | passed over |
//!
//! All numbers are big-endian. A checksum is the complement of the sum of all bytes but its own.
//!
//! Virtual PC takes the geometry for the size of the disk, Hyper-V the current size, and the two
//! differ. Which of them a file means is told by who made it; the rule is the one of QEMU's driver
//! (version 10), so that a disk has here the size it has there.

use std::hash::{BuildHasher, Hasher, RandomState};

use files::File;

use crate::{Error, SECTOR_BYTES, check_disk_bytes};

/// How every footer begins.
pub(crate) const MAGIC: &[u8; 8] = b"conectix";
pub(crate) const FOOTER_LEN: usize = 512;
pub(crate) const FOOTER_BYTES: u64 = FOOTER_LEN as u64;
/// Virtual PC before 2004 left out the last byte.
pub(crate) const OLD_FOOTER_LEN: usize = 511;

const HEADER_MAGIC: &[u8; 8] = b"cxsparse";
const HEADER_LEN: usize = 1024;
pub(crate) const HEADER_BYTES: u64 = HEADER_LEN as u64;

/// The largest disk of the format: more sectors than this its own tools do not take.
pub(crate) const DISK_BYTES_MAX: u64 = 2040 << 30;
/// The largest geometry, 127.5 GiB: who writes it says that it means nothing.
const GEOMETRY_MAX: (u16, u8, u8) = (65535, 16, 255);
/// Applications that mean the geometry: Virtual PC, and QEMU when not told to keep the size. All
/// others mean the current size, as Hyper-V does. Until version 9 QEMU knew it the other way round
/// and took the geometry of strangers too (`VirtualBox`), which cuts the end of their disks off.
const MEAN_GEOMETRY: [&[u8; 4]; 2] = [b"vpc ", b"qemu"];

/// Blocks are 2 MiB by default and 512 KiB in some tools. In those of fewer than eight sectors tools
/// do not agree on the length of the bitmap; the largest taken bounds it to 64 KiB.
const BLOCK_BYTES: std::ops::RangeInclusive<u32> = 4 << 10..=256 << 20;
/// Entries of the block table that are used, 16 MiB in memory: the largest disk in blocks of 512
/// KiB.
const ENTRIES_MAX: u64 = DISK_BYTES_MAX / (512 << 10);

const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;
const VERSION: u32 = 0x0001_0000;
const CHECKSUM_AT: usize = 64;
const HEADER_CHECKSUM_AT: usize = 36;

const ONCE_MORE: &str = "upload a whole, closed copy of it; `qemu-img info` tells whether it opens";

/// What a footer says of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Footer {
    kind: u32,
    header_place: u64,
    disk_bytes: u64,
}

/// Where a VHD has its disk.
#[derive(Debug)]
pub(crate) enum Layout {
    /// In the first bytes.
    Fixed { disk_bytes: u64 },
    /// In blocks.
    Dynamic(Dynamic),
}

/// What the header of a dynamic VHD says.
#[derive(Debug)]
pub(crate) struct Dynamic {
    pub(crate) disk_bytes: u64,
    pub(crate) header_place: u64,
    pub(crate) table_place: u64,
    pub(crate) block_bytes: u64,
    /// Entries that the table has.
    pub(crate) entries: u64,
    /// Entries that the disk needs.
    pub(crate) used_entries: u64,
}

impl Dynamic {
    /// Length of the bitmap that each block begins with.
    pub(crate) fn bitmap_bytes(&self) -> u64 {
        (self.block_bytes / SECTOR_BYTES / 8).next_multiple_of(SECTOR_BYTES)
    }
}

/// Reads footer and header, and checks what they claim against the file.
pub(crate) fn read(file: &dyn File, file_bytes: u64) -> Result<Layout, Error> {
    let (at_end, len) = read_part::<FOOTER_LEN>(file, file_bytes.saturating_sub(FOOTER_BYTES), file_bytes)?;
    let at_end = &at_end[..len];
    if !at_end.starts_with(MAGIC) {
        let old = at_end.get(FOOTER_LEN - OLD_FOOTER_LEN..).is_some_and(|bytes| bytes.starts_with(MAGIC));
        return Err(if old { old_footer() } else { no_footer() });
    }
    let footer = Footer::parse(at_end)?;
    let (begin, begin_len) = read_part::<FOOTER_LEN>(file, 0, file_bytes)?;
    // A file that begins with a footer is read by it elsewhere, whatever is at its end.
    let copy = begin.starts_with(MAGIC).then(|| Footer::parse(&begin[..begin_len])).transpose()?;
    match (footer.kind, copy) {
        (FIXED, None) => fixed(footer.disk_bytes, file_bytes),
        (FIXED, Some(_)) => Err(malformed("the VHD is fixed by its end, but begins with a footer too")
            .advise("convert it afresh from a source you trust, or name its format if you know it")),
        (_, Some(copy)) if copy == footer => dynamic(footer, file, file_bytes).map(Layout::Dynamic),
        (_, Some(_)) => Err(malformed("the VHD's footers at its begin and at its end disagree")),
        (_, None) => Err(malformed("the VHD is dynamic, but does not begin with a copy of its footer")),
    }
}

/// Bytes of the file from a place on, and how many of them there are.
fn read_part<const LEN: usize>(
    file: &dyn File,
    place: u64,
    file_bytes: u64,
) -> Result<([u8; LEN], usize), Error> {
    let mut part = [0; LEN];
    let len = usize::try_from(file_bytes.saturating_sub(place)).unwrap_or(LEN).min(LEN);
    file.read_at(place, &mut part[..len]).map_err(|e| Error::io("reading the VHD's footer and header", e))?;
    Ok((part, len))
}

impl Footer {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Some(bytes) = bytes.first_chunk::<FOOTER_LEN>() else {
            return Err(no_footer());
        };
        if checksum(bytes, CHECKSUM_AT) != u32_at(bytes, CHECKSUM_AT) {
            return Err(malformed("the VHD's footer does not have the checksum it records"));
        }
        let version = u32_at(bytes, 12);
        if version != VERSION {
            return Err(Error::not_supported(format!("the VHD is of version `{version:#x}`, not 1.0"))
                .advise(crate::detect::CONVERT));
        }
        let kind = u32_at(bytes, 60);
        match kind {
            FIXED | DYNAMIC => {}
            DIFFERENCING => {
                return Err(Error::not_supported(
                    "the VHD is a differencing disk: the rest of it is in another file",
                )
                .advise(
                    "merge it with its parents: `Convert-VHD` or `qemu-img convert` where all of them are",
                ));
            }
            _ => return Err(malformed(format!("the VHD is of the unknown type `{kind}`"))),
        }
        let footer = Self { kind, header_place: u64_at(bytes, 16), disk_bytes: disk_bytes(bytes) };
        if footer.disk_bytes > DISK_BYTES_MAX {
            return Err(Error::size(format!(
                "the disk has `{}` bytes, more than the {DISK_BYTES_MAX} a VHD may have",
                footer.disk_bytes
            ))
            .advise("convert it to qcow2, and shrink it to 2048 GiB or less"));
        }
        check_disk_bytes(footer.disk_bytes)?;
        Ok(footer)
    }
}

/// The size of the disk: see the head of this file.
fn disk_bytes(footer: &[u8; FOOTER_LEN]) -> u64 {
    let geometry = (u16::from_be_bytes([footer[56], footer[57]]), footer[58], footer[59]);
    let by_geometry = MEAN_GEOMETRY.iter().any(|application| footer[28..32] == application[..]);
    if !by_geometry || geometry == GEOMETRY_MAX {
        return u64_at(footer, 48);
    }
    let (cylinders, heads, sectors) = geometry;
    u64::from(cylinders) * u64::from(heads) * u64::from(sectors) * SECTOR_BYTES
}

fn fixed(disk_bytes: u64, file_bytes: u64) -> Result<Layout, Error> {
    let there = file_bytes - FOOTER_BYTES;
    if disk_bytes > there {
        return Err(malformed(format!(
            "the VHD is cut short: its disk has `{disk_bytes}` bytes, `{there}` are there"
        )));
    }
    Ok(Layout::Fixed { disk_bytes })
}

fn dynamic(footer: Footer, file: &dyn File, file_bytes: u64) -> Result<Dynamic, Error> {
    let Footer { header_place, disk_bytes, .. } = footer;
    let end = file_bytes - FOOTER_BYTES;
    let inside = |place: u64, len: u64| {
        place >= FOOTER_BYTES && place.checked_add(len).is_some_and(|behind| behind <= end)
    };
    if !inside(header_place, HEADER_BYTES) {
        return Err(malformed(format!("the VHD's header at `{header_place}` does not lie inside the file")));
    }
    let (header, _) = read_part::<HEADER_LEN>(file, header_place, file_bytes)?;
    if !header.starts_with(HEADER_MAGIC) {
        return Err(malformed(format!("there is no header of a dynamic VHD at `{header_place}`")));
    }
    if checksum(&header, HEADER_CHECKSUM_AT) != u32_at(&header, HEADER_CHECKSUM_AT) {
        return Err(malformed("the VHD's header does not have the checksum it records"));
    }
    let version = u32_at(&header, 24);
    if version != VERSION {
        return Err(Error::not_supported(format!("the VHD's header is of version `{version:#x}`, not 1.0"))
            .advise(crate::detect::CONVERT));
    }
    let block_bytes = u32_at(&header, 32);
    if !BLOCK_BYTES.contains(&block_bytes) || !block_bytes.is_power_of_two() {
        return Err(malformed(format!(
            "the VHD's block size `{block_bytes}` is no power of two from {} to {}",
            BLOCK_BYTES.start(),
            BLOCK_BYTES.end()
        )));
    }
    let block_bytes = u64::from(block_bytes);
    let (table_place, entries) = (u64_at(&header, 16), u64::from(u32_at(&header, 28)));
    let used_entries = disk_bytes.div_ceil(block_bytes);
    if used_entries > entries {
        return Err(malformed(format!(
            "the VHD's block table has `{entries}` entries, `{used_entries}` are needed"
        )));
    }
    if used_entries > ENTRIES_MAX {
        return Err(Error::not_supported(format!(
            "the VHD consists of `{used_entries}` blocks, more than {ENTRIES_MAX}"
        ))
        .advise(crate::detect::CONVERT));
    }
    let table_bytes = entries * 4;
    let apart =
        table_place.saturating_add(table_bytes) <= header_place || table_place >= header_place + HEADER_BYTES;
    if !inside(table_place, table_bytes) || !apart {
        return Err(malformed(format!(
            "the VHD's block table at `{table_place}` does not lie inside the file, apart from its header"
        )));
    }
    Ok(Dynamic { disk_bytes, header_place, table_place, block_bytes, entries, used_entries })
}

/// The footer of a dynamic VHD whose disk has exactly this size.
pub(crate) fn footer(disk_bytes: u64, header_place: u64) -> [u8; FOOTER_LEN] {
    let mut footer = [0; FOOTER_LEN];
    let mut put = |at: usize, bytes: &[u8]| footer[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, MAGIC);
    put(8, &2u32.to_be_bytes()); // a bit that is always set
    put(12, &VERSION.to_be_bytes());
    put(16, &header_place.to_be_bytes());
    // QEMU's name for "take the current size" and the geometry that says the same: readers that
    // know only one of the two rules agree with those that know the other.
    put(28, b"qem2");
    put(32, &0x0005_0003_u32.to_be_bytes());
    put(36, b"Wi2k");
    put(40, &disk_bytes.to_be_bytes());
    put(48, &disk_bytes.to_be_bytes());
    put(56, &GEOMETRY_MAX.0.to_be_bytes());
    put(58, &[GEOMETRY_MAX.1, GEOMETRY_MAX.2]);
    put(60, &DYNAMIC.to_be_bytes());
    put(68, &id());
    let sum = checksum(&footer, CHECKSUM_AT);
    footer[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&sum.to_be_bytes());
    footer
}

/// An id that no other disk has, of the form of a random UUID. Hyper-V tells disks apart by it.
fn id() -> [u8; 16] {
    let half = || RandomState::new().build_hasher().finish();
    let mut id = (u128::from(half()) << 64 | u128::from(half())).to_be_bytes();
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

/// The header of a dynamic VHD.
pub(crate) fn header(table_place: u64, entries: u32, block_bytes: u32) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, HEADER_MAGIC);
    put(8, &[0xff; 8]); // no further header
    put(16, &table_place.to_be_bytes());
    put(24, &VERSION.to_be_bytes());
    put(28, &entries.to_be_bytes());
    put(32, &block_bytes.to_be_bytes());
    let sum = checksum(&header, HEADER_CHECKSUM_AT);
    header[HEADER_CHECKSUM_AT..HEADER_CHECKSUM_AT + 4].copy_from_slice(&sum.to_be_bytes());
    header
}

/// The complement of the sum of all bytes but the checksum's own four.
fn checksum(bytes: &[u8], own: usize) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    !(sum(bytes) - sum(&bytes[own..own + 4]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().expect("fields lie inside the footer and the header"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(*bytes[at..].first_chunk().expect("fields lie inside the footer and the header"))
}

pub(crate) fn malformed(message: impl Into<String>) -> Error {
    Error::malformed(message).advise(ONCE_MORE)
}

fn no_footer() -> Error {
    malformed("the file is cut short, or no VHD: it does not end in a footer")
}

/// The refusal of a footer that lacks its last byte.
pub(crate) fn old_footer() -> Error {
    Error::not_supported("the file is a `VHD` with a footer of 511 bytes, which is not taken")
        .advise("open and save it once with a tool newer than Virtual PC 2004: `VBoxManage clonemedium`")
}
