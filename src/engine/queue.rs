//! What waits for the committer, and who waits for the disk.
//!
//! Everything submitted gets a ticket; the committer takes what waits, in order, and has it written
//! together, deciding the next batch while the one before is on its way to the disk. A ticket is
//! durable when the commit that took it is. A flow that was answered before the disk was asked is
//! *ahead*: the committer looks once more before it hands a batch over whether such a flow has brought
//! the next thing, so that a story that stays inside is one commit. No timer, no polling: it waits
//! until those flows have been polled to a stand-still.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use event::{Hand, Until};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::Error;
use crate::committer::Batch;
use crate::pace::{Bell, Paced};

/// A place in the queue; durable once the commit that covers it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

pub(crate) type Job = Box<dyn FnOnce(&mut Batch<'_>) + Send>;

/// How long the committer waits for flows that are ahead. They are runnable, so this is reached
/// only on a machine with no processor to spare; then committing without them is right.
const AHEAD_WAIT_MAX: Duration = Duration::from_millis(if cfg!(test) { 60_000 } else { 5 });
/// Records in one commit at most, so that nobody waits long behind a crowd.
const BATCH_RECORDS_MAX: usize = 8192;
/// Records from which on a batch is written as soon as the one before is, whoever is ahead: a crowd is then
/// decided in parts, one while another is written, and a sync more is nothing beside so many records.
const BATCH_RECORDS_ENOUGH: usize = 256;

/// Flows that are woken together rather than by the writer, one after another.
const CROWD: usize = 32;

pub(crate) struct Queue {
    state: Mutex<Waiting>,
    wake: Bell,
    ahead: AtomicUsize,
    durable: AtomicU64,
    waiters: Mutex<Waiters>,
    stopped: OnceLock<Error>,
    /// Rings when it stops.
    over: Notify,
    /// Who is told when it stops.
    on_stop: OnceLock<OnStop>,
}

/// Who waits for the disk.
#[derive(Default)]
struct Waiters {
    /// By their tickets, as they came: nearly all wait for the next commit or the one after it.
    waiting: Vec<(u64, Waker)>,
    /// Where the last of them lives.
    runtime: Option<Handle>,
}

/// Those who are told when it is dropped, wherever that is.
struct Woken(Vec<Waker>);

impl Drop for Woken {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    submitted: u64,
    closed: bool,
    /// The commit before is on its way to the disk.
    writing: bool,
}

/// What the committer found when it looked into the queue.
pub(crate) enum Found {
    Jobs(VecDeque<Job>),
    Nothing,
    Idle,
    Closed,
}

/// What is done when the queue stops.
struct OnStop(Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for OnStop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnStop")
    }
}

impl Queue {
    /// An empty queue, whose committer goes when it is let.
    pub(crate) fn new(pace: Paced) -> Self {
        Self {
            state: Mutex::default(),
            wake: Bell::new(Hand::Committer, pace),
            ahead: AtomicUsize::new(0),
            durable: AtomicU64::new(0),
            waiters: Mutex::default(),
            stopped: OnceLock::new(),
            over: Notify::new(),
            on_stop: OnceLock::new(),
        }
    }

    /// Whoever lets the log's threads go.
    pub(crate) fn pace(&self) -> &Paced {
        &self.wake.pace
    }

    /// Hands a job to the committer.
    pub(crate) fn submit(&self, job: Job) -> Ticket {
        let mut state = lock(&self.state);
        state.submitted += 1;
        let ticket = Ticket(state.submitted);
        if state.closed {
            // The job's answer is dropped with it, which tells whoever waits for it.
            return ticket;
        }
        state.jobs.push_back(job);
        if state.jobs.len() == 1 {
            self.wake.ring();
        }
        ticket
    }

    /// Takes everything that waits; if nothing does, waits for it. After `idle`, if given, says so.
    pub(crate) fn take(&self, idle: Option<Duration>) -> Found {
        let mut state = lock(&self.state);
        loop {
            if !state.jobs.is_empty() {
                return Found::Jobs(std::mem::take(&mut state.jobs));
            }
            if state.closed {
                return Found::Closed;
            }
            let until = if idle.is_some() { Until::Idle } else { Until::Work };
            let (again, over) = self.wake.wait(&self.state, state, until, idle);
            state = again;
            if over && state.jobs.is_empty() && !state.closed {
                return Found::Idle;
            }
        }
    }

