//! What cannot be: each is refused at once, with a code, a reason and what to try, and leaves
//! nothing behind.

use std::fs;

use crate::kit::{MIB, Place, plain};

/// The command is refused with this code, and says all of `said`; afterwards nothing has changed.
fn refused(place: &Place, words: &[&str], exit: i32, code: &str, said: &[&str]) {
    let before = place.done(&["audit", "head", "--unsigned"]);
    let run = place.run(words);
    assert_eq!((run.code, run.out.as_str()), (exit, ""), "{words:?}: {}", run.err);
    let err = plain(place, &run.err);
    assert!(err.starts_with("error: ") && err.contains(&format!("\n  code: {code}\n")), "{words:?}: {err}");
    for said in said {
        assert!(err.contains(said), "{words:?} does not say `{said}`: {err}");
    }
    assert_eq!(place.done(&["audit", "head", "--unsigned"]), before, "{words:?} left something in the log");
}

fn import_refused(place: &Place, file: &str, code: &str, said: &[&str]) {
    refused(place, &["image", "import", file, "--name", "new-1"], 3, code, said);
    assert_eq!(place.json(&["image", "list"])["Images"].as_array().unwrap().len(), 0);
}

/// A qcow2 header, version 2, with one cluster of 64 KiB for each table it needs.
fn qcow2(disk_bytes: u64, backing_offset: u64) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend_from_slice(b"QFI\xfb");
    header.extend_from_slice(&2u32.to_be_bytes());
    header.extend_from_slice(&backing_offset.to_be_bytes());
    header.extend_from_slice(&if backing_offset == 0 { 0u32 } else { 8 }.to_be_bytes());
    header.extend_from_slice(&16u32.to_be_bytes());
    header.extend_from_slice(&disk_bytes.to_be_bytes());
    header.extend_from_slice(&0u32.to_be_bytes());
    header.extend_from_slice(&1u32.to_be_bytes());
    for place in [0x3_0000u64, 0x1_0000] {
        header.extend_from_slice(&place.to_be_bytes());
    }
    header.extend_from_slice(&1u32.to_be_bytes());
    header.resize(1024, 0);
    header[512..520].copy_from_slice(b"/etc/pwd");
    header
}

#[test]
fn an_empty_file_is_refused() {
    let place = Place::new();
    place.write("empty.raw", b"");
    import_refused(&place, "empty.raw", "InvalidImageSize", &["the file is empty", "try: "]);
}

#[test]
fn a_directory_and_a_missing_file_are_refused() {
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    import_refused(&place, "folder", "InvalidSource.NotAFile", &["`PLACE/folder` is a directory", "try: "]);
    import_refused(
        &place,
        "nothing.raw",
        "InvalidSource.NotFound",
        &["there is no file `PLACE/nothing.raw`", "try: "],
    );
}

#[test]
fn a_qcow2_cut_in_the_middle_is_refused() {
    let place = Place::new();
    let other = Place::new();
    other.image("whole", &[]);
    other.done(&["image", "export", "whole", "--to", "whole.qcow2", "--format", "qcow2"]);
    let bytes = fs::read(other.path("whole.qcow2")).unwrap();
    place.write("cut.qcow2", &bytes[..bytes.len() / 2]);
    let run = place.run(&["image", "import", "cut.qcow2", "--name", "new-1"]);
    assert_eq!(run.code, 3, "{}", run.err);
    assert!(run.err.contains("  code: ") && run.err.contains("  try: "), "{}", run.err);
    assert_eq!(place.json(&["image", "list"])["Images"].as_array().unwrap().len(), 0);
    let check = place.json(&["region", "check"]);
    assert_eq!((&check["Chunks"], &check["PackBytes"]), (&0.into(), &0.into()), "its space came back");
    assert_eq!(place.json(&["workflow", "list", "--open"])["Workflows"].as_array().unwrap().len(), 0);
}

#[test]
fn a_qcow2_with_a_backing_file_is_refused_by_name() {
    let place = Place::new();
    place.write("child.qcow2", &qcow2(MIB, 512));
    import_refused(
        &place,
        "child.qcow2",
        "InvalidImageFormat.NotSupported",
        &["backing file", "try: make it stand alone"],
    );
}

#[test]
fn a_kibibyte_that_declares_eight_exbibytes_is_refused() {
    let place = Place::new();
    place.write("huge.qcow2", &qcow2(8 << 60, 0));
    let run = place.run(&["image", "import", "huge.qcow2", "--name", "new-1"]);
    assert_eq!(run.code, 3, "{}", run.err);
    assert!(run.err.contains("  code: InvalidImage") && run.err.contains("  try: "), "{}", run.err);
}

#[test]
fn a_raw_disk_called_qcow2_is_refused() {
    let place = Place::new();
    place.disk("disk.raw", MIB, MIB, 3);
    let words = ["image", "import", "disk.raw", "--name", "new-1", "--format", "qcow2"];
    let run = place.run(&words);
    assert_eq!(run.code, 3, "{}", run.err);
    assert!(run.err.contains("  code: ") && run.err.contains("  try: "), "{}", run.err);
}

