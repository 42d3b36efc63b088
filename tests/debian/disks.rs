//! Where the real Debian disks are, which `cargo xtask disks` makes.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the disks; made if it is not there, which takes some minutes.
pub fn disks() -> PathBuf {
    if let Some(place) = std::env::var_os("KILN_TEST_DISKS") {
        return PathBuf::from(place);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = target.join("test-disks");
    if !folder.join("recipe").exists() {
        let made = Command::new(env!("CARGO")).args(["xtask", "disks"]).current_dir(root).status().unwrap();
        assert!(made.success(), "`cargo xtask disks` says above why it could not make the disks");
    }
    folder
}
