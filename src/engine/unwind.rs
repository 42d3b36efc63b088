//! Driving a flow: telling its story, and when it turns, undoing what it began.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use event::{Draft, FlowId, Record, Scope, Seq};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::Error;
use crate::at::work_key;
use crate::attempt;
use crate::committer::{Batch, Slot, panic_text};
use crate::flow::{Armed, Flow, Inner, Policy, Told, Undo};
use crate::fold::{FlowRow, State};
use crate::kinds::{Ended, Outcome, Started, Turn, Turned};
use crate::queue::{Ticket, lock};
use crate::runtime::{Live, RECOVERIES_MAX, Shared, parked};
use crate::store::Snapshot;
use crate::workflow::Halt;

/// A flow that has just been begun here, so that nothing needs to be read.
pub(crate) struct Begin {
    pub(crate) scope: Scope,
    pub(crate) started: Started,
    pub(crate) ticket: Ticket,
}

/// A story's future that says each time it has been polled to a stand-still.
pub(crate) struct Polled<F> {
    live: Arc<Live>,
    story: Pin<Box<F>>,
}

impl<F> Polled<F> {
    pub(crate) fn new(live: Arc<Live>, story: F) -> Self {
        Self { live, story: Box::pin(story) }
    }
}

impl<F: Future<Output = ()>> Future for Polled<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let polled = self.story.as_mut().poll(context);
        self.live.ahead.polled();
        polled
    }
}

impl<F> Drop for Polled<F> {
    fn drop(&mut self) {
        self.live.ahead.gone();
    }
}

/// A story in which a panic is an answer: the flow parks instead of vanishing.
struct Caught(Pin<Box<dyn Future<Output = Result<Vec<u8>, Halt>> + Send>>);

impl Future for Caught {
    type Output = Result<Vec<u8>, Halt>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| {
            Poll::Ready(Err(Halt::Park(format!("its story met a fault of its own: {}", panic_text(&*panic)))))
        })
    }
}

/// Tells a flow's story to its end, its parking, or the end of the process.
pub(crate) async fn drive<P: Send + Sync + 'static>(
    shared: Arc<Shared<P>>,
    id: FlowId,
    live: Arc<Live>,
    begin: Option<Begin>,
) {
    let driven = drive_to_rest(&shared, id, &live, begin).await;
    if let Err(error) = driven {
        tracing::debug!(flow = %id, %error, "a flow was left where it is");
    }
    shared.dismiss(id, &live);
}

async fn drive_to_rest<P: Send + Sync + 'static>(
    shared: &Arc<Shared<P>>,
    id: FlowId,
    live: &Arc<Live>,
    begin: Option<Begin>,
) -> Result<(), Error> {
    let mut told = Told {
        number: 0,
        minted: 0,
        journal: HashMap::new(),
        armed: Vec::new(),
        committed: false,
        turned: false,
        last: Ticket::default(),
        now_ms: 0,
        pending_now: None,
    };
    let (scope, started, turn) = match begin {
        Some(begin) => {
            told.last = begin.ticket;
            told.now_ms = shared.clock.now_ms();
            (begin.scope, begin.started, None)
        }
        None => {
            let snapshot = shared.store.snapshot()?;
            let row = shared.flow_row(id)?.ok_or(Error::NoFlow(id))?;
            let records = records_of(&snapshot, &row)?;
            let first = records.first().ok_or(Error::NoFlow(id))?;
            told.now_ms = first.time_ms;
            told.turned = row.turn.is_some();
            let started: Started = first.get().map_err(Error::read)?;
            let steps = records.into_iter().filter(|record| !record.path.as_str().is_empty());
            told.journal = steps.map(|record| (record.path.0.clone(), record)).collect();
            (row.scope, started, row.turn)
        }
    };
    let inner = Inner { id, scope, shared: shared.clone(), live: live.clone(), told: Mutex::new(told) };
    let flow = Flow { inner: Arc::new(inner) };
    let story = match shared.book.find(&started.name, started.version) {
        Ok(story) => story,
        Err(error) => return park(&flow, &error.to_string()).await,
    };
    let result = Caught(story(flow.clone(), started.input)).await;
    finish(&flow, result, turn).await
}

