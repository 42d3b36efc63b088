//! How a file of a job comes to its place: written beside it, given its name when whole and durable.
//!
//! ```text
//! on this computer   DIR/.NAME.JOB.kiln-partial           ─▶ DIR/NAME
//! in a bucket        buckets/BUCKET/.partial/DIGEST       ─▶ buckets/BUCKET/a%/b%/c
//!
//! written, synced, its identity noted in the index
//!     ─▶ linked (or, to replace, renamed) to its name, directories synced
//!     ─▶ partial name removed, the job done in the index
//! ```
//!
//! The identity in the index is how a second run, or an undo, knows a file as this job's own. The
//! job's row is there before its partial file and goes after it: a partial file without an
//! unfinished job is a leftover.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

use domain::port::{Job, Location};
use event::{Attempt, Failure, Refusal};
use files::{File, Files, Kind, Open};

use crate::bucket::{Bucket, PARTIAL_DIR, is_missing, object_exists, partial_name};
use crate::fault::{self, Result};
use crate::fence::{Turn, fenced};
use crate::index::{JOBS, JobRow, begin_job, forget_old, job_key, job_row, job_row_mut, put_job};
use crate::known::{self, ObjectState};
use crate::store::{Store, remove_if_there};

/// The longest name most file systems take.
const NAME_BYTES_MAX: usize = 255;
/// Finished jobs of a kind remembered, so that a second run of the step knows its file: far more
/// than steps that can have ended without that being in the log.
const JOBS_REMEMBERED: usize = 4096;

/// A file's identity as the index keeps it: device, inode, length, time of change.
pub(crate) type Seen = (u64, u64, u64, i64);

/// What stands at a path.
pub(crate) fn seen(files: &dyn Files, path: &Path) -> Result<Option<(Seen, Kind)>> {
    match files.identity(path) {
        Ok(found) => {
            let seen = (found.device, found.inode, found.size_bytes, found.modified_ns);
            Ok(Some((seen, found.kind)))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(fault::io(format_args!("looking at `{}`", path.display()), &error)),
    }
}

/// The place of a job's file; see above.
pub(crate) struct Landing<'a> {
    files: &'a dyn Files,
    kind: char,
    /// The job's key in the index.
    pub(crate) key: String,
    at: &'a Location,
    replace: bool,
    path: PathBuf,
    pub(crate) temporary: PathBuf,
    bucket: Option<Bucket<'a>>,
}

/// An attempt to bring a file to its place.
pub(crate) struct Descent<'a> {
    /// Whose index remembers the job.
    pub(crate) store: &'a Store,
    pub(crate) turn: &'a Turn<'a>,
    pub(crate) attempt: Attempt,
}

