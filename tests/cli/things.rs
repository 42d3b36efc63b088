//! Disks, snapshots, buckets and tags, as a user has them.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::kit::{MIB, Place, Run, assert_same};

fn id(view: &Value, field: &str) -> String {
    view[field].as_str().unwrap().to_owned()
}

/// The refusal's code, and that it was one.
fn refused(run: &Run, code: &str) {
    assert_eq!(run.code, 3, "{}{}", run.out, run.err);
    assert!(run.err.contains(&format!("code: {code}\n")), "{}", run.err);
}

/// Whether the log and the stores are as they should be, and nothing is left over.
fn assert_whole(place: &Place) {
    place.done(&["audit", "verify"]);
    place.done(&["audit", "rebuild"]);
    for region in ["cn-hangzhou", "cn-beijing"] {
        let checked = place.json(&["region", "check", "--deep", "--region", region]);
        assert_eq!(checked["Missing"], Value::Array(Vec::new()), "{region}");
    }
}

#[test]
fn a_disk_is_made_of_nothing_of_an_image_and_of_a_snapshot() {
    let place = Place::new();
    let image = place.image("web", &[]);
    let empty = place.json(&["disk", "create", "--size", "2GiB", "--name", "scratch", "--tag", "env=test"]);
    assert_eq!((&empty["SizeBytes"], &empty["Size"]), (&(2u64 << 30).into(), &2.into()));
    assert_eq!((&empty["Status"], &empty["Tags"]["env"]), (&"Available".into(), &"test".into()));
    assert_eq!(empty["DataBytes"], 0);

    let of_image = place.json(&["disk", "create", "--from-image", "web", "--name", "system"]);
    let shown = place.json(&["image", "show", "web"]);
    assert_eq!(of_image["ContentRoot"], shown["ContentRoot"]);
    assert_eq!((id(&of_image, "ImageId"), id(&of_image, "Type")), (image, "system".to_owned()));
    assert_eq!(of_image["SizeBytes"], 8 * MIB);

    let snapshot = id(&shown, "SnapshotId");
    let of_snapshot = place.json(&["disk", "create", "--from-snapshot", &snapshot, "--size", "1GiB"]);
    assert_eq!((&of_snapshot["SizeBytes"], &of_snapshot["Type"]), (&(1u64 << 30).into(), &"data".into()));
    assert_eq!(of_snapshot["SourceSnapshotId"], snapshot.as_str());

    let all = place.json(&["disk", "list"]);
    assert_eq!((&all["TotalCount"], all["Disks"].as_array().unwrap().len()), (&3.into(), 3));
    let tagged = place.json(&["disk", "list", "--tag", "env"]);
    assert_eq!(tagged["Disks"][0]["DiskId"], empty["DiskId"]);
    assert_eq!(tagged["TotalCount"], 1);
    assert_eq!(place.json(&["disk", "show", "scratch"]), empty);
    assert_whole(&place);
}

