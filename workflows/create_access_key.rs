//! Create an access key. Its secret comes here sealed: no story could tell it.

use async_trait::async_trait;
use domain::access::AccessKeyId;
use domain::events::AccessKeyCreated;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the creation of an access key is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateAccessKey {
    /// Whose it is.
    pub account: AccountId,
    /// The user it speaks for, if it is not the account's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its id.
    pub key: AccessKeyId,
    /// Its secret, sealed with a key of the account and bound to the id.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
}

#[async_trait]
impl Workflow for CreateAccessKey {
    type Ports = Ports;
    type Output = AccessKeyId;
    const NAME: &'static str = "create_access_key";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("create the access key `{}`", self.key)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.key.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<AccessKeyId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::create_access_key(view, it.wanted())                                // AccessKeyCreated
            }))
            .point_of_no_return("it is one event; a key that is not wanted is deleted").await?;
        Ok(self.key)
    }
}

impl CreateAccessKey {
    /// What is asked of the rule.
    pub fn wanted(self) -> AccessKeyCreated {
        AccessKeyCreated { key: self.key, account: self.account, user: self.user, sealed: self.sealed }
    }
}
