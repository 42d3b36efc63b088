//! The redb file: what is in it, how it is opened, how a commit is written.
//!
//! | table | key | value |
//! |---|---|---|
//! | `log` | first sequence in the row | 32 bytes of chain hash, then records, about 4 KB in all |
//! | `rows` | `table 0 scope 0 part…` | one projection row |
//! | `work` | flow, path, name | working rows: attempts, saved states; neither history nor truth |
//! | `meta` | name | the head of the log, version of the fold, incarnation, moves of ended flows, journal entries had |
//! | `segments` | first sequence | a segment of the archive: what it holds, and the digest of its file |
//!
//! Values of `work`, `meta` and `segments`, which no chain and no fold can prove, begin with 8 bytes of check.
//! The log's older part is in the archive (`archive.rs`), and rows of flows that ended long ago are in a second
//! file (`ended.rs`); `tables.rs` is where they are read as one.
//!
//! What was acknowledged since the file was last on disk is in `kiln.journal` (`journal.rs`).
//!
//! Beside it stands `kiln.head`: 48 bytes that say how far the log had come when something was last
//! acknowledged. It is written after each commit and never synced: it survives the death of the
//! process, and after a power cut it lags, which is harmless, as it is only a lower bound. So a log
//! that lost an acknowledged event (redb's repair falls back to the commit before, if the last one
//! does not check out) is refused by name instead of going on as if nothing had been.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event::Seq;
use files::{Backend, File, Files, Open};
use redb::{Database, ReadableDatabase, TableDefinition, TableError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::Error;
use crate::advice::{advice_for, damaged, database_advice};
use crate::archive::Archive;
use crate::archiving::Chores;
use crate::chain::{self, Hash};
use crate::ended::{ENDED, EndedFile, EndedRows, Mark, Moved};
use crate::journal::{JOURNAL, Journal};
use crate::marks::Marks;
use crate::measure::{Measures, Timed};
use crate::queue::lock;
use crate::segment::Segment;
use crate::tables::Tables;
pub(crate) use crate::tables::{Snapshot, get_row, records_in};
use crate::witness;

pub(crate) const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
pub(crate) const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");
pub(crate) const WORK: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("work");
pub(crate) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
pub(crate) const SEGMENTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("segments");

pub(crate) const HEAD: &str = "head";
pub(crate) const FOLD: &str = "fold";
pub(crate) const INCARNATION: &str = "incarnation";
pub(crate) const ENDED_MARK: &str = "ended";
pub(crate) const TOLD: &str = "journal";

/// The database's file name in the data directory.
pub const DATABASE: &str = "kiln.redb";
/// The name of the file that says how far the log had come.
pub const WITNESS: &str = "kiln.head";
/// The name a database has until it is whole.
const UNBORN: &str = "kiln.redb.new";
/// redb's page cache at most; it grows with what is read. The inner pages of a log of ten million
/// rows fit with much of what is asked often, so that a question reads about one page from the file
/// for each row it wants, however many rows there are. A small log never fills it.
const CACHE_BYTES: usize = 512 << 20;

/// Where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The last record's place; 0 while there is none.
    pub(crate) seq: Seq,
    /// Its row's chain hash.
    pub(crate) hash: Hash,
    /// Its time.
    pub(crate) time_ms: i64,
}

/// Rows that are put, or removed, by key.
pub(crate) type Staged = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A set of changes that become durable together or not at all.
#[derive(Default)]
pub(crate) struct Changes {
    /// Log rows by first sequence.
    pub(crate) log: Vec<(u64, Vec<u8>)>,
    pub(crate) rows: Staged,
    pub(crate) work: Staged,
    pub(crate) head: Option<Head>,
    pub(crate) fold: Option<u32>,
    pub(crate) incarnation: Option<u64>,
    /// Up to which entry of the journal the database has them with this.
    pub(crate) told: Option<u64>,
    /// A segment that is named now, its rows forgotten; the rows in the second file, theirs as well.
    pub(crate) segment: Option<Segment>,
    pub(crate) moved: Option<Moved>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
            && self.rows.is_empty()
            && self.work.is_empty()
            && self.head.is_none()
            && self.fold.is_none()
            && self.incarnation.is_none()
            && self.told.is_none()
            && self.segment.is_none()
            && self.moved.is_none()
    }
}

