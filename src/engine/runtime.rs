//! The engine from the outside: opening, starting, driving, cancelling, releasing, looking.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use event::{Actor, Cause, FlowId, Fold, Hand, Order, Seq};
use files::Files;
use tokio::sync::{Notify, oneshot};

use crate::advice::damaged;
use crate::at::work_key;
use crate::committer::Committer;
use crate::fold::{self, EngineFold, FlowRow, NO_FOLD, State};
use crate::hold::{Returning, Returns};
use crate::kinds::Class;
use crate::live::{Live, Watch};
use crate::pause::Pauses;
use crate::queue::{Queue, lock};
use crate::shared::{Begun, Shared};
use crate::snapshot::Snapshot;
use crate::store::{Changes, DATABASE, Store};
use crate::workflow::{Book, Workflow};
use crate::{Denial, Error, audit, pace, refold, tamper, unwind};

/// How long closing waits for steps that do not look at checkpoints; they are at-least-once, so
/// what is cut off is done again.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// Flows that an opening takes up before the others, so that the first goes on as soon as if there were few.
const DRIVEN_FIRST: usize = if cfg!(test) { 2 } else { 64 };
/// Flows that it takes up in one commit after them, while those before go on.
const DRIVEN_AT_ONCE: usize = if cfg!(test) { 5 } else { 1024 };

/// What time it is; a simulation has its own.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Milliseconds since 1970 UTC.
    fn now_ms(&self) -> i64;
}

/// The time of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// What an engine is made of.
pub struct Options<P> {
    /// The file system the log lies in.
    pub files: Arc<dyn Files>,
    /// The data directory. Whoever opens it has to make sure that nobody else has it open.
    pub dir: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The domain's projections.
    pub fold: Arc<dyn Fold>,
    /// The stories.
    pub book: Book<P>,
    /// What steps may reach.
    pub ports: Arc<P>,
    /// In what order flows go, for a simulation; none lets them go as they come.
    pub order: Option<Arc<dyn Order>>,
}

/// An open log, and the flows in it.
pub struct Engine<P: Send + Sync + 'static> {
    pub(crate) shared: Arc<Shared<P>>,
    committer: Mutex<Option<JoinHandle<()>>>,
    /// Whoever is to say which flows come back; until then nobody gets a place that another had.
    opening: Mutex<Option<Returns>>,
}

