//! A region's store: a directory with an id file, an index, packs and buckets.
//!
//! ```text
//! store.id               which store this is; looked at every time it is opened, and first of all
//! index.redb             see `index`
//! packs/*.pack           see `pack`
//! pinned/*.pack          packs that a backup is copying, see `backup`
//! buckets/NAME/          see `bucket` and `key`: the objects of a bucket
//! buckets/NAME/.partial/ what is on its way into the bucket
//! ```
//!
//! A store whose id file is missing or names another store is not touched: the disk it lives on is
//! not mounted, or another's is. Opening removes packs that nothing accounts for, which is what a
//! power cut leaves of work that had not come to a checkpoint, and what the bucket wire had under way
//! (see `wire`); packs of unfinished jobs stay, and so do objects.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Digest, RegionId, StoreId};
use event::Failure;
use files::{File, Files, Open};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::Options;
use crate::fault::{self, Result};
use crate::index::{
    CHUNKS, COUNTERS, Domain, FRAMES, Index, Inside, NEXT_PACK, OWNED, PACKS, PackRow, Place, chunk_key,
    chunk_key_parts, decode,
};
use crate::pack;
use crate::wire::Wire;

pub(crate) const ID_FILE: &str = "store.id";
/// Further names of the packs that a backup is copying, so that none of them goes meanwhile.
pub(crate) const PINNED_DIR: &str = "pinned";
const ID_FILE_NEW: &str = "store.id.new";
pub(crate) const INDEX_FILE: &str = "index.redb";
pub(crate) const INDEX_FILE_NEW: &str = "index.redb.new";
pub(crate) const PACKS_DIR: &str = "packs";
pub(crate) const BUCKETS_DIR: &str = "buckets";
/// Longest id file read: an id is a few dozen letters.
const ID_BYTES_MAX: u64 = 256;
/// Packs kept open for reading, so that a verification does not open one for every segment.
const HANDLES_MAX: usize = 64;
/// Packs removed in one transaction: at most about a million rows.
const PACKS_PER_REMOVAL: usize = 16;

/// An open store.
pub(crate) struct Store {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
    pub(crate) id: StoreId,
    pub(crate) region: RegionId,
    pub(crate) index: Index,
    /// Device and inode of the index that is open.
    index_file: (u64, u64),
    pub(crate) options: Options,
    /// Held by the one collection that may run.
    pub(crate) collecting: Mutex<()>,
    /// Held while names in buckets change, so that no directory goes while a name comes into it.
    pub(crate) naming: Mutex<()>,
    next_pack: AtomicU64,
    /// What the bucket wire has under way.
    pub(crate) wire: Wire,
    /// Packs being filled whose row is not yet in the index: no strays.
    unregistered: Mutex<HashSet<u64>>,
    handles: Mutex<HashMap<u64, Arc<dyn File>>>,
}

