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
use domain::port::{Format, Job, Place, StoredDisk};
use domain::{AccountId, ImageId, RegionId, SnapshotId, StoreId, image, rules};
use engine::{Halt, Workflow};
use event::Scope;
use serde::{Deserialize, Serialize};

use crate::{Flow, Ports};

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
        let image = ImageId(format!("m-{}", flow.new_id()));
        let snapshot = SnapshotId(format!("s-{}", flow.new_id()));
        let [to_release, to_seal] = [image.clone(), image.clone()];
        let (place, job) = (self.place(), Job(image.0.clone()));
        let busy = format!("transfers of {} in {}", self.account, self.region);
        let scope = self.scope();

        let (path, format) = (self.path.clone(), self.format);
        let source = flow.step(move |at| steps::inspect(at, path.clone(), format))              // SourceInspected
            .nothing_to_undo("looking at a file leaves nothing behind").await?.source;

        let wanted = self.reservation(&image, snapshot, &source);
        flow.decide(scope.clone(), move |view| rules::reserve(view, wanted))                     // ImageReserved
            .undo(move |view| rules::release(view, &to_release)).await?;                         // ImageReleased

        let [transfer, discard] = [steps::Bytes::of(&image, &place, &job), steps::Bytes::of(&image, &place, &job)];
        let from = source.clone();
        let data = flow.step(move |at| steps::transfer(at, transfer.clone(), from.clone()))      // DataTransferred
            .limit(busy, TRANSFERS_AT_ONCE)
            .undo(move |at| steps::discard(at, discard.clone())).await?.data;                    // DataDiscarded

        let stored = StoredDisk { manifest: data.manifest, disk_bytes: source.disk_bytes, root: data.root };
        let verify = steps::Bytes::of(&image, &place, &job);
        flow.step(move |at| steps::verify(at, verify.clone(), stored.clone()))                   // DataVerified
            .nothing_to_undo("reading back changes nothing").await?;

        flow.decide(scope, move |view| rules::seal(view, &to_seal))                              // ImageSealed
            .point_of_no_return("a sealed image is whole; deleting it is an operation of its own").await?;

        let settle = steps::Bytes::of(&image, &place, &job);
        flow.step(move |at| steps::settle(at, settle.clone()))                                   // DataSettled
            .nothing_to_undo("it is past the point of no return").await?;
        Ok(image)
    }
}

impl ImportImage {
    fn place(&self) -> Place {
        Place { region: self.region.clone(), store: self.store.clone(), account: self.account.clone() }
    }

    fn reservation(
        &self,
        image: &ImageId,
        snapshot: SnapshotId,
        source: &domain::port::Source,
    ) -> ImageReserved {
        ImageReserved {
            image: image.clone(),
            snapshot,
            name: self.name.clone(),
            description: self.description.clone(),
            family: self.family.clone(),
            tags: self.tags.clone(),
            account: self.account.clone(),
            region: self.region.clone(),
            source: source.clone(),
        }
    }
}

mod steps {
    //! What the steps do to the world.

    use domain::port::Source;
    use event::Failure;

    use super::{
        DataDiscarded, DataSettled, DataTransferred, DataVerified, Format, ImageId, Job, Place,
        SourceInspected, StoredDisk,
    };
    use crate::At;

    /// Which image's bytes, and where they lie.
    #[derive(Clone)]
    pub(super) struct Bytes {
        image: ImageId,
        place: Place,
        job: Job,
    }

    impl Bytes {
        pub(super) fn of(image: &ImageId, place: &Place, job: &Job) -> Self {
            Self { image: image.clone(), place: place.clone(), job: job.clone() }
        }
    }

    pub(super) async fn inspect(
        at: At,
        path: String,
        format: Option<Format>,
    ) -> Result<SourceInspected, Failure> {
        Ok(SourceInspected { source: at.ports().data.inspect(&path, format).await? })
    }

    pub(super) async fn transfer(at: At, bytes: Bytes, source: Source) -> Result<DataTransferred, Failure> {
        let data = at.ports().data.transfer(at.work(), &bytes.place, &bytes.job, &source).await?;
        Ok(DataTransferred { image: bytes.image, data })
    }

    pub(super) async fn discard(at: At, bytes: Bytes) -> Result<DataDiscarded, Failure> {
        at.ports().data.discard(at.work(), &bytes.place, &bytes.job).await?;
        Ok(DataDiscarded { image: bytes.image })
    }

    pub(super) async fn verify(at: At, bytes: Bytes, disk: StoredDisk) -> Result<DataVerified, Failure> {
        let found = at.ports().data.verify(at.work(), &bytes.place, &bytes.job, &disk).await?;
        Ok(DataVerified { image: bytes.image, root: found.root, chunks: found.chunks })
    }

    pub(super) async fn settle(at: At, bytes: Bytes) -> Result<DataSettled, Failure> {
        at.ports().data.settle(at.work(), &bytes.place, &bytes.job).await?;
        Ok(DataSettled { image: bytes.image })
    }
}
