//! Driving a flow: telling its story, and when it turns, undoing what it began.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use event::{Draft, Event, FlowId, Record, Scope, Seq};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::at::work_key;
use crate::attempt::{self, Tried};
use crate::branch::Branch;
use crate::committer::{Batch, Slot, panic_text};
use crate::flow::{Armed, Flow, Inner, Told, Undo};
use crate::fold::{self, FlowRow, State};
use crate::hold::Returns;
use crate::kinds::{Ended, Failed, Outcome, Parked, Refused, Released, Started, TakesUp, Turn, Turned};
use crate::live::Live;
use crate::queue::{Ticket, lock};
use crate::reset::Ancestry;
use crate::shared::Shared;
use crate::spans;
use crate::step::Policy;
use crate::store::Snapshot;
use crate::workflow::Halt;
use crate::{Error, again, audit, patch, reset};

/// Recoveries of a flow that ended before it got any further, after which it parks instead of
/// taking the process down again.
const RECOVERIES_MAX: u32 = 5;

/// A flow that has just been begun here, so that nothing needs to be read.
pub(crate) struct Begin {
    pub(crate) scope: Scope,
    pub(crate) started: Started,
    pub(crate) ticket: Ticket,
    /// The time of its first record.
    pub(crate) time_ms: i64,
    /// The account that asked for it.
    pub(crate) account: String,
}

/// A story's future that says each time it has been polled to a stand-still.
pub(crate) struct Polled<F> {
    live: Arc<Live>,
    /// Until it was polled to its first stand-still, which is behind all that the log holds of it.
    returns: Option<Returns>,
    story: Pin<Box<F>>,
}

impl<F> Polled<F> {
    pub(crate) fn new(live: Arc<Live>, returns: Option<Returns>, story: F) -> Self {
        Self { live, returns, story: Box::pin(story) }
    }
}

impl<F: Future<Output = ()>> Future for Polled<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let polled = self.story.as_mut().poll(context);
        self.live.ahead.polled();
        self.returns = None;
        polled
    }
}

impl<F> Drop for Polled<F> {
    fn drop(&mut self) {
        self.live.ahead.gone();
    }
}

/// A story in which a panic is an answer: the flow parks instead of vanishing.
pub(crate) struct Caught(pub(crate) Pin<Box<dyn Future<Output = Result<Vec<u8>, Halt>> + Send>>);

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
    match drive_to_rest(&shared, id, &live, begin).await {
        Ok(()) => {}
        Err(error @ Error::Stopped { .. }) => {
            tracing::debug!(flow = %id, %error, "a flow was left where it is");
        }
        // It cannot even be read, so a person has to look at it.
        Err(error) => _ = park(&shared, id, &error.to_string()).await,
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
        journal: HashMap::new(),
        inherited: HashMap::new(),
        places: HashMap::new(),
        tried: HashMap::new(),
        armed: Vec::new(),
        committed: false,
        turned: false,
        last: Ticket::default(),
        patches: HashMap::new(),
        children: Vec::new(),
        broken: None,
    };
    let mut ancestry = Ancestry::itself(id);
    let mut fresh = false;
    let Loaded { scope, started, turn, time_ms, account } = if let Some(begin) = begin {
        told.last = begin.ticket;
        fresh = true;
        let Begin { scope, started, time_ms, account, .. } = begin;
        Loaded { scope, started, turn: None, time_ms, account }
    } else {
        if shared.signalled.load(Ordering::SeqCst) {
            // What it was told just before it was driven is on its way into the log: a later word would be taken first.
            let ticket = shared.queue.submit(Box::new(|_| {}));
            shared.queue.durable(ticket).await?;
        }
        match audit::guarded(|| load(shared, id, live, &mut told, &mut ancestry))? {
            Some(loaded) => loaded,
            None => return Ok(()),
        }
    };
    let span = spans::of_flow(id, &started, &scope, &account);
    let name = started.name.clone();
    let (shared_ours, live) = (shared.clone(), live.clone());
    let Ancestry { work, resets, .. } = ancestry;
    let (scope, told) = (Arc::new(scope), Mutex::new(told));
    let inner = Inner { id, work, resets, name, scope, shared: shared_ours, live, told };
    let flow = Flow { inner: Arc::new(inner), branch: Branch::trunk(time_ms, fresh) };
    let story = match shared.book.find(&started.name, started.version) {
        Ok(story) => story,
        Err(error) => return park(shared, id, &error.to_string()).await,
    };
    let driven = async {
        come_to(&flow, "begin").await?;
        let result = Caught(story(flow.clone(), started.input)).await;
        finish(&flow, result, turn).await
    };
    let driven = driven.instrument(span.clone()).await;
    spans::rests(&span, shared, id);
    driven
}

