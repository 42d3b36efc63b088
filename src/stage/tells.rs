//! Records as lines.

use engine::{Ended, FlowRow, Outcome, Snapshot, Started};
use event::{Event as _, Record};

/// A flow's story, a line a record: its path, its kind, and what it says.
pub fn lines(snapshot: &Snapshot, flow: &FlowRow) -> Vec<String> {
    let records = snapshot.records_of(flow).expect("a flow that has a row has its records");
    records.iter().map(line).collect()
}

fn line(record: &Record) -> String {
    let said = if let Ok(started) = record.get::<Started>() {
        started.label
    } else if let Ok(Ended { outcome }) = record.get::<Ended>() {
        match outcome {
            Outcome::Done(_) => "Done".to_owned(),
            Outcome::Undone(turn) => format!("Undone: {}", turn.refusal()),
            Outcome::Abandoned(why) => format!("Abandoned: {why}"),
            Outcome::Continued(next) => format!("goes on as {next}"),
        }
    } else if record.kind.starts_with(FLOW) && !says_more(&record.kind) {
        String::new()
    } else {
        // What holds bytes is no text.
        rmp_serde::from_slice::<serde_json::Value>(&record.payload)
            .map_or_else(|_| String::new(), |value| value.to_string())
    };
    format!("{} {} {said}", record.path, record.kind).trim().to_owned()
}

/// What every flow may have, of which the kind says all that a reader needs, but for what somebody said.
const FLOW: &str = "flow.";

fn says_more(kind: &str) -> bool {
    [engine::Parked::KIND, engine::Refused::KIND, engine::Failed::KIND, engine::Raced::KIND].contains(&kind)
}
