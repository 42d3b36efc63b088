//! The port's half for the bucket wire, filled: finds the store for each call and moves the work off
//! the runtime's threads. What happens then is in `upload`, `append`, `parts`, `complete` and `lists`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::port::{BucketAt, Location};
use domain::port_objects::{
    Headers, ListAsked, Listed, ObjectBytes, ObjectFacts, Objects, Opened, PartFacts, Upload, UploadFacts,
};
use files::{File, Kind, Open};

use crate::Plane;
use crate::append::Append;
use crate::bucket::{Bucket, is_missing};
use crate::fault::{self, Result};
use crate::objects::bucket_of;
use crate::parts::{self, Multipart, Part};
use crate::plane::Inner;
use crate::store::Store;
use crate::upload::{Piped, Put};
use crate::{known, lists};

impl Inner {
    fn store_of(&self, at: &Location) -> Result<Arc<Store>> {
        self.bucket_store(bucket_of(at)?)
    }
}

/// An open object.
struct Bytewise {
    at: Location,
    file: Arc<dyn File>,
}

#[async_trait]
impl ObjectBytes for Bytewise {
    async fn read(&self, offset: u64, len: usize) -> Result<Bytes> {
        let file = Arc::clone(&self.file);
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; len];
            file.read_at(offset, &mut bytes).map(|()| Bytes::from(bytes))
        });
        let say = |error: std::io::Error| fault::io(format_args!("reading `{}`", self.at), &error);
        read.await.map_err(|error| say(std::io::Error::other(error)))?.map_err(say)
    }
}

/// What is known of an object, and its file if that is wanted.
fn look(store: &Store, at: &Location, open: bool) -> Result<Option<(ObjectFacts, Option<Arc<dyn File>>)>> {
    let say = |error| fault::io(format_args!("looking at `{at}`"), &error);
    let bucket = Bucket::of(store, at)?;
    let path = bucket.file(&at.path)?;
    let found = match store.files.identity(&path) {
        Ok(found) if found.kind == Kind::File => found,
        Ok(_) => return bucket.require().map(|()| None),
        Err(error) if is_missing(&error) => return bucket.require().map(|()| None),
        Err(error) => return Err(say(error)),
    };
    let (found, file) = if open {
        let file = match store.files.open(&path, Open::Read) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(say(error)),
        };
        (file.identity().map_err(say)?, Some(file))
    } else {
        (found, None)
    };
    let row = store.index.read(|tx| known::row(tx, bucket.name(), &at.path))?.unwrap_or_default();
    Ok(Some((row.state(&found).facts(&at.path), file)))
}

fn describe(store: &Store, at: &Location, headers: Headers) -> Result<Option<ObjectFacts>> {
    let bucket = Bucket::of(store, at)?;
    let _lock = bucket.lock()?;
    bucket.require()?;
    let Some(there) = bucket.object(at)? else { return Ok(None) };
    store.index.write(|tx| known::describe(tx, bucket.name(), &at.path, &there, headers)).map(Some)
}

#[async_trait]
impl Objects for Plane {
    async fn begin_put(&self, to: &Location, bytes: Option<u64>) -> Result<Box<dyn Upload>> {
        let to = to.clone();
        let put = self.blocking(move |inner| Put::begin(inner.store_of(&to)?, &to, bytes)).await?;
        Ok(Piped::new(put))
    }

    async fn begin_append(&self, to: &Location, position: u64) -> Result<Box<dyn Upload>> {
        let to = to.clone();
        let append = self.blocking(move |inner| Append::begin(inner.store_of(&to)?, &to, position)).await?;
        Ok(Piped::new(append))
    }

    async fn open(&self, at: &Location) -> Result<Option<Opened>> {
        let place = at.clone();
        let found = self.blocking(move |inner| look(&*inner.store_of(&place)?, &place, true)).await?;
        Ok(found.and_then(|(facts, file)| {
            let bytes: Box<dyn ObjectBytes> = Box::new(Bytewise { at: at.clone(), file: file? });
            Some((facts, bytes))
        }))
    }

    async fn facts(&self, at: &Location) -> Result<Option<ObjectFacts>> {
        let at = at.clone();
        let found = self.blocking(move |inner| look(&*inner.store_of(&at)?, &at, false)).await?;
        Ok(found.map(|(facts, _)| facts))
    }

    async fn describe(&self, at: &Location, headers: Headers) -> Result<Option<ObjectFacts>> {
        let at = at.clone();
        self.blocking(move |inner| describe(&*inner.store_of(&at)?, &at, headers)).await
    }

    async fn list(&self, bucket: &BucketAt, asked: &ListAsked) -> Result<Listed<ObjectFacts>> {
        let (at, asked) = (bucket.clone(), asked.clone());
        self.blocking(move |inner| lists::objects(&Bucket::new(&*inner.bucket_store(&at)?, &at)?, &asked))
            .await
    }

    async fn initiate(&self, to: &Location, headers: Headers) -> Result<String> {
        let to = to.clone();
        self.blocking(move |inner| parts::initiate(&*inner.store_of(&to)?, &to, headers)).await
    }

    async fn begin_part(
        &self,
        to: &Location,
        upload: &str,
        number: u32,
        bytes: Option<u64>,
    ) -> Result<Box<dyn Upload>> {
        let (to, upload) = (to.clone(), upload.to_owned());
        let begin = move |inner: &Inner| {
            Part::begin(Multipart::find(inner.store_of(&to)?, &to, &upload)?, number, bytes)
        };
        Ok(Piped::new(self.blocking(begin).await?))
    }

    async fn parts(
        &self,
        to: &Location,
        upload: &str,
        after: u32,
        count: usize,
    ) -> Result<(Vec<PartFacts>, bool)> {
        let (to, upload) = (to.clone(), upload.to_owned());
        self.blocking(move |inner| Multipart::find(inner.store_of(&to)?, &to, &upload)?.list(after, count))
            .await
    }

    async fn uploads(&self, bucket: &BucketAt, asked: &ListAsked) -> Result<Listed<UploadFacts>> {
        let (at, asked) = (bucket.clone(), asked.clone());
        self.blocking(move |inner| lists::uploads(&Bucket::new(&*inner.bucket_store(&at)?, &at)?, &asked))
            .await
    }

    async fn complete(
        &self,
        to: &Location,
        upload: &str,
        parts: Option<Vec<(u32, String)>>,
        replace: bool,
    ) -> Result<ObjectFacts> {
        let (to, upload) = (to.clone(), upload.to_owned());
        let complete = move |inner: &Inner| {
            Multipart::find(inner.store_of(&to)?, &to, &upload)?.complete(parts.as_deref(), replace)
        };
        self.blocking(complete).await
    }

    async fn abort(&self, to: &Location, upload: &str) -> Result<()> {
        let (to, upload) = (to.clone(), upload.to_owned());
        self.blocking(move |inner| Multipart::find(inner.store_of(&to)?, &to, &upload)?.abort()).await
    }
}