impl<'a> Landing<'a> {
    /// The place of a job's file on this computer.
    pub(crate) fn file(
        files: &'a dyn Files,
        kind: char,
        job: &Job,
        at: &'a Location,
        replace: bool,
    ) -> Result<Self> {
        let path = Path::new(&at.path);
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Refusal::new("InvalidTarget.NotFound", format!("`{at}` names no file"))
                .advise("give the path of the file to be made")
                .into());
        };
        let mut temporary = format!(".{}.{}.kiln-partial", name.to_string_lossy(), job.0.replace('/', "-"));
        if temporary.len() > NAME_BYTES_MAX {
            let digest = blake3::hash(temporary.as_bytes()).to_hex();
            temporary = format!(".{}.kiln-partial", &digest[..32]);
        }
        let (path, temporary) = (path.to_owned(), dir.join(temporary));
        let key = job_key(kind, &job.0);
        Ok(Self { files, kind, key, at, replace, path, temporary, bucket: None })
    }

    /// The place of a job's object in a bucket of this store.
    pub(crate) fn object(
        store: &'a Store,
        kind: char,
        job: &Job,
        at: &'a Location,
        replace: bool,
    ) -> Result<Self> {
        let Some(bucket) = &at.bucket else {
            return Err(Failure::Ours(format!("`{at}` should be in a bucket")));
        };
        let bucket = Bucket::new(store, bucket)?;
        let key = job_key(kind, &job.0);
        let path = bucket.file(&at.path)?;
        let temporary = bucket.dir.join(PARTIAL_DIR).join(partial_name(&key));
        Ok(Self { files: &*store.files, kind, key, at, replace, path, temporary, bucket: Some(bucket) })
    }

    fn say(&self, doing: &str) -> impl Fn(io::Error) -> Failure {
        let attempted = format!("{doing} `{}`", self.at);
        move |error| fault::io(&attempted, &error)
    }

    /// Fails if so much more would leave too little room. Only stores keep room free.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<()> {
        self.bucket.as_ref().map_or(Ok(()), |bucket| bucket.store.check_room(bytes))
    }

    /// Fails unless the directory, or the bucket, is there.
    fn require(&self) -> Result<()> {
        if let Some(bucket) = &self.bucket {
            return bucket.require();
        }
        let dir = self.path.parent().unwrap_or(&self.path);
        if matches!(seen(self.files, dir)?, Some((_, Kind::Directory))) {
            return Ok(());
        }
        Err(Refusal::new("InvalidTarget.NotFound", format!("there is no directory `{}`", dir.display()))
            .advise("make the directory first, or export to another")
            .into())
    }

    fn refuse_taken(&self, there: Option<Kind>) -> Result<()> {
        match there {
            None => Ok(()),
            Some(Kind::File) if self.replace => Ok(()),
            Some(_) if self.bucket.is_some() => Err(object_exists(self.at)),
            Some(_) => Err(Refusal::new("InvalidTarget.Exists", format!("`{}` exists already", self.at))
                .advise("export under another name, or remove it first")
                .into()),
        }
    }

    /// Begins the partial file anew.
    pub(crate) fn begin(&self) -> Result<Arc<dyn File>> {
        let _lock = self.lock()?;
        if let Some(bucket) = &self.bucket {
            bucket.require()?;
            self.files.create_dirs(&bucket.dir.join(PARTIAL_DIR)).map_err(self.say("writing"))?;
        }
        remove_if_there(self.files, &self.temporary).map_err(self.say("writing"))?;
        self.files.open(&self.temporary, Open::CreateNew).map_err(self.say("writing"))
    }

    /// Opens the partial file of an earlier attempt, if it is the one with this device and inode.
    pub(crate) fn go_on(&self, partial: (u64, u64)) -> Result<Option<Arc<dyn File>>> {
        if seen(self.files, &self.temporary)?
            .is_none_or(|((device, inode, ..), _)| (device, inode) != partial)
        {
            return Ok(None);
        }
        self.files.open(&self.temporary, Open::Write).map(Some).map_err(self.say("writing"))
    }

    /// Makes the partial file's name durable.
    pub(crate) fn sync_partial_name(&self) -> Result<()> {
        self.sync_names(&self.temporary).map_err(self.say("writing"))
    }

    fn sync_names(&self, path: &Path) -> io::Result<()> {
        match &self.bucket {
            Some(bucket) => bucket.sync_above(path),
            None => self.files.sync_dir(path.parent().unwrap_or(path)),
        }
    }

    /// Notes in the index that the partial file is whole, synced, and this job's own.
    pub(crate) fn note_whole(&self, store: &Store) -> Result<()> {
        let own = seen(self.files, &self.temporary)?.map(|(seen, _)| seen);
        store.index.write(|tx| {
            if let Some(row) = job_row_mut(tx, &self.key)? {
                put_job(tx, &self.key, &JobRow { exported: own, ..row })?;
            }
            Ok(())
        })
    }

    /// Brings the file to its place: `write` makes the partial file whole, syncs it and notes it,
    /// unless an earlier attempt has. Gives the identity of the file.
    pub(crate) fn land(
        &self,
        descent: &Descent<'_>,
        write: impl FnOnce(&JobRow) -> Result<()>,
    ) -> Result<Seen> {
        self.require()?;
        let (index, attempt) = (&descent.store.index, descent.attempt);
        let row = index.write(|tx| match job_row_mut(tx, &self.key)? {
            Some(old) if old.attempt > Some(attempt) => Ok(old),
            Some(old) => {
                let row = JobRow { attempt: Some(attempt), ..old };
                put_job(tx, &self.key, &row)?;
                Ok(row)
            }
            None => begin_job(tx, &self.key, attempt),
        })?;
        if row.attempt > Some(attempt) {
            return Err(fenced(&self.key));
        }
        let there = seen(self.files, &self.path)?;
        let ours = row.exported.is_some_and(|own| there.is_some_and(|(there, _)| there == own));
        if !ours {
            self.refuse_taken(there.map(|(_, kind)| kind))?;
            let written = seen(self.files, &self.temporary)?.map(|(seen, _)| seen);
            if row.exported.is_none() || written != row.exported {
                index.write(|tx| {
                    if let Some(row) = job_row_mut(tx, &self.key)? {
                        let row = JobRow { exported: None, active: true, done: false, ..row };
                        put_job(tx, &self.key, &row)?;
                    }
                    Ok(())
                })?;
                write(&row)?;
            }
            descent.turn.check()?;
        }
        {
            let _lock = self.lock()?;
            if !ours {
                self.publish()?;
            }
            self.sync_names(&self.path).map_err(self.say("naming"))?;
        }
        self.tidy()?;
        let own = index.write(|tx| {
            let Some(row) = job_row_mut(tx, &self.key)? else { return Ok(None) };
            let own = row.exported;
            put_job(tx, &self.key, &JobRow { active: false, done: true, ..row })?;
            forget_old(tx, self.kind, JOBS_REMEMBERED)?;
            Ok(own)
        })?;
        own.ok_or_else(|| Failure::Ours(format!("the row of `{}` is gone", self.key)))
    }

    /// The right to change names where it lands; on this computer nobody has to ask for it.
    fn lock(&self) -> Result<Option<MutexGuard<'_, ()>>> {
        self.bucket.as_ref().map(Bucket::lock).transpose()
    }

    fn publish(&self) -> Result<()> {
        if let Some(bucket) = &self.bucket {
            bucket.require()?;
            let dir = self.path.parent().unwrap_or(&bucket.dir);
            self.note_known(bucket)?;
            self.files.create_dirs(dir).map_err(self.say("naming"))?;
        }
        if self.replace {
            return self.files.rename(&self.temporary, &self.path).map_err(self.say("naming"));
        }
        match self.files.link(&self.temporary, &self.path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.refuse_taken(Some(Kind::File)),
            // A file system without links: looking first is the best there is.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) =>
            {
                self.refuse_taken(seen(self.files, &self.path)?.map(|(_, kind)| kind))?;
                self.files.rename(&self.temporary, &self.path).map_err(self.say("naming"))
            }
            Err(error) => Err(self.say("naming")(error)),
        }
    }

    /// Lets lists find the object; nothing more is known of it.
    fn note_known(&self, bucket: &Bucket<'_>) -> Result<()> {
        let Some((coming, _)) = seen(self.files, &self.temporary)? else { return Ok(()) };
        let there = bucket.object(self.at)?;
        let key = self.at.path.as_str();
        bucket
            .store
            .index
            .write(|tx| known::expect(tx, bucket.name(), key, there.as_ref(), ObjectState::bare(coming)))
    }

    /// Removes the partial file's name, durably.
    fn tidy(&self) -> Result<()> {
        let _lock = self.lock()?;
        remove_if_there(self.files, &self.temporary).map_err(self.say("naming"))?;
        self.sync_after_removal().map_err(self.say("naming"))
    }

    /// Undoes a landing. A place that cannot be, by its name, is where nothing was done.
    pub(crate) fn undo(landing: Result<Self>, stores: &[Arc<Store>]) -> Result<()> {
        match landing {
            Ok(landing) => landing.discard(stores),
            Err(Failure::Caller(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Undoes what the job did: its partial file goes, and the file itself if the job made it, then
    /// what the indexes of these stores remember of it.
    fn discard(&self, stores: &[Arc<Store>]) -> Result<()> {
        let _lock = self.lock()?;
        let mut own: Vec<Seen> =
            seen(self.files, &self.temporary)?.map(|(seen, _)| seen).into_iter().collect();
        for store in stores {
            own.extend(store.index.read(|tx| job_row(tx, &self.key))?.and_then(|row| row.exported));
        }
        let dir = self.path.parent().unwrap_or(&self.path);
        if self.bucket.is_some() || seen(self.files, dir)?.is_some() {
            self.remove_own(&own).map_err(self.say("removing"))?;
        }
        for store in stores {
            if store.index.read(|tx| job_row(tx, &self.key))?.is_some() {
                store.index.write(|tx| Ok(tx.open_table(JOBS)?.remove(self.key.as_str())?.map(drop)))?;
            }
        }
        Ok(())
    }

    fn remove_own(&self, own: &[Seen]) -> io::Result<()> {
        let there = match self.files.identity(&self.path) {
            Err(error) if is_missing(&error) => None,
            found => Some(found?),
        };
        let there = there.map(|found| (found.device, found.inode, found.size_bytes, found.modified_ns));
        if there.is_some_and(|there| own.contains(&there)) {
            self.files.remove(&self.path)?;
        }
        if let Some(bucket) = &self.bucket {
            bucket.prune_above(&self.path)?;
        }
        remove_if_there(self.files, &self.temporary)?;
        self.sync_after_removal()
    }

    fn sync_after_removal(&self) -> io::Result<()> {
        match &self.bucket {
            Some(bucket) => bucket.prune_above(&self.temporary),
            None => self.sync_names(&self.temporary),
        }
    }
}
