//! A stored disk into a file: written beside its place, given its name when whole and durable.
//!
//! ```text
//! .NAME.JOB.kiln-partial  →  written, synced, its identity noted in the index
//!                         →  linked (or, to replace, renamed) to NAME, directory synced
//!                         →  removed
//! ```
//!
//! The identity in the index is how a second run, or an undo, knows a file as this job's own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use domain::port::{Format, Job, StoredDisk, Target};
use event::{Failure, Refusal, Work};
use files::{Files, Kind, Open};
use redb::ReadableTable;

use crate::fault::{self, Result};
use crate::fence::{Turn, fenced};
use crate::grid::segment_begin;
use crate::index::{
    Domain, EXPORT, Inside, JOBS, JobRow, begin_job, decode, job_key, job_row, job_row_mut, put_job,
};
use crate::manifest::ChunkRef;
use crate::segment::{Segment, stretch};
use crate::store::{Store, remove_if_there};
use crate::walk::Walk;

/// What sinks want their pieces to be multiples of.
const PIECE_BYTES: usize = 64 << 10;
/// Written bytes after which the disk is set to work on them, so that little is left for the end.
const FLUSH_BYTES: u64 = 64 << 20;
/// The longest name most file systems take.
const NAME_BYTES_MAX: usize = 255;
/// Finished exports remembered, so that a second run of the step knows its file: far more than
/// steps that can have ended without that being in the log.
const EXPORTS_REMEMBERED: usize = 4096;

/// One attempt at an export.
pub(crate) struct Export<'a> {
    pub(crate) store: &'a Store,
    pub(crate) domain: Domain,
    pub(crate) job: &'a Job,
    pub(crate) disk: &'a StoredDisk,
    pub(crate) target: &'a Target,
    pub(crate) work: &'a dyn Work,
    pub(crate) turn: &'a Turn<'a>,
}

/// A file's identity as the index keeps it.
type Seen = (u64, u64, u64, i64);

fn seen(files: &dyn Files, path: &Path) -> Result<Option<(Seen, Kind)>> {
    match files.identity(path) {
        Ok(found) => {
            let seen = (found.device, found.inode, found.size_bytes, found.modified_ns);
            Ok(Some((seen, found.kind)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault::io(format_args!("looking at `{}`", path.display()), &error)),
    }
}

/// Where the file is while it is written.
fn partial(job: &Job, target: &Target) -> Result<(PathBuf, PathBuf)> {
    let path = Path::new(&target.at.path);
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Refusal::new("InvalidTarget.NotFound", format!("`{}` names no file", target.at.path))
            .advise("give the path of the file to be made")
            .into());
    };
    let mut temporary = format!(".{}.{}.kiln-partial", name.to_string_lossy(), job.0.replace('/', "-"));
    if temporary.len() > NAME_BYTES_MAX {
        let digest = blake3::hash(temporary.as_bytes()).to_hex();
        temporary = format!(".{}.kiln-partial", &digest[..32]);
    }
    Ok((dir.to_owned(), dir.join(temporary)))
}

