//! The story of any id, in plain words: an image, a snapshot, a disk, an account, a family.

use std::collections::BTreeSet;

use domain::events::{FamilyHeadReturned, FamilyHeadSet, ImageModified, ImageReserved, SharesChanged};
use engine::{CancelRequested, Released, Snapshot, Started};
use event::{Actor, Event, FlowId, Record, Refusal, Seq};

use crate::audit_log::{is_told, last_named};
use crate::past::{Reach, image_then};
use crate::request::ImageAt;
use crate::story::sentence;
use crate::view::{Sentence, time_text};
use crate::view_audit::Told;
use crate::{Service, Trouble};

/// Sentences told: the last of them, if there are more; nobody reads as many.
const SENTENCES_MAX: usize = 10_000;
/// Records looked at together.
const RECORDS_AT_ONCE: usize = 1000;
/// What the name of a family is written after.
const FAMILY: &str = "family:";

impl Service {
    pub(crate) fn told(&self, actor: &Actor, id: &str) -> Result<Told, Trouble> {
        let reach = Reach::of(actor);
        let snapshot = self.engine.snapshot()?;
        if let Some(family) = id.strip_prefix(FAMILY) {
            return told(id, of_family(&snapshot, &reach, family)?);
        }
        if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
            return told(id, of_account(&snapshot, &reach, id)?);
        }
        let at = ImageAt { image: id.to_owned(), region: None };
        let meant = match image_then(&snapshot, actor, &reach, &at) {
            Ok(image) => Some(image.id.0),
            Err(trouble) if trouble.code.ends_with(".Ambiguous") => return Err(trouble),
            Err(_) if is_told(&snapshot, &reach, id)? => Some(id.to_owned()),
            Err(_) => last_named(&snapshot, &reach, id)?,
        };
        let Some(meant) = meant else { return told(id, Tale::default()) };
        told(&meant, of_thing(&snapshot, &reach, &meant)?)
    }
}

/// The last sentences of a story, and whether there were more.
#[derive(Default)]
struct Tale {
    history: Vec<Sentence>,
    more: bool,
}

impl Tale {
    fn add(&mut self, record: &Record, about: bool) {
        if self.history.len() >= SENTENCES_MAX {
            // Half at once, so that each costs little.
            self.history.drain(..SENTENCES_MAX / 2);
            self.more = true;
        }
        let mut told = sentence(record);
        if about && let Some(subject) = record.subjects.first() {
            told.text = format!("`{subject}`: {}", told.text);
        }
        self.history.push(told);
    }
}

impl Tale {
    /// What another did that concerned the account, without whom else it concerned.
    fn add_others(&mut self, record: &Record, account: &str) {
        self.add(record, true);
        let (Ok(changed), Some(told)) = (record.get::<SharesChanged>(), self.history.last_mut()) else {
            return;
        };
        let shared = changed.added.iter().any(|added| added.as_str() == account);
        let until = changed.until_ms.map(|ms| format!(" until {}", time_text(ms))).unwrap_or_default();
        let what = if shared {
            format!("shared with `{account}`{until}")
        } else {
            format!("shared with `{account}` no more")
        };
        told.text = format!("`{}`: {what}", changed.image);
    }
}

fn told(id: &str, tale: Tale) -> Result<Told, Trouble> {
    if tale.history.is_empty() {
        let why = format!("the log tells nothing of `{}`", id.escape_debug());
        let advice = "give an id, the name of an image, the number of an account, or `family:NAME`";
        return Err(Refusal::new("InvalidResourceId.NotFound", why).advise(advice).into());
    }
    Ok(Told { id: id.to_owned(), history: tale.history, whole: !tale.more })
}

/// What the operations told that a thing was in.
fn of_thing(snapshot: &Snapshot, reach: &Reach, id: &str) -> Result<Tale, Trouble> {
    let mut flows: BTreeSet<FlowId> = BTreeSet::new();
    for record in snapshot.history(id)?.iter().filter(|record| reach.sees_record(record)) {
        flows.insert(record.flow);
    }
    let mut all = Vec::new();
    for flow in flows.into_iter().filter_map(|id| snapshot.flow(id)) {
        all.extend(snapshot.records_of(&flow)?.into_iter().filter(|record| reach.sees_record(record)));
    }
    all.sort_by_key(|record| record.seq);
    let mut tale = Tale::default();
    for record in &all {
        tale.add(record, false);
    }
    Ok(tale)
}

/// What an account asked for, and what others did that concerned it.
fn of_account(snapshot: &Snapshot, reach: &Reach, account: &str) -> Result<Tale, Trouble> {
    let asks = [Started::KIND, CancelRequested::KIND, Released::KIND];
    let mut tale = Tale::default();
    each(snapshot, |record| {
        let asked = record.actor.account == account && asks.contains(&record.kind.as_str());
        let concerned = record.subjects.iter().any(|subject| subject.as_str() == account);
        // What was shared with it is its own affair, whoever did it.
        let own = matches!(reach, Reach::Own(own) if own.as_str() == account);
        if !asked && !concerned {
            return;
        }
        if reach.sees_record(record) {
            tale.add(record, concerned);
        } else if own {
            tale.add_others(record, account);
        }
    })?;
    Ok(tale)
}

/// What happened to a family: who came and went, what it was told, how its images fared.
fn of_family(snapshot: &Snapshot, reach: &Reach, family: &str) -> Result<Tale, Trouble> {
    let mut tale = Tale::default();
    let mut members: BTreeSet<String> = BTreeSet::new();
    each(snapshot, |record| {
        if !reach.sees_record(record) {
            return;
        }
        let subject = record.subjects.first().map(|subject| subject.0.clone()).unwrap_or_default();
        let was_in = members.contains(&subject);
        let told = match record.kind.as_str() {
            ImageReserved::KIND => {
                let joins =
                    record.get::<ImageReserved>().is_ok_and(|it| it.family.as_deref() == Some(family));
                joins && members.insert(subject)
            }
            ImageModified::KIND => {
                let to = record.get::<ImageModified>().map(|it| it.to).unwrap_or_default();
                match to.family {
                    Some(to) if to == family => members.insert(subject),
                    Some(_) => members.remove(&subject),
                    None => was_in && to.deprecated.is_some(),
                }
            }
            FamilyHeadSet::KIND => record.get::<FamilyHeadSet>().is_ok_and(|it| it.family == family),
            FamilyHeadReturned::KIND => {
                record.get::<FamilyHeadReturned>().is_ok_and(|it| it.family == family)
            }
            "image.released/1" | "image.deleted/1" => members.remove(&subject),
            "image.sealed/1" | "image.deprecated/1" | "image.restored/1" => was_in,
            _ => false,
        };
        if told {
            tale.add(record, true);
        }
    })?;
    Ok(tale)
}

/// Looks at every record, a thousand in memory.
fn each(snapshot: &Snapshot, mut look: impl FnMut(&Record)) -> Result<(), Trouble> {
    let (head, mut from) = (snapshot.head()?, Some(Seq(1)));
    while let Some(first) = from {
        let page = snapshot.records_where(first, head, RECORDS_AT_ONCE, |_| true)?;
        for record in &page.records {
            look(record);
        }
        from = page.next;
    }
    Ok(())
}
