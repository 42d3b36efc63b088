//! Going on as a new flow, for a story that lives for years: the history of each flow stays short.

use std::convert::Infallible;
use std::sync::Arc;

use event::{Actor, Cause, Draft, FlowId, Scope};
use tokio::sync::oneshot;

use crate::child::parent;
use crate::committer::{Origin, Slot};
use crate::flow::Flow;
use crate::fold::FlowRow;
use crate::kinds::{CancelRequested, Ended, Outcome, Started, TakesUp, Turn};
use crate::queue::lock;
use crate::shared::Shared;
use crate::workflow::{Halt, Workflow};
use crate::{Denial, Error, Snapshot, unwind};

/// The flow that another goes on as.
#[derive(Clone, Debug)]
pub struct Next {
    scope: Scope,
    started: Started,
}

impl<P: Send + Sync + 'static> Flow<P> {
    /// What a story returns (as its error) to go on as a new flow with another input and an empty history. The end of
    /// this one and the start of that one are one commit; what this one was told and has not taken is told to that
    /// one. Nothing may be left to undo: a flow with an undo that is still armed and no point of no return parks.
    ///
    /// ```text
    /// return Err(flow.continue_as(&Watch { round: self.round + 1, ..self }));
    /// ```
    pub fn continue_as<W: Workflow<Ports = P>>(&self, next: &W) -> Halt {
        let scope = next.scope();
        let takes_up = Some(TakesUp::Continues(self.inner.id));
        let class = self.inner.live.class();
        let started = Started { class, takes_up, ..Started::of(next) };
        Halt::Continued(Box::new(Next { scope, started }))
    }
}

/// Ends a flow that goes on as another, and drives that one; says no if it was cancelled just before.
pub(crate) async fn go_on<P: Send + Sync + 'static>(flow: &Flow<P>, next: Next) -> Result<bool, Error> {
    let inner = &flow.inner;
    unwind::come_to(flow, "end").await?;
    let (id, scope, live) = (inner.id, inner.scope.clone(), inner.live.clone());
    let (sender, receiver) = oneshot::channel();
    let ticket = inner.shared.queue.submit(Box::new(move |batch| {
        let row = batch.flow(id).filter(|row| row.cancel.is_none() || row.committed);
        let Some((actor, cancel)) = row.map(|row| (row.actor.clone(), row.cancel.clone())) else {
            let _ = sender.send(None);
            return;
        };
        let mut seed = id.0.to_vec();
        seed.extend_from_slice(b" continued");
        let next_id = FlowId::derive(batch.now_ms(), &seed);
        let slot = Slot { flow: next_id, path: "", scope: &next.scope };
        batch.begin(&slot, Origin { actor, cause: Cause::Parent(id) }, Draft::of(&next.started));
        let left = live.signals_left();
        #[cfg(test)]
        let left = if crate::planted::is(crate::planted::Planted::NotHandedOn) { Vec::new() } else { left };
        for told in left {
            batch.append(&slot, Draft::of(&told));
        }
        #[cfg(test)]
        let cancel = cancel.filter(|_| !crate::planted::is(crate::planted::Planted::AnewUncancelled));
        if let Some(reason) = cancel {
            // It was asked when there was no way back; there is one for the flow that begins.
            batch.append(&slot, Draft::of(&CancelRequested { by: parent(id), reason }));
        }
        let ended = Ended { outcome: Outcome::Continued(next_id) };
        batch.append(&Slot { flow: id, path: "", scope: &scope }, Draft::of(&ended));
        batch.clear_work(id, "");
        let _ = sender.send(Some(next_id));
    }));
    inner.shared.queue.durable(ticket).await?;
    let next_id = receiver.await.map_err(|_| inner.shared.queue.error())?;
    lock(&inner.shared.numbers).remove(&inner.work);
    if let Some(next_id) = next_id
        && inner.shared.is_driving()
    {
        inner.shared.spawn(next_id, false);
    }
    Ok(next_id.is_some())
}

