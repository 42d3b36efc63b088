//! The port to a file system, and the real one behind it.
//!
//! Everything Kiln keeps on disk goes through [`Files`]: packs, indexes, exports and the redb
//! databases (by [`Backend`]). So the simulation can put one disk under all of it that loses and
//! tears un-synced writes, forgets un-synced directory entries, fails on the n-th call and runs
//! full, while the code above stays the code that ships.
//!
//! What is durable when:
//!
//! | call | after a power cut |
//! |---|---|
//! | `write_at`, `set_len` | may be there, in part, or not, until `sync` of the same file |
//! | a created, renamed or removed name | may be there or not, until `sync_dir` of its directory |
//! | anything synced | there |

mod backend;
mod real;

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use backend::{Backend, Syncs};
pub use real::RealFiles;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; it must exist.
    Write,
    /// For reading and writing; made if it is not there.
    Create,
    /// For reading and writing; it must not exist.
    CreateNew,
}

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A device, pipe or socket.
    Other,
}

/// What tells one state of a file from another: if any field differs, it was changed or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// File, directory or other.
    pub kind: Kind,
    /// Number of the device that holds it.
    pub device: u64,
    /// Number of the file on that device.
    pub inode: u64,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Time of the last change of content, nanoseconds since 1970 UTC.
    pub modified_ns: i64,
    /// Bytes allocated on the device; less than the length where there are holes.
    pub allocated_bytes: u64,
}

/// A file system. Blocking; call it from threads that may block.
pub trait Files: Debug + Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;
    /// What stands at a path, links followed.
    fn identity(&self, path: &Path) -> io::Result<Identity>;
    /// Makes a directory and those above it; fine if they exist.
    fn create_dirs(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Gives a file another name in the same file system, replacing what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a further name; fails if that name is taken, so that nothing is replaced.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes an unprivileged writer may still use in the file system that holds `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// An open file. All offsets and lengths are bytes; all calls may run at the same time.
pub trait File: Debug + Send + Sync + 'static {
    /// Fills `out` from `offset`; an error of kind `UnexpectedEof` if the file ends before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, growing the file if need be.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts or grows the file; what is new reads as zero and is a hole.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes content and length durable. Never retry it after an error: the kernel may have
    /// dropped what it could not write.
    fn sync(&self) -> io::Result<()>;
    /// Sets the time of the last change of content, in nanoseconds since 1970 UTC. A file system that cannot,
    /// leaves it.
    fn set_modified_ns(&self, _modified_ns: i64) -> io::Result<()> {
        Ok(())
    }
    /// The state of the file now.
    fn identity(&self) -> io::Result<Identity>;
    /// The first stretch of data at or after `from`, or none up to the end. What lies between is
    /// holes, which read as zero. A file system that knows no holes gives the rest of the file.
    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>>;
    /// Tells the system that a range will be read soon (`true`) or not again (`false`); a hint.
    fn advise(&self, _range: Range<u64>, _soon: bool) {}
}
