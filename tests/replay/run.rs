//! A random run of real operations, with the rows copied after each of them.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::events::{Attributes, ResourceId};
use domain::image::{DISKS as DISK_ROWS, DiskKind, IMAGES, Image, Quotas, SNAPSHOTS};
use domain::machine::Machine;
use domain::port::{Location, Pace, Place};
use domain::{AccountId, RegionId};
use event::{Rows, Seq};
use files::Files;
use workflows::{
    ChangeShares, CopyImage, CreateDisk, CreateImage, CreateSnapshot, DeleteDisk, DeleteImage,
    DeleteSnapshot, DeprecateImage, DiskFile, ImportImage, MappedDisk, ModifyImage, Move, PromoteFamily,
    PublishImage, RestoreImage, SetQuotas, TagResources, UnpublishImage,
};

use crate::chance::Chance;
use crate::world::{
    ACCOUNT, DISKS, House, OTHER_ACCOUNT, OTHER_REGION, REGION, Way, actor, incarnation, prepared, scope,
};

/// Operations in a run: some 200 records, so that a thousand folds stay a matter of seconds.
const OPERATIONS: usize = 28;
/// Tables of the engine, which tell of flows and not of the domain.
const ENGINE_TABLES: [&str; 8] =
    ["flow", "flow-by", "flow-open", "pause", "told", "timer", "request", "kind"];

type Doing<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The rows of the domain as they were after an operation.
pub struct Recorded {
    pub seq: Seq,
    pub time_ms: i64,
    pub rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A copy of the domain's rows.
pub fn copy_of(rows: &dyn Rows) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    rows.scan(&[], &mut |key, value| {
        let table = key.split(|byte| *byte == 0).next().unwrap_or_default();
        if !ENGINE_TABLES.iter().any(|engine| engine.as_bytes() == table) {
            found.insert(key.to_vec(), value.to_vec());
        }
        true
    });
    found
}

/// A run in progress.
pub struct Run<'a> {
    house: &'a House,
    chance: &'a mut Chance,
    number: usize,
}

