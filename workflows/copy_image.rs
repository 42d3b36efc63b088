//! Copy an image to another region, or, from whoever shares it, within the region.
//!
//! | from | until | if it ends here, what remains |
//! |---|---|---|
//! | begun | reserved | nothing: the source may be deleted again |
//! | reserved | every disk is stored and read back | nothing: name, id and space come back |
//! | sealed | the source is let go | the copy, Available, whole without its source |

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events::{Copied, DiskPlan, ImageReserved};
use domain::image::Making;
use domain::port::{Job, Pace, Place};
use domain::upkeep::ForList;
use domain::{ImageId, SnapshotId, image, rules};
use engine::{Halt, Workflow};
use event::{Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::arrival::{Arrival, From};
use crate::{Flow, Ports, of};

/// Copies into one region at once, as the API documents; the others wait their turn.
const COPIES_AT_ONCE: usize = 5;

/// What a copy is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyImage {
    /// The image.
    pub source: ImageId,
    /// Whose it is, where, and in which store.
    pub from: Place,
    /// Whose the copy will be, where, and in which store.
    pub to: Place,
    /// Name of the copy.
    pub name: String,
    /// Its description; empty for none.
    #[serde(default)]
    pub description: String,
    /// Its tags; those of the source are not taken along.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// How fast.
    #[serde(default)]
    pub pace: Pace,
    /// Its family; that of the source is not taken along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The distribution list it is made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_list: Option<ForList>,
}

#[async_trait]
impl Workflow for CopyImage {
    type Ports = Ports;
    type Output = ImageId;
    const NAME: &'static str = "copy_image";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        image::scope(&self.to.account, &self.to.region)
    }

    fn label(&self) -> String {
        format!("copy `{}` to `{}` in `{}`", self.source, self.name, self.to.region)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(self.source.0.clone())]
    }

    #[rustfmt::skip]
    async fn run(self, flow: &Flow) -> Result<ImageId, Halt> {
        let target = ImageId(format!("m-{}", flow.new_id()));
        let asked = (self, target);
        let copied = flow.decide(asked.0.source_scope(), of(&asked, |view, (it, target)| {
                rules::begin_copy(view, &it.source, &it.to.account, &target, &it.scope())       // CopyBegun
            }))
            .undo(of(&asked, |view, (it, target)| rules::withdraw_copy(view, &it.source, &target))).await?.copied;
        let copy = Copy::new(asked, copied, flow);                                              // CopyWithdrawn

        flow.decide(copy.scope(), of(&copy, |view, it| rules::reserve(view, it.reservation()))) // ImageReserved
            .undo(of(&copy, |view, it| rules::release(view, &it.target))).await?;               // ImageReleased

        let _turn = flow.hold(&format!("copies to {}", copy.asked.to.region), COPIES_AT_ONCE).await?;
        flow.decide(copy.scope(), of(&copy, |view, it| rules::begin_image(view, &it.target)))   // ImageBegun
            .nothing_to_undo("it is released with the rest").await?;

        for disk in copy.arrivals() {
            disk.arrive(flow).await?;                                           // DataTransferred, DataVerified
        }
        flow.decide(copy.scope(), of(&copy, |view, it| rules::seal(view, &it.target)))          // ImageSealed
            .point_of_no_return("a sealed image is whole; deleting it is an operation of its own").await?;

        for disk in copy.arrivals() {
            disk.settle(flow).await?;                                           // DataSettled
        }
        flow.decide(copy.asked.source_scope(), of(&copy, |view, it| {
                rules::end_copy(view, &it.asked.source, &it.target)                             // CopyEnded
            }))
            .nothing_to_undo("it is past the point of no return").await?;
        Ok(copy.target)
    }
}

impl CopyImage {
    fn source_scope(&self) -> Scope {
        image::scope(&self.from.account, &self.from.region)
    }

    /// What will be reserved, for asking the rule before anything begins.
    pub fn foresee(&self, copied: Copied) -> ImageReserved {
        let snapshots = (0..copied.disks.len()).map(|number| SnapshotId(format!("s-{number}"))).collect();
        Copy { asked: self.clone(), target: ImageId::default(), copied, snapshots }.reservation()
    }
}

/// A copy under way.
#[derive(Clone)]
struct Copy {
    asked: CopyImage,
    target: ImageId,
    copied: Copied,
    snapshots: Vec<SnapshotId>,
}

impl Copy {
    fn new((asked, target): (CopyImage, ImageId), copied: Copied, flow: &Flow) -> Self {
        let snapshots = copied.disks.iter().map(|_| SnapshotId(format!("s-{}", flow.new_id()))).collect();
        Self { asked, target, copied, snapshots }
    }

    fn scope(&self) -> Scope {
        self.asked.scope()
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let disks = self.copied.disks.iter().zip(&self.snapshots);
        disks
            .map(|(disk, snapshot)| Arrival {
                of: self.target.clone().into(),
                snapshot: Some(snapshot.clone()),
                place: self.asked.to.clone(),
                job: Job(snapshot.0.clone()),
                from: From::Store {
                    place: self.asked.from.clone(),
                    disk: disk.disk,
                    pace: self.asked.pace.clone(),
                },
            })
            .collect()
    }

    fn reservation(self) -> ImageReserved {
        let Self { asked, target, copied, snapshots } = self;
        let disks = copied.disks.into_iter().zip(snapshots).map(|(disk, snapshot)| DiskPlan {
            device: disk.device,
            kind: disk.kind,
            snapshot,
            own: true,
            size_bytes: disk.size_bytes,
            disk_bytes: disk.disk.disk_bytes,
            format: None,
            source: None,
            disk: None,
            data_bytes: 0,
        });
        ImageReserved {
            image: target,
            name: asked.name,
            description: asked.description,
            family: asked.family,
            tags: asked.tags,
            account: asked.to.account,
            region: asked.to.region,
            machine: copied.machine,
            disks: disks.collect(),
            making: Making::Copy {
                image: asked.source,
                account: asked.from.account,
                region: asked.from.region,
            },
            task: None,
            waits: true,
            check: false,
            for_list: asked.for_list,
        }
    }
}
