//! Make a published image its owner's again.

use async_trait::async_trait;
use domain::{AccountId, ImageId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What the end of a publication is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpublishImage {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The image.
    pub image: ImageId,
}

#[async_trait]
impl Workflow for UnpublishImage {
    type Ports = Ports;
    type Output = ImageId;
    const NAME: &'static str = "unpublish_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("unpublish `{}`", self.image)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ImageId, Halt> {
        flow.decide(self.scope(), of(&self, |view, it| rules::unpublish(view, &it.image)))  // ImageUnpublished
            .point_of_no_return("it is one event; publishing is an operation of its own").await?;
        Ok(self.image)
    }
}
