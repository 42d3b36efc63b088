//! The operations on images, families, regions and accounts.

use std::collections::BTreeMap;
use std::path::Path;

use domain::AccountId;
use domain::events::Attributes;
use domain::image::{DiskKind, Quotas};
use domain::machine::Machine;
use domain::port::{Compression, Format, Location, Pace, Target, Wrapping};
use workflows::{
    AddRegion, ChangeShares, CheckImage, CollectChunks, CopyImage, CreateAccount, CreateImage, DeleteImage,
    DeprecateImage, DiskFile, EndShare, ExportImage, ExportTo, ImportImage, MappedDisk, ModifyImage, Move,
    PromoteFamily, PublishImage, RestoreImage, SetQuotas, UnpublishImage,
};

use crate::cases::{
    Case, account, bucket, image, nothing, other_region, place, region, run, snapshot, start,
};
use crate::things::with_bucket;
use crate::world::{DISKS, House, LATER, OTHER_ACCOUNT, OTHER_REGION, START_MS};

/// When a share of the cases ends: a minute after it began, and before an hour has passed.
const UNTIL_MS: i64 = START_MS + 60_000;

#[expect(clippy::too_many_lines, reason = "a list reads best in one place")]
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "import_image",
            acts: true,
            before: nothing,
            start: |house| Box::pin(start(house, import(house, DISKS[0], "v1"))),
        },
        Case {
            name: "import_image_of_a_second_version",
            acts: true,
            before: with_image,
            start: |house| Box::pin(start(house, import(house, DISKS[1], "v2"))),
        },
        Case {
            name: "import_image_of_holes",
            acts: true,
            before: nothing,
            start: |house| Box::pin(start(house, import(house, DISKS[2], "empty"))),
        },
        Case {
            name: "import_image_of_several_disks",
            acts: true,
            before: nothing,
            start: |house| {
                let disks = vec![disk_file(DISKS[0], "/dev/xvda"), disk_file(DISKS[1], "/dev/xvdb")];
                Box::pin(start(house, ImportImage { disks, ..import(house, DISKS[0], "several") }))
            },
        },
        Case {
            name: "import_image_from_a_bucket",
            acts: true,
            before: |house| Box::pin(with_object(house)),
            start: |house| {
                let at = Location::object(bucket(house), "v1.raw");
                let disks = vec![DiskFile { at, ..disk_file("", "/dev/xvda") }];
                Box::pin(start(house, ImportImage { disks, ..import(house, DISKS[0], "v1") }))
            },
        },
        Case {
            name: "create_image",
            acts: true,
            before: with_image,
            start: |house| Box::pin(start(house, create(house))),
        },
        Case {
            name: "copy_image",
            acts: true,
            before: with_image,
            start: |house| Box::pin(start(house, copy(house))),
        },
        Case {
            name: "copy_image_of_somebody_else",
            acts: true,
            before: |house| Box::pin(with_share(house)),
            start: |house| {
                let to = place(house, &region(), OTHER_ACCOUNT);
                Box::pin(start(house, CopyImage { to, ..copy(house) }))
            },
        },
        Case {
            name: "modify_image",
            acts: false,
            before: with_image,
            start: |house| Box::pin(start(house, modify(house))),
        },
        Case {
            name: "deprecate_image",
            acts: false,
            before: with_image,
            start: |house| Box::pin(start(house, deprecation(house))),
        },
        Case {
            name: "restore_image",
            acts: false,
            before: |house| {
                Box::pin(async {
                    with_image(house).await;
                    run(house, "dep", deprecation(house)).await;
                })
            },
            start: |house| {
                let restore =
                    RestoreImage { account: account(), region: region(), image: image(house, "v1") };
                Box::pin(start(house, restore))
            },
        },
        Case {
            name: "delete_image",
            acts: false,
            before: with_image,
            start: |house| Box::pin(start(house, deletion(house))),
        },
        Case {
            name: "change_shares",
            acts: false,
            before: with_image,
            start: |house| Box::pin(start(house, share(house, None))),
        },
        Case {
            name: "end_share",
            acts: false,
            before: |house| {
                Box::pin(async {
                    with_image(house).await;
                    run(house, "share", share(house, Some(UNTIL_MS))).await;
                    house.files.create_dirs(Path::new(LATER)).unwrap();
                })
            },
            start: |house| {
                let end = EndShare {
                    account: account(),
                    region: region(),
                    image: image(house, "v1"),
                    with: AccountId::from(OTHER_ACCOUNT),
                    until_ms: UNTIL_MS,
                };
                Box::pin(start(house, end))
            },
        },
        Case {
            name: "publish_image",
            acts: false,
            before: with_image,
            start: |house| Box::pin(start(house, publish(house))),
        },
        Case {
            name: "unpublish_image",
            acts: false,
            before: |house| {
                Box::pin(async {
                    with_image(house).await;
                    run(house, "publish", publish(house)).await;
                })
            },
            start: |house| {
                let unpublish =
                    UnpublishImage { account: account(), region: region(), image: image(house, "v1") };
                Box::pin(start(house, unpublish))
            },
        },
        Case {
            name: "check_image",
            acts: true,
            before: with_image,
            start: |house| {
                let check = CheckImage {
                    account: account(),
                    region: region(),
                    store: house.store(),
                    image: image(house, "v1"),
                };
                Box::pin(start(house, check))
            },
        },
        Case {
            name: "promote_family",
            acts: false,
            before: |house| {
                Box::pin(async {
                    with_image(house).await;
                    run(house, "copy", copy(house)).await;
                })
            },
            start: |house| Box::pin(start(house, promotion(house))),
        },
        Case {
            name: "collect_chunks",
            acts: true,
            before: |house| {
                Box::pin(async {
                    with_image(house).await;
                    run(house, "v2", import(house, DISKS[1], "v2")).await;
                    run(house, "del", deletion(house)).await;
                })
            },
            start: |house| Box::pin(start(house, CollectChunks { region: region(), store: house.store() })),
        },
        Case {
            name: "export_image_to_raw",
            acts: true,
            before: with_image,
            start: |house| {
                let at = Location::file("/bucket/out.raw");
                Box::pin(start(house, export(house, at, Format::Raw, Wrapping::None)))
            },
        },
        Case {
            name: "export_image_to_qcow2",
            acts: true,
            before: with_image,
            start: |house| {
                let at = Location::file("/bucket/out.qcow2");
                Box::pin(start(house, export(house, at, Format::Qcow2, Wrapping::None)))
            },
        },
        Case {
            name: "export_image_to_vhd",
            acts: true,
            before: with_image,
            start: |house| {
                let at = Location::file("/bucket/out.vhd");
                Box::pin(start(house, export(house, at, Format::Vhd, Wrapping::None)))
            },
        },
        Case {
            name: "export_image_to_a_bucket",
            acts: true,
            before: |house| {
                Box::pin(async {
                    with_image(house).await;
                    with_bucket(house).await;
                })
            },
            start: |house| {
                let at = Location::object(bucket(house), "export_system.raw.tar.gz");
                let wrapping = Wrapping::TarGz("export_system.raw".to_owned());
                Box::pin(start(house, export(house, at, Format::Raw, wrapping)))
            },
        },
        Case {
            name: "create_account",
            acts: false,
            before: nothing,
            start: |house| {
                let account = CreateAccount { account: AccountId::from("300000"), name: "third".to_owned() };
                Box::pin(start(house, account))
            },
        },
        Case {
            name: "add_region",
            acts: true,
            before: nothing,
            start: |house| Box::pin(start(house, AddRegion { region: "cn-c".into() })),
        },
        Case {
            name: "set_quotas",
            acts: false,
            before: nothing,
            start: |house| {
                let quotas = Quotas { images: Some(7), ..Quotas::default() };
                Box::pin(start(house, SetQuotas { account: account(), region: region(), quotas }))
            },
        },
    ]
}

