//! A disk's manifest: pages that name chunks, pages that name pages, and one root page.
//!
//! ```text
//! root   "KMR1" disk_bytes chunker · (first segment / 1024, branch id)*    one a disk
//! branch "KMB1" (segment, leaf id, subtree of the content root)*           one for 1024 segments
//! leaf   "KML1" (offset in segment, length, chunk id)*                     one a segment
//! ```
//!
//! Segments and branches of zeros have no page. All numbers are little-endian. A page's id is a
//! keyed digest of it, so that no guest can make a chunk that is taken for a page. Pages are frames
//! in packs like chunks; a manifest is never whole in memory, and two versions of a disk share the
//! pages of the segments they have in common.

use domain::{Digest, ManifestId};

use crate::chunker::{CHUNK_BYTES_MAX, CHUNKER};
use crate::fault::{self, Result};
use crate::grid::{BLOCK_BYTES, DISK_BYTES_MAX, segment_len, segments};

/// Segments under one branch page: 16 GiB of disk, 72 KiB of page.
pub(crate) const SEGMENTS_PER_BRANCH: u64 = 1024;
/// The largest page: a leaf whose every second block is zero has 2048 entries; a root of the
/// largest disk has 4096.
pub(crate) const PAGE_BYTES_MAX: usize = 256 << 10;

const ROOT: &[u8; 4] = b"KMR1";
const BRANCH: &[u8; 4] = b"KMB1";
const LEAF: &[u8; 4] = b"KML1";

/// The id of a page.
pub(crate) fn page_id(page: &[u8]) -> Digest {
    Digest(blake3::derive_key("kiln manifest page 1", page))
}

/// A chunk in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRef {
    pub(crate) offset: u32,
    pub(crate) len: u32,
    pub(crate) id: Digest,
}

/// A segment in a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentRef {
    pub(crate) segment: u64,
    pub(crate) page: Digest,
    pub(crate) subtree: Digest,
}

/// The root page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) disk_bytes: u64,
    pub(crate) branches: Vec<(u32, Digest)>,
}

/// Writes a leaf page.
pub(crate) fn encode_leaf(chunks: &[ChunkRef]) -> Vec<u8> {
    let mut page = LEAF.to_vec();
    for chunk in chunks {
        page.extend_from_slice(&chunk.offset.to_le_bytes());
        page.extend_from_slice(&chunk.len.to_le_bytes());
        page.extend_from_slice(&chunk.id.0);
    }
    page
}

/// Reads a leaf page of a segment with `len` bytes.
pub(crate) fn decode_leaf(page: &[u8], len: usize) -> Result<Vec<ChunkRef>> {
    let mut behind = 0;
    entries::<40>(page, *LEAF)?
        .iter()
        .map(|entry| {
            let chunk = ChunkRef { offset: word(entry, 0), len: word(entry, 4), id: digest(entry, 8) };
            let begin = chunk.offset as usize;
            let whole = begin >= behind
                && begin.is_multiple_of(BLOCK_BYTES)
                && chunk.len > 0
                && chunk.len as usize <= CHUNK_BYTES_MAX
                && begin + chunk.len as usize <= len;
            behind = begin + chunk.len as usize;
            if whole { Ok(chunk) } else { Err(bad("a chunk outside its segment")) }
        })
        .collect()
}

/// Writes a branch page.
pub(crate) fn encode_branch(segments: &[SegmentRef]) -> Vec<u8> {
    let mut page = BRANCH.to_vec();
    for segment in segments {
        page.extend_from_slice(&segment.segment.to_le_bytes());
        page.extend_from_slice(&segment.page.0);
        page.extend_from_slice(&segment.subtree.0);
    }
    page
}

/// Reads branch page `number` of a disk.
pub(crate) fn decode_branch(page: &[u8], number: u32, disk_bytes: u64) -> Result<Vec<SegmentRef>> {
    let mut next = u64::from(number) * SEGMENTS_PER_BRANCH;
    let end = (next + SEGMENTS_PER_BRANCH).min(segments(disk_bytes));
    entries::<72>(page, *BRANCH)?
        .iter()
        .map(|entry| {
            let segment = u64::from_le_bytes(*entry.first_chunk().expect("8 of 72 bytes"));
            if segment < next || segment >= end {
                return Err(bad("a segment outside its branch"));
            }
            next = segment + 1;
            Ok(SegmentRef { segment, page: digest(entry, 8), subtree: digest(entry, 40) })
        })
        .collect()
}

/// Writes the root page.
pub(crate) fn encode_root(root: &Root) -> Vec<u8> {
    let mut page = ROOT.to_vec();
    page.extend_from_slice(&root.disk_bytes.to_le_bytes());
    page.extend_from_slice(&CHUNKER.to_le_bytes());
    page.extend_from_slice(&[0; 20]);
    for (number, id) in &root.branches {
        page.extend_from_slice(&number.to_le_bytes());
        page.extend_from_slice(&id.0);
    }
    page
}

/// Reads the root page.
pub(crate) fn decode_root(page: &[u8]) -> Result<Root> {
    let Some((head, rest)) = page.split_first_chunk::<36>() else {
        return Err(bad("a root page cut short"));
    };
    let disk_bytes = u64::from_le_bytes(head[4..12].try_into().expect("8 bytes"));
    if &head[..4] != ROOT || word(head, 12) != CHUNKER || disk_bytes > DISK_BYTES_MAX {
        return Err(bad("a root page of another version"));
    }
    let (entries, rest) = rest.as_chunks::<36>();
    if !rest.is_empty() {
        return Err(bad("a root page cut short"));
    }
    let mut next = 0;
    let branches = entries
        .iter()
        .map(|entry| {
            let number = word(entry, 0);
            let inside = u64::from(number) * SEGMENTS_PER_BRANCH < segments(disk_bytes);
            if number < next || !inside {
                return Err(bad("a branch outside the disk"));
            }
            next = number + 1;
            Ok((number, digest(entry, 4)))
        })
        .collect::<Result<_>>()?;
    Ok(Root { disk_bytes, branches })
}

/// The root page's id as the domain knows it.
pub(crate) fn manifest_id(root_page: Digest) -> ManifestId {
    ManifestId(root_page)
}

/// Bytes of a segment of the disk, as its leaf page needs them.
pub(crate) fn leaf_len(root: &Root, segment: u64) -> usize {
    segment_len(root.disk_bytes, segment)
}

fn entries<const N: usize>(page: &[u8], magic: [u8; 4]) -> Result<&[[u8; N]]> {
    let rest = page.strip_prefix(&magic).ok_or_else(|| bad("a page of another kind or version"))?;
    let (entries, rest) = rest.as_chunks::<N>();
    if rest.is_empty() { Ok(entries) } else { Err(bad("a page cut short")) }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn digest(bytes: &[u8], at: usize) -> Digest {
    Digest(bytes[at..at + 32].try_into().expect("32 bytes"))
}

fn bad(what: &str) -> event::Failure {
    fault::corrupt(format_args!("a manifest holds {what}"))
}
