//! A flow from the inside: what a story may do, and how it is answered from the log.
//!
//! Each call has a path. If the log has a record at that path, the call is answered by it;
//! otherwise, unless the flow has turned, it happens now. A story that asks for another kind of
//! event than the log holds has been changed under its own version: the flow parks.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event::{Draft, Event, Failure, FlowId, Record, Refusal, Scope, View, Wait};
use tokio::sync::oneshot;

use crate::at::At;
use crate::attempt::Tried;
use crate::committer::Slot;
use crate::kinds::{Failed, Refused, TimerFired, TimerSet};
use crate::live::Live;
use crate::queue::{Ticket, lock};
use crate::shared::Shared;
use crate::workflow::Halt;

/// A running operation, as its story sees it.
pub struct Flow<P> {
    pub(crate) inner: Arc<Inner<P>>,
}

impl<P> Clone for Flow<P> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

pub(crate) struct Inner<P> {
    pub(crate) id: FlowId,
    pub(crate) scope: Scope,
    pub(crate) shared: Arc<Shared<P>>,
    pub(crate) live: Arc<Live>,
    pub(crate) told: Mutex<Told<P>>,
}

/// What has been told of the story so far.
pub(crate) struct Told<P> {
    /// Number of the last call.
    pub(crate) number: u32,
    /// Number of the last id minted.
    pub(crate) minted: u32,
    /// Records by path, taken out as the story meets them.
    pub(crate) journal: HashMap<String, Record>,
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
    /// Time of the newest record met.
    pub(crate) now_ms: i64,
    /// The newest record's time, while it is still being decided.
    pub(crate) pending_now: Option<oneshot::Receiver<i64>>,
    /// The step that is under way.
    pub(crate) under_way: Option<String>,
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

/// A decide's answer.
enum Answer<E> {
    Event(E, i64),
    Refused(Refusal, i64),
    Cancelled,
    Fault(String),
    Gone,
}

impl<P: Send + Sync + 'static> Flow<P> {
    /// The flow's id.
    pub fn id(&self) -> FlowId {
        self.inner.id
    }

    /// A new id of 20 lower-case letters and digits, the same at every replay.
    pub fn new_id(&self) -> String {
        let mut told = lock(&self.inner.told);
        told.minted += 1;
        self.inner.id.mint(&told.minted.to_string())
    }

    /// The time of the newest record of this story so far, milliseconds since 1970 UTC.
    pub async fn now_ms(&self) -> i64 {
        let pending = lock(&self.inner.told).pending_now.take();
        if let Some(pending) = pending
            && let Ok(now_ms) = pending.await
        {
            lock(&self.inner.told).now_ms = now_ms;
        }
        lock(&self.inner.told).now_ms
    }

    /// Decides something at the head of the log: a pure function of one scope's rows that yields
    /// one event or a refusal. Say how it is undone before awaiting it.
    ///
    /// ```compile_fail
    /// # async fn story<P: Send + Sync + 'static>(flow: &engine::Flow<P>) {
    /// let _ = flow.decide("100000/cn-a".into(), |_| Ok(engine::Superseded { what: String::new() })).await;
    /// # }
    /// ```
    pub fn decide<E: Event>(
        &self,
        scope: Scope,
        decide: impl FnOnce(&View<'_>) -> Result<E, Refusal> + Send + 'static,
    ) -> Decide<'_, P, E> {
        Decide { flow: self, scope, rule: Box::new(decide) }
    }

    /// Acts on the world. It runs at least once: make its effects keyed, let a second run find the
    /// first one's work. Say how it is undone before awaiting it.
    pub fn step<E, F, Fut>(&self, act: F) -> Step<'_, P, E>
    where
        E: Event,
        F: Fn(At<P>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<E, Failure>> + Send + 'static,
    {
        Step {
            flow: self,
            act: Arc::new(move |at| Box::pin(act(at))),
            limit: None,
            policy: Policy::default(),
        }
    }

    /// Lets time pass; survives restarts.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = Result<(), Halt>> + Send + '_ {
        let path = self.next_path("");
        let slept = path.clone();
        self.alone(path, async move { self.sleep_at(slept, duration).await })
    }

