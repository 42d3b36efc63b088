//! What the domain asks of the data plane. `data` implements it, `main` wires it, a workflow
//! reaches it only inside a step.
//!
//! Every call may be made again after a crash, a failure or a cancel, with the same arguments and
//! a later [`Attempt`](event::Attempt); the second run finds the first one's work and gives the
//! same answer, to the last count. Effects are keyed by [`Job`]. A call returns only when its own
//! work has ended: no thread of it is left behind.

use std::sync::Arc;

use async_trait::async_trait;
use event::{Failure, Work};
use serde::{Deserialize, Serialize};

use crate::port_objects::Objects;
use crate::{AccountId, ContentRoot, ManifestId, RegionId, StoreId};

/// Where a job's bytes go: the store of a region, and the domain in which chunks are shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The region.
    pub region: RegionId,
    /// The store that has to be there; if another or none is, nothing is read or written.
    pub store: StoreId,
    /// The deduplication domain: the account. No answer tells one account what another stores.
    pub account: AccountId,
}

/// The key of a piece of data work, unique in its store: an image id, a collection's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Job(pub String);

/// The formats of disk files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The guest's bytes as they are.
    Raw,
    /// QEMU's copy-on-write format, versions 2 and 3.
    Qcow2,
    /// Microsoft's first virtual hard disk, fixed or dynamic; of any whole number of sectors.
    Vhd,
}

/// A bucket, and the store of the region it lies in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketAt {
    /// The region.
    pub region: RegionId,
    /// The store that has to be there; if another or none is, nothing is read or written.
    pub store: StoreId,
    /// The bucket's name, checked by [`crate::name::bucket`].
    pub name: String,
}

/// Where disk files come from and go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The bucket, if it is an object in one; a file on this computer otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketAt>,
    /// Absolute path of the file, or the key of the object.
    pub path: String,
}

impl Location {
    /// A file on this computer.
    pub fn file(path: impl Into<String>) -> Self {
        Self { bucket: None, path: path.into() }
    }

    /// An object in a bucket.
    pub fn object(bucket: BucketAt, key: impl Into<String>) -> Self {
        Self { bucket: Some(bucket), path: key.into() }
    }
}

impl std::fmt::Display for Location {
    /// The path of a file; `oss://bucket/key` for an object.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.bucket {
            Some(bucket) => write!(f, "oss://{}/{}", bucket.name, self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// A disk file, as it was when it was first looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where it is.
    pub at: Location,
    /// The format found, or given and confirmed; it is never probed again.
    pub format: Format,
    /// Size of the disk in it, as the guest sees it.
    pub disk_bytes: u64,
    /// What tells this state of the file from any other.
    pub identity: SourceIdentity,
}

/// What is compared on resume and at the end, so that a change of the source fails by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// Number of the device that holds it.
    pub device: u64,
    /// Number of the file on that device.
    pub inode: u64,
    /// Length of the file.
    pub file_bytes: u64,
    /// Time of its last change, nanoseconds since 1970 UTC.
    pub modified_ns: i64,
}

/// What a transfer stored. The same whatever interrupted it, so only counts that do not depend on
/// how often the source was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transferred {
    /// Content root computed from the source's bytes.
    pub root: ContentRoot,
    /// The manifest written.
    pub manifest: ManifestId,
    /// Guest bytes that are not in all-zero 4 KiB blocks.
    pub data_bytes: u64,
    /// Guest bytes in chunks that the account's store did not have yet.
    pub new_bytes: u64,
    /// Bytes those take in packs, compressed.
    pub stored_bytes: u64,
    /// Chunks the disk consists of, repeated ones counted once.
    pub chunks: u64,
}

/// What a verification read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Content root computed from the store's bytes.
    pub root: ContentRoot,
    /// Distinct frames read, decoded and hashed again.
    pub chunks: u64,
}

