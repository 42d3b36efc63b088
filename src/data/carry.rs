//! A file into a bucket or out of it, byte for byte; holes stay holes.
//!
//! ```text
//! read ─▶ write to the partial file ─▶ every so often: sync it, note how far, checkpoint ─▶ …
//!      ─▶ whole, synced, source unchanged ─▶ noted ─▶ landed (see `landing`)
//! ```
//!
//! An interrupted copy goes on at the last note. What lies before it was synced before the note was
//! made, and nothing writes there again; what lies behind may be anything after a power cut, so the
//! file is cut there first and copied on. The note holds the identities of source and partial file,
//! and is taken back before a partial file is begun anew, so it never speaks of another's bytes.

use std::path::Path;
use std::sync::Arc;

use domain::port::{Location, SourceIdentity};
use event::{Failure, Progress, Work};
use files::File;

use crate::fault::{self, Result};
use crate::fence::Turn;
use crate::index::{Copied, JobRow, job_row, job_row_mut, put_job};
use crate::landing::{Descent, Landing, Seen};
use crate::source::{changed, check_unchanged, identity, open_file};
use crate::store::Store;

/// Bytes copied at once: long enough for disks, short enough that a stop is soon heard.
const PIECE_BYTES: u64 = 1 << 20;

/// One attempt at a copy.
pub(crate) struct Carry<'a> {
    /// Whose index remembers how far it has come: the bucket's.
    pub(crate) store: &'a Store,
    /// Where the regions' stores are.
    pub(crate) root: &'a Path,
    pub(crate) from: &'a Location,
    pub(crate) landing: Landing<'a>,
    pub(crate) work: &'a dyn Work,
    pub(crate) turn: &'a Turn<'a>,
    pub(crate) doing: &'static str,
}

impl Carry<'_> {
    /// Runs to the end, from wherever an earlier attempt came to; gives the identity of the copy.
    pub(crate) fn run(&self) -> Result<Seen> {
        let row = self.store.index.read(|tx| job_row(tx, &self.landing.key))?;
        if let Some(JobRow { done: true, exported: Some(own), .. }) = row {
            return Ok(own);
        }
        let descent = Descent { store: self.store, turn: self.turn, attempt: self.work.attempt() };
        self.landing.land(&descent, |row| self.copy(row))
    }

    fn copy(&self, row: &JobRow) -> Result<()> {
        let source = open_file(&*self.store.files, self.root, self.from)?;
        let found = source.identity().map_err(self.reading())?;
        let (source_identity, source_bytes) = (identity(&found), found.size_bytes);
        let noted = row.copied.as_ref();
        if self.from.bucket.is_none() && noted.is_some_and(|noted| noted.source != source_identity) {
            return Err(changed(self.from));
        }
        let result = self
            .partial(noted, source_identity)
            .and_then(|(partial, copied)| self.fill(&*source, source_bytes, &*partial, copied));
        match result {
            Err(Failure::Cancelled) => Err(Failure::Cancelled),
            // A source that changed under us may show itself as any error.
            Err(failure) => self.check_unchanged(&*source, &source_identity).and(Err(failure)),
            Ok(()) => {
                self.check_unchanged(&*source, &source_identity)?;
                self.landing.note_whole(self.store)
            }
        }
    }

    fn reading(&self) -> impl Fn(std::io::Error) -> Failure {
        let attempted = format!("reading `{}`", self.from);
        move |error| fault::io(&attempted, &error)
    }

    fn writing(&self) -> impl Fn(std::io::Error) -> Failure {
        let attempted = format!("copying `{}`", self.from);
        move |error| fault::io(&attempted, &error)
    }

    /// A file must still be there, and be what it was. An object may have been replaced since it
    /// was opened: what is open is the whole of the former one.
    fn check_unchanged(&self, source: &dyn File, expected: &SourceIdentity) -> Result<()> {
        if self.from.bucket.is_none() {
            return check_unchanged(&*self.store.files, Path::new(&self.from.path), self.from, expected);
        }
        let now = source.identity().map_err(self.reading())?;
        if identity(&now) == *expected { Ok(()) } else { Err(changed(self.from)) }
    }

    /// The partial file, cut to what is known to be durable, and how much that is.
    fn partial(&self, noted: Option<&Copied>, source: SourceIdentity) -> Result<(Arc<dyn File>, Copied)> {
        if let Some(noted) = noted.filter(|noted| noted.source == source && noted.durable_bytes > 0)
            && let Some(partial) = self.landing.go_on(noted.partial)?
        {
            partial.set_len(noted.durable_bytes).map_err(self.writing())?;
            return Ok((partial, noted.clone()));
        }
        self.note(None)?;
        let partial = self.landing.begin()?;
        let found = partial.identity().map_err(self.writing())?;
        Ok((partial, Copied { source, partial: (found.device, found.inode), durable_bytes: 0 }))
    }

    fn note(&self, copied: Option<&Copied>) -> Result<()> {
        self.store.index.write(|tx| {
            if let Some(row) = job_row_mut(tx, &self.landing.key)? {
                put_job(tx, &self.landing.key, &JobRow { copied: copied.cloned(), ..row })?;
            }
            Ok(())
        })
    }

    fn report(&self, done_bytes: u64, total_bytes: u64) -> Result<()> {
        self.work.checkpoint(Progress { doing: self.doing.into(), done_bytes, total_bytes })
    }

    /// Copies what is missing and makes it durable.
    fn fill(&self, source: &dyn File, len: u64, partial: &dyn File, mut copied: Copied) -> Result<()> {
        let mut buffer = vec![0; usize::try_from(PIECE_BYTES).expect("a piece fits memory")];
        let (mut at, mut unsynced) = (copied.durable_bytes, 0);
        self.landing.check_room(0)?;
        self.note(Some(&copied))?;
        self.report(at, len)?;
        while at < len
            && let Some(data) = source.next_data(at).map_err(self.reading())?
        {
            self.turn.check()?;
            let begin = data.start.max(at);
            let end = data.end.min(begin + PIECE_BYTES).min(len);
            if begin >= end {
                break;
            }
            let piece = &mut buffer[..usize::try_from(end - begin).expect("at most a piece")];
            source.read_at(begin, piece).map_err(self.reading())?;
            self.turn.read.fetch_add(end - begin, std::sync::atomic::Ordering::Relaxed);
            self.landing.check_room(end - begin)?;
            partial.write_at(begin, piece).map_err(self.writing())?;
            unsynced += end - begin;
            at = end;
            if unsynced >= self.store.options.checkpoint_bytes && at < len {
                partial.sync().map_err(self.writing())?;
                self.landing.sync_partial_name()?;
                copied.durable_bytes = at;
                self.note(Some(&copied))?;
                unsynced = 0;
                self.report(at, len)?;
            }
        }
        partial.set_len(len).map_err(self.writing())?;
        partial.sync().map_err(self.writing())?;
        self.landing.sync_partial_name()?;
        self.report(len, len)
    }
}