impl Store {
    /// Makes the store of a region; fine if this very store is there already.
    pub(crate) fn make(
        files: &dyn Files,
        dir: &Path,
        region: &RegionId,
        id: &StoreId,
        options: &Options,
    ) -> Result<()> {
        let say = |error| fault::io(format_args!("making the store of region `{region}`"), &error);
        match read_id(files, dir, region)? {
            Some(found) if found == *id => return Ok(()),
            Some(found) => return Err(anothers(region, id, &found)),
            None => {}
        }
        let packs = dir.join(PACKS_DIR);
        files.create_dirs(&packs).map_err(say)?;
        if !files.list(&packs).map_err(say)?.is_empty() {
            return Err(Failure::World(format!(
                "region `{region}` has packs but no id file: this is a store that lost its name; \
                 restore `{ID_FILE}` or give the region an empty directory"
            )));
        }
        match files.list(&dir.join(BUCKETS_DIR)) {
            Ok(names) if names.is_empty() => {}
            Ok(_) => {
                return Err(Failure::World(format!(
                    "region `{region}` has buckets but no id file: this is a store that lost its name; \
                     restore `{ID_FILE}` or give the region an empty directory"
                )));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(say(error)),
        }
        // A store without its id file was never used: what is there of it is made anew.
        remove_if_there(files, &dir.join(INDEX_FILE)).map_err(say)?;
        let file = files.open(&dir.join(INDEX_FILE), Open::CreateNew).map_err(say)?;
        drop(Index::open(file, options.index_cache_bytes, &region.0)?);
        let new = dir.join(ID_FILE_NEW);
        remove_if_there(files, &new).map_err(say)?;
        let file = files.open(&new, Open::CreateNew).map_err(say)?;
        file.write_at(0, format!("{id}\n").as_bytes()).map_err(say)?;
        file.sync().map_err(say)?;
        files.sync_dir(dir).map_err(say)?;
        files.rename(&new, &dir.join(ID_FILE)).map_err(say)?;
        files.sync_dir(dir).map_err(say)?;
        for above in dir.ancestors().skip(1).take(2) {
            files.sync_dir(above).map_err(say)?;
        }
        Ok(())
    }

    /// Opens the store of a region, if it is the one named.
    pub(crate) fn open(
        files: &Arc<dyn Files>,
        dir: &Path,
        region: &RegionId,
        id: &StoreId,
        options: &Options,
    ) -> Result<Self> {
        check_id(&**files, dir, region, id)?;
        let say = |error| fault::io(format_args!("opening the store of region `{region}`"), &error);
        for unfinished in [ID_FILE_NEW, INDEX_FILE_NEW] {
            remove_if_there(&**files, &dir.join(unfinished)).map_err(say)?;
        }
        crate::backup::unpin(&**files, dir).map_err(say)?;
        let file = match files.open(&dir.join(INDEX_FILE), Open::Write) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(fault::corrupt(format_args!("the index of region `{region}` is gone")));
            }
            Err(error) => return Err(say(error)),
        };
        let found = file.identity().map_err(say)?;
        let index = Index::open(file, options.index_cache_bytes, &region.0)?;
        let next_pack = index.read(|tx| {
            let last = tx.open_table(PACKS)?.last()?.map_or(0, |(pack, _)| pack.value());
            let next = tx.open_table(COUNTERS)?.get(NEXT_PACK)?.map_or(1, |next| next.value());
            Ok(next.max(last + 1))
        })?;
        let store = Self {
            files: Arc::clone(files),
            dir: dir.to_owned(),
            id: id.clone(),
            region: region.clone(),
            index,
            index_file: (found.device, found.inode),
            options: options.clone(),
            collecting: Mutex::new(()),
            naming: Mutex::new(()),
            next_pack: AtomicU64::new(next_pack),
            wire: Wire::default(),
            unregistered: Mutex::default(),
            handles: Mutex::default(),
        };
        store.sweep()?;
        store.settle_buckets()?;
        Ok(store)
    }

    /// Makes what is seen of an index durable after its sync has failed; nobody may have it open.
    pub(crate) fn rescue(files: &dyn Files, dir: &Path, region: &RegionId) -> Result<()> {
        tracing::warn!(%region, "copying an index that failed to sync");
        crate::index::rescue(files, &dir.join(INDEX_FILE))
            .map_err(|error| fault::io(format_args!("copying the index of region `{region}`"), &error))
    }

    /// Fails unless the id file still says what it should and the index is the file that is open:
    /// a directory that was removed goes on taking writes that nobody will find.
    pub(crate) fn check_id(&self) -> Result<()> {
        check_id(&*self.files, &self.dir, &self.region, &self.id)?;
        if self.is_in_place() {
            return Ok(());
        }
        Err(Failure::World(format!(
            "the store of region `{}` was replaced while it was in use; it is opened anew when what \
             uses it has ended",
            self.region
        )))
    }

    /// Whether what is open is what is there.
    pub(crate) fn is_in_place(&self) -> bool {
        self.files
            .identity(&self.dir.join(INDEX_FILE))
            .is_ok_and(|there| (there.device, there.inode) == self.index_file)
    }

    fn packs_dir(&self) -> PathBuf {
        self.dir.join(PACKS_DIR)
    }

    /// Path of a pack.
    pub(crate) fn pack_path(&self, pack: u64) -> PathBuf {
        self.packs_dir().join(pack::name(pack))
    }

    fn unregistered(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.unregistered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<u64, Arc<dyn File>>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a pack file. Until [`Store::registered`] or [`Store::forsaken`] it is no stray.
    pub(crate) fn begin_pack(&self, domain: &Domain) -> Result<pack::Writer> {
        let number = self.next_pack.fetch_add(1, Ordering::Relaxed);
        self.unregistered().insert(number);
        match self.files.open(&self.pack_path(number), Open::CreateNew) {
            Ok(file) => Ok(pack::Writer::new(number, file, domain)),
            Err(error) => {
                self.forsaken(&[number]);
                Err(fault::io(format_args!("making pack `{}`", pack::name(number)), &error))
            }
        }
    }

    /// These packs' rows are committed now.
    pub(crate) fn registered(&self, packs: &[u64]) {
        let mut unregistered = self.unregistered();
        for pack in packs {
            unregistered.remove(pack);
        }
    }

    /// Nobody fills these packs any more; those that have no row are strays from here on.
    pub(crate) fn forsaken(&self, packs: &[u64]) {
        self.registered(packs);
    }

    /// The packs being filled that have no row yet.
    pub(crate) fn under_way(&self) -> HashSet<u64> {
        self.unregistered().clone()
    }

    /// Makes the names of pack files durable.
    pub(crate) fn sync_packs_dir(&self) -> Result<()> {
        self.files
            .sync_dir(&self.packs_dir())
            .map_err(|error| fault::io("syncing the directory of packs", &error))
    }

    /// Fails if less than the reserve would be left after writing `bytes` more.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<()> {
        let free = self
            .files
            .free_bytes(&self.packs_dir())
            .map_err(|error| fault::io("asking for free storage", &error))?;
        if free < self.options.reserve_bytes.saturating_add(bytes) {
            return Err(fault::full(format_args!("storing data in region `{}`", self.region)));
        }
        Ok(())
    }

    /// A pack for reading.
    pub(crate) fn pack_file(&self, number: u64) -> io::Result<Arc<dyn File>> {
        if let Some(file) = self.handles().get(&number) {
            return Ok(Arc::clone(file));
        }
        let file = self.files.open(&self.pack_path(number), Open::Read)?;
        let mut handles = self.handles();
        if handles.len() >= HANDLES_MAX {
            handles.clear();
        }
        handles.insert(number, Arc::clone(&file));
        Ok(file)
    }

    /// Takes packs out of the index and removes their files: first their rows, so that nothing is
    /// looked up in them, then the files, then what remembers that they were to be removed.
    pub(crate) fn remove_packs(&self, packs: &[u64]) -> Result<()> {
        for some in packs.chunks(PACKS_PER_REMOVAL) {
            self.index.write(|tx| some.iter().try_for_each(|&pack| doom(tx, pack)))?;
            self.remove_doomed(some)?;
        }
        Ok(())
    }

    /// Removes the files of packs that are doomed in the index, then their rows.
    pub(crate) fn remove_doomed(&self, packs: &[u64]) -> Result<()> {
        if packs.is_empty() {
            return Ok(());
        }
        for &pack in packs {
            self.handles().remove(&pack);
            remove_if_there(&*self.files, &self.pack_path(pack))
                .map_err(|error| fault::io(format_args!("removing pack `{}`", pack::name(pack)), &error))?;
        }
        self.sync_packs_dir()?;
        self.index.write(|tx| {
            let mut rows = tx.open_table(PACKS)?;
            packs.iter().try_for_each(|pack| rows.remove(pack).map(drop))?;
            Ok(())
        })
    }

    /// Removes doomed packs, and pack files that no row and no work under way accounts for.
    pub(crate) fn sweep(&self) -> Result<()> {
        self.check_id()?;
        let say = |error| fault::io("looking through the packs", &error);
        let names = self.files.list(&self.packs_dir()).map_err(say)?;
        // In this order: a pack enters the index before it leaves the set.
        let unregistered = self.unregistered().clone();
        let (known, doomed) = self.index.read(|tx| {
            let (mut known, mut doomed) = (HashSet::new(), Vec::new());
            for row in tx.open_table(PACKS)?.iter()? {
                let (pack, row) = row?;
                known.insert(pack.value());
                if decode::<PackRow>(row.value())?.doomed {
                    doomed.push(pack.value());
                }
            }
            Ok((known, doomed))
        })?;
        for some in doomed.chunks(PACKS_PER_REMOVAL) {
            self.remove_doomed(some)?;
        }
        let mut removed = false;
        for name in &names {
            let Some(pack) = pack::number(name) else { continue };
            if !known.contains(&pack) && !unregistered.contains(&pack) {
                tracing::info!(pack = name, "removing a pack that nothing accounts for");
                remove_if_there(&*self.files, &self.pack_path(pack)).map_err(say)?;
                removed = true;
            }
        }
        if removed { self.sync_packs_dir() } else { Ok(()) }
    }
}

