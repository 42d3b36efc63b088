//! The engine's own projections: flows, lists to find them by, timers, requests, kinds.
//!
//! Flows that have not ended stay resident between commits; a rebuild folds the same code over the
//! whole log, so what is on disk can be compared with it bit for bit.

use std::sync::{Arc, LazyLock};

use event::{Actor, Cause, Event, FlowId, Fold, Record, Refusal, RowsMut, Scope, Seq, Subject, Table};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::index::{Facet, Pending};
use crate::keyed::{KeyedMap, KeyedSet};
use crate::kinds::{
    CancelRequested, Class, Ended, KINDS, Outcome, Parked, Paused, Raced, Released, Resumed, SignalTaken,
    Signalled, Started, TakesUp, TimerFired, TimerSet, Turn, Turned, Which,
};
use crate::measure::Tally;
use crate::open::{self, Come, Moved};

/// Raised when the code below would fold the same records to other rows.
const VERSION: u32 = 7;
/// The version of no fold: the rows are not those of the log.
pub(crate) const NO_FOLD: u32 = 0;

pub(crate) const FLOWS: Table<FlowRow> = Table::new("flow");
pub(crate) const TIMERS: Table<i64> = Table::new("timer");
pub(crate) const REQUESTS: Table<FlowId> = Table::new("request");
/// What stands still, by the kind of its flows, or all.
pub(crate) const PAUSES: Table<Paused> = Table::new("pause");
/// What flows were told under a key, so that it is told once, until they end.
pub(crate) const TOLD: Table<Seq> = Table::new("told");
const KNOWN: Table<Seq> = Table::new("kind");

/// Bytes that a flow's row has room for at once; few are longer.
const ROW_BYTES: usize = 384;

/// The scope of rows that belong to no account.
pub(crate) fn house() -> &'static Scope {
    static HOUSE: LazyLock<Scope> = LazyLock::new(|| Scope::from("kiln"));
    &HOUSE
}

/// Where a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It goes forward.
    Running,
    /// It has turned and undoes what it began.
    Unwinding,
    /// It waits for a person.
    Parked,
    /// It did what it was for.
    Done,
    /// It turned, and everything it began is undone.
    Undone,
    /// It was given up, leaving things as they were.
    Abandoned,
}

impl State {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Unwinding, Self::Parked, Self::Done, Self::Undone, Self::Abandoned];

    /// Its name, as it stands in rows.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Unwinding => "unwinding",
            Self::Parked => "parked",
            Self::Done => "done",
            Self::Undone => "undone",
            Self::Abandoned => "abandoned",
        }
    }

    /// Its place among [`State::ALL`].
    pub(crate) fn place(self) -> usize {
        self as usize
    }

    /// Whether nothing more will happen to it.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Undone | Self::Abandoned)
    }
}

/// A flow as a projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRow {
    /// Its id.
    pub id: FlowId,
    /// Name of its story.
    pub name: String,
    /// Version of its story.
    pub version: u32,
    /// What a person calls it.
    pub label: String,
    /// Scope it was started in.
    pub scope: Scope,
    /// Who asked.
    pub actor: Actor,
    /// The request or flow that started it.
    pub cause: Cause,
    /// What it is about.
    pub subjects: Vec<Subject>,
    /// Where it stands.
    pub state: State,
    /// When it started, milliseconds since 1970 UTC.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Its first record.
    pub first: Seq,
    /// Its last record; the chain of its history begins here.
    pub last: Seq,
    /// How many records it has.
    pub records: u64,
    /// Whether it is past its point of no return.
    pub committed: bool,
    /// Why it was cancelled, if it was.
    pub cancel: Option<String>,
    /// Why it turned, if it did.
    pub turn: Option<Turn>,
    /// Why it is parked, while it is.
    pub parked: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Paths of timers that have not fired.
    pub timers: Vec<String>,
    /// Who it is behind where flows wait.
    pub class: Class,
    /// Why it stands still, if it was made to by itself.
    pub paused: Option<String>,
    /// How many things it was told that it has not taken yet.
    pub signals: u32,
    /// It was told something under a key, so there are rows to be removed at its end.
    pub(crate) signalled: bool,
    /// The flow that it takes up, if it does.
    pub takes_up: Option<TakesUp>,
}

impl FlowRow {
    /// What stands behind the slash of its scope, if there is one.
    pub fn place(&self) -> Option<&str> {
        self.scope.as_str().split_once('/').map(|(_, place)| place)
    }

