//! A copy of stores while they are in use, and the way back.
//!
//! ```text
//!  hold collections ─▶ (the log is looked at) ─▶ index as of now, packs pinned ─▶ let go ─▶ copy ─▶ read back
//! ```
//!
//! What the log knows when it is looked at is on disk, and only a collection removes it; so collections wait until
//! every pack has a second name in `pinned/`. The index is copied row by row out of one view of it, so that the
//! copy is as of one moment and needs no repair. Of a pack that is still being filled the copy has what the index
//! speaks of. Packs are never written again once they are sealed: one that an earlier backup has, with the same
//! length, is given a further name there. Objects are copied as they are when their turn comes, but for those that
//! bytes are put behind: they come as long as the copied index knows them. What came later has no row there, so the
//! copy is marked as one whose objects are to be counted. Uploads in parts and what else is on its way into a bucket
//! are left out.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use domain::port::{BackUp, BackedUp};
use event::Failure;
use files::{Backend, File, Files, Kind, Open};
use redb::{Database, Key, ReadTransaction, ReadableTable, TableDefinition, Value, WriteTransaction};

use crate::bucket::{PARTIAL_DIR, is_missing};
use crate::fault::{self, Result};
use crate::index::{CHUNKS, COUNTERS, FRAMES, Inside, JOBS, OWNED, PACKS, PackRow, SEGMENTS, decode};
use crate::key;
use crate::known::{self, OBJECTS, ObjectRow};
use crate::landing::Seen;
use crate::pack;
use crate::plane::Inner;
use crate::store::{BUCKETS_DIR, ID_FILE, INDEX_FILE, PACKS_DIR, PINNED_DIR, Store, doom, remove_if_there};
use crate::wire::COUNTED;

/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;
/// Directories below a bucket at most: a key of 1,023 bytes has no more.
const DEPTH_MAX: usize = 2048;
/// The copy of an index is made with this much memory.
const INDEX_CACHE_BYTES: usize = 64 << 20;

/// A pack to be copied.
pub(crate) struct Pinned {
    name: String,
    bytes: u64,
    is_sealed: bool,
}

/// Takes the further names of packs away.
pub(crate) fn unpin(files: &dyn Files, dir: &Path) -> io::Result<()> {
    let pinned = dir.join(PINNED_DIR);
    match files.list(&pinned) {
        Err(error) if is_missing(&error) => return Ok(()),
        names => names?.iter().try_for_each(|name| remove_if_there(files, &pinned.join(name)))?,
    }
    files.remove_dir(&pinned)
}

/// Copies stores, and reads the copy back.
pub(crate) fn back_up(inner: &Inner, asked: BackUp) -> Result<Vec<BackedUp>> {
    let BackUp { stores, to, earlier, begun } = asked;
    let files = &*inner.files;
    let stores: Vec<Arc<Store>> =
        stores.iter().map(|(region, id)| inner.store(region, id)).collect::<Result<_>>()?;
    let (from, earlier) = earlier.map_or((None, Vec::new()), |(from, files)| (Some(from), files));
    let earlier = earlier.into_iter().map(|file| (file.path.clone(), file)).collect();
    let mut copying = Copying::new(files, &to, from.as_deref(), earlier);
    let pinned = {
        let _held: Vec<_> = stores
            .iter()
            .map(|store| store.collecting.lock().unwrap_or_else(PoisonError::into_inner))
            .collect();
        begun()?;
        let pinned: Result<Vec<_>> = stores.iter().map(|store| copying.index(store)).collect();
        if pinned.is_err() {
            for store in &stores {
                // What is left of them goes at the next opening.
                drop(unpin(files, &store.dir));
            }
        }
        pinned?
    };
    let copied = stores.iter().zip(pinned).try_for_each(|(store, packs)| copying.store(store, packs));
    let unpinned = stores.iter().try_for_each(|store| unpin(files, &store.dir));
    copied?;
    unpinned.map_err(|error| fault::io("taking further names of packs away", &error))?;
    Ok(copying.copied)
}

/// A copy under way.
pub(crate) struct Copying<'a> {
    files: &'a dyn Files,
    to: &'a Path,
    from: Option<&'a Path>,
    earlier: HashMap<String, BackedUp>,
    /// What the copied indexes know of objects that bytes are put behind, by the paths of their files.
    appendable: HashMap<String, Vec<Seen>>,
    pub(crate) copied: Vec<BackedUp>,
}

