//! Put a file of this computer into a bucket.

use async_trait::async_trait;
use domain::events::{ObjectDiscarded, ObjectPut};
use domain::port::{Job, Location};
use domain::{AccountId, image};
use engine::{Halt, Workflow};
use event::{Failure, Scope};
use serde::{Deserialize, Serialize};

use crate::create_bucket::still_own;
use crate::{At, Flow, Ports, on};

/// What a put is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutObject {
    /// Who owns the bucket.
    pub account: AccountId,
    /// Absolute path of the file.
    pub path: String,
    /// Where it goes.
    pub to: Location,
    /// Whether an object of that key may be replaced.
    #[serde(default)]
    pub replace: bool,
}

#[async_trait]
impl Workflow for PutObject {
    type Ports = Ports;
    type Output = String;
    const NAME: &'static str = "put_object";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        let region = self.to.bucket.as_ref().map(|bucket| &bucket.region);
        region.map_or_else(image::house, |region| image::scope(&self.account, region))
    }

    fn label(&self) -> String {
        format!("put `{}`", self.to)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<String, Halt> {
        let put = (self, Job(format!("p-{}", flow.new_id())));
        flow.step(on(&put, write))                      // ObjectPut
            .undo(on(&put, discard)).await?;            // ObjectDiscarded
        Ok(put.0.to.to_string())
    }
}

async fn write(at: At, (it, job): (PutObject, Job)) -> Result<ObjectPut, Failure> {
    still_own(&at, &it.account, &it.to)?;
    let put = at.ports().data.put_object(at.work(), &job, &it.path, &it.to, it.replace).await?;
    Ok(ObjectPut { at: it.to, bytes: put.bytes })
}

async fn discard(at: At, (it, job): (PutObject, Job)) -> Result<ObjectDiscarded, Failure> {
    at.ports().data.discard_put(at.work(), &job, &it.to).await?;
    Ok(ObjectDiscarded { at: it.to })
}
