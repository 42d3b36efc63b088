//! Delete a role of an account.

use async_trait::async_trait;
use domain::access::Arn;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the deletion of a role is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRole {
    /// Whose it is.
    pub account: AccountId,
    /// The role.
    pub role: Arn,
}

#[async_trait]
impl Workflow for DeleteRole {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "delete_role";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("delete the role `{}`", self.role.name())
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.role.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::delete_role(view, &it.role, &it.account)                            // RoleDeleted
            }))
            .point_of_no_return("it is one event; the log keeps what was").await?;
        Ok(())
    }
}
