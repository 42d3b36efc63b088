//! A stored disk into a file: written beside its place, given its name when whole and durable.
//!
//! How it comes to its place, on this computer or in a bucket, is told in `landing`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use domain::port::{Format, Job, StoredDisk, Target};
use event::{Failure, Refusal, Work};
use files::{File, Files};

use crate::fault::{self, Result};
use crate::fence::Turn;
use crate::grid::segment_begin;
use crate::index::{Domain, EXPORT};
use crate::landing::{Descent, Landing};
use crate::manifest::ChunkRef;
use crate::segment::stretch;
use crate::store::Store;
use crate::walk::Walk;

/// What sinks want their pieces to be multiples of.
const PIECE_BYTES: usize = 64 << 10;
/// Written bytes after which the disk is set to work on them, so that little is left for the end.
const FLUSH_BYTES: u64 = 64 << 20;

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

impl Export<'_> {
    fn say<'a>(&'a self, doing: &'a str) -> impl Fn(io::Error) -> Failure + 'a {
        move |error| fault::io(format_args!("{doing} `{}`", self.target.at), &error)
    }

    /// Runs to the end, or finds that an earlier attempt has.
    pub(crate) fn run(&self) -> Result<()> {
        let landing = landing(self.store, self.job, self.target)?;
        let descent = Descent { store: self.store, turn: self.turn, attempt: self.work.attempt() };
        landing.land(&descent, |_| self.write(&landing)).map(drop)
    }

    /// What takes the disk's bytes into the file, wrapped as the target asks for.
    fn sink(&self, file: Arc<dyn File>) -> Result<Box<dyn disk::Sink>> {
        let Target { format, compression, wrapping, .. } = self.target;
        disk::create_wrapped(file, wrapping, *format, *compression, self.disk.disk_bytes)
            .map_err(|error| fault::disk(format_args!("writing `{}`", self.target.at), error))
    }

    /// Writes the partial file, makes it durable, and notes that it is ours.
    fn write(&self, landing: &Landing<'_>) -> Result<()> {
        landing.check_room(0)?;
        let file = landing.begin()?;
        let say = |error| fault::disk(format_args!("writing `{}`", self.target.at), error);
        let sink = self.sink(Arc::clone(&file))?;
        let walk = Walk {
            store: self.store,
            domain: self.domain,
            disk: self.disk,
            work: self.work,
            turn: self.turn,
            doing: match self.target.format {
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
            let walked = walk.run(&|taken| {
                let (begin, segment) = (segment_begin(taken.number), taken.segment);
                for piece in pieces(taken.chunks, segment.bytes().len()) {
                    let (at, len) = (piece.start as u64, piece.len() as u64);
                    sink.write_at(begin + at, &segment.bytes()[piece]).map_err(say)?;
                    let before = written.fetch_add(len, Ordering::Relaxed);
                    if before / FLUSH_BYTES != (before + len) / FLUSH_BYTES {
                        landing.check_room(FLUSH_BYTES)?;
                        // One that waits already will see to these bytes too.
                        let _ = ask.try_send(());
                    }
                }
                sink.settle(taken.empty_from..begin + segment.bytes().len() as u64).map_err(say)
            });
            drop(ask);
            let flushed = syncing.join().expect("syncing does not panic");
            walked.and(flushed.map_err(self.say("syncing")))
        })?;
        sink.finish().map_err(say)?;
        landing.sync_partial_name()?;
        landing.note_whole(self.store)
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

/// Where the file of an export comes to be.
fn landing<'a>(store: &'a Store, job: &Job, target: &'a Target) -> Result<Landing<'a>> {
    let Some(bucket) = &target.at.bucket else {
        return Landing::file(&*store.files, EXPORT, job, &target.at, target.replace);
    };
    if bucket.region != store.region || bucket.store != store.id {
        return Err(Refusal::new(
            "InvalidOSSBucket.NotMatched",
            format!("`{}` lies in region `{}`, the disk in `{}`", target.at, bucket.region, store.region),
        )
        .advise("export into a bucket of the disk's own region")
        .into());
    }
    Landing::object(store, EXPORT, job, &target.at, target.replace)
}

/// Undoes an export: the partial file goes, and the file itself if this job made it. The stores are
/// those whose indexes may know the job; for an object, its bucket's.
pub(crate) fn discard(files: &dyn Files, stores: &[Arc<Store>], job: &Job, target: &Target) -> Result<()> {
    match (&target.at.bucket, stores) {
        (Some(_), [store, ..]) => Landing::undo(landing(store, job, target), stores),
        (Some(_), []) => Err(Failure::Ours(format!("no store for `{}`", target.at))),
        (None, _) => Landing::undo(Landing::file(files, EXPORT, job, &target.at, target.replace), stores),
    }
}
