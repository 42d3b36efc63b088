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

use event::{Actor, Cause, Draft, Event, FlowId, Record, Seq};
use tokio::sync::oneshot;

use crate::child::parent;
use crate::committer::{Batch, Origin, Slot};
use crate::each::child_id;
use crate::flow::{Armed, Flow};
use crate::fold::{self, FlowRow, State};
use crate::kinds::{
    CancelRequested, Ended, Outcome, Raced, Released, Signalled, Started, TakesUp, Turn, Turned,
};
#[cfg(test)]
use crate::planted::{self, Planted};
use crate::queue::lock;
use crate::store::Snapshot;
use crate::unwind::{self, records_of};
use crate::{Denial, Engine, Error};

/// Where a flow comes from that was reset.
pub(crate) struct Ancestry {
    /// The first one's id, and how many resets ago that was.
    pub(crate) work: FlowId,
    pub(crate) resets: u32,
    /// When its story began: with the one that it has taken steps over from, as these may go by that time.
    pub(crate) begun_ms: Option<i64>,
}

impl Ancestry {
    pub(crate) fn itself(id: FlowId) -> Self {
        Self { work: id, resets: 0, begun_ms: None }
    }
}

/// A race that is decided, by the records of a flow.
struct Decided {
    /// What the paths of all its lines begin with, and those of the line that won.
    lines: String,
    winner: String,
    seq: Seq,
}

impl Decided {
    fn of(record: &Record) -> Option<Self> {
        let Raced { winner } = record.get().ok()?;
        let (lines, winner) = (format!("{}.", record.path), format!("{}.{winner}/", record.path));
        Some(Self { lines, winner, seq: record.seq })
    }

    /// Whether something was done in a line that lost.
    fn lost(&self, record: &Record) -> bool {
        let path = record.path.as_str();
        path.starts_with(&self.lines) && !path.starts_with(&self.winner)
    }
}

/// What a flow that was reset is told from: the records of the one before up to where it was, and so on back to the
/// first, under whose id the steps work.
pub(crate) fn inherited(
    snapshot: &Snapshot,
    takes_up: Option<&TakesUp>,
    ancestry: &mut Ancestry,
) -> Result<Vec<Record>, Error> {
    let Some(TakesUp::Resets { flow, before }) = takes_up else { return Ok(Vec::new()) };
    *ancestry = Ancestry { work: *flow, resets: ancestry.resets + 1, begun_ms: None };
    let row = fold::flow(snapshot, *flow).ok_or(Error::NoFlow(*flow))?;
    let own = records_of(snapshot, &row)?;
    let first = own.first().ok_or(Error::NoFlow(*flow))?;
    let started: Started = first.get().map_err(Error::read)?;
    let mut records = inherited(snapshot, started.takes_up.as_ref(), ancestry)?;
    let begun_ms = ancestry.begun_ms.unwrap_or(first.time_ms);
    records.extend(own);
    let races: Vec<_> = records.iter().filter(|it| it.seq < *before).filter_map(Decided::of).collect();
    #[cfg(test)]
    let races = if planted::is(Planted::ResetLosers) { Vec::new() } else { races };
    // What it was told is told to the next one, whenever that was; and what lost before is undone, whenever that was.
    records.retain(|it| {
        it.seq < *before || it.kind == Signalled::KIND || races.iter().any(|race| race.lost(it))
    });
    ancestry.begun_ms = records.iter().any(|it| !it.path.as_str().is_empty()).then_some(begun_ms);
    #[cfg(test)]
    if planted::is(Planted::ResetLater) {
        ancestry.begun_ms = None;
    }
    Ok(records)
}

impl<P: Send + Sync + 'static> Engine<P> {
    /// Begins a parked flow anew from before its event `before`, or from its beginning, and yields the new flow's id.
    /// Of one that takes up another, that one's events are its own as far as it has taken them over. On return it is
    /// decided, durably; the new flow begins when what the old one did from there on is undone. Asked again under the
    /// same `request` it is done once.
    ///
    /// # Errors
    /// [`Error::NoFlow`]; [`Error::Denied`] with [`Denial::NoReset`] if it is not parked, if `before` is none of its
    /// events or stands in a race that is decided since, if it is past its point of no return, if it was cancelled, or
    /// if it has begun to undo what it did.
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
        let own = records_of(&snapshot.0, &row)?;
        let started: Started = own.first().ok_or(Error::NoFlow(id))?.get().map_err(Error::read)?;
        let mut ancestry = Ancestry::itself(id);
        let mut records = inherited(&snapshot.0, started.takes_up.as_ref(), &mut ancestry)?;
        records.extend(own);
        let begin = records.first().ok_or(Error::NoFlow(id))?.seq.next();
        if let Some(before) = before.filter(|before| !records.iter().any(|record| record.seq == *before)) {
            return Err(denied(format!(
                "has no event {before}; `kiln audit log --workflow {id}` shows those it has"
            )));
        }
        let before = before.unwrap_or(begin).max(begin);
        if let Some(why) = cuts_a_race(&records, before) {
            return Err(denied(why));
        }
        let next = child_id(id, "reset", request);
        let cause = Turn::Reset { before, next, by, reason: reason.to_owned() };
        let (sender, receiver) = oneshot::channel();
        let ticket = self.shared.queue.submit(Box::new(move |batch| {
            // Nobody may be waiting for the answer.
            let _ = sender.send(turn(batch, id, row.last, cause));
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

/// Why a flow cannot go on from before an event: of a race that was decided later, what its losers did is undone.
fn cuts_a_race(records: &[Record], before: Seq) -> Option<String> {
    #[cfg(test)]
    if planted::is(Planted::ResetInRace) {
        return None;
    }
    let races = records.iter().filter(|record| record.seq >= before).filter_map(Decided::of);
    let cut = races.into_iter().find(|race| records.iter().any(|it| it.seq < before && race.lost(it)))?;
    let first = records.iter().find(|record| record.path.as_str().starts_with(&cut.lines))?.seq;
    Some(format!(
        "cannot go on from before event {before}, which stands in a race that was decided by event {}: choose event \
         {first} or an earlier one, or one after {}",
        cut.seq, cut.seq
    ))
}

/// Makes the flow turn, if it can be begun anew; says no if that was asked before. Its last event is known to whoever
/// asks.
fn turn(batch: &mut Batch<'_>, id: FlowId, last: Seq, cause: Turn) -> Result<bool, String> {
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
    } else if row.cancel.is_some() {
        "was cancelled, which holds: retry it, and what it did is undone"
    } else if row.last != last {
        "has moved meanwhile: look at it, and ask again"
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
    #[cfg(test)]
    if planted::is(Planted::ResetWhole) {
        return armed;
    }
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
        let Some(mut row) = batch.flow(id).cloned() else { return };
        let cancel = row.cancel.take();
        let slot = Slot { flow: next, path: "", scope: &row.scope };
        let origin = Origin { actor: row.actor.clone(), cause: Cause::Parent(id) };
        batch.begin(&slot, origin, Draft::of(&started));
        batch.append(&slot, Draft::of(&Released { by: by.clone(), reason: reason.clone() }));
        #[cfg(test)]
        let cancel = cancel.filter(|_| !planted::is(Planted::ResetUncancelled));
        if let Some(reason) = cancel {
            // It was asked when this one had turned already: the flow that begins is to be undone whole.
            batch.append(&slot, Draft::of(&CancelRequested { by: parent(id), reason }));
        }
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