impl Run<'_> {
    /// Plays a run, and hands over the house and what was recorded.
    pub fn play(seed: u64, chance: &mut Chance, then: impl AsyncFnOnce(&House, &[Recorded])) {
        let disk = prepared(seed);
        let files: Arc<dyn Files> = disk.mount();
        incarnation(async {
            let house = House::open(&files, Way::Plain).unwrap();
            house.engine.drive().await.unwrap();
            let mut recorded = vec![record(&house)];
            let mut run = Run { house: &house, chance, number: 0 };
            for number in 0..OPERATIONS {
                run.number = number;
                run.something().await;
                recorded.push(record(&house));
                // Several operations fall into one millisecond, others are far apart.
                let pause_ms = run.chance.below(4) * run.chance.below(50);
                tokio::time::advance(Duration::from_millis(pause_ms)).await;
            }
            let records = recorded.last().map_or(0, |last| last.seq.0);
            assert!(records > 100, "only {records} records in the run");
            then(&house, &recorded).await;
            house.engine.close().await;
        });
    }

    fn something(&mut self) -> Doing<'_> {
        match self.chance.below(20) {
            _ if self.number < 3 => Box::pin(self.import()),
            0..=2 => Box::pin(self.import()),
            3 => Box::pin(self.copy()),
            4..=6 => Box::pin(self.share()),
            7 => Box::pin(self.disk_or_snapshot()),
            8 => Box::pin(self.create()),
            9 => Box::pin(self.remove_snapshot_or_disk()),
            10 => Box::pin(self.tag_or_limit()),
            11 => Box::pin(self.promote()),
            _ => Box::pin(self.turn()),
        }
    }

    fn image(&mut self) -> Option<Image> {
        let images = IMAGES.list_all(&self.house.engine.snapshot().unwrap());
        self.chance.pick(&images).cloned()
    }

    /// Runs it to its end, be that a refusal.
    async fn run<W: engine::Workflow<Ports = workflows::Ports>>(&mut self, workflow: W) {
        let request = format!("operation {}", self.number);
        let row = self.house.engine.run(actor(), &request, workflow).await.unwrap();
        assert!(row.state.has_ended(), "{:?}", row.parked);
    }

    async fn import(&mut self) {
        let path = (*self.chance.pick(&DISKS).unwrap()).to_owned();
        let import = ImportImage {
            account: ACCOUNT.into(),
            region: REGION.into(),
            store: self.house.store(),
            disks: vec![DiskFile {
                at: Location::file(path),
                format: None,
                device: "/dev/xvda".to_owned(),
                size_bytes: None,
            }],
            // Now and then the name is taken, and the import is refused or undone.
            name: format!("v{}", self.chance.below(40)),
            description: String::new(),
            family: (self.chance.below(2) == 0).then(|| format!("f{}", self.chance.below(3))),
            tags: BTreeMap::new(),
            machine: Machine::default(),
            check: self.chance.below(3) == 0,
        };
        if self.chance.below(4) > 0 {
            return self.run(import).await;
        }
        let request = format!("operation {}", self.number);
        let id = self.house.engine.start(actor(), &request, import).await.unwrap();
        // It may have ended already.
        let _ = self.house.engine.cancel(actor(), id, "a whim").await;
        self.house.engine.wait(id).await.unwrap();
    }

    async fn copy(&mut self) {
        let Some(image) = self.image() else { return };
        let place = |region: &RegionId| Place {
            region: region.clone(),
            store: self.house.store_of(region),
            account: image.account.clone(),
        };
        let to = if image.region.as_str() == REGION { OTHER_REGION } else { REGION };
        let copy = CopyImage {
            source: image.id.clone(),
            from: place(&image.region),
            to: place(&RegionId::from(to)),
            name: format!("copy-{}", self.number),
            description: String::new(),
            tags: BTreeMap::new(),
            pace: Pace::default(),
            family: None,
            for_list: None,
        };
        self.run(copy).await;
    }

    async fn share(&mut self) {
        let Some(image) = self.image() else { return };
        let now_ms = record(self.house).time_ms;
        let until_ms =
            (self.chance.below(2) == 0).then(|| now_ms + i64::try_from(self.chance.below(2000)).unwrap());
        let (mut add, mut remove) = (vec![AccountId::from(OTHER_ACCOUNT)], Vec::new());
        if self.chance.below(3) == 0 {
            std::mem::swap(&mut add, &mut remove);
        }
        let share = ChangeShares {
            account: image.account,
            region: image.region,
            image: image.id,
            add,
            until_ms,
            remove,
        };
        self.run(share).await;
    }

    async fn disk_or_snapshot(&mut self) {
        let rows = self.house.engine.snapshot().unwrap();
        let disks = DISK_ROWS.list(&rows, &scope(), &[]);
        if let Some(disk) = self.chance.pick(&disks).filter(|_| self.number.is_multiple_of(2)) {
            let snapshot = CreateSnapshot {
                account: ACCOUNT.into(),
                region: REGION.into(),
                disk: disk.id.clone(),
                name: "before".to_owned(),
                description: String::new(),
                tags: BTreeMap::new(),
                retention_days: Some(7),
            };
            return self.run(snapshot).await;
        }
        let images = IMAGES.list(&rows, &scope(), &[]);
        let disk = CreateDisk {
            account: ACCOUNT.into(),
            region: REGION.into(),
            store: self.house.store(),
            name: "scratch".to_owned(),
            description: String::new(),
            tags: BTreeMap::new(),
            size_bytes: 0,
            snapshot: None,
            image: self.chance.pick(&images).map(|image| image.id.clone()),
        };
        self.run(disk).await;
    }

    async fn create(&mut self) {
        let snapshots = SNAPSHOTS.list(&self.house.engine.snapshot().unwrap(), &scope(), &[]);
        let Some(snapshot) = self.chance.pick(&snapshots) else { return };
        let create = CreateImage {
            account: ACCOUNT.into(),
            region: REGION.into(),
            store: self.house.store(),
            disks: vec![MappedDisk {
                device: "/dev/xvda".to_owned(),
                kind: DiskKind::System,
                snapshot: Some(snapshot.id.clone()),
                size_bytes: None,
            }],
            name: format!("made-{}", self.number),
            description: String::new(),
            family: Some("f0".to_owned()),
            tags: BTreeMap::new(),
            machine: Machine::default(),
            check: false,
        };
        self.run(create).await;
    }

    async fn remove_snapshot_or_disk(&mut self) {
        let rows = self.house.engine.snapshot().unwrap();
        let (account, region) = (AccountId::from(ACCOUNT), RegionId::from(REGION));
        if self.chance.below(2) == 0 {
            let snapshots = SNAPSHOTS.list(&rows, &scope(), &[]);
            let Some(snapshot) = self.chance.pick(&snapshots).map(|snapshot| snapshot.id.clone()) else {
                return;
            };
            return self.run(DeleteSnapshot { account, region, snapshot, force: true, expired: false }).await;
        }
        let disks = DISK_ROWS.list(&rows, &scope(), &[]);
        let Some(disk) = self.chance.pick(&disks).map(|disk| disk.id.clone()) else { return };
        self.run(DeleteDisk { account, region, disk }).await;
    }

    async fn tag_or_limit(&mut self) {
        let number = self.number;
        let Some(image) = self.image().filter(|_| !number.is_multiple_of(3)) else {
            let quotas = Quotas { images: Some(30 + u32::try_from(number).unwrap()), ..Quotas::default() };
            let set = SetQuotas { account: ACCOUNT.into(), region: REGION.into(), quotas };
            return self.run(set).await;
        };
        let set = BTreeMap::from([("number".to_owned(), number.to_string())]);
        let resources = vec![ResourceId::from(image.id)];
        let (account, region) = (image.account, image.region);
        self.run(TagResources { account, region, resources, set, remove: Vec::new(), all: false }).await;
    }

    async fn promote(&mut self) {
        let rows = self.house.engine.snapshot().unwrap();
        let images = IMAGES.list(&rows, &scope(), &[]);
        let image = self
            .chance
            .pick(&images)
            .filter(|_| !self.number.is_multiple_of(4))
            .map(|image| image.id.clone());
        let family = format!("f{}", self.chance.below(3));
        let moves = vec![Move { region: REGION.into(), image }];
        self.run(PromoteFamily { account: ACCOUNT.into(), family, moves }).await;
    }

    async fn turn(&mut self) {
        let Some(Image { account, region, id: image, .. }) = self.image() else { return };
        match self.chance.below(8) {
            0 => self.run(DeprecateImage { account, region, image, by: None }).await,
            1 => self.run(RestoreImage { account, region, image }).await,
            2 => self.run(PublishImage { account, region, image }).await,
            3 => self.run(UnpublishImage { account, region, image }).await,
            4 => {
                let keep_snapshots = self.number.is_multiple_of(2);
                self.run(DeleteImage { account, region, image, force: false, keep_snapshots, by: None })
                    .await;
            }
            _ => {
                let to = Attributes {
                    name: Some(format!("v{}", self.chance.below(40))),
                    family: Some(format!("f{}", self.chance.below(3))),
                    description: Some(format!("by operation {}", self.number)),
                    ..Attributes::default()
                };
                self.run(ModifyImage { account, region, image, to }).await;
            }
        }
    }
}

/// The rows as they are, with the place and time of the last record.
fn record(house: &House) -> Recorded {
    let snapshot = house.engine.snapshot().unwrap();
    let seq = snapshot.head().unwrap();
    let time_ms = snapshot.record(seq).unwrap().unwrap().time_ms;
    Recorded { seq, time_ms, rows: copy_of(&snapshot) }
}
