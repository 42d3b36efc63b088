//! Let a user or a role act as a role for a while. The token of it is made elsewhere, and kept nowhere.

use async_trait::async_trait;
use domain::access::{AccessKeyId, Arn};
use domain::policy::Context;
use domain::{image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What somebody wants to act as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssumeRole {
    /// The role, of whatever account.
    pub role: Arn,
    /// The role's number, as it was when the token was made.
    pub role_id: String,
    /// What the session is called.
    pub session: String,
    /// The key of the session.
    pub key: AccessKeyId,
    /// The user or role that wants to.
    pub by: Arn,
    /// Until when, milliseconds since 1970 UTC.
    pub until_ms: i64,
    /// What is told of the request.
    pub context: Context,
}

#[async_trait]
impl Workflow for AssumeRole {
    type Ports = Ports;
    type Output = AccessKeyId;
    const NAME: &'static str = "assume_role";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("assume the role `{}` as `{}`", self.role.name(), self.session)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.role.0.clone()), Subject(self.key.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<AccessKeyId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::assume_role(view, &it.assuming())                                   // RoleAssumed
            }))
            .point_of_no_return("it is one event; a session ends by itself").await?;
        Ok(self.key)
    }
}

impl AssumeRole {
    /// What is asked of the rule.
    pub fn assuming(&self) -> rules::Assuming<'_> {
        rules::Assuming {
            role: &self.role,
            role_id: &self.role_id,
            session: &self.session,
            key: &self.key,
            by: &self.by,
            until_ms: self.until_ms,
            context: &self.context,
        }
    }
}
