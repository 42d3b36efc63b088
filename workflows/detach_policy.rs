//! Detach a policy from a user or a role.

use async_trait::async_trait;
use domain::access::Arn;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What is detached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetachPolicy {
    /// Whose the user or role is.
    pub account: AccountId,
    /// The policy.
    pub policy: Arn,
    /// Who has it.
    pub from: Arn,
}

#[async_trait]
impl Workflow for DetachPolicy {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "detach_policy";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("detach the policy `{}` from `{}`", self.policy.name(), self.from.relative())
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.policy.0.clone()), Subject(self.from.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::detach_policy(view, &it.policy, &it.from, &it.account)              // PolicyDetached
            }))
            .point_of_no_return("it is one event; policies come and go at will").await?;
        Ok(())
    }
}
