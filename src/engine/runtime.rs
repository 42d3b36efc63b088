//! The engine from the outside: opening, starting, driving, cancelling, releasing, looking.

use std::collections::HashMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;

use event::{Actor, Cause, Draft, FlowId, Fold, Progress, Record, Refusal, Rows, Seq};
use files::Files;
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::committer::{Committer, Origin, Slot};
use crate::fold::{self, EngineFold, FLOWS, FlowRow, OPEN, REQUESTS, State, house};
use crate::kinds::{CancelRequested, Ended, Outcome, Parked, Released, Started, Turn, Turned};
use crate::queue::{Ahead, Queue, lock};
use crate::store::{Changes, Store};
use crate::workflow::{Book, Workflow};
use crate::{Error, audit, unwind};

/// Flows in progress at once; beyond it a start is refused rather than queued without end.
const OPEN_FLOWS_MAX: usize = 100_000;
/// Recoveries of a flow that ended before it got any further, after which it parks instead of
/// taking the process down again.
pub(crate) const RECOVERIES_MAX: u32 = 5;

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
}

/// An open log, and the flows in it.
pub struct Engine<P: Send + Sync + 'static> {
    shared: Arc<Shared<P>>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

pub(crate) struct Shared<P> {
    pub(crate) store: Arc<Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ports: Arc<P>,
    pub(crate) book: Book<P>,
    pub(crate) fold: Arc<dyn Fold>,
    pub(crate) incarnation: u64,
    driving: AtomicBool,
    live: Mutex<HashMap<FlowId, Arc<Live>>>,
    limits: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A flow that is being driven here and now.
pub(crate) struct Live {
    pub(crate) ahead: Ahead,
    cancelled: AtomicBool,
    bell: Notify,
    progress: watch::Sender<Progress>,
    at_rest: watch::Sender<bool>,
}

impl Live {
    fn new(queue: &Arc<Queue>, cancelled: bool) -> Arc<Self> {
        Arc::new(Self {
            ahead: Ahead::moving(queue.clone()),
            cancelled: AtomicBool::new(cancelled),
            bell: Notify::new(),
            progress: watch::Sender::new(Progress::default()),
            at_rest: watch::Sender::new(false),
        })
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Ends when the flow is cancelled.
    pub(crate) async fn cancelled(&self) {
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if self.is_cancelled() {
                return;
            }
            rung.await;
        }
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.bell.notify_waiters();
    }