    /// The error of a flow that did not end well.
    pub fn refusal(&self) -> Option<Refusal> {
        match self.outcome.as_ref()? {
            Outcome::Done(_) | Outcome::Continued(_) => None,
            Outcome::Undone(turn) => Some(turn.refusal()),
            Outcome::Abandoned(reason) => {
                Some(Refusal::new("OperationAbandoned", format!("an operator gave it up: {reason}")))
            }
        }
    }
}

/// One flow, as far as it has come.
pub(crate) fn flow(rows: &dyn event::Rows, id: FlowId) -> Option<FlowRow> {
    FLOWS.get(rows, house(), &[&id.to_string()]).map(|flow| come(rows, flow))
}

/// A flow's row, with how far it has come if it has not ended.
pub(crate) fn come(rows: &dyn event::Rows, flow: FlowRow) -> FlowRow {
    if flow.state.has_ended() {
        return flow;
    }
    match open::come(rows, flow.id, flow.first) {
        Some(Come { last, records, .. }) => FlowRow { last, records, ..flow },
        None => flow,
    }
}

/// The engine's fold beside the domain's.
pub(crate) struct EngineFold {
    domain: Arc<dyn Fold>,
    pub(crate) flows: KeyedMap<FlowId, FlowRow>,
    /// Flows with new records since the last flush; whether their state changed as well.
    dirty: KeyedMap<FlowId, bool>,
    /// Flows of which it is written how far they have come, with what they are listed under; of one that begins and
    /// ends in one commit it never is.
    marked: KeyedMap<FlowId, Listed>,
    /// Lists that flows have come into or left since the last flush.
    lists: Pending,
    /// How far flows have come since.
    moved: Moved,
    /// Where it is told how many flows stand where; the log's own fold does, none that looks at the past.
    tally: Option<Arc<Tally>>,
    kinds: KeyedSet<String>,
}

/// What a flow is listed under that changes with its state.
#[derive(PartialEq, Eq)]
struct Listed {
    state: State,
    /// The code of its trouble.
    code: Option<String>,
}

impl Listed {
    fn of(flow: &FlowRow) -> Self {
        Self { state: flow.state, code: flow.trouble().map(|trouble| trouble.code) }
    }

    fn set(&self, lists: &mut Pending, flow: &FlowRow, belongs: bool) {
        lists.set(Facet::State(self.state), flow.first, flow.id, belongs);
        if let Some(code) = &self.code {
            lists.set(Facet::Code(code), flow.first, flow.id, belongs);
        }
    }
}

/// The version of both folds together.
pub(crate) fn version(domain: &dyn Fold) -> u32 {
    domain.version() * 1000 + VERSION
}

impl EngineFold {
    pub(crate) fn new(domain: Arc<dyn Fold>) -> Self {
        Self {
            domain,
            flows: KeyedMap::default(),
            dirty: KeyedMap::default(),
            marked: KeyedMap::default(),
            lists: Pending::default(),
            moved: Moved::default(),
            tally: None,
            kinds: KeyedSet::default(),
        }
    }

    /// The fold as it stood when these rows were written.
    pub(crate) fn resume(domain: Arc<dyn Fold>, rows: &dyn event::Rows) -> Self {
        let mut fold = Self::new(domain);
        let house = house();
        let open = open::all(rows);
        fold.marked.reserve(open.len());
        fold.flows.reserve(open.len());
        for Come { id, last, records } in open {
            if let Some(row) = FLOWS.get(rows, house, &[&id.to_string()]) {
                fold.marked.insert(id, Listed::of(&row));
                fold.flows.insert(id, FlowRow { last, records, ..row });
            }
        }
        fold.kinds = kinds(rows).into_iter().collect();
        fold
    }

    /// Tells from now on how many flows stand where.
    pub(crate) fn tell(&mut self, tally: Arc<Tally>) {
        tally.moved(self.flows.values().map(|flow| (&*flow.name, None, flow.state)));
        self.tally = Some(tally);
    }

    /// Fails for a kind of record that neither fold knows.
    pub(crate) fn check_known(&self, kind: &str) -> Result<(), Error> {
        if self.kinds.contains(kind) || Self::knows(&*self.domain, kind) {
            return Ok(());
        }
        Err(Error::UnknownKind { kind: kind.to_owned() })
    }

    /// Whether both folds know the kind.
    pub(crate) fn knows(domain: &dyn Fold, kind: &str) -> bool {
        KINDS.contains(&kind) || domain.knows(kind)
    }

