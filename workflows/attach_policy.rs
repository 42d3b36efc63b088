//! Attach a policy to a user or a role.

use async_trait::async_trait;
use domain::access::Arn;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachPolicy {
    /// Whose the user or role is.
    pub account: AccountId,
    /// The policy.
    pub policy: Arn,
    /// Who is to have it.
    pub to: Arn,
}

#[async_trait]
impl Workflow for AttachPolicy {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "attach_policy";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("attach the policy `{}` to `{}`", self.policy.name(), self.to.relative())
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.policy.0.clone()), Subject(self.to.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::attach_policy(view, &it.policy, &it.to, &it.account)                // PolicyAttached
            }))
            .point_of_no_return("it is one event; policies come and go at will").await?;
        Ok(())
    }
}
