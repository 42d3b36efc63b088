//! The story of an image or of an operation, told from the log in plain words.

use std::collections::BTreeSet;

use engine::{
    CancelRequested, ChildEnded, ChildStarted, Ended, Failed, Outcome, Parked, Patched, Paused, Raced,
    Refused, Released, Resumed, SignalTaken, Signalled, Snapshot, Started as FlowStarted, Superseded, Turn,
    Turned, Which,
};
use event::{Actor, Event, FlowId, Record};

use crate::lookup;
use crate::operator::is_of;
use crate::request::ImageAt;
use crate::view::{Sentence, Story, time_text};
use crate::{Service, Trouble, story_text};

impl Service {
    /// What the log says of an image, also of one that is gone.
    pub(crate) fn image_history(&self, actor: &Actor, at: &ImageAt) -> Result<Story, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let (image_id, records) = match lookup::image(&snapshot, actor, at) {
            Ok(image) => (image.id.0.clone(), snapshot.history(image.id.as_str())?),
            Err(trouble) => {
                let own = |record: &Record| is_of(record, &actor.account);
                let mut records =
                    if at.image.contains('\0') { Vec::new() } else { snapshot.history(&at.image)? };
                records.retain(own);
                if records.is_empty() {
                    return Err(trouble);
                }
                (at.image.clone(), records)
            }
        };
        // The operations it was in have more to tell than the events that name it.
        let flows: BTreeSet<FlowId> = records.iter().map(|record| record.flow).collect();
        let mut all = Vec::new();
        for flow in flows.into_iter().filter_map(|id| snapshot.flow(id)) {
            let mut records = snapshot.records_of(&flow)?;
            // Of another account's operation, a copy of a shared image, it tells what it did here.
            records.retain(|record| is_of(record, &actor.account));
            all.extend(records);
        }
        all.sort_by_key(|record| record.seq);
        Ok(Story { image_id, history: all.iter().map(sentence).collect() })
    }

    /// What an operation did, event by event.
    pub(crate) fn workflow_history(&self, actor: &Actor, id: FlowId) -> Result<Story, Trouble> {
        let flow = self.flow(actor, id)?;
        let snapshot: Snapshot = self.engine.snapshot()?;
        let history = snapshot.records_of(&flow)?.iter().map(sentence).collect();
        let image_id = flow.subjects.first().map(|subject| subject.0.clone()).unwrap_or_default();
        Ok(Story { image_id, history })
    }
}

pub(crate) fn sentence(record: &Record) -> Sentence {
    Sentence {
        time: time_text(record.time_ms),
        event: record.seq.0,
        kind: record.kind.clone(),
        text: text(record),
        workflow_id: record.flow,
    }
}

/// The event in plain words; its kind, if this program has no words for it.
fn text(record: &Record) -> String {
    story_text::text(record).or_else(|| flow_text(record)).unwrap_or_else(|| record.kind.clone())
}

fn read<E: Event>(record: &Record) -> Option<E> {
    E::reads(&record.kind).then(|| record.get().ok()).flatten()
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

fn whom(which: &Which) -> String {
    match which {
        Which::Flow(_) => "it".to_owned(),
        Which::Kind(kind) => format!("all operations of the kind `{kind}`"),
        Which::Background => "what runs in the background".to_owned(),
        Which::All => "all operations".to_owned(),
    }
}

fn flow_text(record: &Record) -> Option<String> {
    let who = |actor: &Actor| format!("account `{}`", actor.account);
    if let Some(event) = read::<FlowStarted>(record) {
        return Some(format!("{} asked to {}", who(&record.actor), event.label));
    }
    if let Some(event) = read::<Refused>(record) {
        return Some(format!("was refused: {}", event.refusal.message));
    }
    if let Some(event) = read::<Failed>(record) {
        return Some(format!("failed: {}", event.refusal.message));
    }
    if let Some(event) = read::<Turned>(record) {
        return Some(match event.cause {
            Turn::Failed(_) => "turned round, to undo what it had begun".to_owned(),
            Turn::Cancelled(_) => "stopped, to undo what it had begun".to_owned(),
            Turn::Unwound(reason) => format!("was made to undo what it had begun: {reason}"),
            Turn::Reset { before, next, by, reason } => {
                let who = who(&by);
                format!(
                    "{who} had it undone from event {before} on, to begin anew as `{next}`{}",
                    because(&reason)
                )
            }
        });
    }
    if let Some(event) = read::<CancelRequested>(record) {
        return Some(format!("{} cancelled it{}", who(&event.by), because(&event.reason)));
    }
    if let Some(event) = read::<Parked>(record) {
        return Some(format!("parked, for a person to look at: {}", event.why));
    }
    if let Some(event) = read::<Released>(record) {
        return Some(format!("{} let it go on: {}", who(&event.by), event.reason));
    }
    if let Some(event) = read::<Paused>(record) {
        let whom = whom(&event.which);
        return Some(format!("{} had {whom} stand still{}", who(&event.by), because(&event.reason)));
    }
    if let Some(event) = read::<Resumed>(record) {
        let whom = whom(&event.which);
        return Some(format!("{} let {whom} go on{}", who(&event.by), because(&event.reason)));
    }
    if let Some(event) = read::<Signalled>(record) {
        return Some(format!("{} told it `{}`", who(&event.by), event.name));
    }
    if let Some(event) = read::<SignalTaken>(record) {
        return Some(format!("took what it was told in event {}", event.signal));
    }
    if let Some(event) = read::<Raced>(record) {
        return Some(format!("line {} of the race was first", event.winner));
    }
    if let Some(event) = read::<ChildStarted>(record) {
        return Some(format!("began `{}`, which goes on beside it", event.child));
    }
    if let Some(event) = read::<ChildEnded>(record) {
        return Some(format!("saw the end of `{}`", event.child));
    }
    if let Some(event) = read::<Patched>(record) {
        return Some(format!("goes the new way of the change `{}`", event.name));
    }
    if let Some(event) = read::<Superseded>(record) {
        return Some(format!("left alone what was no longer its own: {}", event.what));
    }
    if let Some(event) = read::<Ended>(record) {
        return Some(match event.outcome {
            Outcome::Done(_) => "done".to_owned(),
            Outcome::Undone(turn) => format!("ended, with everything undone: {}", turn.refusal().message),
            Outcome::Abandoned(reason) => format!("was given up, leaving things as they are: {reason}"),
            Outcome::Continued(next) => format!("goes on as `{next}`"),
        });
    }
    None
}

/// A size as a person says it.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    // In tenths, rounded, so that no float is needed for what is only read.
    let mut tenths = bytes.saturating_mul(10) / 1024;
    if bytes > u64::MAX / 10 {
        tenths = bytes / 1024 * 10;
    }
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        tenth => format!("{}.{tenth} {}", tenths / 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_the_largest_unit_that_fits() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2 << 30, "2 GiB"), (u64::MAX, "15.9 EiB")]
        {
            assert_eq!(bytes_text(bytes), text);
        }
    }
}
