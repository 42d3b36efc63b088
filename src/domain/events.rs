//! What becomes true of images, families, snapshots, disks and regions, in the domain's words. The
//! larger things they tell are in `details.rs`, those of access in `events_access.rs`.

use std::collections::BTreeMap;

use event::{Event, Scope, Subject};
use serde::{Deserialize, Serialize};

use crate::details::Concerned;
pub use crate::details::{Attributes, Copied, CopiedDisk, DiskPlan, ExportDisk, ResourceId};
pub use crate::events_access::is_of_access;
pub use crate::events_access::{
    AccessKeyCreated, AccessKeyDeleted, AccessKeyDisabled, AccessKeyEnabled, PolicyAttached, PolicyCreated,
    PolicyDeleted, PolicyDetached, RoleAssumed, RoleCreated, RoleDeleted, UserCreated, UserDeleted,
};
pub use crate::events_batch::{
    BatchBegun, BatchCancelled, BatchEnded, BatchForgotten, BatchLinesForgotten, BatchNoted, BatchPaused,
    BatchResumed, BatchStopped,
};
use crate::image::{DiskKind, Making, Quotas};
use crate::machine::Machine;
use crate::port::{CheckItem, Collected, Location, Source, StoredDisk, Transferred};
use crate::{AccountId, ContentRoot, DiskId, ImageId, RegionId, SnapshotId, StoreId, TaskId};

