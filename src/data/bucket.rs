//! A bucket: a directory in the store of its region, and an object a file in it.
//!
//! ```text
//! buckets/NAME/a%/b%/c           the object `a/b/c`, see `key`
//! buckets/NAME/.partial/DIGEST   what a job is bringing in, see `landing`
//! ```
//!
//! Names in buckets change under one lock of the store, after a look at its id file: directories
//! are made for an object and removed with the last one in them, and neither may happen between
//! the other's two calls. What is read needs no lock: an object is there whole or not at all.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use domain::name;
use domain::port::{BucketAt, Location, ObjectInfo};
use event::{Failure, Refusal};
use files::{Files, Identity, Kind};

use crate::fault::{self, Result};
use crate::index::{EXPORT, JOBS, JobRow, PUT, decode};
use crate::key;
use crate::known;
use crate::listing::Listing;
use crate::store::{BUCKETS_DIR, Store, check_id, region_dir, remove_if_there};
use crate::wire::awaited_parts;

/// What is on its way into the bucket; no key leads there.
pub(crate) const PARTIAL_DIR: &str = ".partial";
/// Hexadecimal digits of a digest that name a job's partial file.
const PARTIAL_DIGITS: usize = 32;

/// A bucket in an open store; whether it is there is another question.
pub(crate) struct Bucket<'a> {
    pub(crate) store: &'a Store,
    pub(crate) dir: PathBuf,
    name: String,
}

/// The directory of a bucket in a store's, if that is a name a bucket can have.
pub(crate) fn dir(store_dir: &Path, name: &str) -> Result<PathBuf> {
    name::bucket(name)?;
    Ok(store_dir.join(BUCKETS_DIR).join(name))
}

/// The file of an object in a bucket's directory, if that is a key an object can have.
fn file(dir: &Path, key: &str) -> Result<PathBuf> {
    name::object_key(key)?;
    Ok(dir.join(key::path(key)))
}

/// Where the file of a location is. For an object, fails unless the store is the one named.
pub(crate) fn locate(files: &dyn Files, root: &Path, at: &Location) -> Result<PathBuf> {
    let Some(bucket) = &at.bucket else { return Ok(PathBuf::from(&at.path)) };
    let store = region_dir(root, &bucket.region)?;
    let path = file(&dir(&store, &bucket.name)?, &at.path)?;
    check_id(files, &store, &bucket.region, &bucket.store)?;
    Ok(path)
}

/// The name of a job's partial file.
pub(crate) fn partial_name(job_key: &str) -> String {
    blake3::hash(job_key.as_bytes()).to_hex()[..PARTIAL_DIGITS].to_owned()
}

/// There is no such bucket.
pub(crate) fn no_bucket(name: &str) -> Failure {
    Refusal::new("InvalidOSSBucket.NotFound", format!("there is no bucket `{name}`"))
        .advise("make it first, or look whether it lies in another region")
        .into()
}

/// There is no such object.
pub(crate) fn no_object(at: &Location) -> Failure {
    Refusal::new("InvalidOSSObject.NotFound", format!("there is no object `{at}`"))
        .advise("look at the list of the bucket's objects for its key")
        .into()
}

/// The object's name is taken.
pub(crate) fn object_exists(at: impl std::fmt::Display) -> Failure {
    Refusal::new("FileAlreadyExists", format!("`{at}` exists already"))
        .advise("take another key, allow it to be replaced, or remove it first")
        .into()
}

fn not_empty(why: String, advice: &str) -> Failure {
    Refusal::new("BucketNotEmpty", why).advise(advice).into()
}

/// Whether an error says that there is nothing of that name.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What the domain is told of an object.
pub(crate) fn info(key: &str, bytes: u64, modified_ns: i64) -> ObjectInfo {
    ObjectInfo { key: key.to_owned(), bytes, modified_ms: modified_ns.div_euclid(1_000_000) }
}

