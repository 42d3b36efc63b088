//! A house of the real program, and a batch in it whose process is killed with SIGKILL again and again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Projections;
use engine::{Engine, SystemClock};
use serde_json::Value;

/// Pause between two looks at how far the batch is.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// An opening of the log takes no longer than this on any machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where the program keeps its house.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("kiln-batches-").tempdir().unwrap() }
    }

    /// A file beside the house.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.arg("--data").arg(self.data()).args(arguments).args(["--output", "json"]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command that has to end well; its answer.
    pub fn answer(&self, arguments: &[&str]) -> Value {
        let ended = self.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&ended.stdout).unwrap_or(Value::Null)
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// How many lines of a batch have ended, if anybody says.
    fn settled(&self, batch: &str) -> u64 {
        let ended = self.command(&["batch", "show", batch]).output().unwrap();
        let view: Value = serde_json::from_slice(&ended.stdout).unwrap_or(Value::Null);
        view["Settled"].as_u64().unwrap_or(0)
    }

    /// The house while nobody keeps it, without its stories: to be read, and no more.
    pub fn engine(&self) -> Engine<()> {
        Engine::open(engine::Options {
            files: Arc::new(files::RealFiles),
            dir: self.data(),
            clock: Arc::new(SystemClock),
            fold: Arc::new(Projections),
            book: engine::Book::default(),
            ports: Arc::new(()),
            order: None,
        })
        .unwrap()
    }
}

/// A batch that is to be killed.
pub struct Batch<'a> {
    pub name: &'a str,
    pub manifest: &'a Path,
    pub lines: u64,
    /// What else is said to `kiln batch run`.
    pub words: &'a [&'a str],
    /// A line takes no longer than this on any machine.
    pub patience_each: Duration,
}

impl Batch<'_> {
    /// Runs it to its end, which has to have this code; so often, when so many more lines have ended, it is killed and
    /// run again. Says how many had ended at each kill.
    pub fn run_killed(&self, place: &Place, kills: u64, code: i32) -> Vec<u64> {
        let begun = Instant::now();
        let patience = PATIENCE + self.patience_each * u32::try_from(self.lines).unwrap();
        let run = || {
            let run = ["batch", "run", self.manifest.to_str().unwrap(), "--name", self.name];
            place.start(&[&run, self.words].concat())
        };
        let (mut killed_at, mut child) = (Vec::new(), run());
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            let settled = place.settled(self.name);
            if begun.elapsed() > patience {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("it hangs at {settled} lines, killed at {killed_at:?}");
            }
            let next = (killed_at.len() as u64 + 1) * self.lines / (kills + 2);
            if (killed_at.len() as u64) < kills && settled >= next {
                child.kill().unwrap();
                child.wait().unwrap();
                killed_at.push(settled);
                child = run();
            }
            std::thread::sleep(LOOK_EVERY);
        };
        // It may also have been too quick to be killed once more.
        let kills_there = killed_at.len() as u64;
        assert_eq!((ended.code(), kills_there), (Some(code), kills), "killed at {killed_at:?}");
        killed_at
    }
}

/// A count from the environment.
pub fn count(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|count| count.parse().ok())
}
