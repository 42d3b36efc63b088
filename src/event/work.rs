//! What a port is told about the step it works for: its key, its fence, and where to report.

use serde::{Deserialize, Serialize};

use crate::Failure;

/// The number of an attempt, which fences ports against an older one that is still moving.
///
/// Ordered: a later incarnation of the process fences all attempts of an earlier one, and within
/// one process a later attempt fences the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// Which opening of the data directory this is; grows by one each time.
    pub incarnation: u64,
    /// Which attempt at this step within its life, from 1; survives restarts.
    pub number: u32,
}

/// How far a long step has come. It overwrites the one before it; it is not history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, in a word or two a user understands: `importing`, `verifying`.
    pub doing: String,
    /// Bytes dealt with so far, holes included.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// The side of a running step that ports see.
///
/// Ports run on threads of their own, hence the bounds; every call is cheap and never blocks on
/// the disk.
pub trait Work: Send + Sync {
    /// The attempt this is; a port that has seen a later one for the same job must do nothing.
    fn attempt(&self) -> Attempt;

    /// Says how far the work has come, and learns whether to go on.
    ///
    /// Call it at every checkpoint, after the port's own resume state is durable.
    ///
    /// # Errors
    /// [`Failure::Cancelled`] when the operation is to stop: return it at once, leaving the rest
    /// to the undo.
    fn checkpoint(&self, progress: Progress) -> Result<(), Failure>;
}
