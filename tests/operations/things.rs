//! The operations on snapshots, disks, buckets and tags.

use std::collections::BTreeMap;

use domain::events::ResourceId;
use domain::port::{Location, Pace};
use workflows::{
    CopySnapshot, CreateBucket, CreateDisk, CreateSnapshot, DeleteBucket, DeleteDisk, DeleteSnapshot,
    GetObject, ModifyDisk, ModifySnapshot, PutObject, RemoveObject, TagResources,
};

use crate::cases::{
    Case, account, bucket, disk, image, nothing, other_region, place, region, run, snapshot, start,
};
use crate::images::with_image;
use crate::world::{DISKS, House};

#[expect(clippy::too_many_lines, reason = "a list reads best in one place")]
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "create_disk",
            acts: true,
            before: nothing,
            start: |house| Box::pin(start(house, CreateDisk { size_bytes: 1 << 30, ..create_disk(house) })),
        },
        Case {
            name: "create_disk_from_a_snapshot",
            acts: false,
            before: with_image,
            start: |house| {
                let snapshot = Some(snapshot(house));
                Box::pin(start(house, CreateDisk { snapshot, ..create_disk(house) }))
            },
        },
        Case {
            name: "create_disk_from_an_image",
            acts: false,
            before: with_image,
            start: |house| Box::pin(start(house, of_image(house))),
        },
        Case {
            name: "delete_disk",
            acts: false,
            before: with_disk,
            start: |house| {
                Box::pin(start(house, DeleteDisk { account: account(), region: region(), disk: disk(house) }))
            },
        },
        Case {
            name: "create_snapshot",
            acts: false,
            before: with_disk,
            start: |house| Box::pin(start(house, take(house))),
        },
        Case {
            name: "copy_snapshot",
            acts: true,
            before: with_snapshot,
            start: |house| {
                let copy = CopySnapshot {
                    source: snapshot(house),
                    from: place(house, &region(), account().as_str()),
                    to: place(house, &other_region(), account().as_str()),
                    name: "copy".to_owned(),
                    description: String::new(),
                    tags: BTreeMap::new(),
                    retention_days: None,
                    pace: Pace::default(),
                };
                Box::pin(start(house, copy))
            },
        },
        Case {
            name: "modify_snapshot",
            acts: false,
            before: with_snapshot,
            start: |house| {
                let modify = ModifySnapshot {
                    account: account(),
                    region: region(),
                    snapshot: snapshot(house),
                    name: Some("renamed".to_owned()),
                    description: None,
                    retention_days: Some(30),
                };
                Box::pin(start(house, modify))
            },
        },
        Case {
            name: "delete_snapshot",
            acts: false,
            before: with_snapshot,
            start: |house| {
                let delete = DeleteSnapshot {
                    account: account(),
                    region: region(),
                    snapshot: snapshot(house),
                    force: false,
                    expired: false,
                };
                Box::pin(start(house, delete))
            },
        },
        Case {
            name: "modify_disk",
            acts: false,
            before: with_disk,
            start: |house| {
                let modify = ModifyDisk {
                    account: account(),
                    region: region(),
                    disk: disk(house),
                    name: Some("renamed".to_owned()),
                    description: None,
                    size_bytes: Some(64 << 30),
                };
                Box::pin(start(house, modify))
            },
        },
        Case {
            name: "tag_resources",
            acts: false,
            before: with_snapshot,
            start: |house| {
                let resources = vec![ResourceId::from(image(house, "v1")), snapshot(house).into()];
                let set = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
                let (account, region) = (account(), region());
                let (remove, all) = (Vec::new(), false);
                Box::pin(start(house, TagResources { account, region, resources, set, remove, all }))
            },
        },
        Case {
            name: "create_bucket",
            acts: true,
            before: nothing,
            start: |house| Box::pin(start(house, create_bucket(house))),
        },
        Case {
            name: "delete_bucket",
            acts: true,
            before: |house| Box::pin(with_bucket(house)),
            start: |house| Box::pin(start(house, DeleteBucket { account: account(), bucket: bucket(house) })),
        },
        Case {
            name: "put_object",
            acts: true,
            before: |house| Box::pin(with_bucket(house)),
            start: |house| Box::pin(start(house, put(house, DISKS[0], "uploads/v1.raw"))),
        },
        Case {
            name: "get_object",
            acts: true,
            before: |house| Box::pin(with_object(house)),
            start: |house| {
                let from = Location::object(bucket(house), "uploads/v1.raw");
                let path = "/bucket/got.raw".to_owned();
                Box::pin(start(house, GetObject { account: account(), from, path, replace: false }))
            },
        },
        Case {
            name: "remove_object",
            acts: true,
            before: |house| Box::pin(with_object(house)),
            start: |house| {
                let at = Location::object(bucket(house), "uploads/v1.raw");
                Box::pin(start(house, RemoveObject { account: account(), at }))
            },
        },
    ]
}

pub async fn with_bucket(house: &House) {
    run(house, "bucket", create_bucket(house)).await;
}

async fn with_object(house: &House) {
    with_bucket(house).await;
    run(house, "put", put(house, DISKS[0], "uploads/v1.raw")).await;
}

fn with_disk(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async {
        with_image(house).await;
        run(house, "disk", of_image(house)).await;
    })
}

fn with_snapshot(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async {
        with_disk(house).await;
        run(house, "snapshot", take(house)).await;
    })
}

fn create_bucket(house: &House) -> CreateBucket {
    CreateBucket { account: account(), bucket: bucket(house) }
}

/// A put of a file into the bucket there is.
pub fn put(house: &House, path: &str, key: &str) -> PutObject {
    let to = Location::object(bucket(house), key);
    PutObject { account: account(), path: path.to_owned(), to, replace: false }
}

fn of_image(house: &House) -> CreateDisk {
    CreateDisk { image: Some(image(house, "v1")), ..create_disk(house) }
}

fn create_disk(house: &House) -> CreateDisk {
    CreateDisk {
        account: account(),
        region: region(),
        store: house.store(),
        name: "scratch".to_owned(),
        description: String::new(),
        tags: BTreeMap::new(),
        size_bytes: 0,
        snapshot: None,
        image: None,
    }
}

fn take(house: &House) -> CreateSnapshot {
    CreateSnapshot {
        account: account(),
        region: region(),
        disk: disk(house),
        name: "before".to_owned(),
        description: String::new(),
        tags: BTreeMap::new(),
        retention_days: Some(7),
    }
}
