//! Which rows have changed since a commit, roughly: so that what was read from them may be kept and used again.
//!
//! Rows of one table and scope share a mark, the number of the commit that last changed any of them. There are so many
//! marks and no more, so that some scopes share one by chance: then something is read again that need not be.
//! The other way round never happens. It holds for one opening of the log and nothing of it is stored.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::Staged;

/// Marks: a hundred kilobytes. A thousand scopes that are busy at once meet a stranger's change once in sixteen.
const MARKS: usize = 1 << 14;
/// Between the parts of a row's key.
const SEPARATOR: u8 = 0;

#[derive(Debug)]
pub(crate) struct Marks {
    marks: Box<[AtomicU64]>,
    /// The last commit that is over; only one is under way at a time.
    commits: AtomicU64,
}

impl Default for Marks {
    fn default() -> Self {
        Self { marks: (0..MARKS).map(|_| AtomicU64::new(0)).collect(), commits: AtomicU64::new(0) }
    }
}

impl Marks {
    /// Says that rows are about to change: before anybody can read them as they will be.
    pub(crate) fn begin(&self, rows: &Staged) {
        let commit = self.commit() + 1;
        let mut before: &[u8] = &[];
        for key in rows.keys() {
            let scope = scope_of(key);
            if scope != before {
                self.mark(scope).store(commit, Ordering::Release);
                before = scope;
            }
        }
    }

    /// Says that they have, and are read as they are now.
    pub(crate) fn end(&self) {
        self.commits.fetch_add(1, Ordering::Release);
    }

    /// The last commit that is over.
    pub(crate) fn commit(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Whether no row below a table and scope has changed since a commit.
    pub(crate) fn is_unchanged(&self, prefix: &[u8], since: u64) -> bool {
        self.mark(scope_of(prefix)).load(Ordering::Acquire) <= since
    }

    fn mark(&self, scope: &[u8]) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(scope);
        let place = hasher.finish() % MARKS as u64;
        &self.marks[usize::try_from(place).expect("there are not so many")]
    }
}

/// Table and scope of a key: its first two parts.
fn scope_of(key: &[u8]) -> &[u8] {
    let mut ends = key.iter().enumerate().filter(|(_, byte)| **byte == SEPARATOR).map(|(place, _)| place);
    ends.nth(1).map_or(key, |end| &key[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_in_its_scope_from_before_it_is_made() {
        let marks = Marks::default();
        let staged = |key: &[u8]| Staged::from([(key.to_vec(), None)]);
        let begun = marks.commit();
        assert!(marks.is_unchanged(b"image\0one\0", begun));
        marks.begin(&staged(b"image\0one\0m-1"));
        assert!(!marks.is_unchanged(b"image\0one\0", begun), "who reads now may read either");
        marks.end();
        assert!(!marks.is_unchanged(b"image\0one\0", begun));
        assert!(marks.is_unchanged(b"image\0one\0", marks.commit()));
        for other in [b"image\0two\0".as_slice(), b"disk\0one\0"] {
            assert!(marks.is_unchanged(other, begun), "by these names no two share a mark");
        }
    }
}