/// A disk in a store: what an export reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDisk {
    /// Its manifest.
    pub manifest: ManifestId,
    /// Its exact size.
    pub disk_bytes: u64,
    /// Its content root; an export that yields other bytes fails.
    pub root: ContentRoot,
}

/// The compression of clusters in a qcow2 export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Plain clusters.
    #[default]
    None,
    /// Deflate: read by every QEMU.
    Zlib,
    /// Zstandard: read by QEMU 5.1 and later.
    Zstd,
}

/// What is put around an exported disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrapping {
    /// Nothing: the file is the disk.
    #[default]
    None,
    /// A gzip-compressed tar archive whose only member is the disk under this name: what the ECS
    /// API exports raw disks as.
    TarGz(String),
}

/// Where an export goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Where; the file or object has this name only once it is whole and durable.
    pub at: Location,
    /// Format to write.
    pub format: Format,
    /// Compression, for qcow2.
    #[serde(default)]
    pub compression: Compression,
    /// What is put around it; only a raw disk can be wrapped.
    #[serde(default)]
    pub wrapping: Wrapping,
    /// Whether a file that has the name may be replaced; else it is left alone and refused.
    #[serde(default)]
    pub replace: bool,
}

/// What a copy between stores has to keep to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Bytes a second that one copy may send at most, over any stretch of a few seconds; no limit
    /// for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// What it may send together with others; no limit for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedPace>,
}

/// What copies may send together, however many there are and however small each is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedPace {
    /// What they have in common: copies that name the same keep to it together.
    pub of: String,
    /// Bytes a second that all of them may send at most, over any stretch of a few seconds.
    pub bytes_per_second: u64,
}

/// How much a check's finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Risk {
    /// The instance may work worse than it could.
    Medium,
    /// The instance may not start, or not be reached.
    High,
}

impl Risk {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Medium => "Medium",
            Self::High => "High",
        }
    }
}

/// One thing that an image check looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckItem {
    /// What: `GUESTOS.KernelVersion`.
    pub name: String,
    /// What was found: free text.
    pub value: String,
    /// How much it matters; none if nothing is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// What is wrong, as a code: `Fstab.DeviceNotFound`; empty if nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub risk_code: String,
}

/// An object in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// When it was last written, milliseconds since 1970 UTC.
    pub modified_ms: i64,
}

/// A stretch of a bucket's listing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPage {
    /// By key, in the order of its bytes.
    pub objects: Vec<ObjectInfo>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// What a collection did, counted over all runs of the same job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// Chunks newly condemned: no manifest names them, new imports do not find them any more.
    pub condemned_chunks: u64,
    /// Chunks removed.
    pub removed_chunks: u64,
    /// Bytes given back to the file system, packs rewritten counted by their difference.
    pub freed_bytes: u64,
    /// Chunks condemned that have to wait for work begun before they were.
    pub waiting_chunks: u64,
}

/// What a store holds, and whether that is what it should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreReport {
    /// Chunks indexed, condemned ones included.
    pub chunks: u64,
    /// Bytes of the pack files.
    pub pack_bytes: u64,
    /// Pack files.
    pub packs: u64,
    /// Chunks that a live manifest names and the store cannot give back whole: each an id and why.
    pub missing: Vec<String>,
    /// Chunks that neither a live manifest nor unfinished work names (condemned ones included).
    pub orphaned_chunks: u64,
    /// Files in the store that nothing accounts for.
    pub stray_files: Vec<String>,
}

/// The manifests that have to stay, read afresh from the log at every call.
pub trait LiveManifests: Send + Sync {
    /// The manifests of all snapshots in the region, of every account.
    fn manifests(&self) -> Result<Vec<(AccountId, ManifestId)>, Failure>;
}

