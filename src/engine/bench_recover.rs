//! Ten thousand flows are in the middle of a step when the process is killed. How soon does the first of them go on,
//! and when have all of them ended?
//!
//! The engine writes the log in a child process that is killed with SIGKILL the moment the last flow has come to the
//! step at which it waits. The peer of the first figure is a bare redb that opens, and so repairs, a copy of the
//! same file and commits one row; of the second, a process that was not killed and goes on from the same place.
//!
//! Expected on paper: the engine opens like bare redb, folds what its journal has, reads a row for each open flow and
//! commits; then some dozens of flows are counted as taken up, and the first step is tried, while the others follow
//! in portions. Of what is left of the work a recovery adds reading each flow's records.
//!
//! `cargo bench -p engine --bench recover -- [--dir DIR] [--flows N] [--quick]`

mod bench_kit;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bench_kit::{Happened, Things, actor, argument, fresh_dir, scope};
use engine::{At, Book, Engine, Flow, Halt, Options, State, SystemClock, Workflow};
use event::{Failure, Scope, Seq};
use files::{Backend, Files, Open, RealFiles};
use redb::{Database, TableDefinition};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

const FLOWS: usize = 10_000;
const ROUNDS: usize = 3;
/// Steps of a flow; flows wait at the first, the second … in turn, so that they stand at all of them.
const STEPS: usize = 5;
/// Records of a flow that has ended: its start, its steps, its end.
const RECORDS: u64 = STEPS as u64 + 2;
/// The first flow goes on within so many times what a bare opening and one commit take.
const FIRST_OF_BARE_MAX: f64 = 3.0;
/// All have ended within so many times what the rest of the work takes without a crash.
const ALL_OF_UNDISTURBED_MAX: f64 = 1.5;

/// What steps reach: a gate that some of them wait at.
struct Gate {
    open: watch::Sender<bool>,
    waiting: AtomicU64,
    first: Mutex<Option<Instant>>,
}

impl Gate {
    fn new(open: bool) -> Arc<Self> {
        Arc::new(Self { open: watch::Sender::new(open), waiting: AtomicU64::new(0), first: Mutex::default() })
    }

