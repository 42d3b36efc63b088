//! How a file that is whole becomes the object of a key, for uploads over the wire.
//!
//! ```text
//! synced ─▶ under the lock of names: what is known of it noted, beside what is known of the object
//!           that is there ─▶ renamed to its name ─▶ directories synced
//! ```
//!
//! No job remembers it: whoever uploads waits for the answer, and asks again if none comes.

use std::path::Path;

use domain::port::Location;
use domain::port_objects::ObjectFacts;
use files::Kind;
use redb::WriteTransaction;

use crate::bucket::{Bucket, is_missing, object_exists};
use crate::fault::{self, Result};
use crate::index::Inside;
use crate::known::{self, ObjectState};

/// A file and the key it is to get.
pub(crate) struct Publication<'a> {
    pub(crate) bucket: &'a Bucket<'a>,
    pub(crate) at: &'a Location,
    /// The file: whole and synced.
    pub(crate) file: &'a Path,
    /// Whether an object of that key may be replaced.
    pub(crate) replace: bool,
}

impl Publication<'_> {
    /// Gives the file its key. What else is to change when it is noted does so in the same
    /// transaction.
    pub(crate) fn run(
        &self,
        state: ObjectState,
        also: impl FnOnce(&WriteTransaction) -> Inside<()>,
    ) -> Result<ObjectFacts> {
        let say = |error| fault::io(format_args!("naming `{}`", self.at), &error);
        let (bucket, key) = (self.bucket, self.at.path.as_str());
        let files = &*bucket.store.files;
        let path = bucket.file(key)?;
        let _lock = bucket.lock()?;
        bucket.require()?;
        let there = match files.identity(&path) {
            Ok(there) => Some(there),
            Err(error) if is_missing(&error) => None,
            Err(error) => return Err(say(error)),
        };
        if there.is_some_and(|there| !self.replace || there.kind != Kind::File) {
            return Err(object_exists(self.at));
        }
        bucket.store.index.write(|tx| {
            known::expect(tx, bucket.name(), key, there.as_ref(), state.clone())?;
            also(tx)
        })?;
        files.create_dirs(path.parent().unwrap_or(&bucket.dir)).map_err(say)?;
        files.rename(self.file, &path).map_err(say)?;
        bucket.sync_above(&path).map_err(say)?;
        Ok(state.facts(key))
    }
}
