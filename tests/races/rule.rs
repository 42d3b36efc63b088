//! Which outcomes a race may have; the table in `races.rs`, as code.

use crate::outcome::{End, Outcome};

/// Words that refuse an operation because another is under way, and may not once that is over. Each
/// names what the other holds; whoever asks again later is told otherwise.
pub const BUSY: &[&str] = &[
    // It is being copied, or exported, or is still on its way.
    "OperationDenied.ImageCopying",
    "OperationDenied.ImageCopyConflict",
    "ImageIsExporting",
    "ImageIsImporting",
    "InvalidStatus.ImageIsCreating",
    // The quota of what may be at the same time.
    "ConcurrentQuotaExceed.ExportImage",
    // A snapshot that is being copied or taken.
    "Operation.Conflict",
    "InvalidOperation.DiskHasUnfinishedSnapshotCopy",
    "DiskCreatingSnapshot",
    "IncorrectDiskStatus.CreatingSnapshot",
    // A bucket that is being removed, and one with something on its way into it.
    "InvalidOSSBucket.NotFound",
    "BucketNotEmpty",
];

/// Words that refuse what another holds only as long as it is not undone: to be counted as busy
/// where that other one is.
const HELD: &[&str] = &[
    "InvalidImageName.Duplicated",
    "QuotaExceed.Image",
    "BucketAlreadyOwnedByYou",
    "SnapshotCreatedImage",
    "SnapshotCreatedDisk",
    "FileAlreadyExists",
    "InvalidTarget.Exists",
];

/// The code of an operation that was cancelled.
pub const CANCELLED: &str = "OperationCancelled";

/// What the two come to in known orders.
pub struct Known {
    /// A then B, and B then A.
    pub orders: [Outcome; 2],
    /// A alone, and B alone.
    pub alone: [Outcome; 2],
    /// Neither.
    pub nothing: Outcome,
}

impl Known {
    /// Whether an outcome is one that may be.
    pub fn allows(&self, found: &Outcome) -> bool {
        self.orders.contains(found) || (0..2).any(|gone| self.allows_without(gone, found))
    }

    /// Whether it is the other one alone, the one that is gone having been refused or cancelled.
    fn allows_without(&self, gone: usize, found: &Outcome) -> bool {
        let other = 1 - gone;
        let Some(code) = found.ends[gone].as_ref().and_then(End::code) else { return false };
        let alone = &self.alone[other];
        let other_alone = found.ends[other] == alone.ends[other] && found.world == alone.world;
        let other_code = found.ends[other].as_ref().and_then(End::code);
        // Both are undone: by a cancel, and by what was held until it had its effect.
        let neither = found.world == self.nothing.world
            && code == CANCELLED
            && other_code.is_some_and(|code| BUSY.contains(&code) || HELD.contains(&code));
        (other_alone && (code == CANCELLED || BUSY.contains(&code))) || neither
    }
}