/// What the log has of a flow that is driven.
struct Loaded {
    scope: Scope,
    started: Started,
    turn: Option<Turn>,
    time_ms: i64,
    account: String,
}

/// Reads what the log has of a flow; none if there is nothing to drive.
fn load<P>(
    shared: &Shared<P>,
    id: FlowId,
    live: &Live,
    told: &mut Told<P>,
    ancestry: &mut Ancestry,
) -> Result<Option<Loaded>, Error> {
    // The row and its records out of one snapshot: a later row may speak of records that an earlier one lacks.
    let snapshot = shared.store.snapshot()?;
    let row = fold::flow(&snapshot, id).ok_or(Error::NoFlow(id))?;
    if row.state.has_ended() || row.state == State::Parked {
        return Ok(None);
    }
    if row.cancel.is_some() && !row.committed {
        live.cancel();
    }
    let own = records_of(&snapshot, &row)?;
    let first = own.first().ok_or(Error::NoFlow(id))?;
    let own_ms = first.time_ms;
    told.turned = row.turn.is_some();
    let started: Started = first.get().map_err(Error::read)?;
    let mut records = Vec::new();
    if let Some(TakesUp::Resets { .. }) = &started.takes_up {
        records = reset::inherited(&snapshot, started.takes_up.as_ref(), ancestry)?;
        let steps = records.iter().filter(|record| !record.path.as_str().is_empty());
        told.inherited = steps.map(|record| (record.path.0.clone(), record.flow)).collect();
    }
    records.extend(own);
    if let Some(Turn::Reset { .. }) = &row.turn {
        told.places = records.iter().map(|record| (record.path.0.clone(), record.seq)).collect();
    }
    let time_ms = ancestry.begun_ms.unwrap_or(own_ms);
    live.remember(&records);
    told.journal = journal(records);
    told.tried = tried(&snapshot, id)?;
    live.is_of(row.class);
    Ok(Some(Loaded { scope: row.scope, started, turn: row.turn, time_ms, account: row.actor.account }))
}

/// What the story is answered from: the newest record at each path.
///
/// Past its point of no return a flow cannot take a no for an answer. One that parked over a no
/// and was let go on by a person asks again.
pub(crate) fn journal(records: Vec<Record>) -> HashMap<String, Record> {
    let mut journal: HashMap<String, Record> = HashMap::new();
    // The newest record of the trunk, and of each line that is told since.
    let (mut committed, mut newest) = (false, BTreeMap::<String, String>::new());
    for record in records {
        if record.kind == Released::KIND && committed {
            for path in std::mem::take(&mut newest).into_values() {
                let is_no = |record: &Record| [Refused::KIND, Failed::KIND].contains(&&*record.kind);
                if journal.get(&path).is_some_and(is_no) {
                    journal.remove(&path);
                }
            }
        }
        let path = record.path.as_str();
        if patch::is_passed_over(path) {
            journal.insert(path.to_owned(), record);
        } else if !path.is_empty() {
            committed |= path.ends_with('!');
            let line = path.rfind('/').map_or("", |end| &path[..=end]).to_owned();
            // A line goes on when the lines that began in it before are over.
            newest.retain(|other, _| *other == line || !other.starts_with(&line));
            newest.insert(line, path.to_owned());
            journal.insert(path.to_owned(), record);
        }
    }
    journal
}

/// What is remembered of the flow's failed attempts, by path.
fn tried(snapshot: &Snapshot, id: FlowId) -> Result<HashMap<String, Tried>, Error> {
    let mut tried = HashMap::new();
    for key in snapshot.work_keys(&id.0)? {
        let path = key[id.0.len()..].strip_suffix(b"\0tried").and_then(|path| path.strip_prefix(b"\0"));
        if let Some(path) = path
            && let Some(value) = snapshot.work(&key)?
        {
            let memo = rmp_serde::from_slice(&value).map_err(Error::read)?;
            tried.insert(String::from_utf8_lossy(path).into_owned(), memo);
        }
    }
    Ok(tried)
}