    pub(crate) fn apply(&mut self, rows: &mut dyn RowsMut, record: &Record) {
        let house = house();
        if !self.kinds.contains(&record.kind) {
            self.kinds.insert(record.kind.clone());
            KNOWN.put(rows, house, &[&record.kind], &record.seq);
        }
        let begun = self.flows.get(&record.flow);
        let (first, known) = begun.map_or((record.seq, &[][..]), |flow| (flow.first, &flow.subjects));
        for subject in record.subjects.iter().filter(|subject| !known.contains(subject)) {
            self.lists.set(Facet::Subject(subject.as_str()), first, record.flow, true);
        }
        if let Some(started) = read::<Started>(record) {
            if let Cause::Request(request) = &record.cause {
                REQUESTS.put(rows, house, &[request], &record.flow);
            }
            let flow = begin(record, started);
            let asked_by = [Facet::Name(&flow.name), Facet::Account(&flow.actor.account)];
            for facet in asked_by.into_iter().chain(flow.place().map(Facet::Place)) {
                self.lists.set(facet, flow.first, flow.id, true);
            }
            self.flows.insert(record.flow, flow);
        }
        if let Some(flow) = self.flows.get_mut(&record.flow) {
            flow.last = record.seq;
            flow.records += 1;
            flow.committed |= record.path.as_str().ends_with('!');
            advance(flow, rows, record);
            let changed = record.kind.starts_with("flow.") || record.path.as_str().ends_with('!');
            *self.dirty.entry(record.flow).or_default() |= changed;
        }
        self.domain.apply(rows, record);
    }

    /// Flows whose rows are not written yet.
    pub(crate) fn unflushed(&self) -> usize {
        self.dirty.len()
    }

    /// Writes the rows of the flows that changed and the lists they are in, and lets go of those that ended.
    pub(crate) fn flush(&mut self, rows: &mut dyn RowsMut) {
        let house = house();
        let mut moves = Vec::new();
        let mut dirty = std::mem::take(&mut self.dirty);
        for (id, changed) in dirty.drain() {
            let Some(flow) = self.flows.get_mut(&id) else { continue };
            let ended = flow.state.has_ended();
            let (last, records) = (flow.last, flow.records);
            let was_marked = self.marked.contains_key(&id);
            if changed || !was_marked {
                let listed = Listed::of(flow);
                let before = self.marked.remove(&id);
                if before.as_ref() != Some(&listed) {
                    if self.tally.is_some() {
                        let state = before.as_ref().map(|before| before.state);
                        moves.push((flow.name.clone(), state, listed.state));
                    }
                    if let Some(before) = before {
                        before.set(&mut self.lists, flow, false);
                    }
                    listed.set(&mut self.lists, flow, true);
                }
                if !ended {
                    self.marked.insert(id, listed);
                }
            }
            if changed {
                // How far an open flow has come stands in its other row, whatever was flushed together.
                if !ended {
                    (flow.last, flow.records) = (flow.first, 0);
                }
                // By place and not by name: there are many of them, and its fields change only
                // together with the fold's version.
                let mut row = Vec::with_capacity(ROW_BYTES);
                rmp_serde::encode::write(&mut row, flow).expect("a row is plain data");
                rows.set(FLOWS.key(house, &[&id.to_string()]), Some(row));
                (flow.last, flow.records) = (last, records);
            }
            if !ended || was_marked {
                self.moved.set(flow.first, (!ended).then_some(Come { id, last, records }));
            }
            if ended {
                self.flows.remove(&id);
            }
        }
        // With its room: a crowd comes again.
        self.dirty = dirty;
        self.moved.flush(rows);
        self.lists.flush(rows);
        if let Some(tally) = self.tally.as_ref().filter(|_| !moves.is_empty()) {
            tally.moved(moves.iter().map(|(name, before, now)| (&**name, *before, *now)));
        }
    }
}

/// The kinds of records there are in the log.
pub(crate) fn kinds(rows: &dyn event::Rows) -> Vec<String> {
    let prefix = KNOWN.key(house(), &[""]);
    let mut found = Vec::new();
    rows.scan(&prefix, &mut |key, _| {
        found.push(String::from_utf8_lossy(&key[prefix.len()..]).into_owned());
        true
    });
    found
}

/// The first record of a kind, if there is one.
pub(crate) fn first_of(rows: &dyn event::Rows, kind: &str) -> Option<Seq> {
    KNOWN.get(rows, house(), &[kind])
}

/// Takes timers back that nobody waits for any more.
fn drop_timers(flow: &mut FlowRow, rows: &mut dyn RowsMut, dropped: &dyn Fn(&str) -> bool) {
    for path in flow.timers.iter().filter(|path| dropped(path)) {
        TIMERS.remove(rows, house(), &[&flow.id.to_string(), path]);
    }
    flow.timers.retain(|path| !dropped(path));
}

