//! Export an image to a directory bucket: a file that has its name only once it is whole.

use async_trait::async_trait;
use domain::events::{ExportDiscarded, ExportWritten};
use domain::port::{Job, Place, StoredDisk, Target};
use domain::{AccountId, ImageId, RegionId, StoreId, image, rules};
use engine::{Halt, Workflow};
use event::{Failure, Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{At, Flow, Ports};

/// What an export is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportImage {
    /// Who owns the image.
    pub account: AccountId,
    /// Where it is.
    pub region: RegionId,
    /// The store of that region.
    pub store: StoreId,
    /// The image.
    pub image: ImageId,
    /// Where to, and in which format.
    pub target: Target,
}

#[async_trait]
impl Workflow for ExportImage {
    type Ports = Ports;
    type Output = String;
    const NAME: &'static str = "export_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("export `{}` to `{}`", self.image, self.target.path)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<String, Halt> {
        let [begin, withdraw, end] = [self.image.clone(), self.image.clone(), self.image.clone()];
        let target = self.target.clone();
        let disk = flow.decide(self.scope(), move |view| rules::begin_export(view, &begin, target))  // ExportBegun
            .undo(move |view| rules::withdraw_export(view, &withdraw)).await?.disk;                   // ExportWithdrawn

        let job = Job(format!("e-{}", flow.new_id()));
        let (this, job_to_discard) = (self.clone(), job.clone());
        let that = self.clone();
        flow.step(move |at| write(at, this.clone(), job.clone(), disk.clone()))                       // ExportWritten
            .undo(move |at| discard(at, that.clone(), job_to_discard.clone())).await?;                // ExportDiscarded

        flow.decide(self.scope(), move |view| rules::end_export(view, &end))                          // ExportEnded
            .point_of_no_return("the file stands under its name; it is the caller's now").await?;
        Ok(self.target.path)
    }
}

async fn write(at: At, export: ExportImage, job: Job, disk: StoredDisk) -> Result<ExportWritten, Failure> {
    let place = Place { region: export.region, store: export.store, account: export.account };
    at.ports().data.export(at.work(), &place, &job, &disk, &export.target).await?;
    Ok(ExportWritten { image: export.image, path: export.target.path, disk_bytes: disk.disk_bytes })
}

async fn discard(at: At, export: ExportImage, job: Job) -> Result<ExportDiscarded, Failure> {
    at.ports().data.discard_export(at.work(), &job, &export.target).await?;
    Ok(ExportDiscarded { image: export.image })
}