/// The partial files that unfinished jobs of this store may still need.
pub(crate) fn awaited(store: &Store) -> Result<std::collections::HashSet<String>> {
    store.index.read(|tx| {
        let jobs = tx.open_table(JOBS)?;
        let mut awaited = std::collections::HashSet::new();
        for kind in [PUT, EXPORT] {
            let (from, to) = (format!("{kind}/"), format!("{kind}0"));
            for row in jobs.range(from.as_str()..to.as_str())? {
                let (key, row) = row?;
                if !decode::<JobRow>(row.value())?.done {
                    awaited.insert(partial_name(key.value()));
                }
            }
        }
        Ok(awaited)
    })
}

impl<'a> Bucket<'a> {
    pub(crate) fn new(store: &'a Store, at: &BucketAt) -> Result<Self> {
        Ok(Self { store, dir: dir(&store.dir, &at.name)?, name: at.name.clone() })
    }

    /// The bucket of an object.
    pub(crate) fn of(store: &'a Store, at: &Location) -> Result<Self> {
        Self::new(store, crate::objects::bucket_of(at)?)
    }

    /// The bucket of that name in a store.
    pub(crate) fn named(store: &'a Store, name: &str) -> Result<Self> {
        Ok(Self { store, dir: dir(&store.dir, name)?, name: name.to_owned() })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn say(&self, doing: &str) -> impl Fn(io::Error) -> Failure {
        let attempted = format!("{doing} bucket `{}`", self.name);
        move |error| fault::io(&attempted, &error)
    }

    /// The file of an object.
    pub(crate) fn file(&self, key: &str) -> Result<PathBuf> {
        file(&self.dir, key)
    }

    /// The right to change names in buckets, while the store is the one named.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'a, ()>> {
        let guard = self.store.naming.lock().unwrap_or_else(PoisonError::into_inner);
        self.store.check_id()?;
        Ok(guard)
    }

    /// Whether it is there.
    pub(crate) fn is_there(&self) -> Result<bool> {
        match self.store.files.identity(&self.dir) {
            Ok(found) => Ok(found.kind == Kind::Directory),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(self.say("looking for")(error)),
        }
    }

    /// Fails unless it is there.
    pub(crate) fn require(&self) -> Result<()> {
        if self.is_there()? { Ok(()) } else { Err(no_bucket(&self.name)) }
    }

    /// Makes it; fine if it is there.
    pub(crate) fn make(&self) -> Result<()> {
        let _lock = self.lock()?;
        self.store.files.create_dirs(&self.dir).map_err(self.say("making"))?;
        self.sync_above(&self.dir.join(PARTIAL_DIR)).map_err(self.say("making"))
    }

    /// Removes it, and what puts that are over have left in it; fine if it is gone.
    pub(crate) fn remove(&self) -> Result<()> {
        let files = &*self.store.files;
        let _lock = self.lock()?;
        if self.is_there()? {
            if !awaited_parts(self.store, &self.name)?.is_empty() {
                return Err(not_empty(
                    format!("uploads in parts into bucket `{}` have not ended", self.name),
                    "complete or abort them first",
                ));
            }
            if let Some((key, _)) = Listing::new(files, &self.dir, "", "").next_object()? {
                return Err(not_empty(
                    format!("bucket `{}` holds objects, `{key}` for one", self.name),
                    "remove its objects first",
                ));
            }
            self.remove_partial()?;
            self.remove_empty()?;
            self.store.index.write(|tx| known::forget_all(tx, &self.name))?;
        }
        // A removal before this one may not have come to its sync.
        match files.sync_dir(&self.store.dir.join(BUCKETS_DIR)) {
            Err(error) if !is_missing(&error) => Err(self.say("removing")(error)),
            _ => Ok(()),
        }
    }

