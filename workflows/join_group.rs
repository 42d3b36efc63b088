//! Put an image, a snapshot, a disk or what machines stand in, into a resource group.

use async_trait::async_trait;
use domain::events::ResourceId;
use domain::group::GroupId;
use domain::{AccountId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinGroup {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// What is put.
    pub resource: ResourceId,
    /// The group it is put in.
    pub group: GroupId,
}

#[async_trait]
impl Workflow for JoinGroup {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "join_group";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("put `{}` in the resource group `{}`", self.resource, self.group)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.resource.0.clone()), Subject(self.group.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::join_group(view, &it.resource, &it.group)                           // ResourceGrouped
            }))
            .point_of_no_return("it is one event; it can be put back").await?;
        Ok(())
    }
}
