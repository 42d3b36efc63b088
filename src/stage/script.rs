//! What strikes whom, and who keeps the time from moving.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use event::{Failure, FlowId, Order, Wait, When};
use sim::SimFiles;

/// What strikes an attempt at a step, or at its undo.
#[derive(Clone, Debug)]
pub struct Fate {
    strikes: Strikes,
    /// It strikes when the step has done what it does.
    after: bool,
}

#[derive(Clone, Debug)]
enum Strikes {
    Caller(String),
    World(String),
    Ours(String),
    PowerCut,
}

impl Fate {
    /// The world is out of order: the step is tried again, as its policy says.
    pub fn world(why: &str) -> Self {
        Self::of(Strikes::World(why.to_owned()))
    }

    /// What was asked for cannot be: the step fails for good, and the flow turns unless the story takes the no.
    pub fn caller(code: &str) -> Self {
        Self::of(Strikes::Caller(code.to_owned()))
    }

    /// A fault of our own: the flow parks.
    pub fn ours(why: &str) -> Self {
        Self::of(Strikes::Ours(why.to_owned()))
    }

    /// The power goes.
    pub fn power_cut() -> Self {
        Self::of(Strikes::PowerCut)
    }

    /// The same when the step has acted, so that nobody hears of it.
    #[must_use]
    pub fn after_it_acted(mut self) -> Self {
        self.after = true;
        self
    }

    fn of(strikes: Strikes) -> Self {
        Self { strikes, after: false }
    }

    fn failure(&self, disk: &SimFiles) -> Option<Failure> {
        match &self.strikes {
            Strikes::Caller(code) => Some(Failure::caller(code, "the script says so")),
            Strikes::World(why) => Some(Failure::world("acting", why)),
            Strikes::Ours(why) => Some(Failure::Ours(why.clone())),
            Strikes::PowerCut => {
                disk.power_cut();
                None
            }
        }
    }
}

/// The order of a stage: everybody goes at once, what the script says strikes, and time waits for who moves.
#[derive(Debug)]
pub(crate) struct Script {
    disk: Arc<SimFiles>,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    fates: BTreeMap<String, VecDeque<Fate>>,
    /// The steps and undos at which an attempt was made, in the order of their first.
    attempted: Vec<String>,
    /// How many lines of each flow that is driven wait for nothing but the log.
    moving: BTreeMap<FlowId, isize>,
    /// Tests that do something other than wait.
    guests: usize,
    /// Somebody keeps the time.
    held: bool,
    /// Between the beginning of a life and its end: what is dropped afterwards says that it moves.
    alive: bool,
}

impl State {
    fn moves(&self) -> bool {
        self.alive && (self.guests > 0 || self.moving.values().any(|lines| *lines > 0))
    }

    fn are_more(&mut self, flow: FlowId, by: isize) {
        *self.moving.entry(flow).or_default() += by;
    }
}

impl Script {
    pub(crate) fn new(disk: Arc<SimFiles>) -> Arc<Self> {
        Arc::new(Self { disk, state: Arc::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn strike(&self, path: &str, fate: Fate) {
        self.lock().fates.entry(path.to_owned()).or_default().push_back(fate);
    }

    pub(crate) fn attempted(&self) -> Vec<String> {
        self.lock().attempted.clone()
    }

    /// A life begins, or ends: nobody is left of it, and whoever kept the time lets go.
    pub(crate) fn live(&self, alive: bool) {
        let mut state = self.lock();
        state.moving.clear();
        state.guests = 0;
        state.alive = alive;
        self.state.1.notify_all();
    }

    /// A test does something other than wait, until it says that it is over.
    pub(crate) fn guest(&self, comes: bool) {
        self.change(|state| {
            state.guests = if comes { state.guests + 1 } else { state.guests.saturating_sub(1) }
        });
    }

    /// Somebody has begun to move or ceased to; while anybody does, a thread is at work for the runtime, and a
    /// runtime that has such skips no time.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        if !state.moves() {
            self.state.1.notify_all();
        } else if !state.held && tokio::runtime::Handle::try_current().is_ok() {
            state.held = true;
            let all = self.state.clone();
            // It ends by itself, when nobody moves.
            drop(tokio::task::spawn_blocking(move || {
                let (state, changed) = &*all;
                let state = state.lock().unwrap_or_else(PoisonError::into_inner);
                let mut state =
                    changed.wait_while(state, |state| state.moves()).unwrap_or_else(PoisonError::into_inner);
                state.held = false;
            }));
        }
    }
}

#[async_trait]
impl Order for Script {
    fn begins(&self, flow: FlowId) {
        self.change(|state| _ = state.moving.insert(flow, 1));
    }

    async fn turn(&self, _: FlowId, _: &str) {}

    fn waits(&self, flow: FlowId, _: Wait) {
        self.change(|state| state.are_more(flow, -1));
    }

    fn moves(&self, flow: FlowId) {
        self.change(|state| state.are_more(flow, 1));
    }

    fn lines(&self, flow: FlowId, by: isize) {
        self.change(|state| state.are_more(flow, by));
    }

    fn rests(&self, flow: FlowId) {
        self.change(|state| _ = state.moving.remove(&flow));
    }

    fn strikes(&self, flow: FlowId, path: &str, when: When) -> Option<Failure> {
        let after = when == When::After;
        let fate = {
            let mut state = self.lock();
            if !after && !state.attempted.iter().any(|known| known == path) {
                state.attempted.push(path.to_owned());
            }
            let fates = state.fates.get_mut(path);
            fates.and_then(|fates| fates.pop_front_if(|fate| fate.after == after))
        };
        let struck = fate.and_then(|fate| fate.failure(&self.disk));
        // Time goes by for a step at work: it may take longer than it may.
        match (when, &struck) {
            (When::Before, None) => self.waits(flow, Wait::Time),
            (When::Before, Some(_)) => {}
            (When::After, _) => self.moves(flow),
        }
        struck
    }
}
