//! How many durable events a second, and how many syncs an operation, beside bare redb?
//!
//! The peer is what anybody would write without an engine: one thread takes every event that waits,
//! writes it as rmp with field names into rows of at most 4,000 bytes in one redb table, commits
//! them as one durable transaction and wakes those who wait. Same redb, same cache, same backend,
//! same records (envelope and payload), the same number of clients as tasks on the same runtime,
//! each of which waits for its event before it brings the next. No projections, no chain, no
//! decides, no replay.
//!
//! Expected on paper: 7 rows of an engine's workflow become 7 records, a flow row, a request row, an
//! open marker (put and removed) and a row for each subject, and each is decided, answered and woken
//! up for, so about a third of what the bare group commit does when the processor is the limit; at 64,
//! far fewer than one sync a workflow; a decide-only operation alone is one commit, which is one sync.
//!
//! `cargo bench -p engine --bench commit -- [--dir DIR] [--seconds S] [--clients N] [--only one|steps|decides]
//! [--threads]`

#![expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]

mod bench_kit;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bench_kit::{
    Counted, EVENTS_OF_FIVE, EVENTS_OF_ONE, FiveDecides, FiveSteps, Happened, OneDecide, actor, argument,
    fresh_dir, open, processor_seconds, scope,
};
use engine::{Engine, State, Workflow};
use event::{Cause, Draft, FlowId, Record, Seq};
use files::{Backend, Files, Open};
use redb::{Database, TableDefinition};
use tokio::sync::oneshot;

const CLIENTS: [usize; 3] = [1, 64, 1000];
const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
/// As in the engine's store.
const CACHE_BYTES: usize = 512 << 20;
const ROW_BYTES_MAX: usize = 4000;

struct Measured {
    operations: u64,
    events: u64,
    syncs: u64,
    seconds: f64,
}

impl Measured {
    fn events_per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    fn syncs_per_operation(&self) -> f64 {
        self.syncs as f64 / self.operations.max(1) as f64
    }
}

fn main() {
    let seconds = argument("--seconds").map_or(3.0, |text| text.parse().expect("a number of seconds"));
    let only = argument("--only").unwrap_or_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime is made");
    println!("| clients | what | operations/s | events/s | syncs/operation | of bare |");
    println!("|---|---|---|---|---|---|");
    let chosen: Option<usize> = argument("--clients").map(|text| text.parse().expect("a number of clients"));
    for clients in CLIENTS.into_iter().filter(|clients| chosen.is_none_or(|chosen| chosen == *clients)) {
        let bare = runtime.block_on(bare(clients, seconds));
        row(clients, "bare redb group commit", &bare, &bare);
        if only.is_empty() || only == "one" {
            let measured = runtime.block_on(driven(clients, seconds, EVENTS_OF_ONE, |key| OneDecide { key }));
            row(clients, "decide-only operation", &measured, &bare);
        }
        if only.is_empty() || only == "steps" {
            let measured =
                runtime.block_on(driven(clients, seconds, EVENTS_OF_FIVE, |key| FiveSteps { key }));
            row(clients, "workflow of 5 steps", &measured, &bare);
        }
        if only.is_empty() || only == "decides" {
            let measured =
                runtime.block_on(driven(clients, seconds, EVENTS_OF_FIVE, |key| FiveDecides { key }));
            row(clients, "operation of 5 decides", &measured, &bare);
        }
    }
}

fn row(clients: usize, what: &str, measured: &Measured, bare: &Measured) {
    println!(
        "| {clients} | {what} | {:.0} | {:.0} | {:.3} | {:.0} % |",
        measured.operations as f64 / measured.seconds,
        measured.events_per_second(),
        measured.syncs_per_operation(),
        100.0 * measured.events_per_second() / bare.events_per_second(),
    );
}

