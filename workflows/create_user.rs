//! Create a user of an account.

use async_trait::async_trait;
use domain::access::Arn;
use domain::events::UserCreated;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the creation of a user is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateUser {
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// What people call it; empty for its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// What is said of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comments: String,
}

#[async_trait]
impl Workflow for CreateUser {
    type Ports = Ports;
    type Output = Arn;
    const NAME: &'static str = "create_user";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("create the user `{}`", self.name)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(Arn::user(&self.account, &self.name).0)]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<Arn, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::create_user(view, it.wanted())                                      // UserCreated
            }))
            .point_of_no_return("it is one event; a user that is not wanted is deleted").await?;
        Ok(Arn::user(&self.account, &self.name))
    }
}

impl CreateUser {
    /// What is asked of the rule.
    pub fn wanted(self) -> UserCreated {
        let user = Arn::user(&self.account, &self.name);
        UserCreated { user, account: self.account, display_name: self.display_name, comments: self.comments }
    }
}