#[test]
fn a_disk_without_a_size_or_with_too_little_of_one_is_refused() {
    let place = Place::new();
    assert_eq!(place.run(&["disk", "create"]).code, 2);
    let unit = place.run(&["disk", "create", "--size", "20"]);
    assert_eq!(unit.code, 2);
    assert!(unit.err.contains("`20G`"), "{}", unit.err);
    refused(&place.run(&["disk", "create", "--size", "1MiB"]), "InvalidDiskSize.NotSupported");
    refused(&place.run(&["disk", "create", "--size", "3TiB"]), "InvalidDiskSize.NotSupported");
    let twice = ["disk", "create", "--size", "1GiB", "--tag", "a=1", "--tag", "a=2"];
    refused(&place.run(&twice), "Duplicate.TagKey");
    refused(&place.run(&["disk", "create", "--from-snapshot", "s-none"]), "InvalidSnapshotId.NotFound");
    refused(&place.run(&["disk", "create", "--from-image", "none"]), "InvalidImageId.NotFound");
    refused(&place.run(&["disk", "show", "none"]), "InvalidDiskId.NotFound");
    refused(&place.run(&["disk", "list", "--status", "Gone"]), "InvalidStatus.NotFound");
    let dry = place.run(&["disk", "create", "--size", "1GiB", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.err);
    assert_eq!(place.json(&["disk", "list"])["TotalCount"], 0);
}

#[test]
fn what_cannot_be_undone_is_not_done_unasked() {
    let place = Place::new();
    place.image("web", &[]);
    place.done(&["disk", "create", "--from-image", "web", "--name", "one"]);
    place.done(&["snapshot", "create", "one", "--name", "kept"]);
    for words in [&["disk", "delete", "one"][..], &["snapshot", "delete", "kept"]] {
        let run = place.run(words);
        assert_eq!(run.code, 2, "{}", run.err);
        assert!(run.err.contains("--yes"), "{}", run.err);
    }
    assert_eq!(place.json(&["disk", "list"])["TotalCount"], 1);
}

#[test]
fn snapshots_disks_and_images_outlive_one_another_in_any_order() {
    let place = Place::new();
    place.image("web", &[]);
    let root = id(&place.json(&["image", "show", "web"]), "ContentRoot");
    place.done(&["disk", "create", "--from-image", "web", "--name", "one"]);
    let taken = place.json(&["snapshot", "create", "one", "--name", "kept", "--retention-days", "3"]);
    assert_eq!((&taken["Status"], &taken["Progress"]), (&"accomplished".into(), &"100%".into()));
    assert_eq!((&taken["RetentionDays"], &taken["SourceDiskType"]), (&3.into(), &"system".into()));
    place.done(&["disk", "create", "--from-snapshot", "kept", "--name", "two"]);
    refused(&place.run(&["snapshot", "delete", "kept", "--yes"]), "SnapshotCreatedDisk");
    place.done(&["image", "delete", "web", "--yes"]);
    place.done(&["disk", "delete", "one", "--yes"]);
    place.done(&["snapshot", "delete", "kept", "--yes", "--force"]);
    let last = place.json(&["disk", "show", "two"]);
    assert_eq!(id(&last, "ContentRoot"), root);
    assert_whole(&place);
    place.done(&["snapshot", "create", "two", "--name", "again"]);
    place.done(&["disk", "delete", "two", "--yes"]);
    assert_eq!(id(&place.json(&["snapshot", "show", "again"]), "ContentRoot"), root);
    assert_whole(&place);
    place.done(&["snapshot", "delete", "again", "--yes"]);
    place.done(&["region", "collect"]);
    let checked = place.json(&["region", "check"]);
    assert_eq!((&checked["Chunks"], &checked["OrphanedChunks"]), (&0.into(), &0.into()));
}

#[test]
fn snapshots_are_found_by_what_they_are() {
    let place = Place::new();
    let image = place.image("web", &[]);
    place.done(&["disk", "create", "--from-image", "web", "--name", "one"]);
    let disk = id(&place.json(&["disk", "show", "one"]), "DiskId");
    let words = ["snapshot", "create", "one", "--name", "kept", "--tag", "env=prod", "--description", "good"];
    let kept = id(&place.json(&words), "SnapshotId");
    let made = id(&place.json(&["image", "show", "web"]), "SnapshotId");
    let ids = |words: &[&str]| {
        let found = place.json(&[&["snapshot", "list"], words].concat());
        let found = found["Snapshots"].as_array().unwrap().clone();
        let mut ids: Vec<String> = found.iter().map(|view| id(view, "SnapshotId")).collect();
        ids.sort();
        ids
    };
    let mut both = vec![kept.clone(), made.clone()];
    both.sort();
    assert_eq!(ids(&[]), both);
    assert_eq!(ids(&["--status", "all", "--source-disk-type", "system"]), both);
    assert_eq!(ids(&["--usage", "none"]), [kept.as_str()]);
    assert_eq!(ids(&["--usage", "image"]), [made.as_str()]);
    assert_eq!(ids(&["--disk", &disk]), [kept.as_str()]);
    assert_eq!(ids(&["--name", "kept"]), [kept.as_str()]);
    assert_eq!(ids(&["--tag", "env=prod"]), [kept.as_str()]);
    assert_eq!(ids(&["--tag", "env", "--tag", "none"]), Vec::<String>::new());
    assert_eq!(ids(&["--source-disk-type", "data"]), Vec::<String>::new());
    assert_eq!(ids(&["--status", "progressing"]), Vec::<String>::new());
    assert_eq!(ids(&["--region", "cn-beijing"]), Vec::<String>::new());
    assert_eq!(place.json(&["snapshot", "show", &made])["ImageId"], image.as_str());

    place.done(&["snapshot", "modify", "kept", "--name", "renamed", "--description", ""]);
    let renamed = place.json(&["snapshot", "show", "renamed"]);
    assert_eq!((id(&renamed, "SnapshotId"), id(&renamed, "Description")), (kept, String::new()));
    let malformed = place.run(&["snapshot", "modify", "renamed", "--name", "auto-x"]);
    refused(&malformed, "InvalidSnapshotName.Malformed");
    let meant = place.run(&["snapshot", "show", "renamde"]);
    refused(&meant, "InvalidSnapshotId.NotFound");
    assert!(meant.err.contains("did you mean `renamed`?"), "{}", meant.err);
}

#[test]
fn a_copy_of_a_snapshot_stands_on_its_own() {
    let place = Place::new();
    place.image("web", &[]);
    place.done(&["disk", "create", "--from-image", "web", "--name", "one"]);
    let source = place.json(&["snapshot", "create", "one", "--name", "kept"]);
    let same = place.run(&["snapshot", "copy", "kept", "--to-region", "cn-hangzhou"]);
    refused(&same, "InvalidOperation.NotSupportCopyInSameRegion");
    let nowhere = place.run(&["snapshot", "copy", "kept", "--to-region", "cn-nowhere"]);
    refused(&nowhere, "InvalidRegionId.NotFound");
    let words = ["snapshot", "copy", "kept", "--to-region", "cn-beijing", "--name", "far"];
    let copy = place.json(&[&words[..], &["--bandwidth", "64MiB"]].concat());
    assert_eq!(copy["ContentRoot"], source["ContentRoot"]);
    assert_eq!(copy["SourceSnapshotId"], source["SnapshotId"]);
    assert_eq!(
        (id(&copy, "SourceRegionId"), id(&copy, "RegionId")),
        ("cn-hangzhou".into(), "cn-beijing".into())
    );
    place.done(&["snapshot", "delete", "kept", "--yes"]);
    place.done(&["disk", "delete", "one", "--yes"]);
    place.done(&["image", "delete", "web", "--yes"]);
    assert_whole(&place);
    let disk = place.json(&["disk", "create", "--from-snapshot", "far"]);
    assert_eq!(id(&disk, "RegionId"), "cn-beijing", "a disk is made where its snapshot is");
}

#[test]
fn a_file_goes_into_a_bucket_and_comes_out_as_it_was() {
    let place = Place::new();
    let disk = place.disk("disk.raw", 16 * MIB, 3 * MIB, 9);
    place.done(&["bucket", "create", "my-images", "--region", "cn-beijing"]);
    let put = place.json(&["bucket", "put", "disk.raw", "my-images"]);
    assert_eq!((id(&put, "Key"), &put["Size"]), ("disk.raw".to_owned(), &(16 * MIB).into()));
    refused(&place.run(&["bucket", "put", "disk.raw", "my-images"]), "FileAlreadyExists");
    place.done(&["bucket", "put", "disk.raw", "my-images", "--force"]);
    place.done(&["bucket", "put", "disk.raw", "oss://my-images/2026/"]);
    place.done(&["bucket", "get", "oss://my-images/2026/disk.raw", "copy.raw"]);
    assert_same(&disk, &place.path("copy.raw"));
    assert!(fs::metadata(place.path("copy.raw")).unwrap().blocks() * 512 < 8 * MIB, "holes stay holes");
    let again = ["bucket", "get", "oss://my-images/disk.raw", "copy.raw"];
    assert_eq!(place.run(&again).code, 3, "a file that is there is left alone");
    place.done(&[&again[..], &["--force"]].concat());

    let keys = |words: &[&str]| {
        let found = place.json(&[&["bucket", "ls"], words].concat());
        found["Objects"].as_array().unwrap().iter().map(|object| id(object, "Key")).collect::<Vec<_>>()
    };
    assert_eq!(keys(&["my-images"]), ["2026/disk.raw", "disk.raw"]);
    assert_eq!(keys(&["my-images", "2026/"]), ["2026/disk.raw"]);
    assert_eq!(keys(&["oss://my-images/d"]), ["disk.raw"]);

    refused(&place.run(&["bucket", "delete", "my-images"]), "BucketNotEmpty");
    assert_eq!(place.run(&["bucket", "rm", "my-images/disk.raw"]).code, 2, "it asks first");
    for key in ["disk.raw", "2026/disk.raw"] {
        place.done(&["bucket", "rm", &format!("oss://my-images/{key}"), "--yes"]);
    }
    refused(&place.run(&["bucket", "rm", "my-images/disk.raw", "--yes"]), "NoSuchKey");
    refused(&place.run(&["bucket", "get", "my-images/disk.raw", "x.raw"]), "NoSuchKey");
    place.done(&["bucket", "delete", "my-images"]);
    assert_eq!(place.json(&["bucket", "list"])["Buckets"], Value::Array(Vec::new()));
    refused(&place.run(&["bucket", "ls", "my-images"]), "InvalidOSSBucket.NotFound");
    assert_whole(&place);
}

#[test]
fn buckets_and_objects_are_named_as_they_have_to_be() {
    let place = Place::new();
    place.write("file", b"bytes");
    for name in ["ab", "Upper", "-x1", "a_b"] {
        refused(&place.run(&["bucket", "create", "--", name]), "InvalidOSSBucket.Malformed");
    }
    place.done(&["bucket", "create", "my-images"]);
    refused(&place.run(&["bucket", "create", "my-images"]), "BucketAlreadyOwnedByYou");
    refused(&place.run(&["bucket", "put", "file", "my-images//x"]), "InvalidOSSObject.Malformed");
    refused(&place.run(&["bucket", "put", "none", "my-images"]), "InvalidSource.NotFound");
    refused(&place.run(&["bucket", "put", ".", "my-images/x"]), "InvalidSource.NotAFile");
    refused(&place.run(&["bucket", "put", "file", "no-such-one"]), "InvalidOSSBucket.NotFound");
    assert_eq!(place.run(&["bucket", "sign", "my-images/file"]).code, 2, "no server is named");
    assert_eq!(place.run(&["bucket", "rm", "my-images", "--yes"]).code, 2, "no object is named");
    assert_eq!(place.json(&["bucket", "ls", "my-images"])["Objects"], Value::Array(Vec::new()));
}

#[test]
fn tags_go_on_and_off_all_that_is_named_and_find_it_again() {
    let place = Place::new();
    let image = place.image("web", &["--tag", "env=prod"]);
    let far = place.image("far", &["--region", "cn-beijing"]);
    let disk = id(&place.json(&["disk", "create", "--from-image", "web"]), "DiskId");
    refused(&place.run(&["tag", "add", "web", "d-none", "--tag", "a=1"]), "InvalidResourceId.NotFound");
    refused(&place.run(&["tag", "add", "web", &far, "--tag", "a=1"]), "InvalidResourceId.NotFound");
    assert_eq!(place.json(&["image", "show", "web"])["Tags"], serde_json::json!({"env": "prod"}));
    refused(&place.run(&["tag", "add", "web", "--tag", "a=1", "--tag", "a=2"]), "Duplicate.TagKey");
    refused(&place.run(&["tag", "add", "web", "--tag", "acs:a=1"]), "InvalidTagKey.Malformed");
    refused(&place.run(&["tag", "remove", "web", "--key", "acs:a"]), "NoPermission.Tag");
    refused(&place.run(&["tag", "list", "--tag", "=1"]), "InvalidParameter.TagValue");
    assert_eq!(place.run(&["tag", "remove", "web"]).code, 2);

    place.done(&["tag", "add", "web", &disk, "--tag", "team=core", "--tag", "draft="]);
    let rows = |words: &[&str]| {
        let found = place.json(&[&["tag", "list"], words].concat());
        let rows = found["TagResources"].as_array().unwrap().clone();
        let text = |row: &Value| {
            let field = |name: &str| row[name].as_str().unwrap().to_owned();
            format!(
                "{} {} {}={}",
                field("ResourceType"),
                field("ResourceId"),
                field("TagKey"),
                field("TagValue")
            )
        };
        rows.iter().map(text).collect::<Vec<_>>()
    };
    let (of_image, of_disk) = (format!("image {image}"), format!("disk {disk}"));
    assert_eq!(
        rows(&[]),
        [
            format!("{of_image} draft="),
            format!("{of_image} env=prod"),
            format!("{of_image} team=core"),
            format!("{of_disk} draft="),
            format!("{of_disk} team=core"),
        ]
    );
    assert_eq!(
        rows(&["--tag", "team=core", "--tag", "env"]),
        [format!("{of_image} env=prod"), format!("{of_image} team=core"),]
    );
    assert_eq!(rows(&[&disk, "--tag", "draft"]), [format!("{of_disk} draft=")]);
    place.done(&["tag", "remove", "web", &disk, "--key", "draft", "--key", "none"]);
    assert_eq!(rows(&[&disk]), [format!("{of_disk} team=core")]);
    place.done(&["tag", "remove", "web", "--all"]);
    assert_eq!(rows(&[]), [format!("{of_disk} team=core")]);
    assert_whole(&place);
}

#[test]
fn a_token_makes_one_disk_of_two_requests() {
    let place = Place::new();
    let words = ["disk", "create", "--size", "1GiB", "--client-token", "once"];
    let (first, second) = (place.json(&words), place.json(&words));
    assert_eq!(first, second);
    assert_eq!(place.json(&["disk", "list"])["TotalCount"], 1);
    let other = ["disk", "create", "--size", "2GiB", "--client-token", "once"];
    refused(&place.run(&other), "IdempotentParameterMismatch");
}