impl<P: Send + Sync + 'static> Engine<P> {
    /// Opens the log in a directory, or begins one. Nothing is driven until [`Engine::drive`].
    ///
    /// # Errors
    /// If the log cannot be opened, is damaged, or holds what this program does not know.
    pub fn open(options: Options<P>) -> Result<Self, Error> {
        let path = options.dir.join(DATABASE);
        // redb asserts where a damaged file breaks its invariants, and rows may not decode.
        catch_unwind(AssertUnwindSafe(|| Self::open_whole(options))).unwrap_or_else(|_| {
            Err(Error::Open { path, why: damaged(&"it breaks the database's own invariants") })
        })
    }

    fn open_whole(options: Options<P>) -> Result<Self, Error> {
        let store = Arc::new(Store::open(options.files.clone(), &options.dir)?);
        let snapshot = store.snapshot()?;
        let unknown =
            fold::kinds(&snapshot).into_iter().find(|kind| !EngineFold::knows(&*options.fold, kind));
        if let Some(kind) = unknown {
            return Err(Error::UnknownKind { kind });
        }
        let version = fold::version(&*options.fold);
        let mut changes = store.untold();
        let head = changes.head.unwrap_or(snapshot.head()?);
        let incarnation = snapshot.incarnation()? + 1;
        let mut fold = None;
        if snapshot.fold()? != Some(version) || store.has_lost_rows() {
            if !changes.is_empty() {
                // Its rows are made with all the others.
                refold::check_kinds(&options.fold, &changes)?;
                let stale = Changes { fold: Some(NO_FOLD), ..changes };
                store.commit(&stale).map_err(|error| store.not_opened(&error))?;
                changes = Changes::default();
            }
            if head.seq > Seq(0) {
                let why = if store.has_lost_rows() {
                    "rows of ended flows are gone"
                } else {
                    "their code has changed"
                };
                tracing::info!(events = head.seq.0, why, "making the projections anew: folding the log once");
                drop(snapshot);
                (changes.rows, changes.moved) = refold::refold(&store, &options.fold)?;
            }
            changes.fold = Some(version);
        } else {
            let resumed = EngineFold::resume(options.fold.clone(), &snapshot);
            fold = Some(refold::catch_up(resumed, snapshot, &mut changes)?);
        }
        changes.incarnation = Some(incarnation);
        store.commit(&changes).map_err(|error| store.not_opened(&error))?;
        let mut fold = match fold {
            Some(fold) => fold,
            None => EngineFold::resume(options.fold.clone(), &store.snapshot()?),
        };
        fold.tell(store.measures.tally.clone());
        store.measures.begin_at(head.seq.0);
        let pauses = Pauses::of_log(&store.snapshot()?, fold.flows.values());
        let keys = store.snapshot()?.work_keys(&[])?;
        let workers = keys.iter().filter_map(|key| key.first_chunk().map(|flow| FlowId(*flow))).collect();
        let pace = options.order.as_ref().and_then(|order| order.pace());
        let queue = Arc::new(Queue::new(pace.clone()));
        let committer = Committer {
            store: store.clone(),
            queue: queue.clone(),
            clock: options.clock.clone(),
            fold,
            head,
            workers,
        };
        let thread = pace::spawn(Hand::Committer, pace, move || committer.run())
            .map_err(|error| Error::Stopped { why: error.to_string().into() })?;
        let (returning, opening) = Returning::new();
        let shared = Shared {
            store,
            queue,
            clock: options.clock,
            ports: options.ports,
            book: options.book,
            fold: options.fold,
            order: options.order,
            incarnation,
            driving: AtomicBool::new(false),
            live: Mutex::default(),
            limits: Mutex::default(),
            numbers: Mutex::default(),
            rates: Mutex::default(),
            pauses,
            signalled: AtomicBool::new(false),
            returning,
            arrivals: Notify::new(),
            departures: Arc::default(),
        };
        let shared = Arc::new(shared);
        // A flow that waits for a word or stands still asks nothing of the log, and would not learn of it.
        let all = Arc::downgrade(&shared);
        shared.queue.on_stop(move || {
            if let Some(shared) = all.upgrade() {
                lock(&shared.live).values().for_each(|live| live.close());
            }
        });
        Ok(Self { shared, committer: Mutex::new(Some(thread)), opening: Mutex::new(Some(opening)) })
    }

    /// Drives every flow that has not ended, and those started from now on. Has to be called
    /// within a tokio runtime, which the flows then run on.
    pub async fn drive(&self) -> Result<(), Error> {
        if self.shared.driving.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // Dropped however this ends, so that nobody waits for flows that do not come.
        let _opening = lock(&self.opening).take();
        let (sender, receiver) = oneshot::channel();
        self.shared.queue.submit(Box::new(move |batch| {
            let _ = sender.send(batch.not_parked());
        }));
        let open = receiver.await.map_err(|_| self.shared.queue.error())?;
        // All are expected before the first is heard of.
        let mut returning: Vec<_> = open.iter().map(|_| self.shared.returning.another()).collect();
        let mut open = open.as_slice();
        let mut portion = DRIVEN_FIRST;
        while !open.is_empty() {
            let (ids, later) = open.split_at(portion.min(open.len()));
            let returns = returning.drain(..ids.len());
            for ((id, cancelled), returns) in self.taken_up(ids.to_vec()).await?.into_iter().zip(returns) {
                self.shared.spawn_returning(id, cancelled, Some(returns));
            }
            (open, portion) = (later, DRIVEN_AT_ONCE);
        }
        Ok(())
    }

    /// Counts, durably, that these are taken up; those that are to be driven, and whether they are cancelled.
    async fn taken_up(&self, ids: Vec<FlowId>) -> Result<Vec<(FlowId, bool)>, Error> {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.shared.queue.submit(Box::new(move |batch| {
            let driven = ids.into_iter().filter_map(|id| {
                let flow = batch.flow(id).filter(|flow| flow.state != State::Parked)?;
                let (last, is_cancelled) = (flow.last, flow.cancel.is_some() && !flow.committed);
                unwind::count_recovery(batch, id, last).then_some((id, is_cancelled))
            });
            let _ = sender.send(driven.collect::<Vec<_>>());
        }));
        let driven = receiver.await.map_err(|_| self.shared.queue.error())?;
        self.shared.queue.durable(ticket).await?;
        self.shared.store.measures.recoveries.fetch_add(driven.len() as u64, Ordering::Relaxed);
        Ok(driven)
    }

    /// Whether flows are driven here.
    pub fn is_driving(&self) -> bool {
        self.shared.is_driving()
    }

    /// Starts an operation, once for each request id: the second time it finds the first. On
    /// return the operation is on disk.
    pub async fn start<W: Workflow<Ports = P>>(
        &self,
        actor: Actor,
        request: &str,
        workflow: W,
    ) -> Result<FlowId, Error> {
        self.start_as(actor, request, Class::Person, workflow).await
    }

    /// The same, for one of a class: whether people go before it where flows wait.
    pub async fn start_as<W: Workflow<Ports = P>>(
        &self,
        actor: Actor,
        request: &str,
        class: Class,
        workflow: W,
    ) -> Result<FlowId, Error> {
        let (id, begun) = self.begin(actor, request, class, &workflow)?;
        let (known, ticket) = (begun.known, begun.ticket);
        let id = self.known(id, known).await?;
        self.shared.queue.durable(ticket).await?;
        Ok(id)
    }

    /// Starts an operation and waits until it has ended or parked.
    pub async fn run<W: Workflow<Ports = P>>(
        &self,
        actor: Actor,
        request: &str,
        workflow: W,
    ) -> Result<FlowRow, Error> {
        let (id, begun) = self.begin(actor, request, Class::Person, &workflow)?;
        if let Some(live) = begun.live {
            // Nobody is woken to learn which one it is, only to wait for its end.
            live.rested().await;
            if let Some(row) = live.ended() {
                return Ok(row);
            }
        }
        let id = self.known(id, begun.known).await?;
        self.wait(id).await
    }

    fn begin<W: Workflow<Ports = P>>(
        &self,
        actor: Actor,
        request: &str,
        class: Class,
        workflow: &W,
    ) -> Result<(FlowId, Begun), Error> {
        let id = FlowId::derive(self.shared.clock.now_ms(), request.as_bytes());
        self.shared.admit(id)?;
        let cause = Cause::Request(request.to_owned());
        Ok((id, self.shared.begin_as(id, actor, cause, class, workflow)))
    }

    /// Which flow it is that was asked for under an id.
    async fn known(
        &self,
        id: FlowId,
        known: oneshot::Receiver<Result<FlowId, String>>,
    ) -> Result<FlowId, Error> {
        let known = known.await.map_err(|_| self.shared.queue.error())?;
        known.map_err(|why| Error::Denied { flow: id, denial: Denial::Busy, why })
    }

    /// Waits until a flow has ended or parked. Something has to drive it.
    pub async fn wait(&self, id: FlowId) -> Result<FlowRow, Error> {
        self.shared.wait(id).await
    }

    /// Rings when a flow has come to rest. One waiter is told; a ring that nobody hears is kept for the next.
    pub fn departures(&self) -> Arc<Notify> {
        self.shared.departures.clone()
    }

    /// The flow's progress while it is driven here.
    pub fn watch(&self, id: FlowId) -> Option<Watch> {
        Some(self.shared.live(id)?.watch())
    }

    /// Everything as of the last commit.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(Snapshot(self.shared.store.snapshot()?))
    }

    /// Whether the rows of a table and scope are now what they were as of a commit.
    pub fn is_unchanged(&self, prefix: &[u8], since: u64) -> bool {
        self.shared.store.is_unchanged(prefix, since)
    }

    /// Checks the log from its first event: order, chain, decoding, head.
    pub fn verify(&self) -> Result<audit::Verified, Error> {
        audit::guarded(|| tamper::verify(&self.shared.store.snapshot()?))
    }

    /// Folds the log anew and compares the projections with it, bit for bit.
    pub fn rebuild(&self) -> Result<audit::Rebuilt, Error> {
        audit::guarded(|| audit::rebuild(&self.shared.store.snapshot()?, &self.shared.fold))
    }

    /// Closes the log, after what waits has been committed. Flows in progress stop at their next
    /// checkpoint or step, and go on when the log is opened again.
    pub async fn close(self) {
        let live = self.let_go();
        let thread = lock(&self.committer).take();
        if let Some(thread) = thread {
            // Its failure, if any, has been told to everybody who waited.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        let at_rest = async {
            for live in live {
                live.rested().await;
            }
        };
        if tokio::time::timeout(CLOSE_WAIT, at_rest).await.is_err() {
            tracing::warn!("a step was still at work when the log was closed; it will be done again");
        }
        // A flow at rest may hold the log for a moment more, and whoever opens it next must not meet
        // the one before writing its last pages.
        let mut closing = self.shared.store.closing();
        drop(self);
        if tokio::time::timeout(CLOSE_WAIT, closing.changed()).await.is_err() {
            tracing::warn!(
                "something still reads the log that was closed; let it end before opening it again"
            );
        }
    }

    /// Takes nothing more, and tells the flows.
    fn let_go(&self) -> Vec<Arc<Live>> {
        // Held until the queue is closed, so that none is driven anew that this has not seen.
        let all = lock(&self.shared.live);
        let mut driven: Vec<_> = all.iter().map(|(id, live)| (*id, live.clone())).collect();
        driven.sort_unstable_by_key(|(id, _)| *id);
        let ids: Vec<FlowId> = driven.iter().map(|(id, _)| *id).collect();
        // A process that stops in order has not been taken down by any of them.
        self.shared.queue.submit(Box::new(move |batch| {
            for id in ids {
                let key = work_key(id, "", "recovered");
                if batch.work_row(&key).is_some() {
                    batch.set_work(key, None);
                }
            }
        }));
        self.shared.queue.close();
        drop(all);
        driven.into_iter().map(|(_, live)| live).inspect(|live| live.close()).collect()
    }
}

impl<P: Send + Sync + 'static> Drop for Engine<P> {
    fn drop(&mut self) {
        let thread = lock(&self.committer).take();
        if let Some(thread) = thread {
            self.let_go();
            let _ = thread.join();
        }
    }
}
