//! Create an image from snapshots, and empty data disks beside them. Nothing is copied.
//!
//! | from | until | if it ends here, what remains |
//! |---|---|---|
//! | reserved | the empty disks are stored | nothing: name, id and space come back, the snapshots are free again |
//! | sealed | the empty disks serve the account | the image, Available |

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events::{DiskPlan, ImageReserved};
use domain::image::{DiskKind, Making};
use domain::machine::Machine;
use domain::port::{Job, Place};
use domain::{AccountId, ImageId, RegionId, SnapshotId, StoreId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::arrival::{Arrival, From};
use crate::{Flow, Ports, of};

/// A disk that the image is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedDisk {
    /// Where an instance will have it.
    pub device: String,
    /// Which place it will have.
    pub kind: DiskKind,
    /// The snapshot it is; an empty disk if there is none.
    #[serde(default)]
    pub snapshot: Option<SnapshotId>,
    /// Its size; that of the snapshot if it is not said.
    #[serde(default)]
    pub size_bytes: Option<u64>,
}

/// What a creation is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateImage {
    /// Who will own the image.
    pub account: AccountId,
    /// Where it will be, as its snapshots are.
    pub region: RegionId,
    /// The store of that region.
    pub store: StoreId,
    /// Its disks, the system disk first.
    pub disks: Vec<MappedDisk>,
    /// Its name; its id if none is given.
    #[serde(default)]
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
impl Workflow for CreateImage {
    type Ports = Ports;
    type Output = ImageId;
    const NAME: &'static str = "create_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        format!("create `{}`", self.name)
    }

    fn subjects(&self) -> Vec<Subject> {
        self.disks.iter().filter_map(|disk| Some(Subject(disk.snapshot.as_ref()?.0.clone()))).collect()
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ImageId, Halt> {
        let image = ImageId(format!("m-{}", flow.new_id()));
        let empty = self.disks.iter().map(|_| SnapshotId(format!("s-{}", flow.new_id()))).collect();
        let creation = Creation { asked: self, image, empty };

        flow.decide(creation.asked.scope(), of(&creation, |view, it| rules::reserve(view, it.reservation())))
            .undo(of(&creation, |view, it| rules::release(view, &it.image))).await?;   // ImageReserved, ImageReleased

        for disk in creation.arrivals() {
            disk.arrive(flow).await?;                                                  // DataTransferred, DataVerified
        }
        flow.decide(creation.asked.scope(), of(&creation, |view, it| rules::seal(view, &it.image)))    // ImageSealed
            .point_of_no_return("a sealed image is whole; deleting it is an operation of its own").await?;

        for disk in creation.arrivals() {
            disk.settle(flow).await?;                                                  // DataSettled
        }
        Ok(creation.image)
    }
}

/// A creation under way.
#[derive(Clone)]
struct Creation {
    asked: CreateImage,
    image: ImageId,
    /// An id for each disk, used where the disk is empty.
    empty: Vec<SnapshotId>,
}

impl Creation {
    fn arrivals(&self) -> Vec<Arrival> {
        let asked = &self.asked;
        let place = Place {
            region: asked.region.clone(),
            store: asked.store.clone(),
            account: asked.account.clone(),
        };
        let disks = asked.disks.iter().zip(&self.empty).filter(|(disk, _)| disk.snapshot.is_none());
        let arrival = |(disk, snapshot): (&MappedDisk, &SnapshotId)| Arrival {
            of: self.image.clone().into(),
            snapshot: Some(snapshot.clone()),
            place: place.clone(),
            job: Job(snapshot.0.clone()),
            from: From::Zeros(disk.size_bytes.unwrap_or_default()),
        };
        disks.map(arrival).collect()
    }

    fn reservation(self) -> ImageReserved {
        let Self { asked, image, empty } = self;
        let plan = |(disk, empty): (MappedDisk, SnapshotId)| {
            let own = disk.snapshot.is_none();
            let size_bytes = disk.size_bytes.unwrap_or_default();
            DiskPlan {
                device: disk.device,
                kind: disk.kind,
                snapshot: disk.snapshot.unwrap_or(empty),
                own,
                size_bytes,
                disk_bytes: if own { size_bytes } else { 0 },
                format: None,
                source: None,
                disk: None,
                data_bytes: 0,
            }
        };
        let disks = asked.disks.into_iter().zip(empty).map(plan).collect();
        ImageReserved {
            name: if asked.name.is_empty() { image.0.clone() } else { asked.name },
            image,
            description: asked.description,
            family: asked.family,
            tags: asked.tags,
            account: asked.account,
            region: asked.region,
            machine: asked.machine,
            disks,
            making: Making::Snapshots,
            task: None,
            waits: false,
            check: asked.check,
            for_list: None,
        }
    }
}

impl CreateImage {
    /// What will be reserved, for asking the rule before anything begins.
    pub fn foresee(&self) -> ImageReserved {
        let empty = (0..self.disks.len()).map(|number| SnapshotId(format!("s-{number}"))).collect();
        let image = ImageId("m-00000000000000000000".to_owned());
        Creation { asked: self.clone(), image, empty }.reservation()
    }
}
