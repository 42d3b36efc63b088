//! Buckets of objects in the stores of regions: a directory a bucket, a file an object.

use std::sync::Arc;

use async_trait::async_trait;
use domain::port::{BucketAt, Buckets, Job, Location, ObjectInfo, ObjectPage};
use event::{Failure, Work};

use crate::Plane;
use crate::fault::Result;

fn not_yet<T>() -> Result<T> {
    Err(Failure::Ours("not yet".into()))
}

#[async_trait]
impl Buckets for Plane {
    async fn make_bucket(&self, _bucket: &BucketAt) -> Result<()> {
        not_yet()
    }

    async fn remove_bucket(&self, _bucket: &BucketAt) -> Result<()> {
        not_yet()
    }

    async fn put_object(
        &self,
        _work: Arc<dyn Work>,
        _job: &Job,
        _from: &str,
        _to: &Location,
        _replace: bool,
    ) -> Result<ObjectInfo> {
        not_yet()
    }

    async fn discard_put(&self, _work: Arc<dyn Work>, _job: &Job, _to: &Location) -> Result<()> {
        not_yet()
    }

    async fn get_object(
        &self,
        _work: Arc<dyn Work>,
        _job: &Job,
        _from: &Location,
        _to: &str,
        _replace: bool,
    ) -> Result<()> {
        not_yet()
    }

    async fn discard_get(&self, _work: Arc<dyn Work>, _job: &Job, _to: &str) -> Result<()> {
        not_yet()
    }

    async fn remove_object(&self, _at: &Location) -> Result<()> {
        not_yet()
    }

    async fn object(&self, _at: &Location) -> Result<Option<ObjectInfo>> {
        not_yet()
    }

    async fn objects(
        &self,
        _bucket: &BucketAt,
        _prefix: &str,
        _after: &str,
        _count: usize,
    ) -> Result<ObjectPage> {
        not_yet()
    }
}
