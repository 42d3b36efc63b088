//! The head of a qcow2 file: read, and refused unless all of it is understood.
//!
//! | bytes | field | taken |
//! |---|---|---|
//! | 0–3, 4–7 | magic, version | 2 and 3 |
//! | 8–19 | backing file | none |
//! | 20–23 | cluster bits | 9–21 |
//! | 24–31 | size of the disk | 512 bytes to 2048 GiB, whole sectors |
//! | 32–35 | encryption | none |
//! | 36–47 | L1 table: entries, place | at most 32 MiB, aligned, in the file |
//! | 48–59 | refcount table: place, clusters | at most 8 MiB, aligned, in the file |
//! | 60–71 | snapshots: number, place | none |
//! | 72–95 | features: incompatible, compatible, autoclear | bits 3 and 4 of the incompatible |
//! | 96–99 | refcount order | 0–6 |
//! | 100–103 | header length | a multiple of 8 from 104 to one cluster |
//! | 104 | compression type | 0 deflate, 1 zstd, as bit 3 says |
//!
//! Version 2 ends at byte 72. Behind the header follow extensions: type, length, content padded to
//! eight bytes, up to a type of zero. The compatible and autoclear features, the names of features,
//! the bitmaps and the name of a backing file's format say nothing about the guest's bytes and are
//! passed over. The refcounts are not read: an image that is only read needs none.

use files::File;

use crate::{Error, check_disk_bytes};

/// How every qcow2 file begins; version 1 too.
pub(crate) const MAGIC: [u8; 4] = *b"QFI\xfb";

/// The fixed part of the header in version 2, and the least of version 3.
const V2_HEADER_BYTES: u32 = 72;
const V3_HEADER_BYTES: u32 = 104;
/// All fixed fields this reader knows, the compression type included.
const KNOWN_BYTES: usize = 112;

/// Cluster sizes that QEMU makes and opens: 512 bytes to 2 MiB.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// With subclusters a cluster has 32 of them, each at least a sector.
const EXTENDED_CLUSTER_BITS_MIN: u32 = 14;
/// QEMU's own bound of the L1 table; it is held in memory.
const L1_BYTES_MAX: u64 = 32 << 20;
/// QEMU's own bound of the refcount table.
const REFCOUNT_TABLE_BYTES_MAX: u64 = 8 << 20;
/// QEMU's bound: refcounts of 64 bits.
const REFCOUNT_ORDER_MAX: u32 = 6;
/// There are five kinds of extension; a file with this many is made to keep a reader busy.
const EXTENSIONS_MAX: usize = 64;

/// Incompatible features, by bit.
const DIRTY: u64 = 1 << 0;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
const KNOWN_FEATURES: u64 = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2;

/// Types of extension that are not passed over.
const EXTENSION_END: u32 = 0;
const EXTENSION_EXTERNAL_DATA: u32 = 0x4441_5441;
const EXTENSION_ENCRYPTION: u32 = 0x0537_be77;

/// How compressed clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Raw deflate.
    Deflate,
    /// Zstandard frames.
    Zstd,
}

impl Codec {
    /// What a cluster takes at least, compressed: nothing that deflate makes is longer than 1032
    /// times its stream, and a frame of zstd has ten bytes and four more for each further 128 KiB.
    pub(crate) fn stream_bytes_min(self, cluster_bytes: u64) -> u64 {
        match self {
            Self::Deflate => cluster_bytes.div_ceil(1032),
            Self::Zstd => 6 + 4 * cluster_bytes.div_ceil(128 << 10),
        }
    }
}

/// A header all of which is understood: the shape of the tables behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) cluster_bits: u32,
    pub(crate) disk_bytes: u64,
    pub(crate) codec: Codec,
    /// L2 entries of 16 bytes, with a bitmap of 32 subclusters.
    pub(crate) extended: bool,
    pub(crate) l1_offset: u64,
    /// Entries of the L1 table that the disk needs; further ones are of no meaning.
    pub(crate) l1_entries: usize,
}