impl Export<'_> {
    fn say<'a>(&'a self, doing: &'a str) -> impl Fn(io::Error) -> Failure + 'a {
        move |error| fault::io(format_args!("{doing} `{}`", self.target.at.path), &error)
    }

    /// Runs to the end, or finds that an earlier attempt has.
    pub(crate) fn run(&self) -> Result<()> {
        let files = &*self.store.files;
        let path = Path::new(&self.target.at.path);
        let (dir, temporary) = partial(self.job, self.target)?;
        if !matches!(seen(files, &dir)?, Some((_, Kind::Directory))) {
            return Err(Refusal::new(
                "InvalidTarget.NotFound",
                format!("there is no directory `{}`", dir.display()),
            )
            .advise("make the directory first, or export to another")
            .into());
        }
        let key = job_key(EXPORT, &self.job.0);
        let attempt = self.work.attempt();
        let row = self.store.index.write(|tx| match job_row_mut(tx, &key)? {
            Some(old) if old.attempt > Some(attempt) => Ok(old),
            Some(old) => {
                let row = JobRow { attempt: Some(attempt), ..old };
                put_job(tx, &key, &row)?;
                Ok(row)
            }
            None => begin_job(tx, &key, attempt),
        })?;
        if row.attempt > Some(attempt) {
            return Err(fenced(&self.job.0));
        }
        let there = seen(files, path)?;
        let ours = row.exported.is_some_and(|own| there.is_some_and(|(there, _)| there == own));
        if !ours {
            self.refuse_taken(there.map(|(_, kind)| kind))?;
            let written = seen(files, &temporary)?.map(|(seen, _)| seen);
            if row.exported.is_none() || written != row.exported {
                self.write(&dir, &temporary, &key)?;
            }
            self.turn.check()?;
            self.publish(path, &temporary)?;
            files.sync_dir(&dir).map_err(self.say("naming"))?;
        }
        remove_if_there(files, &temporary).map_err(self.say("naming"))?;
        files.sync_dir(&dir).map_err(self.say("naming"))?;
        self.store.index.write(|tx| {
            if let Some(row) = job_row_mut(tx, &key)? {
                put_job(tx, &key, &JobRow { active: false, done: true, ..row })?;
            }
            forget_old(tx)
        })
    }

    fn refuse_taken(&self, there: Option<Kind>) -> Result<()> {
        match there {
            None => Ok(()),
            Some(Kind::File) if self.target.replace => Ok(()),
            Some(_) => {
                Err(Refusal::new("InvalidTarget.Exists", format!("`{}` exists already", self.target.at.path))
                    .advise("export under another name, or remove it first")
                    .into())
            }
        }
    }

    /// Writes the partial file, makes it durable, and notes that it is ours.
    fn write(&self, dir: &Path, temporary: &Path, key: &str) -> Result<()> {
        let files = &*self.store.files;
        self.store.index.write(|tx| {
            if let Some(row) = job_row_mut(tx, key)? {
                put_job(tx, key, &JobRow { exported: None, active: true, done: false, ..row })?;
            }
            Ok(())
        })?;
        remove_if_there(files, temporary).map_err(self.say("writing"))?;
        let file = files.open(temporary, Open::CreateNew).map_err(self.say("writing"))?;
        let Target { format, compression, .. } = self.target;
        let say = |error| fault::disk(format_args!("writing `{}`", self.target.at.path), error);
        let sink =
            disk::create(Arc::clone(&file), *format, *compression, self.disk.disk_bytes).map_err(say)?;
        let walk = Walk {
            store: self.store,
            domain: self.domain,
            disk: self.disk,
            work: self.work,
            turn: self.turn,
            doing: match format {
                Format::Raw => "exporting to raw",
                Format::Qcow2 => "exporting to qcow2",
                Format::Vhd => "exporting to vhd",
            },
            thorough: false,
        };
        let written = AtomicU64::new(0);
        let (ask, asked) = sync_channel(1);
        std::thread::scope(|scope| {
            let syncing = scope.spawn(move || asked.iter().try_for_each(|()| file.sync()));
            let walked = walk.run(&|number, segment: &Segment, chunks: &[ChunkRef]| {
                for piece in pieces(chunks, segment.bytes().len()) {
                    let (at, len) = (piece.start as u64, piece.len() as u64);
                    sink.write_at(segment_begin(number) + at, &segment.bytes()[piece]).map_err(say)?;
                    let before = written.fetch_add(len, Ordering::Relaxed);
                    if before / FLUSH_BYTES != (before + len) / FLUSH_BYTES {
                        // One that waits already will see to these bytes too.
                        let _ = ask.try_send(());
                    }
                }
                Ok(())
            });
            drop(ask);
            let flushed = syncing.join().expect("syncing does not panic");
            walked.and(flushed.map_err(self.say("syncing")))
        })?;
        sink.finish().map_err(say)?;
        files.sync_dir(dir).map_err(self.say("writing"))?;
        let own = seen(files, temporary)?.map(|(seen, _)| seen);
        self.store.index.write(|tx| {
            if let Some(row) = job_row_mut(tx, key)? {
                put_job(tx, key, &JobRow { exported: own, ..row })?;
            }
            Ok(())
        })
    }

    fn publish(&self, path: &Path, temporary: &Path) -> Result<()> {
        let files = &*self.store.files;
        if self.target.replace {
            return files.rename(temporary, path).map_err(self.say("naming"));
        }
        match files.link(temporary, path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.refuse_taken(Some(Kind::File)),
            // A file system without links: looking first is the best there is.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) =>
            {
                self.refuse_taken(seen(files, path)?.map(|(_, kind)| kind))?;
                files.rename(temporary, path).map_err(self.say("naming"))
            }
            Err(error) => Err(self.say("naming")(error)),
        }
    }
}

/// The pieces of a segment that chunks touch, on the grid of sinks, neighbours joined.
fn pieces(chunks: &[ChunkRef], len: usize) -> Vec<std::ops::Range<usize>> {
    let mut pieces: Vec<std::ops::Range<usize>> = Vec::new();
    for chunk in chunks.iter().map(stretch) {
        let begin = chunk.start / PIECE_BYTES * PIECE_BYTES;
        let end = chunk.end.next_multiple_of(PIECE_BYTES).min(len);
        match pieces.last_mut() {
            Some(last) if begin <= last.end => last.end = last.end.max(end),
            _ => pieces.push(begin..end),
        }
    }
    pieces
}

fn forget_old(tx: &redb::WriteTransaction) -> Inside<()> {
    let mut jobs = tx.open_table(JOBS)?;
    let mut ended = Vec::new();
    for row in jobs.range("e/".."e0")? {
        let (key, row) = row?;
        let row: JobRow = decode(row.value())?;
        if row.done {
            ended.push((row.begun, key.value().to_owned()));
        }
    }
    ended.sort_unstable();
    let surplus = ended.len().saturating_sub(EXPORTS_REMEMBERED);
    for (_, key) in &ended[..surplus] {
        jobs.remove(key.as_str())?;
    }
    Ok(())
}

/// Undoes an export: the partial file goes, and the file itself if this job made it.
pub(crate) fn discard(files: &dyn Files, stores: &[Arc<Store>], job: &Job, target: &Target) -> Result<()> {
    let path = Path::new(&target.at.path);
    let (dir, temporary) = partial(job, target)?;
    let key = job_key(EXPORT, &job.0);
    let mut own: Vec<Seen> = seen(files, &temporary)?.map(|(seen, _)| seen).into_iter().collect();
    for store in stores {
        own.extend(store.index.read(|tx| job_row(tx, &key))?.and_then(|row| row.exported));
    }
    let say = |error| fault::io(format_args!("removing `{}`", target.at.path), &error);
    if seen(files, &dir)?.is_some() {
        if seen(files, path)?.is_some_and(|(there, _)| own.contains(&there)) {
            files.remove(path).map_err(say)?;
        }
        remove_if_there(files, &temporary).map_err(say)?;
        files.sync_dir(&dir).map_err(say)?;
    }
    for store in stores {
        if store.index.read(|tx| job_row(tx, &key))?.is_some() {
            store.index.write(|tx| Ok(tx.open_table(JOBS)?.remove(key.as_str())?.map(drop)))?;
        }
    }
    Ok(())
}
