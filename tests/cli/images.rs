//! The whole life of images, from a file to a file.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::kit::{MIB, Place, assert_same, plain};

#[test]
fn a_disk_goes_in_and_comes_out_byte_for_byte_with_its_holes() {
    let place = Place::new();
    let disk = place.disk("disk.raw", 64 * MIB, 5 * MIB + 4096, 1);
    place.done(&["image", "import", "disk.raw", "--name", "web-1"]);
    place.done(&["image", "export", "web-1", "--to", "copy.raw", "--format", "raw"]);
    assert_same(&disk, &place.path("copy.raw"));
    assert!(fs::metadata(place.path("copy.raw")).unwrap().blocks() * 512 < 8 * MIB, "holes stay holes");

    for compression in ["none", "zlib", "zstd"] {
        let (file, name) = (format!("{compression}.qcow2"), format!("from-{compression}"));
        place.done(&[
            "image",
            "export",
            "web-1",
            "--to",
            &file,
            "--format",
            "qcow2",
            "--compression",
            compression,
        ]);
        let again = place.json(&["image", "import", &file, "--name", &name]);
        let first = place.json(&["image", "show", "web-1"]);
        assert_eq!(again["ContentRoot"], first["ContentRoot"], "{compression}");
        assert_eq!(again["SourceFormat"], "qcow2");
        let stored = again["StoredBytes"].as_u64().unwrap();
        assert!(
            stored < MIB / 4,
            "what is known already is not stored again: {stored} bytes for {compression}"
        );
    }
}

#[test]
fn an_import_gives_the_image_as_json_and_the_lists_agree() {
    let place = Place::new();
    let id = place.image("web-1", &["--family", "web", "--description", "the first", "--tag", "env=prod"]);
    let shown = place.json(&["image", "show", "web-1"]);
    assert_eq!(shown["ImageId"], id.as_str());
    assert_eq!(shown, place.json(&["image", "show", &id]), "an id and a name mean the same image");
    assert_eq!(place.json(&["image", "list"])["Images"][0], shown);
    let family = place.json(&["family", "show", "web"]);
    assert_eq!((&family["ImageId"], &family["Status"]), (&shown["ImageId"], &shown["Status"]));
    assert_eq!(
        plain(&place, &serde_json::to_string_pretty(&shown).unwrap())
            .replace(shown["ContentRoot"].as_str().unwrap(), "ROOT"),
        r#"{
  "Architecture": "x86_64",
  "BootMode": "BIOS",
  "ContentRoot": "ROOT",
  "CopiedFrom": "",
  "Copies": 0,
  "CreationTime": "TIME",
  "DataBytes": 3145728,
  "Description": "the first",
  "Detection": null,
  "DiskSizeBytes": 8388608,
  "Disks": [
    {
      "ContentRoot": "ROOT",
      "DataBytes": 3145728,
      "Device": "/dev/xvda",
      "Format": "raw",
      "Size": 1,
      "SizeBytes": 8388608,
      "SnapshotId": "SNAPSHOT",
      "Source": "PLACE/web-1.raw",
      "StoredBytes": BYTES,
      "Type": "system"
    }
  ],
  "Exports": 0,
  "ImageFamily": "web",
  "ImageId": "IMAGE",
  "ImageName": "web-1",
  "ImageOwnerAlias": "self",
  "ImdsSupport": "v1",
  "IsCopied": false,
  "IsFamilyImage": true,
  "IsPublic": false,
  "LicenseType": "Auto",
  "NvmeSupport": "unsupported",
  "OsType": "linux",
  "OwnerId": "100000",
  "Platform": "Others Linux",
  "RegionId": "cn-hangzhou",
  "SecureBootSupport": "unsupported",
  "Shares": [],
  "Size": 1,
  "SnapshotId": "SNAPSHOT",
  "SourceFormat": "raw",
  "SourcePath": "PLACE/web-1.raw",
  "Status": "Available",
  "StoredBytes": BYTES,
  "Tags": {
    "env": "prod"
  },
  "TaskId": "TASK",
  "WorkflowId": "WORKFLOW"
}"#
        .replace("BYTES", &shown["StoredBytes"].to_string())
    );
}

#[test]
fn a_family_rolls_back_and_forward() {
    let place = Place::new();
    let ids: Vec<String> =
        ["web-1", "web-2", "web-3"].iter().map(|name| place.image(name, &["--family", "web"])).collect();
    let head = || place.json(&["family", "show", "web"])["ImageId"].as_str().unwrap().to_owned();
    assert_eq!(head(), ids[2]);
    place.done(&["image", "deprecate", "web-3"]);
    assert_eq!(head(), ids[1]);
    place.done(&["image", "deprecate", &ids[1]]);
    assert_eq!(head(), ids[0]);
    place.done(&["image", "restore", &ids[2]]);
    assert_eq!(head(), ids[2]);
    for id in [&ids[0], &ids[2]] {
        place.done(&["image", "deprecate", id]);
    }
    let none = place.run(&["family", "show", "web"]);
    assert_eq!(none.code, 3);
    assert!(none.err.contains("no image of the family `web` is Available"), "{}", none.err);
    let families = place.json(&["family", "list"]);
    assert_eq!(
        (&families["Families"][0]["Images"], &families["Families"][0]["ImageId"]),
        (&3.into(), &"".into())
    );
}

