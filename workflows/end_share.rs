//! End a share whose time has come.

use async_trait::async_trait;
use domain::{AccountId, ImageId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the end of a share is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndShare {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The image.
    pub image: ImageId,
    /// Whom it was shared with.
    pub with: AccountId,
    /// When it was to end, milliseconds since 1970 UTC.
    pub until_ms: i64,
}

#[async_trait]
impl Workflow for EndShare {
    type Ports = Ports;
    type Output = ImageId;
    const NAME: &'static str = "end_share";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("end the share of `{}` with `{}`", self.image, self.with)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ImageId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| {
                rules::end_share(view, &it.image, &it.with, it.until_ms)                   // ShareEnded
            }))
            .point_of_no_return("its time has come; sharing again is an operation of its own").await?;
        Ok(self.image)
    }
}