/// The second file.
#[derive(Default)]
pub(crate) struct Second {
    /// What is seen of it: let go of before the file, which else would not be closed in order.
    pub(crate) rows: Option<EndedRows>,
    file: Option<EndedFile>,
    /// There should be one, and there is none that has what is forgotten here.
    pub(crate) is_lost: bool,
}

pub(crate) struct Store {
    /// Always there but while it is dropped.
    db: Option<Database>,
    /// What the database writes to.
    pub(crate) backend: Backend,
    pub(crate) witness: Arc<dyn File>,
    /// Always there but while it is opened.
    journal: Option<Journal>,
    /// What the journal has for whoever opens the log.
    untold: Mutex<Changes>,
    pub(crate) files: Arc<dyn Files>,
    path: PathBuf,
    /// The archive as of the last look.
    archive: Mutex<Archive>,
    pub(crate) second: Mutex<Second>,
    /// What has the log grow no larger than it has to, one at a time.
    pub(crate) chores: Arc<tokio::sync::Mutex<Chores>>,
    /// The view of the last commit, once somebody has looked; none while another is being made durable. Opening one
    /// costs as much as reading several rows, and a server looks several times to answer one question.
    shown: Mutex<Option<Snapshot>>,
    /// Which rows have changed since when.
    pub(crate) marks: Arc<Marks>,
    /// What it has done, in numbers.
    pub(crate) measures: Arc<Measures>,
    /// Dropped after the database is, which those who wait for it hear.
    here: watch::Sender<()>,
}