impl<'a> Copying<'a> {
    pub(crate) fn new(
        files: &'a dyn Files,
        to: &'a Path,
        from: Option<&'a Path>,
        earlier: HashMap<String, BackedUp>,
    ) -> Self {
        Self { files, to, from, earlier, appendable: HashMap::new(), copied: Vec::new() }
    }

    /// Copies the index, and gives its packs further names.
    pub(crate) fn index(&mut self, store: &Store) -> Result<Vec<Pinned>> {
        let region = &store.region;
        let say = |error| fault::io(format_args!("backing up region `{region}`"), &error);
        let (dir, pinned) = (self.to.join(&region.0), store.dir.join(PINNED_DIR));
        self.files.create_dirs(&dir.join(PACKS_DIR)).map_err(say)?;
        unpin(self.files, &store.dir).map_err(say)?;
        self.files.create_dirs(&pinned).map_err(say)?;
        let path = dir.join(INDEX_FILE);
        let file = self.files.open(&path, Open::CreateNew).map_err(say)?;
        let (mut failed, mut appendable) = (None, HashMap::new());
        let packs = store.index.read(|tx| {
            let (mut packs, mut gone) = (Vec::new(), Vec::new());
            for row in tx.open_table(PACKS)?.iter()? {
                let (number, row) = row?;
                let (number, row) = (number.value(), decode::<PackRow>(row.value())?);
                let name = pack::name(number);
                match self.files.link(&store.pack_path(number), &pinned.join(&name)) {
                    _ if row.doomed => gone.push(number),
                    Ok(()) => {
                        let bytes = if row.sealed { row.file_bytes } else { row.data_bytes };
                        packs.push(Pinned { name, bytes, is_sealed: row.sealed });
                    }
                    // Given up a moment ago by the job it belongs to.
                    Err(error) if is_missing(&error) && row.owner.is_some() => gone.push(number),
                    Err(error) => {
                        failed = Some(fault::io(format_args!("keeping pack `{name}`"), &error));
                        return Ok(Vec::new());
                    }
                }
            }
            let mut builder = Database::builder();
            builder.set_cache_size(INDEX_CACHE_BYTES);
            let db = builder.create_with_backend(Backend::new(file.clone()))?;
            let new = db.begin_write()?;
            copy_table(tx, &new, CHUNKS)?;
            copy_table(tx, &new, FRAMES)?;
            copy_table(tx, &new, PACKS)?;
            copy_table(tx, &new, OWNED)?;
            copy_table(tx, &new, JOBS)?;
            copy_table(tx, &new, SEGMENTS)?;
            copy_table(tx, &new, COUNTERS)?;
            new.open_table(COUNTERS)?.remove(COUNTED)?;
            copy_table(tx, &new, OBJECTS)?;
            appendable = appendable_in(tx, &format!("{region}/{BUCKETS_DIR}"))?;
            new.open_table(crate::parts::UPLOADS)?;
            new.open_table(crate::parts::PARTS)?;
            new.open_table(crate::append::APPENDING)?;
            gone.iter().try_for_each(|number| doom(&new, *number))?;
            new.commit()?;
            Ok(packs)
        })?;
        if let Some(failed) = failed {
            return Err(failed);
        }
        self.appendable.extend(appendable);
        file.sync().map_err(say)?;
        let bytes = file.identity().map_err(say)?.size_bytes;
        let digest = digest_of(&*file, bytes).map_err(say)?;
        self.note(format!("{region}/{INDEX_FILE}"), bytes, digest, 0, false);
        Ok(packs)
    }

    fn note(&mut self, path: String, bytes: u64, digest: String, modified_ns: i64, reused: bool) {
        self.copied.push(BackedUp { path, bytes, digest, modified_ns, reused });
    }

