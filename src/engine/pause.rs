//! Making flows stand still, and letting them go on: one, those of a story, or all.
//!
//! A flow that stands still finishes the attempt it is at, and that becomes an event as ever; it begins nothing new:
//! no step, no decide, no undo, no end. Timers run on and are looked at when it goes on. A cancel goes through: what is
//! cancelled is not kept waiting. All of it is in the log, so that a restart changes nothing.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use event::{Actor, Cause, Draft, FlowId, Rows, Seq, Wait};
use tokio::sync::{Notify, oneshot};

use crate::committer::{Batch, Origin, Slot};
use crate::flow::Flow;
use crate::fold::{self, FlowRow, PAUSES, house};
use crate::kinds::{Class, Ended, Outcome, Paused, Resumed, Started, Which};
use crate::queue::lock;
use crate::workflow::Halt;
use crate::{Denial, Engine, Error, Snapshot};

/// What stands still now, as the log has it.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    /// How many entries there are, so that a house in which nothing stands still does not look.
    count: AtomicUsize,
    /// With the place of the event that says so.
    reasons: Mutex<HashMap<Which, (String, Seq)>>,
    bell: Notify,
}

impl Pauses {
    /// What stands still by the rows of a log, in which these flows are open.
    pub(crate) fn of_log<'a>(rows: &dyn Rows, open: impl Iterator<Item = &'a FlowRow>) -> Self {
        let pauses = Self::default();
        for paused in PAUSES.list(rows, house(), &[]) {
            pauses.stand(paused.which, paused.reason, Seq(0));
        }
        for flow in open {
            if let Some(reason) = &flow.paused {
                pauses.stand(Which::Flow(flow.id), reason.clone(), Seq(0));
            }
        }
        pauses
    }

    /// From now on it stands still, by an event that is being decided.
    fn stand(&self, which: Which, reason: String, seq: Seq) {
        let mut reasons = lock(&self.reasons);
        reasons.insert(which, (reason, seq));
        self.count.store(reasons.len(), Ordering::Release);
    }

    /// It goes on, by an event that is on disk; unless somebody has made it stand still anew since.
    fn go_on(&self, which: &Which, seq: Seq) {
        {
            let mut reasons = lock(&self.reasons);
            if reasons.get(which).is_some_and(|(_, stood)| *stood < seq) {
                reasons.remove(which);
            }
            self.count.store(reasons.len(), Ordering::Release);
        }
        self.bell.notify_waiters();
    }

    /// Why a flow stands still, if it does.
    fn of(&self, id: FlowId, name: &str, class: Class) -> Option<String> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let reasons = lock(&self.reasons);
        let found = reasons.get(&Which::Flow(id)).or_else(|| reasons.get(&Which::All));
        let found = found.or_else(|| reasons.get(&Which::Kind(name.to_owned())));
        let found = found.or_else(|| reasons.get(&Which::Background).filter(|_| class == Class::Background));
        found.map(|(reason, _)| reason.clone())
    }

    /// Why nothing is to start by itself, if nothing is.
    fn of_background(&self) -> Option<String> {
        let reasons = lock(&self.reasons);
        let found = reasons.get(&Which::All).or_else(|| reasons.get(&Which::Background));
        found.map(|(reason, _)| reason.clone())
    }
}

impl<P: Send + Sync + 'static> Flow<P> {
    /// Whether the flow is to stand still; not if it is cancelled.
    pub(crate) fn stands_still(&self) -> bool {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::NoStanding) {
            return false;
        }
        let inner = &self.inner;
        let still = inner.shared.pauses.of(inner.id, &inner.name, inner.live.class()).is_some();
        still && !inner.live.is_cancelled()
    }

    /// Waits while the flow is to stand still; not if it is cancelled, or the engine closes.
    pub(crate) async fn gate(&self) -> Result<(), Halt> {
        let (inner, pauses) = (&self.inner, &self.inner.shared.pauses);
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::NoStanding) {
            return Ok(());
        }
        let still = || pauses.of(inner.id, &inner.name, inner.live.class());
        while let Some(reason) = still() {
            if inner.live.is_cancelled() {
                break;
            }
            self.open()?;
            let rung = pauses.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if still().is_none() {
                break;
            }
            self.waits();
            let shown = if reason.is_empty() { "paused".to_owned() } else { format!("paused: {reason}") };
            let before = inner.live.says(shown);
            let pause = self.pauses(Wait::Word);
            tokio::select! {
                () = rung => {}
                () = inner.live.called_or(|| false) => {}
            }
            drop(pause);
            inner.live.says(before);
        }
        Ok(())
    }
}

