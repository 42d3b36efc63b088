//! The contract: every action in scope, asked with every parameter it declares, answers every field of its tree
//! that can have a value. What is not so is in `tests_exceptions.rs`, each with its reason, and a reason that is no
//! longer one fails as well. Shapes and envelopes are checked by the kit, for each answer of every test.
//!
//! One house goes through the whole life of an image, for what an answer may hold depends on what happened before.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use service::{DiskRequest, ImageAt, ImageCopy, Request, ShareRequest};

use crate::find;
use crate::tests_contract_places::places;
use crate::tests_contract_unserved::UNSERVED;
use crate::tests_exceptions::{BLANK, EMPTY, IGNORED, NEVER};
use crate::tests_kit::{BUCKET, DATA, ECS, FRIEND, HERE, SYSTEM, THERE, World, code};
use crate::tests_tree::{contracts, leaves, paths};

/// The actions this is about.
pub(crate) const SCOPE: &[&str] = &[
    "AddTags",
    "AuthorizeSecurityGroup",
    "AuthorizeSecurityGroupEgress",
    "CancelCopyImage",
    "CancelTask",
    "CopyImage",
    "CopySnapshot",
    "CreateDisk",
    "CreateImage",
    "CreateKeyPair",
    "CreateSecurityGroup",
    "CreateSnapshot",
    "CreateVSwitch",
    "CreateVpc",
    "DeleteDisk",
    "DeleteImage",
    "DeleteKeyPairs",
    "DeleteSecurityGroup",
    "DeleteSnapshot",
    "DeleteVSwitch",
    "DeleteVpc",
    "DescribeAvailableResource",
    "DescribeDisks",
    "DescribeImageFromFamily",
    "DescribeImageSharePermission",
    "DescribeImageSupportInstanceTypes",
    "DescribeImages",
    "DescribeInstanceTypes",
    "DescribeKeyPairs",
    "DescribeRegions",
    "DescribeResourceByTags",
    "DescribeSecurityGroupAttribute",
    "DescribeSecurityGroups",
    "DescribeSnapshots",
    "DescribeTags",
    "DescribeTaskAttribute",
    "DescribeTasks",
    "DescribeVSwitches",
    "DescribeVpcs",
    "DescribeZones",
    "ExportImage",
    "ImportImage",
    "ImportKeyPair",
    "JoinResourceGroup",
    "ListTagResources",
    "LockSnapshot",
    "ModifyDiskAttribute",
    "ModifyImageAttribute",
    "ModifyImageShareGroupPermission",
    "ModifyImageSharePermission",
    "ModifySnapshotAttribute",
    "RemoveTags",
    "ResizeDisk",
    "RevokeSecurityGroup",
    "TagResources",
    "UnlockSnapshot",
    "UntagResources",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_action_takes_what_it_declares_and_answers_all_it_can() {
    let world = World::new().await;
    regions(&world).await;
    imports(&world).await;
    places(&world).await;
    snapshots_and_disks(&world).await;
    creations(&world).await;
    copies(&world).await;
    exports(&world).await;
    tags(&world).await;
    sharing(&world).await;
    changes(&world).await;
    deletions(&world).await;
    report(&world);
}

async fn regions(world: &World) {
    let regions = world.ask_whole("DescribeRegions", &[]).await.unwrap();
    assert_eq!(regions["Regions"]["Region"].as_array().unwrap().len(), 2);
    assert_eq!(regions["Regions"]["Region"][0]["RegionEndpoint"], "127.0.0.1:8080");
}

async fn imports(world: &World) {
    let arn = ("StorageLocationArn", "acs:ecs:cloudbox:cn-hangzhou:100000:cb-1");
    assert_eq!(code(world.ask_whole("ImportImage", &[arn]).await), "InvalidStorageLocation.NotFound");
    // The older word for the size counts where the newer is empty.
    let sizes = [("DiskDeviceMapping.1.DiskImageSize", ""), ("DiskDeviceMapping.1.DiskImSize", "6")];
    let plain = world.ask_whole("ImportImage", &sizes).await.unwrap();
    let plain = world.call_it("plain", &plain["ImageId"]);
    assert_eq!(world.available(HERE, &plain).await["Size"], 6);

    let made = world.ask_whole("ImportImage", &[("ImageName", "web-1")]).await.unwrap();
    assert_eq!(made["RegionId"], HERE);
    world.call_it("task", &made["TaskId"]);
    let image = world.call_it("image", &made["ImageId"]);
    let params = [("RegionId", HERE), ("ImageId", &image)];
    let is_checked = |answer: &Json| answer["Images"]["Image"][0]["DetectionOptions"]["Status"] == "Finished";
    let answer = world.until("DescribeImages", &params, is_checked).await;
    let mapping = &answer["Images"]["Image"][0]["DiskDeviceMappings"]["DiskDeviceMapping"][0];
    assert_eq!((&mapping["ImportOSSBucket"], &mapping["ImportOSSObject"]), (&BUCKET.into(), &SYSTEM.into()));
    world.call_it("image-snapshot", &mapping["SnapshotId"]);

    // An import gives no family.
    world.ask_whole("ModifyImageAttribute", &[("ImageName", "web-1")]).await.unwrap();
    let group = [("TaskGroupId", "tg-1")];
    assert_eq!(world.ask_whole("DescribeTasks", &group).await.unwrap()["TotalCount"], 0);
    let tasks = world.ask_whole("DescribeTasks", &[]).await.unwrap();
    let task = &tasks["TaskSet"]["Task"][0];
    assert_eq!((&tasks["TotalCount"], &task["SupportCancel"]), (&1.into(), &"false".into()));
    assert_eq!(task["CreationTime"].as_str().unwrap().len(), "2026-01-01T00:00Z".len(), "to the minute");
    let task = world.ask_whole("DescribeTaskAttribute", &[]).await.unwrap();
    assert_eq!((&task["TaskProcess"], &task["TaskStatus"]), (&"100%".into(), &"Finished".into()));
}

async fn snapshots_and_disks(world: &World) {
    let from_image = ("SnapshotId", "{image-snapshot}");
    let disk = world.ask_whole("CreateDisk", &[from_image]).await.unwrap();
    let disk = world.call_it("disk", &disk["DiskId"]);
    let is_there = |answer: &Json| answer["TotalCount"] == 1;
    let params = [("RegionId", HERE), ("DiskIds", "['{disk}']"), ("Status", "Available")];
    world.until("DescribeDisks", &params, is_there).await;
    for (name, value, expected) in [
        ("KMSKeyId", "key-1", "InvalidRegion.NotSupport"),
        ("Encrypted", "true", "InvalidRegion.NotSupport"),
        ("EncryptAlgorithm", "aes-256", "InvalidRegion.NotSupport"),
        ("InstanceId", "i-1", "InvalidInstanceId.NotFound"),
    ] {
        assert_eq!(code(world.ask_whole("CreateDisk", &[(name, value)]).await), expected, "{name}");
    }
    // From an image there is one by other doors only.
    let called = service::Called { name: "of-image".to_owned(), ..service::Called::default() };
    let (region, image) = (Some(HERE.into()), Some("web-1".to_owned()));
    let create = DiskRequest::Create { called, region, size_bytes: 0, snapshot: None, image };
    world.run(Request::Disk(create)).await;
    let of_image = world.ask("DescribeDisks", &[("RegionId", HERE), ("DiskName", "of-image")]).await.unwrap();
    assert_eq!(of_image["TotalCount"], 1);
    let arn = "acs:ecs:cloudbox:cn-hangzhou:100000:cb-1";
    let place = ("StorageLocationArn", arn);
    assert_eq!(code(world.ask_whole("CreateSnapshot", &[place]).await), "InvalidStorageLocation.NotFound");
    let there = [("DestinationStorageLocationArn", arn), from_image];
    assert_eq!(code(world.ask_whole("CopySnapshot", &there).await), "InvalidStorageLocation.NotFound");
    let snapshot = world.ask_whole("CreateSnapshot", &[]).await.unwrap();
    let snapshot = world.call_it("snapshot", &snapshot["SnapshotId"]);
    let params = [("RegionId", HERE), ("SnapshotIds", "['{snapshot}']"), ("Status", "accomplished")];
    world.until("DescribeSnapshots", &params, is_there).await;

    let of_image = [
        ("DiskId", ""),
        ("SnapshotName", ""),
        ("SnapshotIds", "['{image-snapshot}']"),
        ("Usage", "image_disk"),
    ];
    let no_tag = [("Tag.1.Key", "-"), ("Tag.1.Value", "-")];
    let shown = world.ask_whole("DescribeSnapshots", &[&of_image[..], &no_tag].concat()).await.unwrap();
    assert_eq!(shown["TotalCount"], 1);
    let unused = [("Usage", "none"), ("SourceDiskType", "data")];
    let shown = world.ask_whole("DescribeSnapshots", &unused).await.unwrap();
    assert_eq!(shown["Snapshots"]["Snapshot"][0]["SourceDiskId"], *disk);
    for (name, value) in
        [("Encrypted", "true"), ("KMSKeyId", "k"), ("InstanceId", "i-1"), ("Category", "flash")]
    {
        let none =
            world.ask_whole("DescribeSnapshots", &[&unused[..], &[(name, value)]].concat()).await.unwrap();
        assert_eq!(none["TotalCount"], 0, "{name}");
    }
    let link = [("SnapshotLinkId", "sl-1")];
    assert_eq!(code(world.ask_whole("DescribeSnapshots", &link).await), "InvalidSnapshotLinkId.NotFound");

    let shown = world.ask_whole("DescribeDisks", &[from_image]).await.unwrap();
    assert_eq!((&shown["TotalCount"], &shown["Disks"]["Disk"][0]["Size"]), (&1.into(), &20.into()));
    for (name, value) in [
        ("InstanceId", "i-1"),
        ("KMSKeyId", "k"),
        ("LockReason", "x"),
        ("Portable", "False"),
        ("AutoSnapshotPolicyId", "sp-1"),
    ] {
        let none = world.ask_whole("DescribeDisks", &[from_image, (name, value)]).await.unwrap();
        assert_eq!(none["TotalCount"], 0, "{name}");
    }
    world.ask_whole("ModifyDiskAttribute", &[("DiskName", "renamed")]).await.unwrap();
    world
        .ask_whole("ModifyDiskAttribute", &[("DiskId", "-"), ("DiskName", ""), ("Description", "changed")])
        .await
        .unwrap();
    world.ask_whole("ResizeDisk", &[]).await.unwrap();
    assert_eq!(code(world.ask_whole("ResizeDisk", &[("NewSize", "20")]).await), "InvalidDiskSize.TooSmall");
    let shown = world.ask_whole("DescribeDisks", &[from_image, ("DiskName", "renamed")]).await.unwrap();
    let grown = &shown["Disks"]["Disk"][0];
    assert_eq!((&grown["Size"], &grown["Description"]), (&40.into(), &"changed".into()));
    for action in ["DescribeDisks", "DescribeSnapshots"] {
        by_token(world, action).await;
    }
    world.ask_whole("ModifySnapshotAttribute", &[("SnapshotName", "renamed")]).await.unwrap();
    let locked = world.ask_whole("LockSnapshot", &[]).await;
    assert_eq!(code(locked), "InvalidOperation.SnapshotLockUnsupported");
    assert_eq!(code(world.ask_whole("UnlockSnapshot", &[]).await), "InvalidOperation.SnapshotNotLocked");
    let copy = world.ask_whole("CopySnapshot", &[]).await.unwrap();
    world.call_it("copied-snapshot", &copy["SnapshotId"]);
    let params = [("RegionId", THERE), ("SnapshotIds", "['{copied-snapshot}']"), ("Status", "accomplished")];
    let copy = world.until("DescribeSnapshots", &params, is_there).await;
    assert_eq!(copy["Snapshots"]["Snapshot"][0]["SourceSnapshotId"], *snapshot);
    let key = [("KMSKeyId", "key-1")];
    assert_eq!(code(world.ask_whole("CopySnapshot", &key).await), "InvalidRegion.NotSupport");
}

/// Both styles of pages show the same; a token leads on.
async fn by_token(world: &World, action: &str) {
    for name in ["token-1", "token-2"] {
        let params = [("RegionId", HERE), ("Size", "20"), ("DiskName", name)];
        let made = world.ask("CreateDisk", &params).await.unwrap();
        let disk = [("DiskId", made["DiskId"].as_str().unwrap())];
        let ready = [("RegionId", HERE), ("Status", "Available"), ("DiskIds", disk[0].1)];
        world.until("DescribeDisks", &ready, |answer| answer["TotalCount"] == 1).await;
        world.ask("CreateSnapshot", &disk).await.unwrap();
    }
    let first = world.ask(action, &[("RegionId", HERE), ("MaxResults", "1")]).await.unwrap();
    let token = first["NextToken"].as_str().unwrap();
    let next = [("RegionId", HERE), ("MaxResults", "1"), ("NextToken", token)];
    let next = world.ask(action, &next).await.unwrap();
    assert_ne!(first[&action[8..]], next[&action[8..]]);
    let wrong = world.ask(action, &[("RegionId", HERE), ("NextToken", "2")]).await;
    assert_eq!(code(wrong), "Invalid.NextToken");
}

async fn creations(world: &World) {
    // What is named before counts: an instance, and there is none; then disks; then a snapshot.
    let instance = [("InstanceId", "i-00000000000000000000")];
    assert_eq!(code(world.ask_whole("CreateImage", &instance).await), "InvalidInstanceId.NotFound");
    let bios = [("SecureBootOptions.SecureBootSupport", "supported")];
    assert_eq!(code(world.ask_whole("CreateImage", &bios).await), "InvalidParameter");
    let made = world.ask_whole("CreateImage", &[bios[0], ("BootMode", "UEFI")]).await.unwrap();
    let made = world.call_it("created", &made["ImageId"]);
    let image = world.available(HERE, &made).await;
    let mapping = &image["DiskDeviceMappings"]["DiskDeviceMapping"][0];
    assert_eq!((&mapping["Type"], &mapping["Size"]), (&"system".into(), &"20".into()), "of the disks");
    assert_eq!(image["SecureBootOptions"]["SecureBootSupport"], "supported");
    let query = [("ImageName", "web-*"), ("ImageOwnerAlias", "")];
    let shown = world.ask_whole("DescribeImages", &query).await.unwrap();
    assert_eq!(
        (&shown["TotalCount"], &shown["Images"]["Image"][0]["ImageName"]),
        (&1.into(), &"web-1".into())
    );
    // The newest of the family it stands for.
    let family = world.ask_whole("DescribeImageFromFamily", &[]).await.unwrap();
    assert_eq!((&family["Image"]["ImageId"], &family["Image"]["Progress"]), (&(*made).into(), &"100".into()));
    let none = world.ask("DescribeImageFromFamily", &[("RegionId", HERE), ("ImageFamily", "none")]).await;
    assert_eq!(none.unwrap()["Image"], Json::Null);
}

/// A copy that will not come to its end by itself.
async fn slow_copy(world: &World, image: &str, from: &str, to: &str) -> String {
    let copy = ImageCopy {
        at: ImageAt { image: image.to_owned(), region: Some(from.into()) },
        to: vec![to.into()],
        name: Some(world.new_name("slow")),
        description: String::new(),
        tags: std::collections::BTreeMap::default(),
        bytes_per_second: Some(1),
    };
    let copies: service::CopiesStarted =
        world.direct(Request::Share(ShareRequest::Copy(copy))).await.unwrap();
    let copy = copies.copies[0].image_id.clone();
    let params = [("RegionId", to), ("ImageId", &copy), ("Status", "ALL")];
    world.until("DescribeImages", &params, |answer| answer["TotalCount"] == 1).await;
    copy
}

async fn copies(world: &World) {
    for (name, value, expected) in [
        ("KMSKeyId", "key-1", "InvalidEncrypted.NotMatchKmsKeyId"),
        ("Encrypted", "True", "InvalidRegion.NotSupport"),
        ("EncryptAlgorithm", "aes-256", "InvalidRegionId.NotSupportEncryptAlgorithm"),
        ("DestinationRegionId", "", "IncorrectDestinationRegion"),
    ] {
        assert_eq!(code(world.ask_whole("CopyImage", &[(name, value)]).await), expected, "{name}");
    }
    let copied = world.ask_whole("CopyImage", &[]).await.unwrap();
    let copied = world.call_it("copied", &copied["ImageId"]);
    let copy = world.available(THERE, &copied).await;
    assert_eq!((&copy["IsCopied"], &copy["ImageFamily"]), (&true.into(), &"".into()));

    // Two fill the way into the region, and what comes after waits as a task in progress.
    world.bucket(THERE, "far-away", [SYSTEM, DATA]).await;
    let mut slow = Vec::new();
    for object in [SYSTEM, DATA] {
        let at = [("DiskDeviceMapping.1.OSSBucket", "far-away"), ("DiskDeviceMapping.1.OSSObject", object)];
        let far = world.ask("ImportImage", &[&[("RegionId", THERE)], &at[..]].concat()).await.unwrap();
        let far = far["ImageId"].as_str().unwrap();
        world.available(THERE, far).await;
        slow.push(slow_copy(world, far, THERE, HERE).await);
    }
    let query = [("RegionId", HERE), ("ImageId", &slow[0]), ("Status", "Creating")];
    let shown = world.until("DescribeImages", &query, |answer| answer["TotalCount"] == 1).await;
    let image = &shown["Images"]["Image"][0];
    assert_eq!((&image["Usable"], &image["Status"]), (&false.into(), &"Creating".into()));
    assert_ne!(image["Progress"], "100%");
    let import = world.ask_whole("ImportImage", &[]).await.unwrap();
    world.call_it("waiting", &import["TaskId"]);
    let tasks =
        world.ask("DescribeTasks", &[("RegionId", HERE), ("TaskStatus", "Processing")]).await.unwrap();
    let task = &tasks["TaskSet"]["Task"][0];
    assert_eq!((&task["TaskId"], &task["SupportCancel"]), (&import["TaskId"], &"true".into()));
    let waiting = [("TaskId", "{waiting}")];
    assert_eq!(
        code(world.ask_whole("CancelTask", &[waiting[0], ("RegionId", THERE)]).await),
        "InvalidTaskId.NotFound",
        "it is in another region"
    );
    world.ask_whole("CancelTask", &waiting).await.unwrap();
    let task = world.ask_whole("DescribeTaskAttribute", &waiting).await.unwrap();
    assert_eq!((&task["TaskStatus"], &task["FailedCount"]), (&"Deleted".into(), &1.into()));
    assert_eq!(code(world.ask_whole("CancelTask", &waiting).await), "InvalidTaskId.IncorrectTaskStatus");
    for image in slow {
        world.ask_whole("CancelCopyImage", &[("ImageId", &image)]).await.unwrap();
        let query = [("RegionId", HERE), ("ImageId", &*image), ("Status", "ALL")];
        assert_eq!(world.ask("DescribeImages", &query).await.unwrap()["TotalCount"], 0);
    }
}

async fn exports(world: &World) {
    let export = world.ask_whole("ExportImage", &[]).await.unwrap();
    assert_eq!(export["RegionId"], HERE);
    let task = world.call_it("export", &export["TaskId"]);
    let is_over = |answer: &Json| answer["TaskStatus"] == "Finished";
    let task = world.until("DescribeTaskAttribute", &[("RegionId", HERE), ("TaskId", &task)], is_over).await;
    let items = &task["OperationProgressSet"]["OperationProgress"][0]["RelatedItemSet"]["RelatedItem"];
    assert_eq!((&items[0]["Name"], &items[0]["Value"]), (&"OSSBucket".into(), &BUCKET.into()));
    assert!(items[1]["Value"].as_str().unwrap().starts_with("told_m-"), "{items}");
}

async fn tags(world: &World) {
    let tag = [("Tag.1.Key", "stage"), ("Tag.1.Value", "one")];
    world.ask_whole("TagResources", &tag).await.unwrap();
    world.ask_whole("AddTags", &tag).await.unwrap();
    let listed = world.ask_whole("ListTagResources", &[]).await.unwrap();
    assert_eq!(listed["TagResources"]["TagResource"][0]["TagKey"], "purpose");
    let wrong = world.ask_whole("ListTagResources", &[("NextToken", "x")]).await;
    assert_eq!(code(wrong), "Invalid.NextToken");
    let many: Vec<(String, String)> =
        (0..19).map(|n| (format!("Tag.{}.Key", n + 1), format!("k{n}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    for image in ["{plain}", "{created}", "{image}"] {
        let params = [("RegionId", HERE), ("ResourceType", "image"), ("ResourceId.1", image)];
        world.ask("UntagResources", &[&params[..], &[("All", "true")]].concat()).await.unwrap();
        world.ask("TagResources", &[&params[..], &many].concat()).await.unwrap();
    }
    let images = [("ResourceId.1", "{plain}"), ("ResourceId.2", "{created}"), ("ResourceId.3", "{image}")];
    let params = [&[("RegionId", HERE), ("ResourceType", "image")], &images[..]].concat();
    let page = world.ask("ListTagResources", &params).await.unwrap();
    assert_eq!(page["TagResources"]["TagResource"].as_array().unwrap().len(), 50);
    let token = page["NextToken"].as_str().unwrap();
    let rest = world.ask("ListTagResources", &[&params[..], &[("NextToken", token)]].concat()).await.unwrap();
    assert_eq!(rest["TagResources"]["TagResource"].as_array().unwrap().len(), 7);

    let none = [("Tag.1.Key", "k1"), ("Tag.1.Value", "")];
    let found = world.ask_whole("DescribeTags", &none).await.unwrap();
    assert_eq!(found["Tags"]["Tag"][0]["ResourceTypeCount"]["Image"], 1);
    let found = world.ask_whole("DescribeResourceByTags", &none).await.unwrap();
    assert_eq!(
        (&found["TotalCount"], &found["Resources"]["Resource"][0]["RegionId"]),
        (&3.into(), &HERE.into())
    );
    world.ask_whole("RemoveTags", &[("Tag.1.Key", "k1"), ("Tag.1.Value", "another")]).await.unwrap();
    assert_eq!(
        world.ask_whole("DescribeTags", &none).await.unwrap()["TotalCount"],
        1,
        "it has another value"
    );
    world.ask_whole("RemoveTags", &none).await.unwrap();
    assert_eq!(world.ask_whole("DescribeTags", &none).await.unwrap()["TotalCount"], 0);
    world.ask_whole("UntagResources", &[("TagKey.1", "k2")]).await.unwrap();
    world.ask_whole("TagResources", &[]).await.unwrap();
    assert_eq!(world.ask_whole("DescribeTags", &[]).await.unwrap()["Tags"]["Tag"][0]["TagValue"], "test");
}

async fn sharing(world: &World) {
    let permission = [("LaunchPermission", "hidden")];
    let refused = world.ask_whole("ModifyImageSharePermission", &permission).await;
    assert_eq!(code(refused), "ForbiddenParameter.LaunchPermission");
    world.ask_whole("ModifyImageSharePermission", &[]).await.unwrap();
    let shares = world.ask_whole("DescribeImageSharePermission", &[]).await.unwrap();
    assert_eq!(shares["Accounts"]["Account"][0]["AliyunId"], FRIEND);
    let image = &world.ask_whole("DescribeImages", &[]).await.unwrap()["Images"]["Image"][0];
    assert_eq!((&image["IsSelfShared"], &image["ImageOwnerId"]), (&"true".into(), &100_000.into()));
    let params = [("RegionId", HERE), ("ImageOwnerAlias", "others"), ("ImageOwnerId", "100000")];
    let theirs = world.ask_as(FRIEND, "DescribeImages", &params).await.unwrap();
    let image = &theirs["Images"]["Image"][0];
    assert_eq!(
        (&image["ImageOwnerAlias"], &image["ImageFamily"]),
        (&"others".into(), &"acs:100000:web".into())
    );
    let none =
        world.ask_whole("DescribeImages", &[("ImageOwnerId", "100000"), ("ImageOwnerAlias", "others")]);
    assert_eq!(none.await.unwrap()["TotalCount"], 0);
    // Adding and removing everybody at once adds.
    world.ask_whole("ModifyImageShareGroupPermission", &[("ImageId", "{plain}")]).await.unwrap();
    let shares = world.ask_whole("DescribeImageSharePermission", &[("ImageId", "{plain}")]).await.unwrap();
    assert_eq!(shares["ShareGroups"]["ShareGroup"][0]["Group"], "all");
    let remove = [("ImageId", "{plain}"), ("AddGroup.1", "-")];
    world.ask_whole("ModifyImageShareGroupPermission", &remove).await.unwrap();
    let shares = world.ask_whole("DescribeImageSharePermission", &[("ImageId", "{plain}")]).await.unwrap();
    assert_eq!(shares["ShareGroups"]["ShareGroup"], Json::Array(Vec::new()));
    let wrong = world.ask_whole("ModifyImageShareGroupPermission", &[("AddGroup.1", "some")]).await;
    assert_eq!(code(wrong), "InvalidGroup.Malformed");
}

async fn changes(world: &World) {
    let linux = [("LicenseType", "BYOL")];
    assert_eq!(
        code(world.ask_whole("ModifyImageAttribute", &linux).await),
        "InvalidLicenseType.NotSupported"
    );
    let plain = [("ImageId", "{plain}"), ("Status", "Deprecated")];
    world.ask_whole("ModifyImageAttribute", &plain).await.unwrap();
    let none = [("SnapshotId", ""), ("Tag.1.Key", "-"), ("Tag.1.Value", "-")];
    let query = [&[("ImageId", "{plain}"), ("Status", "Deprecated")], &none[..]].concat();
    let shown = world.ask_whole("DescribeImages", &query).await.unwrap();
    let image = &shown["Images"]["Image"][0];
    assert_eq!((&image["Status"], &image["Features"]["ImdsSupport"]), (&"Deprecated".into(), &"v2".into()));
}

async fn deletions(world: &World) {
    let stays = [("SnapshotId", "{image-snapshot}"), ("Force", "true")];
    assert_eq!(code(world.ask_whole("DeleteSnapshot", &stays).await), "SnapshotCreatedImage");
    world.ask_whole("DeleteImage", &[("ImageId", "{plain}")]).await.unwrap();
    assert_eq!(code(world.ask_whole("DeleteImage", &[]).await), "ImageUseShared");
    world.ask_whole("DeleteImage", &[("ImageId", "{created}")]).await.unwrap();
    // The one before it stands for the family again.
    let family = world.ask_whole("DescribeImageFromFamily", &[]).await.unwrap();
    assert_eq!(family["Image"]["IsSelfShared"], "true");
    world.ask_whole("DeleteSnapshot", &[]).await.unwrap();
    for _ in 0..2 {
        world.ask_whole("DeleteDisk", &[]).await.unwrap();
    }
}

/// Whether an exception is about this path of this action.
fn is_about((of, path, _): &(&str, &str, &str), action: &str, name: &str) -> bool {
    let inside = name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    (*of == "*" || *of == action) && inside
}

/// What was not looked at or not told, and is not known not to be; and what is known not to be, and was.
fn report(world: &World) {
    let (reads, given, told) =
        (world.reads.lock().unwrap(), world.given.lock().unwrap(), world.told.lock().unwrap());
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for action in SCOPE {
        let contract = &world.contracts[action];
        let ignored = |name: &str| IGNORED.iter().position(|one| is_about(one, action, name));
        let action = (*action).to_owned();
        for name in leaves(&contract.request, "N") {
            if !given[&action].contains(&name) {
                wrong.push(format!("{action} was never asked with {name}"));
            }
            match (reads[&action].contains(&name), ignored(&name)) {
                (false, None) => wrong.push(format!("{action} does not look at {name}")),
                (true, Some(at)) => wrong.push(format!("{action} looks at {name}: {}", IGNORED[at].2)),
                (false, Some(at)) => _ = used.insert(("ignored", at)),
                (true, None) => {}
            }
        }
        let told = told.get(&action).cloned().unwrap_or_default();
        for path in paths(&contract.response) {
            let never = NEVER.iter().position(|one| is_about(one, &action, &path));
            let blank = BLANK.iter().position(|one| is_about(one, &action, &path));
            let empty = EMPTY.iter().position(|one| is_about(one, &action, &path));
            if let Some(at) = empty {
                let is_list = EMPTY[at].1 == path;
                if told.get(&path).copied() != is_list.then_some(false) {
                    wrong.push(format!("{action} tells {path}: {}", EMPTY[at].2));
                }
                used.insert(("empty", at));
                continue;
            }
            match (told.get(&path), never, blank) {
                (None, Some(at), _) => _ = used.insert(("never", at)),
                (Some(false), None, Some(at)) => _ = used.insert(("blank", at)),
                (Some(true), None, None) => {}
                (None, None, _) => wrong.push(format!("{action} never tells {path}")),
                (Some(false), None, None) => wrong.push(format!("{action} leaves {path} empty")),
                (Some(_), Some(at), _) => wrong.push(format!("{action} tells {path}: {}", NEVER[at].2)),
                (Some(true), _, Some(at)) => wrong.push(format!("{action} fills {path}: {}", BLANK[at].2)),
            }
        }
    }
    for (kind, list) in [("ignored", IGNORED), ("never", NEVER), ("blank", BLANK), ("empty", EMPTY)] {
        for (at, (action, path, _)) in list.iter().enumerate() {
            if !used.contains(&(kind, at)) {
                wrong.push(format!("{action} {path} is among the {kind} for nothing"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_page_about_the_wire_has_a_row_for_each_action_and_what_it_ignores() {
    let page = include_str!("../../docs/wire.md");
    for action in SCOPE {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{action}` |")));
        let row = row.unwrap_or_else(|| panic!("{action} has no row"));
        let ignored = row.rsplit('|').nth(1).unwrap_or_default();
        let told: BTreeSet<&str> = ignored.split('`').skip(1).step_by(2).collect();
        let expected = IGNORED.iter().filter(|(of, _, _)| of == action).map(|(_, name, _)| *name);
        assert_eq!(told, expected.collect::<BTreeSet<&str>>(), "{action}");
    }
    for unserved in UNSERVED {
        let begin = format!("| `{}` |", unserved.action);
        let row = page.lines().find(|line| line.starts_with(&begin));
        let row = row.unwrap_or_else(|| panic!("{} has no row", unserved.action));
        let ignored = row.rsplit('|').nth(1).unwrap_or_default();
        assert!(ignored.trim_start().starts_with("all but "), "{row}");
        let told: BTreeSet<&str> = ignored.split('`').skip(1).step_by(2).collect();
        assert_eq!(told, unserved.looks_at.iter().copied().collect(), "{}", unserved.action);
    }
}

#[test]
fn every_action_that_is_served_and_has_a_tree_is_held_to_it() {
    let held: BTreeSet<&str> =
        SCOPE.iter().copied().chain(UNSERVED.iter().map(|unserved| unserved.action)).collect();
    assert_eq!(held.len(), SCOPE.len() + UNSERVED.len(), "one is held to it twice");
    let served = contracts().into_keys().filter(|action| find(ECS, action).is_some());
    assert_eq!(served.collect::<BTreeSet<&str>>(), held);
}
