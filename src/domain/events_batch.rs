//! What becomes true of batches. Of their lines nothing is told here but of those that never became operations.

use event::{Event, Subject};
use serde::{Deserialize, Serialize};

use crate::batch::{BatchId, BatchNote, BatchPlan, Counts};
use crate::details::Concerned;
use crate::events::events;
use crate::{AccountId, Digest};

events! {
    /// A batch exists; its manifest is on disk, and its lines are started from now on.
    BatchBegun "batch.begun/1" about batch and account {
        /// Its id.
        batch: BatchId,
        /// Whose it is.
        account: AccountId,
        /// Its name.
        name: String,
        /// The manifest.
        manifest: Digest,
        /// Its lines.
        lines: u64,
        /// How they are to be done.
        plan: BatchPlan,
        /// Whether it does what an earlier batch of the same manifest did once more.
        #[serde(default)]
        again: bool,
    }
    /// No line of a batch is started until it is resumed.
    BatchPaused "batch.paused/1" about batch and account {
        /// The batch.
        batch: BatchId,
        /// Whose it is.
        account: AccountId,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    }
    /// Too many lines of a batch failed: none is started until it is resumed.
    BatchStopped "batch.stopped/1" about batch and account {
        /// The batch.
        batch: BatchId,
        /// Whose it is.
        account: AccountId,
        /// In words.
        why: String,
        /// How those had done that had come to an end.
        #[serde(default)]
        counts: Counts,
    }
    /// Lines of a batch are started again.
    BatchResumed "batch.resumed/1" about batch and account {
        /// The batch.
        batch: BatchId,
        /// Whose it is.
        account: AccountId,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    }
    /// No line of a batch is started ever more.
    BatchCancelled "batch.cancelled/1" about batch and account {
        /// The batch.
        batch: BatchId,
        /// Whose it is.
        account: AccountId,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// Whether lines that run are cancelled as well.
        #[serde(default)]
        hard: bool,
    }
    /// A batch has come so far.
    BatchNoted "batch.noted/1" about batch and account {
        /// The batch.
        batch: BatchId,
        /// Whose it is.
        account: AccountId,
        /// How far.
        note: BatchNote,
    }
    /// Every line that a batch started has come to its end.
    BatchEnded "batch.ended/1" about batch and account {
        /// The batch.
        batch: BatchId,
        /// Whose it is.
        account: AccountId,
        /// How they did.
        counts: Counts,
    }
    /// Of some refused lines of a batch nothing is kept any more: all of it is about to be forgotten.
    BatchLinesForgotten "batch.lines-forgotten/1" about batch and account {
        /// The batch.
        batch: BatchId,
        /// Whose it is.
        account: AccountId,
        /// Those before this line.
        below: u64,
    }
    /// A batch stands in no list any more, and its manifest is kept no longer.
    BatchForgotten "batch.forgotten/1" about batch and account {
        /// The batch.
        batch: BatchId,
        /// Whose it is.
        account: AccountId,
    }
}
