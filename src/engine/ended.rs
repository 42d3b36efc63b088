//! A second file for what never changes again: the rows of flows that have ended, and the lists they are in.
//!
//! | table | key | value |
//! |---|---|---|
//! | `rows` | as in the log's database | a projection row that will never be another |
//! | `meta` | `mark` | which file it is, and how many moves there were |
//!
//! A flow's row, the request that began it and the blocks of lists whose flows have all ended are what grows with
//! history. When the records of such a flow have gone into the archive they go into this file, which is written
//! seldom and always with its allocator's state: it opens at once after a kill, however large it is, while the
//! log's own database, which a kill may leave to be repaired, stays small.
//!
//! ```text
//!  rows of ended flows ──commit here, synced──▶ kiln.ended.redb ──then──▶ one commit there forgets them
//! ```
//!
//! Between the two they are in both, and are the same. The log's database says how many moves it has forgotten
//! rows by; a file that has fewer, another or none is found out at opening, and made anew from the log: like every
//! projection it holds no truth.

use std::path::Path;
use std::sync::Arc;

use event::FlowId;
use files::{Backend, Files, Open};
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase};
use serde::{Deserialize, Serialize};

use crate::index;
use crate::seal::{seal, unseal};
use crate::store::{META, ROWS, remove_if_there};

/// The name of the second file in the data directory.
pub const ENDED: &str = "kiln.ended.redb";
/// Its name until it is whole.
const UNBORN: &str = "kiln.ended.redb.new";
const MARK: &str = "mark";
/// Its page cache: the rows of some ten thousand flows that lie far apart, a page each. Pages of what a million flows
/// have in common are turned out of memory, and a rebuild, which reads all of it, stays within 300 MiB.
const CACHE_BYTES: usize = 64 << 20;

/// What all rows begin with that are ever in this file, in the order of their keys.
pub(crate) const TABLES: [&[u8]; 3] = [b"flow\0", index::TABLE, b"request\0"];

/// Whether rows whose keys begin so may be in this file.
pub(crate) fn may_hold(prefix: &[u8]) -> bool {
    TABLES.iter().any(|table| prefix.starts_with(table) || table.starts_with(prefix))
}

/// Which file it is, and how many moves it has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// A file that is made anew has another.
    pub(crate) generation: u64,
    pub(crate) moves: u64,
}

impl Mark {
    pub(crate) fn next(self) -> Self {
        Self { moves: self.moves + 1, ..self }
    }

    /// Whether the file with `found` has all that the log's database has forgotten by this.
    fn is_kept_by(self, found: Self) -> bool {
        // One move more is one that was cut short.
        self.generation == found.generation && (found == self || found == self.next())
    }
}

/// The rows of the file, as of one move.
pub(crate) type EndedRows = Arc<ReadOnlyTable<&'static [u8], &'static [u8]>>;

/// Rows that have been written here, and are to be forgotten there.
#[derive(Clone)]
pub(crate) struct Moved {
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) mark: Mark,
    pub(crate) rows: EndedRows,
}

/// The open file.
pub(crate) struct EndedFile {
    db: Database,
}

impl EndedFile {
    /// Makes an empty one under another name, to be filled.
    pub(crate) fn begin(files: &dyn Files, dir: &Path) -> Result<Self, redb::Error> {
        let path = dir.join(UNBORN);
        remove_if_there(files, &path).map_err(redb::Error::Io)?;
        let file = files.open(&path, Open::CreateNew).map_err(redb::Error::Io)?;
        let db = database(file)?;
        let txn = db.begin_write()?;
        txn.open_table(ROWS)?;
        txn.open_table(META)?;
        txn.commit()?;
        Ok(Self { db })
    }

    /// Gives one that is filled its name, durably, in place of what had it.
    pub(crate) fn name(self, files: &dyn Files, dir: &Path) -> Result<Self, redb::Error> {
        drop(self.db);
        let (path, unborn) = (dir.join(ENDED), dir.join(UNBORN));
        files.open(&unborn, Open::Write).and_then(|file| file.sync()).map_err(redb::Error::Io)?;
        files.rename(&unborn, &path).map_err(redb::Error::Io)?;
        files.sync_dir(dir).map_err(redb::Error::Io)?;
        Ok(Self { db: database(files.open(&path, Open::Write).map_err(redb::Error::Io)?)? })
    }

    /// Opens the file that has what the log's database has forgotten; none if there is no such file.
    pub(crate) fn open(files: &dyn Files, dir: &Path, mark: Mark) -> Result<Option<Self>, redb::Error> {
        let file = match files.open(&dir.join(ENDED), Open::Write) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(redb::Error::Io)?,
        };
        let opened = Self { db: database(file)? };
        Ok(opened.mark()?.is_some_and(|found| mark.is_kept_by(found)).then_some(opened))
    }

    fn mark(&self) -> Result<Option<Mark>, redb::Error> {
        let meta = self.db.begin_read()?.open_table(META)?;
        let sealed = meta.get(MARK)?;
        let bytes = sealed.and_then(|sealed| unseal(MARK.as_bytes(), sealed.value()).ok());
        Ok(bytes.and_then(|bytes| rmp_serde::from_slice(&bytes).ok()))
    }

    /// Puts rows that are not durable before the next [`EndedFile::put`] is.
    pub(crate) fn fill(&self, rows: &[(Vec<u8>, Vec<u8>)]) -> Result<(), redb::Error> {
        let mut txn = self.db.begin_write()?;
        txn.set_durability(Durability::None)?;
        insert(&txn, rows)?;
        Ok(txn.commit()?)
    }

    /// Puts rows, durably, so that the file opens at once after a kill.
    pub(crate) fn put(&self, rows: &[(Vec<u8>, Vec<u8>)], mark: Mark) -> Result<(), redb::Error> {
        let mut txn = self.db.begin_write()?;
        txn.set_quick_repair(true);
        insert(&txn, rows)?;
        let bytes = rmp_serde::to_vec_named(&mark).expect("a mark is plain data");
        txn.open_table(META)?.insert(MARK, seal(MARK.as_bytes(), &bytes).as_slice())?;
        Ok(txn.commit()?)
    }

    /// The rows as of now.
    pub(crate) fn rows(&self) -> Result<EndedRows, redb::Error> {
        Ok(Arc::new(self.db.begin_read()?.open_table(ROWS)?))
    }
}

impl std::fmt::Debug for EndedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EndedFile")
    }
}

fn database(file: Arc<dyn files::File>) -> Result<Database, redb::Error> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    Ok(builder.create_with_backend(Backend::new(file))?)
}

fn insert(txn: &redb::WriteTransaction, rows: &[(Vec<u8>, Vec<u8>)]) -> Result<(), redb::Error> {
    let mut table = txn.open_table(ROWS)?;
    for (key, value) in rows {
        table.insert(key.as_slice(), value.as_slice())?;
    }
    Ok(())
}

/// A flow's id in a row that says which flow a request began.
pub(crate) fn begun_by(value: &[u8]) -> Option<FlowId> {
    rmp_serde::from_slice(value).ok()
}