/// The key of a row of [`PAUSES`].
pub(crate) fn pause_key(which: &Which) -> String {
    match which {
        Which::Flow(id) => format!("flow/{id}"),
        Which::Kind(name) => format!("kind/{name}"),
        Which::Background => "background".to_owned(),
        Which::All => "all".to_owned(),
    }
}

fn read<E: Event>(record: &Record) -> Option<E> {
    (record.kind == E::KIND).then(|| record.get().ok()).flatten()
}

fn begin(record: &Record, started: Started) -> FlowRow {
    FlowRow {
        id: record.flow,
        name: started.name,
        version: started.version,
        label: started.label,
        scope: record.scope.clone(),
        actor: record.actor.clone(),
        cause: record.cause.clone(),
        subjects: started.subjects,
        state: State::Running,
        started_ms: record.time_ms,
        ended_ms: None,
        first: record.seq,
        last: record.seq,
        records: 0,
        committed: false,
        cancel: None,
        turn: None,
        parked: None,
        outcome: None,
        timers: Vec::new(),
        class: started.class,
        paused: None,
        signals: 0,
        signalled: false,
        takes_up: started.takes_up,
    }
}

fn advance(flow: &mut FlowRow, rows: &mut dyn RowsMut, record: &Record) {
    if !record.kind.starts_with("flow.") {
        return;
    }
    let house = house();
    let id = flow.id.to_string();
    if let Some(turned) = read::<Turned>(record) {
        flow.turn = Some(turned.cause);
        flow.state = State::Unwinding;
        flow.parked = None;
    } else if let Some(cancel) = read::<CancelRequested>(record) {
        flow.cancel = Some(cancel.reason);
    } else if let Some(parked) = read::<Parked>(record) {
        flow.parked = Some(parked.why);
        flow.state = State::Parked;
    } else if read::<Released>(record).is_some() {
        flow.parked = None;
        flow.state = if flow.turn.is_some() { State::Unwinding } else { State::Running };
    } else if let Some(paused) = read::<Paused>(record) {
        match &paused.which {
            Which::Flow(_) => flow.paused = Some(paused.reason),
            Which::Kind(_) | Which::Background | Which::All => {
                PAUSES.put(rows, house, &[&pause_key(&paused.which)], &paused);
            }
        }
    } else if let Some(resumed) = read::<Resumed>(record) {
        match &resumed.which {
            Which::Flow(_) => flow.paused = None,
            Which::Kind(_) | Which::Background | Which::All => {
                PAUSES.remove(rows, house, &[&pause_key(&resumed.which)]);
            }
        }
    } else if let Some(told) = read::<Signalled>(record) {
        flow.signals += 1;
        if !told.key.is_empty() {
            TOLD.put(rows, house, &[&id, &told.key], &record.seq);
            flow.signalled = true;
        }
    } else if read::<SignalTaken>(record).is_some() {
        flow.signals = flow.signals.saturating_sub(1);
        let set_at = record.path.as_str().trim_end_matches('+');
        drop_timers(flow, rows, &|path| path == set_at);
    } else if let Some(raced) = read::<Raced>(record) {
        let (lines, winner) = (format!("{}.", record.path), format!("{}.{}/", record.path, raced.winner));
        drop_timers(flow, rows, &|path| path.starts_with(&lines) && !path.starts_with(&winner));
    } else if let Some(timer) = read::<TimerSet>(record) {
        TIMERS.put(rows, house, &[&id, record.path.as_str()], &timer.due_ms);
        flow.timers.push(record.path.0.clone());
    } else if let Some(fired) = read::<TimerFired>(record) {
        TIMERS.remove(rows, house, &[&id, &fired.set_at]);
        flow.timers.retain(|path| *path != fired.set_at);
    } else if let Some(ended) = read::<Ended>(record) {
        for path in std::mem::take(&mut flow.timers) {
            TIMERS.remove(rows, house, &[&id, &path]);
        }
        let mut told = Vec::new();
        if flow.signalled {
            let prefix = TOLD.key(house, &[&id, ""]);
            rows.scan(&prefix, &mut |key, _| {
                told.push(key.to_vec());
                true
            });
        }
        for key in told {
            rows.set(key, None);
        }
        flow.paused = None;
        flow.state = match &ended.outcome {
            Outcome::Done(_) | Outcome::Continued(_) => State::Done,
            Outcome::Undone(_) => State::Undone,
            Outcome::Abandoned(_) => State::Abandoned,
        };
        flow.parked = None;
        flow.ended_ms = Some(record.time_ms);
        flow.outcome = Some(ended.outcome);
    }
}
