//! Syncing the journal on a thread of its own, while the writer puts the same records into the database.
//!
//! Of a crowd's commit the two take about as long. Nothing is seen and nobody is told before both are done.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::journal::Journal;
use crate::store::{Changes, Store};

/// Rows of the log from which on it pays to wake another thread: some 50 records, of which the database takes longer
/// than that takes.
const ROWS_MIN: usize = 4;

/// The thread, and how it is asked and answers.
pub(crate) struct Aside {
    ask: Option<SyncSender<()>>,
    answer: Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A sync that is under way.
pub(crate) struct Syncing<'a>(Option<&'a Aside>);

impl Aside {
    /// Begins the thread, for the journal of an open log.
    pub(crate) fn spawn(store: Arc<Store>) -> io::Result<Self> {
        // One is asked for at a time.
        let ((ask, asked), (tell, answer)) = (sync_channel(1), sync_channel(1));
        let thread = std::thread::Builder::new().name("syncer".to_owned()).spawn(move || {
            while asked.recv().is_ok() {
                if tell.send(store.journal().sync()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { ask: Some(ask), answer, thread: Some(thread) })
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
        if let Some(thread) = self.thread.take() {
            // A panic in it was an answer.
            let _ = thread.join();
        }
    }
}
