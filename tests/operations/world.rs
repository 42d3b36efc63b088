//! A house on a simulated disk: one incarnation of it at a time, in a runtime of its own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data::Plane;
use domain::port::{BucketAt, DataPlane, LiveManifests};
use domain::{AccountId, ManifestId, Projections, RegionId, StoreId, image};
use engine::{Clock, Engine, FlowRow};
use event::{Actor, Failure, FlowId, Record, Rows};
use files::Files;
use sim::SimFiles;
use workflows::{AddRegion, CreateAccount, Ports};

use crate::ports::{Twice, Wrapped};

pub const ACCOUNT: &str = "100000";
pub const REGION: &str = "cn-a";
/// Another account and another region, for what goes from one to the other.
pub const OTHER_ACCOUNT: &str = "200000";
pub const OTHER_REGION: &str = "cn-b";
pub const DIR: &str = "/kiln";
/// A directory that says that an hour has passed since the disk was prepared.
pub const LATER: &str = "/later";
/// When time begins, milliseconds since 1970 UTC.
pub const START_MS: i64 = 1_800_000_000_000;
const HOUR_MS: i64 = 60 * 60 * 1000;
/// Two small disks that share most of their content, and one of nothing but holes.
pub const DISKS: [&str; 3] = ["/disks/v1.raw", "/disks/v2.raw", "/disks/empty.raw"];

/// What packs leave alone where the disk is narrow: the log and the index grow in steps of about
/// a MiB.
pub const RESERVE_BYTES: u64 = 8 << 20;

/// Time that passes only as tokio's does, so that an operation begun anew has the same id.
#[derive(Debug)]
struct TestClock {
    begun: tokio::time::Instant,
    begun_ms: i64,
    /// The engine's own threads ask for the time as well, and tokio's is that of whoever is inside a runtime.
    runtime: tokio::runtime::Handle,
}

impl TestClock {
    fn at(begun_ms: i64) -> Self {
        Self { begun: tokio::time::Instant::now(), begun_ms, runtime: tokio::runtime::Handle::current() }
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        let _inside = self.runtime.enter();
        self.begun_ms + i64::try_from(self.begun.elapsed().as_millis()).unwrap()
    }
}

/// What stands in the way of the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    /// Every call is made twice.
    Twice,
    /// Forward calls are refused before they begin.
    Refused,
    /// Packs leave [`RESERVE_BYTES`] of the disk alone.
    Reserved,
}

/// An incarnation of the house, inside its runtime.
pub struct House {
    pub engine: Engine<Ports>,
    pub data: Arc<dyn DataPlane>,
    pub files: Arc<dyn Files>,
}

impl House {
    pub fn open(files: &Arc<dyn Files>, way: Way) -> Result<Self, engine::Error> {
        Self::open_in_order(files, way, None)
    }

    /// Opens a house in which somebody says who goes next.
    pub fn open_in_order(
        files: &Arc<dyn Files>,
        way: Way,
        order: Option<Arc<dyn event::Order>>,
    ) -> Result<Self, engine::Error> {
        let later = if files.identity(Path::new(LATER)).is_ok() { HOUR_MS } else { 0 };
        let start_ms = START_MS + later;
        let options = data::Options {
            workers: 2,
            checkpoint_bytes: 1 << 20,
            checkpoint_interval_bytes: 64 << 20,
            pack_bytes: 1 << 20,
            reserve_bytes: if way == Way::Reserved { RESERVE_BYTES } else { 0 },
            index_cache_bytes: 1 << 20,
        };
        let plane: Arc<dyn DataPlane> =
            Arc::new(Plane::new(files.clone(), PathBuf::from(DIR).join("regions"), options));
        let data: Arc<dyn DataPlane> = match way {
            Way::Plain | Way::Reserved => plane.clone(),
            Way::Twice => Arc::new(Wrapped { inner: plane.clone(), way: Twice::Twice, settles: None }),
            Way::Refused => Arc::new(Wrapped { inner: plane.clone(), way: Twice::Never, settles: None }),
        };
        let engine = Engine::open(engine::Options {
            files: files.clone(),
            dir: PathBuf::from(DIR),
            clock: Arc::new(TestClock::at(start_ms)),
            fold: Arc::new(Projections),
            book: workflows::book(),
            ports: Arc::new(Ports { data }),
            order,
        })?;
        Ok(Self { engine, data: plane, files: files.clone() })
    }

