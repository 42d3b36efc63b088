//! Un-synced changes to directories, and which of them depend on which.
//!
//! What the disk promises, stricter than most file systems and never laxer than all of them:
//!
//! - A name is durable after `sync_dir` of the directory it is in, and a directory's own name
//!   after `sync_dir` of its parent; nothing else makes a name durable, not even `sync` of the file.
//! - Until then each change survives or not, independently, except that changes to one name keep
//!   their order: a later one survives only if the earlier did.
//! - A rename is atomic, also between directories: the old name or the new one, never both or
//!   neither. Syncing either directory makes it durable.
//! - A change that would lose a renamed file in a directory that was never made, or is removed
//!   without what was moved out of it, drags the change it depends on along.

use crate::disk::Ino;

/// A name: the directory it is in, and its spelling.
pub(crate) type Key = (Ino, String);

/// A change to directories that is not durable yet.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A name was given to a file or a directory.
    Add { key: Key, ino: Ino },
    /// A name was taken from a file.
    Remove { key: Key },
    /// An empty directory was removed.
    RemoveDir { key: Key, ino: Ino },
    /// A name was exchanged for another. `ancestors` are the new name's directory and those above.
    Rename { from: Key, to: Key, ino: Ino, ancestors: Vec<Ino> },
}

impl Change {
    pub(crate) fn touches_dir(&self, dir: Ino) -> bool {
        match self {
            Self::Add { key, .. } | Self::Remove { key } | Self::RemoveDir { key, .. } => key.0 == dir,
            Self::Rename { from, to, .. } => from.0 == dir || to.0 == dir,
        }
    }

    fn touches(&self, name: &Key) -> bool {
        match self {
            Self::Add { key, .. } | Self::Remove { key } | Self::RemoveDir { key, .. } => key == name,
            Self::Rename { from, to, .. } => from == name || to == name,
        }
    }

    /// Whether it gives a name to a file or directory.
    pub(crate) fn names(&self, wanted: Ino) -> bool {
        match self {
            Self::Add { ino, .. } | Self::Rename { ino, .. } => *ino == wanted,
            Self::Remove { .. } | Self::RemoveDir { .. } => false,
        }
    }

    /// Whether it can survive only if an earlier change does.
    pub(crate) fn depends_on(&self, earlier: &Self) -> bool {
        match self {
            Self::Add { key, .. } | Self::Remove { key } => earlier.touches(key),
            Self::RemoveDir { key, ino } => earlier.touches(key) || earlier.touches_dir(*ino),
            Self::Rename { from, to, ancestors, .. } => {
                earlier.touches(from)
                    || earlier.touches(to)
                    || (from.0 != to.0 && ancestors.iter().any(|above| earlier.names(*above)))
            }
        }
    }
}

/// Which of the changes, in their order, have to be made durable to make those of one directory
/// durable: its own, and all they depend on.
pub(crate) fn needed_by_dir(changes: &[Change], dir: Ino) -> Vec<bool> {
    let mut needed: Vec<bool> = changes.iter().map(|change| change.touches_dir(dir)).collect();
    for later in (0..changes.len()).rev() {
        if needed[later] {
            for earlier in 0..later {
                needed[earlier] |= changes[later].depends_on(&changes[earlier]);
            }
        }
    }
    needed
}