async fn finish<P: Send + Sync + 'static>(
    flow: &Flow<P>,
    result: Result<Vec<u8>, Halt>,
    turn: Option<Turn>,
) -> Result<(), Error> {
    let (turned, leftover) = {
        let told = lock(&flow.inner.told);
        let mut left = told.journal.keys().filter(|path| !path.ends_with('~'));
        (told.turned, left.next().cloned())
    };
    let cause = match result {
        Err(Halt::Stopped(error)) => return Err(error),
        Err(Halt::Park(why)) => return park(flow, &why).await,
        Ok(_) | Err(_) if leftover.is_some() => {
            let path = leftover.expect("checked in the guard");
            let why = format!("history diverged: the log has a step {path} that the story never comes to");
            return park(flow, &why).await;
        }
        // A cancel that was accepted while the last step ran is kept: what it did is undone.
        Ok(output) if !turned => {
            if end_well(flow, output).await? {
                return Ok(());
            }
            None
        }
        Ok(_) | Err(Halt::Turned) => None,
        Err(Halt::Refused(refusal) | Halt::Failed(refusal)) => Some(Turn::Failed(refusal)),
    };
    let turn = match turn {
        Some(turn) => turn,
        None => match turn_around(flow, cause).await? {
            Ok(turn) => turn,
            Err(why) => return park(flow, &why).await,
        },
    };
    unwind(flow, turn).await
}

/// Makes the turn an event, before the first undo; or says why the flow parks instead.
async fn turn_around<P: Send + Sync + 'static>(
    flow: &Flow<P>,
    cause: Option<Turn>,
) -> Result<Result<Turn, String>, Error> {
    let inner = &flow.inner;
    let (id, scope) = (inner.id, inner.scope.clone());
    let (sender, receiver) = oneshot::channel();
    let ticket = inner.shared.queue.submit(Box::new(move |batch| {
        let Some(row) = batch.flow(id).cloned() else {
            return;
        };
        if row.committed {
            let why = match cause {
                Some(cause) => {
                    format!("it failed past its point of no return: {}", cause.refusal())
                }
                None => "it was cancelled past its point of no return".to_owned(),
            };
            let _ = sender.send(Err(why));
            return;
        }
        let cause = cause.or(row.cancel.map(Turn::Cancelled));
        let cause = cause.unwrap_or_else(|| Turn::Cancelled(String::new()));
        batch
            .append(&Slot { flow: id, path: "", scope: &scope }, Draft::of(&Turned { cause: cause.clone() }));
        let _ = sender.send(Ok(cause));
    }));
    let answer = receiver.await.map_err(|_| inner.shared.queue.error())?;
    let mut told = lock(&inner.told);
    told.last = ticket;
    told.turned = true;
    Ok(answer)
}

/// Runs the undos of all that began, newest first.
async fn unwind<P: Send + Sync + 'static>(flow: &Flow<P>, turn: Turn) -> Result<(), Error> {
    let armed = std::mem::take(&mut lock(&flow.inner.told).armed);
    for Armed { path, undo } in armed.into_iter().rev() {
        let path = format!("{path}~");
        if lock(&flow.inner.told).journal.remove(&path).is_some() {
            continue;
        }
        let undone = match undo {
            Undo::Decide(scope, undo) => undo_decide(flow, &path, scope, undo).await?,
            Undo::Step(undo) => match attempt::run(flow, &path, &undo, Policy::of_undo(), true).await {
                Ok(Ok(draft)) => {
                    flow.append(&path, draft);
                    Ok(())
                }
                Ok(Err(refusal)) => Err(refusal.to_string()),
                Err(Halt::Stopped(error)) => return Err(error),
                Err(Halt::Park(why)) => Err(why),
                Err(_) => Err("it was told to turn once more".to_owned()),
            },
        };
        if let Err(why) = undone {
            return park(flow, &format!("step {} could not be undone: {why}", path.trim_end_matches('~')))
                .await;
        }
    }
    end(flow, Outcome::Undone(turn)).await
}

