//! What may be asked, and what is answered. On the socket both are rmp-serde with field names.

use std::collections::BTreeMap;

use domain::RegionId;
use domain::events::Attributes;
use domain::machine::MachineAsked;
use domain::port::{Compression, Format};
use engine::Which;
use event::{Actor, FlowId, Seq};
use serde::{Deserialize, Serialize};

use crate::request_access::{AccessRequest, KeyRequest};
use crate::request_audit::{ArchiveAsked, AuditRequest, BackupAsked, Kept};
use crate::request_batch::BatchRequest;
use crate::request_image::{ImageQuery, ImageRequest};
use crate::request_network::NetworkRequest;
use crate::request_schedule::ScheduleRequest;
use crate::request_share::ShareRequest;
use crate::request_task::TaskRequest;
use crate::request_things::{BucketRequest, DiskRequest, SnapshotRequest, TagRequest};
use crate::request_upkeep::UpkeepRequest;
use crate::request_workflow::WorkflowQuery;
use crate::view::{
    Checked, Families, FamilyView, Head, LogPage, Rebuilt, Regions, SignedHead, SigningKeys, Started, Story,
    Verified, WorkflowView, Workflows,
};
use crate::view_access::{KeyCreated, Keys, Policies, PolicyView, RoleView, Roles, UserView, Users};
use crate::view_audit::{ArchiveView, BackupMade, Differences, Judged, PastView, Told};
use crate::view_batch::{BatchLines, BatchView, Batches, LinesTried, ManifestHave};
use crate::view_image::{ImageView, Images};
use crate::view_network::{Groups, Items, KeyPairStarted};
use crate::view_schedule::{ScheduleView, Schedules, Ticks};
use crate::view_share::{Accounts, CopiesStarted, QuotaViews, Shares};
use crate::view_task::{TaskView, Tasks};
use crate::view_things::{Buckets, DiskView, Disks, Objects, SnapshotView, Snapshots, Tags};
use crate::view_top::Top;
use crate::view_upkeep::{UpkeepPlanView, UpkeepView, Upkeeps};
use crate::{Family, Trouble};

/// The version of what is spoken on the socket; two programs that differ do not talk.
pub const PROTOCOL: u32 = 1;

/// One question on the socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// [`PROTOCOL`] of who asks.
    pub protocol: u32,
    /// Whether who asks waits for work to be done.
    pub drive: bool,
    /// Who asks.
    pub actor: Actor,
    /// The request's id: asked again under it, an operation is not started twice.
    pub id: String,
    /// How it is asked.
    pub manner: Manner,
    /// What is asked.
    pub request: Request,
}

/// How something is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// Only whether it could be; nothing is done, and the answer is the refusal `DryRunOperation` if
    /// nothing stands against it.
    pub dry_run: bool,
    /// What makes the request repeatable for a day: with the same token and words it is not done twice.
    pub token: Option<String>,
    /// Whether it is behind what people ask for where operations wait: a line of a batch, a tick of a schedule.
    #[serde(default)]
    pub background: bool,
}

/// An image, by its id or its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageAt {
    /// Its id, or its name.
    pub image: String,
    /// Where it is, when its name alone does not tell.
    pub region: Option<RegionId>,
}

/// A file on this computer, or an object in a bucket of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAt {
    /// The bucket, if it is an object.
    pub bucket: Option<String>,
    /// Absolute path of the file, or key of the object.
    pub path: String,
}

/// A disk of an image that is imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportDisk {
    /// The disk file.
    pub at: FileAt,
    /// Its format; found out if none is given.
    pub format: Option<Format>,
    /// Where an instance will have it; `/dev/xvda` and on if it is not said.
    pub device: Option<String>,
    /// Size an instance's disk will have; that of the content if it is not said.
    pub size_bytes: Option<u64>,
}

/// An import of disk files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageImport {
    /// The disks, the system disk first.
    pub disks: Vec<ImportDisk>,
    /// Name of the image; its id if it is empty.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its family.
    pub family: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Where it will be; the default region if none is given.
    pub region: Option<RegionId>,
    /// What is said of the machine it wants.
    pub machine: MachineAsked,
    /// Whether its file systems are to be checked when it is there.
    pub check: bool,
}

/// Where an export goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportTo {
    /// A file on this computer, by its absolute path; data disks beside it.
    File(String),
    /// An object in a bucket of the account, by its key; data disks beside it.
    Object {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// A bucket of the account, under the names of the ECS API: `PREFIX_IMAGE_system.raw.tar.gz`.
    Bucket {
        /// The bucket.
        bucket: String,
        /// What the names begin with; `export` if it is not said.
        prefix: Option<String>,
    },
}

