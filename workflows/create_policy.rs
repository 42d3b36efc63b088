//! Create a policy of an account.

use async_trait::async_trait;
use domain::access::Arn;
use domain::events::PolicyCreated;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the creation of a policy is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePolicy {
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it says, as it was given.
    pub document: String,
}

#[async_trait]
impl Workflow for CreatePolicy {
    type Ports = Ports;
    type Output = Arn;
    const NAME: &'static str = "create_policy";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("create the policy `{}`", self.name)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(Arn::policy(&self.account, &self.name).0)]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<Arn, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::create_policy(view, it.wanted())                                    // PolicyCreated
            }))
            .point_of_no_return("it is one event; a policy that is not wanted is deleted").await?;
        Ok(Arn::policy(&self.account, &self.name))
    }
}

impl CreatePolicy {
    /// What is asked of the rule.
    pub fn wanted(self) -> PolicyCreated {
        let policy = Arn::policy(&self.account, &self.name);
        let (description, document) = (self.description, self.document);
        PolicyCreated { policy, account: self.account, description, document }
    }
}
