//! A PostgreSQL of the bench's own: Debian's program, its default settings, a directory and a socket that nobody
//! else has.
//!
//! It refuses to run as root; then everything of it runs as `nobody`.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::COME_UP_MAX;
use crate::syncs::Trace;

/// Where Debian has the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The user and group `nobody`, on every Linux.
const NOBODY: u32 = 65534;
const USER: &str = "peers";
/// How often its memory is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// A running server; dropping it stops it.
pub(crate) struct Postgres {
    process: Child,
    dir: PathBuf,
}

impl Postgres {
    /// Makes an empty cluster below `root` and starts it, under `trace` if that is given.
    pub(crate) fn start(root: &Path, trace: Option<&Trace>) -> Result<Self, String> {
        let programs = programs()?;
        let dir = root.join("postgres");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).map_err(|error| format!("making `{}`: {error}", dir.display()))?;
        if is_root(&dir) {
            chown(&dir, Some(NOBODY), Some(NOBODY))
                .map_err(|error| format!("giving the cluster away: {error}"))?;
        }
        let data = dir.join("data");
        let mut make = as_nobody(&dir, Command::new(programs.join("initdb")));
        make.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--username", USER, "--pgdata"])
            .arg(&data);
        let made = make.output().map_err(|error| format!("starting initdb: {error}"))?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr).trim()));
        }
        let mut serve = Command::new(programs.join("postgres"));
        serve.arg("-D").arg(&data).arg("-k").arg(&dir).args(["-c", "listen_addresses="]);
        let mut serve = as_nobody(&dir, serve);
        if let Some(trace) = trace {
            serve = trace.around(&serve);
        }
        let log = std::fs::File::create(root.join("postgres.log")).map_err(|error| error.to_string())?;
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = serve.spawn().map_err(|error| format!("starting postgres: {error}"))?;
        let mut server = Self { process, dir };
        server.come_up(&programs, root)?;
        Ok(server)
    }

    fn come_up(&mut self, programs: &Path, root: &Path) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let mut ready = Command::new(programs.join("pg_isready"));
            ready.arg("-h").arg(&self.dir).args(["-U", USER]).stdout(Stdio::null());
            if ready.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            let gone = self.process.try_wait().map_err(|error| error.to_string())?;
            if gone.is_some() || begun.elapsed() > COME_UP_MAX {
                let said = std::fs::read_to_string(root.join("postgres.log")).unwrap_or_default();
                return Err(format!("postgres did not come up: {}", said.trim().replace('\n', "; ")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Where a client finds it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@localhost/postgres?host={}", self.dir.display())
    }

    /// The process that all its others are children of.
    fn postmaster(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.dir.join("data/postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// Looks at the memory of all its processes until that is dropped.
    pub(crate) fn watch_memory(&self) -> Sampled {
        let (over, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let postmaster = self.postmaster();
        let thread = std::thread::spawn({
            let (over, peak) = (over.clone(), peak.clone());
            move || {
                while !over.load(Ordering::Relaxed) {
                    peak.fetch_max(postmaster.map_or(0, tree_kib), Ordering::Relaxed);
                    std::thread::sleep(LOOK);
                }
            }
        });
        Sampled { over, peak, thread: Some(thread) }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A fast shutdown; a tracer ends with what it traces.
        if let Some(postmaster) = self.postmaster() {
            let _ = Command::new("kill").args(["-INT", &postmaster.to_string()]).status();
        } else {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Memory that is being watched.
pub(crate) struct Sampled {
    over: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Sampled {
    /// The most that was seen; memory that processes share counts once.
    pub(crate) fn peak_kib(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.peak.load(Ordering::Relaxed)
    }
}

/// What a process and its children have, each with its share of what is shared.
fn tree_kib(process: u32) -> u64 {
    let children =
        std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let of_children: u64 =
        children.split_whitespace().filter_map(|child| child.parse().ok()).map(tree_kib).sum();
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    of_children + line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The folder of the newest version there is.
fn programs() -> Result<PathBuf, String> {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").is_file() && programs.join("postgres").is_file())
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, programs)| programs);
    newest.ok_or_else(|| {
        format!("no PostgreSQL in `{DEBIAN}`: apt-get install --no-install-recommends postgresql")
    })
}

fn is_root(dir: &Path) -> bool {
    // Who makes a directory owns it.
    std::fs::metadata(dir).is_ok_and(|made| made.uid() == 0 || made.uid() == NOBODY)
}

/// The command, as nobody if this is root.
fn as_nobody(dir: &Path, command: Command) -> Command {
    if !is_root(dir) {
        return command;
    }
    let nobody = NOBODY.to_string();
    let mut other = Command::new("setpriv");
    other.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    other.arg(command.get_program()).args(command.get_args()).current_dir(dir);
    other
}
