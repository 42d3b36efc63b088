//! Delete a bucket that holds nothing.

use async_trait::async_trait;
use domain::port::BucketAt;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::Scope;
use serde::{Deserialize, Serialize};

use crate::create_bucket::{clear, place};
use crate::{Flow, Ports, of, on};

/// What a deletion is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteBucket {
    /// Who owns it.
    pub account: AccountId,
    /// Its name, and where it is.
    pub bucket: BucketAt,
}

#[async_trait]
impl Workflow for DeleteBucket {
    type Ports = Ports;
    type Output = String;
    const NAME: &'static str = "delete_bucket";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("delete the bucket `{}`", self.bucket.name)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<String, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| rules::close_bucket(view, &it.bucket.name, &it.account)))
            // BucketClosed, BucketReopened
            .undo(of(&self, |view, it| rules::reopen_bucket(view, &it.bucket.name))).await?;

        // A bucket that holds something refuses, and the story turns.
        flow.step(on(&self.bucket, clear))                                                     // BucketCleared
            .undo(on(&self.bucket, place)).await?;                                             // BucketPlaced

        flow.decide(self.scope(), of(&self, |view, it| Ok(rules::remove_bucket(view, &it.bucket.name))))
            .point_of_no_return("its name is free").await?;                                    // BucketRemoved
        Ok(self.bucket.name)
    }
}
