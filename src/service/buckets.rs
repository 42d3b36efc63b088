//! Use cases on buckets and their objects. To every account but its own a bucket is not there.

use std::path::Path;
use std::sync::Arc;

use domain::image::{BUCKETS, house};
use domain::port::{BucketAt, Compression, Format, Location, Target, Wrapping};
use domain::rules;
use event::{Actor, Refusal, View};
use files::Kind;
use workflows::{CreateBucket, DeleteBucket, GetObject, PutObject, RemoveObject};

use crate::asked::Asked;
use crate::lookup::{self, account};
use crate::request::Reply;
use crate::request_things::BucketRequest;
use crate::unfinished::join;
use crate::view::Started;
use crate::view_things::{Buckets, Objects};
use crate::{Service, Trouble};

/// Objects told at once.
const LISTED_MAX: u32 = 1000;

impl Service {
    pub(crate) async fn bucket(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        request: BucketRequest,
    ) -> Result<Reply, Trouble> {
        Ok(match request {
            BucketRequest::Create { bucket, region } => {
                self.create_bucket(actor, asked, bucket, region.as_ref()).await?.into()
            }
            BucketRequest::List { region } => {
                let rows = self.engine.snapshot()?;
                let regions = lookup::regions(&rows, region.as_ref())?;
                let mut all = BUCKETS.list(&rows, &house(), &[]);
                all.retain(|bucket| bucket.account == account(&actor) && regions.contains(&bucket.region));
                Buckets { buckets: all.into_iter().map(Into::into).collect() }.into()
            }
            BucketRequest::Delete { bucket } => self.delete_bucket(actor, asked, &bucket).await?.into(),
            BucketRequest::Put { path, bucket, key, replace } => {
                let to = self.object_at(&actor, &bucket, key)?;
                let put = PutObject { account: account(&actor), path, to, replace };
                self.put_object(actor, asked, put).await?.into()
            }
            BucketRequest::Get { bucket, key, path, replace } => {
                let from = self.object_at(&actor, &bucket, key)?;
                let get = GetObject { account: account(&actor), from, path, replace };
                self.get_object(actor, asked, get).await?.into()
            }
            BucketRequest::Remove { bucket, key } => {
                let at = self.object_at(&actor, &bucket, key)?;
                self.remove_object(actor, asked, at).await?.into()
            }
            BucketRequest::Objects { bucket, prefix, after, count } => {
                let bucket = lookup::bucket(&self.engine.snapshot()?, &actor, &bucket)?;
                let count = usize::try_from(count.clamp(1, LISTED_MAX)).unwrap_or(1);
                let page = self.data.objects(&bucket, &prefix, &after, count).await?;
                let objects = page.objects.into_iter().map(Into::into).collect();
                Objects { objects, more: page.more }.into()
            }
        })
    }

    async fn create_bucket(
        &self,
        actor: Actor,
        asked: &Asked,
        name: String,
        region: Option<&domain::RegionId>,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        domain::name::bucket(&name)?;
        let region = lookup::region(&rows, region)?;
        let bucket = BucketAt { region: region.id, store: region.store, name };
        let creation = CreateBucket { account: account(&actor), bucket };
        let scope = house();
        rules::reserve_bucket(
            &View::new(&rows, &scope, self.clock.now_ms()),
            creation.clone().reservation(),
        )?;
        self.begin(actor, asked, creation, String::new()).await
    }

    async fn delete_bucket(&self, actor: Actor, asked: &Asked, name: &str) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let bucket = lookup::bucket(&self.engine.snapshot()?, &actor, name)?;
        if !self.data.objects(&bucket, "", "", 1).await?.objects.is_empty() {
            let why = format!("the bucket `{name}` is not empty");
            return Err(Refusal::new("BucketNotEmpty", why)
                .advise("remove its objects first: `kiln bucket ls` shows them, `kiln bucket rm` removes one")
                .into());
        }
        let flow = DeleteBucket { account: account(&actor), bucket };
        self.begin(actor, asked, flow, String::new()).await
    }

    async fn put_object(&self, actor: Actor, asked: &Asked, put: PutObject) -> Result<Started, Trouble> {
        // One at a time, so that two of the same become one.
        let _one = self.starting.lock().await;
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let what = format!("a put of `{}`", put.to);
        let joined = join(&self.engine.snapshot()?, &put, &what, |other| *other == put)?;
        if let Some(joined) = joined {
            asked.go_on()?;
            return Ok(joined);
        }
        match self.files.identity(Path::new(&put.path)) {
            Ok(found) if found.kind == Kind::File => {}
            Ok(_) => {
                let why = format!("`{}` is no regular file", put.path);
                return Err(Refusal::new("InvalidSource.NotAFile", why).advise("name a file").into());
            }
            Err(error) => {
                let why = format!("`{}` cannot be read: {error}", put.path);
                return Err(Refusal::new("InvalidSource.NotFound", why)
                    .advise("give the path of a file that this user may read")
                    .into());
            }
        }
        if !put.replace && self.data.object(&put.to).await?.is_some() {
            let refusal = Refusal::new("FileAlreadyExists", format!("`{}` exists already", put.to));
            return Err(refusal.advise("choose another key, or replace it with `--force`").into());
        }
        self.begin(actor, asked, put, String::new()).await
    }

    async fn get_object(&self, actor: Actor, asked: &Asked, get: GetObject) -> Result<Started, Trouble> {
        let _one = self.starting.lock().await;
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let what = format!("a get of `{}`", get.from);
        let joined = join(&self.engine.snapshot()?, &get, &what, |other| *other == get)?;
        if let Some(joined) = joined {
            asked.go_on()?;
            return Ok(joined);
        }
        self.found(&get.from).await?;
        self.check_target(&Target {
            at: Location::file(get.path.clone()),
            format: Format::Raw,
            compression: Compression::None,
            wrapping: Wrapping::None,
            replace: get.replace,
        })?;
        self.begin(actor, asked, get, String::new()).await
    }

    async fn remove_object(&self, actor: Actor, asked: &Asked, at: Location) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        self.found(&at).await?;
        let flow = RemoveObject { account: account(&actor), at };
        self.begin(actor, asked, flow, String::new()).await
    }

    /// Fails unless the object is there.
    async fn found(&self, at: &Location) -> Result<(), Trouble> {
        if self.data.object(at).await?.is_some() {
            return Ok(());
        }
        let refusal = Refusal::new("NoSuchKey", format!("there is no object `{at}`"));
        Err(refusal.advise("`kiln bucket ls` shows what a bucket holds").into())
    }

    /// An object in one of the account's buckets, wherever that is.
    fn object_at(&self, actor: &Actor, bucket: &str, key: String) -> Result<Location, Trouble> {
        let bucket = lookup::bucket(&self.engine.snapshot()?, actor, bucket)?;
        domain::name::object_key(&key)?;
        Ok(Location::object(bucket, key))
    }
}
