//! Let requests be signed with an access key, or no more.

use async_trait::async_trait;
use domain::access::AccessKeyId;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What becomes of an access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeAccessKey {
    /// Whose it is.
    pub account: AccountId,
    /// The key.
    pub key: AccessKeyId,
    /// Whether requests may be signed with it.
    pub active: bool,
}

#[async_trait]
impl Workflow for ChangeAccessKey {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "change_access_key";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        let verb = if self.active { "enable" } else { "disable" };
        format!("{verb} the access key `{}`", self.key)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.key.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        let why = "it is one event; a key is switched off and on at will";
        if self.active {
            flow.decide(self.scope(), of(&self, |view, it| {
                    rules::enable_access_key(view, &it.key, &it.account)                   // AccessKeyEnabled
                }))
                .point_of_no_return(why).await?;
        } else {
            flow.decide(self.scope(), of(&self, |view, it| {
                    rules::disable_access_key(view, &it.key, &it.account)                  // AccessKeyDisabled
                }))
                .point_of_no_return(why).await?;
        }
        Ok(())
    }
}