    pub(crate) fn report(&self, progress: Progress) {
        self.progress.send_replace(progress);
    }
}

/// A flow being watched.
pub struct Watch {
    /// How far its present step has come.
    pub progress: watch::Receiver<Progress>,
    /// Becomes true when it has ended or parked here.
    pub at_rest: watch::Receiver<bool>,
}

impl<P: Send + Sync + 'static> Engine<P> {
    /// Opens the log in a directory, or begins one. Nothing is driven until [`Engine::drive`].
    ///
    /// # Errors
    /// If the log cannot be opened, is damaged, or holds what this program does not know.
    pub fn open(options: Options<P>) -> Result<Self, Error> {
        let store = Arc::new(Store::open(&*options.files, &options.dir)?);
        let snapshot = store.snapshot()?;
        let unknown =
            fold::kinds(&snapshot).into_iter().find(|kind| !EngineFold::knows(&*options.fold, kind));
        if let Some(kind) = unknown {
            return Err(Error::UnknownKind { kind });
        }
        let head = snapshot.head()?;
        let incarnation = snapshot.incarnation()? + 1;
        let version = fold::version(&*options.fold);
        let mut changes = Changes { incarnation: Some(incarnation), ..Changes::default() };
        if snapshot.fold()? != Some(version) {
            if head.seq > Seq(0) {
                tracing::info!(
                    events = head.seq.0,
                    "the projections' code has changed: folding the log once"
                );
                changes.rows = audit::refold(&snapshot, &options.fold)?;
            }
            changes.fold = Some(version);
        }
        store.commit(&changes).map_err(|error| Error::Stopped { why: error.to_string().into() })?;
        let fold = EngineFold::resume(options.fold.clone(), &store.snapshot()?);
        let queue = Arc::new(Queue::default());
        let committer = Committer {
            store: store.clone(),
            queue: queue.clone(),
            clock: options.clock.clone(),
            fold,
            head,
        };
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| Error::Stopped { why: error.to_string().into() })?;
        let shared = Shared {
            store,
            queue,
            clock: options.clock,
            ports: options.ports,
            book: options.book,
            fold: options.fold,
            incarnation,
            driving: AtomicBool::new(false),
            live: Mutex::default(),
            limits: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared), committer: Mutex::new(Some(thread)) })
    }

    /// Drives every flow that has not ended, and those started from now on. Has to be called
    /// within a tokio runtime, which the flows then run on.
    pub async fn drive(&self) -> Result<(), Error> {
        if self.shared.driving.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let (sender, receiver) = oneshot::channel();
        let ticket = self.shared.queue.submit(Box::new(move |batch| {
            let open: Vec<FlowRow> = OPEN
                .list(batch.rows(), &house(), &[])
                .into_iter()
                .filter_map(|id| batch.flow(id).cloned())
                .filter(|flow| flow.state != State::Parked)
                .collect();
            let mut driven = Vec::new();
            for flow in open {
                if unwind::count_recovery(batch, &flow) {
                    driven.push((flow.id, flow.cancel.is_some() && !flow.committed));
                }
            }
            let _ = sender.send(driven);
        }));
        let driven = receiver.await.map_err(|_| self.shared.queue.error())?;
        self.shared.queue.durable(ticket).await?;
        for (id, cancelled) in driven {
            self.shared.spawn(id, cancelled);
        }
        Ok(())
    }

    /// Whether flows are driven here.
    pub fn is_driving(&self) -> bool {
        self.shared.driving.load(Ordering::Acquire)
    }

    /// Starts an operation, once for each request id: the second time it finds the first. On
    /// return the operation is on disk.
    pub async fn start<W: Workflow<Ports = P>>(
        &self,
        actor: Actor,
        request: &str,
        workflow: W,
    ) -> Result<FlowId, Error> {
        let id = FlowId::derive(self.shared.clock.now_ms(), request.as_bytes());
        if let Some(known) = REQUESTS.get(&self.shared.store.snapshot()?, &house(), &[request]) {
            return Ok(known);
        }
        let cause = Cause::Request(request.to_owned());
        let (id, ticket) = self.shared.begin(id, actor, cause, &workflow).await?;
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
        let id = FlowId::derive(self.shared.clock.now_ms(), request.as_bytes());
        let known = REQUESTS.get(&self.shared.store.snapshot()?, &house(), &[request]);
        let id = match known {
            Some(known) => known,
            None => {
                let cause = Cause::Request(request.to_owned());
                self.shared.begin(id, actor, cause, &workflow).await?.0
            }
        };
        self.wait(id).await
    }

    /// Waits until a flow has ended or parked. Something has to drive it.
    pub async fn wait(&self, id: FlowId) -> Result<FlowRow, Error> {
        self.shared.wait(id).await
    }

    /// The flow's progress while it is driven here.
    pub fn watch(&self, id: FlowId) -> Option<Watch> {
        let live = self.shared.live(id)?;
        Some(Watch { progress: live.progress.subscribe(), at_rest: live.at_rest.subscribe() })
    }

    /// Cancels a flow, if it is not too late; decided at the head of the log, so that accepting
    /// it and a step without return exclude each other.
    ///
    /// # Errors
    /// [`Error::NoFlow`], or [`Error::Denied`] when it has ended or is past its point of no return.
    pub async fn cancel(&self, by: Actor, id: FlowId, reason: &str) -> Result<(), Error> {
        self.shared.cancel(by, id, reason).await
    }

    /// Lets a parked flow go on where it stopped.
    pub async fn retry(&self, by: Actor, id: FlowId, reason: &str) -> Result<(), Error> {
        let released = Released { by, reason: reason.to_owned() };
        self.release(id, Draft::of(&released), true).await
    }

    /// Makes a parked flow turn and undo what it began.
    pub async fn unwind(&self, by: Actor, id: FlowId, reason: &str) -> Result<(), Error> {
        let cause = Turn::Unwound(format!("{reason} (by account {})", by.account));
        self.release(id, Draft::of(&Turned { cause }), true).await
    }

    /// Gives a parked flow up, leaving things as they are.
    pub async fn abandon(&self, by: Actor, id: FlowId, reason: &str) -> Result<(), Error> {
        let outcome = Outcome::Abandoned(format!("{reason} (by account {})", by.account));
        self.release(id, Draft::of(&Ended { outcome }), false).await
    }

    async fn release(&self, id: FlowId, draft: Draft, goes_on: bool) -> Result<(), Error> {
        let (sender, receiver) = oneshot::channel();
        let turning = draft.kind == <Turned as event::Event>::KIND;
        let ticket = self.shared.queue.submit(Box::new(move |batch| {
            let Some(flow) = batch.flow(id).cloned() else {
                let _ = sender.send(Err("has ended or never was".to_owned()));
                return;
            };
            let answer = if flow.state != State::Parked {
                Err("is not parked".to_owned())
            } else if turning && flow.committed {
                Err("is past its point of no return: retry or abandon it".to_owned())
            } else if turning && flow.turn.is_some() {
                Err("is being undone already: retry it".to_owned())
            } else {
                batch.append(&Slot { flow: id, path: "", scope: &flow.scope }, draft);
                batch.clear_work(id, if goes_on { "tried" } else { "" });
                batch.clear_work(id, "recovered");
                Ok(flow.cancel.is_some() && !flow.committed)
            };
            let _ = sender.send(answer);
        }));
        let answer = receiver.await.map_err(|_| self.shared.queue.error())?;
        let cancelled = answer.map_err(|why| Error::Denied { flow: id, why })?;
        self.shared.queue.durable(ticket).await?;
        if goes_on && self.is_driving() {
            self.shared.spawn(id, cancelled);
        }
        Ok(())
    }

    /// Everything as of the last commit.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(Snapshot(self.shared.store.snapshot()?))
    }

    /// Checks the log from its first event: order, chain, decoding, head.
    pub fn verify(&self) -> Result<audit::Verified, Error> {
        audit::verify(&self.shared.store.snapshot()?)
    }

    /// Folds the log anew and compares the projections with it, bit for bit.
    pub fn rebuild(&self) -> Result<audit::Rebuilt, Error> {
        audit::rebuild(&self.shared.store.snapshot()?, &self.shared.fold)
    }

    /// Closes the log, after what waits has been committed. Flows in progress go on when it is
    /// opened again.
    pub async fn close(self) {
        self.shared.queue.close();
        let thread = lock(&self.committer).take();
        if let Some(thread) = thread {
            // Its failure, if any, has been told to everybody who waited.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl<P: Send + Sync + 'static> Drop for Engine<P> {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(thread) = lock(&self.committer).take() {
            let _ = thread.join();
        }
    }
}

