//! Create a resource group.

use async_trait::async_trait;
use domain::events_network::GroupCreated;
use domain::group::GroupId;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::Scope;
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a creation is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateGroup {
    /// Who will own it.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// What people call it.
    pub display_name: String,
}

#[async_trait]
impl Workflow for CreateGroup {
    type Ports = Ports;
    type Output = GroupId;
    const NAME: &'static str = "create_group";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("create the resource group `{}`", self.name)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<GroupId, Halt> {
        let group = GroupId(format!("rg-{}", flow.new_id()));
        let creation = (self, group);
        flow.decide(creation.0.scope(), of(&creation, |view, (it, group)| {
                rules::create_group(view, it.creation(&group))                             // GroupCreated
            }))
            .point_of_no_return("it is one event, and a resource group stays").await?;
        Ok(creation.1)
    }
}

impl CreateGroup {
    /// What will be there.
    pub fn creation(self, group: &GroupId) -> GroupCreated {
        let Self { account, name, display_name } = self;
        GroupCreated { group: group.clone(), account, name, display_name }
    }
}