async fn finish<P: Send + Sync + 'static>(
    flow: &Flow<P>,
    result: Result<Vec<u8>, Halt>,
    turn: Option<Turn>,
) -> Result<(), Error> {
    let (shared, id) = (&flow.inner.shared, flow.inner.id);
    let (turned, broken, leftover) = {
        let told = lock(&flow.inner.told);
        (told.turned, told.broken.clone(), leftover(&told))
    };
    let cause = match result {
        Err(Halt::Stopped(error)) => return Err(error),
        Err(Halt::Park(why)) => return park(shared, id, &why).await,
        Ok(_) | Err(_) if broken.is_some() => {
            return park(shared, id, &broken.expect("checked in the guard")).await;
        }
        Ok(_) | Err(_) if leftover.is_some() => {
            let path = leftover.expect("checked in the guard");
            let why = format!("history diverged: the log has a step {path} that the story never comes to");
            return park(shared, id, &why).await;
        }
        // A cancel that was accepted while the last step ran is kept: what it did is undone.
        Ok(output) if !turned => {
            if let Err(why) = flow.leave_children().await? {
                return park(shared, id, &why).await;
            }
            if end_well(flow, output).await? {
                return Ok(());
            }
            None
        }
        Err(Halt::Continued(next)) if !turned => {
            let armed = lock(&flow.inner.told).armed.last().map(|armed| armed.path.clone());
            if let Some(path) = armed.filter(|_| !flow.is_committed()) {
                let why = format!(
                    "it would go on as a new flow, which could not undo its step {path}; a story does that when \
                     nothing is left to undo"
                );
                return park(shared, id, &why).await;
            }
            if let Err(why) = flow.leave_children().await? {
                return park(shared, id, &why).await;
            }
            if again::go_on(flow, *next).await? {
                return Ok(());
            }
            None
        }
        Ok(_) | Err(Halt::Turned | Halt::Continued(_)) => None,
        Err(Halt::Refused(refusal) | Halt::Failed(refusal)) => Some(Turn::Failed(refusal)),
    };
    let turn = match turn {
        Some(turn) => turn,
        None => match turn_around(flow, cause).await? {
            Ok(turn) => turn,
            Err(why) => return park(shared, id, &why).await,
        },
    };
    unwind(flow, turn).await
}

/// The first record that the story did not ask for; an undo's, if it did not arm it.
pub(crate) fn leftover<P>(told: &Told<P>) -> Option<String> {
    let armed = |path: &str| told.armed.iter().any(|armed| armed.path == path);
    let left = told.journal.keys().filter(|path| path.strip_suffix('~').is_none_or(|path| !armed(path)));
    let left = left.filter(|path| !patch::is_passed_over(path));
    left.min().cloned()
}

/// Makes the turn an event, before the first undo; or says why the flow parks instead.
async fn turn_around<P: Send + Sync + 'static>(
    flow: &Flow<P>,
    cause: Option<Turn>,
) -> Result<Result<Turn, String>, Error> {
    let inner = &flow.inner;
    let (id, scope) = (inner.id, inner.scope.clone());
    come_to(flow, "turn").await?;
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
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::NoTurn) {
            let _ = sender.send(Ok(cause));
            return;
        }
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
    let mut armed = std::mem::take(&mut lock(&flow.inner.told).armed);
    if let Turn::Reset { before, .. } = &turn {
        armed = reset::from_on(flow, armed, *before);
    }
    #[cfg(test)]
    let left_out = usize::from(crate::planted::is(crate::planted::Planted::NoUndo));
    #[cfg(test)]
    let armed: Vec<_> = armed.into_iter().skip(left_out).collect();
    if let Err(why) = undo_all(flow, armed).await? {
        return park(&flow.inner.shared, flow.inner.id, &why).await;
    }
    match turn {
        Turn::Reset { .. } => reset::hand_on(flow, turn).await,
        turn => end(flow, Outcome::Undone(turn)).await,
    }
}

/// Runs undos, the newest first; says in words which could not be.
pub(crate) async fn undo_all<P: Send + Sync + 'static>(
    flow: &Flow<P>,
    armed: Vec<Armed<P>>,
) -> Result<Result<(), String>, Error> {
    for Armed { path, undo } in armed.into_iter().rev() {
        let path: Arc<str> = format!("{path}~").into();
        if lock(&flow.inner.told).journal.remove(&*path).is_some() {
            continue;
        }
        let undone = match undo {
            Undo::Decide(scope, undo) => undo_decide(flow, &path, scope, undo).await?,
            Undo::Step(undo) => match attempt::run(flow, &path, &*undo, Policy::of_undo(), None).await {
                Ok(Ok(draft)) => {
                    flow.append(path.clone(), draft);
                    Ok(())
                }
                Ok(Err(refusal)) => Err(refusal.to_string()),
                Err(Halt::Stopped(error)) => return Err(error),
                Err(Halt::Park(why)) => Err(why),
                Err(_) => Err("it was told to turn once more".to_owned()),
            },
        };
        if let Err(why) = undone {
            return Ok(Err(format!("step {} could not be undone: {why}", path.trim_end_matches('~'))));
        }
    }
    Ok(Ok(()))
}

