//! A batch: the operations of one manifest, how they are to be done, and how far that has come.
//!
//! ```text
//!            ┌──── pause ────▶ Paused ──┐
//!  begun ─▶ Running ◀── resume ─────────┤
//!            │  └─ too many failed ─▶ Stopped
//!            │                │ cancel  │
//!            ▼                ▼         ▼
//!           Done          Cancelling ─▶ Cancelled
//! ```
//!
//! Lines are operations of their own, started under requests that are made of the batch and the line; where they
//! stand is what their flows say. A batch keeps no row of a line, but of one that never became an operation.

use event::{Actor, FlowId, Table, text_id};
use serde::{Deserialize, Serialize};

use crate::{AccountId, Digest};

text_id! {
    /// A batch: `b-` and 20 lower-case letters and digits.
    BatchId
}

/// Lines of a manifest: ten times what is ordinary.
pub const LINES_MAX: u64 = 1_000_000;
/// Lines of a batch that may run at once. A person's own operation waits behind no more than these.
pub const CONCURRENCY_MAX: u32 = 256;
/// Lines that run at once if nobody says: enough that one wait for the disk serves many.
pub const CONCURRENCY: u32 = 16;
/// Lines a minute that may be asked for: more than any disk does.
pub const PER_MINUTE_MAX: u32 = 60_000_000;
/// Lines that never became operations, in one note: an event that is still small.
pub const UNSTARTED_MAX: usize = 256;
/// Lines that never became operations, forgotten by one event: a few milliseconds of a commit that others wait for.
pub const FORGOTTEN_MAX: usize = 4096;
/// Batches of an account, ended ones with their files among them.
pub const BATCHES_MAX: usize = 1000;

/// How many lines may fail before a batch stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// It stops when so many have failed.
    Lines(u64),
    /// It stops when so many of a hundred of its lines have failed.
    Percent(u32),
}

impl Budget {
    /// How many failures stop a batch of so many lines.
    pub fn stops_at(self, lines: u64) -> u64 {
        match self {
            Self::Lines(count) => count,
            Self::Percent(percent) => lines.saturating_mul(u64::from(percent)).div_ceil(100),
        }
        .max(1)
    }
}

/// In which order lines are started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// By what this parameter says: as numbers where both are, as text else.
    pub parameter: String,
    /// The greatest first.
    pub descending: bool,
}

/// How the lines of a batch are to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchPlan {
    /// How many at once.
    pub concurrency: u32,
    /// How many are started in a minute at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// When it stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// How many of the first have to go well before any other is started.
    #[serde(default)]
    pub canary: u32,
    /// In which order; that of the manifest if none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// Bytes a second that the copies of all its lines may send together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
}

impl Default for BatchPlan {
    fn default() -> Self {
        Self {
            concurrency: CONCURRENCY,
            per_minute: None,
            budget: None,
            canary: 0,
            sort: None,
            bytes_per_second: None,
        }
    }
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchState {
    /// Lines are started.
    Running,
    /// No line is started until it is resumed.
    Paused,
    /// Too many failed: no line is started until it is resumed.
    Stopped,
    /// It was cancelled, and what had been started comes to its end.
    Cancelling,
    /// It was cancelled.
    Cancelled,
    /// Every line has come to its end.
    Done,
}

impl BatchState {
    /// Whether nothing more happens to it.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Cancelled | Self::Done)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Paused => "Paused",
            Self::Stopped => "Stopped",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
            Self::Done => "Done",
        }
    }
}

/// How the lines that have come to an end did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Went well.
    pub done: u64,
    /// Did not, or never became operations.
    pub failed: u64,
    /// Wait for a person.
    pub parked: u64,
}

impl Counts {
    /// All of them.
    pub fn all(self) -> u64 {
        self.done + self.failed + self.parked
    }

    /// Those that did not go well.
    pub fn bad(self) -> u64 {
        self.failed + self.parked
    }
}

