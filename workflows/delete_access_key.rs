//! Delete an access key.

use async_trait::async_trait;
use domain::access::AccessKeyId;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the deletion of an access key is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteAccessKey {
    /// Whose it is.
    pub account: AccountId,
    /// The key.
    pub key: AccessKeyId,
}

#[async_trait]
impl Workflow for DeleteAccessKey {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "delete_access_key";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("delete the access key `{}`", self.key)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.key.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::delete_access_key(view, &it.key, &it.account)                       // AccessKeyDeleted
            }))
            .point_of_no_return("it is one event; nobody has its secret to bring it back").await?;
        Ok(())
    }
}
