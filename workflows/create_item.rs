//! Create what a machine stands in: a VPC, a vSwitch, a security group, an elastic address or a key pair.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events_network::ItemCreated;
use domain::group::GroupId;
use domain::network::{Is, ItemId};
use domain::{AccountId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a creation is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateItem {
    /// Who will own it.
    pub account: AccountId,
    /// Where it will be.
    pub region: RegionId,
    /// Its name; empty for none.
    #[serde(default)]
    pub name: String,
    /// Its description; empty for none.
    #[serde(default)]
    pub description: String,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The resource group it is put in; that of everything if it is not said.
    #[serde(default)]
    pub group: Option<GroupId>,
    /// What it will be.
    pub is: Is,
}

#[async_trait]
impl Workflow for CreateItem {
    type Ports = Ports;
    type Output = ItemId;
    const NAME: &'static str = "create_item";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        let word = self.is.kind().word();
        if self.name.is_empty() {
            format!("create a {word}")
        } else {
            format!("create the {word} `{}`", self.name)
        }
    }

    fn subjects(&self) -> Vec<Subject> {
        self.is.vpc().map(|vpc| Subject(vpc.0.clone())).into_iter().collect()
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ItemId, Halt> {
        let item = ItemId(format!("{}-{}", self.is.kind().prefix(), flow.new_id()));
        let creation = (self, item);
        flow.decide(creation.0.scope(), of(&creation, |view, (it, item)| {
                rules::create_item(view, it.creation(&item))                               // ItemCreated
            }))
            .point_of_no_return("it is one event; deleting it is an operation of its own").await?;
        Ok(creation.1)
    }
}

impl CreateItem {
    /// What will be there.
    pub fn creation(self, item: &ItemId) -> ItemCreated {
        let Self { account, region, name, description, tags, group, is } = self;
        ItemCreated { item: item.clone(), name, description, tags, account, region, group, is }
    }
}
