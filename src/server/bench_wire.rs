//! What does the server cost beside a bare handler, when 64 clients ask it about a million images?
//!
//! ```text
//!  64 connections ──▶ `kiln serve` over the set of bench `million`     in turns, on one machine
//!  of one process └─▶ axum, which verifies the same signature and answers bytes it has
//! ```
//!
//! The clients sign in the newer style, before the time begins to count, and keep their connections. They ask with
//! the keys of 512 accounts, each for its own images by chance. Nothing is throttled. A turn of each (bare, reads
//! by id, pages, nine reads to a `CreateImage`) follows the other several times; the median counts. Beside the time,
//! what the kernel says a server's process took of the processors is divided by the answers: that figure does not
//! mind the clients, which share the two cores, nor what else the machine does. As in bench `million`, a server is
//! measured that has been running, and what creations still cause is waited for.
//!
//! Expected on paper, before the first run: the bare handler is hyper, 700 bytes of head to read and two SHA-256
//! over them, 25 µs; a description is those, 25 µs in the service, a look at the key and at the regions with a
//! snapshot each (10 µs) and an answer of a kilobyte and a half (10 µs): 70 µs, a third. Half is 50 µs.
//!
//! | asked for | limit |
//! |---|---|
//! | descriptions per second | half of the bare handler's answers per second |
//!
//! The set is made beside that of bench `million` by the same code: 6 GB, which stay for the next run. Each run asks a
//! copy of it, for it creates images: what ten runs had left behind was a third of what a description costs.
//!
//! `cargo bench -p server --bench wire -- [--dir DIR] [--fresh] [--turns N] [--only describe|page|mixed]`; one kind
//! alone is what a profiler wants to see.

#[path = "bench_wire_ask.rs"]
mod ask;
#[path = "bench_wire_load.rs"]
mod load;
#[path = "bench_wire_serve.rs"]
mod serve;
#[expect(dead_code, reason = "bench `million` asks more of it")]
#[path = "../service/bench_million_set.rs"]
mod set;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ask::{Asking, Kind};
use load::Turn;

/// As in `kiln`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns of each where nobody says.
const TURNS: usize = 5;
/// Requests of a client in a turn: some seconds for each of them.
const TIMES: usize = 1000;
/// Of a page that takes milliseconds, so many.
const TIMES_PAGE: usize = 50;
/// Requests of a client that are not counted.
const WARM_TIMES: usize = 200;
/// Rounds of warming at most.
const WARM_ROUNDS: usize = 60;
/// A round in which memory grew by less than this part of it was the last one.
const WARM_GROWTH: u64 = 200;
/// A server that takes less than a hundredth of a second of the processor in this time has nothing to do.
const SETTLE: Duration = Duration::from_millis(100);
/// How often that is looked at.
const SETTLE_TRIES: usize = 100;
/// What reads reach of the bare handler, at least.
const RATIO_MIN: f64 = 0.5;

fn main() {
    let root = argument("--dir")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-wire"), PathBuf::from);
    match argument("--child").as_deref() {
        Some("prepare") => return serve::prepare(&root),
        Some("kiln") => return serve::kiln(&root),
        Some("bare") => return serve::bare(&root),
        _ => {}
    }
    if std::env::args().any(|argument| argument == "--fresh") {
        // There is nothing to remove the first time.
        let _ = std::fs::remove_dir_all(&root);
    }
    let prepared = child(&root, "prepare").status().expect("a child starts");
    assert!(prepared.success(), "the set was not made");
    serve::renew(&root);
    let turns = argument("--turns").map_or(TURNS, |turns| turns.parse().expect("a count"));
    measure(&root, turns);
}

/// The value behind an argument: `--dir /mnt/x`.
fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

fn child(root: &Path, what: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a program knows itself"));
    command.arg("--dir").arg(root).args(["--child", what]);
    command
}

/// A server in a process of its own, ended with this.
struct Serving {
    process: Child,
    at: std::net::SocketAddr,
}

impl Serving {
    fn start(root: &Path, what: &str) -> Self {
        let mut process = child(root, what).stdout(Stdio::piped()).spawn().expect("a child starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it says where it listens");
        Self { process, at: line.trim().parse().expect("an address") }
    }

