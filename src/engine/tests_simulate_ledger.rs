//! What the simulation's house has told anybody, to be held against it later: records that were seen, flows that were
//! begun, ends that were reported, cancels that were accepted, and every no.

use std::collections::{BTreeMap, BTreeSet};

use event::{Event, FlowId, Record, Rows, Seq};

use crate::kinds::{Parked, Released, Resumed, Signalled};
use crate::tests_simulate_toy::{COUNTERS, scope};
use crate::tests_simulate_truth::Truth;
use crate::tests_simulate_walk::line_of;
use crate::tests_simulate_world::Call;
use crate::{Chore, Denial, Engine, Error, FlowRow, Keep, Snapshot, State};

/// What somebody was answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Drives(Result<(), Error>),
    Began { request: String, id: Result<FlowId, Error> },
    Came { request: Option<String>, id: Option<FlowId>, row: Result<Box<FlowRow>, Error> },
    Cancelled { id: FlowId, told: Result<(), Error> },
    Released { id: FlowId, how: Release, told: Result<(), Error> },
    Told { id: FlowId, text: String, told: Result<(), Error> },
    Stood { id: FlowId, still: bool, told: Result<(), Error> },
    Reset { id: FlowId, told: Result<FlowId, Error> },
    Archived { keep: Keep, now_ms: i64, told: Result<Option<Chore>, Error> },
}

/// What a person does about a flow that is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    Retry,
    Unwind,
    Abandon,
}

/// Something that was said of a flow and has to stay so.
#[derive(Debug)]
enum Said {
    Began(String),
    Ended(Box<FlowRow>),
    WasParked(Box<FlowRow>),
    Cancelled(u64),
    Released(Release),
    Told(String),
    Reset(FlowId),
    Denied(Denial),
}

/// A flow that was made to stand still, from a moment to another, if it was let go on.
#[derive(Debug)]
struct Still {
    id: FlowId,
    from: u64,
    to: Option<u64>,
}

/// Rows, by key.
type Rowed = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The log as far as any view of it has shown it.
    pub(crate) seen: Vec<Record>,
    pub(crate) moments: Vec<u64>,
    said: Vec<(FlowId, Said)>,
    still: Vec<Still>,
    /// Flows that somebody has asked to let go on, and not been answered.
    going: BTreeSet<FlowId>,
    /// The counters of a scope at a commit of this life.
    kept: Option<(u64, Vec<u8>, Rowed)>,
    /// The last event that is in the archive, as far as anybody was told.
    pub(crate) archived: Seq,
    /// How many flows were taken up whose beginning was in the archive.
    pub(crate) across: usize,
    pub(crate) problems: Vec<String>,
}

impl Ledger {
    fn wrong(&mut self, what: String) {
        self.problems.push(what);
    }

    /// The house was opened: what had been seen is there, to the letter.
    pub(crate) fn opened(&mut self, snapshot: &Snapshot, moment: u64) {
        self.kept = None;
        self.going.clear();
        // Known without a read, which the disk may refuse.
        let end = snapshot.0.archive.end();
        if end < self.archived {
            self.wrong(format!("up to {} was archived, and up to {end} is", self.archived));
        }
        self.archived = end;
        let Ok(records) = snapshot.records(event::Seq(1), self.seen.len()) else { return };
        if let Some(lost) = self.seen.iter().zip(&records).find(|(seen, there)| seen != there) {
            self.wrong(format!("event {} was seen and is another now", lost.0.seq));
        }
        if records.len() < self.seen.len() {
            let lost = &self.seen[records.len()];
            self.wrong(format!("event {} ({} {}) was seen and is lost", lost.seq, lost.flow, lost.kind));
        }
        self.look(snapshot, moment);
        self.across += snapshot.open_flows().iter().filter(|row| row.first <= end).count();
    }

    /// Looks at what is new.
    pub(crate) fn look(&mut self, snapshot: &Snapshot, moment: u64) {
        let next = event::Seq(self.seen.len() as u64 + 1);
        let Ok(records) = snapshot.records(next, usize::MAX) else { return };
        self.moments.extend(records.iter().map(|_| moment));
        self.seen.extend(records);
    }

