//! Export an image to a directory bucket: a file that has its name only once it is whole.

use async_trait::async_trait;
use domain::events::{ExportDiscarded, ExportWritten};
use domain::port::{Job, Place, StoredDisk, Target};
use domain::{AccountId, ImageId, RegionId, StoreId, image, rules};
use engine::{Halt, Workflow};
use event::{Failure, Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{At, Flow, Ports, of, on};

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
        format!("export `{}` to `{}`", self.image, self.target.at)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<String, Halt> {
        let disk = flow.decide(self.scope(), of(&self, |view, it| rules::begin_export(view, &it.image, it.target)))
            .undo(of(&self, |view, it| rules::withdraw_export(view, &it.image))).await?.disk;   // ExportWithdrawn
        let export = Export { job: Job(format!("e-{}", flow.new_id())), asked: self, disk };

        flow.step(on(&export, write))                                                           // ExportWritten
            .undo(on(&export, discard)).await?;                                                 // ExportDiscarded

        flow.decide(export.asked.scope(), of(&export, |view, it| rules::end_export(view, &it.asked.image)))
            .point_of_no_return("the file stands under its name; it is the caller's now").await?;
        Ok(export.asked.target.at.to_string())
    }
}

/// An export that has begun: what its steps need.
#[derive(Clone)]
struct Export {
    asked: ExportImage,
    job: Job,
    disk: StoredDisk,
}

async fn write(at: At, Export { asked, job, disk }: Export) -> Result<ExportWritten, Failure> {
    let place = Place { region: asked.region, store: asked.store, account: asked.account };
    at.ports().data.export(at.work(), &place, &job, &disk, &asked.target).await?;
    Ok(ExportWritten { image: asked.image, path: asked.target.at.to_string(), disk_bytes: disk.disk_bytes })
}

async fn discard(at: At, Export { asked, job, .. }: Export) -> Result<ExportDiscarded, Failure> {
    at.ports().data.discard_export(at.work(), &job, &asked.target).await?;
    Ok(ExportDiscarded { image: asked.image })
}
