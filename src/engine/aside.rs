//! The disk's work that goes on beside the writer: the journal is synced while the writer puts the same records into
//! the database, and the database goes to the disk behind everybody's back.
//!
//! Of a crowd's commit the first two take about as long. Nothing is seen and nobody is told before both are done.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use files::Backend;

use crate::journal::Journal;
use crate::store::{Changes, Store};

/// Rows of the log from which on it pays to wake another thread: some 50 records, of which the database takes longer
/// than that takes.
const ROWS_MIN: usize = 4;

/// The threads, and how the one that syncs the journal is asked and answers.
pub(crate) struct Aside {
    ask: Option<SyncSender<()>>,
    answer: Receiver<io::Result<()>>,
    backend: Backend,
    threads: Vec<JoinHandle<()>>,
}

/// A sync that is under way.
pub(crate) struct Syncing<'a>(Option<&'a Aside>);

impl Aside {
    /// Begins the threads, for the files of an open log.
    pub(crate) fn spawn(store: Arc<Store>) -> io::Result<Self> {
        // One is asked for at a time.
        let ((ask, asked), (tell, answer)) = (sync_channel(1), sync_channel(1));
        let backend = store.backend.clone();
        let mut aside = Self { ask: Some(ask), answer, backend: backend.clone(), threads: Vec::new() };
        aside.begin("carrier", move || backend.carry())?;
        aside.begin("syncer", move || {
            while asked.recv().is_ok() {
                if tell.send(store.journal().sync()).is_err() {
                    return;
                }
            }
        })?;
        Ok(aside)
    }

    fn begin(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }

    /// Has the journal synced: by the thread, if there is one and it pays; or now.
    pub(crate) fn sync<'a>(
        aside: Option<&'a Self>,
        journal: &Journal,
        changes: &Changes,
    ) -> io::Result<Syncing<'a>> {
        let asked = aside.filter(|aside| {
            changes.log.len() >= ROWS_MIN && aside.ask.as_ref().is_some_and(|ask| ask.send(()).is_ok())
        });
        if asked.is_none() {
            journal.sync()?;
        }
        Ok(Syncing(asked))
    }
}

impl Syncing<'_> {
    /// Waits until the journal is on disk.
    pub(crate) fn wait(mut self) -> io::Result<()> {
        self.0.take().map_or(Ok(()), Self::answer)
    }

    fn answer(aside: &Aside) -> io::Result<()> {
        aside
            .answer
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that syncs the journal is gone")))
    }
}

impl Drop for Syncing<'_> {
    fn drop(&mut self) {
        // The database did not take it: what comes of the sync is nobody's any more.
        if let Some(aside) = self.0.take() {
            let _ = Self::answer(aside);
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        drop(self.ask.take());
        self.backend.dismiss();
        for thread in self.threads.drain(..) {
            // A panic in it was an answer.
            let _ = thread.join();
        }
    }
}