/// The first version, imported.
pub fn with_image(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(run(house, "v1", import(house, DISKS[0], "v1")))
}

async fn with_object(house: &House) {
    with_bucket(house).await;
    run(house, "put", crate::things::put(house, DISKS[0], "v1.raw")).await;
}

async fn with_share(house: &House) {
    with_image(house).await;
    run(house, "share", share(house, None)).await;
}

/// The import of the second version, by itself.
pub fn second_import(house: &House) -> ImportImage {
    import(house, DISKS[1], "v2")
}

/// A deprecation of the first version, by itself.
pub fn deprecation(house: &House) -> DeprecateImage {
    DeprecateImage { account: account(), region: region(), image: image(house, "v1"), by: None }
}

fn deletion(house: &House) -> DeleteImage {
    let image = image(house, "v1");
    DeleteImage { account: account(), region: region(), image, force: false, keep_snapshots: false, by: None }
}

fn publish(house: &House) -> PublishImage {
    PublishImage { account: account(), region: region(), image: image(house, "v1") }
}

fn share(house: &House, until_ms: Option<i64>) -> ChangeShares {
    let add = vec![AccountId::from(OTHER_ACCOUNT)];
    let image = image(house, "v1");
    ChangeShares { account: account(), region: region(), image, add, until_ms, remove: Vec::new() }
}

