//! Get an object out of a bucket, to a file on this computer.

use async_trait::async_trait;
use domain::events::{FetchDiscarded, ObjectFetched};
use domain::port::{Job, Location};
use domain::{AccountId, image};
use engine::{Halt, Workflow};
use event::{Failure, Scope};
use serde::{Deserialize, Serialize};

use crate::create_bucket::still_own;
use crate::{At, Flow, Ports, on};

/// What a get is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetObject {
    /// Who owns the bucket.
    pub account: AccountId,
    /// Where it is.
    pub from: Location,
    /// Absolute path of the file.
    pub path: String,
    /// Whether a file of that name may be replaced.
    #[serde(default)]
    pub replace: bool,
}

#[async_trait]
impl Workflow for GetObject {
    type Ports = Ports;
    type Output = String;
    const NAME: &'static str = "get_object";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        let region = self.from.bucket.as_ref().map(|bucket| &bucket.region);
        region.map_or_else(image::house, |region| image::scope(&self.account, region))
    }

    fn label(&self) -> String {
        format!("get `{}`", self.from)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<String, Halt> {
        let get = (self, Job(format!("g-{}", flow.new_id())));
        flow.step(on(&get, fetch))                      // ObjectFetched
            .undo(on(&get, discard)).await?;            // FetchDiscarded
        Ok(get.0.path)
    }
}

async fn fetch(at: At, (it, job): (GetObject, Job)) -> Result<ObjectFetched, Failure> {
    still_own(&at, &it.account, &it.from)?;
    at.ports().data.get_object(at.work(), &job, &it.from, &it.path, it.replace).await?;
    Ok(ObjectFetched { at: it.from, path: it.path })
}

async fn discard(at: At, (it, job): (GetObject, Job)) -> Result<FetchDiscarded, Failure> {
    at.ports().data.discard_get(at.work(), &job, &it.path).await?;
    Ok(FetchDiscarded { at: it.from })
}