impl<P: Send + Sync + 'static> Shared<P> {
    pub(crate) fn live(&self, id: FlowId) -> Option<Arc<Live>> {
        lock(&self.live).get(&id).cloned()
    }

    /// The limit of a key; whoever comes first says how wide it is while anybody holds it.
    pub(crate) fn limit(&self, key: &str, count: usize) -> Arc<Semaphore> {
        let mut limits = lock(&self.limits);
        if let Some(limit) = limits.get(key).and_then(Weak::upgrade) {
            return limit;
        }
        limits.retain(|_, limit| limit.strong_count() > 0);
        let limit = Arc::new(Semaphore::new(count.max(1)));
        limits.insert(key.to_owned(), Arc::downgrade(&limit));
        limit
    }

    /// Writes a flow's first record, if it is not there, and drives it.
    pub(crate) async fn begin<W: Workflow<Ports = P>>(
        self: &Arc<Self>,
        id: FlowId,
        actor: Actor,
        cause: Cause,
        workflow: &W,
    ) -> Result<(FlowId, crate::queue::Ticket), Error> {
        if lock(&self.live).len() >= OPEN_FLOWS_MAX {
            let why =
                format!("was not started: {OPEN_FLOWS_MAX} are in progress; try again when some have ended");
            return Err(Error::Denied { flow: id, why });
        }
        let started = Started {
            name: W::NAME.to_owned(),
            version: W::VERSION,
            label: workflow.label(),
            input: rmp_serde::to_vec_named(workflow).expect("an input is plain data"),
            subjects: workflow.subjects(),
        };
        let scope = workflow.scope();
        let draft = Draft::of(&started);
        let driving = self.driving.load(Ordering::Acquire);
        let live = driving.then(|| self.enlist(id, false)).flatten();
        let (sender, receiver) = oneshot::channel();
        let (row_scope, request) = (scope.clone(), cause.clone());
        let ticket = self.queue.submit(Box::new(move |batch| {
            let known = match &request {
                Cause::Request(request) => REQUESTS.get(batch.rows(), &house(), &[request]),
                Cause::Parent(_) => FLOWS.get(batch.rows(), &house(), &[&id.to_string()]).map(|flow| flow.id),
            };
            let known = known.or_else(|| batch.flow(id).map(|flow| flow.id));
            if known.is_none() {
                let slot = Slot { flow: id, path: "", scope: &row_scope };
                batch.begin(&slot, Origin { actor, cause }, draft);
            }
            let _ = sender.send(known);
        }));
        let Some(live) = live else {
            let known = receiver.await.map_err(|_| self.queue.error())?;
            return Ok((known.unwrap_or(id), ticket));
        };
        // The story begins before its first record is on disk: its effects wait, its decides need not.
        let told = unwind::Begin { scope, started, ticket };
        let shared = self.clone();
        self.spawn_with(id, live.clone(), async move {
            match receiver.await {
                Ok(None) => unwind::drive(shared, id, live, Some(told)).await,
                // Somebody else began it, or the log has stopped.
                _ => shared.dismiss(id, &live),
            }
        });
        Ok((id, ticket))
    }

    fn enlist(&self, id: FlowId, cancelled: bool) -> Option<Arc<Live>> {
        let mut all = lock(&self.live);
        if all.contains_key(&id) {
            return None;
        }
        let live = Live::new(&self.queue, cancelled);
        all.insert(id, live.clone());
        Some(live)
    }

    fn spawn(self: &Arc<Self>, id: FlowId, cancelled: bool) {
        if let Some(live) = self.enlist(id, cancelled) {
            let shared = self.clone();
            self.spawn_with(id, live.clone(), async move { unwind::drive(shared, id, live, None).await });
        }
    }

    fn spawn_with(&self, _id: FlowId, live: Arc<Live>, story: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(unwind::Polled::new(live, story));
    }

    /// A flow is no longer driven here.
    pub(crate) fn dismiss(&self, id: FlowId, live: &Arc<Live>) {
        lock(&self.live).remove(&id);
        live.at_rest.send_replace(true);
    }

    pub(crate) fn flow_row(&self, id: FlowId) -> Result<Option<FlowRow>, Error> {
        Ok(FLOWS.get(&self.store.snapshot()?, &house(), &[&id.to_string()]))
    }

    pub(crate) async fn wait(&self, id: FlowId) -> Result<FlowRow, Error> {
        loop {
            if let Some(live) = self.live(id) {
                let mut at_rest = live.at_rest.subscribe();
                // The sender lives as long as `live` does, which is held here.
                let _ = at_rest.wait_for(|rest| *rest).await;
            }
            let Some(row) = self.flow_row(id)? else {
                return Err(self.queue.stopped().unwrap_or(Error::NoFlow(id)));
            };
            if row.state.has_ended() || row.state == State::Parked {
                return Ok(row);
            }
            if self.live(id).is_none() {
                return Err(match self.driving.load(Ordering::Acquire) {
                    true => self.queue.error(),
                    false => Error::Denied { flow: id, why: "is not driven by this process".to_owned() },
                });
            }
        }
    }

    pub(crate) async fn cancel(self: &Arc<Self>, by: Actor, id: FlowId, reason: &str) -> Result<(), Error> {
        let (sender, receiver) = oneshot::channel();
        let live = self.live(id);
        let request = CancelRequested { by, reason: reason.to_owned() };
        let ticket = self.queue.submit(Box::new(move |batch| {
            let Some(flow) = batch.flow(id).cloned() else {
                let ended = FLOWS.get(batch.rows(), &house(), &[&id.to_string()]).is_some();
                let _ = sender.send(Err(ended.then(|| "has ended already".to_owned())));
                return;
            };
            if flow.committed {
                let why = "is past its point of no return and goes on to its end".to_owned();
                let _ = sender.send(Err(Some(why)));
                return;
            }
            if flow.cancel.is_none() && flow.turn.is_none() {
                batch.append(&Slot { flow: id, path: "", scope: &flow.scope }, Draft::of(&request));
                if flow.state == State::Parked {
                    // A cancel is a person's word as well: it lets the flow go on, to be undone.
                    let released = Released { by: request.by, reason: "it was cancelled".to_owned() };
                    batch.append(&Slot { flow: id, path: "", scope: &flow.scope }, Draft::of(&released));
                }
            }
            let _ = sender.send(Ok(()));
        }));
        let answer = receiver.await.map_err(|_| self.queue.error())?;
        answer.map_err(|why| match why {
            Some(why) => Error::Denied { flow: id, why },
            None => Error::NoFlow(id),
        })?;
        if let Some(live) = live {
            live.cancel();
        }
        self.queue.durable(ticket).await?;
        // One that was parked goes on, to be undone.
        if self.driving.load(Ordering::Acquire)
            && self.flow_row(id)?.is_some_and(|row| !row.state.has_ended())
        {
            self.spawn(id, true);
        }
        Ok(())
    }
}

