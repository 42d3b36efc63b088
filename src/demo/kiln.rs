//! The program itself, called as a user would call it: as a child process, by its command line.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::error::{Attempted, Error};

/// The end of what a failing command said that is worth repeating.
const SAID_CHARS_MAX: usize = 600;
/// The file in a data directory that says which process holds it.
const HOLDER: &str = "lock";

/// The program and the data directory it is called with.
pub(crate) struct Kiln {
    pub(crate) exe: PathBuf,
    data: PathBuf,
    /// Where it is called, so that the paths it is given are short.
    dir: PathBuf,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) done_bytes: u64,
    pub(crate) total_bytes: u64,
}

impl Kiln {
    pub(crate) fn new(exe: &Path, data: &Path, dir: &Path) -> Self {
        Self { exe: exe.to_owned(), data: data.to_owned(), dir: dir.to_owned() }
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.exe);
        command.arg("--data").arg(&self.data).args(arguments).current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end; what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, Error> {
        let output =
            self.command(arguments).output().attempting(format!("running `{}`", shown(arguments)))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Command {
                command: shown(arguments),
                code: ending(output.status),
                said: end_of(&said),
            });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a command with JSON as its output.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value, Error> {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--output", "json"]);
        let text = self.run(&arguments)?;
        serde_json::from_str(&text).map_err(|error| Error::Claim {
            claim: format!("`{}` prints JSON", shown(&arguments)),
            found: format!("{error} in `{}`", end_of(&text)),
        })
    }

    /// Starts a command; what it prints goes nowhere.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Result<Child, Error> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().attempting(format!("starting `{}`", shown(arguments)))
    }

    /// How far the import has come that a child process drives; none while it cannot be told.
    pub(crate) fn progress(&self, child: &Child) -> Result<Option<Progress>, Error> {
        // Only when the child holds the directory: else this question would hold it for a moment.
        let holder = fs::read_to_string(self.data.join(HOLDER)).unwrap_or_default();
        if holder.trim() != child.id().to_string() {
            return Ok(None);
        }
        let list = self.json(&["workflow", "list"])?;
        let workflows = list["Workflows"].as_array().cloned().unwrap_or_default();
        let importing = workflows.iter().find(|workflow| workflow["Progress"]["Doing"] == "importing");
        let Some(progress) = importing.map(|workflow| &workflow["Progress"]) else { return Ok(None) };
        let (done, total) = (progress["DoneBytes"].as_u64(), progress["TotalBytes"].as_u64());
        Ok(done.zip(total).map(|(done_bytes, total_bytes)| Progress { done_bytes, total_bytes }))
    }
}

/// A command as one would type it.
pub(crate) fn shown(arguments: &[&str]) -> String {
    let quoted = arguments.iter().map(|argument| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=+:".contains(letter);
        if argument.chars().all(plain) { (*argument).to_owned() } else { format!("'{argument}'") }
    });
    format!("kiln {}", quoted.collect::<Vec<_>>().join(" "))
}

fn ending(status: ExitStatus) -> String {
    status.code().map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"))
}

fn end_of(said: &str) -> String {
    let said = said.trim();
    let skip = said.chars().count().saturating_sub(SAID_CHARS_MAX);
    said.chars().skip(skip).collect()
}
