//! Deprecate an image: its family falls back to the one before.

use async_trait::async_trait;
use domain::upkeep::Keeping;
use domain::{AccountId, ImageId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a deprecation is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeprecateImage {
    /// Who owns the image.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The image.
    pub image: ImageId,
    /// The retention policy that does it, which is asked once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Keeping>,
}

#[async_trait]
impl Workflow for DeprecateImage {
    type Ports = Ports;
    type Output = ImageId;
    const NAME: &'static str = "deprecate_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("deprecate `{}`", self.image)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ImageId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| match &it.by {
                None => rules::deprecate(view, &it.image),                                 // ImageDeprecated
                Some(by) => rules::retire(view, &it.image, by),
            }))
            .point_of_no_return("it is one event; restoring is an operation of its own").await?;
        Ok(self.image)
    }
}