impl<P: Send + Sync + 'static> Shared<P> {
    /// The flow, or the last one that takes it up.
    pub(crate) fn newest(&self, id: FlowId) -> Result<Option<FlowRow>, Error> {
        last_of(id, |id| self.flow_row(id))
    }

    /// Cancels the flow, or the last one that takes it up, if it is not too late; says whether there is one. If it is
    /// past its point of no return, the flow that continues it is cancelled as it begins.
    pub(crate) async fn cancel_last(
        self: &Arc<Self>,
        by: Actor,
        id: FlowId,
        reason: &str,
    ) -> Result<bool, Error> {
        let mut newest = self.newest(id)?.map_or(id, |row| row.id);
        loop {
            match self.cancel(by.clone(), newest, reason).await {
                Err(Error::NoFlow(_)) => return Ok(false),
                // If it has just ended it is asked once more, and may have gone on as another.
                Err(Error::Denied { denial: Denial::NoReturn, .. }) => {
                    if self.note_cancel(by.clone(), newest, reason).await? {
                        return Ok(true);
                    }
                }
                // It may just have gone on as another.
                Err(Error::Denied { denial: Denial::Ended, .. }) => {
                    let next = self.newest(id)?.map_or(id, |row| row.id);
                    if next == newest {
                        return Ok(true);
                    }
                    newest = next;
                }
                Ok(()) | Err(Error::Denied { .. }) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    /// Notes of a flow past its point of no return that it was to be cancelled; says no if it has ended.
    async fn note_cancel(&self, by: Actor, id: FlowId, reason: &str) -> Result<bool, Error> {
        let (sender, receiver) = oneshot::channel();
        let request = CancelRequested { by, reason: reason.to_owned() };
        let ticket = self.queue.submit(Box::new(move |batch| {
            let row = batch.flow(id).cloned();
            let _ = sender.send(row.is_some());
            if let Some(row) = row.filter(|row| row.cancel.is_none()) {
                batch.append(&Slot { flow: id, path: "", scope: &row.scope }, Draft::of(&request));
            }
        }));
        let is_open = receiver.await.map_err(|_| self.queue.error())?;
        self.queue.durable(ticket).await?;
        Ok(is_open)
    }

    /// Waits until the flow, or the last one that takes it up, has ended or parked.
    pub(crate) async fn wait_last(&self, id: FlowId) -> Result<FlowRow, Error> {
        let mut row = self.wait(id).await?;
        while let Some(next) = taken_up_by(&row)
            && self.flow_row(next)?.is_some()
        {
            row = self.wait(next).await?;
        }
        Ok(row)
    }
}

impl Snapshot {
    /// A flow, or the last of those that go on as it or were begun anew from it.
    pub fn newest(&self, id: FlowId) -> Option<FlowRow> {
        last_of(id, |id| Ok::<_, Infallible>(self.flow(id))).unwrap_or_else(|never| match never {})
    }
}

fn last_of<E>(id: FlowId, row: impl Fn(FlowId) -> Result<Option<FlowRow>, E>) -> Result<Option<FlowRow>, E> {
    let mut newest = row(id)?;
    while let Some(next) = newest.as_ref().and_then(taken_up_by) {
        match row(next)? {
            None => break,
            next => newest = next,
        }
    }
    Ok(newest)
}

/// The flow that one goes on as, or that takes it up because an operator reset it. That one never began if it was given
/// up before all was undone that was to be.
fn taken_up_by(row: &FlowRow) -> Option<FlowId> {
    #[cfg(test)]
    if crate::planted::is(crate::planted::Planted::ResetAlone) && row.turn.is_some() {
        return None;
    }
    match (&row.outcome, &row.turn) {
        (Some(Outcome::Continued(next)), _)
        | (Some(Outcome::Abandoned(_)), Some(Turn::Reset { next, .. })) => Some(*next),
        _ => None,
    }
}
