//! Create a disk: empty, or what a snapshot or an image holds, of which nothing is copied.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events::DiskReserved;
use domain::image::DiskKind;
use domain::port::{Job, Place};
use domain::{AccountId, DiskId, ImageId, RegionId, SnapshotId, StoreId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::arrival::{Arrival, From};
use crate::{Flow, Ports, of};

/// What a creation is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateDisk {
    /// Who will own the disk.
    pub account: AccountId,
    /// Where it will be.
    pub region: RegionId,
    /// The store of that region.
    pub store: StoreId,
    /// Its name; empty for none.
    #[serde(default)]
    pub name: String,
    /// Its description; empty for none.
    #[serde(default)]
    pub description: String,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Its size; 0 for that of what it is made from.
    #[serde(default)]
    pub size_bytes: u64,
    /// The snapshot it is made from.
    #[serde(default)]
    pub snapshot: Option<SnapshotId>,
    /// The image whose system disk it is made from.
    #[serde(default)]
    pub image: Option<ImageId>,
}

#[async_trait]
impl Workflow for CreateDisk {
    type Ports = Ports;
    type Output = DiskId;
    const NAME: &'static str = "create_disk";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.account, &self.region)
    }

    fn label(&self) -> String {
        if self.name.is_empty() {
            "create a disk".to_owned()
        } else {
            format!("create the disk `{}`", self.name)
        }
    }

    fn subjects(&self) -> Vec<Subject> {
        let of_snapshot = self.snapshot.iter().map(|id| Subject(id.0.clone()));
        of_snapshot.chain(self.image.iter().map(|id| Subject(id.0.clone()))).collect()
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<DiskId, Halt> {
        let disk = DiskId(format!("d-{}", flow.new_id()));
        let creation = (self, disk);
        let reserved = flow.decide(creation.0.scope(), of(&creation, |view, (it, disk)| {
                rules::reserve_disk(view, it.reservation(&disk))                        // DiskReserved
            }))
            .undo(of(&creation, |view, (_, disk)| rules::release_disk(view, &disk))).await?;    // DiskReleased

        let empty = creation.0.zeros(&creation.1, &reserved);
        if let Some(zeros) = &empty {
            zeros.arrive(flow).await?;                                                  // DataTransferred, DataVerified
        }
        flow.decide(creation.0.scope(), of(&creation, |view, (_, disk)| rules::seal_disk(view, &disk)))  // DiskSealed
            .point_of_no_return("the disk may be used; deleting it is an operation of its own").await?;

        if let Some(zeros) = &empty {
            zeros.settle(flow).await?;                                                  // DataSettled
        }
        Ok(creation.1)
    }
}

impl CreateDisk {
    /// What will be reserved.
    pub fn reservation(self, disk: &DiskId) -> DiskReserved {
        let kind = if self.image.is_some() { DiskKind::System } else { DiskKind::Data };
        DiskReserved {
            disk: disk.clone(),
            name: self.name,
            description: self.description,
            tags: self.tags,
            account: self.account,
            region: self.region,
            size_bytes: self.size_bytes,
            kind,
            of_snapshot: self.snapshot,
            of_image: self.image,
            content: None,
        }
    }

    /// The zeros of a disk that is made from nothing.
    fn zeros(&self, disk: &DiskId, reserved: &DiskReserved) -> Option<Arrival> {
        let place =
            Place { region: self.region.clone(), store: self.store.clone(), account: self.account.clone() };
        reserved.content.is_none().then(|| Arrival {
            of: disk.clone().into(),
            snapshot: None,
            place,
            job: Job(disk.0.clone()),
            from: From::Zeros(reserved.size_bytes),
        })
    }
}
