//! Begin a batch: from then on its lines are started.

use async_trait::async_trait;
use domain::batch::{BatchId, BatchPlan};
use domain::events::BatchBegun;
use domain::{AccountId, Digest, image, rules};
use engine::{Halt, Workflow};
use event::Scope;
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// A batch to begin. Its manifest is on disk before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginBatch {
    /// Whose it will be.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The manifest.
    pub manifest: Digest,
    /// Its lines.
    pub lines: u64,
    /// How they are to be done.
    pub plan: BatchPlan,
    /// Whether it may do what another batch did.
    pub again: bool,
}

#[async_trait]
impl Workflow for BeginBatch {
    type Ports = Ports;
    type Output = BatchId;
    const NAME: &'static str = "begin_batch";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("begin the batch `{}`", self.name)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<BatchId, Halt> {
        let batch = BatchId(format!("b-{}", flow.new_id()));
        let wanted = self.wanted(batch.clone());
        flow.decide(image::house(), of(&wanted, rules::begin_batch))                       // BatchBegun
            .point_of_no_return("it is one event; a batch that is not wanted is cancelled").await?;
        Ok(batch)
    }
}

impl BeginBatch {
    /// What is asked of the rule.
    pub fn wanted(self, batch: BatchId) -> BatchBegun {
        let Self { account, name, manifest, lines, plan, again } = self;
        BatchBegun { batch, account, name, manifest, lines, plan, again }
    }
}
