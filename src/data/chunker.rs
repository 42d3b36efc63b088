//! Block-aligned content-defined chunking.
//!
//! The xxh3 of each 4 KiB block decides whether a chunk ends behind it, so the same blocks in
//! another place give the same chunks. Blocks of zeros end a chunk and belong to none. The chunker
//! begins anew with every segment. A last block shorter than 4 KiB counts as a block.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use crate::grid::{BLOCK_BYTES, CELL_BYTES};

/// This chunker's name in manifests: blocks of 4 KiB, chunks of 16, 64 and 256 KiB, segments of
/// 16 MiB.
pub(crate) const CHUNKER: u32 = 1;
/// No chunk ends by its content before this; shorter ones stand before zeros or the end.
const CHUNK_BYTES_MIN: usize = 16 << 10;
/// A chunk ends here whatever its content.
pub(crate) const CHUNK_BYTES_MAX: usize = 256 << 10;
/// Beyond the minimum one block in twelve ends a chunk: 16 + 12 * 4 KiB is 64 KiB on average.
const CUT_BELOW: u64 = u64::MAX / 12;

/// The chunks of a segment. `touched` says which cells may hold anything but zeros.
pub(crate) fn cut(segment: &[u8], touched: &[bool]) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let mut begin = 0;
    let mut end = 0;
    for (cell, bytes) in segment.chunks(CELL_BYTES).enumerate() {
        let at = cell * CELL_BYTES;
        if !touched[cell] {
            close(&mut chunks, begin..end);
            (begin, end) = (at + bytes.len(), at + bytes.len());
            continue;
        }
        for (number, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            let behind = at + number * BLOCK_BYTES + block.len();
            if is_zero(block) {
                close(&mut chunks, begin..end);
                (begin, end) = (behind, behind);
                continue;
            }
            end = behind;
            let len = end - begin;
            if len >= CHUNK_BYTES_MAX || (len >= CHUNK_BYTES_MIN && xxh3_64(block) < CUT_BELOW) {
                close(&mut chunks, begin..end);
                begin = end;
            }
        }
    }
    close(&mut chunks, begin..end);
    chunks
}

fn close(chunks: &mut Vec<Range<usize>>, chunk: Range<usize>) {
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
}

/// Whether all bytes are zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    // Sixty-four bytes at a time, so that data is told at its first word and zeros at full width.
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| word.iter().fold(0, |sum, byte| sum | byte) == 0)
        && rest.iter().all(|&byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::SEGMENT_BYTES;

    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }

    fn chunks_of(segment: &[u8]) -> Vec<Range<usize>> {
        cut(segment, &vec![true; segment.len().div_ceil(CELL_BYTES)])
    }

    #[test]
    fn chunks_hold_every_block_that_is_not_zero_and_keep_their_bounds() {
        let mut segment = noise(1, 3 * CELL_BYTES + 777);
        segment[CELL_BYTES..CELL_BYTES + 5 * BLOCK_BYTES].fill(0);
        let chunks = chunks_of(&segment);
        let mut covered = 0;
        for chunk in &chunks {
            assert!(segment[covered..chunk.start].iter().all(|&byte| byte == 0));
            assert!(chunk.start % BLOCK_BYTES == 0 && chunk.len() <= CHUNK_BYTES_MAX);
            covered = chunk.end;
        }
        assert_eq!(covered, segment.len());
        assert_eq!(chunks.iter().map(Range::len).sum::<usize>(), segment.len() - 5 * BLOCK_BYTES);
        let average = segment.len() / chunks.len();
        assert!((40 << 10..96 << 10).contains(&average), "{average}");
    }

    #[test]
    fn blocks_moved_elsewhere_give_mostly_the_same_chunks() {
        let content = noise(2, 4 * CELL_BYTES);
        let digests = |segment: &[u8]| -> std::collections::HashSet<_> {
            chunks_of(segment).into_iter().map(|chunk| blake3::hash(&segment[chunk])).collect()
        };
        let before = digests(&content);
        let mut moved = noise(3, 7 * BLOCK_BYTES);
        moved.extend_from_slice(&content);
        let shared = digests(&moved).intersection(&before).count();
        assert!(shared * 10 > before.len() * 8, "{shared} of {}", before.len());
    }

    #[test]
    fn cells_said_to_be_untouched_are_as_good_as_zeros() {
        let mut segment = vec![0; SEGMENT_BYTES];
        segment[CELL_BYTES - 8192..CELL_BYTES + 4096].copy_from_slice(&noise(4, 12288));
        let mut touched = vec![false; 16];
        (touched[0], touched[1]) = (true, true);
        assert_eq!(cut(&segment, &touched), chunks_of(&segment));
        assert_eq!(cut(&segment, &[false; 16]), []);
    }
}