    /// Takes what has come meanwhile for a batch that has so many records already. Nothing more when it can
    /// be written: nobody else writes, and it is large enough, or nothing waits and no flow is ahead.
    pub(crate) fn take_more(&self, records: usize) -> Found {
        let mut state = lock(&self.state);
        loop {
            if !state.writing && records >= BATCH_RECORDS_ENOUGH {
                return Found::Nothing;
            }
            if !state.jobs.is_empty() && records < BATCH_RECORDS_MAX {
                return Found::Jobs(std::mem::take(&mut state.jobs));
            }
            if state.writing {
                (state, _) = self.wake.wait(&self.state, state, Until::Work, None);
                continue;
            }
            if self.ahead.load(Ordering::Acquire) == 0 || state.closed {
                return Found::Nothing;
            }
            let (again, over) = self.wake.wait(&self.state, state, Until::Ahead, Some(AHEAD_WAIT_MAX));
            state = again;
            if over && state.jobs.is_empty() {
                return Found::Nothing;
            }
        }
    }

    /// A commit is about to be written.
    pub(crate) fn begin_writing(&self) {
        lock(&self.state).writing = true;
    }

    /// Whether a flow has been answered that has not come to rest since.
    #[cfg(test)]
    pub(crate) fn is_ahead(&self) -> bool {
        self.ahead.load(Ordering::Acquire) > 0
    }

    pub(crate) fn is_writing(&self) -> bool {
        lock(&self.state).writing
    }

    /// Everything up to a ticket is on disk, and the next commit may be written.
    pub(crate) fn written(&self, ticket: Ticket) {
        let told = self.tells(ticket);
        self.ends_writing();
        drop(told);
    }

    /// Everything up to a ticket is on disk, and the writer has something to do before the next commit.
    pub(crate) fn written_before<E>(
        &self,
        ticket: Ticket,
        next: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        drop(self.tells(ticket));
        next()?;
        self.ends_writing();
        Ok(())
    }

    /// Those who wait for a ticket or an earlier one, who are told when it is dropped or a moment later.
    fn tells(&self, ticket: Ticket) -> Woken {
        if self.stopped.get().is_some() {
            return Woken(Vec::new());
        }
        let (woken, runtime) = {
            let mut waiters = lock(&self.waiters);
            self.durable.store(ticket.0, Ordering::Release);
            let woken = waiters.waiting.extract_if(.., |(until, _)| *until <= ticket.0);
            let mut woken: Vec<_> = woken.collect();
            // Whoever submitted first goes on first.
            woken.sort_by_key(|(until, _)| *until);
            (Woken(woken.into_iter().map(|(_, waker)| waker).collect()), waiters.runtime.clone())
        };
        #[cfg(test)]
        let woken = if crate::planted::is(crate::planted::Planted::NoWaking) && ticket.0.is_multiple_of(7) {
            let mut woken = woken;
            lock(&self.waiters).waiting.extend(woken.0.drain(..).map(|waker| (0, waker)));
            Woken(Vec::new())
        } else {
            woken
        };
        match runtime.filter(|_| woken.0.len() >= CROWD) {
            // A crowd is woken where it lives, which is cheaper, and while the next commit is written.
            Some(runtime) => {
                runtime.spawn(async move { drop(woken) });
                Woken(Vec::new())
            }
            None => woken,
        }
    }

