//! What the simulation's judge knows of flows that are begun anew: what they take over, and that several of them are
//! one to the world and to whoever waits for them.

use event::{Cause, FlowId, Record, Seq};

use crate::State;
use crate::attempt::RESET_NUMBERS;
use crate::kinds::{Outcome, Raced, SignalTaken, Signalled, Turn};
use crate::tests_simulate_truth::{Race, Told, Truth, text_of};
use crate::tests_simulate_walk::call_of;
use crate::tests_simulate_world::Call;

impl Told {
    /// Of one that is begun anew: from which event on, and as which flow.
    pub(crate) fn reset(&self) -> Option<(Seq, FlowId)> {
        match &self.turn {
            Some((Turn::Reset { before, next, .. }, _)) => Some((*before, *next)),
            _ => None,
        }
    }

    /// Whether a flow that goes on from before an event takes a record over: what lost before is undone for good.
    fn hands_over(&self, record: &Record, before: Seq) -> bool {
        record.seq < before
            || self.lost_in(call_of(record.path.as_str())).is_some_and(|(_, race)| race.seq < before)
    }

    /// Whose children those of a call are.
    pub(crate) fn parent_at(&self, id: FlowId, call: &str) -> FlowId {
        self.call(call).map_or(id, |record| record.flow)
    }

    /// Takes over what another did before an event, and all that it was told.
    pub(crate) fn take_up(&mut self, old: &Self, before: Seq) {
        (self.work, self.resets) = (old.work, old.resets + 1);
        self.steps = old.steps.iter().filter(|record| old.hands_over(record, before)).cloned().collect();
        if !self.steps.is_empty() {
            self.begun_ms = old.begun_ms;
        }
        (self.signals, self.all_signals) = (old.all_signals.clone(), old.all_signals.clone());
        for record in self.steps.clone() {
            self.decides(&record);
            self.takes(&record);
        }
    }

    pub(crate) fn decides(&mut self, record: &Record) {
        if let Ok(Raced { winner }) = record.get() {
            let winner = usize::try_from(winner).expect("there are few lines");
            let race = Race { winner, seq: record.seq, time_ms: record.time_ms };
            self.races.insert(record.path.0.clone(), race);
        }
    }

    /// Takes what it was told; yields that, unless it was not told it or had taken it.
    pub(crate) fn takes(&mut self, record: &Record) -> Option<Signalled> {
        let SignalTaken { signal } = record.get().ok()?;
        let at = self.signals.iter().position(|(seq, _)| *seq == signal)?;
        let (_, told) = self.signals.remove(at);
        self.heard.insert(record.path.0.clone(), (told.name.clone(), text_of(&told)));
        Some(told)
    }
}

impl Truth {
    /// The flow that one goes on as, or that was begun anew from it.
    pub(crate) fn next_of(&self, told: &Told) -> Option<FlowId> {
        match (&told.outcome, told.reset()) {
            (Some((Outcome::Continued(next), _)), _) => Some(*next),
            (Some((Outcome::Abandoned(_), _)), Some((_, next))) => {
                Some(next).filter(|next| self.flows.contains_key(next))
            }
            _ => None,
        }
    }

    /// The flow that one goes on as in the end, which may be itself.
    pub(crate) fn newest(&self, id: FlowId) -> Option<(FlowId, &Told)> {
        let mut newest = (id, self.flows.get(&id)?);
        while let Some(next) = self.next_of(newest.1) {
            newest = (next, self.flows.get(&next)?);
        }
        Some(newest)
    }

    /// Whether all that a flow did from an event on is undone, and it has gone on as another from there.
    pub(crate) fn is_handed_on(&self, told: &Told) -> bool {
        told.reset().is_some() && self.next_of(told).is_some()
    }

    /// A call by the flow that made it, of those that work under one id.
    pub(crate) fn attributed(&self, call: &Call) -> Call {
        let resets = call.attempt.number / RESET_NUMBERS;
        let made = self.flows.iter().find(|(_, told)| (told.work, told.resets) == (call.flow, resets));
        Call { flow: made.map_or(call.flow, |(id, _)| *id), ..call.clone() }
    }

    /// A flow begins that was begun anew from another.
    pub(crate) fn is_begun_anew(&mut self, record: &Record, told: &mut Told, flow: FlowId, before: Seq) {
        let old = self.flows.get(&flow).filter(|old| {
            let same = (&old.actor, &old.scope) == (&told.actor, &told.scope) && old.script == told.script;
            same && old.reset() == Some((before, record.flow)) && told.cause == Cause::Parent(flow)
        });
        let Some(old) = old.filter(|old| old.state == State::Unwinding).cloned() else {
            self.wrong(record, "it takes up what nobody had reset to there");
            return;
        };
        told.take_up(&old, before);
        let is_undone = |it: &&Record| {
            let undo = format!("{}~", call_of(it.path.as_str()));
            old.at(&undo).is_some() && told.at(&undo).is_none()
        };
        if let Some(undone) = told.steps.iter().find(is_undone) {
            self.wrong(record, &format!("it takes over {}, which is undone", undone.path));
        }
    }
}
