//! What a report says about where and when it was made: the processor, the memory, the kernel, the commit, the day.
//!
//! Names of machines, users and folders are left out on purpose: reports are committed.

use std::fs;

use crate::run;

/// One line on the hardware and the kernel.
pub(crate) fn description() -> String {
    let processor = first_field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into());
    let memory_kib: u64 = first_field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_whitespace().next().and_then(|number| number.parse().ok()))
        .unwrap_or(0);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // What follows the number is whoever built it.
    let kernel = release.split(['-', '+', '\n']).next().unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{cores} cores of {processor}, {} GiB of memory, Linux {}", memory_kib >> 20, kernel)
}

/// The commit the checkout is at, marked when files differ from it.
pub(crate) fn commit() -> String {
    let commit = run::quietly(run::program("git").args(["rev-parse", "--short=12", "HEAD"]));
    let changed = run::quietly(run::program("git").args(["status", "--porcelain", "--untracked-files=no"]));
    match (commit, changed) {
        (Ok(commit), Ok(changed)) if changed.trim().is_empty() => commit.trim().to_owned(),
        (Ok(commit), _) => format!("{} with changes", commit.trim()),
        (Err(_), _) => "unknown".into(),
    }
}

/// Today, in UTC.
pub(crate) fn today() -> String {
    run::quietly(run::program("date").args(["-u", "+%Y-%m-%d"]))
        .map_or_else(|_| "unknown".into(), |day| day.trim().to_owned())
}

fn first_field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}
