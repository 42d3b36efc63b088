//! Fan-out: one child flow an item, so many at a time.
//!
//! A child is a flow of its own, with its own history and its own undo. Its id comes from the
//! parent, the path and the item's key, so neither a replay nor the order of completion matters.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use event::{Actor, Cause, Draft, Failure, FlowId, Refusal};
use tokio::task::JoinSet;

use crate::Error;
use crate::at::At;
use crate::flow::{Armed, Flow, StepUndo, Undo};
use crate::fold::FlowRow;
use crate::kinds::{Gathered, Outcome};
use crate::queue::lock;
use crate::workflow::{Halt, Workflow};

/// Children of one fan-out at most: their ids and outcomes are held in memory together.
pub const CHILDREN_MAX: usize = 100_000;

/// A fan-out that still lacks its undo.
#[must_use = "a fan-out happens only when its undo is given and it is awaited"]
pub struct Each<'a, P, W> {
    flow: &'a Flow<P>,
    items: Vec<(String, W)>,
    limit: usize,
}

/// How each child ended, by its item's key.
pub type Ends<T> = BTreeMap<String, Result<T, Refusal>>;

impl<P: Send + Sync + 'static> Flow<P> {
    /// Runs a child flow for each item, at most `limit` at a time, and waits for all of them. A
    /// child that fails undoes itself and does not stop the others. Keys have to be unique.
    pub fn each<W: Workflow<Ports = P>>(&self, items: Vec<(String, W)>, limit: usize) -> Each<'_, P, W> {
        Each { flow: self, items, limit: limit.max(1) }
    }
}

impl<'a, P: Send + Sync + 'static, W: Workflow<Ports = P>> Each<'a, P, W> {
    /// What takes the children that ended well back, should the parent turn; it is given their
    /// ids. Runs after every child has come to its end.
    pub fn undo<D, F, Fut>(self, undo: F) -> impl Future<Output = Result<Ends<W::Output>, Halt>> + Send + 'a
    where
        D: Into<Draft>,
        F: Fn(At<P>, Vec<FlowId>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<D, Failure>> + Send + 'static,
    {
        let path = self.flow.next_path("");
        let ids: Vec<_> = self.items.iter().map(|(key, _)| child_id(self.flow, &path, key)).collect();
        let undo: StepUndo<P> = Arc::new(move |at| {
            let undone = undo(at, ids.clone());
            Box::pin(async move { undone.await.map(Into::into) })
        });
        lock(&self.flow.inner.told).armed.push(Armed { path: path.clone(), undo: Undo::Step(undo) });
        self.run(path)
    }

    /// The children that ended well stay, whatever becomes of the parent, for a reason.
    pub fn nothing_to_undo(
        self,
        _reason: &'static str,
    ) -> impl Future<Output = Result<Ends<W::Output>, Halt>> + Send + 'a {
        let path = self.flow.next_path("");
        self.run(path)
    }

    async fn run(self, path: String) -> Result<Ends<W::Output>, Halt> {
        let flow = self.flow;
        let known = flow.recall::<Gathered>(&path)?.transpose()?.is_some();
        if self.items.len() > CHILDREN_MAX {
            let why =
                format!("a fan-out over {} items; at most {CHILDREN_MAX} are allowed", self.items.len());
            return Err(Halt::Refused(Refusal::new("InvalidParameter.Items", why)));
        }
        let mut ends = Ends::new();
        if known {
            for (key, _) in self.items {
                let id = child_id(flow, &path, &key);
                let row = flow.inner.shared.flow_row(id)?.ok_or(Error::NoFlow(id))?;
                ends.insert(key, end_of::<W>(&row)?);
            }
            return Ok(ends);
        }
        let begun = lock(&flow.inner.told).turned;
        if begun {
            // The parent turned while children ran: they come to their ends before anything is undone.
            settle_children(flow, self.items.iter().map(|(key, _)| child_id(flow, &path, key))).await?;
            return Err(Halt::Turned);
        }
        let gathered = gather(flow, &path, self.items, self.limit, &mut ends).await?;
        if !gathered {
            return Err(Halt::Turned);
        }
        let done = ends.values().filter(|end| end.is_ok()).count() as u64;
        flow.append(&path, Draft::of(&Gathered { done, failed: ends.len() as u64 - done }));
        Ok(ends)
    }
}

