//! Where a log was restored from a backup: the one record that belongs to no operation. It says which records
//! are not there any more, so that a head which was kept of them is told from a forged one.

use event::{Event, Seq};
use serde::{Deserialize, Serialize};

use crate::chain::Hash;

/// The log was restored from a backup: what had come after the event it names was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The last event that was kept.
    pub at: Seq,
    /// Where the log ended when the backup was made; what lies between is in the backup and not here.
    pub head: Seq,
    /// The chain's hash there.
    #[serde(with = "serde_bytes")]
    pub head_hash: Vec<u8>,
    /// The name of the log that the backup is of; the restored one has another if its first row was cut.
    #[serde(with = "serde_bytes")]
    pub log: Vec<u8>,
    /// When the backup was made, milliseconds since 1970 UTC.
    pub backed_up_ms: i64,
    /// How many operations had not ended; they are parked by the records that follow.
    pub parked: u64,
}

impl Event for Restored {
    const KIND: &'static str = "log.restored/1";
}

/// A restoring, as the log tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The record that says so.
    pub seq: Seq,
    /// When it was.
    pub time_ms: i64,
    /// What it says.
    pub restored: Restored,
}

impl Lineage {
    /// Whether a head is of what was given up: it lies behind what was kept.
    pub fn gave_up(&self, seq: Seq) -> bool {
        seq > self.restored.at
    }

    /// Whether it is the very head that the backup had.
    pub fn is_the_backups(&self, seq: Seq, hash: &Hash) -> bool {
        seq == self.restored.head && self.restored.head_hash == hash
    }
}