macro_rules! events {
    ($(
        $(#[$doc:meta])*
        $name:ident $kind:literal $(about $subject:ident $(and $other:ident)*)? {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
            }

            impl Event for $name {
                const KIND: &'static str = $kind;

                fn subjects(&self) -> Vec<Subject> {
                    #[allow(unused_mut, reason = "not every event is about something")]
                    let mut subjects = Vec::new();
                    $(
                        self.$subject.tell(&mut subjects);
                        $(self.$other.tell(&mut subjects);)*
                    )?
                    subjects
                }
            }
        )*

        /// The kinds of all events of this file.
        pub(crate) const KINDS: &[&str] = &[$($kind),*];
    };
}
pub(crate) use events;

events! {
    /// An account exists.
    AccountCreated "account.created/1" about account {
        /// Its decimal id.
        account: AccountId,
        /// What people call it.
        name: String,
    }
    /// How much an account may have in a region was set.
    QuotaSet "quota.set/1" {
        /// What it may have.
        quotas: Quotas,
    }
    /// A region exists, and which store it is.
    RegionAdded "region.added/1" {
        /// The region.
        region: RegionId,
        /// The id its store has to show.
        store: StoreId,
    }
    /// The store of a region stands.
    StoreMade "region.store-made/1" {
        /// The region.
        region: RegionId,
    }
    /// What nothing needs was collected in a region.
    ChunksCollected "region.chunks-collected/1" {
        /// The region.
        region: RegionId,
        /// What was done.
        collected: Collected,
    }
    /// Disk files were looked at.
    SourcesInspected "source.inspected/1" {
        /// What they are, the system disk first.
        sources: Vec<Source>,
    }
    /// An image's id, name and place in its family are taken; it is being made, or waits for that.
    ImageReserved "image.reserved/1" about image {
        /// The image.
        image: ImageId,
        /// Its name.
        name: String,
        /// Its description; empty for none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// Its family, if it stands in one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        family: Option<String>,
        /// Its tags.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
        /// The account that makes it.
        account: AccountId,
        /// The region it is made in.
        region: RegionId,
        /// The machine it wants.
        machine: Machine,
        /// Its disks, the system disk first.
        disks: Vec<DiskPlan>,
        /// What it is made from.
        making: Making,
        /// The task the API knows its making by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        /// Whether it waits until others of its kind are done.
        #[serde(default)]
        waits: bool,
        /// Whether its file systems are to be checked when it is there.
        #[serde(default)]
        check: bool,
    }
    /// An image that waited is being made.
    ImageBegun "image.begun/1" about image {
        /// The image.
        image: ImageId,
    }
    /// An image that did not come to be gave its id and name back.
    ImageReleased "image.released/1" about image {
        /// The image.
        image: ImageId,
    }
    /// An image is whole and Available.
    ImageSealed "image.sealed/1" about image {
        /// The image.
        image: ImageId,
    }
    /// A disk's bytes are in the store.
    DataTransferred "data.transferred/1" about of {
        /// What the disk belongs to.
        of: ResourceId,
        /// The snapshot the disk will be, if it belongs to an image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot: Option<SnapshotId>,
        /// Size of the disk.
        disk_bytes: u64,
        /// What was stored.
        data: Transferred,
    }
    /// What had been stored of a disk is gone.
    DataDiscarded "data.discarded/1" about of {
        /// What the disk belonged to.
        of: ResourceId,
        /// The snapshot the disk would have been, if it belonged to an image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot: Option<SnapshotId>,
    }
    /// A disk was read back from the store and is what was read from the source.
    DataVerified "data.verified/1" about of {
        /// What the disk belongs to.
        of: ResourceId,
        /// The snapshot the disk will be, if it belongs to an image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot: Option<SnapshotId>,
        /// The content root, computed anew.
        root: ContentRoot,
        /// Chunks read, decoded and hashed again.
        chunks: u64,
    }
    /// A disk's chunks serve the whole account from now on.
    DataSettled "data.settled/1" about of {
        /// What the disk belongs to.
        of: ResourceId,
        /// The snapshot the disk is, if it belongs to an image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot: Option<SnapshotId>,
    }
    /// Attributes of an image changed.
    ImageModified "image.modified/1" about image {
        /// The image.
        image: ImageId,
        /// What was set.
        to: Attributes,
        /// What it was before, of that.
        from: Attributes,
    }
    /// An image was deprecated: its family falls back to the one before.
    ImageDeprecated "image.deprecated/1" about image {
        /// The image.
        image: ImageId,
    }
    /// A deprecated image is Available again.
    ImageRestored "image.restored/1" about image {
        /// The image.
        image: ImageId,
    }
    /// An image is gone, with those snapshots that only it had needed, if that was asked for.
    ImageDeleted "image.deleted/1" about image and snapshots {
        /// The image.
        image: ImageId,
        /// The name it had, for whoever reads the story.
        name: String,
        /// The snapshots that went with it.
        snapshots: Vec<SnapshotId>,
        /// Whether it was to go even if instances use it.
        #[serde(default)]
        force: bool,
    }
    /// An image is shared with other accounts than before.
    SharesChanged "image.shares-changed/1" about image and added and removed {
        /// The image.
        image: ImageId,
        /// Those it is shared with from now on.
        added: Vec<AccountId>,
        /// Until when that is, milliseconds since 1970 UTC; for ever if that is not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until_ms: Option<i64>,
        /// Those it is shared with no more.
        removed: Vec<AccountId>,
    }
    /// A share came to its end by itself.
    ShareEnded "image.share-ended/1" about image and account {
        /// The image.
        image: ImageId,
        /// Whom it was shared with.
        account: AccountId,
    }
    /// Everybody in the region may use an image.
    ImagePublished "image.published/1" about image {
        /// The image.
        image: ImageId,
    }
    /// An image is its owner's alone again, and theirs it is shared with.
    ImageUnpublished "image.unpublished/1" about image {
        /// The image.
        image: ImageId,
    }
    /// A copy of an image is being made; it can not be deleted meanwhile.
    CopyBegun "image.copy-begun/1" about image and target {
        /// The image.
        image: ImageId,
        /// The image that will be its copy.
        target: ImageId,
        /// The account and region of the copy.
        to: Scope,
        /// What is copied.
        copied: Copied,
    }
    /// A copy that did not come to its end let go of its image.
    CopyWithdrawn "image.copy-withdrawn/1" about image and target {
        /// The image.
        image: ImageId,
        /// The image that would have been its copy.
        target: ImageId,
    }
    /// A copy of an image stands.
    CopyEnded "image.copy-ended/1" about image and target {
        /// The image.
        image: ImageId,
        /// Its copy.
        target: ImageId,
    }
    /// An image is being exported; it can not be deleted meanwhile.
    ExportBegun "image.export-begun/1" about image and task {
        /// The image.
        image: ImageId,
        /// The task the API knows it by.
        task: TaskId,
        /// What is exported, and where to.
        disks: Vec<ExportDisk>,
    }
    /// An export that did not come to its end let go of its image.
    ExportWithdrawn "image.export-withdrawn/1" about image {
        /// The image.
        image: ImageId,
    }
    /// An exported file is whole and durable.
    ExportWritten "image.export-written/1" about image {
        /// The image.
        image: ImageId,
        /// Where it is.
        at: Location,
        /// Size of the disk in it.
        disk_bytes: u64,
    }
    /// What an export had written is gone.
    ExportDiscarded "image.export-discarded/1" about image {
        /// The image.
        image: ImageId,
        /// Where it would have been.
        at: Location,
    }
    /// An export is over and its files stand.
    ExportEnded "image.export-ended/1" about image {
        /// The image.
        image: ImageId,
    }
    /// An image's file systems are to be checked.
    CheckAsked "image.check-asked/1" about image {
        /// The image.
        image: ImageId,
        /// Its system disk.
        disk: StoredDisk,
    }
    /// The file systems on a disk were read.
    GuestRead "image.guest-read/1" about image {
        /// The image.
        image: ImageId,
        /// What was found.
        items: Vec<CheckItem>,
    }
    /// An image's file systems were checked, and this is what is known of it from now on.
    ImageChecked "image.checked/1" about image {
        /// The image.
        image: ImageId,
        /// What was found.
        items: Vec<CheckItem>,
    }
    /// An image check was given up, and nothing waits for it any more.
    CheckDropped "image.check-dropped/1" about image {
        /// The image.
        image: ImageId,
    }
    /// A family was told which image to stand for; with none, it stands for its newest again.
    FamilyHeadSet "family.head-set/1" about image and before {
        /// The family.
        family: String,
        /// The image.
        image: Option<ImageId>,
        /// What it had been told before.
        before: Option<ImageId>,
    }
    /// What an operation had told a family counts no more; what others told it does, before and since.
    FamilyHeadReturned "family.head-returned/1" about image {
        /// The family.
        family: String,
        /// What it stands for now, of what it was told.
        image: Option<ImageId>,
    }
    /// A snapshot's id is taken; it is being made.
    SnapshotReserved "snapshot.reserved/1" about snapshot and of_disk {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Its name; empty for none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// Its description; empty for none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// Its tags.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
        /// Whose it is.
        account: AccountId,
        /// Where it is.
        region: RegionId,
        /// Size a disk made from it has at least.
        size_bytes: u64,
        /// Which place the disk has that it is of.
        kind: DiskKind,
        /// The disk it is of, if it is of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of_disk: Option<DiskId>,
        /// The snapshot it is a copy of, and the region of that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        copy_of: Option<(RegionId, SnapshotId)>,
        /// What is in the store already, if nothing has to be copied.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disk: Option<StoredDisk>,
        /// Days after which it is removed by itself; never if that is not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retention_days: Option<u32>,
    }
    /// A snapshot that did not come to be gave its id back.
    SnapshotReleased "snapshot.released/1" about snapshot {
        /// The snapshot.
        snapshot: SnapshotId,
    }
    /// A snapshot is accomplished.
    SnapshotSealed "snapshot.sealed/1" about snapshot {
        /// The snapshot.
        snapshot: SnapshotId,
    }
    /// Name, description or retention of a snapshot changed.
    SnapshotModified "snapshot.modified/1" about snapshot {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Its name now, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its description now, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// Days it is kept for since its creation, if that changed; 0 for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retention_days: Option<u32>,
    }
    /// A snapshot is gone.
    SnapshotDeleted "snapshot.deleted/1" about snapshot {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Whether it was to go even if disks were made from it.
        #[serde(default)]
        force: bool,
        /// Whether nobody asked: it had been kept long enough.
        #[serde(default)]
        expired: bool,
    }
    /// A copy of a snapshot is being made; it can not be deleted meanwhile.
    SnapshotCopyBegun "snapshot.copy-begun/1" about snapshot and target {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The snapshot that will be its copy.
        target: SnapshotId,
        /// The region of the copy.
        to: RegionId,
        /// The snapshot's disk.
        disk: StoredDisk,
        /// Size a disk made from it has at least.
        size_bytes: u64,
        /// Which place the disk had.
        kind: DiskKind,
    }
    /// A copy of a snapshot is over, or did not come to its end.
    SnapshotCopyEnded "snapshot.copy-ended/1" about snapshot and target {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Its copy, or what would have been it.
        target: SnapshotId,
        /// The region of the copy.
        to: RegionId,
    }
    /// A disk's id is taken; it is being made.
    DiskReserved "disk.reserved/1" about disk and of_snapshot and of_image {
        /// The disk.
        disk: DiskId,
        /// Its name; empty for none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// Its description; empty for none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// Its tags.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
        /// Whose it is.
        account: AccountId,
        /// Where it is.
        region: RegionId,
        /// Its size.
        size_bytes: u64,
        /// Which place it will have.
        kind: DiskKind,
        /// The snapshot it is made from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of_snapshot: Option<SnapshotId>,
        /// The image it is made from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of_image: Option<ImageId>,
        /// What is in the store already, if it is not empty.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<StoredDisk>,
    }
    /// A disk that did not come to be gave its id back.
    DiskReleased "disk.released/1" about disk {
        /// The disk.
        disk: DiskId,
    }
    /// A disk may be used.
    DiskSealed "disk.sealed/1" about disk {
        /// The disk.
        disk: DiskId,
    }
    /// Name, description or size of a disk changed.
    DiskModified "disk.modified/1" about disk {
        /// The disk.
        disk: DiskId,
        /// Its name now, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its description now, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// Its size now, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size_bytes: Option<u64>,
    }
    /// A disk is gone.
    DiskDeleted "disk.deleted/1" about disk {
        /// The disk.
        disk: DiskId,
    }
    /// Tags were put on resources, or taken off.
    ResourcesTagged "resource.tagged/1" about resources {
        /// The resources.
        resources: Vec<ResourceId>,
        /// Tags set.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        set: BTreeMap<String, String>,
        /// Keys of tags taken off.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
        /// Whether all tags were taken off first, those of the system excepted.
        #[serde(default)]
        all: bool,
    }
    /// A bucket's name is taken; it is being made.
    BucketReserved "bucket.reserved/1" {
        /// Its name.
        bucket: String,
        /// Whose it is.
        account: AccountId,
        /// Where it is.
        region: RegionId,
    }
    /// A bucket is there, and its name is to stay.
    BucketMade "bucket.made/1" {
        /// Its name.
        bucket: String,
    }
    /// The directory of a bucket stands.
    BucketPlaced "bucket.placed/1" {
        /// Its name.
        bucket: String,
    }
    /// The directory of a bucket is gone.
    BucketCleared "bucket.cleared/1" {
        /// Its name.
        bucket: String,
    }
    /// A bucket takes nothing in any more: it is being removed.
    BucketClosed "bucket.closed/1" {
        /// Its name.
        bucket: String,
    }
    /// A bucket that could not be removed takes things in again.
    BucketReopened "bucket.reopened/1" {
        /// Its name.
        bucket: String,
    }
    /// A bucket is gone, or did not come to be.
    BucketRemoved "bucket.removed/1" {
        /// The name it had.
        bucket: String,
    }
    /// An object is whole and durable in its bucket.
    ObjectPut "object.put/1" {
        /// Where it is.
        at: Location,
        /// Its length.
        bytes: u64,
    }
    /// What had been put of an object is gone.
    ObjectDiscarded "object.discarded/1" {
        /// Where it would have been.
        at: Location,
    }
    /// An object was copied to a file.
    ObjectFetched "object.fetched/1" {
        /// Where it is.
        at: Location,
        /// The file.
        path: String,
    }
    /// What had been copied of an object is gone.
    FetchDiscarded "object.fetch-discarded/1" {
        /// The object.
        at: Location,
    }
    /// An object is to go, and is not brought back.
    ObjectCondemned "object.condemned/1" {
        /// Where it is.
        at: Location,
    }
    /// An object is gone.
    ObjectRemoved "object.removed/1" {
        /// Where it was.
        at: Location,
    }
}