/// Everything as of one commit. Reading a damaged file may panic inside redb; catch that where
/// people are answered.
pub struct Snapshot(pub(crate) crate::store::Snapshot);

impl Rows for Snapshot {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        self.0.scan(prefix, visit);
    }
}

impl Snapshot {
    /// The last event's place; 0 if there is none.
    pub fn head(&self) -> Result<Seq, Error> {
        Ok(self.0.head()?.seq)
    }

    /// One flow.
    pub fn flow(&self, id: FlowId) -> Option<FlowRow> {
        FLOWS.get(&self.0, &house(), &[&id.to_string()])
    }

    /// Flows, newest first, those that `wanted` says yes to, at most `count`.
    pub fn flows(&self, count: usize, wanted: impl Fn(&FlowRow) -> bool) -> Vec<FlowRow> {
        let mut found = FLOWS.list(&self.0, &house(), &[]);
        found.reverse();
        found.retain(wanted);
        found.truncate(count);
        found
    }

    /// Flows that have not ended, oldest first.
    pub fn open_flows(&self) -> Vec<FlowRow> {
        let ids = OPEN.list(&self.0, &house(), &[]);
        ids.into_iter().filter_map(|id| self.flow(id)).collect()
    }

    /// One record.
    pub fn record(&self, seq: Seq) -> Result<Option<Record>, Error> {
        self.0.record(seq)
    }

