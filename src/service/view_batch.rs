//! Views of batches.

use event::FlowId;
use serde::{Deserialize, Serialize};

use crate::operation::Operation;
use crate::view::views;

views! {
    /// A batch, and how far it has come.
    BatchView {
        /// Its id.
        batch_id: String,
        /// Its name.
        batch_name: String,
        /// `Running`, `Paused`, `Stopped` (too many failed), `Cancelling`, `Cancelled` or `Done`.
        state: String,
        /// Why it stands there, where somebody or something said.
        reason: String,
        /// Digest of its manifest.
        manifest: String,
        /// Its lines.
        lines: u64,
        /// Lines that have come to an end.
        settled: u64,
        /// Those that went well.
        done: u64,
        /// Those that did not.
        failed: u64,
        /// Those that wait for a person.
        parked: u64,
        /// Lines that run now.
        running: u64,
        /// Whether this process starts its lines.
        driven: bool,
        /// Whether it was there already when it was asked for.
        joined: bool,
        /// Lines that come to an end in a second, lately.
        lines_per_second: f64,
        /// Seconds it will take to its end at that speed; none if nobody knows.
        left_seconds: Option<u64>,
        /// Lines that run at once at most.
        concurrency: u32,
        /// Bytes a second that its copies may send together; no limit for none.
        bytes_per_second: Option<u64>,
        /// When it began.
        begin_time: String,
        /// When it ended; empty while it has not.
        end_time: String,
    }
    /// Batches.
    Batches {
        /// Newest first.
        batches: Vec<BatchView>,
    }
    /// How much of a manifest there is.
    ManifestHave {
        /// Its digest.
        manifest: String,
        /// Bytes there are.
        bytes: u64,
        /// Whether that is all of it.
        whole: bool,
    }
    /// A stretch of lines that were tried.
    LinesTried {
        /// Lines that could be done now.
        ready: u64,
        /// Those that could not.
        refused: Vec<LineView>,
        /// Where the next stretch begins; none if there is none.
        next: Option<u64>,
    }
    /// A stretch of lines of a batch.
    BatchLines {
        /// The lines.
        lines: Vec<LineView>,
        /// Where the next stretch begins; none if there is none.
        next: Option<u64>,
    }
    /// A line of a batch, and what became of it.
    LineView {
        /// Its number in the manifest as it was written.
        line: u64,
        /// What it is called; empty if it has no name of its own.
        key: String,
        /// What it asks for.
        operation: Operation,
        /// Its operation; none if it never became one.
        workflow_id: Option<FlowId>,
        /// `Waiting`, `Running`, `Done`, `Failed`, `Refused` (it never became an operation) or `Parked`.
        state: String,
        /// Why it failed or is parked: the code; empty if nothing is wrong.
        error_code: String,
        /// Why it failed or is parked.
        error_message: String,
        /// What to do; empty if there is nothing sensible to say.
        advice: String,
    }
}
