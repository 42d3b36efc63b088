//! A house on real files with two regions, and what is asked of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data::Plane;
use domain::image::Image;
use domain::machine::Machine;
use domain::port::{
    Compression, DataPlane, Format, LiveManifests, Location, Pace, Place, StoreReport, Target, Wrapping,
};
use domain::{AccountId, ManifestId, Projections, RegionId, image};
use engine::{Clock, Engine};
use event::{Actor, Failure, FlowId, Rows};
use workflows::{
    AddRegion, CollectChunks, CopyImage, CreateAccount, DeleteImage, DiskFile, ExportImage, ExportTo,
    ImportImage, Ports,
};

use crate::meter::Meter;

pub const ACCOUNT: &str = "100000";
/// Where images are imported, and where they are copied to.
pub const SOURCE: &str = "cn-a";
pub const TARGET: &str = "cn-b";
const DEVICE: &str = "/dev/xvda";

/// What may be handed out and not yet recorded of a transfer: a segment, so that little is in flight.
pub const CHECKPOINT_INTERVAL_BYTES: u64 = 16 << 20;

fn options() -> data::Options {
    data::Options {
        workers: 2,
        checkpoint_bytes: 4 << 20,
        checkpoint_interval_bytes: CHECKPOINT_INTERVAL_BYTES,
        reserve_bytes: 0,
        ..data::Options::default()
    }
}

/// An incarnation of the house.
pub struct House {
    pub engine: Engine<Ports>,
    pub data: Plane,
}

impl House {
    pub fn open(dir: &Path, meter: &Meter, clock: Arc<dyn Clock>) -> Self {
        let data = Plane::new(Arc::new(meter.clone()), dir.join("regions"), options());
        let engine = Engine::open(engine::Options {
            files: Arc::new(meter.clone()),
            dir: dir.to_owned(),
            clock,
            fold: Arc::new(Projections),
            book: workflows::book(),
            ports: Arc::new(Ports { data: Arc::new(data.clone()) }),
            order: None,
        });
        Self { engine: engine.unwrap(), data }
    }

    /// A new house: an account and two regions.
    pub async fn make(dir: &Path, meter: &Meter, clock: Arc<dyn Clock>) -> Self {
        let house = Self::open(dir, meter, clock);
        house.engine.drive().await.unwrap();
        house.run("account", CreateAccount { account: account(), name: "default".to_owned() }).await;
        for region in [SOURCE, TARGET] {
            house.run(&format!("region {region}"), AddRegion { region: RegionId::from(region) }).await;
        }
        house
    }

    /// Runs an operation to its good end.
    pub async fn run<W: engine::Workflow<Ports = Ports>>(&self, request: &str, workflow: W) {
        let row = self.engine.run(actor(), request, workflow).await.unwrap();
        assert_eq!(row.trouble(), None, "{request}");
    }

    pub async fn import(&self, name: &str, path: &Path) {
        let Place { region, store, account } = self.place(SOURCE);
        let at = Location::file(path.to_str().unwrap());
        let disk = DiskFile { at, format: Some(Format::Raw), device: DEVICE.to_owned(), size_bytes: None };
        let import = ImportImage {
            account,
            region,
            store,
            disks: vec![disk],
            name: name.to_owned(),
            description: String::new(),
            family: None,
            tags: BTreeMap::new(),
            machine: Machine::default(),
            check: false,
        };
        self.run(&format!("import {name}"), import).await;
    }

    /// Starts the copy of an image under its own name, or finds it started.
    pub async fn copy(&self, image: &Image, bytes_per_second: Option<u64>) -> FlowId {
        let name = image.name.clone();
        let copy = CopyImage {
            source: image.id.clone(),
            from: self.place(SOURCE),
            to: self.place(TARGET),
            name: name.clone(),
            description: String::new(),
            tags: BTreeMap::new(),
            pace: Pace { bytes_per_second, shared: None },
            family: None,
            for_list: None,
        };
        self.engine.start(actor(), &format!("copy {name}"), copy).await.unwrap()
    }