/// An export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageExport {
    /// The image.
    pub at: ImageAt,
    /// Where to.
    pub to: ExportTo,
    /// Its format.
    pub format: Format,
    /// Compression, for qcow2.
    pub compression: Compression,
    /// Whether a file of that name may be replaced.
    pub replace: bool,
}

/// Everything that may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Starts an import, or finds the unfinished one with the same input.
    ImageImport(ImageImport),
    /// Images, of one region or of all.
    ImageList(ImageQuery),
    /// One image.
    ImageShow(ImageAt),
    /// Starts to change attributes.
    ImageModify {
        /// The image.
        at: ImageAt,
        /// What to set.
        to: Attributes,
    },
    /// Starts to deprecate.
    ImageDeprecate(ImageAt),
    /// Starts to restore.
    ImageRestore(ImageAt),
    /// Starts to delete; a collection follows when that is done.
    ImageDelete {
        /// The image.
        at: ImageAt,
        /// Even if instances use it.
        force: bool,
        /// Whether the snapshots it made stay.
        keep_snapshots: bool,
    },
    /// Starts an export.
    ImageExport(ImageExport),
    /// What else may be asked of images.
    Image(ImageRequest),
    /// What may be asked of tasks.
    Task(TaskRequest),
    /// What the log says of an image, deleted ones included.
    ImageHistory(ImageAt),
    /// Families, of one region or of all.
    FamilyList {
        /// The region; all if none is given.
        region: Option<RegionId>,
    },
    /// One family.
    FamilyShow {
        /// Its name.
        family: String,
        /// Where it is, when its name alone does not tell.
        region: Option<RegionId>,
    },
    /// Operations, newest first.
    WorkflowList(WorkflowQuery),
    /// What goes on at this moment.
    WorkflowTop {
        /// At most so many in progress, and so many parked.
        count: u32,
    },
    /// One operation.
    WorkflowShow(FlowId),
    /// What an operation did, event by event.
    WorkflowHistory(FlowId),
    /// One operation, answered as soon as it differs from what was seen, or after a moment.
    WorkflowWait {
        /// The operation.
        workflow: FlowId,
        /// Events seen.
        events: u64,
    },
    /// Cancels an operation.
    WorkflowCancel {
        /// The operation.
        workflow: FlowId,
        /// Why.
        reason: String,
    },
    /// Makes operations stand still.
    WorkflowPause {
        /// Which; all but one concern all accounts.
        which: Which,
        /// Why.
        reason: String,
    },
    /// Lets operations go on that were made to stand still together.
    WorkflowResumeAll {
        /// Which.
        which: Which,
        /// Why.
        reason: String,
    },
    /// Begins a parked operation anew, from before one of its events or from its beginning; what it did from there on
    /// is undone first.
    WorkflowReset {
        /// Which.
        workflow: FlowId,
        /// The first event that is not taken over; its beginning if none is given.
        before: Option<Seq>,
        /// Why.
        reason: String,
    },
    /// Lets a parked operation go on.
    WorkflowResume {
        /// The operation.
        workflow: FlowId,
        /// Why.
        reason: String,
    },
    /// Makes a parked operation undo what it began.
    WorkflowUnwind {
        /// The operation.
        workflow: FlowId,
        /// Why.
        reason: String,
    },
    /// Gives a parked operation up, leaving things as they are.
    WorkflowAbandon {
        /// The operation.
        workflow: FlowId,
        /// Why.
        reason: String,
    },
    /// The past: the log, what there was, who could do what.
    Audit(AuditRequest),
    /// Where the log ends.
    AuditHead,
    /// The same, signed.
    AuditSignedHead,
    /// The public keys by which heads are signed.
    AuditKeys,
    /// Checks the log; against earlier heads, if any are given.
    AuditVerify {
        /// What was kept of them.
        heads: Vec<Kept>,
    },
    /// Folds the log anew and compares.
    AuditRebuild,
    /// Tells what of the log is archived, and moves what is old enough if that is asked.
    AuditArchive(ArchiveAsked),
    /// Writes a backup.
    Backup(BackupAsked),
    /// Regions.
    RegionList,
    /// Starts a collection in a region.
    RegionCollect {
        /// The region; the default one if none is given.
        region: Option<RegionId>,
        /// The deletion after which it is, whose collection is started only once.
        after: Option<FlowId>,
    },
    /// Accounts, shares, copies, moving families, quotas, new regions.
    Share(ShareRequest),
    /// Looks through a region's store.
    RegionCheck {
        /// The region; the default one if none is given.
        region: Option<RegionId>,
        /// Whether every frame is decoded and hashed.
        deep: bool,
    },
    /// Something about disks.
    Disk(DiskRequest),
    /// Something about snapshots.
    Snapshot(SnapshotRequest),
    /// Something about buckets.
    Bucket(BucketRequest),
    /// Something about tags.
    Tag(TagRequest),
    /// Something about access keys.
    Key(KeyRequest),
    /// Something about users, policies and roles.
    Access(AccessRequest),
    /// Something about what machines stand in.
    Network(NetworkRequest),
    /// Something about batches.
    Batch(BatchRequest),
    /// Something about schedules.
    Schedule(ScheduleRequest),
    /// Something about retention policies and distribution lists.
    Upkeep(UpkeepRequest),
}

