//! The index of a store: which frame lies where, whose pack is whose, how far each job has come.
//!
//! One redb file on the file port. The tables:
//!
//! | table | key | value |
//! |---|---|---|
//! | `chunks` | domain, frame id, pack | where the frame lies, and since when it is condemned |
//! | `frames` | pack, offset | ids of the frames from there on, so that a pack can be taken out |
//! | `packs` | pack | its domain, whose it is, how much of it is durable |
//! | `owned` | job, pack | the packs that only this job sees |
//! | `jobs` | kind and job | how far it has come |
//! | `segments` | job, segment | a finished segment of an unfinished transfer |
//! | `counters` | name | the next pack, the next job |
//! | `objects` | bucket, key | what is known of the object, see `known` |
//! | `appending` | bucket, key | a file that may be longer than its object, see `append` |
//! | `uploads` | bucket, key, upload | an upload in parts, see `parts` |
//! | `parts` | upload, number | a part of it |
//!
//! A database that has failed to write is not used again: it is opened anew, as after a crash. If
//! it was a sync that failed, the system may show bytes that will never reach the disk; then the
//! whole file is copied first, so that what is seen is what is durable.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::port::{Collected, Source, SourceIdentity, StoredDisk, Transferred};
use domain::{AccountId, Digest};
use event::{Attempt, Failure};
use files::{Backend, File, Files, Open};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::append::APPENDING;
use crate::fault::{self, Result};
use crate::known::OBJECTS;
use crate::parts::{PARTS, UPLOADS};
use crate::wire::COUNTED;

/// What happens inside a transaction.
pub(crate) type Inside<T> = std::result::Result<T, redb::Error>;

/// A domain: a digest of the account, so that keys have one width.
pub(crate) type Domain = [u8; 16];
/// A row's key in [`CHUNKS`]: domain, frame id, pack (big-endian).
pub(crate) type ChunkKey = [u8; 56];

pub(crate) const CHUNKS: TableDefinition<'static, &ChunkKey, &[u8; Place::BYTES]> =
    TableDefinition::new("chunks");
pub(crate) const FRAMES: TableDefinition<'static, (u64, u64), &[u8]> = TableDefinition::new("frames");
pub(crate) const PACKS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("packs");
pub(crate) const OWNED: TableDefinition<'static, (&str, u64), ()> = TableDefinition::new("owned");
pub(crate) const JOBS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("jobs");
pub(crate) const SEGMENTS: TableDefinition<'static, (&str, u64), &[u8; SegmentRow::BYTES]> =
    TableDefinition::new("segments");
pub(crate) const COUNTERS: TableDefinition<'static, &str, u64> = TableDefinition::new("counters");

/// The counter of packs.
pub(crate) const NEXT_PACK: &str = "next pack";
/// The counter of jobs: the order in which they began.
pub(crate) const NEXT_JOB: &str = "next job";

/// The domain of an account.
pub(crate) fn domain_of(account: &AccountId) -> Domain {
    let digest = blake3::derive_key("kiln domain 1", account.0.as_bytes());
    *digest.first_chunk().expect("a digest has 32 bytes")
}

/// The key of a frame in a pack.
pub(crate) fn chunk_key(domain: &Domain, id: &Digest, pack: u64) -> ChunkKey {
    let mut key = [0; 56];
    key[..16].copy_from_slice(domain);
    key[16..48].copy_from_slice(&id.0);
    key[48..].copy_from_slice(&pack.to_be_bytes());
    key
}

/// The parts of a key.
pub(crate) fn chunk_key_parts(key: &ChunkKey) -> (Domain, Digest, u64) {
    let domain = *key.first_chunk().expect("16 of 56 bytes");
    let id = Digest(key[16..48].try_into().expect("32 bytes"));
    (domain, id, u64::from_be_bytes(*key.last_chunk().expect("8 of 56 bytes")))
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes of a guest.
    Chunk = 1,
    /// A page of a manifest.
    Page = 2,
}

/// Where a frame lies in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Offset of the frame's header.
    pub(crate) offset: u64,
    /// Bytes behind the header.
    pub(crate) len: u32,
    /// Bytes they decode to.
    pub(crate) raw_len: u32,
    /// What it holds.
    pub(crate) kind: Kind,
    /// Whether it is compressed.
    pub(crate) zstd: bool,
    /// The number the next job would have had when it was condemned; zero if it is not.
    pub(crate) condemned: u64,
}

