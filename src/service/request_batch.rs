//! What may be asked about batches.

use domain::batch::BatchPlan;
use serde::{Deserialize, Serialize};

/// A batch to begin, of a manifest that was put before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRun {
    /// Digest of the manifest in the form it is kept in.
    pub manifest: String,
    /// Name of the batch.
    pub name: String,
    /// How its lines are to be done.
    pub plan: BatchPlan,
    /// Whether it may do what another batch did.
    pub again: bool,
    /// What its lines ask for, as policies name it: no line may ask for anything else. So whoever lets the request
    /// in knows what it lets in.
    pub actions: Vec<String>,
    /// Whether lines may name files of the computer it is answered on.
    pub names_files: bool,
}

/// What may be asked about batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchRequest {
    /// Puts a piece of a manifest: whole lines in the form it is kept in.
    Put {
        /// Digest of the whole manifest.
        manifest: String,
        /// Its bytes.
        bytes: u64,
        /// Where the piece belongs.
        offset: u64,
        /// The piece.
        text: String,
    },
    /// Asks of a stretch of lines whether they could be done now, each by itself; nothing is done.
    Plan {
        /// Digest of the manifest.
        manifest: String,
        /// The byte at which the stretch begins.
        from: u64,
        /// How many lines it has at most.
        count: u32,
        /// What its lines ask for, as policies name it.
        actions: Vec<String>,
        /// Whether lines may name files of the computer it is answered on.
        names_files: bool,
    },
    /// Begins a batch, or finds the one of the same manifest.
    Run(BatchRun),
    /// Those there are, newest first.
    List,
    /// One, by id or name.
    Show {
        /// Its id or its name.
        batch: String,
    },
    /// One, after a moment, or as soon as it has ended.
    Wait {
        /// Its id or its name.
        batch: String,
    },
    /// Has no line started until it is resumed.
    Pause {
        /// Its id or its name.
        batch: String,
        /// Why.
        reason: String,
    },
    /// Has lines started again, whatever failed before.
    Resume {
        /// Its id or its name.
        batch: String,
        /// Why.
        reason: String,
    },
    /// Has no line started ever more.
    Cancel {
        /// Its id or its name.
        batch: String,
        /// Why.
        reason: String,
        /// Whether lines that run are cancelled as well.
        hard: bool,
    },
    /// Takes one that has ended out of the list, with its manifest.
    Forget {
        /// Its id or its name.
        batch: String,
    },
    /// A stretch of its lines, in the order of the manifest, each with what became of it.
    Lines {
        /// Its id or its name.
        batch: String,
        /// The byte of the manifest at which the stretch begins.
        from: u64,
        /// How many lines it looks at, at most.
        count: u32,
        /// Whether those that went well are left out.
        bad: bool,
    },
}
