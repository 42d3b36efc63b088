//! Create a bucket.

use async_trait::async_trait;
use domain::events::{BucketCleared, BucketPlaced, BucketReserved};
use domain::port::{BucketAt, Location};
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Failure, Scope};
use serde::{Deserialize, Serialize};

use crate::{At, Flow, Ports, of, on};

/// What a creation is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateBucket {
    /// Who will own it.
    pub account: AccountId,
    /// Its name, and where it will be.
    pub bucket: BucketAt,
}

#[async_trait]
impl Workflow for CreateBucket {
    type Ports = Ports;
    type Output = String;
    const NAME: &'static str = "create_bucket";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("create the bucket `{}`", self.bucket.name)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<String, Halt> {
        // BucketReserved
        flow.decide(self.scope(), of(&self, |view, it| rules::reserve_bucket(view, it.reservation())))
            .undo(of(&self, |view, it| rules::remove_bucket(view, &it.bucket.name))).await?;            // BucketRemoved

        flow.step(on(&self.bucket, place))  // BucketPlaced
            .undo(on(&self.bucket, clear)).await?;                                                      // BucketCleared

        flow.decide(self.scope(), of(&self, |view, it| rules::made_bucket(view, &it.bucket.name)))      // BucketMade
            .point_of_no_return("it may have objects from now on").await?;
        Ok(self.bucket.name)
    }
}

impl CreateBucket {
    /// What will be reserved.
    pub fn reservation(self) -> BucketReserved {
        BucketReserved { bucket: self.bucket.name, account: self.account, region: self.bucket.region }
    }
}

pub(crate) async fn place(at: At, bucket: BucketAt) -> Result<BucketPlaced, Failure> {
    at.ports().data.make_bucket(&bucket).await?;
    Ok(BucketPlaced { bucket: bucket.name })
}

/// Fails unless the bucket is still the account's: what was begun long ago may find that its bucket
/// was deleted, and that another account has one of that name.
pub(crate) fn still_own(at: &At, account: &AccountId, object: &Location) -> Result<(), Failure> {
    let name = object.bucket.as_ref().map_or("", |bucket| &bucket.name);
    let found = image::BUCKETS.get(&*at.rows()?, &image::house(), &[name]);
    rules::own_bucket(found, name, account).map_err(Failure::Caller)?;
    Ok(())
}

pub(crate) async fn clear(at: At, bucket: BucketAt) -> Result<BucketCleared, Failure> {
    at.ports().data.remove_bucket(&bucket).await?;
    Ok(BucketCleared { bucket: bucket.name })
}