/// Marks a pack for removal and takes its frames out of the index.
pub(crate) fn doom(tx: &WriteTransaction, pack: u64) -> Inside<()> {
    let mut packs = tx.open_table(PACKS)?;
    let Some(row) = packs.get(pack)?.map(|row| decode::<PackRow>(row.value())).transpose()? else {
        return Ok(());
    };
    let mut chunks = tx.open_table(CHUNKS)?;
    let mut frames = tx.open_table(FRAMES)?;
    for row_of_ids in frames.extract_from_if((pack, 0)..=(pack, u64::MAX), |_, _| true)? {
        let (_, ids) = row_of_ids?;
        let (ids, _) = ids.value().as_chunks::<32>();
        for id in ids {
            chunks.remove(&chunk_key(&row.domain, &Digest(*id), pack))?;
        }
    }
    if let Some(owner) = &row.owner {
        tx.open_table(OWNED)?.remove((owner.as_str(), pack))?;
    }
    let row = PackRow { doomed: true, owner: None, ..row };
    packs.insert(pack, crate::index::encode(&row).as_slice())?;
    Ok(())
}

/// The packs that belong to a job alone.
pub(crate) fn owned(tx: &ReadTransaction, job: &str) -> Inside<Vec<u64>> {
    let table = tx.open_table(OWNED)?;
    table.range((job, 0)..=(job, u64::MAX))?.map(|row| Ok(row?.0.value().1)).collect()
}

