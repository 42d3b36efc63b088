//! What anybody would write without an engine, as the bound: one thread takes every record that waits, writes it
//! as rmp with field names into rows of at most 4,000 bytes of one redb table, commits them as one durable
//! transaction and wakes those who wait.
//!
//! Same redb, cache, records and points at which somebody waits: a start, four steps, the fifth step with the
//! end. No projections, no chain, no decides, no replay.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use engine::{Class, Ended, Outcome, Started};
use event::{Cause, Draft, FlowId, Record, Seq};
use files::{Backend, Files as _, Open, RealFiles};
use redb::{Database, TableDefinition};
use tokio::sync::oneshot;

use crate::child::{Measured, Run};
use crate::load;
use crate::on_kiln::{Happened, actor, scope};

const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");
/// As in the engine's store.
const CACHE_BYTES: usize = 512 << 20;
const ROW_BYTES_MAX: usize = 4000;

/// Records on their way, and who waits for them.
struct Sent {
    records: Vec<Record>,
    durable: oneshot::Sender<()>,
}

pub(crate) async fn run(run: &Run, dir: &Path) -> Result<Measured, String> {
    let (sender, receiver) = channel();
    let file = RealFiles.open(&dir.join("bare.redb"), Open::CreateNew).map_err(|error| error.to_string())?;
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let db = builder.create_with_backend(Backend::new(file)).map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        if let Err(error) = commit_all(&db, &receiver) {
            eprintln!("the bare committer stopped: {error}");
        }
    });
    load::run(run, move |name| {
        let sender = sender.clone();
        async move { workflow(&sender, &name).await }
    })
    .await
}

async fn workflow(sender: &Sender<Sent>, name: &str) -> Result<(), String> {
    let time_ms = 1_700_000_000_000;
    let flow = FlowId::derive(time_ms, name.as_bytes());
    let record = |path: &str, draft: Draft| Record {
        seq: Seq(0),
        time_ms,
        flow,
        path: path.into(),
        kind: draft.kind.to_owned(),
        scope: scope(),
        subjects: draft.subjects,
        actor: actor(),
        cause: Cause::Request(name.to_owned()),
        previous: Some(Seq(1)),
        payload: draft.payload,
    };
    let started = Started {
        name: "do-five".to_owned(),
        version: 1,
        label: "five steps".to_owned(),
        input: vec![0x80],
        subjects: Vec::new(),
        class: Class::Person,
        takes_up: None,
    };
    durable(sender, vec![record("", Draft::of(&started))]).await?;
    for step in ["1", "2", "3", "4"] {
        durable(sender, vec![record(step, Draft::of(&Happened::new()))]).await?;
    }
    let ended = Ended { outcome: Outcome::Done(vec![0xc0]) };
    durable(sender, vec![record("5", Draft::of(&Happened::new())), record("", Draft::of(&ended))]).await
}

async fn durable(sender: &Sender<Sent>, records: Vec<Record>) -> Result<(), String> {
    let (durable, is_durable) = oneshot::channel();
    sender.send(Sent { records, durable }).map_err(|_| "the committer has stopped".to_owned())?;
    is_durable.await.map_err(|_| "the committer has stopped".to_owned())
}

fn commit_all(db: &Database, receiver: &Receiver<Sent>) -> Result<(), redb::Error> {
    let mut seq = 0;
    while let Ok(first) = receiver.recv() {
        let mut rows: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut waiting = Vec::new();
        for Sent { records, durable } in std::iter::once(first).chain(receiver.try_iter()) {
            for mut record in records {
                seq += 1;
                record.seq = Seq(seq);
                let encoded = rmp_serde::to_vec_named(&record).expect("a record is plain data");
                match rows.last_mut() {
                    Some((_, row)) if row.len() + encoded.len() <= ROW_BYTES_MAX => {
                        row.extend_from_slice(&encoded)
                    }
                    _ => rows.push((seq, encoded)),
                }
            }
            waiting.push(durable);
        }
        let txn = db.begin_write()?;
        {
            let mut log = txn.open_table(LOG)?;
            for (first, row) in &rows {
                log.insert(first, row.as_slice())?;
            }
        }
        txn.commit()?;
        for durable in waiting {
            // A client that has stopped does not mind.
            let _ = durable.send(());
        }
    }
    Ok(())
}
