//! Use cases on the log: reading it, and proving it and the projections.

use std::collections::VecDeque;

use domain::Digest;
use engine::Snapshot;
use event::{Actor, FlowId, Record, Seq};

use crate::operator::{is_of, is_operator};
use crate::payload;
use crate::view::{Fault, Head, LogLine, LogPage, Rebuilt, Verified, time_text};
use crate::{Family, Service, Trouble};

/// Lines answered at once: some megabytes at most; a reader asks again from where it stopped.
const LINES_MAX: u32 = 1000;

impl Service {
    pub(crate) fn log(
        &self,
        actor: &Actor,
        from: u64,
        count: u32,
        subject: Option<&str>,
        workflow: Option<FlowId>,
    ) -> Result<LogPage, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let head = snapshot.head()?.0;
        let from = match (from, subject, workflow) {
            (0, None, None) => last(&snapshot, actor, head, count)?,
            _ => from,
        };
        let count = usize::try_from(count.min(LINES_MAX)).unwrap_or(usize::MAX);
        let mut records = match (subject, workflow) {
            (None, None) => records_of(&snapshot, actor, Seq(from), count)?,
            (Some(subject), None) if subject.contains('\0') => Vec::new(),
            (Some(subject), None) => snapshot.history(subject)?,
            (subject, Some(id)) => {
                let flow = self.flow(actor, id)?;
                let mut records = snapshot.records_of(&flow)?;
                records.retain(|record| subject.is_none_or(|subject| concerns(record, subject)));
                records
            }
        };
        records.retain(|record| record.seq.0 >= from && sees(actor, record));
        records.truncate(count);
        Ok(LogPage { log: records.iter().map(line).collect(), head })
    }

    pub(crate) fn head(&self) -> Result<Head, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let seq = snapshot.head()?;
        let hash = snapshot.hash_at(seq)?.unwrap_or_default();
        Ok(Head { event: seq.0, hash: Digest(hash).to_string() })
    }

    pub(crate) fn verify(&self, kept: Option<(u64, String)>) -> Result<Verified, Trouble> {
        let found = self.engine.verify()?;
        let mut fault = found.fault.map(|fault| Fault { place: fault.place, what: fault.what });
        if let (None, Some((event, hash))) = (&fault, kept) {
            fault = self.differs_from(event, &hash, found.head.0)?;
        }
        let head = Head { event: found.head.0, hash: Digest(found.head_hash).to_string() };
        Ok(Verified { events: found.events, head, fault })
    }

    /// How the log differs from a head that was kept elsewhere, if it does.
    fn differs_from(&self, event: u64, hash: &str, last: u64) -> Result<Option<Fault>, Trouble> {
        let kept: Digest = hash.parse().map_err(|error: domain::NotADigest| {
            let trouble = Trouble::new(Family::Refused, "InvalidHead.Malformed", error.to_string());
            trouble.advise("give the file that `kiln audit head` wrote")
        })?;
        let what = if event > last {
            format!(
                "the log ends at event {last}, but event {event} was in it when the head was kept: it was rolled back"
            )
        } else if self.engine.snapshot()?.hash_at(Seq(event))? != Some(kept.0) {
            "the log's hash there is another than the one that was kept: what lies before was rewritten"
                .to_owned()
        } else {
            return Ok(None);
        };
        Ok(Some(Fault { place: format!("event {event}"), what }))
    }

    pub(crate) fn rebuild(&self) -> Result<Rebuilt, Trouble> {
        let found = self.engine.rebuild()?;
        let faults = found.faults.into_iter().map(|fault| Fault { place: fault.place, what: fault.what });
        Ok(Rebuilt {
            events: found.events,
            rows: found.rows,
            differing: found.differing,
            faults: faults.collect(),
        })
    }
}

/// Records from a place on, as many as were asked for of those that whoever asks may see.
fn records_of(snapshot: &Snapshot, actor: &Actor, from: Seq, count: usize) -> Result<Vec<Record>, Trouble> {
    if is_operator(actor) {
        return Ok(snapshot.records(from, count)?);
    }
    let mut found = Vec::new();
    let mut from = from;
    while found.len() < count {
        let page = snapshot.records(from, LINES_MAX as usize)?;
        let Some(last) = page.last() else { break };
        from = last.seq.next();
        found.extend(page.into_iter().filter(|record| sees(actor, record)));
    }
    Ok(found)
}

/// Where the last so many of the records begin that whoever asks may see.
fn last(snapshot: &Snapshot, actor: &Actor, head: u64, count: u32) -> Result<u64, Trouble> {
    let (mut from, mut found) = (Seq(1), VecDeque::new());
    if is_operator(actor) {
        return Ok(head.saturating_sub(u64::from(count)) + 1);
    }
    loop {
        let page = snapshot.records(from, LINES_MAX as usize)?;
        let Some(last) = page.last() else { break };
        from = last.seq.next();
        found.extend(page.iter().filter(|record| sees(actor, record)).map(|record| record.seq.0));
        while found.len() > count as usize {
            found.pop_front();
        }
    }
    Ok(found.front().copied().unwrap_or(head + 1))
}

/// The operator reads the whole log, others what is theirs in it.
fn sees(actor: &Actor, record: &Record) -> bool {
    is_operator(actor) || is_of(record, &actor.account)
}

fn concerns(record: &Record, subject: &str) -> bool {
    record.subjects.iter().any(|known| known.as_str() == subject)
}

fn line(record: &Record) -> LogLine {
    LogLine {
        event: record.seq.0,
        time: time_text(record.time_ms),
        kind: record.kind.clone(),
        workflow_id: record.flow,
        path: record.path.0.clone(),
        scope: record.scope.0.clone(),
        subjects: record.subjects.iter().map(|subject| subject.0.clone()).collect(),
        account_id: record.actor.account.clone(),
        cause: match &record.cause {
            event::Cause::Request(request) => request.clone(),
            event::Cause::Parent(flow) => flow.to_string(),
        },
        payload: payload::json(&record.payload),
    }
}