async fn undo_decide<P: Send + Sync + 'static>(
    flow: &Flow<P>,
    path: &str,
    scope: Scope,
    undo: crate::flow::DecideUndo,
) -> Result<Result<(), String>, Error> {
    let inner = &flow.inner;
    let (sender, receiver) = oneshot::channel();
    let (id, path) = (inner.id, path.to_owned());
    let ticket = inner.shared.queue.submit(Box::new(move |batch| {
        let answer = batch.ask(&scope, undo).map(|draft| {
            batch.append(&Slot { flow: id, path: &path, scope: &scope }, draft);
        });
        let _ = sender.send(answer);
    }));
    lock(&inner.told).last = ticket;
    receiver.await.map_err(|_| inner.shared.queue.error())
}

/// Ends a flow that did what it was for; says no if it was cancelled just before.
async fn end_well<P: Send + Sync + 'static>(flow: &Flow<P>, output: Vec<u8>) -> Result<bool, Error> {
    let inner = &flow.inner;
    let (id, scope) = (inner.id, inner.scope.clone());
    let (sender, receiver) = oneshot::channel();
    let ticket = inner.shared.queue.submit(Box::new(move |batch| {
        let cancelled = batch.flow(id).is_some_and(|flow| flow.cancel.is_some() && !flow.committed);
        if !cancelled {
            let ended = Ended { outcome: Outcome::Done(output) };
            batch.append(&Slot { flow: id, path: "", scope: &scope }, Draft::of(&ended));
            batch.clear_work(id, "");
        }
        // The flow's end does not depend on anybody hearing of it.
        let _ = sender.send(!cancelled);
    }));
    inner.shared.queue.durable(ticket).await?;
    receiver.await.map_err(|_| inner.shared.queue.error())
}

async fn end<P: Send + Sync + 'static>(flow: &Flow<P>, outcome: Outcome) -> Result<(), Error> {
    write_last(flow, Draft::of(&Ended { outcome }), true).await
}

async fn park<P: Send + Sync + 'static>(flow: &Flow<P>, why: &str) -> Result<(), Error> {
    tracing::warn!(flow = %flow.inner.id, why, "a flow parks");
    write_last(flow, parked(why), false).await
}

async fn write_last<P: Send + Sync + 'static>(flow: &Flow<P>, draft: Draft, ends: bool) -> Result<(), Error> {
    let inner = &flow.inner;
    let (id, scope) = (inner.id, inner.scope.clone());
    let ticket = inner.shared.queue.submit(Box::new(move |batch| {
        batch.append(&Slot { flow: id, path: "", scope: &scope }, draft);
        if ends {
            batch.clear_work(id, "");
        }
    }));
    inner.shared.queue.durable(ticket).await
}

/// The records of a flow, oldest first, by the chain that each record continues.
pub(crate) fn records_of(snapshot: &Snapshot, flow: &FlowRow) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    let mut next = Some(flow.last);
    while let Some(seq) = next {
        let record = snapshot.record(seq)?.ok_or_else(|| Error::read(format!("event {seq} is missing")))?;
        if record.previous.is_some_and(|previous| previous >= seq) {
            return Err(Error::read(format!("event {seq} does not follow the one before it")));
        }
        next = record.previous;
        records.push(record);
    }
    records.reverse();
    Ok(records)
}

/// How often a flow was taken up again without getting any further.
#[derive(Serialize, Deserialize)]
struct Recovered {
    last: Seq,
    count: u32,
}

/// Counts that a flow is taken up again; parks it and says no if that has led nowhere too often.
pub(crate) fn count_recovery(batch: &mut Batch<'_>, flow: &FlowRow) -> bool {
    let key = work_key(flow.id, "", "recovered");
    let known = batch.work_row(&key).and_then(|value| rmp_serde::from_slice::<Recovered>(&value).ok());
    let count = match known {
        Some(known) if known.last == flow.last => known.count + 1,
        _ => 1,
    };
    if count > RECOVERIES_MAX && flow.state != State::Parked {
        let why = format!(
            "it was taken up {RECOVERIES_MAX} times and the process ended each time before it got any further; \
             nothing was undone"
        );
        batch.append(&Slot { flow: flow.id, path: "", scope: &flow.scope }, parked(&why));
        batch.set_work(key, None);
        return false;
    }
    let value = rmp_serde::to_vec_named(&Recovered { last: flow.last, count }).expect("plain data");
    batch.set_work(key, Some(value));
    true
}
