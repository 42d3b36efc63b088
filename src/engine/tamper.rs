//! Where a log is not as it was written: which record, and what was done to it.
//!
//! A row whose hash does not follow from the row before it is taken apart: its records are held against its
//! checks, which say whether one was changed, removed, put in or moved. After a fault the walk goes on from
//! the hash that the row says it has, so that the report tells whether what comes later is sound. What was
//! rewritten whole, hashes and all up to the head, nothing in the file can tell; a head kept elsewhere does.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use event::{Event, FlowId, Record, Seq};
use redb::ReadableTable;

use crate::Error;
use crate::audit::Verified;
use crate::chain::{self, Check, GENESIS, Hash};
use crate::lineage::{Lineage, Restored};
use crate::segment::{Opened, Segment};
use crate::store::{Head, Snapshot};

/// Faults named one by one; more are only counted, so that a report of a ruined file ends.
pub(crate) const FAULTS_NAMED_MAX: usize = 20;
/// Rows looked through for whose a record was that cannot be read any more.
const ROWS_ASKED_MAX: usize = 4096;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A record, or the hash of a row, is another.
    Changed,
    /// Records are gone from between others.
    Removed,
    /// Records are there that were never written.
    Inserted,
    /// Records stand in each other's places.
    Swapped,
    /// Records are gone from the end.
    CutOff,
    /// A row was written anew, with checks and hash; what follows still knows the old one.
    Rewritten,
    /// The note of where the log ends is another.
    Head,
    /// What a fold of the log comes to is not what is kept.
    Projection,
}

impl Damage {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Inserted => "inserted",
            Self::Swapped => "swapped",
            Self::CutOff => "cut-off",
            Self::Rewritten => "rewritten",
            Self::Head => "head",
            Self::Projection => "projection",
        }
    }
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: an event, or a projection row.
    pub place: String,
    /// What is wrong there.
    pub what: String,
    /// What was done.
    pub damage: Damage,
    /// The first and the last record concerned.
    pub events: Option<(Seq, Seq)>,
    /// Whose record it is, if that can be told.
    pub flow: Option<FlowId>,
    /// Its kind, if it still decodes.
    pub kind: Option<String>,
    /// The row of the log it lies in, by its key.
    pub row: Option<u64>,
    /// Its bytes in that row.
    pub bytes: Option<Range<usize>>,
}

impl Fault {
    pub(crate) fn of(damage: Damage, events: (Seq, Seq), what: impl Into<String>) -> Self {
        let (first, last) = events;
        let place =
            if first == last { format!("event {first}") } else { format!("events {first} to {last}") };
        let what = what.into();
        Self { place, what, damage, events: Some(events), flow: None, kind: None, row: None, bytes: None }
    }

    /// The same, of no events but those of a segment. What a damaged block unpacks to may look like more events than
    /// were written: which of the row's is another cannot be told then.
    pub(crate) fn within(self, segment: &Segment) -> Self {
        match self.events {
            Some((_, last)) if last > segment.last => {
                let first = self.row.map_or(segment.first, Seq).clamp(segment.first, segment.last);
                let what = "changed: more events lie in their row than were written";
                Self { row: self.row, ..Self::of(self.damage, (first, segment.last), what) }
            }
            _ => self,
        }
    }

    fn in_row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    fn of_part(mut self, part: &Part) -> Self {
        self.bytes = Some(part.bytes.clone());
        if let Some(record) = &part.record {
            self.flow = Some(record.flow);
            self.kind = Some(record.kind.clone());
        }
        self
    }
}

/// A stretch of a row: a record, or what cannot be read as one.
struct Part {
    bytes: Range<usize>,
    record: Option<Record>,
    check: Check,
}

/// A row taken apart.
struct Parts {
    parts: Vec<Part>,
    checks: Option<Vec<Check>>,
}

