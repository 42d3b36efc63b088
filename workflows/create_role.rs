//! Create a role of an account.

use async_trait::async_trait;
use domain::access::Arn;
use domain::events::RoleCreated;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the creation of a role is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRole {
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whom it trusts to assume it: a document, as it was given.
    pub trust: String,
    /// Seconds that a session of it lasts at most.
    pub session_s_max: u32,
}

#[async_trait]
impl Workflow for CreateRole {
    type Ports = Ports;
    type Output = Arn;
    const NAME: &'static str = "create_role";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("create the role `{}`", self.name)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(Arn::role(&self.account, &self.name).0)]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<Arn, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::create_role(view, it.wanted())                                      // RoleCreated
            }))
            .point_of_no_return("it is one event; a role that is not wanted is deleted").await?;
        Ok(Arn::role(&self.account, &self.name))
    }
}

impl CreateRole {
    /// What is asked of the rule.
    pub fn wanted(self) -> RoleCreated {
        let role = Arn::role(&self.account, &self.name);
        let (description, trust, session_s_max) = (self.description, self.trust, self.session_s_max);
        RoleCreated { role, account: self.account, description, trust, session_s_max }
    }
}
