//! Delete an image, with the snapshots it made unless they are to stay. Its chunks are collected later, where nothing
//! else needs them.

use async_trait::async_trait;
use domain::rules::Deletion;
use domain::upkeep::Keeping;
use domain::{AccountId, ImageId, RegionId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of};

/// What a deletion is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteImage {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The image.
    pub image: ImageId,
    /// Even if instances use it.
    #[serde(default)]
    pub force: bool,
    /// Whether the snapshots it made stay.
    #[serde(default)]
    pub keep_snapshots: bool,
    /// The retention policy that does it, which is asked once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Keeping>,
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
        flow.decide(self.scope(), of(&self, |view, it| match &it.by {
                None => rules::delete(view, &it.image, it.how()),                          // ImageDeleted
                Some(by) => rules::remove(view, &it.image, by),
            }))
            .point_of_no_return("what is deleted is not brought back; its chunks may be collected from now on").await?;
        Ok(self.image)
    }
}

impl DeleteImage {
    fn how(&self) -> Deletion {
        Deletion { force: self.force, keep_snapshots: self.keep_snapshots }
    }
}