    /// Rows that are said to be unchanged are.
    pub(crate) fn compare(
        &mut self,
        engine: &Engine<crate::tests_simulate_world::World>,
        snapshot: &Snapshot,
    ) {
        if let Some((since, prefix, before)) = &self.kept
            && engine.is_unchanged(prefix, *since)
            && rows(snapshot, prefix) != *before
        {
            self.wrong(format!("rows are said to be as they were as of commit {since}, and are not"));
        }
        let prefix = COUNTERS.key(&scope(1), &[""]);
        let found = rows(snapshot, &prefix);
        self.kept = Some((snapshot.commit(), prefix, found));
    }

    /// Whether a view of the log has shown such a record of a flow.
    fn has(&self, id: FlowId, wanted: impl Fn(&Record) -> bool) -> bool {
        self.seen.iter().rev().any(|record| record.flow == id && wanted(record))
    }

    /// Somebody was answered: what the answer says is in the log by now, where anybody can see it.
    pub(crate) fn answered(&mut self, answer: Answer, moment: u64, powered: bool) {
        match answer {
            Answer::Began { request, id: Ok(id) } => {
                if powered && !self.has(id, |record| record.previous.is_none()) {
                    self.wrong(format!("{id} was said to have begun before it was in the log"));
                }
                self.said.push((id, Said::Began(request)));
            }
            Answer::Came { request, row: Ok(row), .. } => {
                let id = row.id;
                if powered && !self.has(id, |record| record.seq == row.last) {
                    self.wrong(format!("{id} was said to be {:?} before that was in the log", row.state));
                }
                if let Some(request) = request {
                    self.said.push((id, Said::Began(request)));
                }
                match row.state {
                    State::Parked => self.said.push((id, Said::WasParked(row))),
                    state if state.has_ended() => self.said.push((id, Said::Ended(row))),
                    state => self.wrong(format!("{id} was waited for and is {state:?}")),
                }
            }
            Answer::Cancelled { id, told: Ok(()) } => {
                if powered
                    && !self.has(id, |record| {
                        [crate::CancelRequested::KIND, crate::Turned::KIND].contains(&&*record.kind)
                    })
                {
                    self.wrong(format!("a cancel of {id} was accepted before it was in the log"));
                }
                self.said.push((id, Said::Cancelled(moment)));
            }
            Answer::Released { id, how, told: Ok(()) } => self.said.push((id, Said::Released(how))),
            Answer::Told { id, text, told: Ok(()) } => {
                if powered && !self.has(id, |record| record.kind == Signalled::KIND) {
                    self.wrong(format!("{id} was said to have been told something before it was in the log"));
                }
                self.said.push((id, Said::Told(text)));
            }
            Answer::Reset { id, told: Ok(next) } => {
                if powered && !self.has(id, |record| record.kind == crate::Turned::KIND) {
                    self.wrong(format!("{id} was said to be begun anew before that was in the log"));
                }
                self.said.push((id, Said::Reset(next)));
            }
            Answer::Stood { id, still: true, told: Ok(()) } => {
                // Of two that are asked at once nobody knows which is the later.
                if !self.going.contains(&id) {
                    self.still.push(Still { id, from: moment, to: None });
                }
            }
            Answer::Stood { id, told: Ok(()), .. } => _ = self.going.remove(&id),
            Answer::Drives(Ok(())) | Answer::Archived { .. } => {}
            Answer::Began { id: Err(error), .. } | Answer::Drives(Err(error)) => self.refused(None, &error),
            Answer::Came { id, row: Err(error), .. } => self.refused(id, &error),
            Answer::Cancelled { id, told: Err(error) }
            | Answer::Released { id, told: Err(error), .. }
            | Answer::Reset { id, told: Err(error) }
            | Answer::Told { id, told: Err(error), .. }
            | Answer::Stood { id, told: Err(error), .. } => {
                self.refused(Some(id), &error);
            }
        }
    }

    fn refused(&mut self, id: Option<FlowId>, error: &Error) {
        match error {
            // What an ended flow is to a release, one that never was is as well.
            Error::Denied { flow, denial, .. } => self.said.push((*flow, Said::Denied(*denial))),
            Error::NoFlow(id) if self.has(*id, |_| true) => {
                self.wrong(format!("there is said to be no {id}"));
            }
            Error::NoFlow(_) | Error::Stopped { .. } => {}
            other => self.wrong(format!("{id:?} was answered {other}")),
        }
    }

    /// Somebody is about to let a flow go on.
    pub(crate) fn may_go_on(&mut self, id: FlowId, moment: u64) {
        self.going.insert(id);
        for still in self.still.iter_mut().filter(|still| still.id == id && still.to.is_none()) {
            still.to = Some(moment);
        }
    }

