//! The log, filtered and page by page: a page holds the lines it has and one row of the log, however
//! long the log is.

use std::collections::{BTreeMap, VecDeque};

use domain::access::KEY_PREFIX;
use domain::events::{
    DiskModified, DiskReserved, ImageModified, ImageReserved, SnapshotModified, SnapshotReserved,
};
use domain::image::{ACCOUNTS, house};
use engine::Snapshot;
use event::{Actor, Event, Record, Refusal, Seq};

use crate::identity::principal_of;
use crate::past::{Reach, image_then};
use crate::request::ImageAt;
use crate::request_audit::LogAsked;
use crate::view::{LogLine, LogPage, time_text};
use crate::{Service, Trouble, payload};

/// Lines answered at once: some megabytes at most; a reader asks again from where it stopped.
const LINES_MAX: u32 = 1000;
/// Records looked at together on the way back: they are read forwards, and turned round in memory.
const BACKWARDS_RECORDS: u64 = 1024;
/// What ids of things begin with whose records are few: all that is ever done to one image,
/// snapshot or disk. An account may have as many as the log.
const THINGS: [&str; 5] = ["m-", "s-", "d-", "t-", KEY_PREFIX];

/// What makes a record one that is asked for.
struct Filter<'a> {
    asked: &'a LogAsked,
    reach: Reach,
    subject: Option<String>,
    since_ms: i64,
    until_ms: i64,
}

impl Filter<'_> {
    fn wants(&self, record: &Record) -> bool {
        let asked = self.asked;
        (self.since_ms..=self.until_ms).contains(&record.time_ms)
            && asked.by.as_ref().is_none_or(|by| record.actor.account == *by)
            && asked.owner.as_ref().is_none_or(|owner| place_of(record).0 == Some(owner.as_str()))
            && asked.in_region.as_ref().is_none_or(|region| place_of(record).1 == Some(region.as_str()))
            && asked.workflow.is_none_or(|workflow| record.flow == workflow)
            && self.subject.as_ref().is_none_or(|subject| concerns(record, subject))
            && asked.kind.as_ref().is_none_or(|kind| fits(kind, &record.kind))
            && self.reach.sees_record(record)
    }
}

impl Service {
    pub(crate) fn log(&self, actor: &Actor, asked: &LogAsked) -> Result<LogPage, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let reach = Reach::of(actor);
        let subject = match &asked.subject {
            Some(subject) => Some(meant(&snapshot, actor, &reach, subject, asked)?),
            None => None,
        };
        if let (Some(by), Reach::All) = (&asked.by, &reach)
            && (by.contains('\0') || ACCOUNTS.get(&snapshot, &house(), &[by]).is_none())
        {
            let why = format!("there is no account `{}`", by.escape_debug());
            return Err(Refusal::new("InvalidAccount.NotFound", why)
                .advise("`kiln account list` shows those there are")
                .into());
        }
        let now_ms = self.clock.now_ms();
        let filter = Filter {
            asked,
            since_ms: asked.since.map_or(i64::MIN, |since| since.span_ms(now_ms).0),
            until_ms: asked.until.map_or(i64::MAX, |until| until.span_ms(now_ms).1),
            reach,
            subject,
        };
        let head = snapshot.head()?;
        let (low, high) = filter.bounds(&snapshot, head)?;
        let count = usize::try_from(asked.count.clamp(1, LINES_MAX)).unwrap_or(usize::MAX);
        let (records, next) = match filter.few(&snapshot)? {
            Some(few) => page_of(few, &filter, (low, high), count),
            None if asked.reverse => backwards(&snapshot, &filter, (low, high), count)?,
            None => {
                let page = snapshot.records_where(low, high, count, |record| filter.wants(record))?;
                (page.records, page.next)
            }
        };
        // Few keys ask for much: each is looked up once.
        let mut principals = BTreeMap::new();
        for record in &records {
            let key = &record.actor.key;
            if !key.is_empty() && !principals.contains_key(key) {
                principals.insert(key.clone(), principal_of(&snapshot, key)?);
            }
        }
        let principal = |record: &Record| principals.get(&record.actor.key).cloned().unwrap_or_default();
        let log = records.iter().map(|record| line(record, principal(record))).collect();
        Ok(LogPage { log, head: head.0, next: next.map(|next| next.0) })
    }
}

