//! Change the name, the description or the attributes of what a machine stands in.

use async_trait::async_trait;
use domain::events_network::ItemModified;
use domain::network::ItemId;
use domain::{AccountId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a change is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifyItem {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// What is changed, and to what.
    pub to: ItemModified,
}

#[async_trait]
impl Workflow for ModifyItem {
    type Ports = Ports;
    type Output = ItemId;
    const NAME: &'static str = "modify_item";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("modify `{}`", self.to.item)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.to.item.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ItemId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| rules::modify_item(view, it.to)))  // ItemModified
            .point_of_no_return("it is one event; it can be changed back").await?;
        Ok(self.to.item)
    }
}