impl Place {
    pub(crate) const BYTES: usize = 25;

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut row = [0; Self::BYTES];
        row[..8].copy_from_slice(&self.offset.to_le_bytes());
        row[8..12].copy_from_slice(&self.len.to_le_bytes());
        row[12..16].copy_from_slice(&self.raw_len.to_le_bytes());
        row[16] = self.kind as u8 | u8::from(self.zstd) << 7;
        row[17..].copy_from_slice(&self.condemned.to_le_bytes());
        row
    }

    pub(crate) fn decode(row: &[u8; Self::BYTES]) -> Self {
        let word = |at: usize| u32::from_le_bytes(row[at..at + 4].try_into().expect("4 bytes"));
        let long = |at: usize| u64::from_le_bytes(row[at..at + 8].try_into().expect("8 bytes"));
        Self {
            offset: long(0),
            len: word(8),
            raw_len: word(12),
            kind: if row[16] & 0x7f == Kind::Page as u8 { Kind::Page } else { Kind::Chunk },
            zstd: row[16] >> 7 == 1,
            condemned: long(17),
        }
    }
}

/// A pack file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackRow {
    /// Whose chunks are in it.
    #[serde(with = "serde_bytes")]
    pub(crate) domain: Domain,
    /// The only job that sees it; none once it is settled.
    pub(crate) owner: Option<String>,
    /// Bytes of header and frames that are durable and recorded.
    pub(crate) data_bytes: u64,
    /// Bytes of the file once it is sealed.
    pub(crate) file_bytes: u64,
    /// Whether it has its footer and is never written again.
    pub(crate) sealed: bool,
    /// Whether it is to be removed; its rows in `chunks` may be gone already.
    pub(crate) doomed: bool,
}

/// A finished segment of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentRow {
    /// Its page, if it holds anything but zeros.
    pub(crate) page: Option<Digest>,
    /// Root of its cells.
    pub(crate) subtree: Digest,
    /// Bytes in blocks that are not zero.
    pub(crate) data_bytes: u64,
}

impl SegmentRow {
    pub(crate) const BYTES: usize = 73;

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let mut row = [0; Self::BYTES];
        if let Some(page) = &self.page {
            row[0] = 1;
            row[1..33].copy_from_slice(&page.0);
        }
        row[33..65].copy_from_slice(&self.subtree.0);
        row[65..].copy_from_slice(&self.data_bytes.to_le_bytes());
        row
    }

    pub(crate) fn decode(row: &[u8; Self::BYTES]) -> Self {
        let digest = |at: usize| Digest(row[at..at + 32].try_into().expect("32 bytes"));
        Self {
            page: (row[0] == 1).then(|| digest(1)),
            subtree: digest(33),
            data_bytes: u64::from_le_bytes(*row.last_chunk().expect("8 bytes")),
        }
    }
}

/// What a transfer without a file is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredSource {
    /// A disk in a store.
    Disk(domain::port::Place, StoredDisk),
    /// Zeros: so many bytes.
    Zeros(u64),
}

/// How far a job has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct JobRow {
    /// Its place in the order of beginnings.
    pub(crate) begun: u64,
    /// The attempt that wrote last.
    pub(crate) attempt: Option<Attempt>,
    /// Whether chunks it has looked up must stay: until it has ended.
    pub(crate) active: bool,
    /// A transfer's domain.
    #[serde(with = "serde_bytes")]
    pub(crate) domain: Domain,
    /// A transfer's source, as it was at the beginning, if that is a file.
    pub(crate) source: Option<Source>,
    /// A transfer's source that is no file.
    pub(crate) stored: Option<StoredSource>,
    /// How hard a transfer compresses; 0 until that is known.
    #[serde(default)]
    pub(crate) level: i32,
    /// Raw bytes of the chunks it stored.
    pub(crate) new_bytes: u64,
    /// Bytes of their frames.
    pub(crate) stored_bytes: u64,
    /// A finished transfer's answer.
    pub(crate) transferred: Option<Transferred>,
    /// The file an export, a put or a get makes, once it is whole: device, inode, length, time of
    /// change.
    pub(crate) exported: Option<(u64, u64, u64, i64)>,
    /// How far a put or a get has come.
    pub(crate) copied: Option<Copied>,
    /// What a collection did so far.
    pub(crate) collected: Collected,
    /// Whether the collection, the export, the put or the get has ended.
    pub(crate) done: bool,
}

