//! What stands between the stories and the data plane: calls made twice, or never let begin, and a place where
//! an import is held when there is no way back.

use std::sync::Arc;

use async_trait::async_trait;
use domain::port::{
    BucketAt, Buckets, CheckItem, Collected, DataPlane, Format, Job, LiveManifests, Location, ObjectInfo,
    ObjectPage, Pace, Place, Source, StoreReport, StoredDisk, Target, Transferred, Verified,
};
use domain::{RegionId, StoreId};
use event::{Failure, Work};
use tokio::sync::Notify;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twice {
    Twice,
    Never,
}

pub struct Wrapped {
    pub inner: Arc<dyn DataPlane>,
    pub way: Twice,
    /// Where a job waits before it is settled, if it is to.
    pub settles: Option<Arc<Held>>,
}

/// A door that says when somebody stands before it.
#[derive(Debug, Default)]
pub struct Held {
    pub came: Notify,
    pub may_go: Notify,
}

/// Makes a call twice and has both say the same; or refuses it.
macro_rules! forward {
    ($self:ident, $call:expr) => {{
        if $self.way == Twice::Never {
            return Err(Failure::caller("Test.Refused", "the test does not let it begin"));
        }
        let first = $call.await?;
        let second = $call.await?;
        assert_eq!(first, second, "a second run gives the first one's answer");
        Ok(second)
    }};
}

/// Makes an undo twice.
macro_rules! undo {
    ($call:expr) => {{
        $call.await?;
        $call.await
    }};
}

#[async_trait]
impl DataPlane for Wrapped {
    fn objects_by_stream(&self) -> Arc<dyn domain::port_objects::Objects> {
        self.inner.objects_by_stream()
    }

    async fn make_store(&self, region: &RegionId, store: &StoreId) -> Result<(), Failure> {
        self.inner.make_store(region, store).await?;
        self.inner.make_store(region, store).await
    }

    async fn reach(&self, region: &RegionId, store: &StoreId) -> Result<(), Failure> {
        self.inner.reach(region, store).await
    }

    async fn inspect(&self, at: &Location, format: Option<Format>) -> Result<Source, Failure> {
        self.inner.inspect(at, format).await
    }

    async fn transfer(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        source: &Source,
    ) -> Result<Transferred, Failure> {
        forward!(self, self.inner.transfer(work.clone(), place, job, source))
    }

    async fn verify(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        disk: &StoredDisk,
    ) -> Result<Verified, Failure> {
        forward!(self, self.inner.verify(work.clone(), place, job, disk))
    }

    async fn blank(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        disk_bytes: u64,
    ) -> Result<Transferred, Failure> {
        forward!(self, self.inner.blank(work.clone(), place, job, disk_bytes))
    }

    async fn copy(
        &self,
        work: Arc<dyn Work>,
        source: &Place,
        disk: &StoredDisk,
        target: &Place,
        job: &Job,
        pace: Pace,
    ) -> Result<Transferred, Failure> {
        forward!(self, self.inner.copy(work.clone(), source, disk, target, job, pace.clone()))
    }

    async fn check_guest(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        disk: &StoredDisk,
    ) -> Result<Vec<CheckItem>, Failure> {
        forward!(self, self.inner.check_guest(work.clone(), place, disk))
    }

    async fn settle(&self, work: Arc<dyn Work>, place: &Place, job: &Job) -> Result<(), Failure> {
        if let Some(held) = &self.settles {
            held.came.notify_one();
            held.may_go.notified().await;
        }
        forward!(self, self.inner.settle(work.clone(), place, job))
    }

    async fn discard(&self, work: Arc<dyn Work>, place: &Place, job: &Job) -> Result<(), Failure> {
        undo!(self.inner.discard(work.clone(), place, job))
    }

    async fn export(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        disk: &StoredDisk,
        target: &Target,
    ) -> Result<(), Failure> {
        forward!(self, self.inner.export(work.clone(), place, job, disk, target))
    }

    async fn discard_export(&self, work: Arc<dyn Work>, job: &Job, target: &Target) -> Result<(), Failure> {
        undo!(self.inner.discard_export(work.clone(), job, target))
    }

    async fn collect(
        &self,
        work: Arc<dyn Work>,
        region: &RegionId,
        store: &StoreId,
        job: &Job,
        live: Arc<dyn LiveManifests>,
    ) -> Result<Collected, Failure> {
        forward!(self, self.inner.collect(work.clone(), region, store, job, live.clone()))
    }

    async fn examine(
        &self,
        region: &RegionId,
        store: &StoreId,
        live: Arc<dyn LiveManifests>,
        deep: bool,
    ) -> Result<StoreReport, Failure> {
        self.inner.examine(region, store, live, deep).await
    }
}

#[async_trait]
impl Buckets for Wrapped {
    async fn make_bucket(&self, bucket: &BucketAt) -> Result<(), Failure> {
        forward!(self, self.inner.make_bucket(bucket))
    }

    async fn remove_bucket(&self, bucket: &BucketAt) -> Result<(), Failure> {
        undo!(self.inner.remove_bucket(bucket))
    }

    async fn put_object(
        &self,
        work: Arc<dyn Work>,
        job: &Job,
        from: &str,
        to: &Location,
        replace: bool,
    ) -> Result<ObjectInfo, Failure> {
        forward!(self, self.inner.put_object(work.clone(), job, from, to, replace))
    }

    async fn discard_put(&self, work: Arc<dyn Work>, job: &Job, to: &Location) -> Result<(), Failure> {
        undo!(self.inner.discard_put(work.clone(), job, to))
    }

    async fn get_object(
        &self,
        work: Arc<dyn Work>,
        job: &Job,
        from: &Location,
        to: &str,
        replace: bool,
    ) -> Result<(), Failure> {
        forward!(self, self.inner.get_object(work.clone(), job, from, to, replace))
    }

    async fn discard_get(&self, work: Arc<dyn Work>, job: &Job, to: &str) -> Result<(), Failure> {
        undo!(self.inner.discard_get(work.clone(), job, to))
    }

    async fn remove_object(&self, at: &Location) -> Result<(), Failure> {
        undo!(self.inner.remove_object(at))
    }

    async fn object(&self, at: &Location) -> Result<Option<ObjectInfo>, Failure> {
        self.inner.object(at).await
    }

    async fn objects(
        &self,
        bucket: &BucketAt,
        prefix: &str,
        after: &str,
        count: usize,
    ) -> Result<ObjectPage, Failure> {
        self.inner.objects(bucket, prefix, after, count).await
    }
}
