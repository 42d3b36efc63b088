//! What a person may ask of a flow: cancel it, and when it is parked, retry, unwind or abandon it.
//!
//! All of it is decided at the head of the log, against the flow as it is there.

use event::{Actor, Draft, FlowId};
use tokio::sync::oneshot;

use crate::committer::Slot;
use crate::fold::State;
use crate::kinds::{Ended, Outcome, Released, Turn, Turned};
use crate::{Denial, Engine, Error};

impl<P: Send + Sync + 'static> Engine<P> {
    /// Cancels a flow, if it is not too late; decided at the head of the log, so that accepting
    /// it and a step without return exclude each other. A flow that has been cancelled already is
    /// as it was wished, and the answer the same; [`FlowRow::cancel`](crate::FlowRow::cancel) tells.
    ///
    /// # Errors
    /// [`Error::NoFlow`], or [`Error::Denied`] with [`Denial::Ended`], [`Denial::NoReturn`], or
    /// [`Denial::Turned`] when it is parked half undone.
    pub async fn cancel(&self, by: Actor, id: FlowId, reason: &str) -> Result<(), Error> {
        self.shared.admit(id)?;
        self.shared.cancel(by, id, reason).await
    }

    /// Lets a parked flow go on where it stopped.
    pub async fn retry(&self, by: Actor, id: FlowId, reason: &str) -> Result<(), Error> {
        let released = Released { by, reason: reason.to_owned() };
        self.release(id, Draft::of(&released), true).await
    }

    /// Makes a parked flow turn and undo what it began.
    pub async fn unwind(&self, by: Actor, id: FlowId, reason: &str) -> Result<(), Error> {
        let cause = Turn::Unwound(format!("{reason} (by account {})", by.account));
        self.release(id, Draft::of(&Turned { cause }), true).await
    }

    /// Gives a parked flow up, leaving things as they are.
    pub async fn abandon(&self, by: Actor, id: FlowId, reason: &str) -> Result<(), Error> {
        let outcome = Outcome::Abandoned(format!("{reason} (by account {})", by.account));
        self.release(id, Draft::of(&Ended { outcome }), false).await
    }

    async fn release(&self, id: FlowId, draft: Draft, goes_on: bool) -> Result<(), Error> {
        self.shared.admit(id)?;
        let (sender, receiver) = oneshot::channel();
        let turning = draft.kind == <Turned as event::Event>::KIND;
        let ticket = self.shared.queue.submit(Box::new(move |batch| {
            let Some(flow) = batch.flow(id).cloned() else {
                let _ = sender.send(Err((Denial::Ended, "has ended or never was")));
                return;
            };
            let answer = if flow.state != State::Parked {
                Err((Denial::NotParked, "is not parked"))
            } else if turning && flow.committed {
                Err((Denial::NoReturn, "is past its point of no return: retry or abandon it"))
            } else if turning && flow.turn.is_some() {
                Err((Denial::Turned, "is being undone already: retry it"))
            } else {
                batch.append(&Slot { flow: id, path: "", scope: &flow.scope }, draft);
                batch.clear_work(id, if goes_on { "tried" } else { "" });
                batch.clear_work(id, "recovered");
                Ok(flow.cancel.is_some() && !flow.committed)
            };
            let _ = sender.send(answer);
        }));
        let answer = receiver.await.map_err(|_| self.shared.queue.error())?;
        // A no is told as well when what it rests on is on disk.
        self.shared.queue.durable(ticket).await?;
        let denied = |(denial, why): (Denial, &str)| Error::Denied { flow: id, denial, why: why.to_owned() };
        let cancelled = answer.map_err(denied)?;
        if goes_on && self.is_driving() {
            self.shared.spawn(id, cancelled);
        }
        Ok(())
    }
}