/// How far the copy of a file has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copied {
    /// What is copied, as it was at the beginning.
    pub(crate) source: SourceIdentity,
    /// Device and inode of the partial file.
    pub(crate) partial: (u64, u64),
    /// So much of it is copied and synced, holes counted.
    pub(crate) durable_bytes: u64,
}

impl JobRow {
    /// Size of a transfer's disk; zero if it has no source yet.
    pub(crate) fn disk_bytes(&self) -> u64 {
        match (&self.source, &self.stored) {
            (Some(source), _) => source.disk_bytes,
            (None, Some(StoredSource::Disk(_, disk))) => disk.disk_bytes,
            (None, Some(StoredSource::Zeros(disk_bytes))) => *disk_bytes,
            (None, None) => 0,
        }
    }
}

/// The key of a job's row: jobs of different kinds do not meet.
pub(crate) fn job_key(kind: char, job: &str) -> String {
    format!("{kind}/{job}")
}
/// Transfers.
pub(crate) const TRANSFER: char = 't';
/// Exports.
pub(crate) const EXPORT: char = 'e';
/// Files into buckets.
pub(crate) const PUT: char = 'p';
/// Objects out of buckets.
pub(crate) const GET: char = 'g';
/// Collections.
pub(crate) const COLLECT: char = 'c';

/// Forgets the oldest of the jobs of a kind that have ended, beyond so many.
pub(crate) fn forget_old(tx: &WriteTransaction, kind: char, remembered: usize) -> Inside<()> {
    let mut jobs = tx.open_table(JOBS)?;
    let mut ended = Vec::new();
    let (from, to) = (format!("{kind}/"), format!("{kind}0"));
    for row in jobs.range(from.as_str()..to.as_str())? {
        let (key, row) = row?;
        let row: JobRow = decode(row.value())?;
        if row.done {
            ended.push((row.begun, key.value().to_owned()));
        }
    }
    ended.sort_unstable();
    let surplus = ended.len().saturating_sub(remembered);
    for (_, key) in &ended[..surplus] {
        jobs.remove(key.as_str())?;
    }
    Ok(())
}

/// Writes a row down.
pub(crate) fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(row).expect("rows are plain data")
}

/// Reads a row.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Inside<T> {
    rmp_serde::from_slice(bytes)
        .map_err(|error| redb::Error::Corrupted(format!("a row does not decode: {error}")))
}

/// A file that remembers whether it failed to sync.
#[derive(Debug)]
struct Watched {
    file: Arc<dyn File>,
    lost: Arc<AtomicBool>,
}

impl File for Watched {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync().inspect_err(|_| self.lost.store(true, Ordering::Relaxed))
    }

    fn identity(&self) -> io::Result<files::Identity> {
        self.file.identity()
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.file.next_data(from)
    }
}

/// Copies a database whose sync failed: every byte that is seen is written and synced anew.
pub(crate) fn rescue(files: &dyn Files, path: &Path) -> io::Result<()> {
    let new = path.with_file_name(crate::store::INDEX_FILE_NEW);
    crate::store::remove_if_there(files, &new)?;
    let (from, to) = (files.open(path, Open::Read)?, files.open(&new, Open::CreateNew)?);
    let len = from.identity()?.size_bytes;
    to.set_len(len)?;
    let mut bytes = vec![0; RESCUE_BYTES];
    let mut at = 0;
    while at < len
        && let Some(data) = from.next_data(at)?
    {
        let end = data.end.min(data.start + RESCUE_BYTES as u64).min(len);
        let part = &mut bytes[..usize::try_from(end - data.start).expect("at most the buffer")];
        from.read_at(data.start, part)?;
        to.write_at(data.start, part)?;
        at = end;
    }
    to.sync()?;
    files.rename(&new, path)?;
    files.sync_dir(path.parent().expect("an index lies in a store"))
}

/// Bytes copied at once.
const RESCUE_BYTES: usize = 1 << 20;

