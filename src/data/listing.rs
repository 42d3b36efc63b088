//! A walk over a bucket's objects in the order of their keys' bytes.
//!
//! A directory's entries are taken in the order of what keys go on with there (see `key`), in
//! which a directory `a` is `a/`: so `a-b` comes before `a/b`, and that before `a0`. Only
//! directories that can hold a key of the prefix, behind the last page, are looked into; what is
//! kept in memory is the names of one directory a level.

use std::path::{Path, PathBuf};

use files::{Files, Identity, Kind};

use crate::bucket::is_missing;
use crate::fault::{self, Result};
use crate::key::{self, Entry};

/// A walk; see above.
pub(crate) struct Listing<'a> {
    files: &'a dyn Files,
    root: Option<&'a Path>,
    prefix: &'a [u8],
    after: &'a [u8],
    levels: Vec<Level>,
}

/// A directory on the way.
struct Level {
    dir: PathBuf,
    /// What the keys in it begin with.
    key: Vec<u8>,
    entries: std::vec::IntoIter<(Entry, String)>,
}

impl<'a> Listing<'a> {
    /// Objects whose keys begin with `prefix` and come behind `after`.
    pub(crate) fn new(files: &'a dyn Files, root: &'a Path, prefix: &'a str, after: &'a str) -> Self {
        let (prefix, after) = (prefix.as_bytes(), after.as_bytes());
        Self { files, root: Some(root), prefix, after, levels: Vec::new() }
    }

    /// The next object.
    pub(crate) fn next_object(&mut self) -> Result<Option<(String, Identity)>> {
        if let Some(root) = self.root.take() {
            self.enter(root.to_owned(), Vec::new())?;
        }
        while let Some(level) = self.levels.last_mut() {
            let Some((entry, name)) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            let path = level.dir.join(name);
            let mut key = level.key.clone();
            key.extend_from_slice(entry.bytes());
            if matches!(entry, Entry::Directory(_)) {
                self.enter(path, key)?;
                continue;
            }
            // A file that somebody has put there by hand may have any name.
            let Ok(key) = String::from_utf8(key) else { continue };
            match self.files.identity(&path) {
                Ok(found) if found.kind == Kind::File => return Ok(Some((key, found))),
                // Removed since its directory was looked into, or no object.
                Ok(_) => {}
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(fault::io(format_args!("looking at object `{key}`"), &error)),
            }
        }
        Ok(None)
    }

    fn enter(&mut self, dir: PathBuf, key: Vec<u8>) -> Result<()> {
        let names = match self.files.list(&dir) {
            // Removed with the last object in it.
            Err(error) if is_missing(&error) => return Ok(()),
            names => names.map_err(|error| fault::io("looking through a bucket", &error))?,
        };
        let mut entries: Vec<(Entry, String)> = names
            .into_iter()
            .filter_map(|name| key::entry(&name).map(|entry| (entry, name)))
            .filter(|(entry, _)| self.wants(&key, entry))
            .collect();
        entries.sort_unstable_by(|(one, _), (other, _)| one.bytes().cmp(other.bytes()));
        self.levels.push(Level { dir, key, entries: entries.into_iter() });
        Ok(())
    }

    /// Whether an entry is, or may hold, an object that is asked for.
    fn wants(&self, key: &[u8], entry: &Entry) -> bool {
        let full = [key, entry.bytes()].concat();
        match entry {
            Entry::Object(_) => full.starts_with(self.prefix) && *full > *self.after,
            Entry::Directory(_) => {
                (full.starts_with(self.prefix) || self.prefix.starts_with(&full))
                    && (*full > *self.after || self.after.starts_with(&full))
            }
        }
    }
}
