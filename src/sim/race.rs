//! A race with a known outcome: flows that compete go one at a time, in an order chosen by a seed.
//!
//! A flow that has been let through moves until it comes to its next turn, waits for something
//! else, or rests; only when nothing moves is the next one chosen, among those at the gate and, if
//! somebody sleeps, the passing of time. So the order is a function of the seed and of the stories,
//! and not of threads. While something moves the runtime is kept busy, so that a paused clock
//! does not jump to the next timer meanwhile.
//!
//! It needs tokio's current-thread runtime with its clock paused, and all flows begun before
//! [`Race::go`]. It deliberately lets each attempt at a step run to its end by itself: a port that
//! waits for another flow's step to go on would wait for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use event::{FlowId, Order, Wait};
use tokio::sync::{Notify, oneshot};

use crate::chance::Chance;

/// How often everything runnable is let run before the next flow is chosen: what one flow has let
/// go of reaches another through a few tasks that wake each other, fewer than these.
const QUIET_TURNS: u32 = 16;

/// Chooses who goes next; see [`event::Order`].
#[derive(Debug)]
pub struct Race {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    chance: Chance,
    /// Flows that move.
    moving: BTreeSet<FlowId>,
    /// Flows that a time will wake.
    sleeping: BTreeSet<FlowId>,
    /// Flows at the gate, and what lets them through.
    gate: BTreeMap<FlowId, (String, oneshot::Sender<()>)>,
    choices: Vec<(FlowId, String)>,
}

impl Race {
    /// A race that has not begun: everybody stops at the gate until [`Race::go`].
    pub fn new(seed: u64) -> Arc<Self> {
        let state = State {
            chance: Chance::new(seed),
            moving: BTreeSet::new(),
            sleeping: BTreeSet::new(),
            gate: BTreeMap::new(),
            choices: Vec::new(),
        };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    /// Lets flows through from now on, for as long as the runtime lives that this is called in.
    pub fn go(self: &Arc<Self>) {
        let race = self.clone();
        tokio::spawn(async move { race.choose().await });
    }

    /// Does something as one of the competitors: a cancel, say, that may come anywhere. `as_flow`
    /// stands for whoever does it, and is the id of no flow.
    pub async fn aside<T>(&self, as_flow: FlowId, what: &str, doing: impl Future<Output = T>) -> T {
        self.begins(as_flow);
        self.turn(as_flow, what).await;
        let done = doing.await;
        self.rests(as_flow);
        done
    }

    /// Who was let through so far, and to what: `begin`, paths of steps and undos, `turn`, `end`.
    pub fn choices(&self) -> Vec<(FlowId, String)> {
        self.lock().choices.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_waiters();
    }

    async fn choose(&self) {
        loop {
            let mut quiet = 0;
            while quiet < QUIET_TURNS {
                // The committer is a thread of its own, and may be who is waited for.
                std::thread::yield_now();
                tokio::task::yield_now().await;
                quiet = if self.lock().moving.is_empty() { quiet + 1 } else { 0 };
            }
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.lock().lets_one_through() {
                // Nobody can go, or time passes: the clock goes on to whoever wakes first.
                changed.await;
            }
        }
    }
}

impl State {
    /// Chooses; says no if it is nobody at the gate.
    fn lets_one_through(&mut self) -> bool {
        let candidates = self.gate.len() + usize::from(!self.sleeping.is_empty());
        if self.gate.is_empty() {
            return false;
        }
        let chosen = self.chance.below(candidates);
        let Some(flow) = self.gate.keys().nth(chosen).copied() else { return false };
        let (path, pass) = self.gate.remove(&flow).expect("it was just looked up");
        if pass.send(()).is_ok() {
            self.moving.insert(flow);
            self.choices.push((flow, path));
        }
        true
    }
}

#[async_trait]
impl Order for Race {
    fn begins(&self, flow: FlowId) {
        self.change(|state| _ = state.moving.insert(flow));
    }

    async fn turn(&self, flow: FlowId, path: &str) {
        let (pass, passes) = oneshot::channel();
        self.change(|state| {
            state.moving.remove(&flow);
            let before = state.gate.insert(flow, (path.to_owned(), pass));
            assert!(before.is_none(), "a flow does one thing at a time");
        });
        let mut leaves = Leaves { race: self, flow: Some(flow) };
        // The sender is dropped only together with the flow's place at the gate.
        let _ = passes.await;
        leaves.flow = None;
    }

    fn waits(&self, flow: FlowId, wait: Wait) {
        self.change(|state| {
            state.moving.remove(&flow);
            if wait == Wait::Time {
                state.sleeping.insert(flow);
            }
        });
    }

    fn moves(&self, flow: FlowId) {
        self.change(|state| {
            state.sleeping.remove(&flow);
            state.moving.insert(flow);
        });
    }

    fn rests(&self, flow: FlowId) {
        self.change(|state| {
            state.moving.remove(&flow);
            state.sleeping.remove(&flow);
            state.gate.remove(&flow);
        });
    }
}

/// Takes a flow from the gate that no longer waits there.
struct Leaves<'a> {
    race: &'a Race,
    flow: Option<FlowId>,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        if let Some(flow) = self.flow {
            self.race.change(|state| {
                state.gate.remove(&flow);
                state.moving.insert(flow);
            });
        }
    }
}
