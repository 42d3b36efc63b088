//! What all flows of one engine share, and how a flow comes to be driven and comes to rest.
//!
//! At most one story a flow is told at a time. Whoever wants a flow driven that is being driven
//! already (it has parked, but not yet come to rest) has it driven once more afterwards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use event::{Actor, Cause, Draft, FlowId, Fold, Order};
use tokio::sync::{Notify, oneshot};

use crate::at::work_key;
use crate::committer::{Origin, Slot};
use crate::fold::{self, FLOWS, FlowRow, REQUESTS, State, house};
use crate::hold::{Returning, Returns};
use crate::keyed::KeyedMap;
use crate::kinds::{CancelRequested, Class, Released, Started, Turn};
use crate::live::Live;
use crate::pause::Pauses;
use crate::places::Places;
use crate::queue::{Queue, Ticket, lock};
use crate::rate::Rates;
use crate::store::Store;
use crate::workflow::{Book, Workflow};
use crate::{Clock, Denial, Error, unwind};

/// Flows that have not ended, parked ones included; their rows stay in memory. Beyond it a start is
/// refused rather than queued without end. Children come on top, bounded by their parent's limit.
pub(crate) const OPEN_FLOWS_MAX: usize = 100_000;
/// Requests from outside that may wait for the committer. What flows themselves submit is bounded
/// by their number: each has at most a handful of events under way.
pub(crate) const WAITING_MAX: usize = 4 * OPEN_FLOWS_MAX;

pub(crate) struct Shared<P> {
    pub(crate) store: Arc<Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ports: Arc<P>,
    pub(crate) book: Book<P>,
    pub(crate) fold: Arc<dyn Fold>,
    pub(crate) order: Option<Arc<dyn Order>>,
    pub(crate) incarnation: u64,
    pub(crate) driving: AtomicBool,
    pub(crate) live: Mutex<KeyedMap<FlowId, Arc<Live>>>,
    pub(crate) limits: Mutex<HashMap<String, Weak<Places>>>,
    /// Number of the last attempt that failed at a step or its undo in this incarnation: a later one
    /// fences those before, whatever made it be tried again.
    pub(crate) numbers: Mutex<KeyedMap<FlowId, HashMap<String, u32>>>,
    /// When what steps with a rate were let begin is spent.
    pub(crate) rates: Mutex<Rates>,
    /// What stands still.
    pub(crate) pauses: Pauses,
    /// Whether anybody has been told anything since the opening.
    pub(crate) signalled: AtomicBool,
    /// Who is still to be heard of after an opening.
    pub(crate) returning: Arc<Returning>,
    /// Rings when a flow begins to be driven.
    pub(crate) arrivals: Notify,
    /// Rings when a flow has come to rest, for whoever starts what follows from it.
    pub(crate) departures: Arc<Notify>,
}

/// A flow that has just been asked for.
pub(crate) struct Begun {
    /// Durable when the flow is.
    pub(crate) ticket: Ticket,
    /// The flow it is: another than asked for, if the request had been made before.
    pub(crate) known: oneshot::Receiver<Result<FlowId, String>>,
    /// Where it is driven, if it is from here.
    pub(crate) live: Option<Arc<Live>>,
}

