//! Syncs as the kernel sees them: `strace` writes down each with its time, so that those of a span can be counted.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Every call by which a program asks for what it wrote to be on the disk.
const CALLS: [&str; 6] = ["fsync", "fdatasync", "sync_file_range", "msync", "syncfs", "sync"];

/// A trace, of one program and all its children.
pub(crate) struct Trace {
    file: PathBuf,
}

impl Trace {
    /// A trace that is kept below `root`.
    pub(crate) fn new(root: &Path) -> Result<Self, String> {
        Command::new("strace")
            .arg("--version")
            .output()
            .map_err(|error| format!("starting strace: {error}"))?;
        let file = root.join("strace");
        let _ = std::fs::remove_file(&file);
        Ok(Self { file })
    }

    /// A command that runs a program under it. The filter in the kernel leaves all other calls alone.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("strace");
        command.args(["-f", "--seccomp-bpf", "-ttt", "-qq", "-e", "signal=none", "-e"]);
        command.arg(format!("trace={}", CALLS.join(","))).arg("-o").arg(&self.file).arg(program);
        command
    }

    /// The same for a command that has arguments already.
    pub(crate) fn around(&self, traced: &Command) -> Command {
        let mut command = self.command(Path::new(traced.get_program()));
        command.args(traced.get_args());
        if let Some(dir) = traced.get_current_dir() {
            command.current_dir(dir);
        }
        command
    }

    /// The calls that began in a span of time, seconds since 1970.
    pub(crate) fn calls_between(&self, begun: f64, ended: f64) -> Result<u64, String> {
        let text =
            std::fs::read_to_string(&self.file).map_err(|error| format!("reading the trace: {error}"))?;
        if text.trim().is_empty() {
            return Err("strace saw no sync at all".to_owned());
        }
        let calls = text.lines().filter_map(call_at).filter(|at| (begun..ended).contains(at));
        Ok(calls.count() as u64)
    }
}

/// When a line's call began: `1234 1700000000.123456 fdatasync(5) = 0`. The line on which an interrupted one ends is
/// none.
fn call_at(line: &str) -> Option<f64> {
    let mut words = line.split_whitespace().skip(1);
    let at = words.next()?.parse().ok()?;
    let (name, _) = words.next()?.split_once('(')?;
    CALLS.contains(&name).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_counts_once_even_if_another_thread_comes_between() {
        let begun = call_at("17 1700000000.250000 fdatasync(5 <unfinished ...>");
        assert!(begun.is_some_and(|at| (at - 1_700_000_000.25).abs() < 1e-6));
        assert!(call_at("17 1700000000.260000 <... fdatasync resumed>) = 0").is_none());
        assert!(call_at("17 1700000000.260000 +++ exited with 0 +++").is_none());
    }
}
