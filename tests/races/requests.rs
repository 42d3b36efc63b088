//! What the operations of the races are asked for.

use std::collections::BTreeMap;

use domain::events::{Attributes, ResourceId};
use domain::image::{DiskKind, Quotas};
use domain::machine::Machine;
use domain::port::{BucketAt, Compression, Format, Location, Pace, Place, Target, Wrapping};
use domain::{AccountId, ImageId, SnapshotId};
use workflows::{
    ChangeShares, CheckImage, CollectChunks, CopyImage, CopySnapshot, CreateBucket, CreateDisk, CreateImage,
    CreateSnapshot, DeleteBucket, DeleteDisk, DeleteImage, DeleteSnapshot, DeprecateImage, DiskFile,
    EndShare, ExportImage, ExportTo, GetObject, ImportImage, MappedDisk, ModifyDisk, ModifyImage,
    ModifySnapshot, Move, PromoteFamily, PublishImage, PutObject, RemoveObject, RestoreImage, SetQuotas,
    TagResources, UnpublishImage,
};

use crate::scene::{ENDS_MS, Scene, no_tags};
use crate::world::{DISKS, OTHER_ACCOUNT};

/// The object that is put, got and removed.
const KEY: &str = "uploads/v1.raw";

/// An import into the family.
pub fn import(scene: &Scene, disk: usize, name: &str) -> ImportImage {
    let (account, region, store) = owner(scene);
    let at = Location::file(DISKS[disk]);
    ImportImage {
        account,
        region,
        store,
        disks: vec![DiskFile { at, format: None, device: "/dev/xvda".to_owned(), size_bytes: None }],
        name: name.to_owned(),
        description: String::new(),
        family: Some("web".to_owned()),
        tags: no_tags(),
        machine: Machine::default(),
        check: false,
    }
}

fn owner(scene: &Scene) -> (AccountId, domain::RegionId, domain::StoreId) {
    let Place { account, region, store } = scene.here.clone();
    (account, region, store)
}

pub fn create(scene: &Scene, snapshot: &SnapshotId, name: &str) -> CreateImage {
    let (account, region, store) = owner(scene);
    let snapshot = Some(snapshot.clone());
    let kind = DiskKind::System;
    CreateImage {
        account,
        region,
        store,
        disks: vec![MappedDisk { device: "/dev/xvda".to_owned(), kind, snapshot, size_bytes: None }],
        name: name.to_owned(),
        description: String::new(),
        family: Some("web".to_owned()),
        tags: no_tags(),
        machine: Machine::default(),
        check: false,
    }
}

pub fn modify(scene: &Scene, to: Attributes) -> ModifyImage {
    let (account, region, _) = owner(scene);
    ModifyImage { account, region, image: scene.image.clone(), to }
}

/// Another name.
pub fn rename(scene: &Scene, name: &str) -> ModifyImage {
    modify(scene, Attributes { name: Some(name.to_owned()), ..Attributes::default() })
}

/// Another family.
pub fn regroup(scene: &Scene) -> ModifyImage {
    modify(scene, Attributes { family: Some("db".to_owned()), ..Attributes::default() })
}

pub fn deprecate(scene: &Scene) -> DeprecateImage {
    let (account, region, _) = owner(scene);
    DeprecateImage { account, region, image: scene.image.clone(), by: None }
}

pub fn restore(scene: &Scene) -> RestoreImage {
    let (account, region, _) = owner(scene);
    RestoreImage { account, region, image: scene.image.clone() }
}

pub fn delete(scene: &Scene, keep_snapshots: bool) -> DeleteImage {
    let (account, region, _) = owner(scene);
    DeleteImage { account, region, image: scene.image.clone(), force: false, keep_snapshots, by: None }
}

pub fn share(scene: &Scene, until_ms: Option<i64>) -> ChangeShares {
    let (account, region, _) = owner(scene);
    let add = vec![AccountId::from(OTHER_ACCOUNT)];
    ChangeShares { account, region, image: scene.image.clone(), add, until_ms, remove: Vec::new() }
}

pub fn unshare(scene: &Scene) -> ChangeShares {
    let (add, remove) = (Vec::new(), vec![AccountId::from(OTHER_ACCOUNT)]);
    ChangeShares { add, remove, ..share(scene, None) }
}

pub fn end_share(scene: &Scene) -> EndShare {
    let (account, region, _) = owner(scene);
    let with = AccountId::from(OTHER_ACCOUNT);
    EndShare { account, region, image: scene.image.clone(), with, until_ms: ENDS_MS }
}

pub fn publish(scene: &Scene) -> PublishImage {
    let (account, region, _) = owner(scene);
    PublishImage { account, region, image: scene.image.clone() }
}

pub fn unpublish(scene: &Scene) -> UnpublishImage {
    let (account, region, _) = owner(scene);
    UnpublishImage { account, region, image: scene.image.clone() }
}

pub fn copy(scene: &Scene, to: &Place) -> CopyImage {
    CopyImage {
        source: scene.image.clone(),
        from: scene.here.clone(),
        to: to.clone(),
        name: "copy".to_owned(),
        description: String::new(),
        tags: no_tags(),
        pace: Pace::default(),
        family: None,
        for_list: None,
    }
}

pub fn export(scene: &Scene, at: Location) -> ExportImage {
    let (account, region, store) = owner(scene);
    let (compression, wrapping) = (Compression::None, Wrapping::None);
    let target = Target { at, format: Format::Raw, compression, wrapping, replace: false };
    let disks = vec![ExportTo { device: "/dev/xvda".to_owned(), target }];
    ExportImage { account, region, store, image: scene.image.clone(), disks }
}

