//! Create a retention policy or a distribution list.

use async_trait::async_trait;
use domain::events_upkeep::UpkeepCreated;
use domain::upkeep::{Goal, UpkeepId};
use domain::{AccountId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::Scope;
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the creation of an upkeep is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateUpkeep {
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The family.
    pub family: String,
    /// Where that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionId>,
    /// What it is for.
    pub goal: Goal,
}

#[async_trait]
impl Workflow for CreateUpkeep {
    type Ports = Ports;
    type Output = UpkeepId;
    const NAME: &'static str = "create_upkeep";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("create the {} `{}`", self.goal.kind().called(), self.name)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<UpkeepId, Halt> {
        let upkeep = UpkeepId(format!("up-{}", flow.new_id()));
        let creation = (self, upkeep);
        flow.decide(creation.0.scope(), of(&creation, |view, (it, upkeep)| {
                rules::create_upkeep(view, it.creation(&upkeep))                           // UpkeepCreated
            }))
            .point_of_no_return("it is one event; what is not wanted is deleted").await?;
        Ok(creation.1)
    }
}

impl CreateUpkeep {
    /// What will be there.
    pub fn creation(self, upkeep: &UpkeepId) -> UpkeepCreated {
        let Self { account, name, family, region, goal } = self;
        UpkeepCreated { upkeep: upkeep.clone(), account, name, family, region, goal }
    }
}
