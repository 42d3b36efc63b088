//! One million finished flows, ten million events: what do opening, a filtered page, `verify`, `rebuild` and the disk
//! cost, and does the log's database stay small meanwhile?
//!
//! The engine writes two sets, of ten thousand flows and of a million, of eight decides each; one flow in a
//! hundred is refused. Beside it the archive takes what the log's database is not to hold, as it does in a house;
//! `--without` leaves that out. Each question is asked by a process of its own, so that memory is its alone. The
//! peer of `verify` and `rebuild` is a bare redb with the same rows, scanned and decoded in the same run; that of an
//! opening after a kill is a bare redb of 256 MiB that was killed.
//!
//! Expected on paper: opening reads rows of open flows, of which there are none; a page reads one block of each list
//! and a row for each flow on it, and the trees are one level deeper. `verify` hashes what it has decoded, at 1 GB/s
//! beside 0.5 GB/s of decoding, and unpacks it at 1 GB/s. A row of 4,000 bytes in a page of 4,096 is 1.03 of what is
//! in it; packed it is a quarter of that or less. The database holds 32 MiB of the log and the rows of the flows that
//! are in it, whatever came before, and so is repaired in less than the time of 256 MiB.
//!
//! `cargo bench -p engine --bench flows -- [--dir DIR] [--flows N] [--quick] [--keep] [--without]`

#![expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]

mod bench_kit;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bench_kit::{Taken, Things, actor, argument, scope};
use engine::{Book, Chore, Engine, Error, Filter, Flow, Halt, Keep, Options, State, SystemClock, Workflow};
use event::{Record, Refusal, Scope, Seq, Subject};
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
/// What a file of this size costs to repair is what an opening after a kill may take.
const REPAIRED_BYTES: u64 = 256 << 20;
/// Time between two looks of who archives.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Flows that are run before the process that runs them kills itself.
const KILLED_AFTER: usize = 2_000;
/// The peer's file beside a set.
const PEER: &str = "peer";

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
    let has = |word: &str| std::env::args().any(|argument| argument == word);
    let many = argument("--flows").map_or(if has("--quick") { MANY / 20 } else { MANY }, |text| {
        text.parse().expect("a number of flows")
    });
    let root = argument("--dir").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let root = root.join("bench-flows");
    let archives = !has("--without");
    let [few_dir, many_dir] = [FEW, many].map(|flows| {
        let dir = root.join(format!("{flows}{}", if archives { "" } else { "-without" }));
        if !dir.join("whole").exists() {
            // Left over from a bench that was killed.
            let _ = std::fs::remove_dir_all(&dir);
            build(&dir, flows, archives);
            std::fs::write(dir.join("whole"), "").expect("the set is marked");
        }
        dir
    });
    let how = if archives { "archived" } else { "without archive" };
    // What the sets have left to write is not to be waited for by whoever asks.
    let synced = Command::new("sync").status().expect("the disk is synced");
    assert!(synced.success(), "the disk is not synced");
    println!(
        "| {many} flows, {} events, {how} | at {FEW} | at {many} | ratio | limit | |",
        many * (DECIDES + 2)
    );
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
    proofs(&many_dir);
    sizes(&many_dir);
    openings(&root, &few_dir, &many_dir);
    if !has("--keep") {
        std::fs::remove_dir_all(root).expect("the bench's directory goes");
    }
}

/// What `verify` and `rebuild` cost beside a bare scan of the same rows.
fn proofs(dir: &Path) {
    asked("peer", dir);
    let scan = asked("scan", dir);
    println!("| bare scan and decode | | {:.0} events/s | | | |", scan.value);
    for (what, limit) in [("verify", VERIFY_MIN), ("rebuild", REBUILD_MIN)] {
        let ours = asked(what, dir);
        let ratio = ours.value / scan.value;
        let verdict = word(ratio >= limit);
        println!("| {what} | | {:.0} events/s | {ratio:.2} | at least {limit} | {verdict} |", ours.value);
        memory(what, &ours);
    }
}

