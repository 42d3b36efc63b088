//! What can go wrong in the engine itself, as opposed to in what a flow does.

use std::path::PathBuf;
use std::sync::Arc;

/// The engine's failure: what was attempted, and why it could not be.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be opened.
    #[error("opening the log `{path}`: {why}")]
    Open {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it and what to try.
        why: String,
    },
    /// The log on disk ends before an event that was acknowledged.
    #[error(
        "opening the log `{path}`: it ends at event {found}, but event {acknowledged} was acknowledged; \
         it was damaged, cut or replaced by an older copy. Nothing was changed: restore the file it was"
    )]
    Behind {
        /// The database file.
        path: PathBuf,
        /// Last event in the log.
        found: u64,
        /// Last event known to have been acknowledged.
        acknowledged: u64,
    },
    /// The log on disk is not the one whose head is known.
    #[error(
        "opening the log `{path}`: event {seq} is not the one that was acknowledged; the file was altered or \
         replaced. Nothing was changed: `kiln audit verify` on a copy without its `kiln.head` names what differs"
    )]
    Other {
        /// The database file.
        path: PathBuf,
        /// The event at which they differ.
        seq: u64,
    },
    /// The log holds events that this program does not know.
    #[error(
        "the log holds events of the kind `{kind}`, which this version does not know; open it with a newer `kiln`"
    )]
    UnknownKind {
        /// The first such kind.
        kind: String,
    },
    /// A commit failed; the log takes nothing more until it is opened again.
    #[error("the log has stopped: {why}; what was acknowledged is safe, start again when that is mended")]
    Stopped {
        /// The failure of the commit.
        why: Arc<str>,
    },
    /// Reading the log failed.
    #[error("reading the log: {why}")]
    Read {
        /// What the store says.
        why: String,
    },
    /// Events could not be moved into the archive, or rows out of the log's database.
    #[error("{what}: {why}. Nothing is lost: it stays where it was, and is tried again")]
    Archive {
        /// What was attempted.
        what: String,
        /// What came of it.
        why: String,
    },
    /// A flow's story is not in the book of this program.
    #[error("workflow `{name}@{version}` is not known to this version of `kiln`")]
    UnknownWorkflow {
        /// Name of the story.
        name: String,
        /// Its version.
        version: u32,
    },
    /// No story of the book has that name.
    #[error("there is no kind of workflow `{name}`; there are: {known}")]
    NoStory {
        /// The name that was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Flows are to go on that were not made to stand still together.
    #[error("{which}: that was not paused; `kiln workflow list --open` shows what stands still, and why")]
    NotPaused {
        /// Those that were meant.
        which: String,
    },
    /// There is no such flow.
    #[error("there is no workflow `{0}`; `kiln workflow list` shows those there are")]
    NoFlow(event::FlowId),
    /// What was asked of a flow cannot be done with it as it is.
    #[error("workflow `{flow}` {why}")]
    Denied {
        /// The flow.
        flow: event::FlowId,
        /// Why not, for programs.
        denial: Denial,
        /// Why not, for people.
        why: String,
    },
}

/// Why what was asked of a flow cannot be done: for callers that answer each with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// It has ended; asked of a parked flow only, it may never have been.
    Ended,
    /// It is past its point of no return and can only go forward.
    NoReturn,
    /// It has turned already, and is parked or undone from there.
    Turned,
    /// Only a parked flow can be released, and it is not parked.
    NotParked,
    /// Too much waits or is open; the same may be asked again in a while.
    Busy,
    /// This process drives no flows.
    NotDriven,
    /// What it was to be told is too large.
    TooLarge,
    /// It cannot be begun anew from there.
    NoReset,
    /// It waits for a person already.
    Parked,
    /// It was not made to stand still in that way.
    NotPaused,
}

impl Error {
    pub(crate) fn read(error: impl std::fmt::Display) -> Self {
        Self::Read { why: error.to_string() }
    }
}
