//! The simulation's own fold of the log: what is true of flows, counters and reservations, found out record by record
//! and without a line of the engine's. It says what no log may hold.

use std::collections::{BTreeMap, BTreeSet};

use event::{Actor, Cause, Event, FlowId, Record, Refusal, Scope, Seq};

use crate::kinds::{
    CancelRequested, Ended, Failed, Outcome, Parked, Paused, Raced, Refused, Released, Resumed, SignalTaken,
    Signalled, Started, TakesUp, TimerFired, TimerSet, Turn, Turned,
};
use crate::tests_simulate_script::Script;
use crate::tests_simulate_toy::*;
use crate::tests_simulate_walk::{Came, call_of, line_of, walk};
use crate::{State, Superseded};

/// A flow, as far as the log tells of it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The first of those that were begun anew one from the other, under whose id all of them work.
    pub(crate) work: FlowId,
    /// How many there were before it.
    pub(crate) resets: u32,
    pub(crate) script: Script,
    pub(crate) scope: Scope,
    pub(crate) actor: Actor,
    pub(crate) cause: Cause,
    pub(crate) state: State,
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    pub(crate) count: u64,
    pub(crate) started_ms: i64,
    /// The time at which its story begins: that of the flow which it has taken steps over from.
    pub(crate) begun_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    pub(crate) committed: bool,
    pub(crate) cancel: Option<String>,
    /// When it was cancelled.
    pub(crate) cancelled: Option<Seq>,
    pub(crate) takes_up: Option<TakesUp>,
    pub(crate) turn: Option<(Turn, Seq)>,
    pub(crate) parked: Option<String>,
    pub(crate) parks: usize,
    pub(crate) releases: usize,
    pub(crate) outcome: Option<(Outcome, Seq)>,
    pub(crate) timers: Vec<String>,
    /// What it was told and has not taken.
    pub(crate) signals: Vec<(Seq, Signalled)>,
    /// The same by its own records alone.
    pub(crate) own_signals: u32,
    /// All that it was told, or that the flows which it takes up were.
    pub(crate) all_signals: Vec<(Seq, Signalled)>,
    /// Every text it was told.
    pub(crate) texts: BTreeSet<String>,
    /// What it took, by path: the name and the text.
    pub(crate) heard: BTreeMap<String, (String, String)>,
    pub(crate) paused: Option<String>,
    keys: BTreeSet<String>,
    /// Records with a path, in the order in which they came, and before them those that it has taken over.
    pub(crate) steps: Vec<Record>,
    /// Races that are decided, by path.
    pub(crate) races: BTreeMap<String, Race>,
    /// Calls that may ask again for what they were refused.
    pub(crate) asks_again: BTreeSet<String>,
}

/// How a race was decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Race {
    pub(crate) winner: usize,
    pub(crate) seq: Seq,
    pub(crate) time_ms: i64,
}

impl Told {
    /// The newest record at a path.
    pub(crate) fn at(&self, path: &str) -> Option<&Record> {
        self.steps.iter().rev().find(|record| record.path.as_str() == path)
    }

    /// What the story came to with a call; a step without return has a mark.
    pub(crate) fn call(&self, call: &str) -> Option<&Record> {
        let taken = || self.at(&format!("{call}+")).filter(|record| record.kind == SignalTaken::KIND);
        self.at(call).or_else(|| self.at(&format!("{call}!"))).or_else(taken)
    }

    /// The race that a call lost: the innermost, which is over before those around it.
    pub(crate) fn lost_in(&self, call: &str) -> Option<(&str, Race)> {
        let lost = |path: &str, race: &Race| {
            let line = call.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'));
            let line = line.and_then(|line| line.split('/').next()).and_then(|line| line.parse().ok());
            line.is_some_and(|line: usize| line != race.winner)
        };
        let lost = self.races.iter().filter(|(path, race)| lost(path, race));
        lost.max_by_key(|(path, _)| path.len()).map(|(path, race)| (path.as_str(), *race))
    }

    /// Where it ended, if it did what it was for.
    pub(crate) fn done_at(&self) -> Option<Seq> {
        self.outcome.as_ref().filter(|_| self.state == State::Done).map(|(_, seq)| *seq)
    }

