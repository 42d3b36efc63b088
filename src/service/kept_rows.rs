//! What rows say that every request asks about: whose a key is, whether an account is there, and a region.
//!
//! They are few and seldom change, and to read one costs as much as some of the answers. What was read is used again
//! for as long as no row of its table and scope has changed, which the log's marks tell: a key that was disabled or
//! deleted is good for nothing from the moment the log says so.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use engine::{Engine, Snapshot};

/// Rows of a table that are kept: those of all who ask a busy server in a minute, in a megabyte.
const ROWS_MAX: usize = 4096;

/// Rows of one table and scope by their names, or what was made of them, each as of a commit.
pub(crate) struct KeptRows<T>(Mutex<HashMap<String, (u64, T)>>);

impl<T> Default for KeptRows<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> KeptRows<T> {
    /// The row as it is now. Nothing is opened to look at where it is kept.
    pub(crate) fn now<P: Send + Sync + 'static, E: From<engine::Error>>(
        &self,
        engine: &Engine<P>,
        prefix: &[u8],
        name: &str,
        read: impl FnOnce(&Snapshot) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        if let Some(row) = self.kept(name, |commit| engine.is_unchanged(prefix, commit)) {
            return Ok(Some(row));
        }
        let rows = engine.snapshot()?;
        self.get(&rows, prefix, name, || read(&rows))
    }

    /// The row of that name below a prefix of keys, kept or read. That there is none is not kept: nobody's names
    /// would push out everybody's.
    pub(crate) fn get<E>(
        &self,
        rows: &Snapshot,
        prefix: &[u8],
        name: &str,
        read: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        if let Some(row) = self.kept(name, |commit| rows.is_unchanged(prefix, commit)) {
            return Ok(Some(row));
        }
        let row = read()?;
        if let Some(row) = &row {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= ROWS_MAX {
                kept.clear();
            }
            kept.insert(name.to_owned(), (rows.commit(), row.clone()));
        }
        Ok(row)
    }

    fn kept(&self, name: &str, is_unchanged: impl FnOnce(u64) -> bool) -> Option<T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(name).filter(|(commit, _)| is_unchanged(*commit)).map(|(_, row)| row.clone())
    }
}
