//! The content root: one digest for what a guest sees on a disk, whatever stores it.
//!
//! The disk is cut on a fixed grid of 1 MiB cells. A leaf is the BLAKE3 of a cell's bytes (the last
//! cell may be short and is hashed as it is, without padding); a node is a keyed hash over its two
//! children. The leaves are padded with the leaf of a full zero cell up to a power of two, at least
//! 16 of them, and the root binds the top of that tree to the exact size of the disk. Zero subtrees
//! are constants, so that holes cost nothing; 16 cells are a segment's subtree, so that segments
//! can be hashed in any order and on any thread.
//!
//! A short last cell of zeros is *not* the zero cell: it is hashed with its own length.

use std::sync::LazyLock;

use domain::{ContentRoot, Digest};

use crate::grid::{CELL_BYTES, CELLS_PER_SEGMENT, SEGMENT_BYTES, segment_len, segments};

/// Enough levels for 2^60 cells, more than any disk that is let in.
const LEVELS: usize = 60;
/// Level of a segment's subtree: 16 cells.
const SEGMENT_LEVEL: usize = CELLS_PER_SEGMENT.trailing_zeros() as usize;

static NODE: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("kiln content node 1"));

/// The roots of all-zero subtrees, by level; level 0 is a full cell of zeros.
static ZEROS: LazyLock<[Digest; LEVELS]> = LazyLock::new(|| {
    let mut zeros = [Digest([0; 32]); LEVELS];
    zeros[0] = leaf(&vec![0; CELL_BYTES]);
    for level in 1..LEVELS {
        zeros[level] = node(&zeros[level - 1], &zeros[level - 1]);
    }
    zeros
});

fn node(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = NODE.clone();
    hasher.update(&left.0).update(&right.0);
    Digest(*hasher.finalize().as_bytes())
}

/// The leaf of a cell with these bytes.
pub(crate) fn leaf(cell: &[u8]) -> Digest {
    Digest(*blake3::hash(cell).as_bytes())
}

/// The leaf of a full cell of zeros.
pub(crate) fn zero_leaf() -> Digest {
    ZEROS[0]
}

/// The subtree of a segment with these leaves, at most 16; what is missing lies beyond the disk.
pub(crate) fn of_segment(leaves: &[Digest]) -> Digest {
    debug_assert!(leaves.len() <= CELLS_PER_SEGMENT);
    let mut row = [ZEROS[0]; CELLS_PER_SEGMENT];
    row[..leaves.len()].copy_from_slice(leaves);
    for level in 0..SEGMENT_LEVEL {
        for pair in 0..CELLS_PER_SEGMENT >> (level + 1) {
            let (left, right) = (row[2 * pair], row[2 * pair + 1]);
            let zero = ZEROS[level];
            row[pair] = if left == zero && right == zero { ZEROS[level + 1] } else { node(&left, &right) };
        }
    }
    row[0]
}

/// The subtree of a segment of zeros that has `len` bytes on the disk.
pub(crate) fn of_zero_segment(len: usize) -> Digest {
    let short = len % CELL_BYTES;
    if short == 0 {
        return ZEROS[SEGMENT_LEVEL];
    }
    let mut leaves = vec![ZEROS[0]; len / CELL_BYTES];
    leaves.push(leaf(&vec![0; short]));
    of_segment(&leaves)
}

/// Puts the subtrees of segments together, in ascending order; those left out are zeros.
pub(crate) struct Tree {
    disk_bytes: u64,
    /// Segments taken so far.
    next: u64,
    /// Complete subtrees, at most one a level, as the bits of `next` are set.
    complete: [Option<Digest>; LEVELS],
}

impl Tree {
    /// An empty tree for a disk of this size.
    pub(crate) fn new(disk_bytes: u64) -> Self {
        Self { disk_bytes, next: 0, complete: [None; LEVELS] }
    }

    /// Takes the subtree of a segment behind all those taken before.
    pub(crate) fn push(&mut self, segment: u64, subtree: Digest) {
        debug_assert!(segment >= self.next && segment < segments(self.disk_bytes));
        self.zeros_until(segment);
        self.carry(subtree);
    }

