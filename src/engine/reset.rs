//! Beginning a parked flow anew from one of its earlier steps, as a flow of its own.
//!
//! The old flow turns and undoes what it did from that step on, and nothing before. Then, in one commit, it is given up
//! and the new flow begins: its story is told from the old one's records up to the step, goes on from there by itself,
//! and what those steps did is its own to undo. Past the point of no return nothing can be undone, so such a flow is
//! retried or abandoned; one that has ended is started once more, as any operation is.
//!
//! ```text
//! old   1 ── 2 ── 3 ── parked ── flow.turned{before 3} ── 3~ ── ended
//! new                                                       └── (1, 2 from the old) ── 3 ── 4 ── …
//! ```

use event::{Actor, Cause, Draft, FlowId, Seq};
use tokio::sync::oneshot;

use crate::committer::{Batch, Origin, Slot};
use crate::each::child_id;
use crate::flow::{Armed, Flow};
use crate::fold::{self, FlowRow, State};
use crate::kinds::{Ended, Outcome, Released, Started, TakesUp, Turn, Turned};
use crate::queue::lock;
use crate::{Denial, Engine, Error, unwind};

impl<P: Send + Sync + 'static> Engine<P> {
    /// Begins a parked flow anew from before its event `before`, or from its beginning, and yields the new flow's id.
    /// On return it is decided, durably; the new flow begins when what the old one did from there on is undone. Asked
    /// again under the same `request` it is done once.
    ///
    /// # Errors
    /// [`Error::NoFlow`]; [`Error::Denied`] with [`Denial::NoReset`] if it is not parked, if `before` is none of its
    /// events, if it is past its point of no return, or if it has begun to undo what it did.
    pub async fn reset(
        &self,
        by: Actor,
        id: FlowId,
        before: Option<Seq>,
        reason: &str,
        request: &str,
    ) -> Result<FlowId, Error> {
        self.shared.admit(id)?;
        let denied = |why: String| Error::Denied { flow: id, denial: Denial::NoReset, why };
        let snapshot = self.snapshot()?;
        let row = snapshot.flow(id).ok_or(Error::NoFlow(id))?;
        let records = snapshot.records_of(&row)?;
        let begin = records.first().ok_or(Error::NoFlow(id))?.seq.next();
        if let Some(before) = before.filter(|before| !records.iter().any(|record| record.seq == *before)) {
            return Err(denied(format!(
                "has no event {before}; `kiln workflow show {id}` shows those it has"
            )));
        }
        let before = before.unwrap_or(begin).max(begin);
        let next = child_id(id, "reset", request);
        let cause = Turn::Reset { before, next, by, reason: reason.to_owned() };
        let (sender, receiver) = oneshot::channel();
        let ticket = self.shared.queue.submit(Box::new(move |batch| {
            // Nobody may be waiting for the answer.
            let _ = sender.send(turn(batch, id, cause));
        }));
        let answer = receiver.await.map_err(|_| self.shared.queue.error())?;
        self.shared.queue.durable(ticket).await?;
        let is_new = answer.map_err(denied)?;
        if is_new && self.is_driving() {
            self.shared.spawn(id, false);
        }
        Ok(next)
    }
}

/// Makes the flow turn, if it can be begun anew; says no if that was asked before.
fn turn(batch: &mut Batch<'_>, id: FlowId, cause: Turn) -> Result<bool, String> {
    let Some(row) =
        batch.flow(id).cloned().or_else(|| batch.ended(id).cloned()).or_else(|| fold::flow(batch.rows(), id))
    else {
        return Err("is not there any more".to_owned());
    };
    if let (Some(Turn::Reset { next: known, .. }), Turn::Reset { next, .. }) = (&row.turn, &cause) {
        return if known == next { Ok(false) } else { Err(format!("was reset already, as `{known}`")) };
    }
    let no = if row.state.has_ended() {
        "has ended; start the operation once more"
    } else if row.state != State::Parked {
        "goes on; cancel it, or wait until it has ended or parked"
    } else if row.committed {
        "is past its point of no return, from which nothing is undone: retry or abandon it"
    } else if row.turn.is_some() {
        "has begun to undo what it did: retry or abandon it"
    } else {
        batch.append(&Slot { flow: id, path: "", scope: &row.scope }, Draft::of(&Turned { cause }));
        batch.clear_work(id, "tried");
        batch.clear_work(id, "recovered");
        return Ok(true);
    };
    Err(no.to_owned())
}

/// Of what a flow would undo, what it did from an event on, or what no event tells of.
pub(crate) fn from_on<P>(flow: &Flow<P>, armed: Vec<Armed<P>>, before: Seq) -> Vec<Armed<P>> {
    let places = &lock(&flow.inner.told).places;
    armed.into_iter().filter(|armed| places.get(&armed.path).is_none_or(|seq| *seq >= before)).collect()
}

/// Gives a flow up that is undone as far as it is to be, and begins the one that takes it up.
pub(crate) async fn hand_on<P: Send + Sync + 'static>(flow: &Flow<P>, turn: Turn) -> Result<(), Error> {
    let Turn::Reset { before, next, by, reason } = turn else { return Ok(()) };
    unwind::come_to(flow, "end").await?;
    let inner = &flow.inner;
    let id = inner.id;
    let started = {
        let snapshot = inner.shared.store.snapshot()?;
        let row: FlowRow = fold::flow(&snapshot, id).ok_or(Error::NoFlow(id))?;
        let first = snapshot.record(row.first)?.ok_or(Error::NoFlow(id))?;
        first.get::<Started>().map_err(Error::read)?
    };
    let started = Started { takes_up: Some(TakesUp::Resets { flow: id, before }), ..started };
    let ticket = inner.shared.queue.submit(Box::new(move |batch| {
        let Some(row) = batch.flow(id).cloned() else { return };
        let slot = Slot { flow: next, path: "", scope: &row.scope };
        let origin = Origin { actor: row.actor.clone(), cause: Cause::Parent(id) };
        batch.begin(&slot, origin, Draft::of(&started));
        batch.append(&slot, Draft::of(&Released { by: by.clone(), reason: reason.clone() }));
        let why = format!("{reason} (reset by account {} as {next})", by.account);
        let ended = Ended { outcome: Outcome::Abandoned(why) };
        batch.append(&Slot { flow: id, path: "", scope: &row.scope }, Draft::of(&ended));
        batch.clear_work(id, "");
    }));
    inner.shared.queue.durable(ticket).await?;
    if inner.shared.is_driving() {
        inner.shared.spawn(next, false);
    }
    Ok(())
}
