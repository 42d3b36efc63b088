//! What a caller is told when something cannot be: a code, a message, what to try next, and which
//! family of failure it is, for exit codes and API statuses hang on that.

use event::{Failure, Refusal};
use serde::{Deserialize, Serialize};

/// Whose failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// A rule said no: the caller has to ask otherwise.
    Refused,
    /// The world's: a disk is full, a directory cannot be written, a process does not answer.
    World,
    /// Something stored is not what was written.
    Damaged,
    /// An operation waits for a person.
    Parked,
    /// An operation was cancelled, or given up.
    Ended,
    /// A fault of Kiln itself.
    Ours,
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    /// Whose failure it is.
    pub family: Family,
    /// The stable code, as the ECS API spells it where it has one.
    pub code: String,
    /// What was wrong with what.
    pub message: String,
    /// What to try next; empty if there is nothing sensible to say.
    pub advice: String,
}

impl Trouble {
    /// A trouble of some family.
    pub fn new(family: Family, code: &str, message: impl Into<String>) -> Self {
        Self { family, code: code.to_owned(), message: message.into(), advice: String::new() }
    }

    /// The same, saying what to try next.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// The world's failure: what was attempted, and the error below.
    pub fn world(attempted: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self::new(Family::World, "ServiceUnavailable", format!("{attempted}: {error}"))
    }

    /// An answer that does not fit its question.
    pub(crate) fn mixed_up(found: &str) -> Self {
        Self::new(Family::Ours, "InternalError", format!("an answer of another kind came back: {found}"))
    }

    /// Reading panicked: redb asserts where damaged pages break its invariants.
    pub(crate) fn panicked(text: &str) -> Self {
        let message = format!("a fault stopped the answer: {text}");
        Self::new(Family::Damaged, "InternalError.Damaged", message).advise(
            "if the disk is suspected, restore the data directory from a copy and run `kiln audit verify`",
        )
    }
}

/// The family a code belongs to: refusals end up in the log with their code alone.
fn family_of(code: &str) -> Family {
    match code {
        "Storage.Corrupt" => Family::Damaged,
        "OperationParked" => Family::Parked,
        "OperationCancelled" | "OperationUnwound" | "OperationAbandoned" => Family::Ended,
        "ServiceUnavailable" => Family::World,
        "InternalError" => Family::Ours,
        code if code.starts_with("Storage.") => Family::World,
        _ => Family::Refused,
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        let family = family_of(&refusal.code);
        Self { family, code: refusal.code, message: refusal.message, advice: refusal.advice }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Caller(refusal) => refusal.into(),
            Failure::World(why) => Self::new(Family::World, "ServiceUnavailable", why),
            Failure::Ours(why) => Self::new(Family::Ours, "InternalError", why),
            Failure::Cancelled => Self::new(Family::Ended, "OperationCancelled", "it was cancelled"),
        }
    }
}

impl From<engine::Error> for Trouble {
    fn from(error: engine::Error) -> Self {
        use engine::Error as E;
        let (family, code) = match &error {
            // The engine tells both in words: a file it may not read, and one that is no log.
            E::Open { why, .. } if why.contains("damaged") => (Family::Damaged, "Log.Damaged"),
            E::Open { .. } => (Family::World, "Log.Unavailable"),
            E::Behind { .. } | E::Other { .. } | E::Read { .. } => (Family::Damaged, "Log.Damaged"),
            E::UnknownKind { .. } | E::UnknownWorkflow { .. } => (Family::World, "Log.Newer"),
            E::Stopped { .. } => (Family::World, "Log.Stopped"),
            E::Archive { .. } => (Family::World, "Archive.NotWritten"),
            E::NoFlow(_) => (Family::Refused, "InvalidWorkflowId.NotFound"),
            E::NoStory { .. } => (Family::Refused, "InvalidWorkflowName.NotFound"),
            E::Denied { .. } | E::NotPaused { .. } => (Family::Refused, "IncorrectWorkflowStatus"),
        };
        let trouble = Self::new(family, code, error.to_string());
        match error {
            E::NoFlow(_) => trouble.advise("`kiln workflow list` shows those there are"),
            _ => trouble,
        }
    }
}
