//! The book of operations: one file an operation, its story first.
//!
//! A story holds only steps, branches on their results, and waits. A step is named by the event it
//! establishes, and its undo stands on the next line. Rules are asked of `domain`, bytes are moved
//! by the ports, and neither a clock nor a disk can be reached from here.

mod add_region;
mod arrival;
mod assume_role;
mod attach_policy;
mod backfill_schedule;
mod begin_batch;
mod begin_run;
mod change_access_key;
mod change_batch;
mod change_rules;
mod change_shares;
mod change_upkeep;
mod check_image;
mod collect_chunks;
mod copy_image;
mod copy_snapshot;
mod create_access_key;
mod create_account;
mod create_bucket;
mod create_disk;
mod create_group;
mod create_image;
mod create_item;
mod create_policy;
mod create_role;
mod create_schedule;
mod create_snapshot;
mod create_upkeep;
mod create_user;
mod delete_access_key;
mod delete_bucket;
mod delete_disk;
mod delete_image;
mod delete_items;
mod delete_policy;
mod delete_role;
mod delete_schedule;
mod delete_snapshot;
mod delete_upkeep;
mod delete_user;
mod deprecate_image;
mod detach_policy;
mod distribute_images;
mod end_run;
mod end_share;
mod export_image;
mod get_object;
mod import_image;
mod join_group;
mod modify_disk;
mod modify_image;
mod modify_item;
mod modify_snapshot;
mod pause_schedule;
mod promote_family;
mod publish_image;
mod put_object;
mod remove_object;
mod restore_image;
mod resume_schedule;
mod run_schedule;
mod run_upkeep;
mod set_quotas;
mod tag_resources;
mod tick_schedule;
mod unpublish_image;

use std::sync::Arc;

use domain::port::{DataPlane, LiveManifests};
use domain::{AccountId, ManifestId, image};
use event::{Failure, View};

pub use add_region::AddRegion;
pub use assume_role::AssumeRole;
pub use attach_policy::AttachPolicy;
pub use backfill_schedule::BackfillSchedule;
pub use begin_batch::BeginBatch;
pub use begin_run::BeginRun;
pub use change_access_key::ChangeAccessKey;
pub use change_batch::ChangeBatch;
pub use change_rules::ChangeRules;
pub use change_shares::ChangeShares;
pub use change_upkeep::ChangeUpkeep;
pub use check_image::CheckImage;
pub use collect_chunks::CollectChunks;
pub use copy_image::CopyImage;
pub use copy_snapshot::CopySnapshot;
pub use create_access_key::CreateAccessKey;
pub use create_account::CreateAccount;
pub use create_bucket::CreateBucket;
pub use create_disk::CreateDisk;
pub use create_group::CreateGroup;
pub use create_image::{CreateImage, MappedDisk};
pub use create_item::CreateItem;
pub use create_policy::CreatePolicy;
pub use create_role::CreateRole;
pub use create_schedule::CreateSchedule;
pub use create_snapshot::CreateSnapshot;
pub use create_upkeep::CreateUpkeep;
pub use create_user::CreateUser;
pub use delete_access_key::DeleteAccessKey;
pub use delete_bucket::DeleteBucket;
pub use delete_disk::DeleteDisk;
pub use delete_image::DeleteImage;
pub use delete_items::DeleteItems;
pub use delete_policy::DeletePolicy;
pub use delete_role::DeleteRole;
pub use delete_schedule::DeleteSchedule;
pub use delete_snapshot::DeleteSnapshot;
pub use delete_upkeep::DeleteUpkeep;
pub use delete_user::DeleteUser;
pub use deprecate_image::DeprecateImage;
pub use detach_policy::DetachPolicy;
pub use distribute_images::DistributeImages;
pub use end_run::EndRun;
pub use end_share::EndShare;
pub use export_image::{ExportImage, ExportTo};
pub use get_object::GetObject;
pub use import_image::{DiskFile, ImportImage};
pub use join_group::JoinGroup;
pub use modify_disk::ModifyDisk;
pub use modify_image::ModifyImage;
pub use modify_item::ModifyItem;
pub use modify_snapshot::ModifySnapshot;
pub use pause_schedule::PauseSchedule;
pub use promote_family::{Move, PromoteFamily};
pub use publish_image::PublishImage;
pub use put_object::PutObject;
pub use remove_object::RemoveObject;
pub use restore_image::RestoreImage;
pub use resume_schedule::ResumeSchedule;
pub use run_schedule::RunSchedule;
pub use run_upkeep::RunUpkeep;
pub use set_quotas::SetQuotas;
pub use tag_resources::TagResources;
pub use tick_schedule::TickSchedule;
pub use unpublish_image::UnpublishImage;

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
        .with::<AssumeRole>()
        .with::<AttachPolicy>()
        .with::<BeginBatch>()
        .with::<ChangeAccessKey>()
        .with::<ChangeBatch>()
        .with::<ChangeRules>()
        .with::<ChangeShares>()
        .with::<CheckImage>()
        .with::<CollectChunks>()
        .with::<CopyImage>()
        .with::<CopySnapshot>()
        .with::<CreateAccessKey>()
        .with::<CreateAccount>()
        .with::<CreateBucket>()
        .with::<CreateDisk>()
        .with::<CreateGroup>()
        .with::<CreateImage>()
        .with::<CreatePolicy>()
        .with::<CreateRole>()
        .with::<CreateItem>()
        .with::<CreateSnapshot>()
        .with::<CreateUser>()
        .with::<DeleteAccessKey>()
        .with::<DeleteBucket>()
        .with::<DeleteDisk>()
        .with::<DeleteImage>()
        .with::<DeletePolicy>()
        .with::<DeleteRole>()
        .with::<DeleteItems>()
        .with::<DeleteSnapshot>()
        .with::<DeleteUser>()
        .with::<DeprecateImage>()
        .with::<DetachPolicy>()
        .with::<EndShare>()
        .with::<ExportImage>()
        .with::<GetObject>()
        .with::<ImportImage>()
        .with::<ModifyDisk>()
        .with::<JoinGroup>()
        .with::<ModifyImage>()
        .with::<ModifyItem>()
        .with::<ModifySnapshot>()
        .with::<PromoteFamily>()
        .with::<PublishImage>()
        .with::<PutObject>()
        .with::<RemoveObject>()
        .with::<RestoreImage>()
        .with::<SetQuotas>()
        .with::<TagResources>()
        .with::<UnpublishImage>()
        .with::<BackfillSchedule>()
        .with::<BeginRun>()
        .with::<CreateSchedule>()
        .with::<DeleteSchedule>()
        .with::<EndRun>()
        .with::<PauseSchedule>()
        .with::<ResumeSchedule>()
        .with::<RunSchedule>()
        .with::<TickSchedule>()
        .with::<ChangeUpkeep>()
        .with::<CreateUpkeep>()
        .with::<DeleteUpkeep>()
        .with::<DistributeImages>()
        .with::<RunUpkeep>()
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

/// The manifests of all snapshots and disks in a region, read from the log at every call.
pub(crate) struct Live {
    pub(crate) at: At,
    pub(crate) region: domain::RegionId,
}

impl LiveManifests for Live {
    fn manifests(&self) -> Result<Vec<(AccountId, ManifestId)>, Failure> {
        Ok(image::live_manifests(&*self.at.rows()?, &self.region))
    }
}
