//! Put tags on images, snapshots and disks of a region, or take them off: on all that are named, or on none.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events::ResourceId;
use domain::{AccountId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What tagging is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagResources {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// What is tagged.
    pub resources: Vec<ResourceId>,
    /// Tags to set.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Keys of tags to take off.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Whether all are taken off, those of the system excepted.
    #[serde(default)]
    pub all: bool,
}

#[async_trait]
impl Workflow for TagResources {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "tag_resources";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("tag {} resources", self.resources.len())
    }

    fn subjects(&self) -> Vec<Subject> {
        self.resources.iter().map(|id| Subject(id.0.clone())).collect()
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::tag(view, &it.resources, it.tagging())                              // ResourcesTagged
            }))
            .point_of_no_return("it is one event; tags are put on and taken off at will").await?;
        Ok(())
    }
}

impl TagResources {
    /// What becomes of the tags.
    pub fn tagging(&self) -> rules::Tagging<'_> {
        rules::Tagging { set: &self.set, remove: &self.remove, all: self.all }
    }
}