    /// Whether it had ended before an event.
    pub(crate) fn is_over_at(&self, seq: Seq) -> bool {
        self.outcome.as_ref().is_some_and(|(_, end)| *end < seq)
    }

    /// Calls whose no is the newest thing of its line, when no line around it has gone on since.
    fn last_noes(&self) -> BTreeSet<String> {
        let noes = self.steps.iter().enumerate().filter(|(at, record)| {
            let line = line_of(record.path.as_str());
            // Whoever asks after a change does no step.
            let later = self.steps[at + 1..].iter().filter(|other| !other.path.as_str().starts_with('?'));
            let newer = later.clone().any(|other| line.starts_with(line_of(other.path.as_str())));
            Self::is_no(record) && !newer
        });
        noes.map(|(_, record)| call_of(record.path.as_str()).to_owned()).collect()
    }

    pub(crate) fn is_no(record: &Record) -> bool {
        [Refused::KIND, Failed::KIND].contains(&&*record.kind)
    }
}

/// What is true, and what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) flows: BTreeMap<FlowId, Told>,
    pub(crate) requests: BTreeMap<String, FlowId>,
    pub(crate) counters: BTreeMap<(Scope, String), Counter>,
    pub(crate) held: BTreeMap<(Scope, String), Held>,
    pub(crate) problems: Vec<String>,
    last: Seq,
    last_ms: i64,
}

