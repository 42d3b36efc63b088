//! What the tests of this room share: a simulated disk with a store on it, random guest disks, and
//! a work that cancels where it is told.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use domain::port::{
    Collected, Compression, DataPlane, Format, Job, LiveManifests, Location, Pace, Place, Source,
    StoreReport, StoredDisk, Target, Transferred, Verified, Wrapping,
};
use domain::{AccountId, ManifestId, RegionId, StoreId};
use event::{Attempt, Failure, Progress, Work};
use files::{Files, Open};
use sim::SimFiles;

use crate::fault::Result;
use crate::{Options, Plane};

pub(crate) const ROOT: &str = "/stores";
pub(crate) const SOURCE: &str = "/in/disk.raw";
pub(crate) const OUT: &str = "/out";

/// Runs a future to its end.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn region() -> RegionId {
    "cn-hangzhou".into()
}

pub(crate) fn store() -> StoreId {
    "store-a".into()
}

pub(crate) fn place(account: &str) -> Place {
    Place { region: region(), store: store(), account: account.into() }
}

/// The same account in another region.
pub(crate) fn far(account: &str) -> Place {
    Place { region: "cn-beijing".into(), store: "store-b".into(), account: account.into() }
}

/// A work with an attempt, which cancels at one of its checkpoints.
pub(crate) struct Step {
    attempt: Attempt,
    cancel_at: u64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) progress: Mutex<Vec<Progress>>,
}

pub(crate) fn attempt(incarnation: u64, number: u32) -> Arc<Step> {
    cancelled_at(incarnation, number, u64::MAX)
}

pub(crate) fn cancelled_at(incarnation: u64, number: u32, cancel_at: u64) -> Arc<Step> {
    let attempt = Attempt { incarnation, number };
    Arc::new(Step { attempt, cancel_at, checkpoints: AtomicU64::new(0), progress: Mutex::default() })
}

impl Work for Step {
    fn attempt(&self) -> Attempt {
        self.attempt
    }

    fn checkpoint(&self, progress: Progress) -> Result<()> {
        self.progress.lock().unwrap().push(progress);
        let number = self.checkpoints.fetch_add(1, Ordering::SeqCst) + 1;
        if number >= self.cancel_at { Err(Failure::Cancelled) } else { Ok(()) }
    }
}

/// The manifests that live, changed by the test.
#[derive(Clone, Default)]
pub(crate) struct Live(pub(crate) Arc<Mutex<Vec<(AccountId, ManifestId)>>>);

impl Live {
    pub(crate) fn of(account: &str, disks: &[&StoredDisk]) -> Self {
        let live = Self::default();
        for disk in disks {
            live.add(account, disk);
        }
        live
    }

    pub(crate) fn add(&self, account: &str, disk: &StoredDisk) {
        self.0.lock().unwrap().push((account.into(), disk.manifest));
    }
}

impl LiveManifests for Live {
    fn manifests(&self) -> Result<Vec<(AccountId, ManifestId)>> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// Small bounds, so that small disks meet them.
pub(crate) fn options() -> Options {
    Options {
        workers: 2,
        checkpoint_bytes: 1 << 18,
        checkpoint_interval_bytes: 40 << 20,
        pack_bytes: 1 << 19,
        reserve_bytes: 0,
        index_cache_bytes: 1 << 20,
    }
}

/// Numbers from a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// A legal key of an object, of the awkward sorts more than of others.
pub(crate) fn random_key(dice: &mut Dice) -> String {
    const PIECES: [&str; 16] =
        ["a", "b", "-", "0", "/", "/", "//", ".", "..", "%", "%-", "é", "镜", "\u{1}", " ", "a/b/c"];
    loop {
        let mut key = String::new();
        for _ in 0..=dice.below(6) {
            let piece = PIECES[usize::try_from(dice.below(16)).unwrap()];
            // Around the length at which segments are cut, and beyond.
            let times = if dice.below(12) == 0 { 80 + dice.below(100) } else { 1 };
            key.extend((0..times).map(|_| piece));
        }
        if domain::name::object_key(&key).is_ok() {
            return key;
        }
    }
}

/// Bytes that a seed stands for and that do not compress.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A guest disk of a little over two segments with a few stretches of all sorts: noise, text that
/// compresses, a stretch that stands twice, single blocks, an odd tail.
pub(crate) fn guest_disk(seed: u64) -> Vec<u8> {
    const MIB: usize = 1 << 20;
    let mut disk = vec![0; 34 * MIB + 4096 + 512];
    let mut put = |at: usize, bytes: &[u8]| disk[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &noise(seed, 300 << 10));
    put(3 * MIB - 4096, &noise(seed + 1, 8192));
    put(17 * MIB, &noise(seed + 2, 200 << 10));
    put(17 * MIB + (256 << 10), b"text, text, text, and text again. ".repeat(4000).as_slice());
    put(20 * MIB, &noise(seed, 300 << 10));
    put(34 * MIB + 4096, &noise(seed + 3, 512));
    disk
}

/// A plane on a simulated disk.
pub(crate) struct House {
    pub(crate) sim: Arc<SimFiles>,
    pub(crate) plane: Plane,
}

impl House {
    /// A new disk with an empty store on it.
    pub(crate) fn new(seed: u64) -> Self {
        let sim = SimFiles::new(seed);
        sim.put_dir(ROOT);
        sim.put_dir(OUT);
        let house = Self::on(&sim, options());
        wait(house.plane.make_store(&region(), &store())).unwrap();
        house
    }

