//! Where things are: the checkout, the build folder, tools on the path.
//!
//! The build folder is asked of cargo, so that `CARGO_TARGET_DIR` and cargo's configuration both count. Children get
//! it as an absolute path, because they run in the root of the checkout and not where the developer stands.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, Result};

/// Where the system's own tools lie for root, whether or not a user's path names them.
const SYSTEM_TOOLS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies one folder below the root")
        .to_path_buf()
}

/// The cargo that started this process.
pub(crate) fn cargo_program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The build folder, absolute.
pub(crate) fn target() -> Result<PathBuf> {
    let output = Command::new(cargo_program())
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .output()
        .attempting(|| "asking cargo for its build folder".into())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let key = "\"target_directory\":\"";
    let begin = text.find(key).map(|at| at + key.len());
    let folder = begin.and_then(|begin| text[begin..].split('"').next());
    folder.map(PathBuf::from).ok_or_else(|| {
        Error::new(format!(
            "cargo metadata did not say where its build folder is: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    })
}

/// Where a tool is, looked for on the path and among the system's own tools.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    search_path().into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The path children get: the caller's, then the folders of root's tools.
pub(crate) fn search_path_variable() -> OsString {
    env::join_paths(search_path()).unwrap_or_else(|_| env::var_os("PATH").unwrap_or_default())
}

fn search_path() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    folders.extend(SYSTEM_TOOLS.iter().map(PathBuf::from));
    folders
}

/// Whether this is a run where nobody looks on: snapshots are never written then.
pub(crate) fn unattended() -> bool {
    env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}