impl Parts {
    /// Finds every record in the row wherever it begins, and the checks at its end that fit most of them.
    fn of(row: &[u8]) -> Self {
        let records: BTreeMap<usize, (Range<usize>, Record)> = (32..row.len())
            .filter(|at| row[*at] & 0xf0 == 0x80)
            .filter_map(|at| Some((at, chain::one(row, at).ok()?)))
            .collect();
        let found: BTreeSet<Check> =
            records.values().map(|(bytes, _)| chain::check_of(&row[bytes.clone()])).collect();
        let fits = |at: &usize| {
            let checks = chain::checks(&row[*at..]).unwrap_or_default();
            (checks.iter().filter(|check| found.contains(*check)).count(), checks.len())
        };
        let checks_at = (32..row.len()).filter(|at| chain::checks(&row[*at..]).is_some()).max_by_key(fits);
        let checks = checks_at.and_then(|at| chain::checks(&row[at..])).map(<[Check]>::to_vec);
        let end = checks_at.unwrap_or(row.len());
        let known = |range: &Range<usize>| {
            let check = chain::check_of(&row[range.clone()]);
            checks.as_ref().is_none_or(|checks| checks.contains(&check))
        };
        let mut parts = Vec::new();
        let mut at = 32;
        while at < end {
            let next =
                records.range(at + 1..end).find(|(_, (range, _))| known(range)).map_or(end, |(at, _)| *at);
            let (bytes, record) = match records.get(&at) {
                Some((range, record)) if range.end <= next => (range.clone(), Some(record.clone())),
                _ => (at..next, None),
            };
            at = bytes.end;
            parts.push(Part { check: chain::check_of(&row[bytes.clone()]), bytes, record });
        }
        Self { parts, checks }
    }

    /// How many records were written into the row.
    fn written(&self) -> usize {
        self.checks.as_ref().map_or(self.parts.len(), Vec::len)
    }

    /// The place of the first record, by what the records say themselves.
    fn first(&self) -> Option<Seq> {
        self.parts.iter().enumerate().find_map(|(index, part)| {
            let seq = part.record.as_ref()?.seq.0;
            seq.checked_sub(index as u64).map(Seq)
        })
    }

    /// Whether every record is the one that was written there.
    fn are_whole(&self) -> bool {
        let found = self.parts.iter().map(|part| part.check);
        self.checks.as_ref().is_some_and(|checks| found.eq(checks.iter().copied()))
    }

    /// What is wrong with the records, held against the checks.
    fn against_checks(&self, key: u64, checks: &[Check]) -> Vec<Fault> {
        let seq = |index: usize| Seq(key + index as u64);
        let found: Vec<Check> = self.parts.iter().map(|part| part.check).collect();
        let same_from_begin = found.iter().zip(checks).take_while(|(one, other)| one == other).count();
        let rest = found.len().min(checks.len()) - same_from_begin;
        let from_end = found.iter().rev().zip(checks.iter().rev());
        let same_from_end = from_end.take(rest).take_while(|(one, other)| one == other).count();
        let wanted = same_from_begin..checks.len() - same_from_end;
        let there = same_from_begin..found.len() - same_from_end;
        let sorted = |checks: &[Check]| {
            let mut sorted = checks.to_vec();
            sorted.sort_unstable();
            sorted
        };
        if there.is_empty() {
            let events = (seq(wanted.start), seq(wanted.end - 1));
            let what = "removed from the middle of its row: the row knows of it, and it is not there";
            return vec![Fault::of(Damage::Removed, events, what)];
        }
        if wanted.is_empty() {
            let what = "inserted: the row knows nothing of it, the events around it are as they were written";
            let inserted = |index: usize| {
                Fault::of(Damage::Inserted, (seq(index), seq(index)), what).of_part(&self.parts[index])
            };
            return there.map(inserted).collect();
        }
        if there.len() == wanted.len() && sorted(&found[there.clone()]) == sorted(&checks[wanted.clone()]) {
            let events = (seq(wanted.start), seq(wanted.end - 1));
            return vec![Fault::of(Damage::Swapped, events, "swapped: they stand in each other's places")];
        }
        if there.len() != wanted.len() {
            let events = (seq(wanted.start), seq(wanted.end - 1));
            let what =
                format!("changed: {} events were written there, and {} are", wanted.len(), there.len());
            return vec![Fault::of(Damage::Changed, events, what).of_part(&self.parts[there.start])];
        }
        let changed = there.filter(|index| found[*index] != checks[*index]);
        changed.map(|index| self.changed(seq(index), index)).collect()
    }

