//! The engine's own events: what becomes true of a flow as a flow.

use event::{Actor, Event, FlowId, Refusal, Seq, Subject};
use serde::{Deserialize, Serialize};

/// A flow began: the story, its input, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Name of the story in the book.
    pub name: String,
    /// Version of the story.
    pub version: u32,
    /// What a person calls it: ``import `web-1` ``.
    pub label: String,
    /// The story's input, rmp-serde with field names.
    #[serde(with = "serde_bytes")]
    pub input: Vec<u8>,
    /// What it is about, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<Subject>,
    /// Who is behind whom where flows wait.
    #[serde(default, skip_serializing_if = "Class::is_person")]
    pub class: Class,
    /// The flow that it takes up, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_up: Option<TakesUp>,
}

/// Who is behind whom where flows wait: for places under a key, see [`crate::Flow::hold`] and
/// [`crate::Step::limit`]. Parts of a flow are of its class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Somebody waits for it.
    #[default]
    Person,
    /// One of many, or started by itself: people go before it.
    Background,
}

impl Class {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_person(&self) -> bool {
        *self == Self::Person
    }
}

/// Which flow another takes up, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakesUp {
    /// It goes on where that one ended, with a new input and an empty history.
    Continues(FlowId),
    /// An operator began that one anew from before an event: what its story did until then is told from its records.
    Resets {
        /// The flow that was given up.
        flow: FlowId,
        /// The first of its events that is not taken over.
        before: Seq,
    },
}

impl Event for Started {
    const KIND: &'static str = "flow.started/1";

    fn subjects(&self) -> Vec<Subject> {
        self.subjects.clone()
    }
}

/// A decide said no. The story may handle it; a replay has to meet the same no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The no, with its code.
    pub refusal: Refusal,
}

impl Event for Refused {
    const KIND: &'static str = "flow.refused/1";
}

/// A step failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Why, with a code.
    pub refusal: Refusal,
}

impl Event for Failed {
    const KIND: &'static str = "flow.failed/1";
}

/// The story turned: from here on it only undoes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turned {
    /// Why.
    pub cause: Turn,
}

impl Event for Turned {
    const KIND: &'static str = "flow.turned/1";
}

/// Why a story turned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// A rule or a step said no.
    Failed(Refusal),
    /// Somebody cancelled it.
    Cancelled(String),
    /// An operator unwound it after it had parked.
    Unwound(String),
    /// An operator begins it anew from one of its events, after it had parked: what it did from there on is undone.
    Reset {
        /// The first of its events that is not taken over.
        before: Seq,
        /// The flow that takes it up.
        next: FlowId,
        /// Who.
        by: Actor,
        /// Why, in their words.
        reason: String,
    },
}

impl Turn {
    /// The error a caller gets for it.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Failed(refusal) => refusal.clone(),
            Self::Cancelled(reason) if reason.is_empty() => {
                Refusal::new("OperationCancelled", "it was cancelled")
            }
            Self::Cancelled(reason) => {
                Refusal::new("OperationCancelled", format!("it was cancelled: {reason}"))
            }
            Self::Unwound(reason) => {
                Refusal::new("OperationUnwound", format!("an operator unwound it: {reason}"))
            }
            Self::Reset { next, reason, .. } => {
                Refusal::new("OperationAbandoned", format!("an operator reset it as `{next}`: {reason}"))
            }
        }
    }
}

/// Somebody asked, and not too late, for the flow to be cancelled, or for the one that continues it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequested {
    /// Who.
    pub by: Actor,
    /// Why, in their words; may be empty.
    pub reason: String,
}

impl Event for CancelRequested {
    const KIND: &'static str = "flow.cancel-requested/1";
}

/// The flow cannot go on without a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// What stopped it.
    pub why: String,
}

impl Event for Parked {
    const KIND: &'static str = "flow.parked/1";
}

/// A person let a parked flow go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// Who.
    pub by: Actor,
    /// Why, in their words.
    pub reason: String,
}

impl Event for Released {
    const KIND: &'static str = "flow.released/1";
}

/// The flow set a timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerSet {
    /// When it is due, milliseconds since 1970 UTC.
    pub due_ms: i64,
}

impl Event for TimerSet {
    const KIND: &'static str = "flow.timer-set/1";
}

/// A timer of the flow fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerFired {
    /// The path it was set at.
    pub set_at: String,
}