/// What the log and everything takes on the disk.
fn sizes(dir: &Path) {
    let encoded = asked("encoded", dir).value;
    let stored = asked("stored", dir).value;
    let on_disk = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.blocks() * 512);
    let archive = std::fs::read_dir(dir.join(engine::ARCHIVE)).into_iter().flatten().flatten();
    let archive: u64 = archive.map(|file| on_disk(&file.path())).sum();
    let database = on_disk(&dir.join(engine::DATABASE));
    let ended = on_disk(&dir.join(engine::ENDED));
    let all = (archive + database + ended) as f64;
    let rows = [
        ("the log and its archive", stored + archive as f64, Some(LOG_MAX)),
        ("of that, the archive", archive as f64, None),
        ("all files", all, Some(FILE_MAX)),
        ("of that, the database", database as f64, None),
        ("of that, rows of ended flows", ended as f64, None),
    ];
    for (what, bytes, limit) in rows {
        let (mib, ratio) = (bytes / f64::from(1 << 20), bytes / encoded);
        let (limit, verdict) =
            limit.map_or_else(Default::default, |max| (format!("at most {max}"), word(ratio <= max)));
        println!("| {what}, of the encoded records | | {mib:.0} MiB | {ratio:.2} | {limit} | {verdict} |");
    }
    if let Ok(most) = std::fs::read_to_string(dir.join("most")) {
        println!("| the database at its largest while it was written | | {most} MiB | | | |");
    }
}

/// What opening costs after a kill under load.
fn openings(root: &Path, few_dir: &Path, many_dir: &Path) {
    let bare = root.join("bare");
    let _ = std::fs::remove_dir_all(&bare);
    std::fs::create_dir_all(&bare).expect("a directory is made");
    killed("bare-killed", &bare);
    let limit = asked("bare-open", &bare).value / 1e3;
    println!("| opening bare redb of 256 MiB after a kill | | {limit:.1} ms | | | |");
    let [few, many] = [few_dir, many_dir].map(|dir| {
        killed("killed", dir);
        asked("repair", dir).value / 1e3
    });
    let verdict = word(many <= limit);
    println!(
        "| opening after a kill | {few:.1} ms | {many:.1} ms | {:.2} | at most {limit:.1} ms | {verdict} |",
        many / few
    );
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

fn build(dir: &Path, flows: usize, archives: bool) {
    std::fs::create_dir_all(dir).expect("a directory is made");
    let begun = Instant::now();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime is made");
    runtime.block_on(async {
        let engine = Arc::new(open(dir));
        engine.drive().await.expect("the log takes a job");
        let archiving = archives.then(|| tokio::spawn(archive(engine.clone(), dir.to_owned())));
        run(&engine, 0..flows).await;
        if let Some(archiving) = archiving {
            archiving.abort();
            let _ = archiving.await;
            // What is left over its bound goes as it would a moment later.
            while engine.archive(Keep::default()).await.expect("it can be archived").is_some() {}
        }
        Arc::into_inner(engine).expect("nobody else has it").close().await;
    });
    eprintln!("{flows} flows were made in {:.0} s", begun.elapsed().as_secs_f64());
}

/// Runs flows, so many at once as there are clients.
async fn run(engine: &Arc<Engine<()>>, flows: std::ops::Range<usize>) {
    let next = Arc::new(AtomicUsize::new(flows.start));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (engine, next, end) = (engine.clone(), next.clone(), flows.end);
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= end {
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
}

/// Keeps the log's database small, as a house does, and notes how large it ever was.
async fn archive(engine: Arc<Engine<()>>, dir: PathBuf) {
    let (mut most, mut segments, mut rows) = (0, 0, 0);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        loop {
            let file = std::fs::metadata(dir.join(engine::DATABASE)).expect("the log is there");
            let mib = (file.blocks() * 512) >> 20;
            if mib > most {
                most = mib;
                std::fs::write(dir.join("most"), most.to_string()).expect("it is noted");
            }
            match engine.archive(Keep::default()).await.expect("it can be archived") {
                Some(Chore { segment, rows: moved }) => {
                    segments += u64::from(segment.is_some());
                    rows += moved;
                }
                None => break,
            }
            if segments % 100 == 0 {
                eprintln!("{segments} segments, {rows} rows, {mib} MiB in the database");
            }
        }
    }
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

/// Runs a process that kills itself.
fn killed(what: &str, dir: &Path) {
    let exe = std::env::current_exe().expect("a program knows itself");
    let status =
        Command::new(exe).args(["--child", what, "--set"]).arg(dir).status().expect("a child starts");
    assert!(!status.success(), "`{what}` ended in order");
}

/// Writes under load until the process dies.
fn write_and_die(dir: &Path) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime is made");
    runtime.block_on(async {
        let engine = Arc::new(open(dir));
        engine.drive().await.expect("the log takes a job");
        let from = usize::try_from(engine.snapshot().and_then(|log| log.head()).expect("the log reads").0);
        let from = MANY + from.expect("it is an address");
        tokio::join!(run(&engine, from..from + 100 * KILLED_AFTER), async {
            let begun = engine.snapshot().and_then(|log| log.head()).expect("the log reads");
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let now = engine.snapshot().and_then(|log| log.head()).expect("the log reads");
                if now.0 - begun.0 > KILLED_AFTER as u64 {
                    std::process::abort();
                }
            }
        });
    });
}

