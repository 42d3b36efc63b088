//! The data plane: disks in, disks out, and nothing lost between.
//!
//! A disk is cut into segments, segments into chunks by their content, chunks are kept once for
//! each account, compressed, in pack files; a paged manifest says which chunks a disk consists of,
//! and a content root what its guest sees. A region is a store: a directory with an id, an
//! index, packs, and buckets of objects, which are plain files.
//!
//! ```text
//! transfer ─▶ origin ─▶ segment ─▶ chunker ─▶ pack     verify, export ─▶ walk ─▶ fetch ─▶ pack
//!    │          │          └─▶ root    └─▶ index               │           └─▶ manifest
//!    │          └─▶ copy ─▶ fetch, from another store          │   check of a guest ─▶ reader ─▶ fetch
//!    ▼                                                         ▼
//! source: a file, or an object                       landing: a file, or an object
//!    ▲                                                         ▲
//!    └──────────────────── carry: put, get ────────────────────┘      listing ─▶ key ◀─ bucket
//! ```
//!
//! A transfer is one machine whatever it is made from: a file is cut into chunks, a disk in a store
//! is cut already and only what the target lacks is sent, a blank disk has nothing to send.
//!
//! What is durable when: packs are synced before the index speaks of them, the index is committed
//! before a checkpoint is reported, and all of it before a call returns. A file that is made, on
//! this computer or in a bucket, has its name only when it is whole and durable. All file I/O goes through
//! the [`files::Files`] port.
//!
//! What this room deliberately does not do: know images or snapshots (only manifests and who says
//! that they live), retry what failed (the engine does), or run a format converter (`disk` reads
//! and writes formats).

mod append;
mod backup;
mod bucket;
mod carry;
mod chunker;
mod collect;
mod complete;
mod copy;
mod crc;
mod examine;
mod export;
mod fault;
mod fence;
mod fetch;
mod finish;
mod grid;
mod index;
mod key;
mod known;
mod landing;
mod listing;
mod lists;
mod manifest;
mod mark;
mod objects;
mod origin;
mod pace;
mod pack;
mod parts;
mod plane;
mod probe;
mod publish;
mod reader;
mod root;
mod segment;
mod settle;
mod source;
mod store;
mod streams;
mod transfer;
mod upload;
mod walk;
mod wire;
mod worker;

pub use plane::Plane;

/// Bytes of finished source data after which the keeper of an import records them: often enough
/// that a crash costs a second, seldom enough that syncs cost nothing.
pub const CHECKPOINT_BYTES: u64 = 32 << 20;
/// Source bytes that may have been read and not yet be recorded: what a crash costs at most.
pub const CHECKPOINT_INTERVAL_BYTES: u64 = 128 << 20;
/// A pack that has grown to this is sealed: a unit to move, rewrite or lose.
pub const PACK_BYTES: u64 = 64 << 20;
/// Free storage that packs leave alone, so that the log and the index can still be written, and
/// what an import took can be given back.
pub const RESERVE_BYTES: u64 = 64 << 20;
/// Cache of a store's index: its inner pages for a few TiB of chunks.
pub const INDEX_CACHE_BYTES: usize = 16 << 20;
/// Threads of one operation at most: beyond, memory for segments grows and disks do not get faster.
const WORKERS_MAX: usize = 4;

/// What tests and small machines may want otherwise.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads of one operation.
    pub workers: usize,
    /// See [`CHECKPOINT_BYTES`].
    pub checkpoint_bytes: u64,
    /// See [`CHECKPOINT_INTERVAL_BYTES`].
    pub checkpoint_interval_bytes: u64,
    /// See [`PACK_BYTES`].
    pub pack_bytes: u64,
    /// See [`RESERVE_BYTES`].
    pub reserve_bytes: u64,
    /// See [`INDEX_CACHE_BYTES`].
    pub index_cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            workers: cores.min(WORKERS_MAX),
            checkpoint_bytes: CHECKPOINT_BYTES,
            checkpoint_interval_bytes: CHECKPOINT_INTERVAL_BYTES,
            pack_bytes: PACK_BYTES,
            reserve_bytes: RESERVE_BYTES,
            index_cache_bytes: INDEX_CACHE_BYTES,
        }
    }
}

#[cfg(test)]
mod test_backup;
#[cfg(test)]
mod test_bucket;
#[cfg(test)]
mod test_bucket_crash;
#[cfg(test)]
mod test_collect;
#[cfg(test)]
mod test_copy;
#[cfg(test)]
mod test_crash;
#[cfg(test)]
mod test_random;
#[cfg(test)]
mod test_reader;
#[cfg(test)]
mod test_story;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod test_wire;
