//! One segment of a disk in memory: its bytes, and which of its cells hold any.
//!
//! The buffer is used again for the next segment, so what lies in untouched cells is left over and
//! must not be looked at; in touched cells every byte is the guest's.

use std::ops::Range;

use domain::Digest;

use crate::chunker;
use crate::grid::{CELL_BYTES, CELLS_PER_SEGMENT, segment_len};
use crate::manifest::ChunkRef;
use crate::root;

/// A segment's bytes.
pub(crate) struct Segment {
    bytes: Vec<u8>,
    len: usize,
    touched: [bool; CELLS_PER_SEGMENT],
}

impl Segment {
    /// Nothing yet; there is as much room as the longest segment begun has needed, for a small disk is
    /// a small part of one.
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), len: 0, touched: [false; CELLS_PER_SEGMENT] }
    }

    /// Begins a segment of the disk that has data in these ascending stretches: zeros around them
    /// as far as the cells they touch, the stretches themselves still to be filled.
    pub(crate) fn begin(&mut self, disk_bytes: u64, segment: u64, data: impl Iterator<Item = Range<usize>>) {
        self.len = segment_len(disk_bytes, segment);
        if self.bytes.len() < self.len {
            self.bytes = vec![0; self.len];
        }
        self.touched = [false; CELLS_PER_SEGMENT];
        let mut clean = 0;
        for stretch in data.filter(|stretch| !stretch.is_empty()) {
            debug_assert!(clean <= stretch.start && stretch.end <= self.len);
            let cell_begin = stretch.start / CELL_BYTES * CELL_BYTES;
            self.clear_to_cell_end(clean);
            self.bytes[clean.max(cell_begin)..stretch.start].fill(0);
            self.touched[stretch.start / CELL_BYTES..=(stretch.end - 1) / CELL_BYTES].fill(true);
            clean = stretch.end;
        }
        self.clear_to_cell_end(clean);
    }

    fn clear_to_cell_end(&mut self, from: usize) {
        let to = from.next_multiple_of(CELL_BYTES).min(self.len);
        if from < to {
            self.bytes[from..to].fill(0);
        }
    }

    /// The bytes, for filling the stretches.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// The bytes; only those in touched cells mean anything.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The segment's subtree of the content root.
    pub(crate) fn subtree(&self) -> Digest {
        let leaves: Vec<Digest> = self
            .bytes()
            .chunks(CELL_BYTES)
            .zip(self.touched)
            .map(|(cell, touched)| match touched {
                true => root::leaf(cell),
                false if cell.len() == CELL_BYTES => root::zero_leaf(),
                false => root::leaf(&vec![0; cell.len()]),
            })
            .collect();
        root::of_segment(&leaves)
    }

    /// Its chunks.
    pub(crate) fn cut(&self) -> Vec<Range<usize>> {
        chunker::cut(self.bytes(), &self.touched)
    }
}

/// The place of a chunk in its segment.
pub(crate) fn stretch(chunk: &ChunkRef) -> Range<usize> {
    chunk.offset as usize..(chunk.offset + chunk.len) as usize
}