impl Store {
    /// Opens the log in `dir`, or begins one.
    pub(crate) fn open(reach: Arc<dyn Files>, dir: &Path) -> Result<Self, Error> {
        let (path, files) = (dir.join(DATABASE), &*reach);
        let fail = |why: String| Error::Open { path: path.clone(), why };
        let advise = |error: io::Error| fail(advice_for(&error, dir));
        files.create_dirs(dir).map_err(advise)?;
        let witness = files.open(&dir.join(WITNESS), Open::Create).map_err(advise)?;
        let acknowledged = witness::read(&*witness).map_err(advise)?;
        let size_bytes = match files.identity(&path) {
            Ok(identity) => Some(identity.size_bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(advise(error)),
        };
        if let (None | Some(0), Some((seq, _))) = (size_bytes, acknowledged) {
            return Err(Error::Behind { path, found: 0, acknowledged: seq.0 });
        }
        if size_bytes == Some(0) {
            return Err(fail(damaged(&"it is empty")));
        }
        let journal = files.open(&dir.join(JOURNAL), Open::Create).map_err(advise)?;
        if size_bytes.is_none() {
            // What a database left that is gone now.
            journal.set_len(0).map_err(advise)?;
        }
        let measures = Arc::<Measures>::default();
        // redb asserts where a damaged file breaks its invariants.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            if size_bytes.is_none() {
                begin(files, dir, &path)?;
                // The directory may be new itself, and then so is its name in the one above.
                for above in dir.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
                    match files.sync_dir(above) {
                        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                            return Err(error.into());
                        }
                        _ => {}
                    }
                }
            }
            database(files, &path, measures.clone())
        }));
        let (db, backend) = match opened {
            Ok(Ok(db)) => db,
            Ok(Err(error)) => return Err(fail(database_advice(&error, dir))),
            Err(_) => return Err(fail(damaged(&"it breaks the database's own invariants"))),
        };
        files.sync_dir(dir).map_err(advise)?;
        let journal = Timed { file: journal, measures: measures.clone() };
        let mut store = Self::of(db, backend, witness, reach, path, measures);
        catch_unwind(AssertUnwindSafe(|| {
            store.read_journal(Arc::new(journal), acknowledged)?;
            store.journal().forget_strangers().map_err(Error::read)?;
            if let Some(mark) = store.snapshot()?.ended_mark()? {
                store.open_second(mark)?;
            }
            store.check_end()?;
            store.check_witness(acknowledged)
        }))
        .unwrap_or_else(|_| Err(Error::read("the database's pages are damaged")))?;
        Ok(store)
    }

    /// Opens a log whose file may be damaged, to look at it: nothing about its end is checked.
    pub(crate) fn look(file: Arc<dyn File>, path: &Path, files: Arc<dyn Files>) -> Result<Self, Error> {
        let opened = database_in(file.clone());
        let (db, backend) =
            opened.map_err(|error| Error::Open { path: path.to_owned(), why: damaged(&error) })?;
        let mut store = Self::of(db, backend, file, files, path.to_owned(), Arc::default());
        match store.files.open(&store.dir().join(JOURNAL), Open::Read) {
            // What goes on from where the log ends is not known where that is damaged: whoever asks for it is told.
            Ok(_) if !store.knows_its_end()? => {}
            Ok(journal) => {
                store.read_journal(journal, None)?;
                store.put_durably(&store.untold()).map_err(|error| store.not_opened(&error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::read(error)),
        }
        Ok(store)
    }

    /// Whether what a journal goes on from can be read.
    fn knows_its_end(&self) -> Result<bool, Error> {
        let snapshot = self.snapshot()?;
        Ok(snapshot.head().is_ok() && snapshot.told().is_ok() && snapshot.incarnation().is_ok())
    }

    /// Opens the journal, and keeps what it has for whoever opens the log; it has to lead to what is said to have been
    /// acknowledged last.
    fn read_journal(
        &mut self,
        journal: Arc<dyn File>,
        acknowledged: Option<(Seq, Hash)>,
    ) -> Result<(), Error> {
        let snapshot = self.snapshot()?;
        let head = snapshot.head()?;
        let opened = Journal::open(journal, snapshot.told()?, snapshot.incarnation()?, head);
        let (journal, untold) = opened.map_err(Error::read)?;
        if let Some((seq, hash)) = acknowledged.filter(|(seq, _)| *seq > head.seq) {
            let path = self.path.clone();
            match untold.heads.iter().find(|head| head.seq >= seq) {
                Some(head) if (head.seq, head.hash) == (seq, hash) => {}
                Some(_) => return Err(Error::Other { path, seq: seq.0 }),
                None => {
                    let found = untold.heads.last().unwrap_or(&head).seq.0;
                    return Err(Error::Behind { path, found, acknowledged: seq.0 });
                }
            }
        }
        self.journal = Some(journal);
        *lock(&self.untold) = untold.changes;
        Ok(())
    }

    /// What was acknowledged and the database has to be told, without the rows it comes to.
    pub(crate) fn untold(&self) -> Changes {
        std::mem::take(&mut *lock(&self.untold))
    }

    fn of(
        db: Database,
        backend: Backend,
        witness: Arc<dyn File>,
        files: Arc<dyn Files>,
        path: PathBuf,
        measures: Arc<Measures>,
    ) -> Self {
        let archive = Archive::empty(files.clone(), path.parent().unwrap_or(Path::new("")));
        Self {
            db: Some(db),
            backend,
            witness,
            journal: None,
            untold: Mutex::default(),
            files,
            path,
            archive: Mutex::new(archive),
            second: Mutex::default(),
            chores: Arc::default(),
            shown: Mutex::default(),
            marks: Arc::default(),
            measures,
            here: watch::Sender::new(()),
        }
    }

    /// The data directory.
    pub(crate) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Opens the file with the rows of ended flows; one that is not the one it should be is none.
    fn open_second(&self, mark: Mark) -> Result<(), Error> {
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let Some(file) = EndedFile::open(&*self.files, self.dir(), mark)? else { return Ok(None) };
            let rows = file.rows()?;
            Ok::<_, redb::Error>(Some((file, rows)))
        }));
        let (file, rows) = match opened {
            Ok(Ok(opened)) => opened.unzip(),
            // The disk may be asked again, and the file be as it was; what is no database stays none.
            Ok(Err(redb::Error::Io(error)))
                if ![io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof].contains(&error.kind()) =>
            {
                return Err(self.not_opened(&redb::Error::Io(error)));
            }
            Ok(Err(_)) | Err(_) => (None, None),
        };
        let is_lost = rows.is_none();
        *lock(&self.second) = Second { rows, file, is_lost };
        self.show_anew();
        Ok(())
    }

    /// Whether rows of ended flows have to be made anew from the log.
    pub(crate) fn has_lost_rows(&self) -> bool {
        lock(&self.second).is_lost
    }

    /// Puts rows into the second file, which is begun if there is none, as the move after `mark`.
    pub(crate) fn move_rows(
        &self,
        rows: &[(Vec<u8>, Vec<u8>)],
        mark: Option<Mark>,
    ) -> Result<Moved, redb::Error> {
        let mut second = lock(&self.second);
        let file = match second.file.take() {
            Some(file) => file,
            // One that there was and that is not open any more met a fault: nothing is put in its place.
            None if mark.is_some() => return Err(redb::Error::Corrupted(format!("`{ENDED}` is closed"))),
            None => EndedFile::begin(&*self.files, self.dir())?.name(&*self.files, self.dir())?,
        };
        let mark = mark.unwrap_or_default().next();
        let moved = file.put(rows, mark).and_then(|()| file.rows());
        second.file = Some(file);
        let keys = rows.iter().map(|(key, _)| key.clone()).collect();
        Ok(Moved { keys, mark, rows: moved? })
    }

    /// Takes another second file, in place of the one there was.
    pub(crate) fn take_second(&self, file: EndedFile, mark: Mark) -> Result<Moved, redb::Error> {
        *lock(&self.second) = Second::default();
        self.show_anew();
        let file = file.name(&*self.files, self.dir())?;
        let rows = file.rows()?;
        lock(&self.second).file = Some(file);
        Ok(Moved { keys: Vec::new(), mark, rows })
    }

    /// Fails to see a change once the file is closed.
    pub(crate) fn closing(&self) -> watch::Receiver<()> {
        self.here.subscribe()
    }

    pub(crate) fn journal(&self) -> &Journal {
        self.journal.as_ref().expect("an open log has one")
    }

    pub(crate) fn db(&self) -> &Database {
        self.db.as_ref().expect("it is taken out only by drop")
    }

    /// The head has to be the end of the last row, or the next commit would write over events.
    fn check_end(&self) -> Result<(), Error> {
        let snapshot = self.snapshot()?;
        let head = snapshot.head()?;
        let fail = |what: String| Error::Open { path: self.path.clone(), why: damaged(&what) };
        let Some((first, row)) = snapshot.row_at(Seq(u64::MAX))? else {
            return if head.seq == Seq(0) && head.hash == chain::GENESIS {
                Ok(())
            } else {
                Err(fail(format!("its head is event {}, but it holds none", head.seq)))
            };
        };
        let records =
            chain::read(&row).map_err(|why| fail(format!("event {first} does not decode: {why}")))?;
        let last = chain::last_of(&records, first);
        if last != head.seq {
            return Err(fail(format!("its head is event {}, but its last is event {last}", head.seq)));
        }
        let before = match first {
            1 => chain::GENESIS,
            _ => snapshot.hash_before(first)?.unwrap_or_default(),
        };
        let hash = chain::link(&before, first, row.get(32..).unwrap_or_default());
        let time_ms = records.last().map_or(0, |record| record.time_ms);
        if hash != head.hash || chain::hash_of(&row) != Some(hash) || time_ms != head.time_ms {
            return Err(fail(format!("event {last}, or one beside it, is not the one its head says")));
        }
        Ok(())
    }

    fn check_witness(&self, acknowledged: Option<(Seq, Hash)>) -> Result<(), Error> {
        let head = self.snapshot()?.head()?;
        let Some((seq, hash)) = acknowledged else {
            return Ok(());
        };
        let path = self.path.clone();
        if head.seq < seq {
            // It is in the journal.
            return Ok(());
        }
        // The witness names the end of a commit, which is the end of a row.
        let snapshot = self.snapshot()?;
        let row = match snapshot.row_at(seq) {
            // It lagged behind the archive, as it may after a power cut; what is wrong there is for `verify` to say.
            Err(error) if seq <= snapshot.archive.end() => {
                tracing::warn!(%error, "the archive cannot be held against what was acknowledged");
                return Ok(());
            }
            row => row?,
        };
        match row {
            Some((_, row)) if chain::hash_of(&row) == Some(hash) => Ok(()),
            _ => Err(Error::Other { path, seq: seq.0 }),
        }
    }

    /// A view of everything as of the last commit.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Error> {
        // Held while a view is opened: one that is as of before a commit is never kept after it.
        let mut shown = self.shown();
        if let Some(shown) = &*shown {
            return Ok(shown.clone());
        }
        let txn = self.db().begin_read().map_err(Error::read)?;
        let tables = Tables {
            log: txn.open_table(LOG).map_err(Error::read)?,
            rows: txn.open_table(ROWS).map_err(Error::read)?,
            work: txn.open_table(WORK).map_err(Error::read)?,
            meta: txn.open_table(META).map_err(Error::read)?,
            marks: self.marks.clone(),
            commit: self.marks.commit(),
            archive: self.archive_of(&txn)?,
            ended: lock(&self.second).rows.clone(),
        };
        Ok(shown.insert(Snapshot::from(tables)).clone())
    }

    /// The archive as the database has it now.
    fn archive_of(&self, txn: &redb::ReadTransaction) -> Result<Archive, Error> {
        let mut archive = lock(&self.archive);
        match txn.open_table(SEGMENTS) {
            Err(TableError::TableDoesNotExist(_)) => Ok(archive.clone()),
            names => archive.now(names.map_err(Error::read)?),
        }
    }

    /// Whether the rows of a table and scope are now what they were as of a commit.
    pub(crate) fn is_unchanged(&self, prefix: &[u8], since: u64) -> bool {
        self.marks.is_unchanged(prefix, since)
    }

    pub(crate) fn shown(&self) -> MutexGuard<'_, Option<Snapshot>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the view of the last commit, which keeps pages in the file that nobody else needs.
    pub(crate) fn show_anew(&self) {
        *self.shown() = None;
    }

    /// What to say of a commit that failed while opening.
    pub(crate) fn not_opened(&self, error: &redb::Error) -> Error {
        let dir = self.path.parent().unwrap_or(&self.path);
        Error::Open { path: self.path.clone(), why: database_advice(error, dir) }
    }

    /// Changes the tables behind everybody's back.
    #[cfg(test)]
    pub(crate) fn tamper(&self, change: impl FnOnce(&redb::WriteTransaction)) {
        let txn = self.db().begin_write().expect("the database writes");
        change(&txn);
        txn.commit().expect("the database commits");
        self.show_anew();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.show_anew();
        let db = (self.db.take(), std::mem::take(&mut *lock(&self.second)));
        // Closing writes as well, and in a damaged file meets redb's assertions; whatever it could
        // not write, the next opening repairs.
        if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
            tracing::warn!(path = %self.path.display(), "the log could not be closed in order");
        }
    }
}

