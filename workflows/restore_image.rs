//! Restore a deprecated image: it stands for its family again where it is the newest.

use async_trait::async_trait;
use domain::{AccountId, ImageId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports};

/// What a restoration is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreImage {
    /// Who owns the image.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The image.
    pub image: ImageId,
}

#[async_trait]
impl Workflow for RestoreImage {
    type Ports = Ports;
    type Output = ImageId;
    const NAME: &'static str = "restore_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("restore `{}`", self.image)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ImageId, Halt> {
        let image = self.image.clone();
        flow.decide(self.scope(), move |view| rules::restore(view, &image))  // ImageRestored
            .point_of_no_return("it is one event; deprecating is an operation of its own").await?;
        Ok(self.image)
    }
}