/// Buckets of objects: what is uploaded before it is imported, and what was exported. They lie in
/// the stores of regions: a directory a bucket.
#[async_trait]
pub trait Buckets: Send + Sync + 'static {
    /// Makes a bucket; fine if it is there already.
    async fn make_bucket(&self, bucket: &BucketAt) -> Result<(), Failure>;

    /// Removes a bucket and what attempts at puts left in it; fine if it is gone already. Refuses
    /// with `BucketNotEmpty` if there are objects.
    async fn remove_bucket(&self, bucket: &BucketAt) -> Result<(), Failure>;

    /// Copies a file on this computer to an object, which has its key only once it is whole and
    /// durable, and resumes an interrupted copy of the same file. Holes stay holes. Refuses with
    /// `FileAlreadyExists` if the object is there and may not be replaced.
    async fn put_object(
        &self,
        work: Arc<dyn Work>,
        job: &Job,
        from: &str,
        to: &Location,
        replace: bool,
    ) -> Result<ObjectInfo, Failure>;

    /// Undoes a put, however far it came, even if it never began. An object that was there before
    /// stays, unless it was replaced already.
    async fn discard_put(&self, work: Arc<dyn Work>, job: &Job, to: &Location) -> Result<(), Failure>;

    /// Copies an object to a file on this computer, which has its name only once it is whole.
    async fn get_object(
        &self,
        work: Arc<dyn Work>,
        job: &Job,
        from: &Location,
        to: &str,
        replace: bool,
    ) -> Result<(), Failure>;

    /// Undoes a get, however far it came.
    async fn discard_get(&self, work: Arc<dyn Work>, job: &Job, to: &str) -> Result<(), Failure>;

    /// Removes an object; fine if it is gone already.
    async fn remove_object(&self, at: &Location) -> Result<(), Failure>;

    /// One object, if it is there.
    async fn object(&self, at: &Location) -> Result<Option<ObjectInfo>, Failure>;

    /// Objects whose keys begin with `prefix`, behind the key `after`, at most `count`.
    async fn objects(
        &self,
        bucket: &BucketAt,
        prefix: &str,
        after: &str,
        count: usize,
    ) -> Result<ObjectPage, Failure>;
}

/// The data plane: disks in, disks out, and nothing lost between.
#[async_trait]
pub trait DataPlane: Buckets {
    /// Objects as streams.
    fn objects_by_stream(&self) -> Arc<dyn Objects>;

    /// Makes the store of a region, with its id file; fine if that very store is there already.
    async fn make_store(&self, region: &RegionId, store: &StoreId) -> Result<(), Failure>;

    /// Whether the store of a region is there, and which it should be. Says what is wrong and changes nothing.
    async fn reach(&self, region: &RegionId, store: &StoreId) -> Result<(), Failure>;

    /// Looks at a disk file: detects its format over head and tail (or confirms the one given)
    /// and checks everything that can be checked without reading it all.
    async fn inspect(&self, at: &Location, format: Option<Format>) -> Result<Source, Failure>;

    /// Reads the source into the store: chunks, manifest, content root; resumes where an earlier
    /// run of the job had come to.
    async fn transfer(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        source: &Source,
    ) -> Result<Transferred, Failure>;

    /// Stores a disk of that size that is all zeros; a transfer job like any other.
    async fn blank(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        disk_bytes: u64,
    ) -> Result<Transferred, Failure>;

    /// Copies a disk from one store (or account) to another: sends only the frames that the target
    /// does not have, holds each against its id, and writes the same manifest there. A transfer job
    /// of the target: it is verified, settled and discarded like one, and resumes where an earlier
    /// run had come to, without sending again what was recorded. While the source's store is not
    /// there it fails as the world does, and says which.
    async fn copy(
        &self,
        work: Arc<dyn Work>,
        source: &Place,
        disk: &StoredDisk,
        target: &Place,
        job: &Job,
        pace: Pace,
    ) -> Result<Transferred, Failure>;

    /// Reads the file systems of a stored disk in user space and says what was found there. Never
    /// fails for what a guest has written; items that cannot be told are left out.
    async fn check_guest(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        disk: &StoredDisk,
    ) -> Result<Vec<CheckItem>, Failure>;

