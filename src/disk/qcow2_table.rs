//! Entries of qcow2's tables, and the check of all of them before a guest byte is read.
//!
//! An L1 entry names an L2 table, an L2 entry a cluster:
//!
//! | bits | L1 entry | L2 entry | compressed (bit 62 set, x = 70 − cluster bits) |
//! |---|---|---|---|
//! | 0 | reserved | cluster reads as zero; reserved with subclusters | place, bits 0 to x−1 |
//! | 1–8 | reserved | reserved | … |
//! | 9–55 | place of the table, 0 for none | place of the cluster, 0 for none | … |
//! | 56–61 | reserved | reserved | further sectors, bits x to 61 |
//! | 62 | reserved | 0 | 1 |
//! | 63 | refcount is one | refcount is one | 0 |
//!
//! With subclusters a second word follows: bit n says that subcluster n is in the cluster, bit
//! 32 + n that it reads as zero. As there is no backing file, what is not there reads as zero too.

use files::File;

use crate::qcow2_header::{Header, cut, u32_at, u64_at};
use crate::{Error, SECTOR_BYTES};

const PLACE_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const READS_ZERO: u64 = 1;
const SECTOR_BITS: u32 = 9;
/// A cluster with subclusters has this many.
pub(crate) const SUBCLUSTERS: u64 = 32;

/// Where the bytes of one cluster are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// Nowhere: they are zero.
    Zero,
    /// In the file, as they are; of a cluster with subclusters those whose bit is set.
    Host { place: u64, present: u32 },
    /// In the file, compressed, in at most this many bytes.
    Compressed { place: u64, bytes: u64 },
}

/// All subclusters, or a cluster without them.
pub(crate) const WHOLE: u32 = u32::MAX;

/// The place of an L2 table, if there is one.
pub(crate) fn l1_place(header: &Header, entry: u64) -> Result<Option<u64>, Error> {
    let place = entry & PLACE_MASK;
    if entry & !(PLACE_MASK | COPIED) != 0 || !place.is_multiple_of(header.cluster_bytes()) {
        return Err(Error::malformed(format!("the L1 table holds an impossible entry, `{entry:#018x}`")));
    }
    Ok((place != 0).then_some(place))
}

/// Decodes entry `index` of an L2 table.
pub(crate) fn cluster(header: &Header, table: &[u8], index: usize) -> Result<Cluster, Error> {
    let at = index * if header.extended { 16 } else { 8 };
    let entry = u64_at(table, at);
    let present = if header.extended { u32_at(table, at + 12) } else { WHOLE };
    let zero = if header.extended { u32_at(table, at + 8) } else { 0 };
    if entry & COMPRESSED != 0 {
        let unused = !header.extended || present | zero == 0;
        return compressed(header, entry).filter(|_| unused).ok_or_else(|| impossible(entry));
    }
    let place = entry & PLACE_MASK;
    let zero_flag = if header.version >= 3 && !header.extended { READS_ZERO } else { 0 };
    let known = entry & !(PLACE_MASK | COPIED | zero_flag) == 0;
    let aligned = place.is_multiple_of(header.cluster_bytes());
    let consistent = present & zero == 0 && (place != 0 || !header.extended || present == 0);
    if !(known && aligned && consistent) {
        return Err(impossible(entry));
    }
    if place == 0 || entry & zero_flag != 0 || present == 0 {
        return Ok(Cluster::Zero);
    }
    Ok(Cluster::Host { place, present })
}

fn compressed(header: &Header, entry: u64) -> Option<Cluster> {
    let place_bits = 70 - header.cluster_bits;
    let descriptor = entry & !(COMPRESSED | COPIED);
    let place = descriptor & ((1 << place_bits) - 1);
    let sectors = (descriptor >> place_bits) + 1;
    let bytes = (sectors << SECTOR_BITS) - (place & ((1 << SECTOR_BITS) - 1));
    // The flag of a refcount of one would let a writer overwrite its neighbours in the cluster.
    (entry & COPIED == 0 && place != 0).then_some(Cluster::Compressed { place, bytes })
}

fn impossible(entry: u64) -> Error {
    Error::malformed(format!("an L2 table holds an impossible entry, `{entry:#018x}`"))
}