impl Event for TimerFired {
    const KIND: &'static str = "flow.timer-fired/1";
}

/// All children of a fan-out ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gathered {
    /// How many ended well.
    pub done: u64,
    /// How many did not.
    pub failed: u64,
}

impl Event for Gathered {
    const KIND: &'static str = "flow.gathered/1";
}

/// One line of a race came to an end before the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raced {
    /// Which, from 0.
    pub winner: u32,
}

impl Event for Raced {
    const KIND: &'static str = "flow.raced/1";
}

/// Somebody told the flow something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signalled {
    /// What it is called; the story waits for a name.
    pub name: String,
    /// What is told, rmp-serde with field names.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// Who told it.
    pub by: Actor,
    /// What makes telling it repeatable: with the same key it is told once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
}

impl Event for Signalled {
    const KIND: &'static str = "flow.signalled/1";
}

/// The story has taken what it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalTaken {
    /// The event that told it.
    pub signal: Seq,
}

impl Event for SignalTaken {
    const KIND: &'static str = "flow.signal-taken/1";
}

/// What becomes of a child that goes on beside its parent when the parent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParentEnd {
    /// It goes on.
    Leave,
    /// It is cancelled if that is not too late; the parent's end does not wait for it. One that is past its point of no
    /// return then goes on to its end; a flow that continues it is cancelled as it begins.
    Cancel,
    /// The parent does not end before it has ended; if the parent turns, it is cancelled first.
    Wait,
}

/// The flow started a child that goes on beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildStarted {
    /// The child.
    pub child: FlowId,
    /// What becomes of it when this flow ends.
    pub parent_end: ParentEnd,
}

impl Event for ChildStarted {
    const KIND: &'static str = "flow.child-started/1";
}

/// The flow waited for a child that went on beside it, and the child has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildEnded {
    /// The flow whose end it was: the child, or the last one that continued it.
    pub child: FlowId,
}

impl Event for ChildEnded {
    const KIND: &'static str = "flow.child-ended/1";
}

/// The story has been changed under its version, and this flow goes the new way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patched {
    /// The change's name.
    pub name: String,
}

impl Event for Patched {
    const KIND: &'static str = "flow.patched/1";
}

/// Which flows are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// One.
    Flow(FlowId),
    /// Those of a story, by its name.
    Kind(String),
    /// Those of the background: what nobody waits for, and what starts by itself.
    Background,
    /// All of them.
    All,
}

/// Somebody had flows stand still: nothing new of them is done until they are let go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Which.
    pub which: Which,
    /// Who.
    pub by: Actor,
    /// Why, in their words; may be empty.
    pub reason: String,
}

impl Event for Paused {
    const KIND: &'static str = "flow.paused/1";
}

/// Flows that stood still were let go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// Which.
    pub which: Which,
    /// Who.
    pub by: Actor,
    /// Why, in their words; may be empty.
    pub reason: String,
}

impl Event for Resumed {
    const KIND: &'static str = "flow.resumed/1";
}

/// What a step did before it turned out to be undone was left as the undo found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    /// What is no longer the flow's, and whose it is.
    pub what: String,
}

impl Event for Superseded {
    const KIND: &'static str = "flow.superseded/1";
}

/// The flow is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
}

impl Event for Ended {
    const KIND: &'static str = "flow.ended/1";
}

/// How a flow ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did what it was for; the story's output, rmp-serde with field names.
    Done(#[serde(with = "serde_bytes")] Vec<u8>),
    /// It turned, and everything it had begun is undone.
    Undone(Turn),
    /// An operator gave it up, leaving things as they were.
    Abandoned(String),
    /// It goes on as another flow, with a history of its own.
    Continued(FlowId),
}

pub(crate) const KINDS: &[&str] = &[
    Started::KIND,
    Refused::KIND,
    Failed::KIND,
    Turned::KIND,
    CancelRequested::KIND,
    Parked::KIND,
    Released::KIND,
    TimerSet::KIND,
    TimerFired::KIND,
    Gathered::KIND,
    Superseded::KIND,
    Raced::KIND,
    Signalled::KIND,
    SignalTaken::KIND,
    ChildStarted::KIND,
    ChildEnded::KIND,
    Patched::KIND,
    Paused::KIND,
    Resumed::KIND,
    Ended::KIND,
    crate::lineage::Restored::KIND,
];