    /// Copies what is in a store beside its index.
    pub(crate) fn store(&mut self, store: &Store, packs: Vec<Pinned>) -> Result<()> {
        let region = store.region.0.clone();
        self.object(&store.dir.join(ID_FILE), format!("{region}/{ID_FILE}"))?;
        let id = self.copied.last();
        // The same pack of the same store; another store's may have the same number.
        let is_of_this = id
            .is_some_and(|id| self.earlier.get(&id.path).is_some_and(|earlier| earlier.digest == id.digest));
        for Pinned { name, bytes, is_sealed } in packs {
            let path = format!("{region}/{PACKS_DIR}/{name}");
            let same = |earlier: &&BackedUp| is_of_this && is_sealed && earlier.bytes == bytes;
            if let Some(earlier) = self.earlier.get(&path).filter(same).cloned()
                && let Some(from) = self.from
                && self.files.link(&from.join(&path), &self.to.join(&path)).is_ok()
            {
                self.check(&path, bytes, &earlier.digest)?;
                self.note(path, bytes, earlier.digest, earlier.modified_ns, true);
                continue;
            }
            self.pack(&store.dir.join(PINNED_DIR).join(&name), path, bytes)?;
        }
        self.objects(&store.dir.join(BUCKETS_DIR), &format!("{region}/{BUCKETS_DIR}"), 0)?;
        for dir in [self.to.join(&region).join(PACKS_DIR), self.to.join(&region)] {
            self.files.sync_dir(&dir).map_err(|error| fault::io("backing up", &error))?;
        }
        Ok(())
    }

    /// Copies objects, directory by directory.
    fn objects(&mut self, dir: &Path, path: &str, depth: usize) -> Result<()> {
        let say = |error| fault::io(format_args!("backing up `{path}`"), &error);
        let names = match self.files.list(dir) {
            Err(error) if is_missing(&error) => return Ok(()),
            names => names.map_err(say)?,
        };
        if depth > DEPTH_MAX {
            return Err(Failure::Ours(format!("`{path}` lies deeper than any object")));
        }
        self.files.create_dirs(&self.to.join(path)).map_err(say)?;
        for name in names.iter().filter(|name| *name != PARTIAL_DIR) {
            let (from, path) = (dir.join(name), format!("{path}/{name}"));
            match self.files.identity(&from).map(|found| found.kind) {
                Ok(Kind::Directory) => self.objects(&from, &path, depth + 1)?,
                Ok(Kind::File) => self.object(&from, path)?,
                Ok(Kind::Other) => {}
                // Removed meanwhile.
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(say(error)),
            }
        }
        self.files.sync_dir(&self.to.join(path)).map_err(say)
    }

    /// Copies the first so many bytes of a pack.
    fn pack(&mut self, from: &Path, path: String, bytes: u64) -> Result<()> {
        let say = |error| fault::io(format_args!("backing up `{path}`"), &error);
        let file = self.files.open(from, Open::Read).map_err(say)?;
        let modified_ns = file.identity().map_err(say)?.modified_ns;
        self.file(&*file, path, bytes, modified_ns)
    }

    /// Copies an object, or the id of a store; fine if it has gone meanwhile.
    fn object(&mut self, from: &Path, path: String) -> Result<()> {
        let say = |error| fault::io(format_args!("backing up `{path}`"), &error);
        let file = match self.files.open(from, Open::Read) {
            Err(error) if is_missing(&error) => return Ok(()),
            file => file.map_err(say)?,
        };
        let found = file.identity().map_err(say)?;
        // What lies behind the length that is known may be bytes that nobody was told are there, and what is known
        // of the object fits that length and its time alone.
        let fits = |(_, inode, bytes, _): &&Seen| *inode == found.inode && *bytes <= found.size_bytes;
        let known = self.appendable.get(&path).and_then(|known| known.iter().find(fits));
        let (bytes, modified_ns) =
            known.map_or((found.size_bytes, found.modified_ns), |(_, _, bytes, at_ns)| (*bytes, *at_ns));
        self.file(&*file, path, bytes, modified_ns)
    }

    fn file(&mut self, file: &dyn File, path: String, bytes: u64, modified_ns: i64) -> Result<()> {
        let say = |error| fault::io(format_args!("backing up `{path}`"), &error);
        let to = self.files.open(&self.to.join(&path), Open::CreateNew).map_err(say)?;
        let digest = copy(file, &*to, bytes, modified_ns).map_err(say)?;
        drop(to);
        self.check(&path, bytes, &digest)?;
        self.note(path, bytes, digest, modified_ns, false);
        Ok(())
    }