    fn remove_partial(&self) -> Result<()> {
        let files = &*self.store.files;
        let dir = self.dir.join(PARTIAL_DIR);
        let names = match files.list(&dir) {
            Err(error) if is_missing(&error) => return Ok(()),
            names => names.map_err(self.say("looking through"))?,
        };
        let awaited = awaited(self.store)?;
        let is_under_way = |name: &String| awaited.contains(name) || self.store.wire.is_live(name);
        if names.iter().any(is_under_way) {
            return Err(not_empty(
                format!("an object is on its way into bucket `{}`", self.name),
                "wait for the upload or export that is under way, or cancel it",
            ));
        }
        names
            .iter()
            .try_for_each(|name| remove_if_there(files, &dir.join(name)))
            .map_err(self.say("removing"))
    }

    /// Removes the bucket's directories, which hold no object any more, from below.
    fn remove_empty(&self) -> Result<()> {
        let files = &*self.store.files;
        let mut found = vec![self.dir.clone()];
        let mut at = 0;
        while let Some(dir) = found.get(at).cloned() {
            for name in files.list(&dir).map_err(self.say("looking through"))? {
                if name != PARTIAL_DIR && !matches!(key::entry(&name), Some(key::Entry::Directory(_))) {
                    return Err(not_empty(
                        format!("bucket `{}` holds `{name}`, which is no object", self.name),
                        "somebody has put it into the directory by hand; look at it and take it away",
                    ));
                }
                found.push(dir.join(name));
            }
            at += 1;
        }
        found.iter().rev().try_for_each(|dir| files.remove_dir(dir)).map_err(self.say("removing"))
    }

    /// Makes the names durable that lead to a file of the bucket, its own among them. Those of
    /// directories that were there too: whoever made them may have failed to sync them.
    pub(crate) fn sync_above(&self, path: &Path) -> io::Result<()> {
        for dir in path.ancestors().skip(1) {
            match self.store.files.sync_dir(dir) {
                // Removed meanwhile, with what it was asked for.
                Err(error) if is_missing(&error) => {}
                synced => synced?,
            }
            if dir == self.store.dir {
                break;
            }
        }
        Ok(())
    }

    /// Removes the directories above a file that are empty, and makes durable what is gone. Those
    /// that are gone already count, for whoever removed them may not have come to the sync.
    pub(crate) fn prune_above(&self, path: &Path) -> io::Result<()> {
        let mut remains = path.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.dir)).peekable();
        while let Some(dir) = remains.next_if(|dir| *dir != self.dir) {
            match self.store.files.remove_dir(dir) {
                Err(error) if is_missing(&error) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                    ) =>
                {
                    return self.store.files.sync_dir(dir);
                }
                removed => removed?,
            }
        }
        match self.store.files.sync_dir(&self.dir) {
            Err(error) if is_missing(&error) => Ok(()),
            synced => synced,
        }
    }

    /// An object's file, if it is there.
    pub(crate) fn object(&self, at: &Location) -> Result<Option<Identity>> {
        match self.store.files.identity(&self.file(&at.path)?) {
            Ok(found) => Ok(Some(found).filter(|found| found.kind == Kind::File)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(fault::io(format_args!("looking at `{at}`"), &error)),
        }
    }

    /// Removes an object; fine if it is gone.
    pub(crate) fn remove_object(&self, at: &Location) -> Result<()> {
        let path = self.file(&at.path)?;
        let say = |error| fault::io(format_args!("removing `{at}`"), &error);
        let _lock = self.lock()?;
        match self.store.files.remove(&path) {
            Err(error) if !is_missing(&error) => return Err(say(error)),
            _ => {}
        }
        self.prune_above(&path).map_err(say)?;
        let (bucket, key) = (self.name.as_str(), at.path.as_str());
        if self.store.index.read(|tx| known::row(tx, bucket, key))?.is_some() {
            self.store.index.write(|tx| known::forget(tx, bucket, key))?;
        }
        Ok(())
    }
}