impl Truth {
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut truth = Self::default();
        for record in records {
            truth.fold(record);
        }
        truth
    }

    pub(crate) fn wrong(&mut self, record: &Record, what: &str) {
        let Record { seq, flow, path, kind, .. } = record;
        self.problems.push(format!("event {seq} ({flow} {path:?} {kind}): {what}"));
    }

    pub(crate) fn sight(&self, scope: &Scope, now_ms: i64) -> Sight {
        let counters = self.counters.iter().filter(|((of, _), _)| of == scope).map(|(_, row)| row);
        let held = self.held.iter().filter(|((of, _), _)| of == scope).map(|(_, row)| row);
        Sight::of(counters, held, now_ms)
    }

    fn fold(&mut self, record: &Record) {
        if record.seq != self.last.next() || record.time_ms < self.last_ms {
            self.wrong(record, "it does not follow the one before");
        }
        (self.last, self.last_ms) = (record.seq, record.time_ms);
        if record.kind == Started::KIND {
            self.begin(record);
            return;
        }
        let Some(flow) = self.flows.get(&record.flow).cloned() else {
            self.wrong(record, "its flow never began");
            return;
        };
        if flow.state.has_ended() {
            self.wrong(record, "its flow had ended");
        }
        if (record.previous, &record.actor, &record.cause) != (Some(flow.last), &flow.actor, &flow.cause) {
            self.wrong(record, "it does not go on from its flow's last");
        }
        let mut next = Told { last: record.seq, count: flow.count + 1, ..flow.clone() };
        if record.path.as_str().is_empty() {
            self.turn_of_flow(record, &flow, &mut next);
        } else {
            self.step(record, &flow, &mut next);
            next.steps.push(record.clone());
        }
        self.flows.insert(record.flow, next);
        self.domain(record);
    }

    fn begin(&mut self, record: &Record) {
        let started: Started = record.get().expect("it is of that kind");
        if self.flows.contains_key(&record.flow) || record.previous.is_some() || !record.path.0.is_empty() {
            self.wrong(record, "a flow began twice");
        }
        match &record.cause {
            Cause::Request(request) => {
                if let Some(other) = self.requests.insert(request.clone(), record.flow) {
                    self.wrong(record, &format!("its request had begun {other}"));
                }
            }
            Cause::Parent(parent) => {
                let open = self.flows.get(parent).is_some_and(|parent| parent.state == State::Running);
                if !open && !matches!(started.takes_up, Some(TakesUp::Resets { .. })) {
                    self.wrong(record, "its parent does not go forward");
                }
            }
        }
        let mut told = Told {
            work: record.flow,
            resets: 0,
            script: rmp_serde::from_slice(&started.input).expect("the toy's input"),
            scope: record.scope.clone(),
            actor: record.actor.clone(),
            cause: record.cause.clone(),
            state: State::Running,
            first: record.seq,
            last: record.seq,
            count: 1,
            started_ms: record.time_ms,
            begun_ms: record.time_ms,
            ended_ms: None,
            committed: false,
            cancel: None,
            cancelled: None,
            takes_up: started.takes_up,
            turn: None,
            parked: None,
            parks: 0,
            releases: 0,
            outcome: None,
            timers: Vec::new(),
            signals: Vec::new(),
            own_signals: 0,
            all_signals: Vec::new(),
            texts: BTreeSet::new(),
            heard: BTreeMap::new(),
            paused: None,
            keys: BTreeSet::new(),
            steps: Vec::new(),
            races: BTreeMap::new(),
            asks_again: BTreeSet::new(),
        };
        if let Some(TakesUp::Continues(before)) = told.takes_up {
            let before = self.flows.get(&before).filter(|_| told.cause == Cause::Parent(before));
            if !before.is_some_and(|before| goes_on_as(before, &told)) {
                self.wrong(record, "no flow goes on as this one");
            }
        }
        if let Some(TakesUp::Resets { flow, before }) = told.takes_up {
            self.is_begun_anew(record, &mut told, flow, before);
        }
        if told.scope != scope(told.script.at) {
            self.wrong(record, "it is in another scope than its story");
        }
        self.flows.insert(record.flow, told);
    }

    /// What becomes of a flow as a flow.
    fn turn_of_flow(&mut self, record: &Record, flow: &Told, next: &mut Told) {
        let parked = flow.state == State::Parked;
        let mut demand = |holds: bool, what: &str| {
            if !holds {
                self.wrong(record, what);
            }
        };
        if let Ok(Turned { cause }) = record.get() {
            demand(flow.turn.is_none() && !flow.committed, "it cannot turn any more");
            let by_person = matches!(cause, Turn::Unwound(_) | Turn::Reset { .. });
            demand(by_person == parked, "only a parked flow is unwound by a person");
            match &cause {
                Turn::Cancelled(_) => demand(flow.cancel.is_some(), "nobody had cancelled it"),
                Turn::Failed(refusal) => {
                    let end = walk(flow).end;
                    demand(end == Came::No(refusal.clone()), "that no is not what its story comes to");
                }
                Turn::Unwound(_) => {}
                Turn::Reset { .. } => {
                    demand(flow.cancel.is_none(), "it was begun anew when it was cancelled");
                }
            }
            (next.state, next.turn, next.parked) = (State::Unwinding, Some((cause, record.seq)), None);
        } else if let Ok(CancelRequested { reason, by }) = record.get() {
            let in_time = flow.cancel.is_none() && (flow.turn.is_none() || flow.reset().is_some());
            // What it is part of may ask for the flow that it goes on as.
            demand(
                in_time && (!flow.committed || by.account.starts_with("workflow ")),
                "it was too late to cancel it",
            );
            (next.cancel, next.cancelled) = (Some(reason), Some(record.seq));
        } else if let Ok(Parked { why }) = record.get() {
            demand(!parked, "it was parked");
            demand(!why.contains("diverged"), &why);
            (next.state, next.parked, next.parks) = (State::Parked, Some(why), flow.parks + 1);
        } else if record.kind == Released::KIND
            && flow.count == 1
            && matches!(flow.takes_up, Some(TakesUp::Resets { .. }))
        {
            // So says the log who began it.
        } else if record.kind == Released::KIND {
            demand(parked, "it was not parked");
            next.state = if flow.turn.is_some() { State::Unwinding } else { State::Running };
            next.asks_again = if flow.committed { flow.last_noes() } else { BTreeSet::new() };
            (next.parked, next.releases) = (None, flow.releases + 1);
        } else if let Ok(told) = record.get::<Signalled>() {
            let listens = flow.turn.is_none() && (flow.cancel.is_none() || flow.committed);
            demand(listens, "it takes nothing more");
            demand(told.key.is_empty() || next.keys.insert(told.key.clone()), "it was told that already");
            next.texts.insert(text_of(&told));
            next.signals.push((record.seq, told.clone()));
            next.all_signals.push((record.seq, told));
            next.own_signals += 1;
        } else if let Ok(Paused { reason, .. }) = record.get() {
            demand(flow.paused.is_none() && !parked, "it stood still anyway");
            next.paused = Some(reason);
        } else if record.kind == Resumed::KIND {
            demand(flow.paused.is_some(), "it was not made to stand still");
            next.paused = None;
        } else if let Ok(Ended { outcome }) = record.get() {
            self.ends(record, flow, next, outcome);
        } else {
            demand(false, "a record of this kind has a path");
        }
    }

    /// How it ends.
    fn ends(&mut self, record: &Record, flow: &Told, next: &mut Told, outcome: Outcome) {
        let parked = flow.state == State::Parked;
        let mut demand = |holds: bool, what: &str| {
            if !holds {
                self.wrong(record, what);
            }
        };
        next.state = match &outcome {
            Outcome::Done(_) => {
                demand(flow.state == State::Running, "it did not go forward");
                demand(flow.cancel.is_none() || flow.committed, "a cancel had been accepted");
                State::Done
            }
            Outcome::Undone(turn) => {
                demand(flow.state == State::Unwinding, "it was not being undone");
                demand(
                    flow.turn.as_ref().is_some_and(|(was, _)| was == turn),
                    "it turned for another reason",
                );
                State::Undone
            }
            Outcome::Continued(next) => {
                let told = self.flows.get(next).filter(|next| {
                    // It begins in the same moment, with all that this one was told and did not take.
                    next.takes_up == Some(TakesUp::Continues(record.flow))
                        && next.last.next() == record.seq
                        && next.cancel == flow.cancel
                        && next
                            .signals
                            .iter()
                            .map(|(_, told)| told)
                            .eq(flow.signals.iter().map(|(_, told)| told))
                });
                if told.is_none() {
                    self.wrong(
                        record,
                        "it goes on as no flow that takes it up, with all that it was told and asked",
                    );
                }
                State::Done
            }
            Outcome::Abandoned(_) => {
                let taken_up = flow
                    .reset()
                    .and_then(|(_, next)| self.flows.get(&next))
                    .is_some_and(|next| next.last.next() == record.seq && next.cancel == flow.cancel);
                if !parked && !taken_up {
                    self.wrong(record, "it was not parked, nor begun anew with all that was asked of it");
                }
                State::Abandoned
            }
        };
        next.timers.clear();
        next.parked = None;
        (next.outcome, next.ended_ms) = (Some((outcome, record.seq)), Some(record.time_ms));
    }

    /// What becomes of a step.
    fn step(&mut self, record: &Record, flow: &Told, next: &mut Told) {
        let path = record.path.as_str();
        let undoes = path.ends_with('~');
        if flow.state == State::Parked {
            self.wrong(record, "its flow is parked");
        }
        let call = call_of(path);
        let lost = flow.lost_in(call).is_some();
        if undoes && flow.turn.is_none() && !lost {
            self.wrong(record, "its flow has not turned, nor its line lost");
        }
        if !undoes && flow.turn.is_some() {
            self.wrong(record, "its flow has turned");
        }
        // What a line was at when another won becomes an event as ever.
        if !undoes && lost && ![Acted::KIND, Failed::KIND].contains(&&*record.kind) {
            self.wrong(record, "its line had lost");
        }
        let before = flow.call(call).filter(|_| !path.ends_with(['~', '+']));
        let again = before.is_some_and(Told::is_no) && next.asks_again.remove(call);
        if (flow.at(path).is_some() || before.is_some()) && !again {
            self.wrong(record, "this step had been recorded");
        }
        if record.kind == Raced::KIND {
            next.decides(record);
            let left = next.timers.iter().filter(|path| next.lost_in(path).is_none());
            next.timers = left.cloned().collect();
        }
        let decided = !undoes
            && (record.kind == Refused::KIND
                || [Counted::KIND, Reserved::KIND, Stolen::KIND, Said::KIND, Shut::KIND]
                    .contains(&&*record.kind));
        if decided && flow.cancel.is_some() && !flow.committed {
            self.wrong(record, "its flow had been cancelled when it was decided");
        }
        next.committed |= path.ends_with('!');
        if let Ok(TimerSet { .. }) = record.get() {
            next.timers.push(path.to_owned());
        }
        if let Ok(TimerFired { set_at }) = record.get() {
            // It may have been set in a flow that this one takes up.
            let is_set = flow.at(&set_at).is_some_and(|set| set.kind == TimerSet::KIND);
            if !is_set || format!("{set_at}+") != path {
                self.wrong(record, "no such timer was set");
            }
            next.timers.retain(|path| *path != set_at);
        }
        if let Ok(SignalTaken { signal }) = record.get() {
            let Some(told) = next.takes(record) else {
                self.wrong(record, "it was not told that, or had taken it");
                return;
            };
            next.own_signals = next.own_signals.saturating_sub(1);
            if flow.signals.iter().any(|(seq, older)| *seq < signal && older.name == told.name) {
                self.wrong(record, "it was told something older of that name");
            }
            let set_at = path.trim_end_matches('+');
            next.timers.retain(|path| path != set_at);
        }
    }

    /// What becomes of counters and reservations.
    fn domain(&mut self, record: &Record) {
        let here = |name: &str| (record.scope.clone(), name.to_owned());
        let sight = self.sight(&record.scope, record.time_ms);
        let ours = self.flows.get(&record.flow).map_or(record.flow, |told| told.work);
        let mut saw = None;
        let mut right = true;
        if let Ok(counted) = record.get::<Counted>() {
            saw = Some(counted.sight);
            right = self.count(here(&counted.name), counted.before, counted.add);
        } else if let Ok(uncounted) = record.get::<Uncounted>() {
            saw = Some(uncounted.sight);
            right = self.count(here(&uncounted.name), uncounted.before, -uncounted.add);
        } else if let Ok(Reserved { name, by, sight }) = record.get() {
            let held = self.held.keys().filter(|(scope, _)| *scope == record.scope).count();
            right = by == ours && !self.held.contains_key(&here(&name)) && held < HELD_MAX;
            self.held.insert(here(&name), Held { name, by });
            saw = Some(sight);
        } else if let Ok(Stolen { name, by, from, sight }) = record.get() {
            right = by == ours && self.held.get(&here(&name)).map(|held| held.by) == from;
            self.held.insert(here(&name), Held { name, by });
            saw = Some(sight);
        } else if let Ok(Freed { name, sight }) = record.get() {
            right = self.held.remove(&here(&name)).is_some_and(|held| held.by == ours);
            saw = Some(sight);
        } else if let Ok(Superseded { what }) = record.get() {
            right = self.held.get(&here(&what)).is_none_or(|held| held.by != ours);
        } else if let Ok(Said { sight, .. }) = record.get() {
            saw = Some(sight);
        } else if let Ok(Shut { sight }) = record.get() {
            saw = Some(sight);
        } else if let Ok(Refused { refusal }) = record.get() {
            let held = self.held.keys().filter(|(scope, _)| *scope == record.scope).count();
            right = if refusal.code == "Full" { held >= HELD_MAX } else { self.is_taken(record, &refusal) };
        }
        if !right {
            self.wrong(record, "it was not so at the head of the log");
        }
        if saw.is_some_and(|saw| saw != sight) {
            self.wrong(record, &format!("its rule saw {saw:?}, but there was {sight:?}"));
        }
    }

    fn is_taken(&self, record: &Record, refusal: &Refusal) -> bool {
        let here = self.held.iter().filter(|((scope, _), _)| *scope == record.scope);
        here.map(|(_, held)| format!("`{}` is held by {}", held.name, held.by))
            .any(|text| text == refusal.message)
    }

    fn count(&mut self, key: (Scope, String), before: i64, add: i64) -> bool {
        let was = self.counters.get(&key).map_or(0, |row| row.value);
        let value = was + add;
        match value {
            0 => _ = self.counters.remove(&key),
            _ => _ = self.counters.insert(key.clone(), Counter { name: key.1, value }),
        }
        was == before
    }
}

/// Whether a flow has come to its end and goes on as another.
fn goes_on_as(before: &Told, next: &Told) -> bool {
    before.state == State::Running
        && (before.cancel.is_none() || before.committed)
        && before.actor == next.actor
        && before.script.next.as_deref() == Some(&next.script)
        && matches!(walk(before).end, Came::Words(_))
}

pub(crate) fn text_of(told: &Signalled) -> String {
    rmp_serde::from_slice(&told.payload).expect("the toy tells texts")
}
