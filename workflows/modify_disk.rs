//! Modify name, description and size of a disk that no instance has.

use async_trait::async_trait;
use domain::events::DiskModified;
use domain::{AccountId, DiskId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Refusal, Scope, Subject, View};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a modification is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifyDisk {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The disk.
    pub disk: DiskId,
    /// Its name; empty for none.
    #[serde(default)]
    pub name: Option<String>,
    /// Its description; empty for none.
    #[serde(default)]
    pub description: Option<String>,
    /// Its size; it only grows.
    #[serde(default)]
    pub size_bytes: Option<u64>,
}

#[async_trait]
impl Workflow for ModifyDisk {
    type Ports = Ports;
    type Output = DiskId;
    const NAME: &'static str = "modify_disk";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("modify the disk `{}`", self.disk)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.disk.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<DiskId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| it.rule(view)))  // DiskModified
            .point_of_no_return("it is one event; the log keeps what was before").await?;
        Ok(self.disk)
    }
}

impl ModifyDisk {
    /// Asks the rule.
    pub fn rule(&self, view: &View<'_>) -> Result<DiskModified, Refusal> {
        let (name, description) = (self.name.as_deref(), self.description.as_deref());
        rules::modify_disk(view, &self.disk, name, description, self.size_bytes)
    }
}
