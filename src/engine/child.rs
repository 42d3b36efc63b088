//! Children that go on beside their parent, and what becomes of them when it ends.
//!
//! `each` runs children and waits for them; here the parent starts one, does something else, and waits for it later
//! or never. The child's id is the parent's and the path's, so a start that the parent's record lacks is found again.

use std::future::Future;
use std::sync::Arc;

use event::{Actor, Cause, Draft, Failure, FlowId, Refusal, Wait};

use crate::Error;
use crate::each::{child_id, end_of};
use crate::flow::{Flow, Undo};
use crate::fold::FlowRow;
use crate::kinds::{ChildEnded, ChildStarted, Outcome, ParentEnd, Superseded};
use crate::queue::lock;
use crate::shared::Shared;
use crate::workflow::{Halt, Workflow};

impl<P: Send + Sync + 'static> Flow<P> {
    /// Starts a child that goes on beside this flow, and yields its id. If this flow turns, a child that was to be
    /// left goes on, any other is cancelled and its undo waited for.
    ///
    /// # Errors
    /// What any step may meet.
    pub fn begin<W: Workflow<Ports = P>>(
        &self,
        child: W,
        parent_end: ParentEnd,
    ) -> impl Future<Output = Result<FlowId, Halt>> + Send + '_ {
        let path = self.next_path("");
        self.alone(path.clone(), async move { self.begin_at(path, &child, parent_end).await })
    }

    /// Waits until a child that was begun has ended, or the last flow that continues it, and yields how. A child
    /// that is parked parks this flow as well.
    ///
    /// # Errors
    /// What any step may meet.
    pub fn ended<W: Workflow<Ports = P>>(
        &self,
        child: FlowId,
    ) -> impl Future<Output = Result<Result<W::Output, Refusal>, Halt>> + Send + '_ {
        let path = self.next_path("");
        self.alone(path.clone(), async move { self.ended_at::<W>(&path, child).await })
    }

    async fn begin_at<W: Workflow<Ports = P>>(
        &self,
        path: Arc<str>,
        child: &W,
        parent_end: ParentEnd,
    ) -> Result<FlowId, Halt> {
        let inner = &self.inner;
        let known = self.recall::<ChildStarted>(&path)?.transpose()?;
        let id = known.as_ref().map_or_else(|| child_id(inner.id, &path, ""), |known| known.child);
        if parent_end != ParentEnd::Leave {
            // Armed before it is begun: one that replay finds unrecorded may have been.
            let (shared, ours) = (inner.shared.clone(), inner.id);
            let undo = Undo::Step(Arc::new(move |_| {
                let shared = shared.clone();
                Box::pin(async move { Ok(Draft::of(&settled(&shared, ours, id).await?)) })
            }));
            self.arm(&path, undo);
        }
        if known.is_none() {
            self.forward()?;
            // It carries the name of whoever asked for the parent, which has to be in the log for that.
            self.durable().await?;
            self.turn(&path).await?;
            // Nothing is waited for from here on: one whose line has lost, or that is cancelled, begins none.
            self.forward()?;
            let actor = inner.shared.flow_row(inner.id)?.map(|row| row.actor).unwrap_or_default();
            let begun = inner.shared.begin(id, actor, Cause::Parent(inner.id), child);
            self.append(path, Draft::of(&ChildStarted { child: id, parent_end }));
            let known = begun.known.await.map_err(|_| inner.shared.queue.error())?;
            known.map_err(Halt::Park)?;
        }
        lock(&inner.told).children.push((id, parent_end));
        Ok(id)
    }

    async fn ended_at<W: Workflow<Ports = P>>(
        &self,
        path: &str,
        child: FlowId,
    ) -> Result<Result<W::Output, Refusal>, Halt> {
        let shared = &self.inner.shared;
        if let Some(known) = self.recall::<ChildEnded>(path)?.transpose()? {
            return end_of::<W>(&shared.flow_row(known.child)?.ok_or(Error::NoFlow(known.child))?);
        }
        self.forward()?;
        self.durable().await?;
        self.waits();
        let pause = self.pauses(Wait::Parts);
        let row = tokio::select! {
            biased;
            row = shared.wait_last(child) => Some(row?),
            () = self.called() => None,
        };
        drop(pause);
        self.forward()?;
        let row = row.ok_or(Halt::Turned)?;
        let end = end_of::<W>(&row)?;
        self.append(path, Draft::of(&ChildEnded { child: row.id }));
        Ok(end)
    }

    /// Does with the children that go on beside this flow what was said of its end.
    pub(crate) async fn leave_children(&self) -> Result<Result<(), String>, Error> {
        self.gate().await.map_err(|_| self.inner.shared.queue.error())?;
        let children = lock(&self.inner.told).children.clone();
        #[cfg(test)]
        let children =
            if crate::planted::is(crate::planted::Planted::ChildrenStay) { Vec::new() } else { children };
        let shared = &self.inner.shared;
        for (child, _) in children.iter().filter(|(_, end)| *end == ParentEnd::Cancel) {
            shared.cancel_last(parent(self.inner.id), *child, PARENT_ENDED).await?;
        }
        for (child, _) in children.iter().filter(|(_, end)| *end == ParentEnd::Wait) {
            self.waits();
            let pause = self.pauses(Wait::Parts);
            let row = tokio::select! {
                biased;
                row = shared.wait_last(*child) => Some(row?),
                () = self.called() => None,
            };
            drop(pause);
            self.open().map_err(|_| shared.queue.error())?;
            match row {
                Some(row) if !row.state.has_ended() => {
                    return Ok(Err(format!("its child `{child}` is parked; resume that first")));
                }
                Some(_) => {}
                // It was cancelled: its end asks again, and it turns.
                None => break,
            }
        }
        Ok(Ok(()))
    }
}

/// Why a child is cancelled that was not to go on alone.
pub(crate) const PARENT_ENDED: &str = "the operation it belongs to has ended";

/// As whom a flow asks something of another.
pub(crate) fn parent(id: FlowId) -> Actor {
    Actor { account: format!("workflow {id}"), key: String::new() }
}

/// Cancels a child and waits until it has come to its end, whatever that is.
async fn settled<P: Send + Sync + 'static>(
    shared: &Arc<Shared<P>>,
    id: FlowId,
    child: FlowId,
) -> Result<Superseded, Failure> {
    let ours = |error: Error| Failure::Ours(error.to_string());
    if !shared.cancel_last(parent(id), child, PARENT_ENDED).await.map_err(ours)? {
        return Ok(Superseded { what: format!("its child `{child}`, which never began") });
    }
    let row: FlowRow = shared.wait_last(child).await.map_err(ours)?;
    match row.outcome {
        Some(Outcome::Undone(_)) => Ok(Superseded { what: format!("its child `{child}`, which is undone") }),
        Some(_) => Ok(Superseded { what: format!("its child `{child}`, which had ended") }),
        None => Err(Failure::Ours(format!("its child `{child}` is parked; resume that first"))),
    }
}
