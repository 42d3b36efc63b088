//! What goes on at this moment, for people who look on and for whoever collects numbers.

use engine::{Filter, Found, Measured, State};
use event::Actor;

use crate::operator::is_operator;
use crate::view_top::{EngineView, Top};
use crate::{Service, Trouble};

/// Operations told of at once, in progress and parked ones each: more than a screen has lines.
const SHOWN_MAX: u32 = 500;

impl Service {
    /// What goes on: of an account's own operations, for the operator of all.
    pub(crate) fn top(&self, actor: &Actor, count: u32) -> Result<Top, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let count = usize::try_from(count.min(SHOWN_MAX)).unwrap_or(usize::MAX);
        let accounts = if is_operator(actor) { Vec::new() } else { vec![actor.account.clone()] };
        let find = |states: &[State]| {
            let filter = Filter { states: states.to_vec(), accounts: accounts.clone(), ..Filter::default() };
            snapshot.find(&filter, None, count)
        };
        let going = find(&[State::Running, State::Unwinding])?;
        let parked = find(&[State::Parked])?;
        let measured = is_operator(actor).then(|| self.engine.measured());
        let counted = |states: &[State], listed: usize| {
            measured.as_ref().map_or(listed as u64, |measured| count_of(measured, states))
        };
        // What is counted for all accounts together is whole; of one account what was looked through is.
        let or_more = |found: &Found| measured.is_none() && found.next.is_some();
        Ok(Top {
            time_ms: self.clock.now_ms(),
            running: counted(&[State::Running, State::Unwinding], going.flows.len()),
            parked: counted(&[State::Parked], parked.flows.len()),
            running_or_more: or_more(&going),
            parked_or_more: or_more(&parked),
            workflows: going
                .flows
                .iter()
                .chain(&parked.flows)
                .map(|flow| self.view_of(actor, flow))
                .collect(),
            engine: measured.as_ref().map(engine_view),
        })
    }

    /// What the log has done since it was opened here.
    pub fn measured(&self) -> Measured {
        self.engine.measured()
    }
}

fn count_of(measured: &Measured, states: &[State]) -> u64 {
    measured.flows.iter().filter(|(_, state, _)| states.contains(state)).map(|(_, _, count)| count).sum()
}

fn engine_view(measured: &Measured) -> EngineView {
    EngineView {
        commits: measured.batches.count,
        events: measured.batches.sum,
        commit_us: measured.commit_us.sum,
        syncs: measured.sync_us.count,
        sync_us: measured.sync_us.sum,
        waiting: measured.waiting,
        failed_attempts: measured.failed_attempts,
        ended: count_of(measured, &[State::Done, State::Undone, State::Abandoned]),
        recoveries: measured.recoveries,
    }
}
