//! The operations, each with what has to be there before it.

use std::pin::Pin;
use std::sync::Arc;

use domain::image::{DISKS as DISK_ROWS, IMAGES, SNAPSHOTS};
use domain::port::{BucketAt, Place};
use domain::{AccountId, DiskId, ImageId, RegionId, SnapshotId};
use engine::{Error, FlowRow};
use event::FlowId;
use sim::SimFiles;

use crate::world::{ACCOUNT, House, OTHER_REGION, REGION, Way, actor, incarnation, prepared, scope};
use crate::{access, batches, images, network, schedules, things, upkeeps};

/// Something that a house does.
type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
/// What has to be there before an operation.
pub type Before = for<'a> fn(&'a House) -> Doing<'a, ()>;
/// Starts an operation, or finds it started.
pub type Start = for<'a> fn(&'a House) -> Doing<'a, Result<FlowId, Error>>;

/// An operation to be tried.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// Whether it has steps that act on the world, which can be cancelled, refused and undone.
    pub acts: bool,
    pub before: Before,
    pub start: Start,
}

/// Every operation of the book, or those that `KILN_CASE` picks.
pub fn all() -> Vec<Case> {
    let only = std::env::var("KILN_CASE").ok();
    let mut cases = all_there_are();
    cases.retain(|case| only.as_ref().is_none_or(|only| case.name.contains(only)));
    cases
}

fn all_there_are() -> Vec<Case> {
    let of_time = [batches::cases(), schedules::cases(), upkeeps::cases()].concat();
    [images::cases(), things::cases(), access::cases(), network::cases(), of_time].concat()
}

/// Every story of the book has a case.
#[test]
fn every_story_of_the_book_is_tried() {
    let cases = all_there_are();
    for (name, _) in workflows::book().stories() {
        let tried = cases.iter().any(|case| case.name.starts_with(&name));
        assert!(tried, "the story `{name}` has no case: add one to one of the files of cases");
    }
}

/// The operation of that name.
pub fn named(name: &str) -> Case {
    all_there_are().into_iter().find(|case| case.name == name).expect("an operation has that name")
}

impl Case {
    /// The world as the operation finds it, durable to the last byte.
    pub fn before(&self) -> Arc<SimFiles> {
        let disk = prepared(11);
        let files: Arc<dyn files::Files> = disk.mount();
        incarnation(async {
            let house = House::open(&files, Way::Plain).unwrap();
            house.engine.drive().await.unwrap();
            (self.before)(&house).await;
            house.engine.close().await;
        });
        disk.settle();
        disk
    }

    /// Starts the operation, or finds it started.
    pub async fn start(&self, house: &House) -> Result<FlowId, Error> {
        (self.start)(house).await
    }
}

/// The request by which every operation is started, so that a second start finds the first.
pub const REQUEST: &str = "the operation";

pub fn nothing(_: &House) -> Doing<'_, ()> {
    Box::pin(async {})
}

/// Starts a workflow under the request of every operation.
pub async fn start<W: engine::Workflow<Ports = workflows::Ports>>(
    house: &House,
    workflow: W,
) -> Result<FlowId, Error> {
    house.engine.start(actor(), REQUEST, workflow).await
}

/// Runs a workflow to its good end.
pub async fn run<W: engine::Workflow<Ports = workflows::Ports>>(house: &House, request: &str, workflow: W) {
    done(house.engine.run(actor(), request, workflow).await);
}

pub fn done(row: Result<FlowRow, Error>) {
    let row = row.unwrap();
    assert_eq!(row.trouble(), None);
}

pub fn account() -> AccountId {
    AccountId::from(ACCOUNT)
}

pub fn region() -> RegionId {
    RegionId::from(REGION)
}

pub fn other_region() -> RegionId {
    RegionId::from(OTHER_REGION)
}

pub fn place(house: &House, region: &RegionId, account: &str) -> Place {
    Place { region: region.clone(), store: house.store_of(region), account: AccountId::from(account) }
}

pub fn bucket(house: &House) -> BucketAt {
    BucketAt { region: region(), store: house.store(), name: "uploads".to_owned() }
}

/// The image of that name; after the operation it may have another name, or be gone: a second
/// start finds the first by its request and never looks at this.
pub fn image(house: &House, name: &str) -> ImageId {
    let rows = house.engine.snapshot().unwrap();
    let images = IMAGES.list(&rows, &scope(), &[]);
    images.into_iter().find(|image| image.name == name).map(|image| image.id).unwrap_or_default()
}

/// The snapshot that is no image's, or, if there is none, an image's.
pub fn snapshot(house: &House) -> SnapshotId {
    let rows = house.engine.snapshot().unwrap();
    let mut snapshots = SNAPSHOTS.list(&rows, &scope(), &[]);
    snapshots.sort_by_key(|snapshot| (snapshot.made_by.is_some(), snapshot.born));
    snapshots.into_iter().map(|snapshot| snapshot.id).next().unwrap_or_default()
}

/// The only disk.
pub fn disk(house: &House) -> DiskId {
    let rows = house.engine.snapshot().unwrap();
    DISK_ROWS.list(&rows, &scope(), &[]).into_iter().map(|disk| disk.id).next().unwrap_or_default()
}
