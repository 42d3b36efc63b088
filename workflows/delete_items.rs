//! Delete what machines stand in, while nothing does: all that is named, or nothing of it.

use async_trait::async_trait;
use domain::network::ItemId;
use domain::{AccountId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a deletion is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteItems {
    /// Who owns them.
    pub account: AccountId,
    /// Where they are.
    pub region: RegionId,
    /// What is deleted.
    pub items: Vec<ItemId>,
}

#[async_trait]
impl Workflow for DeleteItems {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "delete_items";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        match self.items.as_slice() {
            [one] => format!("delete `{one}`"),
            several => format!("delete {} items", several.len()),
        }
    }

    fn subjects(&self) -> Vec<Subject> {
        self.items.iter().map(|id| Subject(id.0.clone())).collect()
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        flow.decide(self.scope(), of(&self, |view, it| rules::delete_items(view, &it.items)))  // ItemsDeleted
            .point_of_no_return("what is deleted is not brought back").await?;
        Ok(())
    }
}