    /// Reads every frame of a disk back from the store, decodes and re-hashes it and computes the
    /// content root anew; fails unless it is the disk's.
    async fn verify(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        disk: &StoredDisk,
    ) -> Result<Verified, Failure>;

    /// Ends a transfer job whose disk is sealed: its packs now serve the whole account.
    async fn settle(&self, work: Arc<dyn Work>, place: &Place, job: &Job) -> Result<(), Failure>;

    /// Undoes a transfer, however far it came, even if it never began: the space comes back.
    async fn discard(&self, work: Arc<dyn Work>, place: &Place, job: &Job) -> Result<(), Failure>;

    /// Writes a disk to a file, checks its bytes against the content root on the way, and gives it
    /// its name when it is whole and durable. A second run after that leaves it as it is.
    async fn export(
        &self,
        work: Arc<dyn Work>,
        place: &Place,
        job: &Job,
        disk: &StoredDisk,
        target: &Target,
    ) -> Result<(), Failure>;

    /// Undoes an export, however far it came, even if it never began. A file that was there before
    /// the export stays.
    async fn discard_export(&self, work: Arc<dyn Work>, job: &Job, target: &Target) -> Result<(), Failure>;

    /// Removes what no live manifest names: condemns first, and removes what was condemned once
    /// all work begun before has ended. Never waits for other work.
    async fn collect(
        &self,
        work: Arc<dyn Work>,
        region: &RegionId,
        store: &StoreId,
        job: &Job,
        live: Arc<dyn LiveManifests>,
    ) -> Result<Collected, Failure>;

    /// Looks through a store without changing it. With `deep`, every frame is decoded and hashed.
    async fn examine(
        &self,
        region: &RegionId,
        store: &StoreId,
        live: Arc<dyn LiveManifests>,
        deep: bool,
    ) -> Result<StoreReport, Failure>;

    /// Writes a copy of stores while they are in use, reads it back, and says what is in it.
    async fn back_up(&self, _asked: BackUp) -> Result<Vec<BackedUp>, Failure> {
        Err(Failure::Ours("this data plane makes no backups".to_owned()))
    }

    /// Copies stores from a backup into the directory that they are to lie in, and fails if they are not what was
    /// backed up. Opens none of them.
    async fn bring_back(
        &self,
        _from: std::path::PathBuf,
        _to: std::path::PathBuf,
        _files: Vec<BackedUp>,
    ) -> Result<(), Failure> {
        Err(Failure::Ours("this data plane makes no backups".to_owned()))
    }
}

/// A backup of stores.
pub struct BackUp {
    /// The stores, by their regions.
    pub stores: Vec<(RegionId, StoreId)>,
    /// The directory they are copied into, one directory a region.
    pub to: std::path::PathBuf,
    /// The same of an earlier backup, and the files in it: what has not changed is given a further name.
    pub earlier: Option<(std::path::PathBuf, Vec<BackedUp>)>,
    /// Called once nothing that is needed now is removed any more, and before what is copied is looked at: what is
    /// in the log at this moment is in the stores that are copied.
    pub begun: Box<dyn FnOnce() -> Result<(), Failure> + Send>,
}

/// A file in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Its path below the directory of the stores; that of an object is `REGION/buckets/NAME/…`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its bytes, in hexadecimal.
    pub digest: String,
    /// When it was last changed, nanoseconds since 1970 UTC: what is known of an object goes by it.
    pub modified_ns: i64,
    /// Whether it was in the earlier backup and not copied.
    #[serde(default)]
    pub reused: bool,
}

impl BackedUp {
    /// The bucket it lies in, if it is an object.
    pub fn bucket(&self) -> Option<&str> {
        let mut parts = self.path.splitn(4, '/').skip(1);
        match (parts.next(), parts.next(), parts.next()) {
            (Some("buckets"), Some(name), Some(_)) => Some(name),
            _ => None,
        }
    }
}