    pub fn store(&self) -> StoreId {
        self.store_of(&RegionId::from(REGION))
    }

    pub fn store_of(&self, region: &RegionId) -> StoreId {
        let rows = self.engine.snapshot().unwrap();
        let region = image::REGIONS.get(&rows, &image::house(), &[region.as_str()]);
        region.expect("the region was prepared").store
    }

    /// What the projections of the domain hold, but for tasks, which tell of what was undone as well.
    pub fn rows(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        self.engine.snapshot().unwrap().scan(&[], &mut |key, value| {
            let table = key.split(|byte| *byte == 0).next().unwrap_or_default();
            let engines =
                ["flow", "flow-by", "flow-open", "pause", "told", "timer", "request", "kind", "task"];
            let task = key.windows(3).any(|window| window == b"\0t-");
            if !task && !engines.iter().any(|engine| engine.as_bytes() == table) {
                found.push((String::from_utf8_lossy(key).replace('\0', "/"), value.to_vec()));
            }
            true
        });
        found
    }

    /// The objects in the bucket of the cases.
    pub async fn objects(&self) -> Vec<domain::port::ObjectInfo> {
        let bucket =
            BucketAt { region: RegionId::from(REGION), store: self.store(), name: "uploads".to_owned() };
        // There need not be any.
        self.data.objects(&bucket, "", "", 100).await.map(|page| page.objects).unwrap_or_default()
    }

    /// Everything that has to hold whatever happened: the chain, the projections, the store.
    pub async fn check_whole(&self, what: &str) {
        let verified = self.engine.verify().unwrap();
        assert_eq!(verified.fault, None, "{what}");
        let rebuilt = self.engine.rebuild().unwrap();
        assert_eq!(rebuilt.faults, Vec::new(), "{what}");
        for region in [REGION, OTHER_REGION].map(RegionId::from) {
            let live = Arc::new(LiveNow::of(self, &region));
            let report = self.data.examine(&region, &self.store_of(&region), live, true).await.unwrap();
            assert_eq!(report.missing, Vec::<String>::new(), "{what}");
            assert_eq!(report.orphaned_chunks, 0, "{what}: {report:?}");
            assert_eq!(report.stray_files, Vec::<String>::new(), "{what}");
        }
    }

    /// Runs a collection, so that what was condemned or deleted is gone.
    pub async fn collect(&self, request: &str) -> Result<(), engine::Error> {
        for region in [REGION, OTHER_REGION].map(RegionId::from) {
            let request = format!("{request} in {region}");
            let store = self.store_of(&region);
            let row = self.engine.run(actor(), &request, workflows::CollectChunks { region, store }).await?;
            assert!(row.state.has_ended(), "{:?}", row.parked);
        }
        Ok(())
    }
}

struct LiveNow(Vec<(AccountId, ManifestId)>);

impl LiveNow {
    fn of(house: &House, region: &RegionId) -> Self {
        let rows = house.engine.snapshot().unwrap();
        Self(image::live_manifests(&rows as &dyn Rows, region))
    }
}

impl LiveManifests for LiveNow {
    fn manifests(&self) -> Result<Vec<(AccountId, ManifestId)>, Failure> {
        Ok(self.0.clone())
    }
}

/// The scope of the account in the region.
pub fn scope() -> event::Scope {
    image::scope(&AccountId::from(ACCOUNT), &RegionId::from(REGION))
}

pub fn actor() -> Actor {
    Actor { account: ACCOUNT.to_owned(), key: String::new() }
}

/// Runs one incarnation to its end; all its threads have ended on return.
pub fn incarnation<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

/// A disk with an account, a region and the source files on it, all durable.
pub fn prepared(seed: u64) -> Arc<SimFiles> {
    prepared_with(seed, [content(1), content(2), vec![0; 1 << 20]])
}

