//! The world before a race: everything the operations are about, once, and what some of them need
//! besides.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::image::{DISKS, IMAGES, NAMES, SNAPSHOTS, USAGE};
use domain::port::{BucketAt, Place};
use domain::{AccountId, DiskId, ImageId, RegionId, SnapshotId};
use engine::Workflow;
use files::Files;
use sim::SimFiles;
use workflows::Ports;

use crate::requests;
use crate::world::{
    ACCOUNT, House, OTHER_ACCOUNT, OTHER_REGION, REGION, Way, actor, incarnation, prepared_with, scope,
};

/// What an operation needs to find beside what is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The image is shared.
    Shared,
    /// It is shared, and the time of that is over.
    SharedUntil,
    /// It is everybody's.
    Public,
    /// It is Deprecated.
    Deprecated,
    /// The family was told to stand for it.
    Told,
    /// The account may have one more image.
    OneImage,
    /// The account may have one export at a time.
    OneExport,
    /// The bucket holds an object.
    Object,
}

/// The ids of what is always there.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The image all is about, the first of its family.
    pub image: ImageId,
    /// The snapshot it made.
    pub own: SnapshotId,
    /// The second of its family.
    pub second: ImageId,
    /// A disk made from the second, so that nothing but the first has the first one's chunks.
    pub disk: DiskId,
    /// A snapshot of that disk.
    pub taken: SnapshotId,
    /// The bucket.
    pub bucket: BucketAt,
    /// The account's place, in both regions.
    pub here: Place,
    pub there: Place,
    /// The place of the one it may be shared with.
    pub theirs: Place,
}

/// A world before a race.
pub struct Stage {
    pub disk: Arc<SimFiles>,
    pub scene: Scene,
}

/// When a share that has an end ends, if one does: soon after the beginning of the test's time.
pub const ENDS_MS: i64 = 1_800_000_000_500;

/// Few bytes, of a few chunks that no other version has.
fn content(version: u8) -> Vec<u8> {
    let mut state = 7 + u64::from(version);
    let mut bytes = vec![0; (96 << 10) + (usize::from(version) << 15)];
    for (number, byte) in bytes.iter_mut().enumerate() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let block = number >> 12;
        *byte = if block % 5 == 3 { 0 } else { u8::try_from((state >> 33) % 16).unwrap() * 11 };
    }
    bytes
}

async fn made<W: Workflow<Ports = Ports>>(house: &House, request: &str, workflow: W) {
    let row = house.engine.run(actor(), request, workflow).await.unwrap();
    assert_eq!(row.trouble(), None, "{request}");
}

/// What every race begins with.
pub fn everything() -> Stage {
    let disk = prepared_with(11, [content(0), content(1), vec![0; 64 << 10]]);
    let files: Arc<dyn Files> = disk.mount();
    let scene = incarnation(async {
        let house = House::open(&files, Way::Plain).unwrap();
        house.engine.drive().await.unwrap();
        let mut scene = bare(&house);
        made(&house, "bucket", requests::make_bucket(&scene.bucket)).await;
        made(&house, "v1", requests::import(&scene, 0, "v1")).await;
        made(&house, "v2", requests::import(&scene, 1, "v2")).await;
        let rows = house.engine.snapshot().unwrap();
        scene.image = NAMES.get(&rows, &scope(), &["v1"]).unwrap();
        scene.second = NAMES.get(&rows, &scope(), &["v2"]).unwrap();
        let image = IMAGES.get(&rows, &scope(), &[scene.image.as_str()]).unwrap();
        scene.own = image.system().snapshot.clone();
        made(&house, "disk", requests::disk_of_image(&scene, &scene.second)).await;
        scene.disk = DISKS.list(&house.engine.snapshot().unwrap(), &scope(), &[])[0].id.clone();
        made(&house, "snapshot", requests::take(&scene)).await;
        let snapshots = SNAPSHOTS.list(&house.engine.snapshot().unwrap(), &scope(), &[]);
        scene.taken = snapshots.into_iter().find(|snapshot| snapshot.of_disk.is_some()).unwrap().id;
        house.engine.close().await;
        scene
    });
    disk.settle();
    Stage { disk, scene }
}

/// The same with what is needed; where two needs exclude each other, the first in their order wins.
pub fn with(stage: &Stage, needs: &[Need]) -> Stage {
    let disk = stage.disk.fork(12);
    let files: Arc<dyn Files> = disk.mount();
    let scene = &stage.scene;
    incarnation(async {
        let house = House::open(&files, Way::Plain).unwrap();
        house.engine.drive().await.unwrap();
        for need in needs {
            prepare(&house, scene, *need).await;
        }
        house.engine.close().await;
    });
    disk.settle();
    Stage { disk, scene: scene.clone() }
}

async fn prepare(house: &House, scene: &Scene, need: Need) {
    let run = async |workflow: Result<engine::FlowRow, engine::Error>| _ = workflow.unwrap();
    let (engine, request) = (&house.engine, format!("{need:?}"));
    let usage = USAGE.get(&engine.snapshot().unwrap(), &scope(), &[]).unwrap();
    match need {
        Need::Shared => run(engine.run(actor(), &request, requests::share(scene, None)).await).await,
        Need::SharedUntil => {
            run(engine.run(actor(), &request, requests::share(scene, Some(ENDS_MS))).await).await;
        }
        Need::Public => run(engine.run(actor(), &request, requests::publish(scene)).await).await,
        Need::Deprecated => run(engine.run(actor(), &request, requests::deprecate(scene)).await).await,
        Need::Told => {
            let promote = requests::promote(scene, Some(&scene.image));
            run(engine.run(actor(), &request, promote).await).await;
        }
        Need::OneImage => {
            let quotas = requests::image_quota(scene, usage.images + 1);
            run(engine.run(actor(), &request, quotas).await).await;
        }
        Need::OneExport => {
            run(engine.run(actor(), &request, requests::export_quota(scene, 1)).await).await;
        }
        Need::Object => run(engine.run(actor(), &request, requests::put(scene, 0)).await).await,
    }
}

/// A scene before there is anything.
fn bare(house: &House) -> Scene {
    let place = |region: &str, account: &str| Place {
        region: RegionId::from(region),
        store: house.store_of(&RegionId::from(region)),
        account: AccountId::from(account),
    };
    let here = place(REGION, ACCOUNT);
    Scene {
        image: ImageId::default(),
        own: SnapshotId::default(),
        second: ImageId::default(),
        disk: DiskId::default(),
        taken: SnapshotId::default(),
        bucket: BucketAt {
            region: here.region.clone(),
            store: here.store.clone(),
            name: "uploads".to_owned(),
        },
        here,
        there: place(OTHER_REGION, ACCOUNT),
        theirs: place(REGION, OTHER_ACCOUNT),
    }
}

/// No tags.
pub fn no_tags() -> BTreeMap<String, String> {
    BTreeMap::new()
}
