//! One million finished flows, ten million events: what do opening, a filtered page, `verify`, `rebuild` and the disk
//! cost?
//!
//! The engine writes two sets, of ten thousand flows and of a million, of eight decides each; one flow in a
//! hundred is refused. Each question is asked by a process of its own, so that memory is its alone. The
//! peer of `verify` and `rebuild` is a bare redb that scans the same table in the same run and decodes its records.
//!
//! Expected on paper: opening reads rows of open flows, of which there are none; a page reads one block of each list
//! and a row for each flow on it, and the trees are one level deeper. `verify` hashes what it has decoded, at 1 GB/s
//! beside 0.5 GB/s of decoding. A row of 4,000 bytes in a page of 4,096 is 1.03 of what is in it.
//!
//! `cargo bench -p engine --bench flows -- [--dir DIR] [--flows N] [--quick] [--keep]`

#![expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]

mod bench_kit;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use bench_kit::{Taken, Things, actor, argument, scope};
use engine::{Book, Engine, Filter, Flow, Halt, Options, State, SystemClock, Workflow};
use event::{Record, Refusal, Scope, Subject};
use files::{Backend, Files, Open, RealFiles};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::{Deserialize, Serialize};

const FEW: usize = 10_000;
const MANY: usize = 1_000_000;
const CLIENTS: usize = 1000;
/// With a start and an end, ten events.
const DECIDES: usize = 8;
/// One flow in so many is refused.
const REFUSED_EACH: usize = 100;
const PAGE: usize = 50;
/// Times that a question is asked; the median counts.
const ASKED: usize = 200;
const OPENED: usize = 7;

/// The limits: times of what it costs at ten thousand, MiB, shares of a bare scan, times the encoded records.
const OF_FEW_MAX: f64 = 2.0;
const MEMORY_MIB_MAX: f64 = 300.0;
const VERIFY_MIN: f64 = 0.5;
const REBUILD_MIN: f64 = 0.1;
const LOG_MAX: f64 = 1.2;
const FILE_MAX: f64 = 2.5;

#[derive(Clone, Serialize, Deserialize)]
struct Eight {
    key: String,
    refused: bool,
}

#[async_trait]
impl Workflow for Eight {
    type Ports = ();
    type Output = ();
    const NAME: &'static str = "do-eight";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        scope()
    }

    fn label(&self) -> String {
        format!("do-eight `{}`", self.key)
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(format!("m-{}", self.key))]
    }

    async fn run(self, flow: &Flow<()>) -> Result<(), Halt> {
        for n in 0..DECIDES {
            let (name, no) = (self.key.clone(), self.refused && n + 1 == DECIDES);
            let decided = flow.decide(scope(), move |_| {
                if no { Err(Refusal::new("NameTaken", "it is taken")) } else { Ok(Taken { name }) }
            });
            decided.nothing_to_undo("a bench keeps its names").await?;
        }
        Ok(())
    }
}

