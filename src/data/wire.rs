//! What a store keeps in memory for the bucket wire, and what it does about it when it is opened.
//!
//! | file in `.partial/` | what | stays while |
//! |---|---|---|
//! | `u-ID` | a whole object under way | this process brings it |
//! | `m-ID.N` | bytes of an upload in parts | that upload, or a part of it, is in the index |
//!
//! So after a kill the first kind is swept and the second goes on. An object that was being appended
//! to is cut back to what the last whole append had made of it.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use files::Open;
use redb::ReadableTable;

use crate::append::{APPENDING, settle_size};
use crate::bucket::{Bucket, PARTIAL_DIR, is_missing};
use crate::fault::{self, Result};
use crate::index::{COUNTERS, decode};
use crate::known::{ObjectRow, put_row, row_mut, seen_of};
use crate::landing::Seen;
use crate::listing::Listing;
use crate::parts::{PARTS, Parts, UPLOADS, UploadRow, forget_upload, part_file, parted};
use crate::store::{BUCKETS_DIR, Store, remove_if_there};
use crate::upload::UPLOAD_PREFIX;

/// Set once every object of a store that is older than the rows of objects has one.
pub(crate) const COUNTED: &str = "objects counted";
/// Rows of objects made in one transaction when an older store is opened for the first time.
const COUNTED_AT_ONCE: usize = 10_000;

/// See above.
pub(crate) struct Wire {
    next: AtomicU64,
    chance: RandomState,
    /// Names of whole objects under way.
    live: Mutex<HashSet<String>>,
    uploads: Mutex<HashMap<String, Arc<Parts>>>,
    appending: Mutex<HashSet<(String, String)>>,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            next: AtomicU64::new(0),
            chance: RandomState::new(),
            live: Mutex::default(),
            uploads: Mutex::default(),
            appending: Mutex::default(),
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time, for what has no file of its own to tell it.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Wire {
    /// An id nobody else has: 32 hexadecimal digits.
    pub(crate) fn next_id(&self, of: &str) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let chance = self.chance.hash_one(number);
        let text = format!("{of}/{number}/{chance}/{}", now_ms());
        blake3::hash(text.as_bytes()).to_hex()[..32].to_uppercase()
    }

    pub(crate) fn begun(&self, name: &str) {
        held(&self.live).insert(name.to_owned());
    }

    pub(crate) fn ended(&self, name: &str) {
        held(&self.live).remove(name);
    }

    /// Whether a partial file of that name is being written here.
    pub(crate) fn is_live(&self, name: &str) -> bool {
        held(&self.live).contains(name)
    }

    /// What is kept in memory of an upload in parts, made if need be.
    pub(crate) fn parts(&self, upload: &str, make: impl FnOnce() -> Result<Parts>) -> Result<Arc<Parts>> {
        let mut uploads = held(&self.uploads);
        if let Some(parts) = uploads.get(upload) {
            return Ok(Arc::clone(parts));
        }
        let parts = Arc::new(make()?);
        uploads.insert(upload.to_owned(), Arc::clone(&parts));
        Ok(parts)
    }

    pub(crate) fn forget_parts(&self, upload: &str) {
        held(&self.uploads).remove(upload);
    }

    /// Takes the right to append to an object, if nobody has it.
    pub(crate) fn begin_append(&self, bucket: &str, key: &str) -> bool {
        held(&self.appending).insert((bucket.to_owned(), key.to_owned()))
    }

    pub(crate) fn end_append(&self, bucket: &str, key: &str) {
        held(&self.appending).remove(&(bucket.to_owned(), key.to_owned()));
    }
}

/// The names of partial files in a bucket that uploads in parts stand behind.
pub(crate) fn awaited_parts(store: &Store, bucket: &str) -> Result<HashSet<String>> {
    store.index.read(|tx| {
        let (uploads, parts) = (tx.open_table(UPLOADS)?, tx.open_table(PARTS)?);
        let mut awaited = HashSet::new();
        for row in uploads.range((bucket, "", "")..)? {
            let (key, _) = row?;
            let (of, _, upload) = key.value();
            if of != bucket {
                break;
            }
            awaited.insert(part_file(upload, 0));
            for part in parts.range((upload, 0)..=(upload, u32::MAX))? {
                awaited.insert(part_file(upload, parted(part?.1.value())?.file));
            }
        }
        Ok(awaited)
    })
}