fn database(
    files: &dyn Files,
    path: &Path,
    measures: Arc<Measures>,
) -> Result<(Database, Backend), redb::Error> {
    let file = files.open(path, Open::Write).map_err(redb::Error::Io)?;
    database_in(Arc::new(Timed { file, measures }))
}

fn database_in(file: Arc<dyn File>) -> Result<(Database, Backend), redb::Error> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let backend = Backend::new(file);
    Ok((builder.create_with_backend(backend.clone())?, backend))
}

/// Makes an empty log. Under another name at first: a database whose making was cut short is not
/// one that redb opens.
fn begin(files: &dyn Files, dir: &Path, path: &Path) -> Result<(), redb::Error> {
    let unborn = dir.join(UNBORN);
    remove_if_there(files, &unborn).map_err(redb::Error::Io)?;
    files.open(&unborn, Open::CreateNew).map_err(redb::Error::Io)?;
    let (db, _) = database(files, &unborn, Arc::default())?;
    let txn = db.begin_write()?;
    txn.open_table(LOG)?;
    txn.open_table(ROWS)?;
    txn.open_table(WORK)?;
    txn.open_table(META)?;
    txn.commit()?;
    drop(db);
    files.open(&unborn, Open::Write).and_then(|file| file.sync()).map_err(redb::Error::Io)?;
    files.rename(&unborn, path).map_err(redb::Error::Io)?;
    files.sync_dir(dir).map_err(redb::Error::Io)
}

/// Removes a file; fine if there is none.
pub(crate) fn remove_if_there(files: &dyn Files, path: &Path) -> io::Result<()> {
    match files.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