/// Starts the children, so many at a time, and waits for them; no if the parent was cancelled.
async fn gather<P: Send + Sync + 'static, W: Workflow<Ports = P>>(
    flow: &Flow<P>,
    path: &str,
    items: Vec<(String, W)>,
    limit: usize,
    ends: &mut Ends<W::Output>,
) -> Result<bool, Halt> {
    let inner = &flow.inner;
    let actor = inner.shared.flow_row(inner.id)?.map(|row| row.actor).unwrap_or_default();
    let mut waiting = items.into_iter();
    let mut running: JoinSet<(String, Result<FlowRow, Error>)> = JoinSet::new();
    let mut ids = Vec::new();
    loop {
        while running.len() < limit && !inner.live.is_cancelled() {
            let Some((key, item)) = waiting.next() else {
                break;
            };
            let id = child_id(flow, path, &key);
            ids.push(id);
            let (shared, actor, parent) = (inner.shared.clone(), actor.clone(), inner.id);
            running.spawn(async move {
                let begun = shared.begin(id, actor, Cause::Parent(parent), &item).await;
                let ended = match begun {
                    Ok((id, _)) => shared.wait(id).await,
                    Err(error) => Err(error),
                };
                (key, ended)
            });
        }
        let next = tokio::select! {
            next = running.join_next() => next,
            () = inner.live.cancelled() => {
                running.detach_all();
                settle_children(flow, ids.into_iter()).await?;
                return Ok(false);
            }
        };
        let Some(next) = next else { return Ok(true) };
        let (key, row) = next.map_err(|error| Halt::Park(format!("waiting for a child failed: {error}")))?;
        ends.insert(key, end_of::<W>(&row?)?);
    }
}

/// Cancels what still runs and waits until nothing does.
async fn settle_children<P: Send + Sync + 'static>(
    flow: &Flow<P>,
    ids: impl Iterator<Item = FlowId>,
) -> Result<(), Halt> {
    let shared = &flow.inner.shared;
    for id in ids {
        let by = Actor { account: format!("workflow {}", flow.inner.id), key: String::new() };
        match shared.cancel(by, id, "the operation it is part of was cancelled").await {
            Err(Error::NoFlow(_)) => continue,
            Ok(()) | Err(Error::Denied { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        shared.wait(id).await?;
    }
    Ok(())
}

fn child_id<P: Send + Sync + 'static>(flow: &Flow<P>, path: &str, key: &str) -> FlowId {
    let mut seed = flow.id().0.to_vec();
    seed.extend_from_slice(path.as_bytes());
    seed.push(0);
    seed.extend_from_slice(key.as_bytes());
    // The parent's time, so that children lie next to it in the log's order of ids.
    let mut time = [0; 8];
    time[2..].copy_from_slice(&flow.id().0[..6]);
    FlowId::derive(i64::from_be_bytes(time), &seed)
}

fn end_of<W: Workflow>(row: &FlowRow) -> Result<Result<W::Output, Refusal>, Halt> {
    match &row.outcome {
        Some(Outcome::Done(output)) => rmp_serde::from_slice(output)
            .map(Ok)
            .map_err(|error| Halt::Park(format!("the output of `{}` does not decode: {error}", row.id))),
        Some(_) => Ok(Err(row.refusal().expect("an outcome that is not done is a refusal"))),
        None => Err(Halt::Park(format!("its part `{}` is parked; resume that first", row.id))),
    }
}
