//! What a flow of the simulation shows while it is driven: what its story had come to where it stands.
//!
//! It is looked at when nothing is on its way into the log, so that the log tells all that the story was told, and a
//! flow is asked that waits for its turn at a call: it has shown all that comes before that call, and nothing after.

use event::{Hand, Until};

use crate::tests_simulate_life::Life;
use crate::tests_simulate_script::SHOWN;
use crate::tests_simulate_truth::Truth;
use crate::tests_simulate_walk::{call_of, walk};

impl Life<'_> {
    /// Somebody asks a flow that waits for its turn what it shows.
    pub(crate) fn query(&mut self) {
        let gate = self.director.gate();
        if gate.is_empty() || !self.is_quiet() {
            return;
        }
        let (id, path) = self.run.chance.pick(&gate);
        let truth = Truth::of(&self.run.ledger.seen);
        let Some(told) = truth.flows.get(id).filter(|told| told.turn.is_none()) else { return };
        let story = walk(told);
        // Not at its begin or its end, nor at an undo.
        let called = story.lines.iter().position(|line| !path.ends_with('~') && line.path == call_of(path));
        let Some(called) = called else { return };
        let shown = story.shown.iter().rev().find(|(before, _)| *before <= called);
        let wanted = shown.map(|(_, number)| *number);
        match self.engine.query::<u32>(*id, SHOWN) {
            Ok(found) if found == wanted => self.run.queried += u64::from(found.is_some()),
            found => {
                let what = format!("{id} waits at {path} and shows {found:?}, not {wanted:?}");
                self.run.ledger.problems.push(what);
            }
        }
    }

    /// Whether all that was submitted is in the log, and seen.
    fn is_quiet(&self) -> bool {
        let queue = &self.engine.shared.queue;
        let hands = self.director.hands();
        let mut committer = hands.iter().filter(|paused| paused.hand == Hand::Committer && !paused.ready);
        let waits = committer.any(|paused| matches!(paused.until, Until::Work | Until::Idle));
        waits && queue.waiting() == 0 && !queue.is_writing()
    }
}