    async fn sleep_at(&self, path: String, duration: Duration) -> Result<(), Halt> {
        let fired_path = format!("{path}+");
        let now_ms = self.now_ms().await;
        let wait_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let set = self.recall::<TimerSet>(&path)?;
        #[cfg(test)]
        let recalled = set.is_some();
        let due_ms = if let Some(set) = set {
            set?.due_ms
        } else {
            self.forward()?;
            let due_ms = now_ms.saturating_add(wait_ms);
            self.append(&path, Draft::of(&TimerSet { due_ms }));
            due_ms
        };
        if let Some(fired) = self.recall::<TimerFired>(&fired_path)? {
            fired?;
            return Ok(());
        }
        self.forward()?;
        self.durable().await?;
        self.waits();
        let left_ms = due_ms.saturating_sub(self.inner.shared.clock.now_ms()).max(0).cast_unsigned();
        #[cfg(test)]
        let left_ms = match crate::planted::planted() {
            Some(crate::planted::Planted::EarlyTimer) if recalled => 0,
            Some(crate::planted::Planted::NoTimer) if recalled => return std::future::pending().await,
            _ => left_ms,
        };
        let pause = self.pauses(Wait::Time);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
            () = self.inner.live.called() => {}
        }
        drop(pause);
        self.forward()?;
        self.append(&fired_path, Draft::of(&TimerFired { set_at: path }));
        Ok(())
    }

    /// Does one thing of the story. Two at once would have paths that depend on which of them came
    /// first, and one that is dropped half-way would go on beside its own undo: such a story parks.
    pub(crate) async fn alone<T>(
        &self,
        path: String,
        doing: impl Future<Output = Result<T, Halt>> + Send,
    ) -> Result<T, Halt> {
        {
            let mut told = lock(&self.inner.told);
            if let Some(other) = told.under_way.clone() {
                let why =
                    format!("step {path} was begun while step {other} was under way; use `each` for that");
                told.broken = Some(why.clone());
                return Err(Halt::Park(why));
            }
            told.under_way = Some(path.clone());
        }
        let mut whole = Whole { told: &self.inner.told, path: Some(path) };
        let done = doing.await;
        whole.path = None;
        done
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

    pub(crate) fn next_path(&self, mark: &str) -> String {
        let mut told = lock(&self.inner.told);
        told.number += 1;
        format!("{}{mark}", told.number)
    }

    /// What the log has at a path: an event, a memoised no, or nothing.
    pub(crate) fn recall<E: Event>(&self, path: &str) -> Result<Option<Result<E, Halt>>, Halt> {
        let mut told = lock(&self.inner.told);
        let Some(record) = told.journal.remove(path) else {
            return Ok(None);
        };
        told.now_ms = record.time_ms;
        told.pending_now = None;
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

    /// Whether the log still takes anything.
    pub(crate) fn open(&self) -> Result<(), Halt> {
        if self.inner.live.is_closing() {
            return Err(Halt::Stopped(self.inner.shared.queue.error()));
        }
        Ok(())
    }

    /// Whether the story may do something new.
    pub(crate) fn forward(&self) -> Result<(), Halt> {
        self.open()?;
        let mut told = lock(&self.inner.told);
        if let Some(why) = &told.broken {
            return Err(Halt::Park(why.clone()));
        }
        told.turned |= self.inner.live.is_cancelled();
        if told.turned { Err(Halt::Turned) } else { Ok(()) }
    }

    /// Whether nothing of the story goes forward any more.
    pub(crate) fn only_undoes(&self) -> bool {
        self.inner.live.is_cancelled() || lock(&self.inner.told).turned
    }

    /// Whether the log holds more of the story than it has asked for: it is being told again.
    pub(crate) fn came_further(&self) -> bool {
        !lock(&self.inner.told).journal.is_empty()
    }

    /// Submits an event of this flow without waiting for it.
    pub(crate) fn append(&self, path: &str, draft: Draft) {
        let (sender, receiver) = oneshot::channel();
        let (id, scope, path) = (self.inner.id, self.inner.scope.clone(), path.to_owned());
        let ticket = self.inner.shared.queue.submit(Box::new(move |batch| {
            let slot = Slot { flow: id, path: &path, scope: &scope };
            if let Some((_, time_ms)) = batch.append(&slot, draft) {
                // Nobody may be asking for the time.
                let _ = sender.send(time_ms);
            }
        }));
        let mut told = lock(&self.inner.told);
        told.last = ticket;
        told.pending_now = Some(receiver);
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

    fn arm(&self, path: &str, undo: Undo<P>) {
        lock(&self.inner.told).armed.push(Armed { path: path.to_owned(), undo });
    }

    async fn decide_now<E: Event>(
        &self,
        path: String,
        scope: Scope,
        decide: DecideFn<E>,
        undo: Option<DecideUndo>,
    ) -> Result<E, Halt> {
        // A refusal is kept without the mark of no return.
        let recalled = match self.recall::<E>(&path)? {
            None if path.ends_with('!') => self.recall::<E>(path.trim_end_matches('!'))?,
            recalled => recalled,
        };
        let event = match recalled {
            Some(answer) => answer?,
            None => self.ask_now(&path, scope.clone(), decide).await?,
        };
        if path.ends_with('!') {
            lock(&self.inner.told).committed = true;
        }
        // Its record is its effect: only a decide that is in the log has anything to undo.
        if let Some(undo) = undo {
            self.arm(&path, Undo::Decide(scope, undo));
        }
        Ok(event)
    }

    async fn ask_now<E: Event>(&self, path: &str, scope: Scope, decide: DecideFn<E>) -> Result<E, Halt> {
        self.forward()?;
        self.turn(path).await?;
        self.forward()?;
        let (sender, receiver) = oneshot::channel();
        let (id, live, path) = (self.inner.id, self.inner.live.clone(), path.to_owned());
        let ticket = self.inner.shared.queue.submit(Box::new(move |batch| {
            let slot = Slot { flow: id, path: &path, scope: &scope };
            let answer = decide_in(batch, &slot, decide);
            live.ahead.answered();
            // A flow that was dropped meanwhile replays.
            if sender.send(answer).is_err() {
                live.ahead.gone();
            }
        }));
        lock(&self.inner.told).last = ticket;
        let answer = receiver.await.map_err(|_| self.inner.shared.queue.error())?;
        self.inner.live.ahead.taken();
        let mut told = lock(&self.inner.told);
        told.pending_now = None;
        match answer {
            Answer::Event(event, time_ms) => {
                told.now_ms = time_ms;
                Ok(event)
            }
            Answer::Refused(refusal, time_ms) => {
                told.now_ms = time_ms;
                Err(Halt::Refused(refusal))
            }
            Answer::Cancelled => {
                told.turned = true;
                Err(Halt::Turned)
            }
            Answer::Fault(why) => Err(Halt::Park(format!("a rule met a fault of its own: {why}"))),
            Answer::Gone => Err(Halt::Park("the log no longer holds this flow as running".to_owned())),
        }
    }
}

fn decide_in<E: Event>(
    batch: &mut crate::committer::Batch<'_>,
    slot: &Slot<'_>,
    decide: DecideFn<E>,
) -> Answer<E> {
    let Some(flow) = batch.flow(slot.flow) else {
        return Answer::Gone;
    };
    #[cfg(test)]
    let asks = !crate::planted::is(crate::planted::Planted::NoCancelCheck);
    #[cfg(not(test))]
    let asks = true;
    if asks && flow.cancel.is_some() && !flow.committed {
        return Answer::Cancelled;
    }
    let decided = batch.ask(slot.scope, |view| {
        let event = decide(view)?;
        let draft = Draft::of(&event);
        Ok::<_, Refusal>((event, draft))
    });
    match decided {
        Err(panic) => Answer::Fault(panic),
        Ok(Ok((event, draft))) => match batch.append(slot, draft) {
            Some((_, time_ms)) => Answer::Event(event, time_ms),
            None => Answer::Gone,
        },
        Ok(Err(refusal)) => {
            // The mark of no return belongs to what was decided, not to a refusal.
            let slot = Slot { path: slot.path.trim_end_matches('!'), ..*slot };
            match batch.append(&slot, Draft::of(&Refused { refusal: refusal.clone() })) {
                Some((_, time_ms)) => Answer::Refused(refusal, time_ms),
                None => Answer::Gone,
            }
        }
    }
}

type DecideFn<E> = Box<dyn FnOnce(&View<'_>) -> Result<E, Refusal> + Send>;

/// A decide that still lacks its undo.
#[must_use = "a decide happens only when its undo is given and it is awaited"]
pub struct Decide<'a, P, E> {
    flow: &'a Flow<P>,
    scope: Scope,
    rule: DecideFn<E>,
}

impl<'a, P: Send + Sync + 'static, E: Event> Decide<'a, P, E> {
    /// The event that takes it back, decided at the head as well. Compare and release: if the
    /// thing is no longer this flow's, yield [`Superseded`](crate::Superseded).
    pub fn undo<D: Into<Draft>>(
        self,
        undo: impl FnOnce(&View<'_>) -> D + Send + 'static,
    ) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        let undo: DecideUndo = Box::new(move |view| undo(view).into());
        self.run("", Some(undo))
    }

    /// Nothing has to be taken back, for a reason.
    pub fn nothing_to_undo(self, _reason: &'static str) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        self.run("", None)
    }

    /// From here there is no way back, for a reason: a cancel is refused, failures go forward or
    /// park.
    pub fn point_of_no_return(
        self,
        _reason: &'static str,
    ) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        self.run("!", None)
    }

    fn run(self, mark: &str, undo: Option<DecideUndo>) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        let Decide { flow, scope, rule } = self;
        let path = flow.next_path(mark);
        flow.alone(path.clone(), flow.decide_now(path, scope, rule, undo))
    }
}