impl<P: Send + Sync + 'static> Shared<P> {
    pub(crate) fn live(&self, id: FlowId) -> Option<Arc<Live>> {
        lock(&self.live).get(&id).cloned()
    }

    pub(crate) fn is_driving(&self) -> bool {
        self.driving.load(Ordering::Acquire)
    }

    /// The limit of a key; whoever comes first says how wide it is while anybody holds it.
    pub(crate) fn limit(&self, key: &str, count: usize) -> Arc<Places> {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::NoPlaces) {
            return Places::new(count);
        }
        let mut limits = lock(&self.limits);
        if let Some(limit) = limits.get(key).and_then(Weak::upgrade) {
            return limit;
        }
        limits.retain(|_, limit| limit.strong_count() > 0);
        let limit = Places::new(count.max(1));
        limits.insert(key.to_owned(), Arc::downgrade(&limit));
        limit
    }

    /// The number of the next attempt at a step or its undo, above all before it.
    pub(crate) fn next_number(&self, id: FlowId, path: &str, known: u32) -> u32 {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::OneNumber) {
            return 1;
        }
        let step = path.trim_end_matches('~');
        let failed = lock(&self.numbers).get(&id).and_then(|numbers| numbers.get(step).copied()).unwrap_or(0);
        // A first attempt that succeeded was not noted; the undo goes above that one, too.
        failed.max(known) + 1 + u32::from(step.len() < path.len())
    }

    /// Notes that an attempt failed, or came after one that had, so that the next one has a higher number.
    pub(crate) fn failed(&self, id: FlowId, path: &str, number: u32) {
        let step = path.trim_end_matches('~').to_owned();
        lock(&self.numbers).entry(id).or_default().insert(step, number);
    }

    /// Whether the queue takes more from outside.
    pub(crate) fn admit(&self, id: FlowId) -> Result<(), Error> {
        if self.queue.waiting() < WAITING_MAX {
            return Ok(());
        }
        let why = format!("was not touched: {WAITING_MAX} requests wait for the log; try again in a moment");
        Err(Error::Denied { flow: id, denial: Denial::Busy, why })
    }

    /// Writes a flow's first record, if it is not there, and drives it. Submitted on return, so
    /// that whatever is submitted afterwards finds it.
    pub(crate) fn begin<W: Workflow<Ports = P>>(
        self: &Arc<Self>,
        id: FlowId,
        actor: Actor,
        cause: Cause,
        workflow: &W,
    ) -> Begun {
        // A part is driven where the whole is.
        let class = match &cause {
            Cause::Parent(parent) => self.live(*parent).map_or(Class::Person, |live| live.class()),
            Cause::Request(_) => Class::Person,
        };
        self.begin_as(id, actor, cause, class, workflow)
    }

    /// The same, for one of a class.
    pub(crate) fn begin_as<W: Workflow<Ports = P>>(
        self: &Arc<Self>,
        id: FlowId,
        actor: Actor,
        cause: Cause,
        class: Class,
        workflow: &W,
    ) -> Begun {
        let started = Started { class, ..Started::of(workflow) };
        let scope = workflow.scope();
        let draft = Draft::of(&started);
        let live = self.is_driving().then(|| self.enlist(id)).flatten();
        if let Some(live) = &live {
            live.is_of(class);
        }
        let account = actor.account.clone();
        let (answer, known) = oneshot::channel();
        let (start, story) = oneshot::channel();
        let (row_scope, ours) = (scope.clone(), live.clone());
        let ticket = self.queue.submit(Box::new(move |batch| {
            let (told, began) = match known_as(batch, id, &cause) {
                Err(why) => (Err(why), None),
                Ok(Some(known)) => (Ok(known), None),
                Ok(None) => {
                    let slot = Slot { flow: id, path: "", scope: &row_scope };
                    let (_, time_ms) = batch.begin(&slot, Origin { actor, cause }, draft);
                    (Ok(id), Some(time_ms))
                }
            };
            if let (Some(live), Some(_)) = (&ours, began) {
                live.ahead.answered();
            }
            // Nobody may be waiting for either.
            let _ = answer.send(told);
            let _ = start.send(began);
        }));
        let shared = self.clone();
        let Some(live) = live else {
            if !self.is_driving() {
                return Begun { ticket, known, live: None };
            }
            // It is being driven, or driving began meanwhile: then it is driven from the log.
            tokio::spawn(async move {
                if let Ok(Some(_)) = story.await
                    && shared.queue.durable(ticket).await.is_ok()
                {
                    shared.spawn(id, false);
                }
            });
            return Begun { ticket, known, live: None };
        };
        let driven = live.clone();
        // The story begins before its first record is on disk: its effects wait, its decides need not.
        spawn_with(live.clone(), None, async move {
            match story.await {
                Ok(Some(time_ms)) => {
                    live.ahead.taken();
                    let told = unwind::Begin { scope, started, ticket, time_ms, account };
                    unwind::drive(shared, id, live, Some(told)).await;
                }
                // Somebody else began it, or the log has stopped.
                _ => shared.dismiss(id, &live),
            }
        });
        Begun { ticket, known, live: Some(driven) }
    }

    fn enlist(&self, id: FlowId) -> Option<Arc<Live>> {
        let mut all = lock(&self.live);
        if all.contains_key(&id) {
            return None;
        }
        let live = Live::new(&self.queue, false);
        all.insert(id, live.clone());
        drop(all);
        self.begins(id);
        self.arrivals.notify_waiters();
        Some(live)
    }

    /// Drives a flow from the log.
    pub(crate) fn spawn(self: &Arc<Self>, id: FlowId, cancelled: bool) {
        self.spawn_returning(id, cancelled, None);
    }

    /// The same, for one that an opening has found.
    pub(crate) fn spawn_returning(self: &Arc<Self>, id: FlowId, cancelled: bool, returns: Option<Returns>) {
        let live = {
            let mut all = lock(&self.live);
            if let Some(live) = all.get(&id) {
                live.drive_again(cancelled);
                return;
            }
            let live = Live::new(&self.queue, cancelled);
            all.insert(id, live.clone());
            live
        };
        self.arrivals.notify_waiters();
        self.begins(id);
        self.tell(id, live, returns);
    }

    fn begins(&self, id: FlowId) {
        if let Some(order) = &self.order {
            order.begins(id);
        }
    }

    fn tell(self: &Arc<Self>, id: FlowId, live: Arc<Live>, returns: Option<Returns>) {
        let shared = self.clone();
        spawn_with(live.clone(), returns, async move { unwind::drive(shared, id, live, None).await });
    }

    /// A flow is no longer driven here, unless somebody has asked for that meanwhile.
    pub(crate) fn dismiss(self: &Arc<Self>, id: FlowId, live: &Arc<Live>) {
        let again = {
            let mut all = lock(&self.live);
            let again = live.takes_again().filter(|_| !self.queue.is_closed());
            let again = again.map(|cancelled| Live::new(&self.queue, cancelled));
            match &again {
                Some(again) => all.insert(id, again.clone()),
                None => all.remove(&id),
            };
            again
        };
        live.rest();
        if again.is_none()
            && let Some(order) = &self.order
        {
            order.rests(id);
        }
        // One that nobody waits for now is kept for who waits next, so that none is missed.
        self.departures.notify_one();
        if let Some(again) = again {
            self.tell(id, again, None);
        }
    }

    pub(crate) fn flow_row(&self, id: FlowId) -> Result<Option<FlowRow>, Error> {
        Ok(fold::flow(&self.store.snapshot()?, id))
    }

    pub(crate) async fn wait(&self, id: FlowId) -> Result<FlowRow, Error> {
        loop {
            let live = self.live(id);
            if let Some(live) = &live {
                live.rested().await;
                if let Some(row) = live.ended() {
                    return Ok(row);
                }
            }
            let arrival = self.arrivals.notified();
            tokio::pin!(arrival);
            arrival.as_mut().enable();
            let Some(row) = self.flow_row(id)? else {
                return Err(self.queue.stopped().unwrap_or(Error::NoFlow(id)));
            };
            if row.state.has_ended() || row.state == State::Parked {
                return Ok(row);
            }
            if let Some(error) = self.queue.stopped() {
                return Err(error);
            }
            if !self.is_driving() {
                let why = "is not driven by this process".to_owned();
                return Err(Error::Denied { flow: id, denial: Denial::NotDriven, why });
            }
            if live.is_none() && self.live(id).is_none() {
                // It has just been released and is about to be driven.
                tokio::select! {
                    () = arrival => {}
                    () = self.queue.has_stopped() => {}
                }
            }
        }
    }

    pub(crate) async fn cancel(self: &Arc<Self>, by: Actor, id: FlowId, reason: &str) -> Result<(), Error> {
        let (sender, receiver) = oneshot::channel();
        let request = CancelRequested { by, reason: reason.to_owned() };
        let ticket = self.queue.submit(Box::new(move |batch| {
            let Some(flow) = batch.flow(id).cloned() else {
                let ended = FLOWS.get(batch.rows(), house(), &[&id.to_string()]).is_some();
                let ended = ended || batch.ended(id).is_some();
                let _ = sender.send(Err(ended.then_some((Denial::Ended, "has ended already"))));
                return;
            };
            // Of one that is begun anew the flow that takes it up is cancelled as it begins.
            let resets = matches!(flow.turn, Some(Turn::Reset { .. }));
            let no = if flow.committed {
                Some((Denial::NoReturn, "is past its point of no return and goes on to its end"))
            } else if flow.state == State::Parked && flow.turn.is_some() && !resets {
                Some((Denial::Turned, "has turned and is parked while it is undone: retry or abandon it"))
            } else {
                None
            };
            if let Some(no) = no {
                let _ = sender.send(Err(Some(no)));
                return;
            }
            if flow.cancel.is_none() && (flow.turn.is_none() || resets) {
                batch.append(&Slot { flow: id, path: "", scope: &flow.scope }, Draft::of(&request));
            }
            let parked = flow.state == State::Parked;
            if parked {
                // A cancel is a person's word as well: it lets the flow go on, to be undone.
                let released = Released { by: request.by, reason: "it was cancelled".to_owned() };
                batch.append(&Slot { flow: id, path: "", scope: &flow.scope }, Draft::of(&released));
                batch.set_work(work_key(id, "", "recovered"), None);
            }
            // One that turned by itself undoes what it did anyway, and may be made to stand still in that.
            let turned = flow.cancel.is_none() && flow.turn.is_some();
            let _ = sender.send(Ok((parked, turned)));
        }));
        let answer = receiver.await.map_err(|_| self.queue.error())?;
        if answer.is_err() {
            // A no is told as well when what it rests on is on disk.
            self.queue.durable(ticket).await?;
        }
        let (parked, turned) = answer.map_err(|why| match why {
            Some((denial, why)) => Error::Denied { flow: id, denial, why: why.to_owned() },
            None => Error::NoFlow(id),
        })?;
        let tell = || self.live(id).filter(|_| !turned).into_iter().for_each(|live| live.cancel());
        // Now, so that it stops at once; and when it is on disk, for one that began to be driven meanwhile.
        // Whoever is driven later reads it from the log.
        tell();
        self.queue.durable(ticket).await?;
        tell();
        if parked && self.is_driving() {
            self.spawn(id, true);
        }
        Ok(())
    }
}

/// The flow there is already for this cause; or why there may be no more.
fn known_as(
    batch: &crate::committer::Batch<'_>,
    id: FlowId,
    cause: &Cause,
) -> Result<Option<FlowId>, String> {
    let known = match cause {
        Cause::Request(request) => REQUESTS.get(batch.rows(), house(), &[request]),
        Cause::Parent(_) => FLOWS.get(batch.rows(), house(), &[&id.to_string()]).map(|flow| flow.id),
    };
    let known = known.or_else(|| batch.flow(id).map(|flow| flow.id));
    #[cfg(test)]
    let known = known.filter(|_| !crate::planted::is(crate::planted::Planted::StartTwice));
    if known.is_none() && matches!(cause, Cause::Request(_)) && batch.open_flows() >= OPEN_FLOWS_MAX {
        return Err(format!(
            "was not started: {OPEN_FLOWS_MAX} have not ended; try again when some have, or release those that \
             are parked"
        ));
    }
    Ok(known)
}

fn spawn_with(live: Arc<Live>, returns: Option<Returns>, story: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(unwind::Polled::new(live, returns, story));
}
