//! Use cases and views: what the API, the console and the command line may ask, and nothing else.
//!
//! [`dispatch`] is the only door: a [`Request`] in, a [`Reply`] out. A [`Service`] is the open data
//! directory behind it; a [`House`] is how a process gets to one: whoever holds the directory
//! answers on a socket in it, and every other process asks there.
//!
//! ```text
//!  command ──Request──▶ House ──┬─ holds the directory itself ──▶ dispatch ──▶ engine, data plane
//!                               └─ another process holds it ──▶ kiln.sock ──▶ dispatch ──▶ …
//! ```
//!
//! ```
//! # use std::sync::Arc;
//! use service::{Because, House, ImageQuery, Images, Request};
//!
//! # let place = tempfile::tempdir().unwrap();
//! # let dir = place.path().to_owned();
//! # let files: Arc<dyn files::Files> = Arc::new(files::RealFiles);
//! # let under = files.clone();
//! # let data = move |root: &std::path::Path| -> Arc<dyn domain::port::DataPlane> {
//! #     Arc::new(data::Plane::new(under.clone(), root.to_owned(), data::Options::default()))
//! # };
//! # let wiring = service::Wiring { files, clock: Arc::new(engine::SystemClock), data: Arc::new(data) };
//! # tokio::runtime::Runtime::new().unwrap().block_on(async move {
//! let house = House::new(dir, wiring, Because::Looks, Box::new(|line| eprintln!("{line}")));
//! let images: Images = house.ask(Request::ImageList(ImageQuery::default())).await?;
//! assert_eq!(images.images, []);
//! # house.close().await;
//! # Ok::<(), service::Trouble>(())
//! # }).unwrap();
//! ```
//!
//! It deliberately prints nothing and knows no wire of the outside world.

mod amount;
mod archiving;
mod asked;
mod audit;
mod audit_log;
mod audit_story;
mod backup;
mod backup_file;
mod batch_course;
mod batch_forget;
mod batch_line;
mod batch_run;
mod batches;
mod buckets;
mod copies;
mod could;
mod create;
mod diff;
mod disks;
mod export;
mod families;
mod flows;
mod frame;
mod groups;
mod holder;
mod house;
mod identity;
mod image_list;
mod images;
mod import;
mod keeper;
mod kept_lists;
mod kept_rows;
mod key_pairs;
mod keys;
mod listing;
mod lookup;
mod lookup_family;
mod lookup_things;
mod making;
mod manifest;
mod manifest_csv;
mod manifests;
mod network;
mod objects;
mod operation;
mod operations;
mod operator;
mod page;
mod past;
mod payload;
mod policies;
mod ram;
mod regions;
mod request;
mod request_access;
mod request_audit;
mod request_batch;
mod request_image;
mod request_network;
mod request_schedule;
mod request_share;
mod request_task;
mod request_things;
mod request_upkeep;
mod request_workflow;
mod restore;
mod schedules;
mod seal;
mod service;
mod session_token;
mod share;
mod signer;
mod snapshots;
mod standing;
mod story;
mod story_access;
mod story_schedule;
mod story_text;
mod story_upkeep;
mod tags;
mod tasks;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_access;
#[cfg(test)]
mod tests_audit;
#[cfg(test)]
mod tests_backup;
#[cfg(test)]
mod tests_batch;
#[cfg(test)]
mod tests_batch_pace;
#[cfg(test)]
mod tests_batch_word;
#[cfg(test)]
mod tests_identity;
#[cfg(test)]
mod tests_images;
#[cfg(test)]
mod tests_leaks;
#[cfg(test)]
mod tests_manifests;
#[cfg(test)]
mod tests_network;
#[cfg(test)]
mod tests_operation;
#[cfg(test)]
mod tests_queries;
#[cfg(test)]
mod tests_schedule;
#[cfg(test)]
mod tests_share;
#[cfg(test)]
mod tests_ticker;
#[cfg(test)]
mod tests_upkeep;
#[cfg(test)]
mod tests_upkeep_judge;
#[cfg(test)]
mod tests_upkeep_year;
#[cfg(test)]
mod tests_workflows;
mod ticker;
mod top;
mod trouble;
mod unfinished;
mod upkeeps;
mod view;
mod view_access;
mod view_audit;
mod view_batch;
mod view_image;
mod view_network;
mod view_schedule;
mod view_share;
mod view_task;
mod view_things;
mod view_top;
mod view_upkeep;
mod when;
mod workflow_list;

