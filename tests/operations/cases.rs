//! The operations, each with what has to be there before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::events::Attributes;
use domain::port::{Compression, Format, Location, Target, Wrapping};
use domain::{AccountId, RegionId};
use engine::{Error, FlowRow};
use event::FlowId;
use sim::SimFiles;
use workflows::{
    AddRegion, CollectChunks, CreateAccount, DeleteImage, DeprecateImage, ExportImage, ImportImage,
    ModifyImage, RestoreImage,
};

use crate::world::{ACCOUNT, DISKS, House, REGION, Way, actor, incarnation, prepared};

/// An operation to be tried.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    what: What,
    /// Whether it has steps that act on the world, which can be cancelled, refused and undone.
    pub acts: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Import,
    ImportSecond,
    ImportEmpty,
    Modify,
    Deprecate,
    Restore,
    Delete,
    Collect,
    ExportRaw,
    ExportQcow2,
    CreateAccount,
    AddRegion,
}

/// Every operation of the book, or those that `KILN_CASE` picks.
pub fn all() -> Vec<Case> {
    let only = std::env::var("KILN_CASE").ok();
    let mut cases = all_there_are();
    cases.retain(|case| only.as_ref().is_none_or(|only| case.name.contains(only)));
    cases
}

fn all_there_are() -> Vec<Case> {
    let case = |name, what, acts| Case { name, what, acts };
    vec![
        case("import_image", What::Import, true),
        case("import_image_of_a_second_version", What::ImportSecond, true),
        case("import_image_of_holes", What::ImportEmpty, true),
        case("modify_image", What::Modify, false),
        case("deprecate_image", What::Deprecate, false),
        case("restore_image", What::Restore, false),
        case("delete_image", What::Delete, false),
        case("collect_chunks", What::Collect, true),
        case("export_image_to_raw", What::ExportRaw, true),
        case("export_image_to_qcow2", What::ExportQcow2, true),
        case("create_account", What::CreateAccount, false),
        case("add_region", What::AddRegion, true),
    ]
}

/// The operation of that name.
pub fn named(name: &str) -> Case {
    all_there_are().into_iter().find(|case| case.name == name).expect("an operation has that name")
}

/// The import of the second version, by itself.
pub fn second_import(house: &House) -> ImportImage {
    import(house, DISKS[1], "v2")
}

/// A deprecation of the first version, by itself.
pub fn deprecation(house: &House) -> DeprecateImage {
    let (account, region, image) = ids(house);
    DeprecateImage { account, region, image }
}

impl Case {
    /// The world as the operation finds it, durable to the last byte.
    pub fn before(&self) -> Arc<SimFiles> {
        let disk = prepared(11);
        let files: Arc<dyn files::Files> = disk.mount();
        incarnation(async {
            let house = House::open(&files, Way::Plain).unwrap();
            house.engine.drive().await.unwrap();
            let needs_image = !matches!(
                self.what,
                What::Import | What::ImportEmpty | What::CreateAccount | What::AddRegion
            );
            if needs_image {
                done(house.engine.run(actor(), "v1", import(&house, DISKS[0], "v1")).await);
            }
            if self.what == What::Restore {
                let (account, region, image) = ids(&house);
                done(house.engine.run(actor(), "dep", DeprecateImage { account, region, image }).await);
            }
            if self.what == What::Collect {
                done(house.engine.run(actor(), "v2", import(&house, DISKS[1], "v2")).await);
                let (account, region, image) = ids(&house);
                done(house.engine.run(actor(), "del", DeleteImage { account, region, image }).await);
            }
            house.engine.close().await;
        });
        disk.settle();
        disk
    }

    /// Starts the operation, or finds it started.
    pub async fn start(&self, house: &House) -> Result<FlowId, Error> {
        let engine = &house.engine;
        let (actor, request) = (actor(), "the operation");
        match self.what {
            What::Import => engine.start(actor, request, import(house, DISKS[0], "v1")).await,
            What::ImportSecond => engine.start(actor, request, import(house, DISKS[1], "v2")).await,
            What::ImportEmpty => engine.start(actor, request, import(house, DISKS[2], "empty")).await,
            What::Collect => {
                let region = RegionId::from(REGION);
                engine.start(actor, request, CollectChunks { region, store: house.store() }).await
            }
            What::CreateAccount => {
                let account = CreateAccount { account: AccountId::from("200000"), name: "other".to_owned() };
                engine.start(actor, request, account).await
            }
            What::AddRegion => {
                engine.start(actor, request, AddRegion { region: RegionId::from("cn-b") }).await
            }
            What::ExportRaw | What::ExportQcow2 => {
                let (account, region, image) = ids(house);
                let (path, format) = match self.what {
                    What::ExportRaw => ("/bucket/out.raw".to_owned(), Format::Raw),
                    _ => ("/bucket/out.qcow2".to_owned(), Format::Qcow2),
                };
                let target = Target {
                    at: Location::file(path),
                    format,
                    compression: Compression::None,
                    wrapping: Wrapping::None,
                    replace: false,
                };
                let export = ExportImage { account, region, store: house.store(), image, target };
                engine.start(actor, request, export).await
            }
            What::Modify => {
                let (account, region, image) = ids(house);
                let to = Attributes {
                    name: Some("renamed".to_owned()),
                    description: Some("a better one".to_owned()),
                    family: Some("web".to_owned()),
                    tags: BTreeMap::from([("env".to_owned(), Some("prod".to_owned()))]),
                };
                engine.start(actor, request, ModifyImage { account, region, image, to }).await
            }
            What::Deprecate => {
                let (account, region, image) = ids(house);
                engine.start(actor, request, DeprecateImage { account, region, image }).await
            }
            What::Restore => {
                let (account, region, image) = ids(house);
                engine.start(actor, request, RestoreImage { account, region, image }).await
            }
            What::Delete => {
                let (account, region, image) = ids(house);
                engine.start(actor, request, DeleteImage { account, region, image }).await
            }
        }
    }
}

fn done(row: Result<FlowRow, Error>) {
    let row = row.unwrap();
    assert_eq!(row.trouble(), None);
}

fn ids(house: &House) -> (AccountId, RegionId, domain::ImageId) {
    // After the operation the image may have another name, or be gone: a second start finds the
    // first by its request and never looks at this.
    let image = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| house.image("v1")));
    (AccountId::from(ACCOUNT), RegionId::from(REGION), image.unwrap_or_default())
}

fn import(house: &House, path: &str, name: &str) -> ImportImage {
    ImportImage {
        account: AccountId::from(ACCOUNT),
        region: RegionId::from(REGION),
        store: house.store(),
        path: path.to_owned(),
        format: None,
        name: name.to_owned(),
        description: String::new(),
        family: Some("web".to_owned()),
        tags: BTreeMap::new(),
    }
}
