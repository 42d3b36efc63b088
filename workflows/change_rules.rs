//! Change the rules of a security group: some are added, some taken off.

use async_trait::async_trait;
use domain::network::{Direction, ItemId, Permission};
use domain::rules::RuleChange;
use domain::{AccountId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a change is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRules {
    /// Who owns the group.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The group.
    pub item: ItemId,
    /// The way the rules look.
    pub direction: Direction,
    /// What rules say that are added.
    #[serde(default)]
    pub add: Vec<Permission>,
    /// What rules say that are taken off.
    #[serde(default)]
    pub remove: Vec<Permission>,
    /// Ids of rules that are taken off.
    #[serde(default)]
    pub remove_ids: Vec<String>,
}

#[async_trait]
impl Workflow for ChangeRules {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "change_rules";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("change the rules of `{}`", self.item)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.item.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        // One id for all of them, and a number behind it: a request names up to a hundred.
        let id = flow.new_id();
        let change = (self, id);
        flow.decide(change.0.scope(), of(&change, |view, (it, id)| {
                rules::change_rules(view, &it.item, it.change(&id))                        // RulesChanged
            }))
            .point_of_no_return("it is one event; rules are added and taken off at will").await?;
        Ok(())
    }
}

impl ChangeRules {
    /// What becomes of the rules.
    pub fn change(&self, id: &str) -> RuleChange<'_> {
        let stem = id.get(..id.len().saturating_sub(2)).unwrap_or_default();
        let add = self.add.iter().enumerate().map(|(number, says)| (format!("sgr-{stem}{number:02}"), says));
        RuleChange {
            direction: self.direction,
            add: add.collect(),
            remove: &self.remove,
            remove_ids: &self.remove_ids,
        }
    }
}
