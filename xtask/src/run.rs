//! Running other programs: with their output shown, kept, or both, and within a deadline.
//!
//! ```text
//! child ── stdout ──┐
//!       ── stderr ──┴─> channel ──> shown line by line, kept for whoever counts tests
//! ```
//!
//! A child that outlives its deadline is killed with its descendants. Children stay in this process's group, so that
//! Ctrl-C reaches them.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context as _, Error, Result};
use crate::place;

/// How many lines wait between a child and the terminal: enough to hide a slow terminal, small in memory.
const LINES_IN_FLIGHT: usize = 1024;

/// How often a quiet child is looked at, to see whether it ended while a grandchild holds its output open.
const LOOK_MS: u64 = 200;

/// How a watched program ended.
pub(crate) struct Ended {
    /// Everything it wrote, both streams in the order of arrival.
    pub(crate) lines: Vec<String>,
    /// Whether it ended with exit code 0, within its deadline.
    pub(crate) well: bool,
    /// Whether it was killed because its time was over.
    pub(crate) late: bool,
}

/// A program to be run in the root of the checkout, with root's tools on its path.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(place::root()).env("PATH", place::search_path_variable()).stdin(Stdio::null());
    command
}

/// Cargo, building into the folder this run was told to use.
pub(crate) fn cargo() -> Result<Command> {
    let mut command = program(place::cargo_program());
    command.env("CARGO_TARGET_DIR", place::target()?);
    if place::unattended() {
        command.env("INSTA_UPDATE", "no");
    }
    Ok(command)
}

/// How a command would be typed.
pub(crate) fn typed(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    command.get_args().fold(name, |line, argument| format!("{line} {}", argument.to_string_lossy()))
}

/// Runs a command quietly and returns what it wrote to standard output; its errors become part of ours.
pub(crate) fn quietly(command: &mut Command) -> Result<String> {
    let output = command.output().attempting(|| format!("starting `{}`", typed(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(format!("`{}` ended with {}: {}", typed(command), output.status, said.trim())))
}

/// Runs a command, shows what it writes as it comes, and keeps it; kills it at the deadline.
pub(crate) fn watched(command: &mut Command, deadline: Instant) -> Result<Ended> {
    let line = typed(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .attempting(|| format!("starting `{line}`"))?;
    let (sender, receiver) = mpsc::sync_channel(LINES_IN_FLIGHT);
    forward(child.stdout.take().expect("the stream was asked for"), sender.clone());
    forward(child.stderr.take().expect("the stream was asked for"), sender);

    let mut lines = Vec::new();
    let mut late = false;
    loop {
        match receiver.recv_timeout(Duration::from_millis(LOOK_MS)) {
            Ok(text) => {
                // A closed terminal must not stop the run whose exit code somebody waits for.
                let _ = writeln!(std::io::stdout(), "{text}");
                lines.push(text);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if ended(&mut child)? => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= deadline {
            late = true;
            kill_with_descendants(&mut child);
            break;
        }
    }
    let status = child.wait().attempting(|| format!("waiting for `{line}`"))?;
    Ok(Ended { lines, well: status.success() && !late, late })
}

fn ended(child: &mut Child) -> Result<bool> {
    Ok(child.try_wait().attempting(|| "looking after a child".into())?.is_some())
}

fn forward(stream: impl Read + Send + 'static, sender: mpsc::SyncSender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(std::io::Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
}

fn kill_with_descendants(child: &mut Child) {
    let mut found = Vec::new();
    descendants(child.id(), &mut found);
    // The parent first, so that it starts nothing new.
    let _ = child.kill();
    for process in found {
        let _ = Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status();
    }
}

fn descendants(process: u32, found: &mut Vec<u32>) {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return;
    };
    for thread in threads.flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|number| number.parse().ok()) {
            found.push(child);
            descendants(child, found);
        }
    }
}

/// What a measured program cost.
pub(crate) struct Cost {
    /// Wall-clock time, including whatever `finish` did.
    pub(crate) seconds: f64,
    /// The largest resident set of the program, in KiB.
    pub(crate) peak_kib: u64,
    /// What it wrote to standard output.
    pub(crate) said: String,
}

/// Runs a command under Debian's `time` and then `finish` (an fsync, say), and measures both together.
pub(crate) fn measured(command: &Command, finish: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let figures = std::env::temp_dir().join(format!("kiln-xtask-time-{}", std::process::id()));
    let mut timed = program("time");
    timed
        .args(["--quiet", "-f", "%M", "-o"])
        .arg(&figures)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            timed.env(name, value);
        }
    }
    let begin = Instant::now();
    let said = quietly(&mut timed)?;
    finish()?;
    let seconds = begin.elapsed().as_secs_f64();
    let text = fs::read_to_string(&figures).attempting(|| format!("reading `{}`", figures.display()))?;
    let _ = fs::remove_file(&figures);
    let peak_kib = text
        .trim()
        .parse()
        .map_err(|_| Error::new(format!("`time` gave no peak memory but `{}`", text.trim())))?;
    Ok(Cost { seconds, peak_kib, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_outlives_its_deadline_is_killed_with_what_it_started() {
        let mut shell = program("sh");
        // The shell waits for its child, which holds the output open: both must go for this to end.
        shell.args(["-c", "sleep 1000 & wait"]);
        let ended = watched(&mut shell, Instant::now()).expect("the shell starts");
        assert!(ended.late && !ended.well);
    }

    #[test]
    fn both_streams_are_kept_and_a_failure_is_seen() {
        let mut shell = program("sh");
        shell.args(["-c", "echo out; echo err >&2; exit 3"]);
        let ended = watched(&mut shell, far_away()).expect("the shell starts");
        assert!(!ended.well && !ended.late);
        let mut lines = ended.lines;
        lines.sort();
        assert_eq!(lines, ["err", "out"]);
    }

    #[test]
    fn what_a_failed_program_said_becomes_the_error() {
        let error = quietly(program("sh").args(["-c", "echo no such thing >&2; exit 1"]))
            .expect_err("the exit code is 1");
        assert!(error.to_string().contains("no such thing"), "{error}");
    }

    fn far_away() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }
}