fn modify(house: &House) -> ModifyImage {
    let to = Attributes {
        name: Some("renamed".to_owned()),
        description: Some("a better one".to_owned()),
        family: Some("web".to_owned()),
        tags: BTreeMap::from([("env".to_owned(), Some("prod".to_owned()))]),
        ..Attributes::default()
    };
    ModifyImage { account: account(), region: region(), image: image(house, "v1"), to }
}

fn promotion(house: &House) -> PromoteFamily {
    let rows = house.engine.snapshot().unwrap();
    let there = domain::image::scope(&account(), &other_region());
    let copy = domain::image::NAMES.get(&rows, &there, &["copy"]);
    let moves = vec![
        Move { region: region(), image: Some(image(house, "v1")) },
        Move { region: OTHER_REGION.into(), image: copy },
    ];
    PromoteFamily { account: account(), family: "web".to_owned(), moves }
}

fn copy(house: &House) -> CopyImage {
    CopyImage {
        source: image(house, "v1"),
        from: place(house, &region(), account().as_str()),
        to: place(house, &other_region(), account().as_str()),
        name: "copy".to_owned(),
        description: String::new(),
        tags: BTreeMap::new(),
        pace: Pace::default(),
        family: None,
        for_list: None,
    }
}

fn create(house: &House) -> CreateImage {
    let disk = |device: &str, kind, snapshot, size_bytes| MappedDisk {
        device: device.to_owned(),
        kind,
        snapshot,
        size_bytes,
    };
    CreateImage {
        account: account(),
        region: region(),
        store: house.store(),
        disks: vec![
            disk("/dev/xvda", DiskKind::System, Some(snapshot(house)), None),
            disk("/dev/xvdb", DiskKind::Data, None, Some(1 << 30)),
        ],
        name: "made".to_owned(),
        description: String::new(),
        family: None,
        tags: BTreeMap::new(),
        machine: Machine::default(),
        check: false,
    }
}

fn export(house: &House, at: Location, format: Format, wrapping: Wrapping) -> ExportImage {
    let target = Target { at, format, compression: Compression::None, wrapping, replace: false };
    ExportImage {
        account: account(),
        region: region(),
        store: house.store(),
        image: image(house, "v1"),
        disks: vec![ExportTo { device: "/dev/xvda".to_owned(), target }],
    }
}

/// A disk of an import.
fn disk_file(path: &str, device: &str) -> DiskFile {
    DiskFile { at: Location::file(path), format: None, device: device.to_owned(), size_bytes: None }
}

pub fn import(house: &House, path: &str, name: &str) -> ImportImage {
    ImportImage {
        account: account(),
        region: region(),
        store: house.store(),
        disks: vec![disk_file(path, "/dev/xvda")],
        name: name.to_owned(),
        description: String::new(),
        family: Some("web".to_owned()),
        tags: BTreeMap::new(),
        machine: Machine::default(),
        check: false,
    }
}