    /// Reads back what was written.
    fn check(&self, path: &str, bytes: u64, digest: &str) -> Result<()> {
        let say = |error| fault::io(format_args!("reading back `{path}`"), &error);
        let file = self.files.open(&self.to.join(path), Open::Read).map_err(say)?;
        // From the disk, and not what was just written, as far as the system takes the hint.
        file.advise(0..bytes, false);
        if digest_of(&*file, bytes).map_err(say)? == digest {
            return Ok(());
        }
        Err(fault::corrupt(format_args!("`{path}` of the backup is not what was written")))
    }
}

/// What is known of objects that bytes are put behind, by the paths of their files below a directory of buckets.
fn appendable_in(tx: &ReadTransaction, below: &str) -> Inside<HashMap<String, Vec<Seen>>> {
    let mut found = HashMap::new();
    for row in tx.open_table(OBJECTS)?.iter()? {
        let (at, row) = row?;
        let row: ObjectRow = decode(row.value())?;
        let of_kind = row.states.iter().filter(|state| state.kind == known::Kind::Appendable);
        let seen: Vec<Seen> = of_kind.map(|state| state.seen).collect();
        if !seen.is_empty() {
            let (bucket, key) = at.value();
            found.insert(format!("{below}/{bucket}/{}", key::path(key).display()), seen);
        }
    }
    Ok(found)
}

/// Copies a table row by row, in order.
fn copy_table<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &WriteTransaction,
    table: TableDefinition<'static, K, V>,
) -> Inside<()> {
    let (from, mut to) = (from.open_table(table)?, to.open_table(table)?);
    for row in from.iter()? {
        let (key, value) = row?;
        to.insert(key.value(), value.value())?;
    }
    Ok(())
}

/// Visits a file's first bytes in pieces.
fn pieces(
    file: &dyn File,
    bytes: u64,
    mut visit: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut at = 0;
    while at < bytes {
        let piece = usize::try_from((bytes - at).min(COPY_BYTES as u64)).expect("at most the buffer");
        file.read_at(at, &mut buffer[..piece])?;
        visit(at, &buffer[..piece])?;
        at += piece as u64;
    }
    Ok(())
}

fn digest_of(file: &dyn File, bytes: u64) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    pieces(file, bytes, |_, piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Copies the first bytes of a file, durably, and tells their digest. Zeros become holes.
fn copy(from: &dyn File, to: &dyn File, bytes: u64, modified_ns: i64) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    to.set_len(bytes)?;
    pieces(from, bytes, |at, piece| {
        hasher.update(piece);
        if piece.iter().all(|byte| *byte == 0) { Ok(()) } else { to.write_at(at, piece) }
    })?;
    to.set_modified_ns(modified_ns)?;
    to.sync()?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Copies stores from a backup, and fails if they are not what was backed up.
pub(crate) fn bring_back(files: &dyn Files, from: &Path, to: &Path, all: &[BackedUp]) -> Result<()> {
    let mut dirs = std::collections::BTreeSet::new();
    for BackedUp { path, bytes, digest, modified_ns, .. } in all {
        let say = |error| fault::io(format_args!("restoring `{path}`"), &error);
        let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !path.split('/').all(is_plain) {
            return Err(fault::corrupt(format_args!("the backup names a file `{path}`")));
        }
        let target = to.join(path);
        for above in target.ancestors().skip(1).take_while(|above| above.starts_with(to)) {
            dirs.insert(above.to_owned());
        }
        let dir = target.parent().unwrap_or(to);
        files.create_dirs(dir).map_err(say)?;
        if target.file_name().is_some_and(|name| name == ID_FILE) {
            // A store has it, also while there is nothing in it.
            files.create_dirs(&dir.join(PACKS_DIR)).map_err(say)?;
        }
        let file = files.open(&from.join(path), Open::Read).map_err(say)?;
        let there = file.identity().map_err(say)?.size_bytes;
        let new = files.open(&target, Open::CreateNew).map_err(say)?;
        let copied =
            if there < *bytes { None } else { Some(copy(&*file, &*new, *bytes, *modified_ns).map_err(say)?) };
        if copied.as_ref() != Some(digest) {
            return Err(fault::corrupt(format_args!("`{path}` of the backup is not what was backed up")));
        }
    }
    dirs.iter().rev().try_for_each(|dir| files.sync_dir(dir)).map_err(|error| fault::io("restoring", &error))
}