/// The same with other content in the source files.
pub fn prepared_with(seed: u64, contents: [Vec<u8>; 3]) -> Arc<SimFiles> {
    let disk = SimFiles::new(seed);
    for dir in ["/disks", "/bucket", DIR] {
        disk.put_dir(dir);
    }
    for (path, bytes) in DISKS.iter().zip(contents) {
        disk.put(path, &bytes);
    }
    let files: Arc<dyn Files> = disk.mount();
    incarnation(async {
        let house = House::open(&files, Way::Plain).unwrap();
        house.engine.drive().await.unwrap();
        let account = CreateAccount { account: AccountId::from(ACCOUNT), name: "default".to_owned() };
        house.engine.run(actor(), "account", account).await.unwrap();
        let other = CreateAccount { account: AccountId::from(OTHER_ACCOUNT), name: "other".to_owned() };
        house.engine.run(actor(), "other account", other).await.unwrap();
        for region in [REGION, OTHER_REGION].map(RegionId::from) {
            let request = format!("region {region}");
            house.engine.run(actor(), &request, AddRegion { region }).await.unwrap();
        }
        house.engine.close().await;
    });
    disk.settle();
    disk
}

/// 2.5 MiB: text-like blocks, holes, blocks both versions share, and a tail of an odd length.
fn content(version: u8) -> Vec<u8> {
    let mut bytes = vec![0; (5 << 19) + 512];
    let mut state = 7u64;
    for (number, block) in bytes.chunks_mut(4096).enumerate() {
        if number % 7 == 3 || (200..260).contains(&number) {
            continue;
        }
        let changed = u64::from(version) * u64::from(number % 50 == 0);
        for byte in block.iter_mut() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = u8::try_from((state >> 33) % 16 + changed).unwrap() * 11;
        }
    }
    bytes
}

/// What a log says of each flow, apart from numbers and times: paths, kinds and payloads.
#[derive(Clone, PartialEq, Eq)]
pub struct Log(Vec<(String, Vec<Line>)>);

/// Path, kind and payload of a record.
type Line = (String, String, Vec<u8>);

impl Log {
    fn of(flows: &[(FlowRow, Vec<Record>)]) -> Self {
        let line = |record: &Record| (record.path.0.clone(), record.kind.clone(), record.payload.clone());
        let told = flows.iter().map(|(row, records)| (row.label.clone(), records.iter().map(line).collect()));
        Self(told.collect())
    }
}

/// The flows that an operation consists of, each with its records.
pub fn flows_from(house: &House, first: FlowId) -> Vec<(FlowRow, Vec<Record>)> {
    let snapshot = house.engine.snapshot().unwrap();
    let flows = snapshot.flows(usize::MAX, |row| row.id >= first).unwrap();
    let with_records = |row: FlowRow| {
        let records = snapshot.records_of(&row).unwrap();
        (row, records)
    };
    flows.into_iter().rev().map(with_records).collect()
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (label, lines) in &self.0 {
            writeln!(f, "{label}")?;
            for (path, kind, _) in lines {
                writeln!(f, "  {path:4} {kind}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        for (_, lines) in &self.0 {
            for (path, kind, payload) in lines {
                writeln!(f, "{path} {kind} {}", String::from_utf8_lossy(payload).escape_debug())?;
            }
        }
        Ok(())
    }
}

/// How an operation came out.
pub struct Outcome {
    pub row: FlowRow,
    pub log: Log,
    pub flows: Vec<(FlowRow, Vec<Record>)>,
    /// The files outside the data directory.
    pub bucket: Vec<(String, Vec<u8>)>,
}

impl Outcome {
    pub fn new(row: FlowRow, flows: Vec<(FlowRow, Vec<Record>)>, bucket: Vec<(String, Vec<u8>)>) -> Self {
        Self { row, log: Log::of(&flows), flows, bucket }
    }
}

/// The files in the directory that exports go to.
pub fn bucket(disk: &SimFiles) -> Vec<(String, Vec<u8>)> {
    let names = disk.list(Path::new("/bucket")).unwrap();
    names.into_iter().map(|name| (name.clone(), content_of(disk, &format!("/bucket/{name}")))).collect()
}

/// A file's bytes; of a format whose blocks lie as they came, the guest's.
fn content_of(disk: &SimFiles, path: &str) -> Vec<u8> {
    if ![".vhd", ".qcow2"].iter().any(|ending| path.ends_with(ending)) {
        return disk.get(path).unwrap();
    }
    let file = disk.mount().open(Path::new(path), files::Open::Read).unwrap();
    let source = disk::open(file, None).unwrap();
    let mut bytes = vec![0; usize::try_from(source.disk_bytes()).unwrap()];
    source.read_at(0, &mut bytes).unwrap();
    bytes
}