fn main() {
    if let Some(what) = argument("--child") {
        return child(&what);
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let many = argument("--flows")
        .map_or(if quick { MANY / 20 } else { MANY }, |text| text.parse().expect("a number of flows"));
    let root = argument("--dir").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let root = root.join("bench-flows");
    let [few_dir, many_dir] = [FEW, many].map(|flows| {
        let dir = root.join(flows.to_string());
        if !dir.join("whole").exists() {
            // Left over from a bench that was killed.
            let _ = std::fs::remove_dir_all(&dir);
            build(&dir, flows);
            std::fs::write(dir.join("whole"), "").expect("the set is marked");
        }
        dir
    });
    println!("| {many} flows, {} events | at {FEW} | at {many} | ratio | limit | |", many * (DECIDES + 2));
    println!("|---|---|---|---|---|---|");
    for what in ["open", "state", "name", "words"] {
        let (few, many) = (asked(what, &few_dir), asked(what, &many_dir));
        let (name, figures) = (title(what), format!("{:.1} µs | {:.1} µs", few.value, many.value));
        let ratio = many.value / few.value;
        println!(
            "| {name} | {figures} | {ratio:.2} | at most {OF_FEW_MAX} | {} |",
            word(ratio <= OF_FEW_MAX)
        );
        memory(name, &many);
    }
    let scan = asked("scan", &many_dir);
    println!("| bare scan and decode | | {:.0} events/s | | | |", scan.value);
    for (what, limit) in [("verify", VERIFY_MIN), ("rebuild", REBUILD_MIN)] {
        let ours = asked(what, &many_dir);
        let ratio = ours.value / scan.value;
        let verdict = word(ratio >= limit);
        println!("| {what} | | {:.0} events/s | {ratio:.2} | at least {limit} | {verdict} |", ours.value);
        memory(what, &ours);
    }
    let encoded = asked("encoded", &many_dir).value;
    let stored = asked("stored", &many_dir).value;
    let file = std::fs::metadata(many_dir.join(engine::DATABASE)).expect("the log is there");
    for (what, bytes, limit) in
        [("the log", stored, LOG_MAX), ("the whole file", file.blocks() as f64 * 512.0, FILE_MAX)]
    {
        let (mib, ratio) = (bytes / f64::from(1 << 20), bytes / encoded);
        println!(
            "| {what}, of the encoded records | | {mib:.0} MiB | {ratio:.2} | at most {limit} | {} |",
            word(ratio <= limit)
        );
    }
    if !std::env::args().any(|argument| argument == "--keep") {
        std::fs::remove_dir_all(root).expect("the bench's directory goes");
    }
}

fn title(what: &str) -> &'static str {
    match what {
        "open" => "opening",
        "state" => "a page of those that were undone",
        "name" => "a page of a story and an account",
        _ => "a page of a word in the label",
    }
}

fn word(holds: bool) -> &'static str {
    if holds { "holds" } else { "**missed**" }
}

fn memory(what: &str, asked: &Asked) {
    let holds = word(asked.peak_mib <= MEMORY_MIB_MAX);
    println!("| memory, {what} | | {:.0} MiB | | at most {MEMORY_MIB_MAX} | {holds} |", asked.peak_mib);
}

fn open(dir: &Path) -> Engine<()> {
    let (clock, fold, ports) = (Arc::new(SystemClock), Arc::new(Things), Arc::new(()));
    let (files, dir, book) = (Arc::new(RealFiles), dir.to_owned(), Book::default().with::<Eight>());
    Engine::open(Options { files, dir, clock, fold, book, ports, order: None }).expect("the set opens")
}