#[test]
fn attributes_change_together_or_not_at_all() {
    let place = Place::new();
    place.image("web-1", &["--tag", "env=prod", "--tag", "draft=yes"]);
    place.image("web-2", &[]);
    let taken = place.run(&["image", "modify", "web-1", "--name", "web-2", "--tag", "env=test"]);
    assert_eq!(taken.code, 3);
    assert!(taken.err.contains("code: InvalidImageName.Duplicated"), "{}", taken.err);
    assert_eq!(place.json(&["image", "show", "web-1"])["Tags"]["env"], "prod");

    let words =
        ["image", "modify", "web-1", "--name", "web-lts", "--family", "lts", "--description", "long kept"];
    let changed = place.json(&[&words[..], &["--tag", "env=test", "--remove-tag", "draft"]].concat());
    let got = ["ImageName", "ImageFamily", "Description"].map(|field| changed[field].as_str().unwrap());
    assert_eq!(got, ["web-lts", "lts", "long kept"]);
    assert_eq!(changed["Tags"], serde_json::json!({"env": "test"}));
    assert_eq!(place.run(&["image", "show", "web-1"]).code, 3, "the old name is free");
    place.image("web-1", &[]);
}

#[test]
fn a_deletion_gives_the_space_back_but_not_what_others_need() {
    let place = Place::new();
    place.disk("disk.raw", 8 * MIB, 3 * MIB, 5);
    place.done(&["image", "import", "disk.raw", "--name", "one"]);
    place.done(&["image", "import", "disk.raw", "--name", "two"]);
    let first = place.json(&["image", "delete", "one", "--yes"]);
    assert_eq!(first["FreedBytes"], 0, "the other image needs all of it");
    place.done(&["image", "export", "two", "--to", "two.raw", "--format", "raw"]);
    assert_same(&place.path("disk.raw"), &place.path("two.raw"));
    let second = place.json(&["image", "delete", "two", "--yes"]);
    assert!(second["FreedBytes"].as_u64().unwrap() > 3 * MIB, "{second}");
    let check = place.json(&["region", "check", "--deep"]);
    assert_eq!(
        (&check["Chunks"], &check["OrphanedChunks"], &check["PackBytes"]),
        (&0.into(), &0.into(), &0.into())
    );
    assert_eq!(check["StrayFiles"], serde_json::json!([]));
}

#[test]
fn history_tells_an_images_story_in_plain_words_even_when_it_is_gone() {
    let place = Place::new();
    let id = place.image("web-1", &["--family", "web"]);
    place.done(&["image", "modify", "web-1", "--tag", "env=prod"]);
    place.done(&["image", "deprecate", "web-1"]);
    place.done(&["image", "delete", "web-1", "--yes"]);
    let shown = place.json(&["image", "history", &id]);
    let told: Vec<_> = shown["History"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| plain(&place, line["Text"].as_str().unwrap()))
        .collect();
    let told: Vec<_> = told.iter().filter(|line| !line.contains("read ")).map(String::as_str).collect();
    assert_eq!(
        told,
        [
            "account `100000` asked to import `web-1`",
            "looked at `PLACE/web-1.raw`: a raw disk of 8 MiB",
            "took the name `web-1` in the family `web` in `cn-hangzhou`",
            "became Available",
            "its chunks serve the whole account from now on",
            "done",
            "account `100000` asked to modify `IMAGE`",
            "changed the tag `env` to `prod`",
            "done",
            "account `100000` asked to deprecate `IMAGE`",
            "was deprecated",
            "done",
            "account `100000` asked to delete `IMAGE`",
            "was deleted",
            "done",
        ]
    );
    assert!(
        plain(&place, &place.done(&["image", "history", &id]))
            .starts_with("DATE\n  CLOCK  account `100000` asked")
    );
}

#[test]
fn regions_keep_their_images_apart() {
    let place = Place::new();
    let here = place.image("web-1", &[]);
    place.disk("disk.raw", MIB, MIB, 9);
    let there = place.json(&["image", "import", "disk.raw", "--name", "web-1", "--region", "cn-beijing"]);
    assert_eq!(there["RegionId"], "cn-beijing");
    let unclear = place.run(&["image", "show", "web-1"]);
    assert_eq!(unclear.code, 3);
    assert!(unclear.err.contains("say which with `--region`"), "{}", unclear.err);
    assert_eq!(place.json(&["image", "show", "web-1", "--region", "cn-hangzhou"])["ImageId"], here.as_str());
    assert_eq!(place.json(&["image", "list"])["Images"].as_array().unwrap().len(), 2);
    assert_eq!(place.json(&["image", "list", "--region", "cn-beijing"])["Images"][0], there);
    let regions = place.json(&["region", "list"]);
    let ids: Vec<_> = regions["Regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| region["RegionId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["cn-beijing", "cn-hangzhou"]);
}