    /// A record that is another than was written in its place.
    fn changed(&self, seq: Seq, index: usize) -> Fault {
        let part = &self.parts[index];
        let what = match &part.record {
            Some(record) if record.seq != seq => format!("changed: it says that it is event {}", record.seq),
            Some(_) => "changed: it decodes, and is not what was written".to_owned(),
            None => "changed: it does not decode any more".to_owned(),
        };
        Fault::of(Damage::Changed, (seq, seq), what).of_part(part)
    }

    /// What no record can be, though checks and hash say so: they may be written anew, up to the head.
    fn out_of_place(&self, key: u64) -> Vec<Fault> {
        if self.parts.is_empty() {
            let what = "removed: its row is there, and holds no event";
            return vec![Fault::of(Damage::Removed, (Seq(key), Seq(key)), what)];
        }
        let places =
            self.parts.iter().enumerate().map(|(index, part)| (index, Seq(key + index as u64), part));
        let odd =
            places.filter(|(_, seq, part)| part.record.as_ref().is_none_or(|record| record.seq != *seq));
        odd.map(|(index, seq, _)| self.changed(seq, index)).collect()
    }

    /// What can be told of a row from before there were checks.
    fn without_checks(&self, key: u64) -> Vec<Fault> {
        let seq = |index: usize| Seq(key + index as u64);
        if let Some((index, part)) = self.parts.iter().enumerate().find(|(_, part)| part.record.is_none()) {
            let what = "changed: it does not decode any more";
            return vec![Fault::of(Damage::Changed, (seq(index), seq(index)), what).of_part(part)];
        }
        let places: Vec<Seq> = self.parts.iter().filter_map(|part| Some(part.record.as_ref()?.seq)).collect();
        let odd = places.iter().enumerate().find(|(index, place)| **place != seq(*index));
        if let Some((index, place)) = odd {
            let part = &self.parts[index];
            let fault = |damage, events, what: &str| vec![Fault::of(damage, events, what).of_part(part)];
            return match places[index..].iter().position(|place| *place == seq(index)) {
                Some(_) => fault(Damage::Swapped, (seq(index), *place), "swapped: another event comes first"),
                None if *place > seq(index) => fault(
                    Damage::Removed,
                    (seq(index), Seq(place.0 - 1)),
                    "removed from the middle of its row",
                ),
                None => fault(Damage::Inserted, (*place, *place), "inserted: it stands there twice"),
            };
        }
        let events = (seq(0), seq(self.parts.len().saturating_sub(1)));
        let what = "changed: the chain breaks, so one of these events, their hash or the row before it is another \
                    (the row is from before there were checks, and which one cannot be told)";
        vec![Fault::of(Damage::Changed, events, what)]
    }
}

/// A walk over the log.
pub(crate) struct Walk<'a> {
    pub(crate) snapshot: &'a Snapshot,
    head: Option<Head>,
    /// The hash the next row follows, if it is known.
    pub(crate) before: Option<Hash>,
    /// The next row's key, if it is known.
    pub(crate) expected: Option<u64>,
    pub(crate) last: Seq,
    pub(crate) last_ms: i64,
    pub(crate) events: u64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) damaged: u64,
    /// The rows of the segment that is walked, whatever they are.
    pub(crate) segment: Option<(Segment, Opened)>,
    /// Rows that were told of with another.
    told: BTreeSet<u64>,
    lineage: Vec<Lineage>,
}

/// Walks the log from its first event.
pub(crate) fn verify(snapshot: &Snapshot) -> Result<Verified, Error> {
    let mut walk = Walk {
        snapshot,
        head: None,
        before: Some(GENESIS),
        expected: Some(1),
        last: Seq(0),
        last_ms: i64::MIN,
        events: 0,
        faults: Vec::new(),
        damaged: 0,
        segment: None,
        told: BTreeSet::new(),
        lineage: Vec::new(),
    };
    let head = snapshot.head();
    walk.head = head.as_ref().ok().copied();
    walk.archive()?;
    for row in snapshot.log.iter().map_err(Error::read)? {
        let (first, bytes) = row.map_err(Error::read)?;
        walk.row(first.value(), bytes.value())?;
    }
    if let Err(error) = head {
        let what = format!("the note of where the log ends is damaged: {error}");
        walk.note(Fault::of(Damage::Head, (walk.last, walk.last), what));
    }
    walk.end();
    walk.tell_whose()?;
    let head_hash = walk.before.unwrap_or_default();
    let (faults, damaged, lineage) = (walk.faults, walk.damaged, walk.lineage);
    let fault = faults.first().cloned();
    Ok(Verified { events: walk.events, head: walk.last, head_hash, fault, faults, damaged, lineage })
}