    /// Time it had of the processors so far, in microseconds.
    fn processor_us(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields[field].parse::<u64>().expect("a count");
        // In hundredths of a second, whatever the kernel's own clock is.
        (ticks(11) + ticks(12)) * 10_000
    }

    /// Asks until its memory has stopped growing: a cache that fills pays the kernel for each of its pages.
    fn warm(&self, ask: impl Fn()) {
        for _ in 0..WARM_ROUNDS {
            let before = self.memory_kib();
            ask();
            if self.memory_kib() - before < before / WARM_GROWTH {
                return;
            }
        }
    }

    fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        peak.trim().trim_end_matches(" kB").parse().expect("a count")
    }

    /// Waits until it has nothing to do.
    fn settle(&self) {
        for _ in 0..SETTLE_TRIES {
            let before = self.processor_us();
            std::thread::sleep(SETTLE);
            if self.processor_us() == before {
                return;
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the turns of one kind gave.
#[derive(Default)]
struct Found {
    per_second: Vec<f64>,
    processor_us: Vec<f64>,
    half_us: Vec<f64>,
    slow_us: Vec<f64>,
}

impl Found {
    fn add(&mut self, turn: &Turn, processor_us: u64) {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of some seconds")]
        self.processor_us.push(processor_us as f64 / turn.times_us.len() as f64);
        self.per_second.push(turn.per_second());
        self.half_us.push(turn.percentile(50));
        self.slow_us.push(turn.percentile(99));
    }
}

fn measure(root: &Path, turns: usize) {
    let asking = Asking::read(root);
    let kiln = Serving::start(root, "kiln");
    // The bare handler answers what a description really is.
    let example = load::run(kiln.at, asking.requests(kiln.at, Kind::Describe, 1));
    std::fs::write(root.join(serve::EXAMPLE), &example.example).expect("the bench's directory takes a file");
    let bare = Serving::start(root, "bare");
    let rows = [
        ("bare axum handler, signature verified", &bare, Kind::Describe, TIMES),
        ("DescribeImages by id", &kiln, Kind::Describe, TIMES),
        ("DescribeImages, a page of ten of 1,000", &kiln, Kind::Page, TIMES_PAGE),
        ("nine of them to a CreateImage", &kiln, Kind::Mixed, TIMES),
    ];
    let only = argument("--only");
    let is_wanted = |kind: Kind| only.as_deref().is_none_or(|only| kind.name() == only);
    let (bare_row, kinds) = rows.split_first().expect("there are some");
    let kinds = kinds.iter().filter(|(_, _, kind, _)| is_wanted(*kind));
    let rows: Vec<_> = std::iter::once(bare_row).chain(kinds).collect();
    for &&(_, server, kind, times) in &rows {
        load::run(server.at, asking.requests(server.at, kind, WARM_TIMES.min(times)));
    }
    kiln.warm(|| _ = load::run(kiln.at, asking.requests(kiln.at, Kind::Describe, WARM_TIMES)));
    let mut found: Vec<Found> = rows.iter().map(|_| Found::default()).collect();
    for _ in 0..turns {
        for (&&(_, server, kind, times), found) in rows.iter().zip(&mut found) {
            let requests = asking.requests(server.at, kind, times);
            // What images that were created still cause belongs to nobody's turn but theirs.
            kiln.settle();
            let before = server.processor_us();
            let turn = load::run(server.at, requests);
            found.add(&turn, server.processor_us() - before);
        }
    }
    println!("| asked for | answers/s | of bare | p50 ms | p99 ms | processor µs an answer |");
    println!("|---|---|---|---|---|---|");
    let bare = median(&found[0].per_second);
    for ((what, ..), found) in rows.iter().zip(&found) {
        let per_second = median(&found.per_second);
        println!(
            "| {what} | {per_second:.0} | {:.2} | {:.2} | {:.2} | {:.0} |",
            per_second / bare,
            median(&found.half_us) / 1e3,
            median(&found.slow_us) / 1e3,
            median(&found.processor_us)
        );
    }
    let ratio = median(&found[1].per_second) / bare;
    let verdict = if ratio >= RATIO_MIN { "reached" } else { "MISSED" };
    println!("\nReads reach {ratio:.2} of the bare handler; limit {RATIO_MIN}: {verdict}.");
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
