//! Collect the chunks of a region that no snapshot names any more.

use async_trait::async_trait;
use domain::events::ChunksCollected;
use domain::image;
use domain::port::{Collected, Job};
use domain::{RegionId, StoreId};
use engine::{Halt, Workflow};
use event::{Failure, Scope};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::{At, Flow, Live, Ports};

/// What a collection is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectChunks {
    /// The region.
    pub region: RegionId,
    /// Its store.
    pub store: StoreId,
}

#[async_trait]
impl Workflow for CollectChunks {
    type Ports = Ports;
    type Output = Collected;
    const NAME: &'static str = "collect_chunks";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("collect chunks in `{}`", self.region)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<Collected, Halt> {
        let job = Job(format!("c-{}", flow.new_id()));
        let one_at_a_time = format!("collection in {}", self.region);
        let ended = flow.step(move |at| collect(at, self.clone(), job.clone()))  // ChunksCollected
            .limit(one_at_a_time, 1)
            .nothing_to_undo("only what nothing names is removed; what is condemned is found again").await?;
        Ok(ended.collected)
    }
}

async fn collect(at: At, this: CollectChunks, job: Job) -> Result<ChunksCollected, Failure> {
    let live = Arc::new(Live { at: at.clone(), region: this.region.clone() });
    let collected = at.ports().data.collect(at.work(), &this.region, &this.store, &job, live).await?;
    Ok(ChunksCollected { region: this.region, collected })
}
