//! How long does it take to open a log of a million events: after a clean stop, after a kill while
//! idle, after a kill under load?
//!
//! The engine itself writes the log, in a child process that is killed with SIGKILL. The peer is a
//! bare redb that opens, and so repairs, a copy of the same file, in turns with the engine.
//!
//! Expected on paper: a clean stop and an idle kill leave the allocator's state saved, so opening
//! reads some pages: milliseconds. A kill under load makes redb walk the whole file; the engine
//! adds a look at the head and at the open flows, and nothing that grows with the log.
//!
//! `cargo bench -p engine --bench open -- [--dir DIR] [--events N]`

mod bench_kit;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench_kit::{FiveDecides, actor, argument, fresh_dir, open};
use engine::Engine;
use files::{Files, Open, RealFiles};

/// Clients that write at once.
const CLIENTS: usize = 1000;
/// Openings timed for each case; the median counts.
const ROUNDS: usize = 5;
/// Longer than the engine waits before it saves the allocator's state.
const IDLE: Duration = Duration::from_secs(2);

fn main() {
    if let Some(dir) = argument("--child") {
        return write(Path::new(&dir));
    }
    let events: u64 =
        argument("--events").map_or(1_000_000, |text| text.parse().expect("a number of events"));
    let dir = fresh_dir("open");
    let log = dir.join("log");
    let mut child = Child::start(&log);
    child.until(events);
    // The clients stop when they are told, and the log settles.
    child.say("rest");
    std::thread::sleep(IDLE);
    child.kill();
    println!("| after | events | file MiB | engine ms | bare redb ms | engine / bare |");
    println!("|---|---|---|---|---|---|");
    compare("a kill while idle", &log, &dir);
    drop(opened(&log));
    compare("a clean stop", &log, &dir);
    let mut child = Child::start(&log);
    child.until(events / 10);
    child.kill();
    compare("a kill under load", &log, &dir);
    std::fs::remove_dir_all(dir).expect("the bench's directory goes");
}

/// The process that writes and is killed.
struct Child {
    process: std::process::Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Child {
    fn start(log: &Path) -> Self {
        let exe = std::env::current_exe().expect("a program knows itself");
        let mut process = Command::new(exe)
            .args([std::ffi::OsStr::new("--child"), log.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child starts");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        Self { process, lines }
    }

    /// Until the child has written so many events.
    fn until(&mut self, events: u64) {
        for line in &mut self.lines {
            let line = line.expect("the child writes lines");
            if line.parse::<u64>().expect("a count of events") >= events {
                return;
            }
        }
        panic!("the child ended early");
    }

    fn say(&mut self, word: &str) {
        use std::io::Write as _;
        let stdin = self.process.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{word}").expect("the child reads");
    }

    fn kill(mut self) {
        self.process.kill().expect("the child can be killed");
        self.process.wait().expect("the child has ended");
    }
}

/// The child: writes until it is told to rest, and then waits to be killed.
fn write(dir: &Path) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime is made");
    runtime.block_on(async {
        let engine: Arc<Engine<()>> = Arc::new(open(Arc::new(RealFiles), dir.to_owned()));
        engine.drive().await.expect("the log takes a job");
        let rest = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let before = engine.snapshot().and_then(|snapshot| snapshot.head()).expect("the log reads").0;
        for client in 0..CLIENTS {
            let (engine, rest) = (engine.clone(), rest.clone());
            tokio::spawn(async move {
                let mut n = 0;
                while !rest.load(std::sync::atomic::Ordering::Relaxed) {
                    let key = format!("{before}-{client}-{n}");
                    engine.run(actor(), &key, FiveDecides { key: key.clone() }).await.expect("it runs");
                    n += 1;
                }
            });
        }
        std::thread::spawn({
            let rest = rest.clone();
            move || {
                let mut line = String::new();
                if std::io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
                    rest.store(true, std::sync::atomic::Ordering::Relaxed);
                }
            }
        });
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let head = engine.snapshot().and_then(|snapshot| snapshot.head()).expect("the log reads");
            println!("{}", head.0 - before);
        }
    });
}

fn opened(log: &Path) -> Engine<()> {
    open(Arc::new(RealFiles), log.to_owned())
}

/// Opens copies of a log by the engine and by bare redb, in turns.
fn compare(after: &str, log: &Path, dir: &Path) {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let mut events = 0;
    for _ in 0..ROUNDS {
        let copy = copied(log, dir);
        let begun = Instant::now();
        let engine = opened(&copy);
        ours.push(begun.elapsed());
        events = engine.snapshot().and_then(|snapshot| snapshot.head()).expect("the log reads").0;
        drop(engine);
        let copy = copied(log, dir);
        let file = RealFiles.open(&copy.join(engine::DATABASE), Open::Write).expect("the copy opens");
        let begun = Instant::now();
        let mut builder = redb::Database::builder();
        builder.set_cache_size(32 << 20);
        let db = builder.create_with_backend(files::Backend::new(file)).expect("bare redb opens it");
        bare.push(begun.elapsed());
        drop(db);
    }
    let (ours, bare) = (median(ours), median(bare));
    let size = std::fs::metadata(log.join(engine::DATABASE)).expect("the log is there").len();
    println!(
        "| {after} | {events} | {} | {:.1} | {:.1} | {:.2} |",
        size >> 20,
        ours * 1e3,
        bare * 1e3,
        ours / bare
    );
}

/// A fresh copy of a log, read once so that the page cache is equally warm for both.
fn copied(log: &Path, dir: &Path) -> PathBuf {
    let copy = dir.join("copy");
    if copy.exists() {
        std::fs::remove_dir_all(&copy).expect("the last copy goes");
    }
    std::fs::create_dir_all(&copy).expect("a directory is made");
    for name in [engine::DATABASE, engine::JOURNAL, engine::WITNESS] {
        std::fs::copy(log.join(name), copy.join(name)).expect("a file is copied");
        // Else the first sync of whoever opens it pays for the copy.
        let file = std::fs::File::open(copy.join(name)).expect("the copy opens");
        file.sync_all().expect("the copy is on disk");
    }
    copy
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}