macro_rules! replies {
    ($($name:ident),*) => {
        /// Everything that may be answered.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Reply {
            $(
                #[doc = concat!("[`", stringify!($name), "`].")]
                $name(Box<$name>),
            )*
        }

        $(
            impl From<$name> for Reply {
                fn from(view: $name) -> Self {
                    Self::$name(Box::new(view))
                }
            }

            impl TryFrom<Reply> for $name {
                type Error = Trouble;

                fn try_from(reply: Reply) -> Result<Self, Trouble> {
                    match reply {
                        Reply::$name(view) => Ok(*view),
                        other => Err(Trouble::mixed_up(&format!("{other:?}"))),
                    }
                }
            }
        )*
    };
}

replies!(
    ImageView,
    Images,
    TaskView,
    Tasks,
    Story,
    FamilyView,
    Families,
    Started,
    WorkflowView,
    Workflows,
    Top,
    LogPage,
    Head,
    SignedHead,
    SigningKeys,
    Verified,
    Rebuilt,
    ArchiveView,
    BackupMade,
    Regions,
    Checked,
    DiskView,
    Disks,
    SnapshotView,
    Snapshots,
    Buckets,
    Objects,
    Tags,
    Accounts,
    Shares,
    CopiesStarted,
    QuotaViews,
    Keys,
    KeyCreated,
    UserView,
    Users,
    PolicyView,
    Policies,
    RoleView,
    Roles,
    PastView,
    Differences,
    Judged,
    Told,
    Groups,
    Items,
    KeyPairStarted,
    BatchView,
    Batches,
    ManifestHave,
    LinesTried,
    BatchLines,
    ScheduleView,
    Schedules,
    Ticks,
    UpkeepView,
    Upkeeps,
    UpkeepPlanView
);

impl Request {
    /// What it asks for, as the socket spells it: `image-import`. Policies name it so.
    pub fn action_name(&self) -> String {
        crate::asked::action(self)
    }

    /// What it asks for beside, as policies name it: what the lines of a batch do, what is done for a retention policy
    /// or a distribution list.
    pub fn asks_beside(&self) -> Vec<String> {
        match self {
            Self::Batch(BatchRequest::Run(run)) => run.actions.clone(),
            Self::Batch(BatchRequest::Plan { actions, .. }) => actions.clone(),
            Self::Upkeep(request) => request.asks_beside(),
            _ => Vec::new(),
        }
    }

    /// Whether it names a file of the computer it is answered on.
    pub fn names_files(&self) -> bool {
        match self {
            Self::ImageImport(import) => import.disks.iter().any(|disk| disk.at.bucket.is_none()),
            Self::ImageExport(export) => matches!(export.to, ExportTo::File(_)),
            Self::Bucket(BucketRequest::Put { .. } | BucketRequest::Get { .. }) | Self::Backup(_) => true,
            Self::Batch(BatchRequest::Run(run)) => run.names_files,
            Self::Batch(BatchRequest::Plan { names_files, .. }) => *names_files,
            // What cannot be read may name anything.
            _ => self.begins_later().map_or(true, |later| later.is_some_and(|later| later.names_files())),
        }
    }

    /// All that it asks for, as policies name it.
    pub fn actions(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.action_name()).chain(self.asks_beside())
    }

    /// Whether lines of batches are to start no more by it: what drives operations for it waits until it is decided.
    pub(crate) fn holds_lines_back(&self) -> bool {
        matches!(self, Self::Batch(BatchRequest::Pause { .. } | BatchRequest::Cancel { .. }))
    }

    /// What it has be asked for later, in the name of who asks now: whoever may not ask for that may not have it
    /// asked for, and what cannot be read nobody may.
    pub fn begins_later(&self) -> Result<Option<Self>, Trouble> {
        match self {
            Self::Schedule(ScheduleRequest::Create(create)) => create.operation.request().map(Some),
            _ => Ok(None),
        }
    }
}

impl Call {
    /// Whether two programs speak the same.
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        if self.protocol == PROTOCOL {
            return Ok(());
        }
        let message = format!(
            "another version of `kiln` holds the data directory: it speaks protocol {PROTOCOL}, this one {}",
            self.protocol
        );
        let trouble = Trouble::new(Family::World, "ProtocolMismatch", message);
        Err(trouble.advise("wait until it has ended, or use the same program for both"))
    }
}
