//! For tests: a simulated disk, behind the port to the file system that everything in Kiln uses.
//!
//! [`SimFiles`] is a disk in memory that keeps two truths: what programs see now, and what is
//! durable. A power cut lets the seed decide, for each un-synced write, whether it is kept, lost or
//! torn at 512-byte sectors, and for each un-synced name whether it is there. So a program that
//! forgets a sync is found out, and the seed that found it plays the same again.
//!
//! The promise is the strict one of the port's table: `sync` makes the content and the length of a
//! file durable and *not* its name; `sync_dir` makes the names in one directory durable and not the
//! directory's own name, which `create_dirs` leaves un-synced in its parent. Renames are atomic.
//! A new disk has one durable directory, the root.
//!
//! ```
//! use files::{Files, Open};
//! use std::path::Path;
//!
//! let sim = sim::SimFiles::new(7);
//! let file = sim.open(Path::new("/story"), Open::CreateNew)?;
//! file.write_at(0, b"once")?;
//! file.sync()?;
//! sim.sync_dir(Path::new("/"))?;
//! file.write_at(0, b"upon")?; // never synced
//!
//! sim.set_loss(sim::Loss::Everything);
//! sim.power_cut();
//! assert!(file.write_at(0, b"time").is_err());
//! sim.power_on();
//! assert_eq!(sim.get("/story").as_deref(), Some(&b"once"[..]));
//! # std::io::Result::Ok(())
//! ```
//!
//! A generic test runs once and reads [`Counts::calls`], then runs again for every `n` up to it
//! with [`SimFiles::cut_after`], [`SimFiles::tear_after`] or [`SimFiles::fail_after`], turns the
//! power on, and looks. [`SimFiles::fork`] copies a prepared disk cheaply, so that every run begins
//! with the same one. The program under test is given [`SimFiles::mount`], which dies with its
//! power: no thread of the run before can reach the disk of the next.
//!
//! It simulates no latency, no permissions, no links other than hard ones, and no bit rot of its own
//! accord ([`SimFiles::corrupt`] does it by hand).

mod chance;
mod content;
mod director;
mod disk;
mod faults;
mod files;
mod names;
mod on_sync;
mod race;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_behind;
#[cfg(test)]
mod tests_random;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::files::{Files, Open};

pub use chance::{Chance, Loss};
pub use director::{Directed, Director, Paused};
pub use faults::Counts;
pub use on_sync::OnSync;
pub use race::Race;

use crate::disk::{Disk, Node, PowerLost, ROOT};
use crate::faults::Fault;

/// A simulated disk, and the hand that cuts its power. Clones are the same disk.
#[derive(Clone)]
pub struct SimFiles {
    disk: Arc<Mutex<Disk>>,
    /// The only generation in which it works, if it is a mount.
    generation: Option<u64>,
}

/// What a disk holds, by path; two of them can be compared.
pub type Snapshot = BTreeMap<PathBuf, Entry>;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Its length.
        len: u64,
        /// A hash of its content, in which holes and zeros are the same.
        hash: String,
    },
}

/// Whether an error came from a simulated power cut, seen through whatever wrapped it.
pub fn is_power_loss(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(this) = error {
        let inner = this.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if this.is::<PowerLost>() || inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<PowerLost>)
        {
            return true;
        }
        error = this.source();
    }
    false
}

impl fmt::Debug for SimFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = self.lock();
        f.debug_struct("SimFiles")
            .field("powered", &disk.powered)
            .field("generation", &disk.generation)
            .field("counts", &disk.faults.counts)
            .finish_non_exhaustive()
    }
}