    /// Deletes an image of the source with its snapshots.
    pub async fn delete(&self, image: &Image) {
        let Place { region, account, .. } = self.place(SOURCE);
        let request = format!("delete {}", image.name);
        let image = image.id.clone();
        self.run(
            &request,
            DeleteImage { account, region, image, force: false, keep_snapshots: false, by: None },
        )
        .await;
    }

    /// Exports a copy.
    pub async fn export(&self, image: &Image, to: &Path) {
        let Place { region, store, account } = self.place(TARGET);
        let target = Target {
            at: Location::file(to.to_str().unwrap()),
            format: Format::Raw,
            compression: Compression::None,
            wrapping: Wrapping::None,
            replace: false,
        };
        let disks = vec![ExportTo { device: DEVICE.to_owned(), target }];
        let request = format!("export {}", image.name);
        let image = image.id.clone();
        self.run(&request, ExportImage { account, region, store, image, disks }).await;
    }

    pub async fn collect(&self, request: &str, region: &str) {
        let Place { region, store, .. } = self.place(region);
        self.run(request, CollectChunks { region, store }).await;
    }

    pub fn place(&self, region: &str) -> Place {
        let region = RegionId::from(region);
        let rows = self.engine.snapshot().unwrap();
        let row = image::REGIONS.get(&rows, &image::house(), &[region.as_str()]).expect("it was added");
        Place { region, store: row.store, account: account() }
    }

    /// The images of a region by name.
    pub fn images(&self, region: &str) -> BTreeMap<String, Image> {
        let rows = self.engine.snapshot().unwrap();
        let images = image::IMAGES.list(&rows, &image::scope(&account(), &RegionId::from(region)), &[]);
        images.into_iter().map(|image| (image.name.clone(), image)).collect()
    }

    pub fn image(&self, region: &str, name: &str) -> Image {
        self.images(region).remove(name).unwrap_or_else(|| panic!("there is no image `{name}` in `{region}`"))
    }

    /// Reads everything in a store: nothing is missing, and there is nothing that nobody needs.
    pub async fn examine(&self, region: &str) -> StoreReport {
        let Place { region, store, .. } = self.place(region);
        let rows = self.engine.snapshot().unwrap();
        let live = Arc::new(Live(image::live_manifests(&rows as &dyn Rows, &region)));
        let report = self.data.examine(&region, &store, live, true).await.unwrap();
        assert_eq!(report.missing, Vec::<String>::new());
        assert_eq!(report.orphaned_chunks, 0, "{report:?}");
        assert_eq!(report.stray_files, Vec::<String>::new());
        report
    }

    /// The log is whole, and says what the projections say.
    pub fn audit(&self) {
        assert_eq!(self.engine.verify().unwrap().fault, None);
        let rebuilt = self.engine.rebuild().unwrap();
        assert_eq!((rebuilt.differing, rebuilt.faults), (0, Vec::new()));
    }
}

struct Live(Vec<(AccountId, ManifestId)>);

impl LiveManifests for Live {
    fn manifests(&self) -> Result<Vec<(AccountId, ManifestId)>, Failure> {
        Ok(self.0.clone())
    }
}

pub fn account() -> AccountId {
    AccountId::from(ACCOUNT)
}

pub fn actor() -> Actor {
    Actor { account: ACCOUNT.to_owned(), key: String::new() }
}

/// The directory of a region's packs.
pub fn packs(dir: &Path, region: &str) -> PathBuf {
    dir.join("regions").join(region).join("packs")
}

/// Bytes of the packs of a region.
pub fn pack_bytes(dir: &Path, region: &str) -> u64 {
    fs::read_dir(packs(dir, region)).unwrap().map(|pack| pack.unwrap().metadata().unwrap().len()).sum()
}
