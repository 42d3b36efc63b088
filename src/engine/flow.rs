//! A flow from the inside: what a story may do, and how it is answered from the log.
//!
//! Each call has a path. If the log has a record at that path, the call is answered by it;
//! otherwise, unless the flow has turned, it happens now. A story that asks for another kind of
//! event than the log holds has been changed under its own version: the flow parks.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use event::{Draft, Event, Failure, FlowId, Record, Scope, Seq, View};
use tokio::sync::oneshot;

use crate::at::At;
use crate::attempt::Tried;
use crate::branch::Branch;
use crate::committer::Slot;
use crate::kinds::{Failed, ParentEnd, Refused};
use crate::live::Live;
use crate::queue::{Ticket, lock};
use crate::shared::Shared;
use crate::workflow::Halt;

/// Digits of the number of a call, at most.
const NUMBER_DIGITS: usize = 10;

/// A running operation, as its story sees it.
pub struct Flow<P> {
    pub(crate) inner: Arc<Inner<P>>,
    /// Where in the story it is: in its trunk, or in one of several lines that are told at once.
    pub(crate) branch: Arc<Branch>,
}

impl<P> Clone for Flow<P> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), branch: self.branch.clone() }
    }
}

pub(crate) struct Inner<P> {
    pub(crate) id: FlowId,
    /// Under which id its steps work: its own, or, for one that takes up what another was reset to, the first one's.
    pub(crate) work: FlowId,
    /// How many resets lie between that one and this.
    pub(crate) resets: u32,
    /// Name of its story.
    pub(crate) name: String,
    pub(crate) scope: Arc<Scope>,
    pub(crate) shared: Arc<Shared<P>>,
    pub(crate) live: Arc<Live>,
    pub(crate) told: Mutex<Told<P>>,
}

/// What has been told of the story so far.
pub(crate) struct Told<P> {
    /// Records by path, taken out as the story meets them.
    pub(crate) journal: HashMap<String, Record>,
    /// Of a flow that was reset: whose the records are that it has taken over, by path.
    pub(crate) inherited: HashMap<String, FlowId>,
    /// Where its records are, by path, of a flow that turned to be begun anew.
    pub(crate) places: HashMap<String, Seq>,
    /// What is remembered of steps that failed, by path, until the step is met.
    pub(crate) tried: HashMap<String, Tried>,
    /// Undos of what began, oldest first.
    pub(crate) armed: Vec<Armed<P>>,
    /// It is past its point of no return.
    pub(crate) committed: bool,
    /// Nothing goes forward any more.
    pub(crate) turned: bool,
    /// The newest thing submitted.
    pub(crate) last: Ticket,
    /// Which way it goes where the story was patched, as far as that was asked.
    pub(crate) patches: HashMap<String, bool>,
    /// Children that go on beside it, and what becomes of each when it ends.
    pub(crate) children: Vec<(FlowId, ParentEnd)>,
    /// What the story did that no replay could follow.
    pub(crate) broken: Option<String>,
}

