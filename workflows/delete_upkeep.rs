//! Delete a retention policy or a distribution list. What it began goes on, and what it brought about stays.

use async_trait::async_trait;
use domain::upkeep::UpkeepId;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the deletion of an upkeep is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteUpkeep {
    /// Whose it is.
    pub account: AccountId,
    /// Which.
    pub upkeep: UpkeepId,
    /// Its name, for people.
    pub name: String,
}

#[async_trait]
impl Workflow for DeleteUpkeep {
    type Ports = Ports;
    type Output = UpkeepId;
    const NAME: &'static str = "delete_upkeep";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("delete `{}`", self.name)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.upkeep.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<UpkeepId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::delete_upkeep(view, &it.account, &it.upkeep)                        // UpkeepDeleted
            }))
            .point_of_no_return("it is one event; the log keeps what was").await?;
        Ok(self.upkeep)
    }
}