impl<P: Send + Sync + 'static> Engine<P> {
    /// Makes flows stand still; durable on return. What stands still already is as it was wished.
    ///
    /// # Errors
    /// [`Error::NoFlow`]; [`Error::NoStory`]; [`Error::Denied`] with [`Denial::Ended`], or [`Denial::Parked`], for
    /// a flow that waits for a person stands still anyway.
    pub async fn pause(&self, by: Actor, which: Which, reason: &str) -> Result<(), Error> {
        let paused = Paused { which: which.clone(), by: by.clone(), reason: reason.to_owned() };
        self.stand(by, which, Some(reason.to_owned()), Draft::of(&paused)).await
    }

    /// Lets flows go on that were made to stand still in the same way: to let all go on does not let one go on that
    /// was paused by itself.
    ///
    /// # Errors
    /// [`Error::NoFlow`]; [`Error::NoStory`]; [`Error::NotPaused`]; [`Error::Denied`] with [`Denial::Ended`] or
    /// [`Denial::NotPaused`], for one.
    pub async fn resume(&self, by: Actor, which: Which, reason: &str) -> Result<(), Error> {
        let resumed = Resumed { which: which.clone(), by: by.clone(), reason: reason.to_owned() };
        self.stand(by, which, None, Draft::of(&resumed)).await
    }

    /// Why a flow stands still, if it does and has not ended: by itself, with its kind, or with all.
    pub fn stands_still(&self, flow: &FlowRow) -> Option<String> {
        if flow.state.has_ended() { None } else { self.shared.pauses.of(flow.id, &flow.name, flow.class) }
    }

    /// Why nothing is to be started by itself, if that is so: everything stands still, or the background does.
    pub fn background_stands_still(&self) -> Option<String> {
        self.shared.pauses.of_background()
    }

    async fn stand(&self, by: Actor, which: Which, why: Option<String>, draft: Draft) -> Result<(), Error> {
        if let Which::Kind(name) = &which {
            let mut known: Vec<_> = self.shared.book.stories().map(|(name, _)| name).collect();
            known.sort_unstable();
            known.dedup();
            if !known.contains(name) {
                return Err(Error::NoStory { name: name.clone(), known: known.join(", ") });
            }
        }
        let still = why.is_some();
        let id = if let Which::Flow(id) = which { id } else { FlowId([0; 16]) };
        self.shared.admit(id)?;
        let (sender, receiver) = oneshot::channel();
        let (shared, meant) = (self.shared.clone(), which.clone());
        let ticket = self.shared.queue.submit(Box::new(move |batch| {
            let answer = match &which {
                Which::Flow(id) => stand_one(batch, *id, why.is_some(), draft),
                Which::Kind(_) | Which::Background | Which::All => {
                    stand_many(batch, &which, by, why.is_some(), draft)
                }
            };
            // What is to stand still does so at once, what is to go on when that is on disk.
            if let (Ok(true), Some(why)) = (&answer, why) {
                shared.pauses.stand(which, why, batch.head());
            }
            // Nobody may be waiting for the answer.
            let _ = sender.send(answer.map(|_| batch.head()));
        }));
        let answer = receiver.await.map_err(|_| self.shared.queue.error())?;
        self.shared.queue.durable(ticket).await?;
        let seq = answer.map_err(|no| match no {
            Some(_) if id == FlowId([0; 16]) => Error::NotPaused { which: whom(&meant) },
            Some((denial, why)) => Error::Denied { flow: id, denial, why: why.to_owned() },
            None => Error::NoFlow(id),
        })?;
        if !still {
            self.shared.pauses.go_on(&meant, seq);
        }
        Ok(())
    }
}

/// Whether anything was written; or why not.
type Stood = Result<bool, Option<(Denial, &'static str)>>;

fn stand_one(batch: &mut Batch<'_>, id: FlowId, still: bool, draft: Draft) -> Stood {
    let Some(flow) = batch.flow(id).cloned() else {
        let known = fold::flow(batch.rows(), id).is_some() || batch.ended(id).is_some();
        return Err(known.then_some((Denial::Ended, "has ended already")));
    };
    match (still, flow.paused.is_some()) {
        (true, true) => return Ok(false),
        (true, false) if flow.parked.is_some() => {
            return Err(Some((Denial::Parked, "is parked, so it stands still anyway")));
        }
        (false, false) => return Err(Some((Denial::NotPaused, "was not paused by itself"))),
        _ => {}
    }
    batch.append(&Slot { flow: id, path: "", scope: &flow.scope }, draft);
    Ok(true)
}

/// What concerns flows that are not known yet stands in the log as a flow of its own, which is over at once.
fn stand_many(batch: &mut Batch<'_>, which: &Which, by: Actor, still: bool, draft: Draft) -> Stood {
    let paused = PAUSES.get(batch.rows(), house(), &[&fold::pause_key(which)]).is_some();
    match (still, paused) {
        (true, true) => return Ok(false),
        (false, false) => return Err(Some((Denial::NotPaused, "those flows were not paused together"))),
        _ => {}
    }
    let seed = format!("{which:?} {still} {}", batch.head());
    let id = FlowId::derive(batch.now_ms(), seed.as_bytes());
    let scope = house().clone();
    let slot = Slot { flow: id, path: "", scope: &scope };
    let does = if still { "pause" } else { "resume" };
    let cause = Cause::Request(format!("{does}/{id}"));
    let [started, stands, ended] = whole(which, does, draft);
    batch.begin(&slot, Origin { actor: by, cause }, started);
    batch.append(&slot, stands);
    batch.append(&slot, ended);
    Ok(true)
}

/// The records of a flow that is nothing but a word on many.
pub(crate) fn whole(which: &Which, does: &str, stands: Draft) -> [Draft; 3] {
    let whom = whom(which);
    let started = Started {
        name: format!("{does}_workflows"),
        version: 1,
        label: format!("{does} {whom}"),
        input: NOTHING.to_vec(),
        subjects: Vec::new(),
        class: Class::Person,
        takes_up: None,
    };
    [Draft::of(&started), stands, Draft::of(&Ended { outcome: Outcome::Done(NOTHING.to_vec()) })]
}

/// Those that are meant, in words.
fn whom(which: &Which) -> String {
    match which {
        Which::Kind(kind) => format!("all of `{kind}`"),
        Which::Background => "what runs in the background".to_owned(),
        Which::All | Which::Flow(_) => "all workflows".to_owned(),
    }
}

/// `()` in rmp.
const NOTHING: [u8; 1] = [0xc0];

impl Snapshot {
    /// What stands still together: all flows, or those of a story.
    pub fn pauses(&self) -> Vec<Paused> {
        PAUSES.list(&self.0, house(), &[])
    }
}