/// Fills a bare redb, and dies in the middle of it.
fn fill_and_die(dir: &Path) {
    let db = create(&dir.join(engine::DATABASE));
    for commit in 0..u64::MAX {
        let txn = db.begin_write().expect("it writes");
        {
            let mut log = txn.open_table(LOG).expect("it has a log");
            for row in 0..256 {
                log.insert(commit * 256 + row, [7; 4000].as_slice()).expect("it writes");
            }
        }
        if commit * 256 * 4096 > REPAIRED_BYTES {
            std::process::abort();
        }
        txn.commit().expect("it writes");
    }
}

/// The rows of the log in a bare redb, as they lay in one before they were archived.
fn copy_rows(dir: &Path) {
    let (engine, peer) = (open(dir), dir.join(PEER));
    let _ = std::fs::remove_dir_all(&peer);
    std::fs::create_dir_all(&peer).expect("a directory is made");
    let db = create(&peer.join(engine::DATABASE));
    let mut rows: Vec<(u64, Vec<u8>)> = Vec::new();
    let write = |rows: &mut Vec<(u64, Vec<u8>)>| {
        let mut txn = db.begin_write().expect("it writes");
        txn.set_durability(redb::Durability::None).expect("it may be set");
        let mut log = txn.open_table(LOG).expect("it has a log");
        rows.drain(..).for_each(|(first, row)| drop(log.insert(first, row.as_slice()).expect("it writes")));
        drop(log);
        txn.commit().expect("it writes");
    };
    let snapshot = engine.snapshot().expect("the log reads");
    let copied = snapshot.log_rows::<Error>(Seq(1), |first, row| {
        rows.push((first.0, row.to_vec()));
        if rows.len() >= 8192 {
            write(&mut rows);
        }
        Ok(())
    });
    copied.expect("the log reads");
    write(&mut rows);
    let txn = db.begin_write().expect("it writes");
    txn.commit().expect("it writes");
}

fn create(path: &Path) -> Database {
    let file = RealFiles.open(path, Open::Create).expect("a file is made");
    Database::builder().create_with_backend(Backend::new(file)).expect("bare redb begins")
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
        "killed" => return write_and_die(&dir),
        "bare-killed" => return fill_and_die(&dir),
        "repair" => micros(|| open(&dir)),
        "bare-open" => micros(|| bare(&dir)),
        "peer" => micros(|| copy_rows(&dir)),
        "scan" => per_second(|| scan(&dir.join(PEER)).0),
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
        "encoded" => scan(&dir.join(PEER)).1 as f64,
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
