//! Set how much an account may have in a region.

use async_trait::async_trait;
use domain::image::Quotas;
use domain::{AccountId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::Scope;
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What quotas are set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetQuotas {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// What is set; the rest stays as it is.
    pub quotas: Quotas,
}

#[async_trait]
impl Workflow for SetQuotas {
    type Ports = Ports;
    type Output = ();
    const NAME: &'static str = "set_quotas";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("set the quotas of `{}` in `{}`", self.account, self.region)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<(), Halt> {
        flow.decide(self.scope(), of(&self, |view, it| rules::set_quotas(view, it.quotas)))  // QuotaSet
            .point_of_no_return("it is one event; the log keeps what was before").await?;
        Ok(())
    }
}
