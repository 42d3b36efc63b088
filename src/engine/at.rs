//! What a step's action holds: its ports, its attempt, and where to keep what it has come to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use event::{Attempt, Failure, FlowId, Progress, Rows, Work};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::branch::Branch;
use crate::flow::Flow;
use crate::live::Live;
use crate::queue::lock;
use crate::shared::Shared;

/// One attempt at a step or at an undo.
pub struct At<P> {
    inner: Arc<Inner<P>>,
}

impl<P> Clone for At<P> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

struct Inner<P> {
    shared: Arc<Shared<P>>,
    live: Arc<Live>,
    branch: Arc<Branch>,
    /// Whose records and working rows they are.
    flow: FlowId,
    /// The flow it works for, to the outside.
    work: FlowId,
    path: Arc<str>,
    attempt: Attempt,
    undoing: bool,
    pulse: Pulse,
}

/// What an attempt and whoever keeps its time tell each other.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// It has taken too long and is to stop.
    pub(crate) overdue: AtomicBool,
    /// When it was last at a checkpoint, or began; of one that may be silent nothing.
    pub(crate) beat: Option<Mutex<Instant>>,
}

impl Pulse {
    pub(crate) fn new(is_silence_limited: bool) -> Self {
        let beat = is_silence_limited.then(|| Mutex::new(Instant::now()));
        Self { overdue: AtomicBool::new(false), beat }
    }
}

impl<P: Send + Sync + 'static> At<P> {
    pub(crate) fn new(
        flow: &Flow<P>,
        path: &Arc<str>,
        attempt: Attempt,
        undoing: bool,
        pulse: Pulse,
    ) -> Self {
        let inner = &flow.inner;
        Self {
            inner: Arc::new(Inner {
                shared: inner.shared.clone(),
                live: inner.live.clone(),
                branch: flow.branch.clone(),
                flow: inner.id,
                work: inner.work,
                path: path.clone(),
                attempt,
                undoing,
                pulse,
            }),
        }
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.inner.pulse
    }

    /// What the step may reach.
    pub fn ports(&self) -> &P {
        &self.inner.shared.ports
    }

    /// The flow it belongs to, as [`Flow::id`](crate::Flow::id) has it.
    pub fn flow(&self) -> FlowId {
        let Inner { work, .. } = &*self.inner;
        *work
    }

    /// Which attempt this is.
    pub fn attempt(&self) -> Attempt {
        self.inner.attempt
    }

    /// The side of it that ports see.
    pub fn work(&self) -> Arc<dyn Work> {
        Arc::new(self.clone())
    }

    /// The projections as they are on disk now.
    pub fn rows(&self) -> Result<Box<dyn Rows + Send>, Failure> {
        let snapshot = self.inner.shared.store.snapshot();
        snapshot
            .map(|rows| Box::new(rows) as Box<dyn Rows + Send>)
            .map_err(|error| Failure::Ours(error.to_string()))
    }

    /// Keeps what the step has come to, over what it kept before; durable on return.
    pub async fn save<T: Serialize>(&self, state: &T) -> Result<(), Failure> {
        let value = rmp_serde::to_vec_named(state).expect("a step's state is plain data");
        let At { inner } = self;
        let (shared, flow, path) = (&inner.shared, inner.flow, inner.path.clone());
        let ticket = shared.queue.submit(Box::new(move |batch| batch.keep(flow, &path, "saved", value)));
        shared.queue.durable(ticket).await.map_err(|error| Failure::Ours(error.to_string()))
    }

    /// What an earlier attempt at this step kept last.
    pub fn saved<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        let ours = |error: crate::Error| Failure::Ours(error.to_string());
        let value = self.inner.shared.store.snapshot().map_err(ours)?.work(&self.key()).map_err(ours)?;
        let state = value.map(|value| rmp_serde::from_slice(&value)).transpose();
        state.map_err(|error| Failure::Ours(format!("what the step had kept does not decode: {error}")))
    }

    fn key(&self) -> Vec<u8> {
        work_key(self.inner.flow, &self.inner.path, "saved")
    }
}

/// The key of a working row: the flow's rows lie together, so that they go together.
pub(crate) fn work_key(flow: FlowId, path: &str, name: &str) -> Vec<u8> {
    let mut key = flow.0.to_vec();
    for part in [path, name] {
        key.push(0);
        key.extend_from_slice(part.as_bytes());
    }
    key
}

impl<P: Send + Sync + 'static> Work for At<P> {
    fn attempt(&self) -> Attempt {
        self.inner.attempt
    }

    fn checkpoint(&self, progress: Progress) -> Result<(), Failure> {
        let At { inner } = self;
        if inner.live.is_closing() {
            return Err(Failure::Cancelled);
        }
        if inner.live.report(&progress) {
            let value = rmp_serde::to_vec_named(&progress).expect("a checkpoint is plain data");
            let flow = inner.flow;
            // Nobody waits for it: it only says whether a recovery got further.
            inner.shared.queue.submit(Box::new(move |batch| batch.keep(flow, "", "progress", value)));
        }
        if let Some(beat) = &inner.pulse.beat {
            *lock(beat) = Instant::now();
        }
        if inner.pulse.overdue.load(Ordering::Acquire) {
            return Err(Failure::Cancelled);
        }
        // An undo is not to be stopped: what it leaves would stay for ever.
        if !inner.undoing && (inner.live.is_cancelled() || inner.branch.is_stopped()) {
            return Err(Failure::Cancelled);
        }
        Ok(())
    }
}
