//! Have a retention policy or a distribution list say something else. A run that goes on keeps to what it was begun by.

use async_trait::async_trait;
use domain::upkeep::{Goal, UpkeepId};
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a change of an upkeep is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeUpkeep {
    /// Whose it is.
    pub account: AccountId,
    /// Which.
    pub upkeep: UpkeepId,
    /// Its name, for people.
    pub name: String,
    /// What it is for from now on.
    pub goal: Goal,
}

#[async_trait]
impl Workflow for ChangeUpkeep {
    type Ports = Ports;
    type Output = UpkeepId;
    const NAME: &'static str = "change_upkeep";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("change the {} `{}`", self.goal.kind().called(), self.name)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.upkeep.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<UpkeepId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::change_upkeep(view, &it.account, &it.upkeep, it.goal)               // UpkeepChanged
            }))
            .point_of_no_return("it is one event; another change follows it").await?;
        Ok(self.upkeep)
    }
}