/// A line that never became an operation of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unstarted {
    /// The line, counted from 1 in the manifest.
    pub line: u64,
    /// The code of the refusal; none if it joined another operation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What was wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The operation that was under way already, and does what the line asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<FlowId>,
}

/// How far a batch has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchNote {
    /// So many lines, in the order of the batch, have all come to an end.
    pub settled: u64,
    /// How they did.
    pub counts: Counts,
    /// Lines that never became operations, wherever they stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstarted: Vec<Unstarted>,
}

/// What is to become true of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchChange {
    /// No line is started any more.
    Pause {
        /// Why.
        reason: String,
    },
    /// Lines are started again.
    Resume {
        /// Why.
        reason: String,
    },
    /// No line is started ever more.
    Cancel {
        /// Why.
        reason: String,
        /// Whether lines that run are cancelled as well.
        hard: bool,
    },
    /// Too many lines have failed.
    Stop {
        /// In words.
        why: String,
        /// How those did that had come to an end.
        #[serde(default)]
        counts: Counts,
    },
    /// It has come so far.
    Note(BatchNote),
    /// Everything that was started has come to its end.
    End(Counts),
    /// Some of its lines that never became operations are not to be told any more, before all of it is forgotten.
    ForgetLines {
        /// Those before this one.
        below: u64,
    },
    /// It is not wanted in lists any more.
    Forget,
}

/// A batch as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Whose it is.
    pub account: AccountId,
    /// Its name, of which an account has one.
    pub name: String,
    /// Who asked for it, and for its lines.
    pub actor: Actor,
    /// The manifest.
    pub manifest: Digest,
    /// Its lines.
    pub lines: u64,
    /// How they are to be done.
    pub plan: BatchPlan,
    /// Where it stands.
    pub state: BatchState,
    /// Whether lines that run are cancelled as well.
    pub hard: bool,
    /// Why it stands there, where somebody or something said.
    pub why: String,
    /// How far it had come when that was last noted.
    pub settled: u64,
    /// How the lines until there did.
    pub counts: Counts,
    /// Failures that it was resumed in spite of, or will be if somebody resumes it.
    pub forgiven: u64,
    /// When it began, milliseconds since 1970 UTC.
    pub begun_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
}

impl Batch {
    /// Why no more lines may be started, if so many of those that came to an end did so.
    pub fn is_spent(&self, counts: Counts) -> Option<String> {
        let bad = counts.bad().saturating_sub(self.forgiven);
        if bad == 0 {
            return None;
        }
        // Once somebody has looked and let it go on, the first lines have served.
        if self.forgiven == 0 && counts.all() <= u64::from(self.plan.canary) {
            return Some(format!("one of the first {} lines did not go well", self.plan.canary));
        }
        let stops_at = self.plan.budget?.stops_at(self.lines);
        let lines = if bad == 1 { "line" } else { "lines" };
        (bad >= stops_at).then(|| format!("{bad} {lines} did not go well, and it stops at {stops_at}"))
    }

    /// How many lines may be started before some have come to an end: of the first ones no more than those.
    pub fn opens_to(&self, counts: Counts) -> u64 {
        let canary = u64::from(self.plan.canary);
        if self.forgiven > 0 || counts.done >= canary { self.lines } else { canary.min(self.lines) }
    }
}

/// Batches, in the scope of the house, by account and id.
pub const BATCHES: Table<Batch> = Table::new("batch");
/// Their ids, by account and name.
pub const BATCH_NAMES: Table<BatchId> = Table::new("batch-name");
/// The newest batch of a manifest, by account and digest.
pub const BATCH_MANIFESTS: Table<BatchId> = Table::new("batch-manifest");
/// Batches that have not ended, by account and id.
pub const BATCHES_OPEN: Table<BatchId> = Table::new("batch-open");
/// Lines that never became operations, by account, batch and line.
pub const BATCH_LINES: Table<Unstarted> = Table::new("batch-line");

/// A line as a part of a key: in the order of lines.
pub fn line_part(line: u64) -> String {
    format!("{line:07}")
}