#[test]
fn names_that_are_taken_or_malformed_are_refused() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.disk("disk.raw", MIB, MIB, 3);
    let import = |name: &'static str| ["image", "import", "disk.raw", "--name", name];
    refused(
        &place,
        &import("web-1"),
        3,
        "InvalidImageName.Duplicated",
        &["the name `web-1` is taken by the image `IMAGE`", "try: "],
    );
    for name in ["a b", "1ab", "a", "a/b", "acs:x", "http://a", "a\u{7}b"] {
        refused(&place, &import(name), 3, "InvalidImageName.Malformed", &["try: an image name is 2 to 128"]);
    }
    refused(
        &place,
        &["image", "import", "disk.raw", "--name", "ok", "--family", "acs:x"],
        3,
        "InvalidImageFamily.Malformed",
        &["`acs:x`", "try: "],
    );
    refused(
        &place,
        &["image", "import", "disk.raw", "--name", "ok", "--tag", "acs:x=1"],
        3,
        "InvalidTagKey.Malformed",
        &["try: "],
    );
}

#[test]
fn unknown_regions_images_families_and_workflows_are_refused_with_what_was_meant() {
    let place = Place::new();
    place.image("debian-12", &["--family", "debian"]);
    refused(
        &place,
        &["image", "import", "debian-12.raw", "--name", "ok", "--region", "cn-nowhere"],
        3,
        "InvalidRegionId.NotFound",
        &["there is no region `cn-nowhere`", "try: the regions are `cn-beijing`, `cn-hangzhou`"],
    );
    for word in ["show", "deprecate", "restore", "delete", "history"] {
        refused(
            &place,
            &["image", word, "m-bp67acfmxazb4p0a2b3c"],
            3,
            "InvalidImageId.NotFound",
            &["there is no image `IMAGE`", "try: `kiln image list`"],
        );
    }
    refused(
        &place,
        &["image", "show", "debain-12"],
        3,
        "InvalidImageId.NotFound",
        &["did you mean `debian-12`?"],
    );
    refused(
        &place,
        &["family", "show", "debain"],
        3,
        "InvalidImageFamily.NotFound",
        &["did you mean `debian`?"],
    );
    let workflow = "w-00000000000000000000000000";
    for word in ["show", "watch", "cancel", "resume", "unwind", "abandon"] {
        refused(
            &place,
            &["workflow", word, workflow],
            3,
            "InvalidWorkflowId.NotFound",
            &["try: `kiln workflow list`"],
        );
    }
}

#[test]
fn an_export_never_touches_what_is_there() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.write("there.raw", b"mine");
    fs::create_dir(place.path("folder")).unwrap();
    let export = |to: &'static str| ["image", "export", "web-1", "--to", to, "--format", "raw"];
    refused(
        &place,
        &export("there.raw"),
        3,
        "InvalidTarget.Exists",
        &["`PLACE/there.raw` exists already", "--force"],
    );
    assert_eq!(fs::read(place.path("there.raw")).unwrap(), b"mine");
    refused(&place, &export("folder"), 3, "InvalidTarget.Exists", &["is a directory"]);
    refused(
        &place,
        &export("no/file.raw"),
        3,
        "InvalidTarget.NotFound",
        &["there is no directory `PLACE/no`"],
    );
    refused(
        &place,
        &export("/proc/file.raw"),
        4,
        "ServiceUnavailable",
        &["writing to the directory `/proc`", "try: "],
    );
    assert_eq!(fs::read_dir(place.path("folder")).unwrap().count(), 0);
    place.done(&["image", "export", "web-1", "--to", "there.raw", "--format", "raw", "--force"]);
    assert_eq!(fs::metadata(place.path("there.raw")).unwrap().len(), 8 * MIB);
}

#[test]
fn turns_that_change_nothing_are_refused() {
    let place = Place::new();
    place.image("web-1", &[]);
    refused(
        &place,
        &["image", "restore", "web-1"],
        3,
        "ImageStatus.NotDeprecated",
        &["is Available, not Deprecated"],
    );
    place.done(&["image", "deprecate", "web-1"]);
    refused(
        &place,
        &["image", "deprecate", "web-1"],
        3,
        "ImageStatus.NotAvailable",
        &["is Deprecated, not Available"],
    );
}

#[test]
fn a_data_directory_that_cannot_be_used_is_the_worlds_fault() {
    let place = Place::new();
    place.write("file", b"");
    for dir in ["/proc/kiln", "file", "file/below"] {
        let run = place.run(&["--data", dir, "image", "list"]);
        assert_eq!((run.code, run.out.as_str()), (4, ""), "{dir}: {}", run.err);
        assert!(
            run.err.contains("using the data directory") && run.err.contains("choose one with `--data`"),
            "{}",
            run.err
        );
    }
}
