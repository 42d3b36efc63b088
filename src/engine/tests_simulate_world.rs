//! The simulation's world: what steps do in it, how they fail, and what it notices at once.
//!
//! It outlives every engine. Each call is written down with the attempt, the life of the house and the moment it came
//! in, so that it can be judged against the log afterwards. What no log is needed for it judges itself: a flow does
//! one thing at a time, attempts rise, places are not overfilled, what was kept is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event::{Attempt, Failure, FlowId, Progress};
use sim::{Chance, SimFiles};
use tokio::time::Instant;

use crate::At;
use crate::attempt::RESET_NUMBERS;
use crate::queue::lock;
use crate::tests_simulate_script::Act;
use crate::tests_simulate_toy::PLACES;
use crate::tests_simulate_walk::line_of;

/// How often, in a thousand calls, what happens to a step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) world: usize,
    pub(crate) caller: usize,
    pub(crate) ours: usize,
    pub(crate) panic: usize,
    pub(crate) slow: usize,
    pub(crate) keeps: usize,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Well,
    World,
    Caller,
    Ours,
    Stopped,
}

/// Something that was asked of the world.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) flow: FlowId,
    /// Of the step in its story.
    pub(crate) step: String,
    pub(crate) undo: bool,
    /// What it is to do; nothing for an undo.
    pub(crate) act: Option<Act>,
    pub(crate) attempt: Attempt,
    pub(crate) life: usize,
    pub(crate) moment: u64,
    /// When in its life it began and ended, by a clock that never jumps.
    pub(crate) began: Duration,
    pub(crate) ended: Option<(Came, Duration)>,
}

impl Call {
    pub(crate) fn path(&self) -> String {
        format!("{}{}", self.step, if self.undo { "~" } else { "" })
    }
}

#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    trouble: Trouble,
    disk: Arc<SimFiles>,
    pub(crate) state: Mutex<Was>,
}

/// What was and is in the world.
#[derive(Debug, Default)]
pub(crate) struct Was {
    /// Things by key and by which flow made them.
    pub(crate) things: BTreeSet<(String, FlowId)>,
    pub(crate) calls: Vec<Call>,
    pub(crate) problems: Vec<String>,
    /// Undos that were stopped, which only a log that has stopped may do.
    pub(crate) stopped: Vec<String>,
    pub(crate) life: usize,
    /// The first life in which stories know that they were changed.
    pub(crate) changed_in: usize,
    /// How often one that knows kept to the old way.
    pub(crate) kept_old: usize,
    /// When this life began.
    pub(crate) born: Option<Instant>,
    /// Counts the times at which nothing moved.
    pub(crate) moment: u64,
    /// Nothing fails any more.
    pub(crate) calm: bool,
    /// The engine closes.
    pub(crate) closing: bool,
    /// The power goes when so many more calls have begun.
    pub(crate) cut_in: Option<usize>,
    /// Lines of stories that are at something.
    at_work: BTreeSet<(FlowId, String)>,
    in_place: BTreeMap<u8, usize>,
    last: BTreeMap<(FlowId, String), Attempt>,
    /// Failures that are known to have been counted, since the flow was last released.
    counted: BTreeMap<(FlowId, u32, String, bool), u32>,
    /// How many calls there had been when a person last let a flow go on.
    released: BTreeMap<FlowId, usize>,
    /// What a step was told is kept, and what it may have kept besides.
    kept: BTreeMap<(FlowId, u32, String, bool), (u64, u64)>,
}

struct Fate {
    makes_first: bool,
    sleeps: Option<u64>,
    checkpoints: usize,
    keeps: bool,
    came: Came,
    panics: bool,
}

impl World {
    pub(crate) fn new(seed: u64, trouble: Trouble, disk: Arc<SimFiles>) -> Self {
        Self { seed, trouble, disk, state: Mutex::default() }
    }

    /// A life of the house is over: nothing is at work.
    pub(crate) fn ends_life(&self) {
        let mut was = lock(&self.state);
        was.at_work.clear();
        was.in_place.clear();
        was.cut_in = None;
        (was.closing, was.born) = (false, None);
        was.life += 1;
    }

    /// A person lets the flow go on, or begins it anew: failures count anew.
    pub(crate) fn released(&self, flow: FlowId) {
        let mut was = lock(&self.state);
        was.counted.retain(|(other, ..), _| *other != flow);
        let calls = was.calls.len();
        was.released.insert(flow, calls);
    }

