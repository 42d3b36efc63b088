//! What lists look at of an account's own images, kept from one list to the next.
//!
//! Reading a thousand rows takes a millisecond, and looking at them once they are read a hundredth of that. A list is
//! used again for as long as no image of its account and region has changed, which the log's marks tell.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{LISTED, Listed};
use engine::Snapshot;
use event::Scope;

/// Images in all lists together: a kilobyte each, and an account with 100,000 fits.
const IMAGES_MAX: usize = 150_000;

/// Images of one account and region, the newest first.
pub(crate) type OwnList = Arc<[Arc<Listed>]>;

/// The lists.
#[derive(Default)]
pub(crate) struct OwnLists(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    lists: HashMap<String, (u64, OwnList)>,
    images: usize,
}

impl OwnLists {
    /// The images of a scope as of a commit.
    pub(crate) fn of(&self, rows: &Snapshot, scope: &Scope) -> OwnList {
        let prefix = LISTED.key(scope, &[""]);
        if let Some((commit, list)) = self.kept().lists.get(scope.as_str())
            && rows.is_unchanged(&prefix, *commit)
        {
            return list.clone();
        }
        let mut list: Vec<Arc<Listed>> = LISTED.list(rows, scope, &[]).into_iter().map(Arc::new).collect();
        list.sort_by_key(|image| Reverse(image.born));
        let list: OwnList = list.into();
        self.kept().keep(scope, rows.commit(), &list);
        list
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, scope: &Scope, commit: u64, list: &OwnList) {
        if let Some((_, before)) = self.lists.remove(scope.as_str()) {
            self.images -= before.len();
        }
        if self.images + list.len() > IMAGES_MAX {
            // Which of them will be asked for again nobody knows; each costs its account one reading.
            (self.lists, self.images) = (HashMap::new(), 0);
        }
        if list.len() <= IMAGES_MAX {
            self.images += list.len();
            self.lists.insert(scope.as_str().to_owned(), (commit, list.clone()));
        }
    }
}
