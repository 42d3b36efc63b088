//! Delete a disk. Its chunks are collected later, where nothing else needs them.

use async_trait::async_trait;
use domain::{AccountId, DiskId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a deletion is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteDisk {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The disk.
    pub disk: DiskId,
}

#[async_trait]
impl Workflow for DeleteDisk {
    type Ports = Ports;
    type Output = DiskId;
    const NAME: &'static str = "delete_disk";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("delete the disk `{}`", self.disk)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.disk.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<DiskId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| rules::delete_disk(view, &it.disk)))  // DiskDeleted
            .point_of_no_return("what is deleted is not brought back; its chunks may be collected from now on").await?;
        Ok(self.disk)
    }
}