impl Header {
    pub(crate) fn cluster_bytes(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Entries of one L2 table, which fills a cluster.
    pub(crate) fn l2_entries(&self) -> u64 {
        self.cluster_bytes() / if self.extended { 16 } else { 8 }
    }

    /// Guest bytes that one L2 table maps.
    pub(crate) fn l2_span(&self) -> u64 {
        self.l2_entries() << self.cluster_bits
    }

    /// Reads the header and the extensions, and refuses what this reader does not take.
    pub(crate) fn read(file: &dyn File, file_bytes: u64) -> Result<Self, Error> {
        let mut fixed = [0; KNOWN_BYTES];
        let there = usize::try_from(file_bytes).unwrap_or(KNOWN_BYTES).min(KNOWN_BYTES);
        read(file, 0, &mut fixed[..there])?;
        let version = u32_at(&fixed, 4);
        if fixed[..4] != MAGIC {
            return Err(Error::malformed("the file is no qcow2: it does not begin with `QFI\\xfb`")
                .advise("leave the format to be detected, or name the right one"));
        }
        check_length(V2_HEADER_BYTES, file_bytes)?;
        let least = match version {
            1 => return Err(crate::detect::refusal("qcow version 1")),
            2 => {
                // Behind byte 72 a version 2 has extensions, not fields.
                fixed[V2_HEADER_BYTES as usize..].fill(0);
                V2_HEADER_BYTES
            }
            3 => V3_HEADER_BYTES,
            other => {
                return Err(Error::not_supported(format!("qcow2 version `{other}` is not known"))
                    .advise(crate::detect::CONVERT));
            }
        };
        check_length(least, file_bytes)?;
        refuse_references(&fixed)?;
        let features = if version == 3 { u64_at(&fixed, 72) } else { 0 };
        refuse_features(features)?;
        let header = Self::shape(&fixed, version, features)?;
        header.check_tables(&fixed, version, file_bytes)?;
        let length = if version == 3 { u32_at(&fixed, 100) } else { V2_HEADER_BYTES };
        header.check_extensions(file, file_bytes, length)?;
        Ok(header)
    }

    /// Cluster size, disk size, compression and the entries needed, each within its bounds.
    fn shape(fixed: &[u8; KNOWN_BYTES], version: u32, features: u64) -> Result<Self, Error> {
        let cluster_bits = u32_at(fixed, 20);
        if !CLUSTER_BITS.contains(&cluster_bits) {
            return Err(Error::malformed(format!(
                "the image's cluster bits are `{cluster_bits}`, not 9 to 21"
            )));
        }
        let extended = features & EXTENDED_L2 != 0;
        if extended && cluster_bits < EXTENDED_CLUSTER_BITS_MIN {
            return Err(Error::malformed(format!(
                "the image has subclusters in clusters of `{}` bytes, too small for them",
                1u64 << cluster_bits
            )));
        }
        let disk_bytes = u64_at(fixed, 24);
        check_disk_bytes(disk_bytes)?;
        let length = u32_at(fixed, 100);
        let plausible = (V3_HEADER_BYTES..=1 << cluster_bits).contains(&length) && length.is_multiple_of(8);
        if version == 3 && !plausible {
            return Err(Error::malformed(format!(
                "the image's header length of `{length}` bytes makes no sense"
            )));
        }
        let kind = if version == 3 && length > V3_HEADER_BYTES { fixed[104] } else { 0 };
        let codec = match (kind, features & COMPRESSION_TYPE != 0) {
            (0, false) => Codec::Deflate,
            (1, true) => Codec::Zstd,
            (0 | 1, _) => {
                return Err(Error::malformed(format!(
                    "the image's compression type `{kind}` and its feature bit for that disagree"
                )));
            }
            _ => {
                return Err(Error::not_supported(format!(
                    "the image's compression type `{kind}` is not known"
                ))
                .advise(crate::detect::CONVERT));
            }
        };
        let mut header = Self {
            version,
            cluster_bits,
            disk_bytes,
            codec,
            extended,
            l1_offset: u64_at(fixed, 40),
            l1_entries: 0,
        };
        let needed = disk_bytes.div_ceil(header.l2_span());
        let claimed = u64::from(u32_at(fixed, 36));
        if claimed * 8 > L1_BYTES_MAX {
            return Err(Error::malformed(format!(
                "the image's L1 table of `{claimed}` entries is larger than 32 MiB"
            )));
        }
        if claimed < needed {
            return Err(Error::malformed(format!(
                "the image's L1 table has `{claimed}` entries, a disk of {disk_bytes} bytes needs {needed}"
            )));
        }
        header.l1_entries = usize::try_from(needed).expect("at most 32 MiB of entries fit into memory");
        Ok(header)
    }

    /// The tables that the header names lie aligned and whole in the file.
    fn check_tables(&self, fixed: &[u8; KNOWN_BYTES], version: u32, file_bytes: u64) -> Result<(), Error> {
        let l1_bytes = u64::from(u32_at(fixed, 36)) * 8;
        self.check_table("L1 table", self.l1_offset, l1_bytes, file_bytes)?;
        let refcount_bytes = u64::from(u32_at(fixed, 56)) << self.cluster_bits;
        if refcount_bytes > REFCOUNT_TABLE_BYTES_MAX {
            return Err(Error::malformed(format!(
                "the image's refcount table of `{refcount_bytes}` bytes is larger than 8 MiB"
            )));
        }
        if refcount_bytes == 0 {
            return Err(Error::malformed("the image has no refcount table"));
        }
        self.check_table("refcount table", u64_at(fixed, 48), refcount_bytes, file_bytes)?;
        let order = u32_at(fixed, 96);
        if version == 3 && order > REFCOUNT_ORDER_MAX {
            return Err(Error::malformed(format!("the image's refcount order is `{order}`, not 0 to 6")));
        }
        Ok(())
    }

    fn check_table(&self, name: &str, offset: u64, bytes: u64, file_bytes: u64) -> Result<(), Error> {
        if offset == 0 || !offset.is_multiple_of(self.cluster_bytes()) {
            return Err(Error::malformed(format!(
                "the image's {name} at byte `{offset}` is not aligned to a cluster"
            )));
        }
        match offset.checked_add(bytes) {
            Some(end) if end <= file_bytes => Ok(()),
            _ => Err(cut(&format!("its {name} takes {bytes} bytes from byte `{offset}`"), file_bytes)),
        }
    }

    /// Walks the extensions in the first cluster; each step is at least eight bytes forward.
    fn check_extensions(&self, file: &dyn File, file_bytes: u64, from: u32) -> Result<(), Error> {
        let end = self.cluster_bytes().min(file_bytes);
        let mut at = u64::from(from);
        for _ in 0..EXTENSIONS_MAX {
            // An area that is full to the end needs no closing extension.
            if at + 8 > end {
                return Ok(());
            }
            let mut head = [0; 8];
            read(file, at, &mut head)?;
            let (kind, len) = (u32_at(&head, 0), u64::from(u32_at(&head, 4)));
            match kind {
                EXTENSION_END => return Ok(()),
                EXTENSION_EXTERNAL_DATA => return Err(external_data()),
                EXTENSION_ENCRYPTION => return Err(encrypted()),
                _ if len > end - at - 8 => {
                    return Err(Error::malformed(format!(
                        "the image's header extension `{kind:#010x}` claims `{len}` bytes, too many"
                    )));
                }
                _ => at += 8 + len.next_multiple_of(8),
            }
        }
        Err(Error::malformed(format!("the image has more than {EXTENSIONS_MAX} header extensions")))
    }
}

/// Refuses what lies in other files, behind keys, or in a state other than the disk's own.
fn refuse_references(fixed: &[u8; KNOWN_BYTES]) -> Result<(), Error> {
    if fixed[8..20] != [0; 12] {
        return Err(Error::not_supported(
            "the image is based on a backing file, and no file named in an image is opened",
        )
        .advise("make it stand alone: `qemu-img convert -O qcow2 IMAGE WHOLE.qcow2`"));
    }
    if u32_at(fixed, 32) != 0 {
        return Err(encrypted());
    }
    let snapshots = u32_at(fixed, 60);
    if snapshots != 0 {
        return Err(Error::not_supported(format!("the image holds `{snapshots}` internal snapshots"))
            .advise(
                "delete them, `qemu-img snapshot -d NAME IMAGE`, or take one of them out: \
             `qemu-img convert -l NAME -O qcow2 IMAGE WHOLE.qcow2`",
            ));
    }
    Ok(())
}

fn refuse_features(features: u64) -> Result<(), Error> {
    let unknown = features & !KNOWN_FEATURES;
    if unknown != 0 {
        return Err(Error::not_supported(format!(
            "the image's incompatible features `{unknown:#x}` are not known"
        ))
        .advise(crate::detect::CONVERT));
    }
    if features & EXTERNAL_DATA != 0 {
        return Err(external_data());
    }
    if features & CORRUPT != 0 {
        return Err(Error::malformed("the image is marked as corrupt")
            .advise("look at it with `qemu-img check`, and import it from an intact copy"));
    }
    if features & DIRTY != 0 {
        return Err(Error::malformed("the image is marked as in use or not closed properly")
            .advise("stop the machine that uses it, then `qemu-img check -r all IMAGE`"));
    }
    Ok(())
}

fn external_data() -> Error {
    Error::not_supported(
        "the image's data lie in an external data file, and no file named in an image is opened",
    )
    .advise("make it stand alone: `qemu-img convert -O qcow2 IMAGE WHOLE.qcow2`")
}

fn encrypted() -> Error {
    Error::not_supported("the image is encrypted")
        .advise("decrypt it first: `qemu-img convert` with its secret writes a plain qcow2")
}

fn check_length(least: u32, file_bytes: u64) -> Result<(), Error> {
    if file_bytes < u64::from(least) {
        return Err(cut(&format!("its header takes {least} bytes"), file_bytes));
    }
    Ok(())
}

/// A refusal of a file that ends before what it claims to hold.
pub(crate) fn cut(claim: &str, file_bytes: u64) -> Error {
    Error::malformed(format!("the file is cut short: {claim}, but the file ends at byte `{file_bytes}`"))
        .advise("upload it again, whole; compare its size or checksum with the original's")
}

fn read(file: &dyn File, offset: u64, out: &mut [u8]) -> Result<(), Error> {
    file.read_at(offset, out).map_err(|e| Error::io("reading the qcow2 header", e))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes were sliced"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes were sliced"))
}
