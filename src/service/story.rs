//! The story of an image or of an operation, told from the log in plain words.

use std::collections::BTreeSet;

use domain::events as told;
use domain::port::Target;
use engine::{
    CancelRequested, Ended, Failed, Outcome, Parked, Refused, Released, Snapshot, Started as FlowStarted,
    Superseded, Turn, Turned,
};
use event::{Actor, Event, FlowId, Record};

use crate::lookup;
use crate::request::ImageAt;
use crate::view::{Sentence, Story, format_word, time_text};
use crate::{Service, Trouble};

impl Service {
    /// What the log says of an image, also of one that is gone.
    pub(crate) fn image_history(&self, actor: &Actor, at: &ImageAt) -> Result<Story, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let (image_id, records) = match lookup::image(&snapshot, actor, at) {
            Ok(image) => (image.id.0.clone(), snapshot.history(image.id.as_str())?),
            Err(trouble) => {
                let own = |record: &Record| record.actor.account == actor.account;
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
            all.extend(snapshot.records_of(&flow)?);
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

fn sentence(record: &Record) -> Sentence {
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
    image_text(record).or_else(|| flow_text(record)).unwrap_or_else(|| record.kind.clone())
}

fn read<E: Event>(record: &Record) -> Option<E> {
    E::reads(&record.kind).then(|| record.get().ok()).flatten()
}

fn image_text(record: &Record) -> Option<String> {
    if let Some(event) = read::<told::SourceInspected>(record) {
        let source = event.source;
        let (format, size) = (format_word(source.format), bytes_text(source.disk_bytes));
        return Some(format!("looked at `{}`: a {format} disk of {size}", source.at));
    }
    if let Some(event) = read::<told::ImageReserved>(record) {
        let family = event.family.map(|family| format!(" in the family `{family}`")).unwrap_or_default();
        return Some(format!("took the name `{}`{family} in `{}`", event.name, event.region));
    }
    if let Some(event) = read::<told::DataTransferred>(record) {
        let data = event.data;
        let (data_bytes, stored) = (bytes_text(data.data_bytes), bytes_text(data.stored_bytes));
        return Some(format!(
            "read the disk: {data_bytes} of data in {} chunks, {stored} new in the store",
            data.chunks
        ));
    }
    if let Some(event) = read::<told::DataVerified>(record) {
        let root = event.root.to_string();
        return Some(format!("read all {} chunks back: the content is `{}…`", event.chunks, &root[..16]));
    }
    if let Some(event) = read::<told::ImageModified>(record) {
        return Some(format!("changed {}", changes(&event)));
    }
    if let Some(event) = read::<told::ExportBegun>(record) {
        return Some(format!("began to export to {}", target_text(&event.target)));
    }
    if let Some(event) = read::<told::ExportWritten>(record) {
        return Some(format!("wrote `{}`, a disk of {}", event.path, bytes_text(event.disk_bytes)));
    }
    if let Some(event) = read::<told::ChunksCollected>(record) {
        let freed = bytes_text(event.collected.freed_bytes);
        return Some(format!("collected in `{}`: {freed} given back", event.region));
    }
    let plain = match record.kind.as_str() {
        told::ImageReleased::KIND => "gave its name back; the image never came to be",
        told::DataDiscarded::KIND => "gave back the space it had taken",
        told::ImageSealed::KIND => "became Available",
        told::DataSettled::KIND => "its chunks serve the whole account from now on",
        told::ImageDeprecated::KIND => "was deprecated",
        told::ImageRestored::KIND => "was restored, and is Available again",
        told::ImageDeleted::KIND => "was deleted",
        told::ExportWithdrawn::KIND => "let go of the export that did not come to its end",
        told::ExportDiscarded::KIND => "removed what the export had written",
        told::ExportEnded::KIND => "finished the export",
        _ => return None,
    };
    Some(plain.to_owned())
}

fn changes(event: &told::ImageModified) -> String {
    let mut parts = Vec::new();
    let mut note = |what: &str, from: &Option<String>, to: &Option<String>| {
        let Some(to) = to else { return };
        let shown = |text: &str| if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") };
        let from = from.as_deref().map(shown).unwrap_or_default();
        parts.push(format!("the {what} from {from} to {}", shown(to)));
    };
    note("name", &event.from.name, &event.to.name);
    note("description", &event.from.description, &event.to.description);
    note("family", &event.from.family, &event.to.family);
    for (key, value) in &event.to.tags {
        parts.push(match value {
            Some(value) => format!("the tag `{key}` to `{value}`"),
            None => format!("the tag `{key}` to nothing"),
        });
    }
    if parts.is_empty() { "nothing: it was so already".to_owned() } else { parts.join(", ") }
}

fn target_text(target: &Target) -> String {
    format!("`{}` as {}", target.at, format_word(target.format))
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
        });
    }
    if let Some(event) = read::<CancelRequested>(record) {
        let why = if event.reason.is_empty() { String::new() } else { format!(": {}", event.reason) };
        return Some(format!("{} cancelled it{why}", who(&event.by)));
    }
    if let Some(event) = read::<Parked>(record) {
        return Some(format!("parked, for a person to look at: {}", event.why));
    }
    if let Some(event) = read::<Released>(record) {
        return Some(format!("{} let it go on: {}", who(&event.by), event.reason));
    }
    if let Some(event) = read::<Superseded>(record) {
        return Some(format!("left alone what was no longer its own: {}", event.what));
    }
    if let Some(event) = read::<Ended>(record) {
        return Some(match event.outcome {
            Outcome::Done(_) => "done".to_owned(),
            Outcome::Undone(turn) => format!("ended, with everything undone: {}", turn.refusal().message),
            Outcome::Abandoned(reason) => format!("was given up, leaving things as they are: {reason}"),
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
