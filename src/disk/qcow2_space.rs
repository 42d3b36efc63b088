//! Where a qcow2 file that is written has room: host clusters, their refcounts, and the packing of
//! compressed clusters.
//!
//! ```text
//! cluster   0       1   2          3             4 …        32768         32769 …
//!           header  L1  refcounts: first block   anything   next block    anything
//!                       table
//! ```
//!
//! Room is given out in one direction, so a refcount block is settled when the head has left its
//! 32768 clusters, and is written then: two blocks are in memory at a time, however large the file
//! gets. Compressed clusters share host clusters; they are packed into regions of their own, so
//! that plain clusters between them do not break the packing at every turn.

use std::collections::BTreeMap;

use files::File;

use crate::Error;

pub(crate) const CLUSTER_BITS: u32 = 16;
pub(crate) const CLUSTER_BYTES: u64 = 1 << CLUSTER_BITS;
pub(crate) const L1_CLUSTER: u64 = 1;
pub(crate) const REFCOUNT_TABLE_CLUSTER: u64 = 2;
const FIRST_BLOCK_CLUSTER: u64 = 3;
/// Refcounts of 16 bits in a block of one cluster.
const BLOCK_CLUSTERS: u64 = CLUSTER_BYTES / 2;
/// Clusters of a region for compressed data: what is lost at its end is at most one of them.
const REGION_CLUSTERS: u64 = 32;
/// Places of compressed clusters are told in sectors, and refcounts follow them.
const SECTOR_BITS: u32 = 9;

/// The room of a file, and what is taken of it.
pub(crate) struct Space {
    /// The first cluster never given out.
    head: u64,
    /// Refcounts not yet written, by number of their block.
    blocks: BTreeMap<u64, Vec<u16>>,
    /// Bytes of the file where the next compressed clusters go.
    region: std::ops::Range<u64>,
}

impl Space {
    /// A file that holds its fixed clusters.
    pub(crate) fn new() -> Self {
        let mut space = Self { head: FIRST_BLOCK_CLUSTER + 1, blocks: BTreeMap::new(), region: 0..0 };
        (0..=FIRST_BLOCK_CLUSTER).for_each(|cluster| space.count(cluster));
        space
    }

    /// Takes up to `wanted` clusters in a row, each used once: place of the first, and how many.
    pub(crate) fn take(&mut self, file: &dyn File, wanted: u64) -> Result<(u64, u64), Error> {
        let (first, taken) = self.advance(file, wanted)?;
        (first..first + taken).for_each(|cluster| self.count(cluster));
        Ok((first << CLUSTER_BITS, taken))
    }

    /// Takes room for a compressed cluster of `len` bytes, less than a cluster: its place.
    pub(crate) fn pack(&mut self, file: &dyn File, len: u64) -> Result<u64, Error> {
        if self.region.end - self.region.start < len {
            let (first, taken) = self.advance(file, REGION_CLUSTERS)?;
            let begin = first << CLUSTER_BITS;
            let joins = begin == self.region.end;
            let begin = if joins { self.region.start } else { begin };
            self.region = begin..(first + taken) << CLUSTER_BITS;
        }
        let place = self.region.start;
        self.region.start += len;
        let last_sector = (place + len - 1) >> SECTOR_BITS << SECTOR_BITS;
        (place >> CLUSTER_BITS..=last_sector >> CLUSTER_BITS).for_each(|cluster| self.count(cluster));
        Ok(place)
    }

    /// Gives back what of the last region was not used, if nothing follows it.
    pub(crate) fn end_packing(&mut self) {
        if self.region.end == self.head << CLUSTER_BITS {
            self.head = self.region.start.div_ceil(CLUSTER_BYTES);
        }
        self.region = 0..0;
    }

    /// Writes the refcounts that are still in memory and the table of all of them; gives the length
    /// of the file.
    pub(crate) fn finish(&mut self, file: &dyn File) -> Result<u64, Error> {
        self.end_packing();
        self.settle(file, |_| false)?;
        let blocks = self.head.div_ceil(BLOCK_CLUSTERS);
        let table: Vec<u8> =
            (0..blocks).flat_map(|block| (block_cluster(block) << CLUSTER_BITS).to_be_bytes()).collect();
        assert!(
            table.len() as u64 <= CLUSTER_BYTES,
            "a table of one cluster counts 16 TiB, eight times the largest disk"
        );
        write(file, REFCOUNT_TABLE_CLUSTER << CLUSTER_BITS, &table)?;
        Ok(self.head << CLUSTER_BITS)
    }

    /// Moves the head over up to `wanted` clusters of one block.
    fn advance(&mut self, file: &dyn File, wanted: u64) -> Result<(u64, u64), Error> {
        if self.head.is_multiple_of(BLOCK_CLUSTERS) {
            let (head_block, region_block) =
                (block_of(self.head), block_of(self.region.start >> CLUSTER_BITS));
            self.settle(file, |block| block == head_block || block == region_block)?;
            self.count(self.head);
            self.head += 1;
        }
        let first = self.head;
        let block_end = (block_of(first) + 1) * BLOCK_CLUSTERS;
        self.head = block_end.min(first + wanted);
        Ok((first, self.head - first))
    }

    /// Writes all blocks but those that are still counted in.
    fn settle(&mut self, file: &dyn File, is_open: impl Fn(u64) -> bool) -> Result<(), Error> {
        let settled: Vec<u64> = self.blocks.keys().copied().filter(|&block| !is_open(block)).collect();
        for block in settled {
            let counts = self.blocks.remove(&block).expect("its key was just read");
            let bytes: Vec<u8> = counts.iter().flat_map(|count| count.to_be_bytes()).collect();
            write(file, block_cluster(block) << CLUSTER_BITS, &bytes)?;
        }
        Ok(())
    }

    fn count(&mut self, cluster: u64) {
        let fresh = || vec![0; usize::try_from(BLOCK_CLUSTERS).expect("a block fits into memory")];
        let counts = self.blocks.entry(block_of(cluster)).or_insert_with(fresh);
        let count = &mut counts[usize::try_from(cluster % BLOCK_CLUSTERS).expect("a block fits into memory")];
        *count = count.checked_add(1).expect("a compressed cluster takes more than one byte");
    }
}

fn block_of(cluster: u64) -> u64 {
    cluster / BLOCK_CLUSTERS
}

/// The cluster a block lies in: the first of those it counts, for the first block behind what is
/// fixed.
fn block_cluster(block: u64) -> u64 {
    if block == 0 { FIRST_BLOCK_CLUSTER } else { block * BLOCK_CLUSTERS }
}

fn write(file: &dyn File, place: u64, bytes: &[u8]) -> Result<(), Error> {
    file.write_at(place, bytes)
        .map_err(|e| Error::io(format!("writing the qcow2's refcounts at byte `{place}`"), e))
}
