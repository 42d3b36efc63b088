//! The same durable work on Kiln and on its peers, in one table.
//!
//! The work: a workflow of five steps, one after another, each of which does nothing and yields some 200 bytes
//! that are on disk before the next begins. So many clients at once; each starts a workflow, waits for its end
//! and starts the next. Each system runs in a process of its own, in turns with the others:
//!
//! | row | what it is |
//! |---|---|
//! | bare redb | group commit on redb as anybody would write it: no engine, no projections, no chain |
//! | Kiln | the engine; steps reach outside, so each waits for the disk |
//! | Kiln, run-ahead | the same with decides, which stay inside: one commit is enough |
//! | DBOS | DBOS for Rust on a PostgreSQL of its own, as Debian packs it |
//! | duroxide | on its SQLite provider, made to sync each commit |
//!
//! Expected on paper: a workflow alone is 6 syncs on Kiln and on bare redb (its start, four steps, the last step
//! with its end), 1 when it runs ahead, and one for each of DBOS's transactions. Kiln's are of a journal, one write
//! each, where bare redb writes its trees, so Kiln may well be the faster of the two alone. At 1,000 the processor
//! is what is short, and Kiln pays for what bare redb lacks: a record is decided, folded and chained, and a task is
//! woken for it; half of the bare bound is the goal.
//!
//! A system that cannot be had or fails says so in its row; there is never a figure that was not measured.
//!
//! `cargo xtask bench peers [--quick] [--rounds N] [--seconds S] [--only NAME] [--clients N] [--dir DIR]`

#![expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]

mod child;
mod load;
mod on_bare;
mod on_dbos;
mod on_duroxide;
mod on_kiln;
mod postgres;
mod syncs;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use child::{Run, System};
use postgres::Postgres;
use table::Table;

/// The allocator of the product, for everybody.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many workflows are under way at once.
pub(crate) const CLIENTS: [usize; 3] = [1, 64, 1000];

/// How long each is measured, and how often.
struct Extent {
    rounds: usize,
    seconds: f64,
    warm_seconds: f64,
    counted_seconds: f64,
}

fn main() {
    if let Some(name) = argument("--child") {
        return child::begin(&name);
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let mut extent = if quick {
        Extent { rounds: 1, seconds: 2.0, warm_seconds: 1.0, counted_seconds: 1.0 }
    } else {
        Extent { rounds: 3, seconds: 5.0, warm_seconds: 2.0, counted_seconds: 3.0 }
    };
    if let Some(rounds) = number("--rounds") {
        extent.rounds = (rounds as usize).max(1);
    }
    if let Some(seconds) = number("--seconds") {
        extent.seconds = seconds;
    }
    let only = argument("--only");
    let systems: Vec<System> = System::ALL
        .into_iter()
        .filter(|system| only.as_deref().is_none_or(|only| only == system.name()))
        .collect();
    let clients: Vec<usize> = match number("--clients") {
        Some(clients) => vec![clients as usize],
        None => CLIENTS.to_vec(),
    };
    let root = root();
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(&root).expect("the bench's directory is made");

    let mut table = Table::default();
    for round in 1..=extent.rounds {
        for &clients in &clients {
            for &system in &systems {
                eprintln!("round {round} of {}: {} at {clients}", extent.rounds, system.title());
                table.add(system, clients, measure(system, clients, &root, &extent));
            }
        }
    }
    for &clients in &clients {
        for &system in &systems {
            eprintln!("counting syncs: {} at {clients}", system.title());
            table.count(system, clients, count(system, clients, &root, &extent));
        }
    }
    let _ = std::fs::remove_dir_all(&root);
    print!("{}", table.text(&systems, &clients));
    if only.is_none() && clients.len() == CLIENTS.len() {
        print!("{}", table.verdict());
    }
}

/// One timed run in a directory of its own.
fn measure(
    system: System,
    clients: usize,
    root: &std::path::Path,
    extent: &Extent,
) -> Result<child::Measured, String> {
    let postgres = if system == System::Dbos { Some(Postgres::start(root, None)?) } else { None };
    let run = Run { system, clients, warm: extent.warm_seconds, seconds: extent.seconds };
    let sampled = postgres.as_ref().map(Postgres::watch_memory);
    let mut measured = child::run(&run, root, postgres.as_ref(), None);
    if let (Ok(measured), Some(sampled)) = (&mut measured, sampled) {
        measured.peak_kib += sampled.peak_kib();
    }
    measured
}

/// One run that is traced, which slows it, so that its syncs are counted and nothing else is.
fn count(system: System, clients: usize, root: &std::path::Path, extent: &Extent) -> Result<f64, String> {
    let trace = syncs::Trace::new(root)?;
    let postgres = match system {
        System::Dbos => Some(Postgres::start(root, Some(&trace))?),
        _ => None,
    };
    let run = Run { system, clients, warm: extent.warm_seconds, seconds: extent.counted_seconds };
    let measured = child::run(&run, root, postgres.as_ref(), Some(&trace))?;
    drop(postgres);
    if measured.workflows == 0 {
        return Err("no workflow ended while they were counted".to_owned());
    }
    Ok(trace.calls_between(measured.begun, measured.ended)? as f64 / measured.workflows as f64)
}

/// The value behind an argument: `--dir /mnt/x`.
pub(crate) fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn number(name: &str) -> Option<f64> {
    argument(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} wants a number, not `{text}`")))
}

/// Where everything of a run lies.
fn root() -> PathBuf {
    let root = argument("--dir").map_or_else(std::env::temp_dir, PathBuf::from);
    root.join(format!("kiln-bench-peers-{}", std::process::id()))
}

/// Longer than any system needs to come up on a machine with other work.
pub(crate) const COME_UP_MAX: Duration = Duration::from_secs(60);
