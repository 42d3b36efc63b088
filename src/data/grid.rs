//! The fixed grids a disk is cut on. Part of the format: changing one changes every root.

/// What chunks are made of and aligned to; the page size of guests and the cluster of most file
/// systems.
pub(crate) const BLOCK_BYTES: usize = 4096;
/// A leaf of the content root.
pub(crate) const CELL_BYTES: usize = 1 << 20;
/// What is read, chunked, recorded and resumed as one: small enough that a handful fit in memory,
/// large enough that restarting the chunker costs no deduplication worth speaking of.
pub(crate) const SEGMENT_BYTES: usize = 16 << 20;
/// Cells of a full segment.
pub(crate) const CELLS_PER_SEGMENT: usize = SEGMENT_BYTES / CELL_BYTES;
/// The largest disk let in: what the ECS API lets a data disk have, and a manifest's root page
/// stays below 256 KiB.
pub(crate) const DISK_BYTES_MAX: u64 = 64 << 40;

/// Segments of a disk.
pub(crate) fn segments(disk_bytes: u64) -> u64 {
    disk_bytes.div_ceil(SEGMENT_BYTES as u64)
}

/// Where a segment begins on its disk.
pub(crate) fn segment_begin(segment: u64) -> u64 {
    segment * SEGMENT_BYTES as u64
}

/// Bytes of a segment: less than the whole only for the last.
pub(crate) fn segment_len(disk_bytes: u64, segment: u64) -> usize {
    let rest = disk_bytes.saturating_sub(segment_begin(segment));
    usize::try_from(rest).map_or(SEGMENT_BYTES, |rest| rest.min(SEGMENT_BYTES))
}