impl Walk<'_> {
    pub(crate) fn note(&mut self, fault: Fault) {
        self.damaged += 1;
        if self.faults.len() < FAULTS_NAMED_MAX {
            self.faults.push(fault);
        }
    }

    pub(crate) fn row(&mut self, key: u64, row: &[u8]) -> Result<(), Error> {
        if let (Some(before), Some(expected)) = (self.before, self.expected)
            && key == expected
            && let Ok(records) = chain::read(row)
            && records.first().is_some_and(|record| record.seq.0 == key)
        {
            let hash = chain::link(&before, key, &row[32..]);
            if chain::hash_of(row) == Some(hash) {
                self.before = Some(hash);
                self.come_to(&records);
                return Ok(());
            }
        }
        self.examine(key, row)
    }

    /// These are as they were written.
    fn come_to(&mut self, records: &[Record]) {
        for record in records {
            if record.time_ms < self.last_ms {
                let what = "changed: it is older than the event before it";
                let mut fault = Fault::of(Damage::Changed, (record.seq, record.seq), what);
                (fault.flow, fault.kind) = (Some(record.flow), Some(record.kind.clone()));
                self.note(fault);
            }
            self.last_ms = record.time_ms;
            if record.kind == Restored::KIND
                && let Ok(restored) = record.get::<Restored>()
            {
                self.lineage.push(Lineage { seq: record.seq, time_ms: record.time_ms, restored });
            }
        }
        self.events += records.len() as u64;
        if let Some(last) = records.last() {
            self.last = last.seq;
            self.expected = Some(last.seq.0 + 1);
        }
    }

    /// Tells what is wrong with a row, and goes on behind it.
    fn examine(&mut self, key: u64, row: &[u8]) -> Result<(), Error> {
        let parts = Parts::of(row);
        match self.expected {
            Some(expected) if key > expected => {
                let what =
                    format!("removed: the row after event {} begins at event {key}", Seq(expected - 1));
                self.note(Fault::of(Damage::Removed, (Seq(expected), Seq(key - 1)), what));
                self.before = None;
            }
            Some(expected) if key < expected => {
                let what = format!(
                    "inserted: a row begins in the middle of the one before, which ends at event {}",
                    Seq(expected - 1)
                );
                self.note(Fault::of(Damage::Inserted, (Seq(key), Seq(key)), what).in_row(key));
                return Ok(());
            }
            _ => {}
        }
        if let Some(stranger) = parts.first().filter(|first| first.0 != key && parts.are_whole()) {
            return self.displaced(key, row, stranger);
        }
        let stored = chain::hash_of(row);
        let computed = self.before.map(|before| chain::link(&before, key, row.get(32..).unwrap_or_default()));
        let follows = stored.is_some() && (computed == stored || computed.is_none());
        let faults = match &parts.checks {
            Some(_) if parts.are_whole() && follows => parts.out_of_place(key),
            Some(_) if parts.are_whole() => vec![self.whole_but_unchained(key, row, &parts, computed)?],
            Some(checks) => parts.against_checks(key, checks),
            None if follows && parts.out_of_place(key).is_empty() => Vec::new(),
            None => parts.without_checks(key),
        };
        let hash_is_another = faults.iter().any(|fault| fault.bytes == Some(0..32));
        let is_sound = faults.is_empty();
        for fault in faults {
            self.note(fault.in_row(key));
        }
        self.before = if hash_is_another { computed } else { stored };
        let last = Seq(key + (parts.written() as u64).saturating_sub(1));
        if is_sound {
            let records: Vec<Record> = parts.parts.into_iter().filter_map(|part| part.record).collect();
            self.come_to(&records);
        } else {
            self.events += parts.parts.len() as u64;
            self.last_ms = i64::MIN;
        }
        (self.last, self.expected) = (last, Some(last.0 + 1));
        Ok(())
    }

    /// A whole row that stands where another should.
    fn displaced(&mut self, key: u64, row: &[u8], stranger: Seq) -> Result<(), Error> {
        (self.before, self.expected, self.last_ms) = (None, None, i64::MIN);
        if self.told.contains(&key) {
            return Ok(());
        }
        let there = self.row_at(stranger.0)?;
        let fault = match there {
            Some(other) if Parts::of(&other).first() == Some(Seq(key)) => {
                self.told.insert(stranger.0);
                let what = format!(
                    "swapped: the row of event {stranger} stands in the place of event {key}, and the other way round"
                );
                Fault::of(Damage::Swapped, (Seq(key.min(stranger.0)), Seq(key.max(stranger.0))), what)
            }
            Some(other) if other == row => {
                let what = format!("changed: another event stands in its place, a copy of event {stranger}");
                Fault::of(Damage::Changed, (Seq(key), Seq(key)), what)
            }
            _ => {
                let what = format!("changed: another event stands in its place, event {stranger}");
                Fault::of(Damage::Changed, (Seq(key), Seq(key)), what)
            }
        };
        self.note(fault.in_row(key));
        Ok(())
    }

    /// A row whose records are those of its checks, and whose hash is another than it comes to.
    fn whole_but_unchained(
        &self,
        key: u64,
        row: &[u8],
        parts: &Parts,
        computed: Option<Hash>,
    ) -> Result<Fault, Error> {
        let events = (Seq(key), Seq(key + (parts.written() as u64).saturating_sub(1)));
        let next = self.row_after(key)?;
        let follows = |hash: Hash| match &next {
            Some((first, next)) => {
                let link = chain::link(&hash, *first, next.get(32..).unwrap_or_default());
                chain::hash_of(next) == Some(link)
            }
            None => self.end_hash() == Some(hash),
        };
        if computed.is_some_and(follows) {
            let what =
                "changed: the hash of their row is another; the events are those that the next row follows";
            let mut fault = Fault::of(Damage::Changed, events, what);
            fault.bytes = Some(0..32);
            return Ok(fault);
        }
        let stored = chain::hash_of(row).unwrap_or_default();
        let later = if follows(stored) { "what comes later follows the hash that is there" } else { "" };
        let what = format!(
            "rewritten: they do not follow the row before them, which ends at event {}: that one was written \
             anew with its hash, or these with their checks{}{later}",
            self.last,
            if later.is_empty() { "" } else { "; " }
        );
        Ok(Fault::of(Damage::Rewritten, events, what))
    }

    /// The hash behind the last row of the segment that is walked, or of the log.
    fn end_hash(&self) -> Option<Hash> {
        let of_segment = self.segment.as_ref().map(|(segment, _)| segment.hash);
        of_segment.or_else(|| self.head.map(|head| head.hash))
    }

    /// Holds the end of the log against the note of it.
    fn end(&mut self) {
        let Some(head) = self.head else { return };
        if self.last < head.seq {
            let what = format!(
                "cut off: the log ends at event {}, but its head says {}: later events were removed",
                self.last, head.seq
            );
            self.note(Fault::of(Damage::CutOff, (self.last.next(), head.seq), what));
        } else if self.last > head.seq {
            let what =
                format!("inserted: the head of the log is event {}, and these lie behind it", head.seq);
            self.note(Fault::of(Damage::Inserted, (head.seq.next(), self.last), what));
        } else if self.before != Some(head.hash) && self.faults.is_empty() {
            let what = "the log ends there with another hash than its head says".to_owned();
            self.note(Fault::of(Damage::Head, (self.last, self.last), what));
        }
    }

    /// Finds whose a record was that does not decode any more, by the record that continues it.
    fn tell_whose(&mut self) -> Result<(), Error> {
        for fault in self.faults.iter_mut().filter(|fault| fault.flow.is_none() && fault.bytes.is_some()) {
            let Some((seq, last)) = fault.events else { continue };
            if seq != last {
                continue;
            }
            let rows = self.snapshot.log_rows(fault.row.unwrap_or(seq.0))?;
            // What cannot be read tells nothing of whose it is.
            for (_, bytes) in rows.take(ROWS_ASKED_MAX).map_while(Result::ok) {
                let parts = Parts::of(&bytes).parts;
                let next = parts.iter().filter_map(|part| part.record.as_ref());
                if let Some(record) = next.into_iter().find(|record| record.previous == Some(seq)) {
                    fault.flow = Some(record.flow);
                    break;
                }
            }
        }
        Ok(())
    }
}