/// The database.
pub(crate) struct Index {
    db: Database,
    lost: Arc<AtomicBool>,
    region: String,
    broken: AtomicBool,
}

impl Index {
    /// Opens or makes the index in this file.
    pub(crate) fn open(file: Arc<dyn File>, cache_bytes: usize, region: &str) -> Result<Self> {
        let lost = Arc::new(AtomicBool::new(false));
        let watched = Arc::new(Watched { file, lost: Arc::clone(&lost) });
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes);
        let db = builder
            .create_with_backend(Backend::new(watched))
            .map_err(|error| failure(region, &error.into()))?;
        let index = Self { db, lost, region: region.to_owned(), broken: AtomicBool::new(false) };
        let missing = index.read(|tx| Ok(tx.open_table(COUNTERS).is_err()))?;
        if missing {
            index.write(|tx| {
                tx.open_table(CHUNKS)?;
                tx.open_table(FRAMES)?;
                tx.open_table(PACKS)?;
                tx.open_table(OWNED)?;
                tx.open_table(JOBS)?;
                tx.open_table(SEGMENTS)?;
                let mut counters = tx.open_table(COUNTERS)?;
                counters.insert(NEXT_PACK, 1)?;
                counters.insert(NEXT_JOB, 1)?;
                counters.insert(COUNTED, 1)?;
                Ok(())
            })?;
        }
        let older = index.read(|tx| Ok(tx.open_table(OBJECTS).is_err()))?;
        if older {
            index.write(|tx| {
                tx.open_table(OBJECTS)?;
                tx.open_table(UPLOADS)?;
                tx.open_table(PARTS)?;
                tx.open_table(APPENDING)?;
                Ok(())
            })?;
        }
        Ok(index)
    }

    /// Whether it has failed and has to be opened anew.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Whether what is seen of its file may not be what is durable.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Looks into the state as last committed.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&ReadTransaction) -> Inside<T>) -> Result<T> {
        let run = || look(&self.db.begin_read()?);
        run().map_err(|error| self.failed(&error))
    }

    /// Changes the state; durable when this returns.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&WriteTransaction) -> Inside<T>) -> Result<T> {
        let run = || {
            let tx = self.db.begin_write()?;
            let result = change(&tx)?;
            tx.commit()?;
            Ok(result)
        };
        run().map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &redb::Error) -> Failure {
        self.broken.store(true, Ordering::Relaxed);
        failure(&self.region, error)
    }
}

fn failure(region: &str, error: &redb::Error) -> Failure {
    match error {
        redb::Error::Io(below) => fault::io(format_args!("using the index of region `{region}`"), below),
        redb::Error::Corrupted(_) => {
            fault::corrupt(format_args!("the index of region `{region}` is damaged: {error}"))
        }
        other => Failure::world(format_args!("using the index of region `{region}`"), other),
    }
}

/// A job's row.
pub(crate) fn job_row(tx: &ReadTransaction, key: &str) -> Inside<Option<JobRow>> {
    match tx.open_table(JOBS)?.get(key)? {
        Some(row) => decode(row.value()).map(Some),
        None => Ok(None),
    }
}

/// A job's row, for changing it.
pub(crate) fn job_row_mut(tx: &WriteTransaction, key: &str) -> Inside<Option<JobRow>> {
    match tx.open_table(JOBS)?.get(key)? {
        Some(row) => decode(row.value()).map(Some),
        None => Ok(None),
    }
}

/// Writes a job's row.
pub(crate) fn put_job(tx: &WriteTransaction, key: &str, row: &JobRow) -> Inside<()> {
    tx.open_table(JOBS)?.insert(key, encode(row).as_slice())?;
    Ok(())
}

/// The row of a job that begins or goes on, with its place in the order.
pub(crate) fn begin_job(tx: &WriteTransaction, key: &str, attempt: Attempt) -> Inside<JobRow> {
    let mut row = if let Some(row) = job_row_mut(tx, key)? {
        row
    } else {
        let mut counters = tx.open_table(COUNTERS)?;
        let begun = counters.get(NEXT_JOB)?.map_or(1, |number| number.value());
        counters.insert(NEXT_JOB, begun + 1)?;
        JobRow { begun, active: true, ..JobRow::default() }
    };
    row.attempt = Some(attempt);
    put_job(tx, key, &row)?;
    Ok(row)
}