    /// What stands still begins nothing, but for what it was about to begin.
    fn stillness(&mut self, truth: &Truth, calls: &[Call]) {
        for Still { id, from, to } in std::mem::take(&mut self.still) {
            let to = to.unwrap_or(u64::MAX);
            let meanwhile = |call: &&Call| call.flow == id && call.moment > from && call.moment < to;
            // Each line of its story may have been about to.
            let mut begun = BTreeMap::<&str, usize>::new();
            for call in calls.iter().filter(meanwhile) {
                *begun.entry(line_of(&call.step)).or_default() += 1;
            }
            let begun = begun.into_values().max().unwrap_or(0);
            // A cancel goes through, also one of what it is part of.
            let cancelled = truth.flows.get(&id).is_none_or(|told| told.cancel.is_some());
            if begun > 1 && !cancelled {
                self.wrong(format!(
                    "{id} was made to stand still at {from}, and made {begun} calls in a line until {to}"
                ));
            }
        }
    }

    /// Whether all that was said holds in the end.
    pub(crate) fn judge(&mut self, truth: &Truth, calls: &[Call]) {
        self.stillness(truth, calls);
        let mut problems = Vec::new();
        let mut releases: BTreeMap<FlowId, usize> = BTreeMap::new();
        for (id, said) in &self.said {
            let told = truth.flows.get(id);
            if matches!(
                said,
                Said::Denied(
                    Denial::Ended | Denial::NotParked | Denial::NotDriven | Denial::Busy | Denial::NoReset
                )
            ) && told.is_none()
            {
                continue;
            }
            let Some(told) = told else {
                problems.push(format!("{id} was answered {said:?}, but the log does not know it"));
                continue;
            };
            let (holds, what) = match said {
                Said::Began(request) => (truth.requests.get(request) == Some(id), "has another id"),
                Said::Ended(row) => {
                    (crate::tests_simulate_judge::is_row_of(row, told), "ended in another way")
                }
                Said::WasParked(row) => {
                    // It may have been told something since, or that it need not stand still.
                    let mut until = self.seen.iter().rev().filter(|it| it.flow == *id && it.seq <= row.last);
                    let last = until.find(|it| ![Signalled::KIND, Resumed::KIND].contains(&&*it.kind));
                    (last.is_some_and(|record| record.kind == Parked::KIND), "was not parked then")
                }
                Said::Cancelled(moment) => {
                    let late =
                        calls.iter().any(|call| call.flow == *id && !call.undo && call.moment > *moment);
                    let last = if told.reset().is_some() { truth.newest(*id) } else { None };
                    let last = last.map_or(told, |(_, newest)| newest);
                    let heeded = matches!(last.state, State::Undone | State::Abandoned);
                    (heeded && !late, "was not heeded")
                }
                Said::Released(Release::Retry) => {
                    *releases.entry(*id).or_default() += 1;
                    (releases[id] <= told.releases, "was not let go on")
                }
                Said::Released(Release::Unwind) => (told.turn.is_some(), "did not turn"),
                Said::Released(Release::Abandon) => (told.state == State::Abandoned, "was not given up"),
                Said::Reset(next) => {
                    (told.reset().is_some_and(|(_, known)| known == *next), "was not begun anew as that")
                }
                Said::Denied(Denial::Ended) => (told.state.has_ended(), "has not ended"),
                Said::Denied(Denial::NoReturn) => (told.committed, "is not past its return"),
                Said::Told(text) => (told.texts.contains(text), "was not told that"),
                Said::Denied(Denial::Turned) => {
                    (told.turn.is_some() || told.cancel.is_some(), "has not turned")
                }
                Said::Denied(_) => (true, ""),
            };
            if !holds {
                let log: Vec<_> =
                    self.seen.iter().filter(|it| it.flow == *id).map(|it| (it.seq.0, &it.kind)).collect();
                problems.push(format!(
                    "{id} was answered {said:?}, but it {what}: it is {:?}, {log:?}",
                    told.state
                ));
            }
        }
        self.problems.extend(problems);
    }

    /// How many flows a person let go on, by the log.
    pub(crate) fn releases(&self) -> usize {
        self.seen.iter().filter(|record| record.kind == Released::KIND).count()
    }
}

fn rows(snapshot: &Snapshot, prefix: &[u8]) -> Rowed {
    let mut found = Vec::new();
    snapshot.scan(prefix, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        true
    });
    found
}
