//! Import an image from disk files, on this computer or in a bucket.
//!
//! | from | until | if it ends here, what remains |
//! |---|---|---|
//! | start | the disks were looked at | nothing |
//! | reserved | their bytes are stored and read back | nothing: name, id and space come back |
//! | sealed | their chunks serve the account | the image, Available; there is no way back |

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events::{DiskPlan, ImageReserved, SourcesInspected};
use domain::image::{DiskKind, Making};
use domain::machine::Machine;
use domain::port::{Format, Job, Location, Place, Source};
use domain::{AccountId, ImageId, RegionId, SnapshotId, StoreId, TaskId, image, rules};
use engine::{Halt, Workflow};
use event::{Failure, Scope};
use serde::{Deserialize, Serialize};

use crate::arrival::{Arrival, From};
use crate::{At, Flow, Ports, of, on};

/// A disk file to be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFile {
    /// Where it is.
    pub at: Location,
    /// The format, if the caller says so; found out otherwise.
    #[serde(default)]
    pub format: Option<Format>,
    /// Where an instance will have it.
    pub device: String,
    /// Size an instance's disk will have; that of the content if it is not said.
    #[serde(default)]
    pub size_bytes: Option<u64>,
}

/// What an import is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportImage {
    /// Who will own the image.
    pub account: AccountId,
    /// Where it will be.
    pub region: RegionId,
    /// The store of that region.
    pub store: StoreId,
    /// The disk files, that of the system disk first.
    pub disks: Vec<DiskFile>,
    /// Name of the image.
    pub name: String,
    /// Its description; empty for none.
    #[serde(default)]
    pub description: String,
    /// Its family.
    #[serde(default)]
    pub family: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The machine it wants.
    pub machine: Machine,
    /// Whether its file systems are to be checked when it is there.
    #[serde(default)]
    pub check: bool,
}

#[async_trait]
impl Workflow for ImportImage {
    type Ports = Ports;
    type Output = ImageId;
    const NAME: &'static str = "import_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("import `{}`", self.name)
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ImageId, Halt> {
        let sources = flow.step(on(&self, inspect))                             // SourcesInspected
            .nothing_to_undo("looking changes nothing").await?.sources;
        let import = Import::new(self, sources, flow);

        flow.decide(import.scope(), of(&import, |view, it| rules::reserve(view, it.reservation())))
            .undo(of(&import, |view, it| rules::release(view, &it.image))).await?;   // ImageReserved, ImageReleased

        for disk in import.arrivals() {
            disk.arrive(flow).await?;                                           // DataTransferred, DataVerified
        }
        flow.decide(import.scope(), of(&import, |view, it| rules::seal(view, &it.image)))       // ImageSealed
            .point_of_no_return("a sealed image is whole; deleting it is an operation of its own").await?;

        for disk in import.arrivals() {
            disk.settle(flow).await?;                                           // DataSettled
        }
        Ok(import.image)
    }
}

async fn inspect(at: At, asked: ImportImage) -> Result<SourcesInspected, Failure> {
    let mut sources = Vec::with_capacity(asked.disks.len());
    for disk in &asked.disks {
        sources.push(at.ports().data.inspect(&disk.at, disk.format).await?);
    }
    Ok(SourcesInspected { sources })
}

/// An import whose sources have been looked at: what its steps need.
#[derive(Clone)]
struct Import {
    asked: ImportImage,
    sources: Vec<Source>,
    image: ImageId,
    task: TaskId,
    snapshots: Vec<SnapshotId>,
}

impl Import {
    fn new(asked: ImportImage, sources: Vec<Source>, flow: &Flow) -> Self {
        // The image first: whoever started it knows its id from the flow's.
        let image = ImageId(format!("m-{}", flow.new_id()));
        let task = TaskId(format!("t-{}", flow.new_id()));
        let snapshots = sources.iter().map(|_| SnapshotId(format!("s-{}", flow.new_id()))).collect();
        Self { asked, sources, image, task, snapshots }
    }

    fn scope(&self) -> Scope {
        self.asked.scope()
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let place = Place {
            region: self.asked.region.clone(),
            store: self.asked.store.clone(),
            account: self.asked.account.clone(),
        };
        let disks = self.sources.iter().zip(&self.snapshots);
        let arrival = |(source, snapshot): (&Source, &SnapshotId)| Arrival {
            of: self.image.clone().into(),
            snapshot: Some(snapshot.clone()),
            place: place.clone(),
            job: Job(snapshot.0.clone()),
            from: From::File(source.clone()),
        };
        disks.map(arrival).collect()
    }

    fn reservation(self) -> ImageReserved {
        let disks = plans(&self.asked.disks, self.sources, self.snapshots);
        let asked = self.asked;
        ImageReserved {
            image: self.image.clone(),
            name: if asked.name.is_empty() { self.image.0.clone() } else { asked.name },
            description: asked.description,
            family: asked.family,
            tags: asked.tags,
            account: asked.account,
            region: asked.region,
            machine: asked.machine,
            disks,
            making: Making::Import,
            task: Some(self.task),
            waits: false,
            check: asked.check,
            for_list: None,
        }
    }
}

/// The disks an import will make.
fn plans(asked: &[DiskFile], sources: Vec<Source>, snapshots: Vec<SnapshotId>) -> Vec<DiskPlan> {
    let found = asked.iter().zip(sources).zip(snapshots).enumerate();
    let plan = |(number, ((asked, source), snapshot)): (usize, ((&DiskFile, Source), SnapshotId))| DiskPlan {
        device: asked.device.clone(),
        kind: if number == 0 { DiskKind::System } else { DiskKind::Data },
        snapshot,
        own: true,
        size_bytes: asked.size_bytes.unwrap_or(source.disk_bytes),
        disk_bytes: source.disk_bytes,
        format: Some(source.format),
        source: Some(source.at),
        disk: None,
        data_bytes: 0,
    };
    found.map(plan).collect()
}

impl ImportImage {
    /// What will be reserved, as far as that is known when the disks have been looked at: for asking the
    /// rule before anything begins.
    pub fn foresee(&self, sources: Vec<Source>) -> ImageReserved {
        let snapshots = (0..sources.len()).map(|number| SnapshotId(format!("s-{number}"))).collect();
        let import = Import {
            asked: self.clone(),
            sources,
            image: ImageId("m-00000000000000000000".to_owned()),
            task: TaskId::default(),
            snapshots,
        };
        import.reservation()
    }
}
