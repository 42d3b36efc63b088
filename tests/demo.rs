//! The demo, on a small disk of a user: it ends well, says what it did, and leaves its files.

use std::path::Path;

use demo::disk::{self, Plan};
use demo::{Error, Options, run};

fn options(disk: &Path, dir: &Path) -> Options {
    Options { exe: env!("CARGO_BIN_EXE_kiln").into(), disk: Some(disk.to_owned()), dir: Some(dir.to_owned()) }
}

#[test]
fn the_demo_shows_every_step_on_the_disk_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, work) = (dir.path().join("mine.raw"), dir.path().join("work"));
    disk::make(&disk, &Plan { disk_bytes: 64 << 20, log_bytes: 24 << 20, program: None, seed: 3 }).unwrap();
    let before = std::fs::metadata(&disk).unwrap().modified().unwrap();
    let mut said = Vec::new();
    run(&options(&disk, &work), &mut said).unwrap();
    let said = String::from_utf8(said).unwrap();
    for title in [
        "1. Your disk",
        "2. An import",
        "3. Two more",
        "4. The family",
        "5. Out again",
        "6. The log",
        "7. Go on",
    ] {
        assert!(said.contains(&format!("\n{title}")), "`{title}` is missing in\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "what is not written to a terminal has no colours");
    assert!(work.join("out.qcow2").exists() && work.join("data").exists(), "what it made stays");
    assert_eq!(std::fs::metadata(&disk).unwrap().modified().unwrap(), before, "the disk given is only read");
}

#[test]
fn the_demo_ends_with_an_error_when_a_claim_of_it_is_not_so() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("mine.raw");
    // Nothing but a hole: no version of it stores less than it holds.
    std::fs::File::create(&disk).unwrap().set_len(8 << 20).unwrap();
    let error = run(&options(&disk, &dir.path().join("work")), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, Error::Claim { .. }), "{error}");
}

#[test]
fn the_demo_touches_no_directory_that_has_something_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("mine.raw");
    std::fs::write(&disk, [0; 512]).unwrap();
    let error = run(&options(&disk, dir.path()), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
}