    fn zeros_until(&mut self, segment: u64) {
        while self.next < segment {
            let len = segment_len(self.disk_bytes, self.next);
            self.carry(if len == SEGMENT_BYTES { ZEROS[SEGMENT_LEVEL] } else { of_zero_segment(len) });
        }
    }

    fn carry(&mut self, subtree: Digest) {
        let mut carried = subtree;
        let mut level = SEGMENT_LEVEL;
        while let Some(left) = self.complete[level].take() {
            let zero = ZEROS[level];
            carried = if left == zero && carried == zero { ZEROS[level + 1] } else { node(&left, &carried) };
            level += 1;
        }
        self.complete[level] = Some(carried);
        self.next += 1;
    }

    /// The content root.
    pub(crate) fn finish(mut self) -> ContentRoot {
        let count = segments(self.disk_bytes);
        self.zeros_until(count);
        let top_level = SEGMENT_LEVEL + count.max(1).next_power_of_two().trailing_zeros() as usize;
        // Fold what is complete, smallest first, padding on the right with zeros.
        let mut top: Option<Digest> = None;
        for level in SEGMENT_LEVEL..top_level {
            top = match (self.complete[level], top) {
                (Some(left), Some(right)) => Some(node(&left, &right)),
                (Some(left), None) | (None, Some(left)) => Some(node(&left, &ZEROS[level])),
                (None, None) => None,
            };
        }
        let top = top.or(self.complete[top_level]).unwrap_or(ZEROS[top_level]);
        let mut hasher = blake3::Hasher::new_derive_key("kiln content root 1");
        hasher.update(&self.disk_bytes.to_le_bytes()).update(&top.0);
        ContentRoot(Digest(*hasher.finalize().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, without a shortcut: every cell hashed, every level built.
    fn slow(disk: &[u8]) -> ContentRoot {
        let mut row: Vec<Digest> =
            disk.chunks(CELL_BYTES).map(|cell| Digest(*blake3::hash(cell).as_bytes())).collect();
        let zero = Digest(*blake3::hash(&vec![0; CELL_BYTES]).as_bytes());
        row.resize(row.len().max(16).next_power_of_two(), zero);
        while row.len() > 1 {
            row = row
                .chunks(2)
                .map(|pair| {
                    let mut hasher = blake3::Hasher::new_derive_key("kiln content node 1");
                    hasher.update(&pair[0].0).update(&pair[1].0);
                    Digest(*hasher.finalize().as_bytes())
                })
                .collect();
        }
        let mut hasher = blake3::Hasher::new_derive_key("kiln content root 1");
        hasher.update(&(disk.len() as u64).to_le_bytes()).update(&row[0].0);
        ContentRoot(Digest(*hasher.finalize().as_bytes()))
    }

    fn fast(disk: &[u8], skip_zeros: bool) -> ContentRoot {
        let mut tree = Tree::new(disk.len() as u64);
        for (number, segment) in disk.chunks(SEGMENT_BYTES).enumerate() {
            if skip_zeros && segment.iter().all(|&byte| byte == 0) {
                continue;
            }
            let leaves: Vec<_> = segment.chunks(CELL_BYTES).map(leaf).collect();
            tree.push(number as u64, of_segment(&leaves));
        }
        tree.finish()
    }

    fn check(disk: &[u8]) {
        let expected = slow(disk);
        assert_eq!(fast(disk, false), expected, "{} bytes, segment by segment", disk.len());
        assert_eq!(fast(disk, true), expected, "{} bytes, zero segments left out", disk.len());
    }

    #[test]
    fn the_tree_by_segments_is_the_tree_of_the_definition() {
        const S: usize = SEGMENT_BYTES;
        for len in [0, 1, 512, CELL_BYTES - 1, CELL_BYTES, S - 1, S, S + 1, 2 * S, 3 * S + 4097, 5 * S] {
            let mut disk = vec![0; len];
            check(&disk);
            for place in [0, len / 2, len.saturating_sub(1)] {
                if let Some(byte) = disk.get_mut(place) {
                    *byte = 7;
                    check(&disk);
                }
            }
        }
    }

    #[test]
    fn disks_of_zeros_differ_by_their_size_alone() {
        assert_ne!(fast(&[0; 4096], true), fast(&[0; 8192], true));
        assert_ne!(fast(&vec![0; CELL_BYTES], true), fast(&vec![0; 2 * CELL_BYTES], true));
    }
}
