//! Fan-out: one child flow an item, so many at a time.
//!
//! A child is a flow of its own, with its own history and its own undo. Its id comes from the
//! parent, the path and the item's key, so neither a replay nor the order of completion matters.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use event::{Cause, Draft, Failure, FlowId, Refusal, Wait};
use tokio::task::JoinSet;

use crate::Error;
use crate::at::At;
use crate::child::parent;
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

impl<P> Flow<P> {
    /// The flow whose children those of a path are: an earlier one, if this one has taken its record over.
    fn parent_at(&self, path: &str) -> FlowId {
        lock(&self.inner.told).inherited.get(path).copied().unwrap_or(self.inner.id)
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
        let parent = self.flow.parent_at(&path);
        let ids: Vec<_> = self.items.iter().map(|(key, _)| child_id(parent, &path, key)).collect();
        let undo: StepUndo<P> = Arc::new(move |at| {
            let undone = undo(at, ids.clone());
            Box::pin(async move { undone.await.map(Into::into) })
        });
        self.flow.alone(path.clone(), async move { self.run(path, Some(undo)).await })
    }

    /// The children that ended well stay, whatever becomes of the parent, for a reason.
    pub fn nothing_to_undo(
        self,
        _reason: &'static str,
    ) -> impl Future<Output = Result<Ends<W::Output>, Halt>> + Send + 'a {
        let path = self.flow.next_path("");
        self.flow.alone(path.clone(), async move { self.run(path, None).await })
    }

    async fn run(self, path: Arc<str>, undo: Option<StepUndo<P>>) -> Result<Ends<W::Output>, Halt> {
        let flow = self.flow;
        if let Some(undo) = undo {
            lock(&flow.inner.told).armed.push(Armed { path: path.to_string(), undo: Undo::Step(undo) });
        }
        let parent = flow.parent_at(&path);
        let known = flow.recall::<Gathered>(&path)?.transpose()?.is_some();
        self.check()?;
        let ids: Vec<_> = self.items.iter().map(|(key, _)| child_id(parent, &path, key)).collect();
        let mut rows = BTreeMap::new();
        if known {
            for ((key, _), id) in self.items.into_iter().zip(ids) {
                rows.insert(key, flow.inner.shared.newest(id)?.ok_or(Error::NoFlow(id))?);
            }
            return ends_of::<W>(&rows);
        }
        if flow.only_undoes() || !gather(flow, self.items, &ids, self.limit, &mut rows).await? {
            // Children come to their ends before anything is undone.
            flow.open()?;
            settle_children(flow, &ids).await?;
            flow.forward()?;
            return Err(Halt::Turned);
        }
        let ends = ends_of::<W>(&rows)?;
        let done = ends.values().filter(|end| end.is_ok()).count() as u64;
        flow.append(path.clone(), Draft::of(&Gathered { done, failed: ends.len() as u64 - done }));
        Ok(ends)
    }

    fn check(&self) -> Result<(), Halt> {
        if self.items.len() > CHILDREN_MAX {
            let why =
                format!("a fan-out over {} items; at most {CHILDREN_MAX} are allowed", self.items.len());
            return Err(Halt::Refused(Refusal::new("InvalidParameter.Items", why)));
        }
        let mut keys = BTreeSet::new();
        match self.items.iter().find(|(key, _)| !keys.insert(key)) {
            Some((key, _)) => Err(Halt::Park(format!("two items of a fan-out have the key `{key}`"))),
            None => Ok(()),
        }
    }
}

