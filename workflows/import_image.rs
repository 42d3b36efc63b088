//! Import an image from a disk file on this computer.
//!
//! | from | until | if it ends here, what remains |
//! |---|---|---|
//! | start | the disk was looked at | nothing |
//! | reserved | its bytes are stored and read back | nothing: name, id and space come back |
//! | sealed | its chunks serve the account | the image, Available; there is no way back |

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::events::{
    DataDiscarded, DataSettled, DataTransferred, DataVerified, ImageReserved, SourceInspected,
};
use domain::port::{Format, Job, Place, Source};
use domain::{AccountId, ImageId, RegionId, SnapshotId, StoreId, image, rules};
use engine::{Halt, Workflow};
use event::Scope;
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports, of, on};

/// Imports of an account that move data in one region at once; the others wait their turn. Two
/// keep two processors busy, more would only thin each other out.
const TRANSFERS_AT_ONCE: usize = 2;

/// What an import is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportImage {
    /// Who will own the image.
    pub account: AccountId,
    /// Where it will be.
    pub region: RegionId,
    /// The store of that region.
    pub store: StoreId,
    /// Absolute path of the disk file.
    pub path: String,
    /// The format, if the caller says so; found out otherwise.
    #[serde(default)]
    pub format: Option<Format>,
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
        let source = flow.step(on(&self, steps::inspect))                                   // SourceInspected
            .nothing_to_undo("looking at a file leaves nothing behind").await?.source;
        let import = Import::new(self, source, flow);

        flow.decide(import.scope(), of(&import, |view, it| rules::reserve(view, it.reservation())))  // ImageReserved
            .undo(of(&import, |view, it| rules::release(view, &it.image))).await?;          // ImageReleased

        let data = flow.step(on(&import, steps::transfer))                                  // DataTransferred
            .limit(import.queue(), TRANSFERS_AT_ONCE)
            .undo(on(&import, steps::discard)).await?.data;                                 // DataDiscarded

        flow.step(on(&(import.clone(), data), steps::verify))                               // DataVerified
            .nothing_to_undo("reading back changes nothing").await?;

        flow.decide(import.scope(), of(&import, |view, it| rules::seal(view, &it.image)))   // ImageSealed
            .point_of_no_return("a sealed image is whole; deleting it is an operation of its own").await?;

        flow.step(on(&import, steps::settle))                                               // DataSettled
            .nothing_to_undo("it is past the point of no return").await?;
        Ok(import.image)
    }
}

/// An import whose source has been looked at: what its steps need.
#[derive(Clone)]
struct Import {
    asked: ImportImage,
    source: Source,
    image: ImageId,
    snapshot: SnapshotId,
    place: Place,
    job: Job,
}

impl Import {
    fn new(asked: ImportImage, source: Source, flow: &Flow) -> Self {
        let image = ImageId(format!("m-{}", flow.new_id()));
        let snapshot = SnapshotId(format!("s-{}", flow.new_id()));
        let place = Place {
            region: asked.region.clone(),
            store: asked.store.clone(),
            account: asked.account.clone(),
        };
        let job = Job(image.0.clone());
        Self { asked, source, image, snapshot, place, job }
    }

    fn scope(&self) -> Scope {
        self.asked.scope()
    }

    /// Those who wait for one another.
    fn queue(&self) -> String {
        format!("transfers of {} in {}", self.place.account, self.place.region)
    }

    fn reservation(self) -> ImageReserved {
        ImageReserved {
            image: self.image,
            snapshot: self.snapshot,
            name: self.asked.name,
            description: self.asked.description,
            family: self.asked.family,
            tags: self.asked.tags,
            account: self.asked.account,
            region: self.asked.region,
            source: self.source,
        }
    }
}

mod steps {
    //! What the steps do to the world.

    use domain::port::{Location, StoredDisk, Transferred};
    use event::Failure;

    use super::{
        DataDiscarded, DataSettled, DataTransferred, DataVerified, Import, ImportImage, SourceInspected,
    };
    use crate::At;

    pub(super) async fn inspect(at: At, asked: ImportImage) -> Result<SourceInspected, Failure> {
        Ok(SourceInspected {
            source: at.ports().data.inspect(&Location::file(asked.path), asked.format).await?,
        })
    }

    pub(super) async fn transfer(at: At, it: Import) -> Result<DataTransferred, Failure> {
        let data = at.ports().data.transfer(at.work(), &it.place, &it.job, &it.source).await?;
        Ok(DataTransferred { image: it.image, data })
    }

    pub(super) async fn discard(at: At, it: Import) -> Result<DataDiscarded, Failure> {
        at.ports().data.discard(at.work(), &it.place, &it.job).await?;
        Ok(DataDiscarded { image: it.image })
    }

    pub(super) async fn verify(at: At, (it, data): (Import, Transferred)) -> Result<DataVerified, Failure> {
        let disk = StoredDisk { manifest: data.manifest, disk_bytes: it.source.disk_bytes, root: data.root };
        let found = at.ports().data.verify(at.work(), &it.place, &it.job, &disk).await?;
        Ok(DataVerified { image: it.image, root: found.root, chunks: found.chunks })
    }

    pub(super) async fn settle(at: At, it: Import) -> Result<DataSettled, Failure> {
        at.ports().data.settle(at.work(), &it.place, &it.job).await?;
        Ok(DataSettled { image: it.image })
    }
}
