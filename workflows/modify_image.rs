//! Modify name, description, family and tags of an image: all that is asked, or nothing.

use async_trait::async_trait;
use domain::events::Attributes;
use domain::{AccountId, ImageId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports};

/// What a modification is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifyImage {
    /// Who owns the image.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The image.
    pub image: ImageId,
    /// What to set.
    pub to: Attributes,
}

#[async_trait]
impl Workflow for ModifyImage {
    type Ports = Ports;
    type Output = ImageId;
    const NAME: &'static str = "modify_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("modify `{}`", self.image)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ImageId, Halt> {
        let image = self.image.clone();
        let to = self.to.clone();
        flow.decide(self.scope(), move |view| rules::modify(view, &image, &to))  // ImageModified
            .point_of_no_return("it is one event; the log keeps what was before").await?;
        Ok(self.image)
    }
}