/// Starts the children, so many at a time, and waits for them; no if the parent was cancelled.
async fn gather<P: Send + Sync + 'static, W: Workflow<Ports = P>>(
    flow: &Flow<P>,
    items: Vec<(String, W)>,
    ids: &[FlowId],
    limit: usize,
    rows: &mut BTreeMap<String, FlowRow>,
) -> Result<bool, Halt> {
    let inner = &flow.inner;
    // Children carry the name of whoever asked for the parent, which has to be in the log for that.
    flow.durable().await?;
    flow.waits();
    let actor = inner.shared.flow_row(inner.id)?.map(|row| row.actor).unwrap_or_default();
    let mut waiting = items.into_iter().zip(ids);
    let mut running: JoinSet<(String, Result<FlowRow, Error>)> = JoinSet::new();
    loop {
        flow.open()?;
        flow.gate().await?;
        #[cfg(test)]
        let limit = if crate::planted::is(crate::planted::Planted::NoLimit) { usize::MAX } else { limit };
        while running.len() < limit && !flow.stops() {
            let Some(((key, item), &id)) = waiting.next() else {
                break;
            };
            let begun = inner.shared.begin(id, actor.clone(), Cause::Parent(inner.id), &item);
            let shared = inner.shared.clone();
            running.spawn(async move {
                let known = begun.known.await.map_err(|_| shared.queue.error());
                let ended = match known {
                    Ok(_) => shared.wait_last(id).await,
                    Err(error) => Err(error),
                };
                (key, ended)
            });
        }
        let pause = flow.pauses(Wait::Parts);
        let next = tokio::select! {
            biased;
            () = flow.called() => {
                flow.open()?;
                return Ok(false);
            }
            next = running.join_next() => next,
        };
        drop(pause);
        let Some(next) = next else { return Ok(!flow.stops()) };
        let (key, row) = next.map_err(|error| Halt::Park(format!("waiting for a child failed: {error}")))?;
        rows.insert(key, row?);
    }
}

/// Cancels what still runs and waits until nothing does.
async fn settle_children<P: Send + Sync + 'static>(flow: &Flow<P>, ids: &[FlowId]) -> Result<(), Halt> {
    let shared = &flow.inner.shared;
    let by = parent(flow.inner.id);
    // All at once, so that they share a commit.
    let mut cancels = JoinSet::new();
    for &id in ids {
        let (shared, by) = (shared.clone(), by.clone());
        cancels.spawn(async move {
            (id, shared.cancel_last(by, id, "the operation it is part of was cancelled").await)
        });
    }
    let mut begun = Vec::new();
    for (id, cancelled) in cancels.join_all().await {
        if cancelled? {
            begun.push(id);
        }
    }
    for id in begun {
        let _pause = flow.pauses(Wait::Parts);
        let row = shared.wait_last(id).await?;
        if !row.state.has_ended() {
            return Err(Halt::Park(format!("its part `{id}` is parked; resume that first")));
        }
    }
    Ok(())
}

/// How the children ended; one that is parked parks the parent, after all others came to rest.
fn ends_of<W: Workflow>(rows: &BTreeMap<String, FlowRow>) -> Result<Ends<W::Output>, Halt> {
    rows.iter().map(|(key, row)| Ok((key.clone(), end_of::<W>(row)?))).collect()
}

pub(crate) fn child_id(parent: FlowId, path: &str, key: &str) -> FlowId {
    let mut seed = parent.0.to_vec();
    seed.extend_from_slice(path.as_bytes());
    seed.push(0);
    seed.extend_from_slice(key.as_bytes());
    // The parent's time, so that children lie next to it in the log's order of ids.
    let mut time = [0; 8];
    time[2..].copy_from_slice(&parent.0[..6]);
    FlowId::derive(i64::from_be_bytes(time), &seed)
}

pub(crate) fn end_of<W: Workflow>(row: &FlowRow) -> Result<Result<W::Output, Refusal>, Halt> {
    match &row.outcome {
        Some(Outcome::Done(output)) => rmp_serde::from_slice(output)
            .map(Ok)
            .map_err(|error| Halt::Park(format!("the output of `{}` does not decode: {error}", row.id))),
        Some(_) => Ok(Err(row.refusal().expect("an outcome that is not done is a refusal"))),
        None => Err(Halt::Park(format!("its part `{}` is parked; resume that first", row.id))),
    }
}
