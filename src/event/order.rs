//! Who goes next: where a simulation may put flows that compete into an order of its own.
//!
//! A house at work has none of this. With it the engine asks before all that a flow writes or does,
//! and says when a flow waits for something else, so that whoever decides knows when nothing
//! moves. It deliberately says nothing of what the flow is about to do: an order is no policy.

use async_trait::async_trait;

use crate::FlowId;

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

/// Lets flows go one after another.
///
/// ```text
///  begins ─▶ moving ──turn──▶ at the gate ──its turn──▶ moving ─▶ … ─▶ rests
///              └───waits──▶ waiting ──moves──▶┘
/// ```
#[async_trait]
pub trait Order: std::fmt::Debug + Send + Sync + 'static {
    /// A flow begins to be driven; it moves.
    fn begins(&self, flow: FlowId);
    /// A flow comes to its `begin`, to a step (or an attempt at it, or its undo), to its `turn` or
    /// its `end`. Ends when it may do it; it moves until it says otherwise. May be dropped before.
    async fn turn(&self, flow: FlowId, path: &str);
    /// A flow waits for something that the time or another flow brings.
    fn waits(&self, flow: FlowId, wait: Wait);
    /// It waits no longer.
    fn moves(&self, flow: FlowId);
    /// A flow has ended or parked, or is driven here no more.
    fn rests(&self, flow: FlowId);
}