/// The id that was meant: that of a thing, now or ever; or of the image that has or had the name.
fn meant(
    snapshot: &Snapshot,
    actor: &Actor,
    reach: &Reach,
    subject: &str,
    asked: &LogAsked,
) -> Result<String, Trouble> {
    let at = ImageAt { image: subject.to_owned(), region: asked.region.clone() };
    let absent = match image_then(snapshot, actor, reach, &at) {
        Ok(image) => return Ok(image.id.0),
        Err(trouble) if trouble.code.ends_with(".Ambiguous") => return Err(trouble),
        Err(trouble) => trouble,
    };
    if is_told(snapshot, reach, subject)? {
        return Ok(subject.to_owned());
    }
    let named = last_named(snapshot, reach, subject)?;
    named.ok_or_else(|| absent.advise("`kiln audit log` without `--subject` shows everything"))
}

/// Whether the log tells whoever asks anything of an id.
pub(crate) fn is_told(snapshot: &Snapshot, reach: &Reach, id: &str) -> Result<bool, Trouble> {
    if id.contains('\0') {
        return Ok(false);
    }
    if THINGS.iter().any(|prefix| id.starts_with(prefix)) {
        return Ok(snapshot.history(id)?.iter().any(|record| reach.sees_record(record)));
    }
    let wanted = |record: &Record| concerns(record, id) && reach.sees_record(record);
    Ok(!snapshot.records_where(Seq(1), snapshot.head()?, 1, wanted)?.records.is_empty())
}

/// The last thing that was given a name, of those that are gone.
pub(crate) fn last_named(snapshot: &Snapshot, reach: &Reach, name: &str) -> Result<Option<String>, Trouble> {
    let (mut found, mut from) = (None, Seq(1));
    let head = snapshot.head()?;
    loop {
        let wanted = |record: &Record| reach.sees_record(record) && named(record).as_deref() == Some(name);
        let page = snapshot.records_where(from, head, LINES_MAX as usize, wanted)?;
        if let Some(record) = page.records.last() {
            found = record.subjects.first().map(|subject| subject.0.clone());
        }
        let Some(next) = page.next else { return Ok(found) };
        from = next;
    }
}

/// The name that an event gives to what it is about.
fn named(record: &Record) -> Option<String> {
    let name = match record.kind.as_str() {
        ImageReserved::KIND => record.get::<ImageReserved>().ok()?.name,
        ImageModified::KIND => record.get::<ImageModified>().ok()?.to.name?,
        SnapshotReserved::KIND => record.get::<SnapshotReserved>().ok()?.name,
        DiskModified::KIND => record.get::<DiskModified>().ok()?.name?,
        SnapshotModified::KIND => record.get::<SnapshotModified>().ok()?.name?,
        DiskReserved::KIND => record.get::<DiskReserved>().ok()?.name,
        _ => return None,
    };
    Some(name)
}