/// Runs clients until the time is over; each does one thing after another.
async fn clients<F: Future<Output = ()> + Send>(
    count: usize,
    seconds: f64,
    syncs: impl Fn() -> u64,
    events_each: u64,
    operate: impl Fn(usize, u64) -> F + Send + Sync + 'static,
) -> Measured {
    let (operate, over, done) =
        (Arc::new(operate), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for client in 0..count {
        let (operate, over, done) = (operate.clone(), over.clone(), done.clone());
        tasks.push(tokio::spawn(async move {
            let mut n = 0;
            while !over.load(Ordering::Relaxed) {
                operate(client, n).await;
                n += 1;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (begun, done_before, syncs_before) = (Instant::now(), done.load(Ordering::Relaxed), syncs());
    let before = processor_seconds();
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let operations = done.load(Ordering::Relaxed) - done_before;
    if std::env::args().any(|argument| argument == "--threads") {
        say_threads(&before, operations);
    }
    let measured = Measured {
        operations,
        events: operations * events_each,
        syncs: syncs() - syncs_before,
        seconds: begun.elapsed().as_secs_f64(),
    };
    over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("a client does not panic");
    }
    measured
}

/// Says what an operation cost of a processor, by threads: what does not depend on who else wants one.
fn say_threads(before: &BTreeMap<String, f64>, operations: u64) {
    for (name, seconds) in processor_seconds() {
        let micros = 1e6 * (seconds - before.get(&name).copied().unwrap_or(0.0));
        eprintln!("{name}: {:.1} µs of a processor for each operation", micros / operations.max(1) as f64);
    }
}

async fn driven<W: Workflow<Ports = ()>>(
    count: usize,
    seconds: f64,
    events_each: u64,
    story: impl Fn(String) -> W + Send + Sync + 'static,
) -> Measured {
    let dir = fresh_dir("commit");
    let counted = Counted::default();
    let engine: Arc<Engine<()>> = Arc::new(open(counted.files(), dir.clone()));
    engine.drive().await.expect("the log takes a job");
    let driven = engine.clone();
    let story = Arc::new(story);
    let measured = clients(
        count,
        seconds,
        move || counted.syncs(),
        events_each,
        move |client, n| {
            let (engine, story) = (driven.clone(), story.clone());
            async move {
                let key = format!("{client}-{n}");
                // As the house's own request ids, which begin with the time.
                let request = format!("{n:010}-{client}");
                let row = engine.run(actor(), &request, story(key)).await.expect("it runs");
                assert_eq!(row.state, State::Done);
            }
        },
    )
    .await;
    if let Some(engine) = Arc::into_inner(engine) {
        engine.close().await;
    }
    std::fs::remove_dir_all(dir).expect("the bench's directory goes");
    measured
}

/// An event on its way, and who waits for it.
type Sent = (Record, oneshot::Sender<()>);

async fn bare(count: usize, seconds: f64) -> Measured {
    let dir = fresh_dir("bare");
    let counted = Counted::default();
    let (sender, receiver) = std::sync::mpsc::channel::<Sent>();
    let thread = std::thread::spawn({
        let (files, dir) = (counted.files(), dir.clone());
        move || bare_committer(&*files, &dir, &receiver)
    });
    let measured = clients(
        count,
        seconds,
        move || counted.syncs(),
        1,
        move |client, n| {
            let sender = sender.clone();
            async move {
                let key = format!("{client}-{n}");
                let draft = Draft::of(&Happened::new(&key));
                let record = Record {
                    seq: Seq(0),
                    time_ms: 1_700_000_000_000,
                    flow: FlowId::derive(1_700_000_000_000, key.as_bytes()),
                    path: "3".into(),
                    kind: draft.kind.to_owned(),
                    scope: scope(),
                    subjects: draft.subjects,
                    actor: actor(),
                    cause: Cause::Request(key),
                    previous: Some(Seq(n)),
                    payload: draft.payload,
                };
                let (durable, is_durable) = oneshot::channel();
                sender.send((record, durable)).expect("the committer runs");
                is_durable.await.expect("the commit succeeds");
            }
        },
    )
    .await;
    thread.join().expect("the committer ends when the clients have");
    std::fs::remove_dir_all(dir).expect("the bench's directory goes");
    measured
}

fn bare_committer(files: &dyn Files, dir: &Path, receiver: &std::sync::mpsc::Receiver<Sent>) {
    let file = files.open(&dir.join("bare.redb"), Open::CreateNew).expect("the file is made");
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let db = builder.create_with_backend(Backend::new(file)).expect("the database is made");
    let mut seq = 0;
    while let Ok(first) = receiver.recv() {
        let mut rows: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut waiting = Vec::new();
        for (mut record, durable) in std::iter::once(first).chain(receiver.try_iter()) {
            seq += 1;
            record.seq = Seq(seq);
            let encoded = rmp_serde::to_vec_named(&record).expect("a record is plain data");
            match rows.last_mut() {
                Some((_, row)) if row.len() + encoded.len() <= ROW_BYTES_MAX => {
                    row.extend_from_slice(&encoded);
                }
                _ => rows.push((seq, encoded)),
            }
            waiting.push(durable);
        }
        let txn = db.begin_write().expect("a transaction begins");
        {
            let mut log = txn.open_table(LOG).expect("the table opens");
            for (first, row) in &rows {
                log.insert(first, row.as_slice()).expect("a row is put");
            }
        }
        txn.commit().expect("the commit succeeds");
        for durable in waiting {
            // A client that has stopped does not mind.
            let _ = durable.send(());
        }
    }
}