/// Answers which packs count, and remembers it for the length of a transaction.
pub(crate) struct Sight<'a> {
    tx: &'a ReadTransaction,
    domain: Domain,
    packs: HashMap<u64, Option<PackRow>>,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(tx: &'a ReadTransaction, domain: Domain) -> Self {
        Self { tx, domain, packs: HashMap::new() }
    }

    fn pack(&mut self, pack: u64) -> Inside<Option<&PackRow>> {
        if !self.packs.contains_key(&pack) {
            let row = self.tx.open_table(PACKS)?.get(pack)?;
            let row = row.map(|row| decode::<PackRow>(row.value())).transpose()?;
            self.packs.insert(pack, row.filter(|row| !row.doomed));
        }
        Ok(self.packs[&pack].as_ref())
    }

    fn rows(
        &self,
        table: &redb::ReadOnlyTable<&'static crate::index::ChunkKey, &'static [u8; Place::BYTES]>,
        id: &Digest,
    ) -> Inside<Vec<(u64, Place)>> {
        let (from, to) = (chunk_key(&self.domain, id, 0), chunk_key(&self.domain, id, u64::MAX));
        table
            .range::<&crate::index::ChunkKey>(&from..=&to)?
            .map(|row| {
                let (key, place) = row?;
                Ok((chunk_key_parts(key.value()).2, Place::decode(place.value())))
            })
            .collect()
    }

    /// Which of these frames an import may build on: in a settled pack and not condemned, or in a
    /// pack of its own.
    pub(crate) fn known(&mut self, ids: &[Digest], job: &str) -> Inside<Vec<bool>> {
        let table = self.tx.open_table(CHUNKS)?;
        let mut known = Vec::with_capacity(ids.len());
        for id in ids {
            let mut found = false;
            for (pack, place) in self.rows(&table, id)? {
                let Some(row) = self.pack(pack)? else { continue };
                found |= match &row.owner {
                    Some(owner) => owner == job,
                    None => place.condemned == 0,
                };
            }
            known.push(found);
        }
        Ok(known)
    }

    /// Where these frames can be read: any pack of the account that is not being removed; one that
    /// is not condemned if there is a choice.
    pub(crate) fn places(&mut self, ids: impl Iterator<Item = Digest>) -> Inside<Vec<Option<(u64, Place)>>> {
        let table = self.tx.open_table(CHUNKS)?;
        let mut places = Vec::new();
        for id in ids {
            let mut best: Option<(u64, Place)> = None;
            for (pack, place) in self.rows(&table, &id)? {
                let better = best.is_none_or(|(_, best)| best.condemned != 0 && place.condemned == 0);
                if better && self.pack(pack)?.is_some() {
                    best = Some((pack, place));
                }
            }
            places.push(best);
        }
        Ok(places)
    }
}

