//! The three families of failure, never mixed: the world's, the caller's, ours.

use serde::{Deserialize, Serialize};

/// Why an attempt at a step did not succeed; the family decides what the engine does about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The world's: a disk, a machine or a network did not do its part. Retried with backoff.
    #[error("{0}")]
    World(String),
    /// The caller's: what was asked cannot be. The operation turns and is undone.
    #[error(transparent)]
    Caller(#[from] Refusal),
    /// Ours: an invariant does not hold. Nothing is unwound blindly; the flow parks.
    #[error("{0}")]
    Ours(String),
    /// Not a failure of the work: a checkpoint learnt that the operation has been cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl Failure {
    /// The caller's failure with an API error code.
    pub fn caller(code: &str, message: impl Into<String>) -> Self {
        Self::Caller(Refusal::new(code, message))
    }

    /// The world's failure, described by what was attempted and the error below.
    pub fn world(attempted: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self::World(format!("{attempted}: {error}"))
    }
}

/// A no with a reason: an API error code, what was wrong with what, and what to try.
///
/// Refusals are memoised in the log like results, so that a replayed story takes the same turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The stable code, as the ECS API spells it where it has one: `InvalidImageName.Duplicated`.
    pub code: String,
    /// What was wrong with what: a lower-case fragment with the value in backticks.
    pub message: String,
    /// What to try next, as a sentence or a command; empty if there is nothing sensible to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

impl Refusal {
    /// A refusal without advice.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), advice: String::new() }
    }

    /// The same refusal, saying what to try next.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}