    /// A new disk with two empty stores on it, see [`place`] and [`far`].
    pub(crate) fn twin(seed: u64) -> Self {
        let house = Self::new(seed);
        let Place { region, store, .. } = far("1");
        wait(house.plane.make_store(&region, &store)).unwrap();
        house
    }

    /// A plane, as a new process makes it, on a disk that is there.
    pub(crate) fn on(sim: &Arc<SimFiles>, options: Options) -> Self {
        let plane = Plane::new(sim.mount(), ROOT.into(), options);
        Self { sim: Arc::clone(sim), plane }
    }

    /// A copy of the disk as a clean end of the process leaves it, with a plane of its own.
    pub(crate) fn fork(&self, seed: u64) -> Self {
        Self::on(&self.sim.fork(seed), options())
    }

    /// The same disk after this process has ended in order, under a new one.
    pub(crate) fn restarted(self) -> Self {
        let sim = self.sim.clone();
        drop(self);
        Self::on(&sim, options())
    }

    /// The same disk under a new process. This one must not be used any more: two never have a store open.
    pub(crate) fn reopened(&self) -> Self {
        Self::on(&self.sim, options())
    }

    pub(crate) fn put_source(&self, disk: &[u8]) -> Source {
        self.put_file(SOURCE, disk);
        wait(self.plane.inspect(&Location::file(SOURCE), Some(Format::Raw))).unwrap()
    }

    /// A durable file with its holes: a block of zeros is not written.
    pub(crate) fn put_file(&self, path: &str, disk: &[u8]) {
        self.sim.put(path, b"");
        let file = self.sim.mount().open(path.as_ref(), Open::Write).unwrap();
        file.set_len(disk.len() as u64).unwrap();
        for (number, piece) in disk.chunks(4096).enumerate() {
            if piece.iter().any(|&byte| byte != 0) {
                file.write_at(number as u64 * 4096, piece).unwrap();
            }
        }
        file.sync().unwrap();
    }

    pub(crate) fn transfer(&self, work: Arc<Step>, job: &str, source: &Source) -> Result<Transferred> {
        wait(self.plane.transfer(work, &place("1"), &Job(job.into()), source))
    }

    /// A copy as fast as it can.
    pub(crate) fn copy(
        &self,
        work: Arc<dyn Work>,
        job: &str,
        source: &Place,
        disk: &StoredDisk,
        target: &Place,
    ) -> Result<Transferred> {
        wait(self.plane.copy(work, source, disk, target, &Job(job.into()), Pace::default()))
    }

    pub(crate) fn sent(&self, job: &str) -> u64 {
        self.plane.copied_bytes(&Job(job.into()))
    }

    pub(crate) fn verify(&self, job: &str, disk: &StoredDisk) -> Result<Verified> {
        self.verify_at(&place("1"), job, disk)
    }

    pub(crate) fn verify_at(&self, place: &Place, job: &str, disk: &StoredDisk) -> Result<Verified> {
        wait(self.plane.verify(attempt(9, 1), place, &Job(job.into()), disk))
    }

    pub(crate) fn settle_at(&self, work: Arc<Step>, place: &Place, job: &str) -> Result<()> {
        wait(self.plane.settle(work, place, &Job(job.into())))
    }

