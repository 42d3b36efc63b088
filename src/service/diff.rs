//! What changed between two moments: the views of both, compared field by field.

use std::collections::BTreeMap;

use event::{Actor, Refusal};
use serde::Serialize;
use serde_json::Value;

use crate::past::{EVERYBODY, Reach, Those};
use crate::view_audit::{Change, Differences, FieldChange};
use crate::when::When;
use crate::{Service, Trouble};

/// Changes told at once, each some hundred bytes: a frame holds them, and a person reads no more.
const CHANGES_MAX: usize = 20_000;

/// Fields that are claims, and how a person says them.
const CLAIMS: [(&str, &str); 2] =
    [("IsFamilyImage", "what its family stands for"), ("IsPublic", "everybody's")];

/// What there was of something: its name, its owner, its fields.
struct Stood {
    name: String,
    owner_id: String,
    fields: Value,
}

/// Everything there was, by what it is and its id.
type All = BTreeMap<(&'static str, String), Stood>;

impl Service {
    pub(crate) fn differences(
        &self,
        actor: &Actor,
        from: When,
        to: When,
        subject: Option<&str>,
    ) -> Result<Differences, Trouble> {
        let reach = Reach::of(actor);
        let snapshot = self.engine.snapshot()?;
        let (from, to) = (self.place(&snapshot, from)?, self.place(&snapshot, to)?);
        if from.seq > to.seq {
            let why =
                format!("the first moment, event {}, lies behind the second, event {}", from.seq, to.seq);
            return Err(Refusal::new("InvalidParameter.Moment", why)
                .advise("name the earlier one first")
                .into());
        }
        let mut replay = self.engine.replay()?;
        replay.advance_to(from.seq)?;
        let before = all(&Those { rows: replay.rows(), reach: &reach, region: None, now_ms: from.time_ms });
        replay.advance_to(to.seq)?;
        let after = all(&Those { rows: replay.rows(), reach: &reach, region: None, now_ms: to.time_ms });
        if let Some(subject) = subject
            && !before.iter().chain(&after).any(|(key, stood)| concerns(key, stood, subject))
        {
            let why = format!("there was no `{}` at either moment", subject.escape_debug());
            return Err(Refusal::new("InvalidResourceId.NotFound", why)
                .advise("leave `--subject` out to see everything that changed")
                .into());
        }
        let mut changes = compare(&before, &after, subject);
        if changes.len() > CHANGES_MAX {
            let why = format!("{} things changed, more than {CHANGES_MAX}", changes.len());
            return Err(Refusal::new("NumberExceed.Changes", why)
                .advise("name two moments that are nearer to each other, or a `--subject`")
                .into());
        }
        changes.sort_by(|a, b| {
            (&a.what, &a.owner_id, &a.name, &a.id).cmp(&(&b.what, &b.owner_id, &b.name, &b.id))
        });
        Ok(Differences {
            from_event: from.seq.0,
            from_time: from.time_text(),
            to_event: to.seq.0,
            to_time: to.time_text(),
            events_folded: to.seq.0,
            changes,
        })
    }
}

fn all(those: &Those<'_>) -> All {
    let mut all = All::new();
    let mut put = |what, id: String, name: String, owner_id: String, mut fields: Value| {
        if let Some(fields) = fields.as_object_mut() {
            // They are things of their own here, and how far a making had come its status tells.
            fields.remove("Shares");
            fields.remove("Progress");
        }
        all.insert((what, id), Stood { name, owner_id, fields });
    };
    for image in those.images() {
        put("image", image.image_id.clone(), image.image_name.clone(), image.owner_id.clone(), json(&image));
    }
    for family in those.families() {
        let name = family.family.image_family.clone();
        let id = format!("{name} in {} of {}", family.family.region_id, family.owner_id);
        put("family", id, name, family.owner_id.clone(), json(&family));
    }
    for share in those.shares() {
        let id = format!("{} {}", share.image_id, share.account_id);
        put("share", id, share.account_id.clone(), share.owner_id.clone(), json(&share));
    }
    for snapshot in those.snapshots() {
        let (id, name) = (snapshot.snapshot_id.clone(), snapshot.snapshot_name.clone());
        put("snapshot", id, name, snapshot.owner_id.clone(), json(&snapshot));
    }
    for disk in those.disks() {
        put("disk", disk.disk_id.clone(), disk.disk_name.clone(), disk.owner_id.clone(), json(&disk));
    }
    all
}

fn json<T: Serialize>(view: &T) -> Value {
    serde_json::to_value(view).unwrap_or_default()
}

fn concerns((_, id): &(&str, String), stood: &Stood, subject: &str) -> bool {
    let named = |field: &str| stood.fields.get(field).and_then(Value::as_str) == Some(subject);
    id == subject
        || stood.name == subject
        || stood.owner_id == subject
        || named("ImageId")
        || named("ImageName")
}

fn compare(before: &All, after: &All, subject: Option<&str>) -> Vec<Change> {
    let mut changes = Vec::new();
    let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
    for key in keys {
        let (was, is) = (before.get(key), after.get(key));
        let told = |stood: &Stood| subject.is_none_or(|subject| concerns(key, stood, subject));
        if !was.into_iter().chain(is).any(told) {
            continue;
        }
        let fields = was.zip(is).map(|(was, is)| differing(&was.fields, &is.fields)).unwrap_or_default();
        let change = match (was, is) {
            (None, _) => "added",
            (_, None) => "removed",
            _ if fields.is_empty() => continue,
            _ => "changed",
        };
        let Some(stood) = is.or(was) else { continue };
        changes.push(Change {
            what: key.0.to_owned(),
            id: key.1.split(' ').next().unwrap_or_default().to_owned(),
            name: stood.name.clone(),
            owner_id: stood.owner_id.clone(),
            change: change.to_owned(),
            text: text(key.0, change, stood, &fields),
            fields,
        });
    }
    changes
}

fn differing(was: &Value, is: &Value) -> Vec<FieldChange> {
    let (Some(was), Some(is)) = (was.as_object(), is.as_object()) else { return Vec::new() };
    let differ = is.iter().filter(|(field, value)| was.get(*field) != Some(value));
    differ
        .map(|(field, value)| FieldChange {
            field: field.clone(),
            from: was.get(field).map(Value::to_string).unwrap_or_default(),
            to: value.to_string(),
        })
        .collect()
}

fn text(what: &str, change: &str, stood: &Stood, fields: &[FieldChange]) -> String {
    let field = |name: &str| stood.fields.get(name).and_then(Value::as_str).unwrap_or_default();
    match (what, change) {
        ("share", "added") if stood.name == EVERYBODY => {
            format!("`{}` became everybody's", field("ImageName"))
        }
        ("share", "removed") if stood.name == EVERYBODY => {
            format!("`{}` is its owner's again", field("ImageName"))
        }
        ("share", "added") => {
            let until = field("UntilTime");
            let until = if until.is_empty() { String::new() } else { format!(" until {until}") };
            format!("`{}` was shared with `{}`{until}", field("ImageName"), stood.name)
        }
        ("share", "removed") => format!("`{}` is shared with `{}` no more", field("ImageName"), stood.name),
        ("family", "added") => format!("the family came to be; it stands for `{}`", field("ImageName")),
        (_, "added") => format!("came to be in `{}`, and is {}", field("RegionId"), field("Status")),
        (_, "removed") => "is gone".to_owned(),
        _ => {
            let said = fields.iter().map(|change| {
                if let Some((_, claim)) = CLAIMS.iter().find(|(field, _)| *field == change.field) {
                    let now = if change.to == "true" { "now" } else { "no more" };
                    return format!("it is {now} {claim}");
                }
                let (from, to) = (plain(&change.from), plain(&change.to));
                format!("its {} went from {from} to {to}", words(&change.field))
            });
            said.collect::<Vec<_>>().join(", ")
        }
    }
}

/// `ImageFamily` as a person says it.
fn words(field: &str) -> String {
    let mut words = String::new();
    for letter in field.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn plain(json: &str) -> String {
    let text = json.trim_matches('"');
    if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_changed_is_said_in_words() {
        let (was, is) = (
            json(&serde_json::json!({"ImageName": "a", "Size": 1})),
            json(&serde_json::json!({"ImageName": "", "Size": 1})),
        );
        let fields = differing(&was, &is);
        let stood = Stood { name: String::new(), owner_id: String::new(), fields: is };
        assert_eq!(text("image", "changed", &stood, &fields), "its image name went from `a` to nothing");
    }
}
