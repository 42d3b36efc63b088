//! A real Debian disk goes in and comes out byte for byte, and its second version costs little.
//!
//! The disks are made by `cargo xtask disks` from Debian's own packages; `qemu-img` and `casync`,
//! which `cargo xtask` installs, are the judges that are not ours. `KILN_BIN` names another build of
//! the program than the one under test.

#![expect(unreachable_pub, reason = "what the modules of a test offer, they offer to it")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[expect(dead_code, reason = "written for the torture, which also kills")]
#[path = "torture/child.rs"]
mod child;
#[path = "debian/disks.rs"]
mod disks;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use child::Place;
use demo::sparse::{self, Comparison};
use disks::disks;
use serde_json::Value;
use tempfile::TempDir;

/// Blocks a file system may allocate beside the data, for its own list of them.
const BLOCKS_SLACK: u64 = 1 << 20;
const FIRST: [&str; 4] = ["v1.raw", "v1-plain.qcow2", "v1-zlib.qcow2", "v1-zstd.qcow2"];

/// A fresh data directory, and a folder for what comes out.
fn place() -> (TempDir, Place) {
    let dir = tempfile::Builder::new().prefix("kiln-debian-").tempdir().unwrap();
    let exe = std::env::var_os("KILN_BIN").map_or_else(|| env!("CARGO_BIN_EXE_kiln").into(), PathBuf::from);
    let place = Place { exe, data: dir.path().join("data"), said: dir.path().to_owned() };
    (dir, place)
}

fn import(place: &Place, disk: &Path, name: &str) -> Value {
    place.answer(&["image", "import", disk.to_str().unwrap(), "--name", name]);
    place.answer(&["image", "show", name])
}

/// Runs a judge that is not ours; it has to be content.
fn judge(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; install it, or run `cargo xtask test`"));
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Lengths of all files below a folder, and the blocks they take.
fn weigh(folder: &Path) -> (u64, u64) {
    let mut sum = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        let (bytes, blocks) =
            if found.is_dir() { weigh(&entry.path()) } else { (found.len(), found.blocks() * 512) };
        sum = (sum.0 + bytes, sum.1 + blocks);
    }
    sum
}

#[test]
fn a_debian_disk_comes_out_byte_for_byte_whatever_format_it_came_in() {
    let disks = disks();
    let (dir, place) = place();
    let images = FIRST.map(|name| import(&place, &disks.join(name), &name.replace('.', "-")));
    let root = images[0]["ContentRoot"].as_str().unwrap();
    assert_eq!(root.len(), 64, "a content root is a BLAKE3 hash");
    for image in &images {
        assert_eq!(image["ContentRoot"], root, "one disk has one content root in every format: {image}");
        assert_eq!(image["DiskSizeBytes"], 2u64 << 30);
    }
    for image in &images[1..] {
        assert_eq!(image["StoredBytes"], 0, "what is stored already is not stored again: {image}");
    }
    let source = disks.join(FIRST[0]);
    check_raw(&place, &images[3], &source, &dir.path().join("out.raw"));
    for compression in ["none", "zlib", "zstd"] {
        check_qcow2(
            &place,
            &images[0],
            &source,
            &dir.path().join(format!("out-{compression}.qcow2")),
            compression,
        );
    }
    let report = place.answer(&["region", "check", "--deep"]);
    assert_eq!(
        (&report["Missing"], &report["OrphanedChunks"]),
        (&serde_json::json!([]), &serde_json::json!(0))
    );
}

fn check_raw(place: &Place, image: &Value, source: &Path, out: &Path) {
    let id = image["ImageId"].as_str().unwrap();
    place.answer(&["image", "export", id, "--to", out.to_str().unwrap(), "--format", "raw"]);
    assert_eq!(sparse::size_bytes(out).unwrap(), sparse::size_bytes(source).unwrap());
    assert!(matches!(sparse::compare(source, out).unwrap(), Comparison::Equal { .. }));
    judge(Command::new("qemu-img").args(["compare", "-f", "raw", "-F", "raw"]).arg(source).arg(out));
    let (before, after) = (sparse::allocated_bytes(source).unwrap(), sparse::allocated_bytes(out).unwrap());
    assert!(after <= before + BLOCKS_SLACK, "the export takes {after} bytes, its source {before}");
    fs::remove_file(out).unwrap();
}

fn check_qcow2(place: &Place, image: &Value, source: &Path, out: &Path, compression: &str) {
    let id = image["ImageId"].as_str().unwrap();
    let to = out.to_str().unwrap();
    place.answer(&["image", "export", id, "--to", to, "--format", "qcow2", "--compression", compression]);
    judge(Command::new("qemu-img").args(["check", "-f", "qcow2"]).arg(out));
    judge(Command::new("qemu-img").args(["compare", "-f", "raw", "-F", "qcow2"]).arg(source).arg(out));
    fs::remove_file(out).unwrap();
}

#[test]
fn a_debian_disk_with_packages_added_in_place_takes_no_more_than_casync_adds() {
    check_second_version("v2-in-place.raw");
}

#[test]
fn a_debian_disk_made_anew_with_packages_added_takes_no_more_than_casync_adds() {
    check_second_version("v2-rebuilt.raw");
}

/// Both stores hold the first version; the second may add no more to ours than to theirs.
fn check_second_version(second: &str) {
    let disks = disks();
    let (dir, place) = place();
    let store = dir.path().join("casync-store");
    let casync = |disk: &str| {
        let index = dir.path().join("index.caibx");
        let mut command = Command::new("casync");
        command.arg("make").arg(format!("--store={}", store.display())).arg(index).arg(disks.join(disk));
        judge(&mut command);
        weigh(&store)
    };
    let (first_bytes, first_blocks) = casync("v1.raw");
    let (both_bytes, both_blocks) = casync(second);
    let (theirs, theirs_on_disk) = (both_bytes - first_bytes, both_blocks - first_blocks);
    import(&place, &disks.join("v1.raw"), "first");
    let packs = |place: &Place| place.answer(&["region", "check"])["PackBytes"].as_u64().unwrap();
    let (packs_before, (files_before, blocks_before)) = (packs(&place), weigh(&place.data));
    let image = import(&place, &disks.join(second), "second");
    let stored = image["StoredBytes"].as_u64().unwrap();
    let (packs_added, (files_after, blocks_after)) = (packs(&place) - packs_before, weigh(&place.data));
    println!(
        "soak: {second}: stored {stored}, packs grew by {packs_added}, all files by {} ({} on disk); casync adds \
         {theirs} ({theirs_on_disk} on disk)",
        files_after.saturating_sub(files_before),
        blocks_after.saturating_sub(blocks_before)
    );
    assert!(stored > 0, "a second version has something new");
    assert!(stored <= theirs, "it says it stored {stored}, casync adds {theirs}");
    assert!(packs_added <= theirs, "the packs grew by {packs_added}, casync adds {theirs}");
}
