//! The real program as child processes; only these are ever killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a command may take; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(2);
/// Pause between two looks at a process.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// The program, and the place where it is tortured.
#[derive(Clone, Debug)]
pub struct Place {
    pub exe: PathBuf,
    pub data: PathBuf,
    /// Where what the processes print is kept.
    pub said: PathBuf,
}

/// A process that was started here.
#[derive(Debug)]
pub struct Running {
    pub child: Child,
    command: String,
    begun: Instant,
    out: PathBuf,
    err: PathBuf,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub command: String,
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Place {
    /// Starts a command with JSON as its output.
    pub fn start(&self, number: u64, arguments: &[&str]) -> Running {
        let (out, err) = (self.said.join(format!("{number}.out")), self.said.join(format!("{number}.err")));
        let mut command = Command::new(&self.exe);
        command.arg("--data").arg(&self.data).args(arguments).args(["--output", "json"]);
        command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let child = command.spawn().unwrap();
        Running { child, command: arguments.join(" "), begun: Instant::now(), out, err }
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        let mut running = self.start(0, arguments);
        loop {
            if let Some(ended) = running.ended() {
                return ended;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Runs a command that has to end well; its answer.
    pub fn answer(&self, arguments: &[&str]) -> Value {
        let ended = self.run(arguments);
        assert!(ended.status.success(), "{ended}");
        ended.json()
    }

    /// The process that holds the data directory, if the file there says so.
    pub fn holder(&self) -> Option<u32> {
        fs::read_to_string(self.data.join("lock")).ok()?.trim().parse().ok()
    }
}

impl Running {
    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<Ended> {
        let Some(status) = self.child.try_wait().unwrap() else {
            if self.begun.elapsed() > PATIENCE {
                self.kill();
                panic!("`{}` hangs; it said {}", self.command, fs::read_to_string(&self.err).unwrap());
            }
            return None;
        };
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        Some(Ended { command: self.command.clone(), status, out: read(&self.out), err: read(&self.err) })
    }

    /// Kills it with SIGKILL; false if it had ended before.
    pub fn kill(&mut self) -> bool {
        if self.child.try_wait().unwrap().is_some() {
            return false;
        }
        self.child.kill().unwrap();
        // Between the look and the kill it may have ended by itself.
        self.child.wait().unwrap().code().is_none()
    }
}

impl Ended {
    /// What it printed.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ended with {}: {} {}", self.command, self.status, self.err.trim(), self.out.trim())
    }
}

/// Processes that still have the place in their command line, although all were waited for.
pub fn strays(place: &Place) -> Vec<String> {
    let data = place.data.to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    let mut strays = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.parse::<u32>().is_err() || name == own {
            continue;
        }
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&data) {
            strays.push(format!("{name}: {line}"));
        }
    }
    strays
}
