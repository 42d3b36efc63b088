//! The port, filled: finds the store and the turn for each call, and moves the work off the
//! runtime's threads.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::port::{
    BackUp, BackedUp, CheckItem, Collected, DataPlane, Format, Job, LiveManifests, Location, Pace, Place,
    Source, StoreReport, StoredDisk, Target, Transferred, Verified,
};
use domain::port_objects::Objects;
use domain::{RegionId, StoreId};
use event::{Failure, Work};
use files::Files;

use crate::collect::Collection;
use crate::copy::Stored;
use crate::export::Export;
use crate::fault::{self, Result};
use crate::fence::Fences;
use crate::index::{COLLECT, TRANSFER, domain_of, job_key};
use crate::origin::Origin;
use crate::pace::{Limits, Monotonic};
use crate::store::{Store, check_id, read_id, region_dir};
use crate::transfer::Transfer;
use crate::walk::{Walk, count_chunks};
use crate::{Options, backup, copy, examine, export, reader, settle, source};

/// The data plane on a file system: one directory a region below a root.
#[derive(Clone)]
pub struct Plane(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) root: PathBuf,
    options: Options,
    stores: Mutex<HashMap<RegionId, Arc<Store>>>,
    /// Regions whose index failed to sync and has not been copied yet.
    lost: Mutex<HashSet<RegionId>>,
    pub(crate) fences: Fences,
    /// What copies may send together.
    limits: Limits,
}

impl Plane {
    /// A data plane whose stores are `root/<region>/`. Opens nothing yet.
    pub fn new(files: Arc<dyn Files>, root: PathBuf, mut options: Options) -> Self {
        options.workers = options.workers.max(1);
        let (stores, lost, fences) = (Mutex::default(), Mutex::default(), Fences::default());
        let limits = Limits::new(Arc::new(Monotonic::new()));
        Self(Arc::new(Inner { files, root, options, stores, lost, fences, limits }))
    }

    /// Bytes read from sources for this job since this plane was made, repeated ones counted again.
    pub fn source_bytes_read(&self, job: &Job) -> u64 {
        self.0.fences.read(job)
    }

    /// Bytes that copies have read from source stores for this job since this plane was made:
    /// frames as they lie there, compressed; repeated ones counted again.
    pub fn copied_bytes(&self, job: &Job) -> u64 {
        self.0.fences.sent(job)
    }

    /// Runs blocking work where it may block, and waits for its end.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || run(&inner))
            .await
            .unwrap_or_else(|error| Err(Failure::Ours(format!("the data plane's work ended early: {error}"))))
    }
}

impl Inner {
    fn dir(&self, region: &RegionId) -> Result<PathBuf> {
        region_dir(&self.root, region)
    }

    /// The open store of a region, if it is the one named.
    pub(crate) fn store(&self, region: &RegionId, id: &StoreId) -> Result<Arc<Store>> {
        let dir = self.dir(region)?;
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(region) {
            // First of all: nothing is closed or opened for a store that is not there.
            check_id(&*self.files, &dir, region, id)?;
            if store.id == *id && !store.index.is_broken() && store.is_in_place() {
                return Ok(Arc::clone(store));
            }
            // Two databases on one file would destroy it: wait for the last user of this one.
            if Arc::strong_count(store) > 1 {
                return Err(Failure::World(format!(
                    "the store of region `{region}` has failed and is still in use; it is opened \
                     anew when what uses it has ended"
                )));
            }
            let lost = store.index.is_lost();
            stores.remove(region);
            if lost {
                self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(region.clone());
            }
        }
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.contains(region) {
            check_id(&*self.files, &dir, region, id)?;
            Store::rescue(&*self.files, &dir, region)?;
            lost.remove(region);
        }
        let store = Arc::new(Store::open(&self.files, &dir, region, id, &self.options)?);
        stores.insert(region.clone(), Arc::clone(&store));
        Ok(store)
    }

    fn place(&self, place: &Place) -> Result<Arc<Store>> {
        self.store(&place.region, &place.store)
    }

