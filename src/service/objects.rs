//! What the bucket wire asks beside requests: whose a bucket is, and objects as streams.
//!
//! Buckets are made and removed by [`dispatch`](crate::dispatch) like everything that has a story.
//! Objects go through here: a stream is no request, and an upload is no operation, for who sends it
//! waits at the other end and sends it again if no answer comes.

use std::sync::Arc;

use domain::RegionId;
use domain::image::{BUCKETS, Bucket, house};
use domain::port::BucketAt;
use domain::port_objects::Objects;
use event::{Actor, FlowId};

use crate::lookup::{self, account};
use crate::service::settled;
use crate::{Service, Trouble};

/// A bucket of the account that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnBucket {
    /// What the log says of it.
    pub row: Bucket,
    /// Where it is.
    pub at: BucketAt,
}

impl Service {
    /// The account's bucket of that name. To others it is not there.
    pub fn own_bucket(&self, actor: &Actor, name: &str) -> Result<OwnBucket, Trouble> {
        let rows = self.engine.snapshot()?;
        let at = lookup::bucket(&rows, actor, name)?;
        let row = BUCKETS.get(&rows, &house(), &[name]).filter(|row| row.account == account(actor));
        let row = row.ok_or_else(|| Trouble::mixed_up("a bucket"))?;
        Ok(OwnBucket { row, at })
    }

    /// The account's buckets that may be used, by name.
    pub fn own_buckets(&self, actor: &Actor) -> Result<Vec<Bucket>, Trouble> {
        let mut all = BUCKETS.list(&self.engine.snapshot()?, &house(), &[]);
        all.retain(|bucket| bucket.account == account(actor) && bucket.ready);
        Ok(all)
    }

    /// The regions there are.
    pub fn region_ids(&self) -> Result<Vec<RegionId>, Trouble> {
        lookup::regions(&self.engine.snapshot()?, None)
    }

    /// Objects as streams. Who asks has to hold the location from [`Service::own_bucket`].
    pub fn objects(&self) -> Arc<dyn Objects> {
        self.data.objects_by_stream()
    }

    /// Removes an object, without a story; fine if it is not there.
    pub async fn drop_object(&self, at: &domain::port::Location) -> Result<(), Trouble> {
        Ok(self.data.remove_object(at).await?)
    }

    /// Waits for the end of an operation, and says how it ended.
    pub async fn ended(&self, workflow: FlowId) -> Result<(), Trouble> {
        settled(&self.engine.wait(workflow).await?)
    }

    /// The time.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}
