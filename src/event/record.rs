//! The record, and how a typed event goes into one and comes back.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Actor, Cause, FlowId, Path, Scope, Seq, Subject};

/// One line of the log. Written once, for ever: fields may be added if they are optional, nothing
/// else may change. On disk it is rmp-serde with field names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Place in the total order.
    pub seq: Seq,
    /// When it was decided, milliseconds since 1970 UTC; never less than the record before it.
    pub time_ms: i64,
    /// The operation it belongs to.
    pub flow: FlowId,
    /// The step of that operation.
    pub path: Path,
    /// `noun.past-participle/version`.
    pub kind: String,
    /// The scope it was decided in.
    pub scope: Scope,
    /// What it concerns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<Subject>,
    /// Who asked.
    pub actor: Actor,
    /// The request or the flow that made this operation start.
    pub cause: Cause,
    /// The previous record of the same flow: its history is a chain, which saves an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Seq>,
    /// The event itself, rmp-serde with field names.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
}

/// Why a record does not hold the event that was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record is of another kind.
    #[error("a record of kind `{found}` was read as `{wanted}`")]
    Kind {
        /// The kind the record has.
        found: String,
        /// The kind asked for.
        wanted: &'static str,
    },
    /// The payload does not decode.
    #[error("the payload of a `{kind}` does not decode")]
    Payload {
        /// The kind of the record.
        kind: String,
        /// What the decoder says.
        source: rmp_serde::decode::Error,
    },
}

/// Something that became true, in the domain's words.
pub trait Event: Serialize + DeserializeOwned + Send + 'static {
    /// `noun.past-participle/version`, as new records are written.
    const KIND: &'static str;

    /// What it concerns, by id; history is indexed by these.
    fn subjects(&self) -> Vec<Subject> {
        Vec::new()
    }

    /// Whether a record of `kind` can be read as this event: its own kind, or an older version
    /// that [`Event::read`] upcasts.
    fn reads(kind: &str) -> bool {
        kind == Self::KIND
    }

    /// Reads a payload of a kind that [`Event::reads`] accepts, upcasting older versions.
    fn read(kind: &str, payload: &[u8]) -> Result<Self, Error> {
        if kind != Self::KIND {
            return Err(Error::Kind { found: kind.to_owned(), wanted: Self::KIND });
        }
        rmp_serde::from_slice(payload).map_err(|source| Error::Payload { kind: kind.to_owned(), source })
    }
}

impl Record {
    /// The event, if the record is of its kind (or an older version of it).
    pub fn get<E: Event>(&self) -> Result<E, Error> {
        E::read(&self.kind, &self.payload)
    }
}

/// An event on its way to the log: typed no more, not yet placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// `noun.past-participle/version`.
    pub kind: &'static str,
    /// What it concerns.
    pub subjects: Vec<Subject>,
    /// The event, rmp-serde with field names.
    pub payload: Vec<u8>,
}

impl Draft {
    /// Writes the event down.
    pub fn of<E: Event>(event: &E) -> Self {
        let payload = rmp_serde::to_vec_named(event)
            .expect("events are plain data: strings, numbers, lists and maps with text keys");
        Self { kind: E::KIND, subjects: event.subjects(), payload }
    }
}

impl<E: Event> From<E> for Draft {
    fn from(event: E) -> Self {
        Self::of(&event)
    }
}