async fn undo_decide<P: Send + Sync + 'static>(
    flow: &Flow<P>,
    path: &str,
    scope: Scope,
    undo: crate::flow::DecideUndo,
) -> Result<Result<(), String>, Error> {
    let inner = &flow.inner;
    come_to(flow, path).await?;
    let (sender, receiver) = oneshot::channel();
    let (id, path) = (inner.id, path.to_owned());
    let ticket = inner.shared.queue.submit(Box::new(move |batch| {
        let answer = batch.ask(&scope, undo).map(|draft| {
            batch.append(&Slot { flow: id, path: &path, scope: &scope }, draft);
        });
        let _ = sender.send(answer);
    }));
    flow.submitted(ticket);
    receiver.await.map_err(|_| inner.shared.queue.error())
}

/// Waits for the flow's turn to do something that is no step.
pub(crate) async fn come_to<P: Send + Sync + 'static>(flow: &Flow<P>, place: &str) -> Result<(), Error> {
    flow.turn(place).await.map_err(|_| flow.inner.shared.queue.error())
}

/// Ends a flow that did what it was for; says no if it was cancelled just before.
async fn end_well<P: Send + Sync + 'static>(flow: &Flow<P>, output: Vec<u8>) -> Result<bool, Error> {
    let inner = &flow.inner;
    come_to(flow, "end").await?;
    let (id, scope) = (inner.id, inner.scope.clone());
    let (sender, receiver) = oneshot::channel();
    let ticket = inner.shared.queue.submit(Box::new(move |batch| {
        let cancelled = batch.flow(id).is_some_and(|flow| flow.cancel.is_some() && !flow.committed);
        #[cfg(test)]
        let cancelled = cancelled && !crate::planted::is(crate::planted::Planted::NoCancelAtEnd);
        let row = if cancelled {
            None
        } else {
            let ended = Ended { outcome: Outcome::Done(output) };
            batch.append(&Slot { flow: id, path: "", scope: &scope }, Draft::of(&ended));
            batch.clear_work(id, "");
            batch.ended(id).cloned()
        };
        // The flow's end does not depend on anybody hearing of it.
        let _ = sender.send((cancelled, row));
    }));
    inner.shared.queue.durable(ticket).await?;
    let (cancelled, row) = receiver.await.map_err(|_| inner.shared.queue.error())?;
    if let Some(row) = row {
        inner.live.end(row);
        lock(&inner.shared.numbers).remove(&inner.work);
    }
    Ok(!cancelled)
}

async fn end<P: Send + Sync + 'static>(flow: &Flow<P>, outcome: Outcome) -> Result<(), Error> {
    come_to(flow, "end").await?;
    lock(&flow.inner.shared.numbers).remove(&flow.inner.work);
    write_last(&flow.inner.shared, flow.inner.id, Draft::of(&Ended { outcome }), true).await
}

async fn park<P: Send + Sync + 'static>(shared: &Arc<Shared<P>>, id: FlowId, why: &str) -> Result<(), Error> {
    tracing::warn!(flow = %id, why, "a flow parks");
    write_last(shared, id, parked(why), false).await
}

fn parked(why: &str) -> Draft {
    Draft::of(&Parked { why: why.to_owned() })
}

async fn write_last<P: Send + Sync + 'static>(
    shared: &Arc<Shared<P>>,
    id: FlowId,
    draft: Draft,
    ends: bool,
) -> Result<(), Error> {
    let ticket = shared.queue.submit(Box::new(move |batch| {
        let Some(scope) = batch.flow(id).map(|flow| flow.scope.clone()) else { return };
        batch.append(&Slot { flow: id, path: "", scope: &scope }, draft);
        if ends {
            batch.clear_work(id, "");
        }
    }));
    shared.queue.durable(ticket).await
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
    /// Its last checkpoint, as it stands in its row.
    #[serde(with = "serde_bytes")]
    progress: Vec<u8>,
}

/// Counts that a flow is taken up again; parks it and says no if that has led nowhere too often.
pub(crate) fn count_recovery(batch: &mut Batch<'_>, id: FlowId, last: Seq) -> bool {
    let key = work_key(id, "", "recovered");
    let known = batch.work_row(&key).and_then(|value| rmp_serde::from_slice::<Recovered>(&value).ok());
    let progress = batch.work_row(&work_key(id, "", "progress")).unwrap_or_default();
    let count = match known {
        Some(known) if known.last == last && known.progress == progress => known.count + 1,
        _ => 1,
    };
    if count > RECOVERIES_MAX {
        let why = format!(
            "it was taken up {RECOVERIES_MAX} times and the process ended each time before it got any further; \
             nothing was undone"
        );
        if let Some(scope) = batch.flow(id).map(|flow| flow.scope.clone()) {
            batch.append(&Slot { flow: id, path: "", scope: &scope }, parked(&why));
        }
        batch.set_work(key, None);
        return false;
    }
    let value = rmp_serde::to_vec_named(&Recovered { last, count, progress }).expect("plain data");
    batch.set_work(key, Some(value));
    true
}