pub(crate) type Act<P, E> =
    Arc<dyn Fn(At<P>) -> Pin<Box<dyn Future<Output = Result<E, Failure>> + Send>> + Send + Sync>;

/// How often and how patiently a step is tried.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts before the world's failure is final.
    pub attempts_max: u32,
    /// Wait after the first failure; doubles each time.
    pub backoff_ms: u64,
    /// The longest wait.
    pub backoff_ms_max: u64,
}

impl Default for Policy {
    /// Eight attempts over about half a minute: a disk that hiccups, not one that is gone.
    fn default() -> Self {
        Self { attempts_max: 8, backoff_ms: 200, backoff_ms_max: 30_000 }
    }
}

impl Policy {
    /// Undos are tried longer before a person is called: leaving things behind is the worse end.
    pub(crate) fn of_undo() -> Self {
        Self { attempts_max: 12, ..Self::default() }
    }
}

/// A step that still lacks its undo.
#[must_use = "a step happens only when its undo is given and it is awaited"]
pub struct Step<'a, P, E> {
    flow: &'a Flow<P>,
    act: Act<P, E>,
    limit: Option<(String, usize)>,
    policy: Policy,
}

impl<'a, P: Send + Sync + 'static, E: Event> Step<'a, P, E> {
    /// At most `count` steps with the same key run at once; the others wait their turn.
    pub fn limit(mut self, key: impl Into<String>, count: usize) -> Self {
        self.limit = Some((key.into(), count));
        self
    }

    /// Another policy for retries.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What takes it back, however far it came, even if it never began. May run more than once.
    pub fn undo<D, F, Fut>(self, undo: F) -> impl Future<Output = Result<E, Halt>> + Send + 'a
    where
        D: Into<Draft>,
        F: Fn(At<P>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<D, Failure>> + Send + 'static,
    {
        let undo: StepUndo<P> = Arc::new(move |at| {
            let undone = undo(at);
            Box::pin(async move { undone.await.map(Into::into) })
        });
        self.run(Some(undo))
    }

    /// Nothing has to be taken back, for a reason.
    pub fn nothing_to_undo(self, _reason: &'static str) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        self.run(None)
    }

    fn run(self, undo: Option<StepUndo<P>>) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        let flow = self.flow;
        let path = flow.next_path("");
        flow.alone(path.clone(), async move { self.run_at(path, undo).await })
    }

    async fn run_at(self, path: String, undo: Option<StepUndo<P>>) -> Result<E, Halt> {
        let flow = self.flow;
        // Armed before anything else is looked at: a step that replay reaches and finds
        // unrecorded counts as begun.
        if let Some(undo) = undo {
            flow.arm(&path, Undo::Step(undo));
        }
        if let Some(answer) = flow.recall::<E>(&path)? {
            return answer;
        }
        flow.forward()?;
        let _permit = match &self.limit {
            Some((key, count)) => Some(flow.permit(key, *count).await?),
            None => None,
        };
        match crate::attempt::run(flow, &path, &self.act, self.policy, false).await? {
            Ok(event) => {
                flow.append(&path, Draft::of(&event));
                Ok(event)
            }
            Err(refusal) => {
                flow.append(&path, Draft::of(&Failed { refusal: refusal.clone() }));
                Err(Halt::Failed(refusal))
            }
        }
    }
}

/// Notices when a step's future is dropped before its end.
struct Whole<'a, P> {
    told: &'a Mutex<Told<P>>,
    path: Option<String>,
}

impl<P> Drop for Whole<'_, P> {
    fn drop(&mut self) {
        let mut told = lock(self.told);
        told.under_way = None;
        if let Some(path) = self.path.take() {
            told.broken = Some(format!("the story dropped step {path} before its end"));
        }
    }
}