impl SimFiles {
    /// An empty disk; the seed decides everything that is left to chance.
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { disk: Arc::new(Mutex::new(Disk::new(seed))), generation: None })
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        // A test that panicked in one thread must not hide its message behind another's.
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same disk for a program under test: dead after the next power cut, for ever.
    pub fn mount(&self) -> Arc<Self> {
        Arc::new(Self { disk: Arc::clone(&self.disk), generation: Some(self.lock().generation) })
    }

    /// A copy of the disk as it is, un-synced work included, with another seed. Handles stay with
    /// the original, counters begin at zero, no faults are planned.
    pub fn fork(&self, seed: u64) -> Arc<Self> {
        let mut disk = self.lock().clone();
        disk.chance = Chance::new(seed);
        disk.faults = faults::Faults::default();
        // Handles of the original would otherwise count as open here for ever.
        disk.close_handles();
        Arc::new(Self { disk: Arc::new(Mutex::new(disk)), generation: None })
    }

    // Power.

    /// Cuts the power: every call fails until it is back.
    pub fn power_cut(&self) {
        self.lock().powered = false;
    }

    /// Turns the power on (after cutting it, if it was on): decides what of the un-synced work
    /// survived, forgets planned faults, and leaves every old handle and mount dead.
    pub fn power_on(&self) {
        self.lock().power_on();
    }

    /// Whether the power is on.
    pub fn is_powered(&self) -> bool {
        self.lock().powered
    }

    /// Chooses what power cuts and failing syncs do with un-synced work.
    pub fn set_loss(&self, loss: Loss) {
        self.lock().loss = loss;
    }

    /// Makes everything durable, as a clean shutdown does.
    pub fn settle(&self) {
        self.lock().settle();
    }

    // Faults. `n` counts from now; 1 is the next call.

    /// Cuts the power instead of performing the `n`-th changing call.
    pub fn cut_after(&self, n: u64) {
        self.lock().faults.at_call(n, Fault::Cut);
    }

    /// Performs the `n`-th changing call in part, and then cuts the power.
    pub fn tear_after(&self, n: u64) {
        self.lock().faults.at_call(n, Fault::Tear);
    }

    /// Fails the `n`-th changing call, once. If it is a sync, part of what it should have made
    /// durable is lost for good, whatever is synced later.
    pub fn fail_after(&self, n: u64, kind: ErrorKind) {
        self.lock().faults.at_call(n, Fault::Fail(kind));
    }

    /// Fails the `n`-th sync of a file or directory, once, with the same loss.
    pub fn fail_sync(&self, n: u64, kind: ErrorKind) {
        self.lock().faults.at_sync(n, Fault::Fail(kind));
    }

    /// Fails the `n`-th call that only looks, once.
    pub fn fail_read(&self, n: u64, kind: ErrorKind) {
        self.lock().faults.at_read(n, Fault::Fail(kind));
    }

    /// Cuts the power instead of performing the `n`-th call that only looks.
    pub fn cut_after_read(&self, n: u64) {
        self.lock().faults.at_read(n, Fault::Cut);
    }

    /// Forgets planned faults.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Sets the size of the disk; a write beyond it stores what fits and fails with `StorageFull`.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock().capacity_bytes = bytes;
    }

    /// Makes the disk read-only, or writable again; syncs still work.
    pub fn set_read_only(&self, read_only: bool) {
        self.lock().read_only = read_only;
    }

    // Counters.

    /// All counters.
    pub fn counts(&self) -> Counts {
        self.lock().faults.counts
    }

    /// Changing calls so far.
    pub fn calls(&self) -> u64 {
        self.counts().calls
    }

    /// Calls so far that only looked.
    pub fn reads(&self) -> u64 {
        self.counts().reads
    }

    /// Syncs so far, of files and directories.
    pub fn syncs(&self) -> u64 {
        self.counts().syncs
    }

    /// Bytes allocated on the disk.
    pub fn used_bytes(&self) -> u64 {
        self.lock().used_bytes
    }

    // For tests: none of these counts as a call, and all work without power.

    /// Writes a whole durable file, with the directories above it.
    pub fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = path.as_ref();
        self.beside(|sim| {
            if let Some(parent) = path.parent() {
                sim.create_dirs(parent)?;
            }
            let file = sim.open(path, Open::Create)?;
            file.set_len(0)?;
            file.write_at(0, bytes)
        });
        self.settle_path(path);
    }

    /// Makes a durable directory, with those above it.
    pub fn put_dir(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        self.beside(|sim| sim.create_dirs(path));
        self.settle_path(path);
    }

    /// The content of a file as it is seen now.
    pub fn get(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let disk = self.lock();
        let file = disk.file(disk.resolve(path.as_ref()).ok()?)?;
        let mut bytes = vec![0; usize::try_from(file.now.len()).expect("a test's file fits memory")];
        file.now.read(0, &mut bytes).then_some(bytes)
    }

    /// Overwrites bytes of a file, now and durably, as a failing medium would.
    pub fn corrupt(&self, path: impl AsRef<Path>, offset: u64, bytes: &[u8]) {
        let mut disk = self.lock();
        let ino = disk.resolve(path.as_ref()).expect("the file to corrupt is there");
        let file = disk.file_mut(ino);
        file.now.write(offset, bytes);
        file.durable.write(offset, bytes);
        disk.recount();
    }

    /// What is seen now.
    pub fn snapshot(&self) -> Snapshot {
        list(&self.lock())
    }

    /// What would be there if the power went now and all un-synced work were lost.
    pub fn durable_snapshot(&self) -> Snapshot {
        let mut disk = self.lock().clone();
        disk.forget_unsynced();
        list(&disk)
    }

    /// Calls the port without power, faults or counting.
    fn beside(&self, act: impl FnOnce(&Self) -> io::Result<()>) {
        let (faults, powered, read_only) = {
            let mut disk = self.lock();
            let faults = std::mem::take(&mut disk.faults);
            let before = (faults, disk.powered, disk.read_only);
            (disk.powered, disk.read_only) = (true, false);
            before
        };
        let outcome = act(self);
        let mut disk = self.lock();
        disk.faults = faults;
        (disk.powered, disk.read_only) = (powered, read_only);
        drop(disk);
        outcome.expect("a test prepares what it can prepare");
    }

    fn settle_path(&self, path: &Path) {
        let mut disk = self.lock();
        let ino = disk.resolve(path).expect("it was just made");
        if disk.file(ino).is_some() {
            disk.sync(ino);
        }
        for above in path.ancestors().skip(1).chain([Path::new("/")]) {
            if let Ok(dir) = disk.resolve(above) {
                disk.sync_dir(dir);
            }
        }
    }
}

fn list(disk: &Disk) -> Snapshot {
    let mut snapshot = Snapshot::new();
    let mut paths = vec![(PathBuf::from("/"), ROOT)];
    while let Some((path, ino)) = paths.pop() {
        let entry = match disk.node(ino) {
            Node::File(file) => Entry::File { len: file.now.len(), hash: file.now.hash().to_string() },
            Node::Dir(dir) => {
                paths.extend(dir.now.iter().map(|(name, child)| (path.join(name), *child)));
                Entry::Directory
            }
        };
        snapshot.insert(path, entry);
    }
    snapshot
}