/// Reads the L1 table, then every L2 table once, and checks that all they name lies in the file:
/// so a file that is cut anywhere before its last cluster ends is refused before anything is read
/// from it. Two L1 entries must not share a table, which also bounds the work by the file's length.
///
/// Clusters that share a place are read, but not without end: all of them together must not take
/// more room than the file has. So a small file cannot be made to decode for hours, and no honest
/// file is refused, since in one that has no snapshots each cluster has a place of its own.
pub(crate) fn check_all(header: &Header, file: &dyn File, file_bytes: u64) -> Result<Vec<u64>, Error> {
    let mut table = vec![0; usize::try_from(header.cluster_bytes()).expect("a cluster has at most 2 MiB")];
    let mut places = Vec::with_capacity(header.l1_entries);
    while places.len() < header.l1_entries {
        let at = header.l1_offset + places.len() as u64 * 8;
        let len = table.len().min((header.l1_entries - places.len()) * 8);
        file.read_at(at, &mut table[..len]).map_err(|e| Error::io("reading the qcow2's L1 table", e))?;
        for entry in table[..len].chunks_exact(8) {
            places.push(l1_place(header, u64_at(entry, 0))?.unwrap_or(0));
        }
    }
    let mut distinct: Vec<u64> = places.iter().copied().filter(|&place| place != 0).collect();
    distinct.sort_unstable();
    if let Some([twice, _]) = distinct.array_windows().find(|[a, b]| a == b) {
        return Err(Error::malformed(format!("the L2 table at byte `{twice}` is used twice")));
    }
    drop(distinct);
    let mut claimed = 0;
    for (number, &place) in places.iter().enumerate().filter(|&(_, &place)| place != 0) {
        if place + header.cluster_bytes() > file_bytes {
            return Err(cut(&format!("an L2 table begins at byte {place}"), file_bytes));
        }
        read_table(file, place, &mut table)?;
        claimed += check_table(header, number as u64 * header.l2_span(), &table, file_bytes)?;
        if claimed > file_bytes + header.cluster_bytes() {
            return Err(Error::malformed(format!(
                "the image's clusters take `{claimed}` bytes of a file of `{file_bytes}`: many share one place"
            ))
            .advise("make a sound copy of it: `qemu-img convert -O qcow2 IMAGE WHOLE.qcow2`"));
        }
    }
    Ok(places)
}

pub(crate) fn read_table(file: &dyn File, place: u64, table: &mut [u8]) -> Result<(), Error> {
    file.read_at(place, table)
        .map_err(|e| Error::io(format!("reading the qcow2's L2 table at byte `{place}`"), e))
}

/// Checks the entries of one L2 table, which maps the disk from `begin`; gives the bytes of file
/// that its clusters take at least, if each has its own.
fn check_table(header: &Header, begin: u64, table: &[u8], file_bytes: u64) -> Result<u64, Error> {
    let cluster_bytes = header.cluster_bytes();
    let compressed_bytes_min = header.codec.stream_bytes_min(cluster_bytes);
    let mut claimed = 0;
    let guests = (begin..header.disk_bytes).step_by(1 << header.cluster_bits);
    let entries = usize::try_from(header.l2_entries()).expect("a table fits into a cluster");
    for (index, guest) in (0..entries).zip(guests) {
        let end = match cluster(header, table, index)? {
            Cluster::Zero => continue,
            Cluster::Host { place, present } => {
                // QEMU leaves out what follows the disk's end in its last cluster.
                let used = u64::from(32 - present.leading_zeros()) * (cluster_bytes / SUBCLUSTERS);
                claimed += cluster_bytes;
                place + used.min(header.disk_bytes - guest)
            }
            // The last sector may stick out of a file that was written without padding.
            Cluster::Compressed { place, bytes } => {
                claimed += compressed_bytes_min;
                (place + bytes - SECTOR_BYTES).max(place) + 1
            }
        };
        if end > file_bytes {
            return Err(cut(&format!("the cluster of guest byte {guest} ends at byte {end}"), file_bytes));
        }
    }
    Ok(claimed)
}
