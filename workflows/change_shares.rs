//! Share an image with other accounts, or with some no more: all that is asked, or nothing.

use async_trait::async_trait;
use domain::{AccountId, ImageId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a change of shares is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeShares {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The image.
    pub image: ImageId,
    /// Those to share it with.
    #[serde(default)]
    pub add: Vec<AccountId>,
    /// Until when, milliseconds since 1970 UTC; for ever if that is not said.
    #[serde(default)]
    pub until_ms: Option<i64>,
    /// Those to share it with no more.
    #[serde(default)]
    pub remove: Vec<AccountId>,
}

#[async_trait]
impl Workflow for ChangeShares {
    type Ports = Ports;
    type Output = ImageId;
    const NAME: &'static str = "change_shares";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("share `{}`", self.image)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ImageId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::change_shares(view, &it.image, &it.add, it.until_ms, &it.remove)    // SharesChanged
            }))
            .point_of_no_return("it is one event; sharing and unsharing are operations of their own").await?;
        Ok(self.image)
    }
}