    /// Waits until a ticket is on disk.
    pub(crate) async fn durable(&self, ticket: Ticket) -> Result<(), Error> {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::NoWait) {
            return Ok(());
        }
        let mut known: Option<Waker> = None;
        poll_fn(|context| {
            if self.durable.load(Ordering::Acquire) >= ticket.0 {
                return Poll::Ready(Ok(()));
            }
            let mut waiters = lock(&self.waiters);
            if self.durable.load(Ordering::Acquire) >= ticket.0 {
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = self.stopped.get() {
                return Poll::Ready(Err(error.clone()));
            }
            let waker = context.waker();
            // One that is polled again for another reason waits already.
            if known.as_ref().is_none_or(|known| !known.will_wake(waker)) {
                known = Some(waker.clone());
                waiters.waiting.push((ticket.0, waker.clone()));
                if let Ok(runtime) = Handle::try_current()
                    && waiters.runtime.as_ref().is_none_or(|known| known.id() != runtime.id())
                {
                    waiters.runtime = Some(runtime);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Nothing is on its way to the disk any more.
    pub(crate) fn ends_writing(&self) {
        lock(&self.state).writing = false;
        self.wake.ring();
    }

    /// Nothing more will become durable. What is on its way to the disk still is: what has been taken meanwhile is not
    /// decided without it.
    pub(crate) fn stop(&self, error: Error) {
        // The first failure is the one to tell.
        let _ = self.stopped.set(error);
        let waiting = std::mem::take(&mut lock(&self.waiters).waiting);
        drop(Woken(waiting.into_iter().map(|(_, waker)| waker).collect()));
        self.over.notify_waiters();
        let jobs = {
            let mut state = lock(&self.state);
            state.closed = true;
            std::mem::take(&mut state.jobs)
        };
        // Their answers are dropped with them, which tells those who wait.
        drop(jobs);
        self.wake.ring();
        if let Some(OnStop(tell)) = self.on_stop.get() {
            tell();
        }
    }

    /// Has somebody told when it stops; once, before anything is submitted.
    pub(crate) fn on_stop(&self, tell: impl Fn() + Send + Sync + 'static) {
        // There is one house to a queue.
        let _ = self.on_stop.set(OnStop(Box::new(tell)));
    }

    /// Why it stopped.
    pub(crate) fn error(&self) -> Error {
        self.stopped.get().cloned().unwrap_or_else(|| Error::Stopped { why: "it was closed".into() })
    }

    /// Jobs that wait for the committer.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.state).jobs.len()
    }

    /// Ends when nothing more will become durable.
    pub(crate) async fn has_stopped(&self) {
        let over = self.over.notified();
        tokio::pin!(over);
        over.as_mut().enable();
        if self.stopped.get().is_none() {
            over.await;
        }
    }

    /// Why it stopped, if it did.
    pub(crate) fn stopped(&self) -> Option<Error> {
        self.stopped.get().cloned()
    }

    /// Whether it takes nothing more.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.wake.ring();
    }

    fn nudge(&self) {
        // Taking the lock orders this after the committer's look at the counter.
        drop(lock(&self.state));
        self.wake.ring();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held is a decide's, which changes nothing that the lock guards.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a flow has been answered ahead of the disk and not yet come to rest since.
pub(crate) struct Ahead {
    state: AtomicU8,
    queue: Arc<Queue>,
}

const AT_REST: u8 = 0;
const ANSWERED: u8 = 1;
const MOVING: u8 = 2;

impl Ahead {
    /// The mark of a flow that is about to be polled for the first time.
    pub(crate) fn moving(queue: Arc<Queue>) -> Self {
        queue.ahead.fetch_add(1, Ordering::AcqRel);
        Self { state: AtomicU8::new(MOVING), queue }
    }

    /// The committer is about to answer it.
    pub(crate) fn answered(&self) {
        if self.state.swap(ANSWERED, Ordering::AcqRel) == AT_REST {
            self.queue.ahead.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// It has taken the answer.
    pub(crate) fn taken(&self) {
        let _ = self.state.compare_exchange(ANSWERED, MOVING, Ordering::AcqRel, Ordering::Acquire);
    }

    /// It has been polled to a stand-still.
    pub(crate) fn polled(&self) {
        if self.state.compare_exchange(MOVING, AT_REST, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.leave();
        }
    }

    /// It will not be polled again.
    pub(crate) fn gone(&self) {
        if self.state.swap(AT_REST, Ordering::AcqRel) != AT_REST {
            self.leave();
        }
    }

    fn leave(&self) {
        if self.queue.ahead.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.queue.nudge();
        }
    }
}