    /// The stores that are there, whatever their ids.
    pub(crate) fn all_stores(&self) -> Result<Vec<Arc<Store>>> {
        let mut stores = Vec::new();
        let names = match self.files.list(&self.root) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(fault::io("looking for stores", &error)),
        };
        for region in names.into_iter().map(RegionId) {
            let Ok(dir) = self.dir(&region) else { continue };
            if let Some(id) = read_id(&*self.files, &dir, &region).ok().flatten() {
                stores.push(self.store(&region, &id)?);
            }
        }
        Ok(stores)
    }
}

#[async_trait]
impl DataPlane for Plane {
    fn objects_by_stream(&self) -> Arc<dyn Objects> {
        Arc::new(self.clone())
    }

    async fn make_store(&self, region: &RegionId, store: &StoreId) -> Result<()> {
        let (region, store) = (region.clone(), store.clone());
        self.blocking(move |inner| {
            let dir = inner.dir(&region)?;
            Store::make(&*inner.files, &dir, &region, &store, &inner.options)
        })
        .await
    }

    async fn reach(&self, region: &RegionId, store: &StoreId) -> Result<()> {
        let (region, store) = (region.clone(), store.clone());
        self.blocking(move |inner| check_id(&*inner.files, &inner.dir(&region)?, &region, &store)).await
    }

    async fn inspect(&self, at: &Location, format: Option<Format>) -> Result<Source> {
        let at = at.clone();
        self.blocking(move |inner| source::inspect(&*inner.files, &inner.root, &at, format)).await
    }

    async fn transfer(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        source: &Source,
    ) -> Result<Transferred> {
        let (place, job, source) = (place.clone(), job.clone(), source.clone());
        self.blocking(move |inner| {
            let turn = inner.fences.begin(&job, "transfer", work.attempt())?;
            let store = inner.place(&place)?;
            Transfer {
                store: &store,
                domain: domain_of(&place.account),
                job: job_key(TRANSFER, &job.0),
                origin: Origin::File(&source),
                work: &*work,
                turn: &turn,
            }
            .run()
        })
        .await
    }