impl Store {
    /// Brings buckets in order when the store is opened.
    pub(crate) fn settle_buckets(&self) -> Result<()> {
        let say = |error| fault::io("looking through the buckets", &error);
        let dir = self.dir.join(BUCKETS_DIR);
        let buckets = match self.files.list(&dir) {
            Err(error) if is_missing(&error) => Vec::new(),
            names => names.map_err(say)?,
        };
        self.settle_completed()?;
        self.settle_appends()?;
        for bucket in &buckets {
            let partial = dir.join(bucket).join(PARTIAL_DIR);
            let names = match self.files.list(&partial) {
                Err(error) if is_missing(&error) => continue,
                names => names.map_err(say)?,
            };
            let awaited = if names.is_empty() { HashSet::new() } else { awaited_parts(self, bucket)? };
            let ours = |name: &&String| name.starts_with(UPLOAD_PREFIX) || name.starts_with("m-");
            for name in names.iter().filter(ours).filter(|name| !awaited.contains(*name)) {
                remove_if_there(&*self.files, &partial.join(name)).map_err(say)?;
            }
        }
        self.count_objects(&buckets)
    }

    /// Ends uploads in parts whose object is there.
    fn settle_completed(&self) -> Result<()> {
        let completed: Vec<(String, String, String, Seen)> = self.index.read(|tx| {
            let mut completed = Vec::new();
            for row in tx.open_table(UPLOADS)?.iter()? {
                let (at, row) = row?;
                let (bucket, key, upload) = at.value();
                if let Some(seen) = decode::<UploadRow>(row.value())?.completing {
                    completed.push((bucket.to_owned(), key.to_owned(), upload.to_owned(), seen));
                }
            }
            Ok(completed)
        })?;
        for (bucket, key, upload, seen) in completed {
            let bucket = Bucket::named(self, &bucket)?;
            let there = self.files.identity(&bucket.file(&key)?).ok();
            if there.is_some_and(|there| seen_of(&there) == seen) {
                self.index.write(|tx| forget_upload(tx, bucket.name(), &key, &upload))?;
            }
        }
        Ok(())
    }

    /// Cuts what was being appended to back to what it was.
    fn settle_appends(&self) -> Result<()> {
        let appending: Vec<(String, String)> = self.index.read(|tx| {
            let mut appending = Vec::new();
            for row in tx.open_table(APPENDING)?.iter()? {
                let (at, _) = row?;
                let (bucket, key) = at.value();
                appending.push((bucket.to_owned(), key.to_owned()));
            }
            Ok(appending)
        })?;
        for (name, key) in appending {
            let say = |error| fault::io(format_args!("cutting back `oss://{name}/{key}`"), &error);
            let path = Bucket::named(self, &name)?.file(&key)?;
            let file = match self.files.open(&path, Open::Write) {
                Ok(file) => Some(file),
                Err(error) if is_missing(&error) => None,
                Err(error) => return Err(say(error)),
            };
            settle_size(self, &name, &key, file.as_deref())?;
        }
        Ok(())
    }

    /// Gives objects that are older than their rows one each.
    fn count_objects(&self, buckets: &[String]) -> Result<()> {
        if self.index.read(|tx| Ok(tx.open_table(COUNTERS)?.get(COUNTED)?.is_some()))? {
            return Ok(());
        }
        for name in buckets {
            let Ok(bucket) = Bucket::named(self, name) else { continue };
            let mut listing = Listing::new(&*self.files, &bucket.dir, "", "");
            loop {
                let mut some = Vec::new();
                while some.len() < COUNTED_AT_ONCE
                    && let Some((key, found)) = listing.next_object()?
                {
                    some.push((key, found));
                }
                if some.is_empty() {
                    break;
                }
                self.index.write(|tx| {
                    some.iter().try_for_each(|(key, found)| {
                        let row = row_mut(tx, name, key)?;
                        let states = vec![row.state(found)];
                        put_row(tx, name, key, &ObjectRow { states })
                    })
                })?;
            }
        }
        self.index.write(|tx| Ok(tx.open_table(COUNTERS)?.insert(COUNTED, 1).map(drop)?))
    }
}
