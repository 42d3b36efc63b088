//! Beginning a flow anew from one of its earlier steps, as a flow of its own.
//!
//! The new flow's story is told from the old one's records up to the step, and goes on from there by itself; its first
//! record says whose they are. What those steps did is the new flow's to undo, so the old one has to have stopped
//! without undoing it: it is parked, and given up in the same commit, or was given up before. One that has ended in
//! any other way can only be begun from its beginning, as the same operation once more.

use event::{Actor, Cause, Draft, FlowId, Seq};
use tokio::sync::oneshot;

use crate::committer::{Batch, Origin, Slot};
use crate::fold::{FlowRow, State};
use crate::kinds::{Ended, Lineage, Outcome, Released, Started};
use crate::{Denial, Engine, Error};

impl<P: Send + Sync + 'static> Engine<P> {
    /// Begins a flow anew from before its event `before`, or from its beginning, and yields the new flow; durable on
    /// return. The old one is given up if it is parked.
    ///
    /// # Errors
    /// [`Error::NoFlow`]; [`Error::Denied`] with [`Denial::NoReset`] if it has not stopped, if `before` is none of
    /// its steps, if it lies before its point of no return, or if it has ended and this is not its beginning.
    pub async fn reset(
        &self,
        by: Actor,
        id: FlowId,
        before: Option<Seq>,
        reason: &str,
    ) -> Result<FlowId, Error> {
        self.shared.admit(id)?;
        let denied = |why: String| Error::Denied { flow: id, denial: Denial::NoReset, why };
        let snapshot = self.snapshot()?;
        let row = snapshot.flow(id).ok_or(Error::NoFlow(id))?;
        let records = snapshot.records_of(&row)?;
        let first = records.first().ok_or(Error::NoFlow(id))?;
        let started: Started = first.get().map_err(Error::read)?;
        if let Some(before) = before.filter(|before| !records.iter().any(|record| record.seq == *before)) {
            return Err(denied(format!(
                "has no event {before}; `kiln workflow show {id}` shows those it has"
            )));
        }
        let begin = first.seq.next();
        let before = before.filter(|before| *before > begin).unwrap_or(begin);
        let committed = records.iter().find(|record| record.path.as_str().ends_with('!'));
        let stopped = matches!(row.state, State::Parked | State::Abandoned);
        if !row.state.has_ended() && row.state != State::Parked {
            return Err(denied("goes on; cancel it, or wait until it has ended or parked".to_owned()));
        }
        if before > begin && !stopped {
            let why =
                "has ended, and what it did stands or is undone: it can only be begun from its beginning";
            return Err(denied(why.to_owned()));
        }
        if let Some(committed) = committed.filter(|committed| stopped && committed.seq >= before) {
            let why =
                format!("is past its point of no return, event {}: reset it to a later one", committed.seq);
            return Err(denied(why));
        }
        if stopped && row.turn.is_some() {
            let why = "had begun to undo what it did: retry or abandon it, and start the operation anew";
            return Err(denied(why.to_owned()));
        }
        let lineage = Some(Lineage::Resets { flow: id, before });
        let reset = Reset { row, started: Started { lineage, ..started }, by, reason: reason.to_owned() };
        let (sender, receiver) = oneshot::channel();
        let ticket = self.shared.queue.submit(Box::new(move |batch| {
            // Nobody may be waiting for the answer.
            let _ = sender.send(reset.write(batch));
        }));
        let next = receiver.await.map_err(|_| self.shared.queue.error())?;
        let next =
            next.ok_or_else(|| denied("has changed meanwhile; look at it and try again".to_owned()))?;
        self.shared.queue.durable(ticket).await?;
        if self.is_driving() {
            self.shared.spawn(next, false);
        }
        Ok(next)
    }
}

/// A flow that is to be begun anew, as it was found.
struct Reset {
    row: FlowRow,
    started: Started,
    by: Actor,
    reason: String,
}

impl Reset {
    /// Writes the new flow's first record and the old one's last; nothing if the old one is not as it was found.
    fn write(self, batch: &mut Batch<'_>) -> Option<FlowId> {
        let Self { row, started, by, reason } = self;
        if let Some(open) = batch.flow(row.id) {
            if open.last != row.last {
                return None;
            }
        } else if row.state == State::Parked {
            return None;
        }
        let mut seed = row.id.0.to_vec();
        seed.extend_from_slice(format!(" reset {}", batch.head()).as_bytes());
        let next = FlowId::derive(batch.now_ms(), &seed);
        let origin = Origin { actor: row.actor, cause: Cause::Parent(row.id) };
        let slot = Slot { flow: next, path: "", scope: &row.scope };
        batch.begin(&slot, origin, Draft::of(&started));
        batch.append(&slot, Draft::of(&Released { by: by.clone(), reason: reason.clone() }));
        if row.state == State::Parked {
            let why = format!("{reason} (reset by account {} as {next})", by.account);
            let ended = Ended { outcome: Outcome::Abandoned(why) };
            batch.append(&Slot { flow: row.id, path: "", scope: &row.scope }, Draft::of(&ended));
            batch.clear_work(row.id, "");
        }
        Some(next)
    }
}