    pub(crate) fn discard_at(&self, work: Arc<Step>, place: &Place, job: &str) -> Result<()> {
        wait(self.plane.discard(work, place, &Job(job.into())))
    }

    pub(crate) fn settle(&self, work: Arc<Step>, job: &str) -> Result<()> {
        wait(self.plane.settle(work, &place("1"), &Job(job.into())))
    }

    pub(crate) fn discard(&self, work: Arc<Step>, job: &str) -> Result<()> {
        wait(self.plane.discard(work, &place("1"), &Job(job.into())))
    }

    pub(crate) fn export(
        &self,
        work: Arc<Step>,
        job: &str,
        disk: &StoredDisk,
        target: &Target,
    ) -> Result<()> {
        wait(self.plane.export(work, &place("1"), &Job(job.into()), disk, target))
    }

    pub(crate) fn discard_export(&self, job: &str, target: &Target) -> Result<()> {
        wait(self.plane.discard_export(attempt(9, 1), &Job(job.into()), target))
    }

    pub(crate) fn collect(&self, work: Arc<Step>, job: &str, live: &Live) -> Result<Collected> {
        wait(self.plane.collect(work, &region(), &store(), &Job(job.into()), Arc::new(live.clone())))
    }

    pub(crate) fn collect_at(
        &self,
        work: Arc<Step>,
        place: &Place,
        job: &str,
        live: &Live,
    ) -> Result<Collected> {
        let Place { region, store, .. } = place;
        wait(self.plane.collect(work, region, store, &Job(job.into()), Arc::new(live.clone())))
    }

    pub(crate) fn examine(&self, live: &Live) -> StoreReport {
        self.examine_at(&place("1"), live)
    }

    pub(crate) fn examine_at(&self, place: &Place, live: &Live) -> StoreReport {
        let Place { region, store, .. } = place;
        wait(self.plane.examine(region, store, Arc::new(live.clone()), true)).unwrap()
    }

    /// A disk that is in the store, settled.
    pub(crate) fn import(&self, job: &str, disk: &[u8]) -> (StoredDisk, Transferred) {
        let source = self.put_source(disk);
        let transferred = self.transfer(attempt(1, 1), job, &source).unwrap();
        let stored = stored(&source, &transferred);
        let verified = self.verify(job, &stored).unwrap();
        assert_eq!((verified.root, verified.chunks), (transferred.root, transferred.chunks));
        self.settle(attempt(1, 1), job).unwrap();
        (stored, transferred)
    }

    /// Fails unless the store holds these disks, whole, and nothing else.
    pub(crate) fn assert_clean(&self, live: &Live, context: &str) {
        self.assert_clean_at(&place("1"), live, context);
    }

    pub(crate) fn assert_clean_at(&self, place: &Place, live: &Live, context: &str) {
        let report = self.examine_at(place, live);
        assert_eq!(report.missing, [""; 0], "{context}");
        assert_eq!(report.stray_files, [""; 0], "{context}");
        assert_eq!(report.orphaned_chunks, 0, "{context}");
        if live.0.lock().unwrap().is_empty() {
            assert_eq!((report.chunks, report.packs), (0, 0), "{context}");
        }
    }
}

/// Whether a file is this disk, read piece by piece.
pub(crate) fn file_is(sim: &SimFiles, path: &str, disk: &[u8]) -> bool {
    let file = sim.mount().open(path.as_ref(), Open::Read).unwrap();
    let mut bytes = vec![0; 1 << 20];
    file.identity().unwrap().size_bytes == disk.len() as u64
        && disk.chunks(bytes.len()).enumerate().all(|(number, piece)| {
            let read = &mut bytes[..piece.len()];
            file.read_at((number << 20) as u64, read).unwrap();
            read == piece
        })
}

pub(crate) fn stored(source: &Source, transferred: &Transferred) -> StoredDisk {
    StoredDisk { manifest: transferred.manifest, disk_bytes: source.disk_bytes, root: transferred.root }
}

pub(crate) fn target(name: &str) -> Target {
    Target {
        at: Location::file(format!("{OUT}/{name}")),
        format: Format::Raw,
        compression: Compression::None,
        wrapping: Wrapping::None,
        replace: false,
    }
}

/// The API code of a refusal.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Failure::Caller(refusal)) => refusal.code,
        other => panic!("no refusal: {other:?}"),
    }
}