/// Where the store of a region lies below the root.
pub(crate) fn region_dir(root: &Path, region: &RegionId) -> Result<PathBuf> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if region.0.is_empty() || !region.0.chars().all(plain) {
        return Err(Failure::caller(
            "InvalidRegionId.NotFound",
            format!("`{region}` is no name of a region"),
        ));
    }
    Ok(root.join(&region.0))
}

/// Removes a file; fine if it is not there.
pub(crate) fn remove_if_there(files: &dyn Files, path: &Path) -> io::Result<()> {
    match files.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The id a store says it has; none if there is no id file.
pub(crate) fn read_id(files: &dyn Files, dir: &Path, region: &RegionId) -> Result<Option<StoreId>> {
    let say = |error| fault::io(format_args!("reading the id of the store of region `{region}`"), &error);
    let file = match files.open(&dir.join(ID_FILE), Open::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(say(error)),
    };
    let len = file.identity().map_err(say)?.size_bytes.min(ID_BYTES_MAX);
    let mut text = vec![0; usize::try_from(len).expect("at most a few hundred")];
    file.read_at(0, &mut text).map_err(say)?;
    Ok(Some(StoreId(String::from_utf8_lossy(&text).trim().to_owned())))
}

/// Fails unless the store in this directory is the one named.
pub(crate) fn check_id(files: &dyn Files, dir: &Path, region: &RegionId, id: &StoreId) -> Result<()> {
    match read_id(files, dir, region)? {
        Some(found) if found == *id => Ok(()),
        Some(found) => Err(anothers(region, id, &found)),
        None => Err(Failure::World(format!(
            "the store of region `{region}` is not there: `{}` has no id file; is its disk \
             mounted?",
            dir.display()
        ))),
    }
}

fn anothers(region: &RegionId, id: &StoreId, found: &StoreId) -> Failure {
    Failure::World(format!(
        "the store of region `{region}` should be `{id}`, but another's is there, `{found}`; is \
         the right disk mounted?"
    ))
}
