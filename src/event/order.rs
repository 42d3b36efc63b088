//! Who goes next: where a simulation may put flows that compete into an order of its own.
//!
//! A house at work has none of this. With it the engine asks before all that a flow writes or does,
//! and says when a flow waits for something else, so that whoever decides knows when nothing
//! moves. It deliberately says nothing of what the flow is about to do: an order is no policy.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Failure, FlowId};

/// What a flow waits for, other than its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A time.
    Time,
    /// A place under a limit.
    Place,
    /// The flows that are its parts.
    Parts,
    /// Somebody's word: something it is to be told, or to be let go on.
    Word,
}

/// When something may strike an attempt at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before it acts.
    Before,
    /// When it has, whatever came of it, and its flow has not heard of it.
    After,
}

/// Lets flows go one after another.
///
/// ```text
///  begins ─▶ moving ──turn──▶ at the gate ──its turn──▶ moving ─▶ … ─▶ rests
///              └───waits──▶ waiting ──moves──▶┘
/// ```
#[async_trait]
pub trait Order: Debug + Send + Sync + 'static {
    /// A flow begins to be driven; it moves.
    fn begins(&self, flow: FlowId);
    /// A flow comes to its `begin`, to a step (or an attempt at it, or its undo), to its `turn` or
    /// its `end`. Ends when it may do it; it moves until it says otherwise. May be dropped before.
    async fn turn(&self, flow: FlowId, path: &str);
    /// A flow waits for something that the time or another flow brings.
    fn waits(&self, flow: FlowId, wait: Wait);
    /// It waits no longer.
    fn moves(&self, flow: FlowId);
    /// So many more lines of a flow's story are told at once than before, or fewer, or events of it are on their way
    /// into the log. Each moves and waits by itself.
    fn lines(&self, flow: FlowId, by: isize) {
        let _ = (flow, by);
    }
    /// A flow has ended or parked, or is driven here no more.
    fn rests(&self, flow: FlowId);
    /// What strikes an attempt at a step or an undo, which is then its outcome. Asked twice of each, unless
    /// it never came back.
    fn strikes(&self, flow: FlowId, path: &str, when: When) -> Option<Failure> {
        let _ = (flow, path, when);
        None
    }
    /// Whoever lets the log's threads go, if they go one at a time as well; else they go as they come.
    fn pace(&self) -> Option<Arc<dyn Pace>> {
        None
    }
}

/// One of the log's own threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hand {
    /// The one that decides.
    Committer,
    /// The one that makes durable what was decided.
    Writer,
    /// The one that prepares, beside the two, what is to be archived.
    Archiver,
}

/// What such a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Nothing: it may go on at once, or later.
    Now,
    /// That somebody wakes it, having brought something to do.
    Work,
    /// The same, or that nothing has come for long.
    Idle,
    /// The same, or that flows which are about to bring more take too long over it.
    Ahead,
    /// The end of another.
    Ended(Hand),
}

/// Lets the log's threads go one at a time, so that a simulation with threads in it repeats.
pub trait Pace: Debug + Send + Sync + 'static {
    /// A thread is about to be begun.
    fn begins(&self, hand: Hand);
    /// A thread comes to where it waits, and tells so itself. Ends when it is to look again; says whether
    /// that is because its time is over.
    fn pauses(&self, hand: Hand, until: Until) -> bool;
    /// Somebody wakes a thread.
    fn wakes(&self, hand: Hand);
    /// A thread has come to its end.
    fn ends(&self, hand: Hand);
}
