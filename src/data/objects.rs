//! The port's half for buckets, filled: finds the store and the turn for each call, and moves the
//! work off the runtime's threads. What happens then is in `bucket`, `carry` and `listing`.

use std::sync::Arc;

use async_trait::async_trait;
use domain::port::{BucketAt, Buckets, Job, Location, ObjectInfo, ObjectPage};
use domain::port_objects::{ListAsked, ObjectFacts};
use event::{Failure, Work};

use crate::bucket::{Bucket, info};
use crate::carry::Carry;
use crate::fault::Result;
use crate::index::{GET, PUT};
use crate::landing::Landing;
use crate::plane::Inner;
use crate::store::Store;
use crate::{Plane, lists};

pub(crate) fn bucket_of(at: &Location) -> Result<&BucketAt> {
    at.bucket.as_ref().ok_or_else(|| Failure::Ours(format!("`{at}` should be in a bucket")))
}

impl Inner {
    pub(crate) fn bucket_store(&self, at: &BucketAt) -> Result<Arc<Store>> {
        domain::name::bucket(&at.name)?;
        self.store(&at.region, &at.store)
    }

    fn put_object(
        &self,
        work: &dyn Work,
        job: &Job,
        from: &Location,
        to: &Location,
        replace: bool,
    ) -> Result<ObjectInfo> {
        let turn = self.fences.begin(job, "put", work.attempt())?;
        let store = self.bucket_store(bucket_of(to)?)?;
        let landing = Landing::object(&store, PUT, job, to, replace)?;
        let doing = "uploading";
        let carry = Carry { store: &store, root: &self.root, from, landing, work, turn: &turn, doing };
        let (_, _, bytes, modified_ns) = carry.run()?;
        Ok(info(&to.path, bytes, modified_ns))
    }

    fn get_object(
        &self,
        work: &dyn Work,
        job: &Job,
        from: &Location,
        to: &Location,
        replace: bool,
    ) -> Result<()> {
        let turn = self.fences.begin(job, "get", work.attempt())?;
        let store = self.bucket_store(bucket_of(from)?)?;
        let landing = Landing::file(&*self.files, GET, job, to, replace)?;
        let doing = "downloading";
        let carry = Carry { store: &store, root: &self.root, from, landing, work, turn: &turn, doing };
        carry.run().map(drop)
    }
}

#[async_trait]
impl Buckets for Plane {
    async fn make_bucket(&self, bucket: &BucketAt) -> Result<()> {
        let at = bucket.clone();
        self.blocking(move |inner| Bucket::new(&*inner.bucket_store(&at)?, &at)?.make()).await
    }

    async fn remove_bucket(&self, bucket: &BucketAt) -> Result<()> {
        let at = bucket.clone();
        self.blocking(move |inner| Bucket::new(&*inner.bucket_store(&at)?, &at)?.remove()).await
    }

    async fn put_object(
        &self,
        work: Arc<dyn Work>,
        job: &Job,
        from: &str,
        to: &Location,
        replace: bool,
    ) -> Result<ObjectInfo> {
        let (job, from, to) = (job.clone(), Location::file(from), to.clone());
        self.blocking(move |inner| inner.put_object(&*work, &job, &from, &to, replace)).await
    }

    async fn discard_put(&self, work: Arc<dyn Work>, job: &Job, to: &Location) -> Result<()> {
        let (job, to) = (job.clone(), to.clone());
        self.blocking(move |inner| {
            let _turn = inner.fences.begin(&job, "discard-put", work.attempt())?;
            let bucket = bucket_of(&to)?;
            let store = inner.store(&bucket.region, &bucket.store)?;
            Landing::undo(Landing::object(&store, PUT, &job, &to, false), std::slice::from_ref(&store))
        })
        .await
    }

    async fn get_object(
        &self,
        work: Arc<dyn Work>,
        job: &Job,
        from: &Location,
        to: &str,
        replace: bool,
    ) -> Result<()> {
        let (job, from, to) = (job.clone(), from.clone(), Location::file(to));
        self.blocking(move |inner| inner.get_object(&*work, &job, &from, &to, replace)).await
    }

    async fn discard_get(&self, work: Arc<dyn Work>, job: &Job, to: &str) -> Result<()> {
        let (job, to) = (job.clone(), Location::file(to));
        self.blocking(move |inner| {
            let _turn = inner.fences.begin(&job, "discard-get", work.attempt())?;
            Landing::undo(Landing::file(&*inner.files, GET, &job, &to, false), &inner.all_stores()?)
        })
        .await
    }

    async fn remove_object(&self, at: &Location) -> Result<()> {
        let at = at.clone();
        self.blocking(move |inner| {
            let bucket = bucket_of(&at)?;
            Bucket::new(&*inner.bucket_store(bucket)?, bucket)?.remove_object(&at)
        })
        .await
    }

    async fn object(&self, at: &Location) -> Result<Option<ObjectInfo>> {
        let at = at.clone();
        self.blocking(move |inner| {
            let bucket = bucket_of(&at)?;
            let store = inner.bucket_store(bucket)?;
            let bucket = Bucket::new(&store, bucket)?;
            bucket.require()?;
            let found = bucket.object(&at)?;
            Ok(found.map(|found| info(&at.path, found.size_bytes, found.modified_ns)))
        })
        .await
    }

    async fn objects(
        &self,
        bucket: &BucketAt,
        prefix: &str,
        after: &str,
        count: usize,
    ) -> Result<ObjectPage> {
        let (at, prefix, after) = (bucket.clone(), prefix.to_owned(), after.to_owned());
        self.blocking(move |inner| {
            let store = inner.bucket_store(&at)?;
            let asked = ListAsked { prefix, after, count, ..ListAsked::default() };
            let listed = lists::objects(&Bucket::new(&store, &at)?, &asked)?;
            let told = |facts: ObjectFacts| ObjectInfo {
                key: facts.key,
                bytes: facts.bytes,
                modified_ms: facts.modified_ms,
            };
            Ok(ObjectPage { objects: listed.items.into_iter().map(told).collect(), more: listed.more })
        })
        .await
    }
}
