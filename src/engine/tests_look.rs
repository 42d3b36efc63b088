//! What the engine's tests look at and ask for in a word: stories as lines, waiting, scripts.

use event::{FlowId, Record};

use event::Event as _;

use crate::tests_kit::{Given, Made, Noted, Op, Taken, Unmade, World};
use crate::{CancelRequested, Engine, Error, FlowRow, State};

pub(crate) fn story(engine: &Engine<World>, id: FlowId) -> Vec<String> {
    let snapshot = engine.snapshot().expect("the log reads");
    let row = snapshot.flow(id).expect("the flow is there");
    let records = snapshot.records_of(&row).expect("its records are there");
    records.iter().map(line).collect()
}

/// `path kind`, with what tells one record of that kind from another.
fn line(record: &Record) -> String {
    let said = match &*record.kind {
        Taken::KIND => record.get::<Taken>().map(|event| event.name),
        Given::KIND => record.get::<Given>().map(|event| event.name),
        Noted::KIND => record.get::<Noted>().map(|event| event.text),
        Made::KIND => record.get::<Made>().map(|event| event.key),
        Unmade::KIND => record.get::<Unmade>().map(|event| event.key),
        CancelRequested::KIND => record.get::<CancelRequested>().map(|event| event.reason),
        _ => Ok(String::new()),
    };
    let said = said.expect("the payload decodes");
    format!("{} {} {said}", record.path, record.kind).trim().to_owned()
}

pub(crate) fn is_stopped(error: &Error) -> bool {
    matches!(error, Error::Stopped { .. })
}

pub(crate) fn make(key: &str) -> Op {
    Op::Make(key.to_owned())
}

pub(crate) fn take_op(name: &str) -> Op {
    Op::Take(name.to_owned())
}

pub(crate) fn note_op(text: &str) -> Op {
    Op::Note(text.to_owned())
}

pub(crate) fn parked(row: &FlowRow) -> &str {
    assert_eq!(row.state, State::Parked, "{row:?}");
    row.parked.as_deref().expect("a parked flow says why")
}

/// Waits until everything submitted so far is on disk.
pub(crate) async fn settle(engine: &Engine<World>) {
    let ticket = engine.shared.queue.submit(Box::new(|_| {}));
    engine.shared.queue.durable(ticket).await.unwrap();
}

/// Holds the committer in the middle of a commit until what is returned is dropped.
pub(crate) async fn hold_committer(engine: &Engine<World>) -> std::sync::mpsc::Sender<()> {
    let (hold, until) = std::sync::mpsc::channel::<()>();
    let (taken, is_taken) = tokio::sync::oneshot::channel();
    engine.shared.queue.submit(Box::new(move |_| {
        let _ = taken.send(());
        // Ends when the other side is dropped.
        let _ = until.recv();
    }));
    is_taken.await.expect("the committer takes it");
    hold
}