pub(crate) type DecideUndo = Box<dyn FnOnce(&View<'_>) -> Draft + Send>;
pub(crate) type StepUndo<P> =
    Arc<dyn Fn(At<P>) -> Pin<Box<dyn Future<Output = Result<Draft, Failure>> + Send>> + Send + Sync>;

pub(crate) struct Armed<P> {
    pub(crate) path: String,
    pub(crate) undo: Undo<P>,
}

pub(crate) enum Undo<P> {
    Decide(Scope, DecideUndo),
    Step(StepUndo<P>),
}

impl<P: Send + Sync + 'static> Flow<P> {
    /// The flow's id; that of the first one, if an operator has reset it to an earlier step.
    pub fn id(&self) -> FlowId {
        let Inner { work, .. } = &*self.inner;
        *work
    }

    /// A new id of 20 lower-case letters and digits, the same at every replay.
    pub fn new_id(&self) -> String {
        let mut line = lock(&self.branch.line);
        line.minted += 1;
        self.inner.work.mint(&format!("{}{}", self.branch.prefix, line.minted))
    }

    /// The time of the newest record of this line of the story so far, milliseconds since 1970 UTC.
    pub async fn now_ms(&self) -> i64 {
        let is_pending = std::mem::take(&mut lock(&self.branch.line).is_pending);
        if is_pending {
            let (sender, decided) = oneshot::channel();
            // Behind the record in the queue.
            self.inner.shared.queue.submit(Box::new(move |_| _ = sender.send(())));
            if decided.await.is_ok() {
                let written_ms = self.branch.written_ms.load(Ordering::Acquire);
                let mut line = lock(&self.branch.line);
                line.now_ms = line.now_ms.max(written_ms);
            }
        }
        lock(&self.branch.line).now_ms
    }

    /// Does one thing of the story. Two at once would have paths that depend on which of them came
    /// first, and one that is dropped half-way would go on beside its own undo: such a story parks.
    pub(crate) async fn alone<T>(
        &self,
        path: Arc<str>,
        doing: impl Future<Output = Result<T, Halt>> + Send,
    ) -> Result<T, Halt> {
        let whole = self.begins_alone(path)?;
        let done = doing.await;
        whole.ends();
        done
    }

    /// The same, for what is large or frequent and would be moved into another future for it: what is held until it is
    /// over.
    pub(crate) fn begins_alone(&self, path: Arc<str>) -> Result<Whole<'_, P>, Halt> {
        let mut line = lock(&self.branch.line);
        if let Some(other) = &line.under_way {
            let why = format!(
                "step {path} was begun while step {other} was under way; use `join`, `race` or `each` for that"
            );
            lock(&self.inner.told).broken = Some(why.clone());
            return Err(Halt::Park(why));
        }
        line.under_way = Some(path.clone());
        drop(line);
        Ok(Whole { flow: self, path: Some(path) })
    }

    /// The flow waits for its turn, a time or its parts, so it is not what took a process down.
    pub(crate) fn waits(&self) {
        if self.inner.live.takes_counted() {
            let key = crate::at::work_key(self.inner.id, "", "recovered");
            self.inner.shared.queue.submit(Box::new(move |batch| {
                if batch.work_row(&key).is_some() {
                    batch.set_work(key, None);
                }
            }));
        }
    }

    pub(crate) fn next_path(&self, mark: &str) -> Arc<str> {
        let number = {
            let mut line = lock(&self.branch.line);
            line.number += 1;
            line.number
        };
        let prefix = &self.branch.prefix;
        let mut path = String::with_capacity(prefix.len() + NUMBER_DIGITS + mark.len());
        path.push_str(prefix);
        write!(path, "{number}").expect("a text takes what is written");
        path.push_str(mark);
        path.into()
    }

    /// What the log has at a path: an event, a memoised no, or nothing.
    pub(crate) fn recall<E: Event>(&self, path: &str) -> Result<Option<Result<E, Halt>>, Halt> {
        let record = {
            let mut told = lock(&self.inner.told);
            // Of a story that is told for the first time nothing is looked for.
            if told.journal.is_empty() { None } else { told.journal.remove(path) }
        };
        let Some(record) = record else { return Ok(None) };
        self.met(record.time_ms);
        let diverged = || {
            Halt::Park(format!(
                "history diverged at step {path}: the log has `{}`, the story asks for `{}`; run the version of \
                 `kiln` that began it, or unwind it",
                record.kind,
                E::KIND
            ))
        };
        if E::reads(&record.kind) {
            let event = record.get::<E>().map_err(|error| Halt::Park(error.to_string()))?;
            return Ok(Some(Ok(event)));
        }
        if let Ok(refused) = record.get::<Refused>() {
            return Ok(Some(Err(Halt::Refused(refused.refusal))));
        }
        if let Ok(failed) = record.get::<Failed>() {
            return Ok(Some(Err(Halt::Failed(failed.refusal))));
        }
        Err(diverged())
    }

    /// Whether the log holds an event of this kind at a path.
    pub(crate) fn journal_has<E: Event>(&self, path: &str) -> bool {
        lock(&self.inner.told).journal.get(path).is_some_and(|record| E::reads(&record.kind))
    }

    /// Whether the log still takes anything.
    pub(crate) fn open(&self) -> Result<(), Halt> {
        if self.inner.live.is_closing() || self.inner.shared.queue.stopped().is_some() {
            return Err(Halt::Stopped(self.inner.shared.queue.error()));
        }
        Ok(())
    }

    /// Whether the story may do something new.
    pub(crate) fn forward(&self) -> Result<(), Halt> {
        self.open()?;
        if self.branch.is_stopped() {
            return Err(Halt::Turned);
        }
        let mut told = lock(&self.inner.told);
        if let Some(why) = &told.broken {
            return Err(Halt::Park(why.clone()));
        }
        told.turned |= self.inner.live.is_cancelled();
        if told.turned { Err(Halt::Turned) } else { Ok(()) }
    }

    /// Whether nothing of this line of the story goes forward any more.
    pub(crate) fn only_undoes(&self) -> bool {
        self.stops() || lock(&self.inner.told).turned
    }

    /// Whether the flow was cancelled, or its branch has lost.
    pub(crate) fn stops(&self) -> bool {
        self.inner.live.is_cancelled() || self.branch.is_stopped()
    }

    /// Ends when the flow is cancelled, its branch has lost, or the engine closes.
    pub(crate) async fn called(&self) {
        self.inner.live.called_or(|| self.branch.is_stopped()).await;
    }

    /// A record was met that has this time.
    pub(crate) fn met(&self, time_ms: i64) {
        let mut line = lock(&self.branch.line);
        line.now_ms = time_ms;
        line.is_pending = false;
    }

    /// Whether the log holds more of the story than it has asked for: it is being told again.
    pub(crate) fn came_further(&self) -> bool {
        !lock(&self.inner.told).journal.is_empty()
    }

    /// Submits an event of this flow without waiting for it.
    pub(crate) fn append(&self, path: impl Into<Arc<str>>, draft: Draft) {
        let (id, scope, path) = (self.inner.id, self.inner.scope.clone(), path.into());
        let written_ms = self.branch.written_ms.clone();
        let order = self.inner.shared.order.clone();
        // On its way it is one more that moves.
        if let Some(order) = &order {
            order.lines(id, 1);
        }
        let ticket = self.inner.shared.queue.submit(Box::new(move |batch| {
            let slot = Slot { flow: id, path: &path, scope: &scope };
            if let Some((_, time_ms)) = batch.append(&slot, draft) {
                written_ms.store(time_ms, Ordering::Release);
            }
            if let Some(order) = &order {
                order.lines(id, -1);
            }
        }));
        self.submitted(ticket);
        lock(&self.branch.line).is_pending = true;
    }

    /// Something new of the story is on its way into the log.
    pub(crate) fn submitted(&self, ticket: Ticket) {
        {
            let mut told = lock(&self.inner.told);
            // Of two lines the one that submitted first may note it last.
            told.last = told.last.max(ticket);
        }
        lock(&self.branch.line).fresh = true;
    }

    /// Waits until all that this flow has submitted is on disk.
    pub(crate) async fn durable(&self) -> Result<(), Halt> {
        let last = lock(&self.inner.told).last;
        Ok(self.inner.shared.queue.durable(last).await?)
    }

    /// Whether the story is past its point of no return.
    pub(crate) fn is_committed(&self) -> bool {
        lock(&self.inner.told).committed
    }

    pub(crate) fn arm(&self, path: &str, undo: Undo<P>) {
        lock(&self.inner.told).armed.push(Armed { path: path.to_owned(), undo });
    }
}

/// Notices when a step's future is dropped before its end.
pub(crate) struct Whole<'a, P> {
    flow: &'a Flow<P>,
    path: Option<Arc<str>>,
}

impl<P> Whole<'_, P> {
    /// It has come to its end.
    pub(crate) fn ends(mut self) {
        self.path = None;
    }
}

impl<P> Drop for Whole<'_, P> {
    fn drop(&mut self) {
        lock(&self.flow.branch.line).under_way = None;
        if let Some(path) = self.path.take() {
            let why = format!("the story dropped step {path} before its end");
            lock(&self.flow.inner.told).broken = Some(why);
        }
    }
}
