//! Delete a policy of an account.

use async_trait::async_trait;
use domain::access::Arn;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the deletion of a policy is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletePolicy {
    /// Whose it is.
    pub account: AccountId,
    /// The policy.
    pub policy: Arn,
}

#[async_trait]
impl Workflow for DeletePolicy {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "delete_policy";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("delete the policy `{}`", self.policy.name())
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.policy.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::delete_policy(view, &it.policy, &it.account)                        // PolicyDeleted
            }))
            .point_of_no_return("it is one event; the log keeps what was").await?;
        Ok(())
    }
}
