//! What lists look at, kept from one list to the next: an account's own images, and what others share with it.
//!
//! Reading a thousand rows takes a millisecond, and looking at them once they are read a tenth of that or less. A
//! list is used again for as long as no row of its table and scope has changed, which the log's marks tell. Lists
//! of all accounts of a house of a million images fit, so that what a list costs does not hang on how many there are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::image::{SHARED, SharedImage, Status};
use domain::machine::{Architecture, OsType};
use domain::{ImageId, LISTED, Listed};
use engine::Snapshot;
use event::{Scope, Seq};

/// Images in all lists together: some 200 bytes each, and as many as the largest house that is planned for, with some
/// room.
const IMAGES_MAX: usize = 1_200_000;
/// Shares in all lists together, of some 200 bytes as well.
const SHARES_MAX: usize = 400_000;

/// An image as lists look at it. Families and tags that are alike are one in memory.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: ImageId,
    pub(crate) name: Box<str>,
    /// As the account that asks sees it; empty for none.
    pub(crate) family: Arc<str>,
    pub(crate) tags: Arc<BTreeMap<String, String>>,
    pub(crate) status: Status,
    pub(crate) born: Seq,
    pub(crate) created_ms: i64,
    pub(crate) architecture: Architecture,
    pub(crate) os_type: OsType,
}

impl From<Listed> for Entry {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.id,
            name: listed.name.into(),
            family: listed.family.unwrap_or_default().into(),
            tags: Arc::new(listed.tags),
            status: listed.status,
            born: listed.born,
            created_ms: listed.created_ms,
            architecture: listed.architecture,
            os_type: listed.os_type,
        }
    }
}

/// The lists.
#[derive(Default)]
pub(crate) struct KeptLists {
    own: Mutex<Kept<Entry>>,
    shown: Mutex<Kept<SharedImage>>,
}

/// Lists of one kind, each as of a commit, and how long they are together.
struct Kept<T> {
    lists: HashMap<Vec<u8>, (u64, Arc<[T]>)>,
    rows: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { lists: HashMap::new(), rows: 0 }
    }
}

impl KeptLists {
    /// The images of an account in a region, the newest first.
    pub(crate) fn own(&self, rows: &Snapshot, scope: &Scope) -> Arc<[Entry]> {
        kept(&self.own, IMAGES_MAX, rows, LISTED.key(scope, &[""]), || {
            let mut families = BTreeSet::<Arc<str>>::new();
            let mut tags = BTreeSet::<Arc<BTreeMap<String, String>>>::new();
            let mut list: Vec<Entry> = LISTED.list(rows, scope, &[]).into_iter().map(Entry::from).collect();
            for entry in &mut list {
                entry.family = one_of(&mut families, &entry.family);
                entry.tags = one_of(&mut tags, &entry.tags);
            }
            list.sort_by_key(|entry| Reverse(entry.born));
            list
        })
    }

    /// What others share with an account in a region, in no order.
    pub(crate) fn shown(&self, rows: &Snapshot, scope: &Scope) -> Arc<[SharedImage]> {
        kept(&self.shown, SHARES_MAX, rows, SHARED.key(scope, &[""]), || SHARED.list(rows, scope, &[]))
    }
}

/// The one of those that are alike.
fn one_of<T: Ord + ?Sized>(known: &mut BTreeSet<Arc<T>>, one: &Arc<T>) -> Arc<T> {
    if let Some(known) = known.get(&**one) {
        return known.clone();
    }
    known.insert(one.clone());
    one.clone()
}

/// The list below a prefix of keys, kept or made.
fn kept<T>(
    lists: &Mutex<Kept<T>>,
    rows_max: usize,
    rows: &Snapshot,
    prefix: Vec<u8>,
    make: impl FnOnce() -> Vec<T>,
) -> Arc<[T]> {
    let locked = || -> MutexGuard<'_, Kept<T>> { lists.lock().unwrap_or_else(PoisonError::into_inner) };
    if let Some((commit, list)) = locked().lists.get(&prefix)
        && rows.is_unchanged(&prefix, *commit)
    {
        return list.clone();
    }
    let list: Arc<[T]> = make().into();
    locked().keep(prefix, rows.commit(), &list, rows_max);
    list
}

impl<T> Kept<T> {
    fn keep(&mut self, prefix: Vec<u8>, commit: u64, list: &Arc<[T]>, rows_max: usize) {
        self.remove(&prefix);
        if list.len() > rows_max {
            return;
        }
        while self.rows + list.len() > rows_max {
            // Any: which of them will be asked for again nobody knows, and each costs its account one reading.
            let Some(some) = self.lists.keys().next().cloned() else { break };
            self.remove(&some);
        }
        self.rows += list.len();
        self.lists.insert(prefix, (commit, list.clone()));
    }

    fn remove(&mut self, prefix: &[u8]) {
        if let Some((_, list)) = self.lists.remove(prefix) {
            self.rows -= list.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_kept_within_their_bound_and_counted_rightly() {
        let mut kept = Kept::<u8>::default();
        let list = |rows: usize| -> Arc<[u8]> { vec![0; rows].into() };
        let sum = |kept: &Kept<u8>| kept.lists.values().map(|(_, list)| list.len()).sum::<usize>();
        for (key, rows) in [(1, 4), (2, 4), (1, 5), (3, 1), (4, 0), (5, 9), (5, 10), (6, 11), (5, 3), (7, 7)]
        {
            kept.keep(vec![key], 1, &list(rows), 10);
            assert_eq!((kept.rows, kept.rows <= 10), (sum(&kept), true), "list {key} of {rows}");
            assert_eq!(kept.lists.contains_key(&vec![key]), rows <= 10, "list {key} of {rows}");
        }
    }
}