pub fn export_to_file(scene: &Scene) -> ExportImage {
    export(scene, Location::file("/bucket/out.raw"))
}

pub fn export_to_bucket(scene: &Scene) -> ExportImage {
    export(scene, Location::object(scene.bucket.clone(), "exports/out.raw"))
}

pub fn check(scene: &Scene) -> CheckImage {
    let (account, region, store) = owner(scene);
    CheckImage { account, region, store, image: scene.image.clone() }
}

/// A promotion where the image is; with none, a return to the newest.
pub fn promote(scene: &Scene, image: Option<&ImageId>) -> PromoteFamily {
    let moves = vec![Move { region: scene.here.region.clone(), image: image.cloned() }];
    PromoteFamily { account: scene.here.account.clone(), family: "web".to_owned(), moves }
}

/// A promotion that the second region refuses, so that the first takes it back.
pub fn promote_in_vain(scene: &Scene, image: &ImageId) -> PromoteFamily {
    let mut promotion = promote(scene, Some(image));
    promotion.moves.push(Move { region: scene.there.region.clone(), image: Some(image.clone()) });
    promotion
}

pub fn tag(scene: &Scene, value: &str) -> TagResources {
    let (account, region, _) = owner(scene);
    let resources = vec![
        ResourceId::from(scene.image.clone()),
        scene.taken.clone().into(),
        ResourceId(scene.disk.0.clone()),
    ];
    let set = BTreeMap::from([("env".to_owned(), value.to_owned())]);
    TagResources { account, region, resources, set, remove: Vec::new(), all: false }
}

pub fn take(scene: &Scene) -> CreateSnapshot {
    let (account, region, _) = owner(scene);
    CreateSnapshot {
        account,
        region,
        disk: scene.disk.clone(),
        name: "before".to_owned(),
        description: String::new(),
        tags: no_tags(),
        retention_days: Some(7),
    }
}

pub fn modify_snapshot(scene: &Scene) -> ModifySnapshot {
    let (account, region, _) = owner(scene);
    let name = Some("renamed".to_owned());
    ModifySnapshot {
        account,
        region,
        snapshot: scene.taken.clone(),
        name,
        description: None,
        retention_days: None,
    }
}

pub fn modify_disk(scene: &Scene) -> ModifyDisk {
    let (account, region, _) = owner(scene);
    let (name, disk) = (Some("renamed".to_owned()), scene.disk.clone());
    ModifyDisk { account, region, disk, name, description: None, size_bytes: Some(64 << 30) }
}

pub fn delete_snapshot(scene: &Scene, snapshot: &SnapshotId) -> DeleteSnapshot {
    let (account, region, _) = owner(scene);
    DeleteSnapshot { account, region, snapshot: snapshot.clone(), force: false, expired: false }
}

pub fn copy_snapshot(scene: &Scene, snapshot: &SnapshotId) -> CopySnapshot {
    CopySnapshot {
        source: snapshot.clone(),
        from: scene.here.clone(),
        to: scene.there.clone(),
        name: "copied".to_owned(),
        description: String::new(),
        tags: no_tags(),
        retention_days: None,
        pace: Pace::default(),
    }
}

fn disk(scene: &Scene) -> CreateDisk {
    let (account, region, store) = owner(scene);
    CreateDisk {
        account,
        region,
        store,
        name: "scratch".to_owned(),
        description: String::new(),
        tags: no_tags(),
        size_bytes: 0,
        snapshot: None,
        image: None,
    }
}

pub fn disk_of_image(scene: &Scene, image: &ImageId) -> CreateDisk {
    CreateDisk { image: Some(image.clone()), ..disk(scene) }
}

pub fn disk_of_snapshot(scene: &Scene, snapshot: &SnapshotId) -> CreateDisk {
    CreateDisk { snapshot: Some(snapshot.clone()), ..disk(scene) }
}

pub fn delete_disk(scene: &Scene) -> DeleteDisk {
    let (account, region, _) = owner(scene);
    DeleteDisk { account, region, disk: scene.disk.clone() }
}

pub fn make_bucket(bucket: &BucketAt) -> CreateBucket {
    CreateBucket { account: AccountId::from(crate::world::ACCOUNT), bucket: bucket.clone() }
}

pub fn delete_bucket(scene: &Scene) -> DeleteBucket {
    DeleteBucket { account: scene.here.account.clone(), bucket: scene.bucket.clone() }
}

fn object(scene: &Scene) -> Location {
    Location::object(scene.bucket.clone(), KEY)
}

pub fn put(scene: &Scene, disk: usize) -> PutObject {
    let (account, to) = (scene.here.account.clone(), object(scene));
    PutObject { account, path: DISKS[disk].to_owned(), to, replace: false }
}

pub fn get(scene: &Scene) -> GetObject {
    let (account, from) = (scene.here.account.clone(), object(scene));
    GetObject { account, from, path: "/bucket/got.raw".to_owned(), replace: false }
}

pub fn remove(scene: &Scene) -> RemoveObject {
    RemoveObject { account: scene.here.account.clone(), at: object(scene) }
}

pub fn collect(scene: &Scene) -> CollectChunks {
    CollectChunks { region: scene.here.region.clone(), store: scene.here.store.clone() }
}

fn quotas(scene: &Scene, quotas: Quotas) -> SetQuotas {
    let (account, region, _) = owner(scene);
    SetQuotas { account, region, quotas }
}

pub fn image_quota(scene: &Scene, images: u32) -> SetQuotas {
    quotas(scene, Quotas { images: Some(images), ..Quotas::default() })
}

pub fn export_quota(scene: &Scene, exports: u32) -> SetQuotas {
    quotas(scene, Quotas { exports: Some(exports), ..Quotas::default() })
}
