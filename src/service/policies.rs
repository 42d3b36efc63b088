//! Policies that were read before: a request is judged by up to twenty documents, and none of them is read
//! anew for each. What is kept is found by the text itself, so nothing here can be out of date.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::policy::Document;

/// Documents kept at most, of up to 6,144 characters each: some megabytes. More than are in use at a time.
const KEPT_MAX: usize = 1024;

/// Documents by their text; one that is none any more is kept as that.
#[derive(Debug, Default)]
pub(crate) struct Policies(Mutex<HashMap<String, Option<Arc<Document>>>>);

impl Policies {
    /// A document, read. None if it can not be judged, which is to be taken as a no.
    pub(crate) fn read(&self, text: &str) -> Option<Arc<Document>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(text) {
            return known.clone();
        }
        // All at once: what is in use is read again within a moment, and nobody keeps count of who asked.
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let read = Document::read(text).ok().map(Arc::new);
        kept.insert(text.to_owned(), read.clone());
        read
    }
}
