//! Delete an image with the snapshots it made. Its chunks are collected later, where no other image needs them.

use async_trait::async_trait;
use domain::{AccountId, ImageId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports};

/// What a deletion is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteImage {
    /// Who owns the image.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The image.
    pub image: ImageId,
}

#[async_trait]
impl Workflow for DeleteImage {
    type Ports = Ports;
    type Output = ImageId;
    const NAME: &'static str = "delete_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("delete `{}`", self.image)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ImageId, Halt> {
        let image = self.image.clone();
        flow.decide(self.scope(), move |view| rules::delete(view, &image))  // ImageDeleted
            .point_of_no_return("what is deleted is not brought back; its chunks may be collected from now on").await?;
        Ok(self.image)
    }
}