    /// The records of a flow, oldest first.
    pub fn records_of(&self, flow: &FlowRow) -> Result<Vec<Record>, Error> {
        unwind::records_of(&self.0, flow)
    }

    /// The records that concern a subject, oldest first.
    pub fn history(&self, subject: &str) -> Result<Vec<Record>, Error> {
        let places = fold::history(&self.0, subject);
        places.into_iter().filter_map(|seq| self.0.record(seq).transpose()).collect()
    }

    /// The records from `from` on, at most `count`.
    pub fn records(&self, from: Seq, count: usize) -> Result<Vec<Record>, Error> {
        audit::records(&self.0, from, count)
    }
}

/// Parks a flow for a reason; the record is on disk on return.
pub(crate) fn parked(why: &str) -> Draft {
    Draft::of(&Parked { why: why.to_owned() })
}

/// The refusal of a flow that did not end well, or the engine's word for a parked one.
impl FlowRow {
    /// What a caller is told of a flow that ended badly or waits for a person.
    pub fn trouble(&self) -> Option<Refusal> {
        if let Some(why) = &self.parked {
            let advice = format!("when it is mended: `kiln workflow resume {}`", self.id);
            return Some(Refusal::new("OperationParked", format!("it is parked: {why}")).advise(advice));
        }
        self.refusal()
    }
}