fn build(dir: &Path, flows: usize) {
    std::fs::create_dir_all(dir).expect("a directory is made");
    let begun = Instant::now();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime is made");
    runtime.block_on(async {
        let engine = Arc::new(open(dir));
        engine.drive().await.expect("the log takes a job");
        let next = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (engine, next) = (engine.clone(), next.clone());
                tokio::spawn(async move {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= flows {
                            return;
                        }
                        let key = format!("{n:010}");
                        let eight = Eight { key: key.clone(), refused: n % REFUSED_EACH == 0 };
                        engine.run(actor(), &key, eight).await.expect("it runs");
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("a client does not panic");
        }
        Arc::into_inner(engine).expect("nobody else has it").close().await;
    });
    eprintln!("{flows} flows were made in {:.0} s", begun.elapsed().as_secs_f64());
}

/// An answer of a process of its own.
struct Asked {
    value: f64,
    peak_mib: f64,
}

fn asked(what: &str, dir: &Path) -> Asked {
    let exe = std::env::current_exe().expect("a program knows itself");
    let output = Command::new(exe)
        .args(["--child", what, "--set"])
        .arg(dir)
        .stderr(Stdio::inherit())
        .output()
        .expect("a child starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace().map(|word| word.parse().expect("a child says numbers"));
    let mut next = || words.next().unwrap_or_else(|| panic!("`{what}` ended with {}", output.status));
    Asked { value: next(), peak_mib: next() }
}

fn child(what: &str) {
    let dir = PathBuf::from(argument("--set").expect("a set"));
    let value = match what {
        "open" => median((0..OPENED).map(|_| micros(|| open(&dir))).collect()),
        "state" => pages(&dir, &Filter { states: vec![State::Undone], ..Filter::default() }),
        "name" => pages(
            &dir,
            &Filter {
                names: vec![Eight::NAME.to_owned()],
                accounts: vec![actor().account],
                states: vec![State::Done],
                ..Filter::default()
            },
        ),
        // Each hundredth has it, so that a page looks through five thousand.
        "words" => pages(&dir, &Filter { text: "7`".to_owned(), ..Filter::default() }),
        "scan" => per_second(|| scan(&dir).0),
        "verify" => {
            let engine = open(&dir);
            per_second(|| {
                let verified = engine.verify().expect("the log reads");
                assert_eq!(verified.fault, None);
                verified.events
            })
        }
        "rebuild" => {
            let engine = open(&dir);
            per_second(|| {
                let rebuilt = engine.rebuild().expect("the log reads");
                assert_eq!(rebuilt.differing, 0);
                rebuilt.events
            })
        }
        "encoded" => scan(&dir).1 as f64,
        "stored" => stored(&dir) as f64,
        _ => panic!("nothing is known of `{what}`"),
    };
    let status = std::fs::read_to_string("/proc/self/status").expect("a process knows itself");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: f64 = peak.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    println!("{value} {}", kib / 1024.0);
}

fn micros<T>(doing: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    let done = doing();
    let micros = begun.elapsed().as_secs_f64() * 1e6;
    drop(done);
    micros
}

fn per_second(doing: impl FnOnce() -> u64) -> f64 {
    let begun = Instant::now();
    let events = doing();
    events as f64 / begun.elapsed().as_secs_f64()
}

/// Asks for pages, one after another through the set, as somebody who turns them.
fn pages(dir: &Path, filter: &Filter) -> f64 {
    let engine = open(dir);
    let snapshot = engine.snapshot().expect("the log reads");
    let mut after = None;
    let mut ask = || {
        micros(|| {
            let page = snapshot.find(filter, after, PAGE).expect("the log reads");
            assert!(!page.flows.is_empty() || after.is_some(), "there are some");
            after = page.next;
        })
    };
    // The first time pages come from the file.
    for _ in 0..ASKED {
        ask();
    }
    median((0..ASKED).map(|_| ask()).collect())
}

const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
/// What a row of the log has before its records.
const HASH_BYTES: usize = 32;

fn bare(dir: &Path) -> Database {
    let file = RealFiles.open(&dir.join(engine::DATABASE), Open::Write).expect("the log opens");
    Database::builder().create_with_backend(Backend::new(file)).expect("bare redb opens it")
}

/// Whether a record begins here: it is a map, and the checks behind the last record of a row are not.
fn is_record(rest: &[u8]) -> bool {
    rest.first().is_some_and(|byte| byte & 0xf0 == 0x80 || *byte == 0xde)
}

/// Reads and decodes all records: how many, and their bytes.
fn scan(dir: &Path) -> (u64, u64) {
    let db = bare(dir);
    let log = db.begin_read().map(|txn| txn.open_table(LOG)).expect("it reads").expect("it has a log");
    let (mut events, mut bytes) = (0, 0);
    for row in log.iter().expect("it reads") {
        let (_, row) = row.expect("it reads");
        let mut rest = &row.value()[HASH_BYTES..];
        let before = rest.len();
        while is_record(rest) {
            let record: Record = rmp_serde::from_read(&mut rest).expect("it decodes");
            std::hint::black_box(record);
            events += 1;
        }
        bytes += (before - rest.len()) as u64;
    }
    (events, bytes)
}

/// What the log's table takes in the file.
fn stored(dir: &Path) -> u64 {
    let db = bare(dir);
    let log = db.begin_read().map(|txn| txn.open_table(LOG)).expect("it reads").expect("it has a log");
    let stats = log.stats().expect("it reads");
    stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
