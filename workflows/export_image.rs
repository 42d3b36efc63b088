//! Export an image to files or to a bucket, a file a disk: each has its name only once it is whole.

use async_trait::async_trait;
use domain::events::{ExportDiscarded, ExportDisk, ExportWritten};
use domain::port::{Job, Place, Target};
use domain::{AccountId, ImageId, RegionId, StoreId, TaskId, image, rules};
use engine::{Halt, Workflow};
use event::{Failure, Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::{At, Flow, Ports, of, on};

/// Disks of an account's images in one region that are written at once; the others wait their turn.
/// Two keep two processors busy, more would only thin each other out.
const EXPORTS_AT_ONCE: usize = 2;

/// A disk to be exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportTo {
    /// Which of the image's disks.
    pub device: String,
    /// Where to, and in which format.
    pub target: Target,
}

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
    /// Its disks.
    pub disks: Vec<ExportTo>,
}

#[async_trait]
impl Workflow for ExportImage {
    type Ports = Ports;
    type Output = Vec<String>;
    const NAME: &'static str = "export_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        let target = self.disks.first().map(|disk| disk.target.at.to_string()).unwrap_or_default();
        format!("export `{}` to `{target}`", self.image)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.image.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<Vec<String>, Halt> {
        let task = TaskId(format!("t-{}", flow.new_id()));
        let asked = (self, task);
        let disks = flow.decide(asked.0.scope(), of(&asked, |view, (it, task)| {
                rules::begin_export(view, &it.image, &task, &it.targets())                      // ExportBegun
            }))
            .undo(of(&asked, |view, (it, _)| rules::withdraw_export(view, &it.image))).await?.disks;  // ExportWithdrawn

        for export in exports(&asked.0, disks, flow) {
            flow.step(on(&export, write))                                                       // ExportWritten
                .limit(export.queue(), EXPORTS_AT_ONCE)
                .undo(on(&export, discard)).await?;                                             // ExportDiscarded
        }
        flow.decide(asked.0.scope(), of(&asked, |view, (it, _)| rules::end_export(view, &it.image)))  // ExportEnded
            .point_of_no_return("the files stand under their names; they are the caller's now").await?;
        Ok(asked.0.disks.iter().map(|disk| disk.target.at.to_string()).collect())
    }
}

impl ExportImage {
    fn targets(&self) -> Vec<(String, Target)> {
        self.disks.iter().map(|disk| (disk.device.clone(), disk.target.clone())).collect()
    }
}

/// The export of a disk: what its steps need.
#[derive(Clone)]
struct Export {
    image: ImageId,
    place: Place,
    job: Job,
    disk: ExportDisk,
}

impl Export {
    /// Those who wait for one another.
    fn queue(&self) -> String {
        format!("exports of {} in {}", self.place.account, self.place.region)
    }
}

fn exports(asked: &ExportImage, disks: Vec<ExportDisk>, flow: &Flow) -> Vec<Export> {
    let place =
        Place { region: asked.region.clone(), store: asked.store.clone(), account: asked.account.clone() };
    let export = |disk| Export {
        image: asked.image.clone(),
        place: place.clone(),
        job: Job(format!("e-{}", flow.new_id())),
        disk,
    };
    disks.into_iter().map(export).collect()
}

async fn write(at: At, it: Export) -> Result<ExportWritten, Failure> {
    let ExportDisk { disk, target, .. } = it.disk;
    at.ports().data.export(at.work(), &it.place, &it.job, &disk, &target).await?;
    Ok(ExportWritten { image: it.image, at: target.at, disk_bytes: disk.disk_bytes })
}

async fn discard(at: At, it: Export) -> Result<ExportDiscarded, Failure> {
    at.ports().data.discard_export(at.work(), &it.job, &it.disk.target).await?;
    Ok(ExportDiscarded { image: it.image, at: it.disk.target.at })
}
