//! Delete a user of an account.

use async_trait::async_trait;
use domain::access::Arn;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the deletion of a user is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteUser {
    /// Whose it is.
    pub account: AccountId,
    /// The user.
    pub user: Arn,
}

#[async_trait]
impl Workflow for DeleteUser {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "delete_user";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("delete the user `{}`", self.user.name())
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.user.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::delete_user(view, &it.user, &it.account)                            // UserDeleted
            }))
            .point_of_no_return("it is one event; the log keeps what was").await?;
        Ok(())
    }
}
