//! What lists look at, kept from one list to the next: an account's own images, and what others share with it.
//!
//! Reading a thousand rows takes a millisecond, and looking at them once they are read a tenth of that or less. A
//! list is used again for as long as no row of its table and scope has changed, which the log's marks tell. Lists
//! of all accounts of a house of a million images fit, so that what a list costs does not hang on how many there are.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::image::{SHARED, SharedImage, scope};
use domain::{AccountId, ImageId, LISTED, RegionId};
use engine::Snapshot;
use event::Scope;

use crate::listing::Listing;
use crate::lookup;

/// Images in all lists together: some 100 bytes each, and as many as the largest house that is planned for, with some
/// room.
const IMAGES_MAX: usize = 1_200_000;
/// Shares in all lists together, of some 200 bytes as well.
const SHARES_MAX: usize = 400_000;

/// The lists.
#[derive(Default)]
pub(crate) struct KeptLists {
    own: Mutex<Kept<Listing>>,
    shown: Mutex<Kept<Vec<SharedImage>>>,
}

/// Something with a length.
trait Long {
    fn len(&self) -> usize;
}

impl Long for Listing {
    fn len(&self) -> usize {
        Self::len(self)
    }
}

impl<T> Long for Vec<T> {
    fn len(&self) -> usize {
        Self::len(self)
    }
}

/// Lists of one kind, each as of a commit, and how long they are together.
struct Kept<T> {
    lists: HashMap<Vec<u8>, (u64, Arc<T>)>,
    rows: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { lists: HashMap::new(), rows: 0 }
    }
}

impl KeptLists {
    /// The images of an account in a region, the newest first.
    pub(crate) fn own(&self, rows: &Snapshot, account: &AccountId, region: &RegionId) -> Arc<Listing> {
        let scope = scope(account, region);
        kept(&self.own, IMAGES_MAX, rows, LISTED.key(&scope, &[""]), || {
            let mut list = LISTED.list(rows, &scope, &[]);
            list.sort_by_key(|image| Reverse(image.born));
            Listing::of(list.into_iter().map(|image| (account.clone(), image)))
        })
    }

    /// Which image of an account and region has a name: as the list of them says, if it is at hand, for the row of a
    /// name is in a page of the log that hardly anything else is asked of.
    pub(crate) fn named(&self, rows: &Snapshot, scope: &Scope, name: &str) -> Option<ImageId> {
        match at_hand(&self.own, rows, &LISTED.key(scope, &[""])) {
            Some(list) => list.named(name).map(|entry| entry.id.into()),
            None => lookup::named(rows, scope, name),
        }
    }

    /// What others share with an account in a region, in no order.
    pub(crate) fn shown(&self, rows: &Snapshot, scope: &Scope) -> Arc<Vec<SharedImage>> {
        kept(&self.shown, SHARES_MAX, rows, SHARED.key(scope, &[""]), || SHARED.list(rows, scope, &[]))
    }
}

/// The list below a prefix of keys, if it is kept and still right.
fn at_hand<T>(lists: &Mutex<Kept<T>>, rows: &Snapshot, prefix: &[u8]) -> Option<Arc<T>> {
    let lists = lists.lock().unwrap_or_else(PoisonError::into_inner);
    let (commit, list) = lists.lists.get(prefix)?;
    rows.is_unchanged(prefix, *commit).then(|| list.clone())
}

/// The list below a prefix of keys, kept or made.
fn kept<T: Long>(
    lists: &Mutex<Kept<T>>,
    rows_max: usize,
    rows: &Snapshot,
    prefix: Vec<u8>,
    make: impl FnOnce() -> T,
) -> Arc<T> {
    if let Some(list) = at_hand(lists, rows, &prefix) {
        return list;
    }
    let list = Arc::new(make());
    lists.lock().unwrap_or_else(PoisonError::into_inner).keep(prefix, rows.commit(), &list, rows_max);
    list
}

impl<T: Long> Kept<T> {
    fn keep(&mut self, prefix: Vec<u8>, commit: u64, list: &Arc<T>, rows_max: usize) {
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
        let mut kept = Kept::<Vec<u8>>::default();
        let list = |rows: usize| Arc::new(vec![0; rows]);
        let sum = |kept: &Kept<Vec<u8>>| kept.lists.values().map(|(_, list)| list.len()).sum::<usize>();
        for (key, rows) in [(1, 4), (2, 4), (1, 5), (3, 1), (4, 0), (5, 9), (5, 10), (6, 11), (5, 3), (7, 7)]
        {
            kept.keep(vec![key], 1, &list(rows), 10);
            assert_eq!((kept.rows, kept.rows <= 10), (sum(&kept), true), "list {key} of {rows}");
            assert_eq!(kept.lists.contains_key(&vec![key]), rows <= 10, "list {key} of {rows}");
        }
    }
}
