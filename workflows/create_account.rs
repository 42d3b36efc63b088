//! Create an account.

use async_trait::async_trait;
use domain::{AccountId, image, rules};
use engine::{Halt, Workflow};
use event::Scope;
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports};

/// What the creation of an account is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateAccount {
    /// Its decimal id.
    pub account: AccountId,
    /// What people call it.
    pub name: String,
}

#[async_trait]
impl Workflow for CreateAccount {
    type Ports = Ports;
    type Output = AccountId;
    const NAME: &'static str = "create_account";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::house()
    }

    fn label(&self) -> String {
        format!("create account `{}`", self.name)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<AccountId, Halt> {
        let (account, name) = (self.account.clone(), self.name.clone());
        flow.decide(self.scope(), move |view| rules::create_account(view, &account, &name))  // AccountCreated
            .point_of_no_return("it is one event").await?;
        Ok(self.account)
    }
}