    async fn verify(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        disk: &StoredDisk,
    ) -> Result<Verified> {
        let (place, job, disk) = (place.clone(), job.clone(), *disk);
        self.blocking(move |inner| {
            let turn = inner.fences.begin(&job, "verify", work.attempt())?;
            let store = inner.place(&place)?;
            let domain = domain_of(&place.account);
            let walk = Walk {
                store: &store,
                domain,
                disk: &disk,
                work: &*work,
                turn: &turn,
                doing: "verifying",
                thorough: true,
            };
            let references = std::sync::atomic::AtomicU64::new(0);
            let root = walk.run(&|taken| {
                references.fetch_add(taken.chunks.len() as u64, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            })?;
            let chunks = count_chunks(&store, domain, &disk.manifest, references.into_inner())?;
            Ok(Verified { root, chunks })
        })
        .await
    }

    async fn blank(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        disk_bytes: u64,
    ) -> Result<Transferred> {
        let (place, job) = (place.clone(), job.clone());
        self.blocking(move |inner| {
            let turn = inner.fences.begin(&job, "blank", work.attempt())?;
            let origin = Origin::zeros(disk_bytes)?;
            let store = inner.place(&place)?;
            Transfer {
                store: &store,
                domain: domain_of(&place.account),
                job: job_key(TRANSFER, &job.0),
                origin,
                work: &*work,
                turn: &turn,
            }
            .run()
        })
        .await
    }

    async fn copy(
        &self,
        work: Arc<dyn Work>,
        source: &Place,
        disk: &StoredDisk,
        target: &Place,
        job: &Job,
        pace: Pace,
    ) -> Result<Transferred> {
        let (source, disk, target, job) = (source.clone(), *disk, target.clone(), job.clone());
        self.blocking(move |inner| {
            let turn = inner.fences.begin(&job, "copy", work.attempt())?;
            let rates = copy::rates(pace)?;
            let key = job_key(TRANSFER, &job.0);
            let store = inner.place(&target).map_err(copy::nothing_written)?;
            // Once it has ended it needs its source no more, nor has that to be there.
            if let Some(done) = copy::done(&store, &key, &source, &disk)? {
                return Ok(done);
            }
            let from = inner.place(&source).map_err(copy::nothing_written)?;
            Transfer {
                store: &store,
                domain: domain_of(&target.account),
                job: key,
                origin: Origin::Stored(Stored {
                    store: &from,
                    place: &source,
                    domain: domain_of(&source.account),
                    disk: &disk,
                    rates,
                    limits: &inner.limits,
                }),
                work: &*work,
                turn: &turn,
            }
            .run()
        })
        .await
    }

    async fn check_guest(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        disk: &StoredDisk,
    ) -> Result<Vec<CheckItem>> {
        let (place, disk) = (place.clone(), *disk);
        self.blocking(move |inner| {
            let store = inner.place(&place)?;
            reader::check_guest(&store, domain_of(&place.account), &disk, &*work)
        })
        .await
    }

    async fn settle(&self, work: Arc<dyn Work>, place: &Place, job: &Job) -> Result<()> {
        let (place, job) = (place.clone(), job.clone());
        self.blocking(move |inner| {
            let turn = inner.fences.begin(&job, "settle", work.attempt())?;
            settle::settle(&*inner.place(&place)?, &job_key(TRANSFER, &job.0), &turn)
        })
        .await
    }

    async fn discard(&self, work: Arc<dyn Work>, place: &Place, job: &Job) -> Result<()> {
        let (place, job) = (place.clone(), job.clone());
        self.blocking(move |inner| {
            let turn = inner.fences.begin(&job, "discard", work.attempt())?;
            settle::discard(&*inner.place(&place)?, &job_key(TRANSFER, &job.0), &turn)
        })
        .await
    }

    async fn export(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        disk: &StoredDisk,
        target: &Target,
    ) -> Result<()> {
        let (place, job, disk, target) = (place.clone(), job.clone(), *disk, target.clone());
        self.blocking(move |inner| {
            let turn = inner.fences.begin(&job, "export", work.attempt())?;
            let store = inner.place(&place)?;
            Export {
                store: &store,
                domain: domain_of(&place.account),
                job: &job,
                disk: &disk,
                target: &target,
                work: &*work,
                turn: &turn,
            }
            .run()
        })
        .await
    }

    async fn discard_export(&self, work: Arc<dyn Work>, job: &Job, target: &Target) -> Result<()> {
        let (job, target) = (job.clone(), target.clone());
        self.blocking(move |inner| {
            let _turn = inner.fences.begin(&job, "discard-export", work.attempt())?;
            let stores = match &target.at.bucket {
                Some(bucket) => vec![inner.store(&bucket.region, &bucket.store)?],
                None => inner.all_stores()?,
            };
            export::discard(&*inner.files, &stores, &job, &target)
        })
        .await
    }

    async fn collect(
        &self,
        work: Arc<dyn Work>,
        region: &RegionId,
        store: &StoreId,
        job: &Job,
        live: Arc<dyn LiveManifests>,
    ) -> Result<Collected> {
        let (region, id, job) = (region.clone(), store.clone(), job.clone());
        self.blocking(move |inner| {
            let turn = inner.fences.begin(&job, "collect", work.attempt())?;
            let store = inner.store(&region, &id)?;
            Collection {
                store: &store,
                job: job_key(COLLECT, &job.0),
                work: &*work,
                turn: &turn,
                live: &*live,
            }
            .run()
        })
        .await
    }

    async fn back_up(&self, asked: BackUp) -> Result<Vec<BackedUp>> {
        self.blocking(move |inner| backup::back_up(inner, asked)).await
    }

    async fn bring_back(&self, from: PathBuf, to: PathBuf, files: Vec<BackedUp>) -> Result<()> {
        self.blocking(move |inner| backup::bring_back(&*inner.files, &from, &to, &files)).await
    }

    async fn examine(
        &self,
        region: &RegionId,
        store: &StoreId,
        live: Arc<dyn LiveManifests>,
        deep: bool,
    ) -> Result<StoreReport> {
        let (region, id) = (region.clone(), store.clone());
        self.blocking(move |inner| examine::examine(&*inner.store(&region, &id)?, &*live, deep)).await
    }
}