    async fn pass(&self) {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The sender lives as long as `self`.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Held {
    key: String,
    waits_at: usize,
}

#[async_trait]
impl Workflow for Held {
    type Ports = Gate;
    type Output = ();
    const NAME: &'static str = "do-held";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        scope()
    }

    fn label(&self) -> String {
        format!("do-held `{}`", self.key)
    }

    async fn run(self, flow: &Flow<Gate>) -> Result<(), Halt> {
        for step in 0..STEPS {
            let (key, waits) = (self.key.clone(), step == self.waits_at);
            let act = flow.step(move |at: At<Gate>| {
                let done = Happened::new(&key);
                async move {
                    if waits {
                        at.ports().pass().await;
                    }
                    Ok::<_, Failure>(done)
                }
            });
            act.nothing_to_undo("it does nothing").await?;
        }
        Ok(())
    }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let flows = argument("--flows")
        .map_or(if quick { FLOWS / 10 } else { FLOWS }, |text| text.parse().expect("a number of flows"));
    if let Some(dir) = argument("--child") {
        return child(Path::new(&dir), flows);
    }
    let dir = fresh_dir("recover");
    let (mut bare, mut first, mut all, mut undisturbed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut lost, mut twice) = (0, 0);
    for round in 0..if quick { 1 } else { ROUNDS } {
        let log = dir.join(format!("log-{round}"));
        let mut process = Child::start(&log, flows);
        process.expect("waiting");
        process.kill();
        bare.push(open_bare(&copied(&log, &dir)));
        let recovered = recover(&copied(&log, &dir), flows);
        first.push(recovered.first);
        all.push(recovered.all);
        lost += recovered.lost;
        twice += recovered.twice;
        let calm = dir.join(format!("calm-{round}"));
        let mut process = Child::start(&calm, flows);
        process.expect("waiting");
        process.say("go");
        let seconds = process.expect("ended").parse().expect("a number of seconds");
        undisturbed.push(Duration::from_secs_f64(seconds));
        process.kill();
        for dir in [log, calm] {
            std::fs::remove_dir_all(dir).expect("a round's directory goes");
        }
    }
    std::fs::remove_dir_all(dir).expect("the bench's directory goes");
    let (bare, first, all, undisturbed) = (median(bare), median(first), median(all), median(undisturbed));
    println!(
        "| {flows} flows, killed in the middle of a step | ms | ratio | limit | |\n|---|---|---|---|---|"
    );
    println!("| bare redb: open, repair, one commit | {:.1} | | | |", bare * 1e3);
    line("the first flow goes on", first, first / bare, FIRST_OF_BARE_MAX);
    println!("| the rest of the work without a crash | {:.1} | | | |", undisturbed * 1e3);
    line("all have ended", all, all / undisturbed, ALL_OF_UNDISTURBED_MAX);
    println!("\nflows lost: {lost}; steps recorded twice: {twice}");
}

fn line(what: &str, seconds: f64, ratio: f64, limit: f64) {
    let verdict = if ratio <= limit { "holds" } else { "**missed**" };
    println!("| {what} | {:.1} | {ratio:.2} | at most {limit} | {verdict} |", seconds * 1e3);
}

fn open(dir: &Path, gate: Arc<Gate>) -> Engine<Gate> {
    let options = Options {
        files: Arc::new(RealFiles),
        dir: dir.to_owned(),
        clock: Arc::new(SystemClock),
        fold: Arc::new(Things),
        book: Book::default().with::<Held>(),
        ports: gate,
        order: None,
    };
    Engine::open(options).expect("the bench's directory opens")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime is made")
}

/// The child: brings all flows to where they wait, says so, and goes on when it is told.
fn child(dir: &Path, flows: usize) {
    runtime().block_on(async {
        let gate = Gate::new(false);
        let engine = Arc::new(open(dir, gate.clone()));
        engine.drive().await.expect("the log takes a job");
        let starts: Vec<_> = (0..flows)
            .map(|n| {
                let engine = engine.clone();
                let held = Held { key: format!("held-{n}"), waits_at: n % STEPS };
                tokio::spawn(async move { engine.start(actor(), &format!("{n:010}"), held).await })
            })
            .collect();
        let mut ids = Vec::new();
        for start in starts {
            ids.push(start.await.expect("a start does not panic").expect("it starts"));
        }
        while gate.waiting.load(Ordering::Relaxed) < flows as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        say("waiting");
        let mut line = String::new();
        let told = tokio::task::spawn_blocking(move || std::io::stdin().read_line(&mut line));
        told.await.expect("reading does not panic").expect("the parent says something");
        let begun = Instant::now();
        gate.open.send_replace(true);
        for id in ids {
            engine.wait(id).await.expect("it ends");
        }
        say(&format!("ended {}", begun.elapsed().as_secs_f64()));
        // Until it is killed.
        std::future::pending::<()>().await;
    });
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("the parent reads");
}

/// The process that is killed.
struct Child {
    process: std::process::Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Child {
    fn start(log: &Path, flows: usize) -> Self {
        let exe = std::env::current_exe().expect("a program knows itself");
        let mut process = Command::new(exe)
            .args(["--flows", &flows.to_string(), "--child"])
            .arg(log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child starts");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        Self { process, lines }
    }

    /// Waits for a line that begins so; gives what follows.
    fn expect(&mut self, word: &str) -> String {
        let line = self.lines.next().expect("the child lives").expect("the child writes lines");
        line.strip_prefix(word).unwrap_or_else(|| panic!("the child said `{line}`")).trim().to_owned()
    }

    fn say(&mut self, word: &str) {
        let stdin = self.process.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{word}").expect("the child reads");
    }

    fn kill(mut self) {
        self.process.kill().expect("the child can be killed");
        self.process.wait().expect("the child has ended");
    }
}

/// Opens a log as bare redb does, and commits a row.
fn open_bare(log: &Path) -> Duration {
    let file = RealFiles.open(&log.join(engine::DATABASE), Open::Write).expect("the copy opens");
    let begun = Instant::now();
    let mut builder = Database::builder();
    builder.set_cache_size(512 << 20);
    let db = builder.create_with_backend(Backend::new(file)).expect("bare redb opens it");
    let txn = db.begin_write().expect("a transaction begins");
    {
        let mut table = txn.open_table(TableDefinition::<u64, &[u8]>::new("bare")).expect("the table opens");
        table.insert(1, [0; 200].as_slice()).expect("a row is put");
    }
    txn.commit().expect("the commit succeeds");
    begun.elapsed()
}

struct Recovered {
    first: Duration,
    all: Duration,
    lost: usize,
    twice: usize,
}

/// Opens a log with the engine and waits until all flows have ended.
fn recover(log: &Path, flows: usize) -> Recovered {
    runtime().block_on(async {
        let gate = Gate::new(true);
        let begun = Instant::now();
        let engine = Arc::new(open(log, gate.clone()));
        engine.drive().await.expect("the log takes a job");
        // Those that have ended by now need not be waited for.
        let ids: Vec<_> =
            engine.snapshot().expect("the log reads").open_flows().into_iter().map(|flow| flow.id).collect();
        for id in &ids {
            engine.wait(*id).await.expect("it ends");
        }
        let all = begun.elapsed();
        let first = gate.first.lock().unwrap_or_else(PoisonError::into_inner).expect("a step was tried");
        let snapshot = engine.snapshot().expect("the log reads");
        let done = snapshot.flows(usize::MAX, |flow| flow.state == State::Done && flow.records == RECORDS);
        let steps: RefCell<HashMap<_, u32>> = RefCell::default();
        let head = snapshot.head().expect("the log reads");
        snapshot
            .records_where(Seq(1), head, usize::MAX, |record| {
                if !record.path.as_str().is_empty() {
                    *steps.borrow_mut().entry((record.flow, record.path.clone())).or_default() += 1;
                }
                false
            })
            .expect("the log reads");
        let steps = steps.into_inner();
        let recorded = steps.values().filter(|count| **count == 1).count();
        Recovered {
            first: first.duration_since(begun),
            all,
            lost: (flows - done.expect("the log reads").len()).max(flows * STEPS - steps.len()),
            twice: steps.len() - recorded,
        }
    })
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
