//! The book of operations: one file an operation, its story first.
//!
//! A story holds only steps, branches on their results, and waits. A step is named by the event it
//! establishes, and its undo stands on the next line. Rules are asked of `domain`, bytes are moved
//! by the ports, and neither a clock nor a disk can be reached from here.

mod add_region;
mod collect_chunks;
mod create_account;
mod delete_image;
mod deprecate_image;
mod export_image;
mod import_image;
mod modify_image;
mod restore_image;

use std::sync::Arc;

use domain::image::SNAPSHOTS;
use domain::port::{DataPlane, LiveManifests};
use domain::{AccountId, ManifestId};
use event::{Failure, View};

pub use add_region::AddRegion;
pub use collect_chunks::CollectChunks;
pub use create_account::CreateAccount;
pub use delete_image::DeleteImage;
pub use deprecate_image::DeprecateImage;
pub use export_image::ExportImage;
pub use import_image::ImportImage;
pub use modify_image::ModifyImage;
pub use restore_image::RestoreImage;

/// What steps may reach.
pub struct Ports {
    /// The data plane.
    pub data: Arc<dyn DataPlane>,
}

/// A flow of this book.
pub type Flow = engine::Flow<Ports>;
/// One attempt at a step of this book.
pub type At = engine::At<Ports>;

/// Every story there is.
pub fn book() -> engine::Book<Ports> {
    engine::Book::default()
        .with::<AddRegion>()
        .with::<CollectChunks>()
        .with::<CreateAccount>()
        .with::<DeleteImage>()
        .with::<DeprecateImage>()
        .with::<ExportImage>()
        .with::<ImportImage>()
        .with::<ModifyImage>()
        .with::<RestoreImage>()
}

/// A step's action on something the story holds, of which each attempt gets a copy.
pub(crate) fn on<C: Clone, A, Fut>(held: &C, act: A) -> impl Fn(At) -> Fut + use<C, A, Fut>
where
    A: Fn(At, C) -> Fut,
{
    let held = held.clone();
    move |at| act(at, held.clone())
}

/// A rule asked about something the story holds.
pub(crate) fn of<C: Clone, A, T>(held: &C, ask: A) -> impl FnOnce(&View<'_>) -> T + use<C, A, T>
where
    A: FnOnce(&View<'_>, C) -> T,
{
    let held = held.clone();
    move |view| ask(view, held)
}

/// The manifests of all snapshots in a region, read from the log at every call.
pub(crate) struct Live {
    pub(crate) at: At,
    pub(crate) region: domain::RegionId,
}

impl LiveManifests for Live {
    fn manifests(&self) -> Result<Vec<(AccountId, ManifestId)>, Failure> {
        let rows = self.at.rows()?;
        let snapshots =
            SNAPSHOTS.list_all(&*rows).into_iter().filter(|snapshot| snapshot.region == self.region);
        Ok(snapshots.map(|snapshot| (snapshot.account, snapshot.disk.manifest)).collect())
    }
}