pub use amount::{size, span_ms};
pub use asked::TOKEN_MS;
pub use domain::policy::Context;
pub use engine::Which;
pub use engine::{Archived, Histogram, Measured, State};
pub use frame::{decode, digest, encode};
pub use house::{Because, House, LOCK, SOCKET};
pub use identity::{Denied, Identity, Principal};
pub use keys::AccessKey;
pub use lookup::slips;
pub use manifest::{
    BAD_LINES_MAX, BadLine, Form, LINE_BYTES_MAX, Line, LinesDigest, MANIFEST_BYTES_MAX, Manifest, csv_row,
    form_of,
};
pub use objects::OwnBucket;
pub use operation::{BETWEEN, Known, OPERATION, Operation, Parameter, Takes, Wrong, operations};
pub use request::{
    Call, ExportTo, FileAt, ImageAt, ImageExport, ImageImport, ImportDisk, Manner, PROTOCOL, Reply, Request,
};
pub use request_access::{AccessRequest, Grantee, KeyRequest, PolicyType};
pub use request_audit::{Action, ArchiveAsked, AuditRequest, BackupAsked, Kept, LogAsked, Replayed};
pub use request_batch::{BatchRequest, BatchRun};
pub use request_image::{CreateDisk, ImageCreate, ImageQuery, ImageRequest, Page};
pub use request_network::{GroupQuery, ItemQuery, NetworkRequest};
pub use request_schedule::{PreviewOf, ScheduleCreate, ScheduleRequest, TicksAsked};
pub use request_share::{FamilyTo, FamilyWhere, ImageCopy, ShareRequest, Term};
pub use request_task::{TaskQuery, TaskRequest};
pub use request_things::{
    BucketRequest, Called, DiskQuery, DiskRequest, SnapshotQuery, SnapshotRequest, TagRequest, ThingAt,
};
pub use request_upkeep::{UpkeepAt, UpkeepCreate, UpkeepRequest};
pub use request_workflow::WorkflowQuery;
pub use restore::{RestoreAsked, restore};
pub use seal::SEAL;
pub use service::{
    DEFAULT_ACCOUNT, DEFAULT_REGION, Options, REGIONS_FIRST, Service, Wiring, dispatch, local_actor,
};
pub use session_token::RoleAsk;
pub use signer::{PublicKey, SIGNERS, SIGNING_KEY, check_signature, signature_bytes, statement};
pub use story::bytes_text;
pub use tasks::{export_task, import_task};
pub use trouble::{Family, Trouble};
pub use view::{
    Checked, Collected, Families, FamilyRegion, FamilySummary, FamilyView, Fault, Head, LogLine, LogPage,
    Progress, Rebuilt, RegionView, Regions, Restoration, Sentence, SignedHead, SigningKeys, Started, Story,
    Verified, WorkflowView, Workflows, time_ms, time_text,
};
pub use view_access::{
    Assumed, AttachedPolicy, KeyCreated, KeyView, Keys, Policies, PolicyView, RoleView, Roles, Secret,
    UserView, Users,
};
pub use view_audit::{
    ArchiveView, BackupMade, Change, Differences, FieldChange, Judged, PastDisk, PastFamily, PastQuota,
    PastRows, PastShare, PastSnapshot, PastView, RestoreMade, Told, Verdict,
};
pub use view_batch::{BatchLines, BatchView, Batches, LineView, LinesTried, ManifestHave};
pub use view_image::{DetectionItem, DetectionView, ImageDiskView, ImageView, Images, ShareView};
pub use view_network::{GroupView, Groups, ItemView, Items, KeyPairStarted};
pub use view_schedule::{RunView, ScheduleView, Schedules, TickView, Ticks};
pub use view_share::{
    AccountView, Accounts, CopiesStarted, CopyStarted, QuotaItem, QuotaView, QuotaViews, Shares,
};
pub use view_task::{RelatedItem, TaskView, Tasks};
pub use view_things::{
    BucketView, Buckets, DiskView, Disks, ObjectView, Objects, SnapshotView, Snapshots, TagRow, Tags,
};
pub use view_top::{EngineView, Top};
pub use view_upkeep::{
    AwayView, DistributionView, PlanRow, RefusedView, RegionReport, RegionRun, RetentionView, RunReport,
    UpkeepPlanView, UpkeepView, Upkeeps,
};
pub use when::{Time, When};
