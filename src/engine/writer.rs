//! The one thread that writes: it makes durable what the committer decided, one batch at a time, and wakes
//! those who wait for it.
//!
//! At most one batch is on its way; the committer decides the next one meanwhile, on top of this one. If this
//! one cannot be written the log stops, and what was decided on top of it is as if it had never been.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use event::{Hand, Until};

use crate::Error;
use crate::aside::Aside;
use crate::committer::panic_text;
use crate::pace::{self, Paced};
use crate::queue::{Queue, Ticket};
use crate::store::{Changes, Store};

type Batch = (Arc<Changes>, Ticket);

/// The committer's end of it. Dropping it waits until what was handed over is on disk.
pub(crate) struct Writer {
    queue: Arc<Queue>,
    batches: Option<SyncSender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn spawn(store: Arc<Store>, queue: Arc<Queue>) -> std::io::Result<Self> {
        // The committer hands over only when nothing is being written, so there is never more than one.
        let (batches, arriving) = sync_channel(1);
        let told = queue.clone();
        // In a simulation all that is written is written by one thread.
        let aside = queue.pace().is_none().then(|| Aside::spawn(store.clone())).transpose()?;
        let thread = pace::spawn(Hand::Writer, queue.pace().clone(), move || {
            let aside = aside;
            let worked =
                catch_unwind(AssertUnwindSafe(|| write_all(&store, aside.as_ref(), &told, &arriving)));
            if !matches!(worked, Ok(Ok(()))) {
                told.stop(why_stopped(worked));
                told.ends_writing();
            }
        })?;
        Ok(Self { queue, batches: Some(batches), thread: Some(thread) })
    }

    /// Hands over a batch, when the one before is on disk; says whether it was taken.
    pub(crate) fn write(&self, changes: Arc<Changes>, ticket: Ticket) -> bool {
        if changes.is_empty() {
            // What it answers may rest on the batch before.
            self.queue.written(ticket);
            return true;
        }
        self.queue.begin_writing();
        let taken = self.batches.as_ref().is_some_and(|batches| batches.send((changes, ticket)).is_ok());
        wake(self.queue.pace());
        taken
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.batches.take());
        wake(self.queue.pace());
        if let Some(thread) = self.thread.take() {
            pace::join(thread, Hand::Committer, Hand::Writer, self.queue.pace());
        }
    }
}

fn write_all(
    store: &Store,
    aside: Option<&Aside>,
    queue: &Queue,
    batches: &Receiver<Batch>,
) -> Result<(), redb::Error> {
    while let Some((changes, ticket)) = next(batches, queue.pace()) {
        if store.append(&changes, aside)? {
            queue.written_before(ticket, || store.write_behind())?;
        } else {
            queue.written(ticket);
        }
    }
    Ok(())
}

/// The next batch, when there is one; none at the end.
fn next(batches: &Receiver<Batch>, pace: &Paced) -> Option<Batch> {
    let Some(pace) = pace else { return batches.recv().ok() };
    loop {
        match batches.try_recv() {
            Err(TryRecvError::Empty) => _ = pace.pauses(Hand::Writer, Until::Work),
            found => return found.ok(),
        }
    }
}

fn wake(pace: &Paced) {
    if let Some(pace) = pace {
        pace.wakes(Hand::Writer);
    }
}

/// What a thread that came to its end tells those who wait.
pub(crate) fn why_stopped(worked: std::thread::Result<Result<(), redb::Error>>) -> Error {
    let why = match worked {
        Ok(Ok(())) => "it was closed".to_owned(),
        Ok(Err(redb::Error::Io(error))) if error.kind() == std::io::ErrorKind::StorageFull => {
            format!("the file system of the data directory is full ({error})")
        }
        Ok(Err(error)) => format!("a commit failed ({error})"),
        Err(panic) => format!("the committer met a fault of its own: {}", panic_text(&*panic)),
    };
    Error::Stopped { why: why.into() }
}
