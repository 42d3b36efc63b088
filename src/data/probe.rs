//! How hard to compress a disk: a look at a few places of it before the import begins.
//!
//! A first disk is nearly all new, and its import is bound by the compressor, so that is the
//! fastest there is. A later version of a known disk is mostly known: what little is new may cost
//! more, and stays for years. Which of the two it is, is found out once, from some chunks at the
//! beginnings of segments (where the chunker begins anew, so that the chunks are those the import
//! will find), and kept with the job: what is stored does not depend on interruptions.

use domain::Digest;

use crate::chunker;
use crate::fault::{self, Result};
use crate::grid::{segment_begin, segment_len, segments};
use crate::index::Domain;
use crate::store::{Sight, Store};

/// Level for a disk that is mostly new: the fastest that compresses well.
pub(crate) const LEVEL_NEW: i32 = 1;
/// Level for a disk that is mostly known: a tenth smaller at a fifth of the speed, for a fifth of
/// the data. Beyond it zstd gains less than 1 % more.
pub(crate) const LEVEL_KNOWN: i32 = 7;

/// Segments looked at. Each costs one small read; thirty-two tell a half from a tenth surely.
const PROBES_MAX: u64 = 32;
/// Of so many segments one is looked at, at most: a small disk is imported before it pays.
const SEGMENTS_PER_PROBE: u64 = 4;
/// Bytes looked at in a segment: some four chunks.
const PROBE_BYTES: usize = 256 << 10;

/// The level for a disk, and how many bytes of it were read to find out.
pub(crate) fn level(
    store: &Store,
    domain: Domain,
    job: &str,
    disk: &dyn disk::Source,
    disk_bytes: u64,
) -> Result<(i32, u64)> {
    let say = |error| fault::disk("reading the source", error);
    let count = (segments(disk_bytes) / SEGMENTS_PER_PROBE).min(PROBES_MAX);
    let (mut all, mut known, mut read) = (0, 0, 0);
    let mut buffer = vec![0; PROBE_BYTES];
    for probe in 0..count {
        let segment = probe * segments(disk_bytes) / count;
        let begin = segment_begin(segment);
        let len = segment_len(disk_bytes, segment).min(PROBE_BYTES);
        let end = begin + len as u64;
        if disk.next_data(begin).map_err(say)?.is_none_or(|data| data.start >= end) {
            continue;
        }
        let bytes = &mut buffer[..len];
        disk.read_at(begin, bytes).map_err(say)?;
        read += len as u64;
        let mut chunks = chunker::cut(bytes, &[true]);
        // The last one goes on behind what was read.
        chunks.pop_if(|chunk| chunk.end == len);
        let ids: Vec<Digest> =
            chunks.iter().map(|chunk| Digest(*blake3::hash(&bytes[chunk.clone()]).as_bytes())).collect();
        let there = store.index.read(|tx| Sight::new(tx, domain).known(&ids, job))?;
        all += chunks.iter().map(ExactSizeIterator::len).sum::<usize>();
        known +=
            chunks.iter().zip(there).filter(|(_, there)| *there).map(|(chunk, _)| chunk.len()).sum::<usize>();
    }
    let mostly_known = all > 0 && known * 2 >= all;
    Ok((if mostly_known { LEVEL_KNOWN } else { LEVEL_NEW }, read))
}