impl Filter<'_> {
    /// The first and the last event that may be wanted.
    fn bounds(&self, snapshot: &Snapshot, head: Seq) -> Result<(Seq, Seq), Trouble> {
        let mut low = if self.since_ms == i64::MIN {
            Seq(1)
        } else {
            snapshot.seq_at(self.since_ms.saturating_sub(1))?.next()
        };
        let mut high = if self.until_ms == i64::MAX { head } else { snapshot.seq_at(self.until_ms)? };
        high = high.min(self.asked.through.map_or(high, Seq));
        match self.asked.from.map(Seq) {
            Some(from) if self.asked.reverse => high = high.min(from),
            Some(from) => low = low.max(from),
            None => {}
        }
        Ok((low, high))
    }

    /// The records of what has few, by the index there is for it.
    fn few(&self, snapshot: &Snapshot) -> Result<Option<Vec<Record>>, Trouble> {
        if let Some(id) = self.asked.workflow {
            let flow = snapshot.flow(id).ok_or(engine::Error::NoFlow(id))?;
            let records = snapshot.records_of(&flow)?;
            // To anyone who may not see an operation, it is not there.
            if !records.iter().any(|record| self.reach.sees_record(record)) {
                return Err(engine::Error::NoFlow(id).into());
            }
            return Ok(Some(records));
        }
        let thing = |subject: &&String| THINGS.iter().any(|prefix| subject.starts_with(prefix));
        match self.subject.as_ref().filter(thing) {
            Some(subject) => Ok(Some(snapshot.history(subject)?)),
            None => Ok(None),
        }
    }
}

/// One page of records that are all at hand, oldest first.
fn page_of(
    mut records: Vec<Record>,
    filter: &Filter<'_>,
    (low, high): (Seq, Seq),
    count: usize,
) -> (Vec<Record>, Option<Seq>) {
    records.retain(|record| (low..=high).contains(&record.seq) && filter.wants(record));
    if filter.asked.reverse {
        records.reverse();
    }
    let next = records.get(count).map(|record| record.seq);
    records.truncate(count);
    (records, next)
}

/// One page, newest first; and where to look on.
fn backwards(
    snapshot: &Snapshot,
    filter: &Filter<'_>,
    (low, high): (Seq, Seq),
    count: usize,
) -> Result<(Vec<Record>, Option<Seq>), Trouble> {
    let mut found = Vec::new();
    let mut last = high;
    while last >= low && last.0 > 0 {
        let first = Seq(last.0.saturating_sub(BACKWARDS_RECORDS - 1)).max(low).max(Seq(1));
        let page = snapshot.records_where(first, last, usize::MAX, |record| filter.wants(record))?;
        let mut records = VecDeque::from(page.records);
        while let Some(record) = records.pop_back() {
            let next = Seq(record.seq.0 - 1);
            found.push(record);
            if found.len() >= count {
                return Ok((found, (next >= low && next.0 > 0).then_some(next)));
            }
        }
        last = Seq(first.0 - 1);
    }
    Ok((found, None))
}

/// The account and the region a record was decided in, if it was in one.
fn place_of(record: &Record) -> (Option<&str>, Option<&str>) {
    record.scope.as_str().split_once('/').unzip()
}

fn concerns(record: &Record, subject: &str) -> bool {
    record.subjects.iter().any(|known| known.as_str() == subject)
}

/// Whether a text fits a pattern in which `*` stands for any letters.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    // Without a star the whole text is meant; a kind may be named without its version.
    let Some(last) = parts.pop() else { return rest.is_empty() || rest.starts_with('/') };
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}

fn line(record: &Record, principal: String) -> LogLine {
    LogLine {
        event: record.seq.0,
        time: time_text(record.time_ms),
        kind: record.kind.clone(),
        workflow_id: record.flow,
        path: record.path.0.clone(),
        scope: record.scope.0.clone(),
        subjects: record.subjects.iter().map(|subject| subject.0.clone()).collect(),
        account_id: record.actor.account.clone(),
        access_key_id: record.actor.key.clone(),
        principal,
        cause: match &record.cause {
            event::Cause::Request(request) => request.clone(),
            event::Cause::Parent(flow) => flow.to_string(),
        },
        payload: payload::json(&record.payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, text, fit) in [
            ("image.*", "image.sealed/1", true),
            ("image.*", "snapshot.sealed/1", false),
            ("*.sealed/1", "image.sealed/1", true),
            ("*share*", "image.shares-changed/1", true),
            ("image.*ed/*", "image.deleted/1", true),
            ("image.sealed", "image.sealed/1", true),
            ("image.seal", "image.sealed/1", false),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }
}
