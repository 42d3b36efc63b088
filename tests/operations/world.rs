//! A house on a simulated disk: one incarnation of it at a time, in a runtime of its own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data::Plane;
use domain::port::{DataPlane, LiveManifests};
use domain::{AccountId, ImageId, ManifestId, Projections, RegionId, StoreId, image};
use engine::{Clock, Engine, FlowRow};
use event::{Actor, Failure, FlowId, Rows};
use files::Files;
use sim::SimFiles;
use workflows::{AddRegion, CreateAccount, Ports};

use crate::ports::{Twice, Wrapped};

pub const ACCOUNT: &str = "100000";
pub const REGION: &str = "cn-a";
pub const DIR: &str = "/kiln";
/// Two small disks that share most of their content, and one of nothing but holes.
pub const DISKS: [&str; 3] = ["/disks/v1.raw", "/disks/v2.raw", "/disks/empty.raw"];

/// What packs leave alone where the disk is narrow: the log and the index grow in steps of about
/// a MiB.
pub const RESERVE_BYTES: u64 = 8 << 20;

/// Time that passes only as tokio's does, so that an operation begun anew has the same id.
#[derive(Debug)]
struct TestClock(tokio::time::Instant);

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        1_800_000_000_000 + i64::try_from(self.0.elapsed().as_millis()).unwrap()
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
}

impl House {
    pub fn open(files: &Arc<dyn Files>, way: Way) -> Result<Self, engine::Error> {
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
            Way::Twice => Arc::new(Wrapped { inner: plane.clone(), way: Twice::Twice }),
            Way::Refused => Arc::new(Wrapped { inner: plane.clone(), way: Twice::Never }),
        };
        let engine = Engine::open(engine::Options {
            files: files.clone(),
            dir: PathBuf::from(DIR),
            clock: Arc::new(TestClock(tokio::time::Instant::now())),
            fold: Arc::new(Projections),
            book: workflows::book(),
            ports: Arc::new(Ports { data }),
            order: None,
        })?;
        Ok(Self { engine, data: plane })
    }

    pub fn store(&self) -> StoreId {
        let rows = self.engine.snapshot().unwrap();
        image::REGIONS.get(&rows, &image::house(), &[REGION]).expect("the region was prepared").store
    }

    /// The image that has a name now.
    pub fn image(&self, name: &str) -> ImageId {
        let rows = self.engine.snapshot().unwrap();
        let scope = image::scope(&AccountId::from(ACCOUNT), &RegionId::from(REGION));
        image::NAMES.get(&rows, &scope, &[name]).unwrap_or_else(|| panic!("no image `{name}`"))
    }

    /// Everything that has to hold whatever happened: the chain, the projections, the store.
    pub async fn check_whole(&self, what: &str) {
        let verified = self.engine.verify().unwrap();
        assert_eq!(verified.fault, None, "{what}");
        let rebuilt = self.engine.rebuild().unwrap();
        assert_eq!(rebuilt.faults, Vec::new(), "{what}");
        let region = RegionId::from(REGION);
        let report =
            self.data.examine(&region, &self.store(), Arc::new(LiveNow::of(self)), true).await.unwrap();
        assert_eq!(report.missing, Vec::<String>::new(), "{what}");
        assert_eq!(report.orphaned_chunks, 0, "{what}: {report:?}");
        assert_eq!(report.stray_files, Vec::<String>::new(), "{what}");
    }

    /// Runs a collection, so that what was condemned or deleted is gone.
    pub async fn collect(&self, request: &str) -> Result<(), engine::Error> {
        let collection = workflows::CollectChunks { region: RegionId::from(REGION), store: self.store() };
        let row = self.engine.run(actor(), request, collection).await?;
        assert!(row.state.has_ended(), "{:?}", row.parked);
        Ok(())
    }
}

struct LiveNow(Vec<(AccountId, ManifestId)>);

impl LiveNow {
    fn of(house: &House) -> Self {
        let rows = house.engine.snapshot().unwrap();
        let all = image::SNAPSHOTS.list_all(&rows as &dyn Rows);
        Self(all.into_iter().map(|snapshot| (snapshot.account, snapshot.disk.manifest)).collect())
    }
}

impl LiveManifests for LiveNow {
    fn manifests(&self) -> Result<Vec<(AccountId, ManifestId)>, Failure> {
        Ok(self.0.clone())
    }
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
    let disk = SimFiles::new(seed);
    for dir in ["/disks", "/bucket", DIR] {
        disk.put_dir(dir);
    }
    for (path, bytes) in DISKS.iter().zip([content(1), content(2), vec![0; 1 << 20]]) {
        disk.put(path, &bytes);
    }
    let files: Arc<dyn Files> = disk.mount();
    incarnation(async {
        let house = House::open(&files, Way::Plain).unwrap();
        house.engine.drive().await.unwrap();
        let account = CreateAccount { account: AccountId::from(ACCOUNT), name: "default".to_owned() };
        house.engine.run(actor(), "account", account).await.unwrap();
        house.engine.run(actor(), "region", AddRegion { region: RegionId::from(REGION) }).await.unwrap();
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
    /// The records of the flows that an operation consists of.
    pub fn of(house: &House, first: FlowId) -> Self {
        let snapshot = house.engine.snapshot().unwrap();
        let flows = snapshot.flows(usize::MAX, |row| row.id >= first).unwrap();
        let told = flows.iter().rev().map(|row| {
            let records = snapshot.records_of(row).unwrap();
            let lines = records.into_iter().map(|record| (record.path.0, record.kind, record.payload));
            (row.label.clone(), lines.collect())
        });
        Self(told.collect())
    }
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
    /// The files outside the data directory.
    pub bucket: Vec<(String, Vec<u8>)>,
}

/// The files in the directory that exports go to.
pub fn bucket(disk: &SimFiles) -> Vec<(String, Vec<u8>)> {
    let names = disk.list(Path::new("/bucket")).unwrap();
    names.into_iter().map(|name| (name.clone(), disk.get(format!("/bucket/{name}")).unwrap())).collect()
}