    /// Makes a thing, if nothing comes in between.
    pub(crate) async fn act(&self, at: &At<Self>, step: &str, act: &Act) -> Result<(), Failure> {
        self.work(at, step, Some(act), |was, flow| {
            was.things.insert((act.key.clone(), flow));
        })
        .await
    }

    /// Takes it back, however far that came.
    pub(crate) async fn take_back(&self, at: &At<Self>, step: &str, key: &str) -> Result<(), Failure> {
        self.work(at, step, None, |was, flow| _ = was.things.remove(&(key.to_owned(), flow))).await
    }

    /// Takes back what these flows made.
    pub(crate) async fn take_parts_back(
        &self,
        at: &At<Self>,
        step: &str,
        ids: &[FlowId],
    ) -> Result<(), Failure> {
        self.work(at, step, None, |was, _| {
            if let Some(id) = ids.iter().find(|id| was.at_work.iter().any(|(flow, _)| flow == *id)) {
                was.problems.push(format!("part {id} is at work while its parent takes it back"));
            }
            was.things.retain(|(_, maker)| !ids.contains(maker));
        })
        .await
    }

    async fn work(
        &self,
        at: &At<Self>,
        step: &str,
        act: Option<&Act>,
        change: impl Fn(&mut Was, FlowId),
    ) -> Result<(), Failure> {
        let undo = act.is_none();
        let mut work = self.begin(at, step, act).await;
        let fate = self.fate(at.flow(), step, undo);
        if fate.makes_first {
            change(&mut lock(&self.state), work.flow);
        }
        if fate.keeps {
            self.keep(at, step, undo).await?;
        }
        if let Some(ms) = fate.sleeps {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        for round in 0..fate.checkpoints {
            let done_bytes = (round as u64) << 26;
            let progress = Progress { doing: "working".to_owned(), done_bytes, total_bytes: 0 };
            if let Err(stop) = at.work().checkpoint(progress) {
                work.came = Came::Stopped;
                let mut was = lock(&self.state);
                if undo && !was.closing {
                    was.stopped.push(format!("the undo of {step} of {} was stopped", work.flow));
                }
                return Err(stop);
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        work.came = fate.came;
        let what = format!("{step} of {}", work.flow);
        match fate.came {
            Came::World => Err(Failure::world(what, "it rains")),
            Came::Caller => Err(Failure::caller("Never", what)),
            Came::Ours if fate.panics => panic!("a step that panics"),
            Came::Ours => Err(Failure::Ours(what)),
            Came::Well | Came::Stopped => {
                change(&mut lock(&self.state), work.flow);
                Ok(())
            }
        }
    }

    async fn begin(&self, at: &At<Self>, step: &str, act: Option<&Act>) -> AtWork<'_> {
        let (flow, attempt) = (at.flow(), at.attempt());
        let cut = {
            let mut was = lock(&self.state);
            let cut = was.cut_in.as_mut().is_some_and(|left| {
                *left = left.saturating_sub(1);
                *left == 0
            });
            was.begins(flow, step, act, attempt);
            cut
        };
        if cut {
            self.disk.power_cut();
            std::future::pending::<()>().await;
        }
        let call = lock(&self.state).calls.len() - 1;
        let places = places_of(act);
        AtWork { world: self, flow, call, places, came: Came::Stopped }
    }

    fn fate(&self, flow: FlowId, step: &str, undo: bool) -> Fate {
        let was = lock(&self.state);
        let times = was.calls.iter().filter(|call| (call.flow, &*call.step, call.undo) == (flow, step, undo));
        let text = format!("{} {flow} {step} {undo} {}", self.seed, times.count());
        let mut chance = Chance::new(crate::tests_simulate_toy::mix(0, text.as_bytes()));
        let Trouble { world, caller, ours, panic, slow, keeps } = self.trouble;
        let panics = chance.in_thousand(panic);
        // Undos fail as well, but seldom so that a person is called.
        let seldom = if undo { 4 } else { 1 };
        let came = if was.calm {
            Came::Well
        } else if panics || chance.in_thousand(ours / seldom) {
            Came::Ours
        } else if chance.in_thousand(caller / (seldom * seldom)) {
            Came::Caller
        } else if chance.in_thousand(world) {
            Came::World
        } else {
            Came::Well
        };
        Fate {
            makes_first: chance.coin(),
            sleeps: chance.in_thousand(slow).then(|| 1 + chance.below(400) as u64),
            checkpoints: if chance.in_thousand(slow) { 1 + chance.below(6) } else { 0 },
            keeps: chance.in_thousand(keeps),
            came,
            panics,
        }
    }

    /// Keeps a number above the one before, which has to be what is read.
    async fn keep(&self, at: &At<Self>, step: &str, undo: bool) -> Result<(), Failure> {
        // What is begun anew keeps nothing of the one before.
        let resets = at.attempt().number / RESET_NUMBERS;
        let key = (at.flow(), resets, step.to_owned(), undo);
        let found = at.saved::<u64>()?.unwrap_or(0);
        {
            let mut was = lock(&self.state);
            let (told, tried) = was.kept.get(&key).copied().unwrap_or_default();
            if found != told && found != tried {
                was.problems.push(format!("{key:?} kept {told}, then perhaps {tried}, and found {found}"));
            }
            was.kept.insert(key.clone(), (told.max(found), found + 1));
        }
        at.save(&(found + 1)).await?;
        lock(&self.state).kept.insert(key, (found + 1, found + 1));
        Ok(())
    }
}

fn places_of(act: Option<&Act>) -> [Option<u8>; 2] {
    act.map_or([None, None], |act| [act.place, act.within])
}

impl Was {
    pub(crate) fn is_changed(&self) -> bool {
        self.life >= self.changed_in
    }

    fn passed(&self) -> Duration {
        // A call of a life that is over is dropped with its runtime.
        let here = tokio::runtime::Handle::try_current().is_ok();
        self.born.filter(|_| here).map_or(Duration::ZERO, |born| born.elapsed())
    }

    fn begins(&mut self, flow: FlowId, step: &str, act: Option<&Act>, attempt: Attempt) {
        let (undo, places) = (act.is_none(), places_of(act));
        let (life, moment) = (self.life, self.moment);
        let began = self.passed();
        let (step_at, act) = (step.to_owned(), act.cloned());
        let call = Call { flow, step: step_at, undo, act, attempt, life, moment, began, ended: None };
        if !self.at_work.insert((flow, line_of(step).to_owned())) {
            self.problems.push(format!("two attempts of a line of {flow} at once, one at {}", call.path()));
        }
        if let Some(last) = self.last.insert((flow, step.to_owned()), attempt)
            && last >= attempt
        {
            self.problems.push(format!("{flow} came to {} as {attempt:?} after {last:?}", call.path()));
        }
        let before = self.calls.iter().skip(self.released.get(&flow).copied().unwrap_or(0)).rev();
        // What is begun anew counts anew.
        let resets = attempt.number / RESET_NUMBERS;
        let mut before = before.filter(|call| {
            (call.flow, call.attempt.number / RESET_NUMBERS, &*call.step, call.undo)
                == (flow, resets, step, undo)
        });
        let counted = self.counted.entry((flow, resets, step.to_owned(), undo)).or_default();
        // Within a life the next attempt begins when the failure of the one before is on disk.
        if before.next().is_some_and(|last| last.life == life && matches!(last.ended, Some((Came::World, _))))
        {
            *counted += 1;
        }
        if attempt.number % RESET_NUMBERS <= *counted {
            let what = format!("{flow} came to {} as {attempt:?} after {counted} failures", call.path());
            self.problems.push(what);
        }
        for place in places.into_iter().flatten() {
            let there = self.in_place.entry(place).or_default();
            *there += 1;
            if *there > PLACES[usize::from(place)] {
                self.problems.push(format!("{there} are in place {place}, {flow} the last"));
            }
        }
        self.calls.push(call);
    }
}

/// A call that is under way; noted when it ends, however it does.
struct AtWork<'a> {
    world: &'a World,
    flow: FlowId,
    call: usize,
    places: [Option<u8>; 2],
    came: Came,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        let mut was = lock(&self.world.state);
        let came = if std::thread::panicking() { Came::Ours } else { self.came };
        let now = was.passed();
        was.calls[self.call].ended = Some((came, now));
        let line = line_of(&was.calls[self.call].step).to_owned();
        was.at_work.remove(&(self.flow, line));
        for place in self.places.into_iter().flatten() {
            if let Some(there) = was.in_place.get_mut(&place) {
                *there = there.saturating_sub(1);
            }
        }
    }
}
