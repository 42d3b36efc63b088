//! Every fault there is, tried on one story.
//!
//! Power is cut and torn at each changing call of the disk, and after each step and undo has acted; each step and undo
//! fails in each of the ways it can, before it acts and after; the flow is cancelled at each point. Whatever strikes
//! wherever, in the end the log is the one of an undisturbed run, or the flow is undone and the world as it was.

use engine::{Error, FlowRow, State, Workflow};
use event::{Event as _, FlowId};

use crate::house::{House, actor};
use crate::script::Fate;
use crate::tells;

/// Calls to the disk at which power is cut, at most: first, last, and those between at equal distance. A story of ten
/// steps makes about as many.
const CALLS_MAX: u64 = 60;
/// Points at which a flow is cancelled, at most. A story comes to its next step within a few turns of the runtime.
const TURNS_MAX: usize = 60;

/// Tries all of it on a story, in a new house each time; `world` says what the world holds, in words that are equal
/// when it holds the same. Parts that are flows of their own and take a no on themselves are tried by themselves: how
/// their parent ends does not say what became of them.
///
/// # Panics
/// With what struck, where, and what differs, if anything does.
pub fn faults<P, W>(house: impl Fn() -> House<P>, story: &W, world: impl Fn(&P) -> String)
where
    P: Send + Sync + 'static,
    W: Workflow<Ports = P> + Clone,
{
    let stage = Stage::new(&house, story, &world);
    stage.power_cuts();
    let steps = stage.failures();
    stage.acts_twice(&steps);
    stage.cancels();
}

struct Stage<'a, P: Send + Sync + 'static, W> {
    house: &'a dyn Fn() -> House<P>,
    story: &'a W,
    world: &'a dyn Fn(&P) -> String,
    /// What an undisturbed run comes to.
    plain: Told,
    steps: Vec<String>,
    calls: u64,
    /// What the world holds before anything is done.
    empty: String,
}

/// What a run has come to.
#[derive(Debug, PartialEq)]
struct Told {
    state: State,
    flows: Vec<(FlowId, Vec<String>)>,
    world: String,
}

impl<'a, P, W> Stage<'a, P, W>
where
    P: Send + Sync + 'static,
    W: Workflow<Ports = P> + Clone,
{
    fn new(house: &'a dyn Fn() -> House<P>, story: &'a W, world: &'a dyn Fn(&P) -> String) -> Self {
        let one = house();
        let empty = world(one.world());
        one.live(async |_| ());
        let before = one.disk.calls();
        let row = one.run("once", story.clone());
        let calls = one.disk.calls() - before;
        assert!(row.state.has_ended(), "undisturbed it has to come to its end: {:?}", row.parked);
        let plain = told(&one, &row, world);
        Self { house, story, world, plain, steps: one.script.attempted(), calls, empty }
    }

    /// Runs it, and again as its caller would, until it has come to its end; lets what has parked go on.
    fn through(&self, house: &House<P>, what: &str) -> FlowRow {
        for _ in 0..LIVES_MAX {
            let row = house.try_live(async |life| {
                let mut row = life.run("once", self.story.clone()).await?;
                if row.state == State::Parked {
                    life.retry(actor(), row.id, "mended").await?;
                    row = life.wait(row.id).await?;
                }
                Ok::<_, Error>(row)
            });
            match row.and_then(|row| row) {
                Ok(row) if house.disk.is_powered() => {
                    // What would have struck later.
                    house.disk.clear_faults();
                    return row;
                }
                Ok(_) | Err(Error::Stopped { .. } | Error::Open { .. } | Error::Read { .. }) => {
                    house.disk.power_on();
                }
                Err(error) => panic!("{what}: {error}"),
            }
        }
        panic!("{what}: it has not come to its end in {LIVES_MAX} lives");
    }

    fn judge(&self, house: &House<P>, row: &FlowRow, what: &str) {
        assert!(row.state.has_ended(), "{what}: it is {:?}: {:?}", row.state, row.parked);
        house.check();
        let is = told(house, row, self.world);
        if is.state == self.plain.state {
            assert_eq!(is, self.plain, "{what}: the log and the world of an undisturbed run");
        } else {
            assert_eq!(is.state, State::Undone, "{what}");
            assert_eq!(is.world, self.empty, "{what}: it is undone, and the world as it was");
        }
    }

    fn power_cuts(&self) {
        let tried = self.calls.clamp(2, CALLS_MAX);
        for number in 0..tried {
            let call = 1 + number * self.calls.saturating_sub(1) / (tried - 1);
            for torn in [false, true] {
                let house = (self.house)();
                house.live(async |_| ());
                if torn {
                    house.disk.tear_after(call);
                } else {
                    house.disk.cut_after(call);
                }
                let what = format!("power cut at call {call} of {} (torn: {torn})", self.calls);
                let row = self.through(&house, &what);
                assert_eq!(row.state, self.plain.state, "{what}: a power cut turns nothing");
                self.judge(&house, &row, &what);
            }
        }
    }

    /// Yields the steps and undos that there are.
    fn failures(&self) -> Vec<String> {
        let mut all = self.steps.clone();
        for step in &self.steps {
            for after in [false, true] {
                for fate in
                    [Fate::world("it hiccups"), Fate::caller("No"), Fate::ours("two and two are five")]
                {
                    let fate = if after { fate.after_it_acted() } else { fate };
                    let house = (self.house)();
                    let what = format!("{fate:?} at step {step}");
                    house.strike(step, fate.clone());
                    let row = self.through(&house, &what);
                    self.judge(&house, &row, &what);
                    for path in house.script.attempted() {
                        if all.contains(&path) {
                            continue;
                        }
                        // An undo, or what the story does about a no: it meets a hiccup as well.
                        let house = (self.house)();
                        let what = format!("{fate:?} at step {step}, and a hiccup at {path}");
                        house.strike(step, fate.clone());
                        house.strike(&path, Fate::world("it hiccups"));
                        let row = self.through(&house, &what);
                        self.judge(&house, &row, &what);
                        all.push(path);
                    }
                }
            }
        }
        all
    }

    /// The power goes when a step or an undo has acted and nobody has heard of it.
    fn acts_twice(&self, paths: &[String]) {
        let last = self.steps.last();
        for path in paths {
            let house = (self.house)();
            if let (true, Some(last)) = (path.ends_with('~'), last) {
                house.strike(last, Fate::caller("No").after_it_acted());
            }
            house.strike(path, Fate::power_cut().after_it_acted());
            let what = format!("{path} acts twice");
            let row = self.through(&house, &what);
            self.judge(&house, &row, &what);
        }
    }

    fn cancels(&self) {
        for turns in 0..TURNS_MAX {
            let house = (self.house)();
            let what = format!("a cancel after {turns} turns");
            let (row, accepted) = house.live(async |life| {
                let id = life.start("once", self.story.clone()).await.expect("it starts");
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                let accepted = life.cancel(actor(), id, "the test says so").await.is_ok();
                (life.wait(id).await.expect("it comes to rest"), accepted)
            });
            assert!(!accepted || row.state == State::Undone, "{what}: one that was accepted is kept");
            self.judge(&house, &row, &what);
            if !accepted {
                // Later it only comes later still.
                return;
            }
        }
    }
}

/// Lives after which a flow has to have come to its end: one for each fault that was planned, and one without.
const LIVES_MAX: usize = 4;

/// All flows there are, each with its lines; those of branches, which come as they come, in the order of their paths.
fn told<P: Send + Sync + 'static>(house: &House<P>, row: &FlowRow, world: &dyn Fn(&P) -> String) -> Told {
    let flows = house.live(async |life| {
        let snapshot = life.snapshot().expect("the log reads");
        let mut rows = snapshot.flows(FLOWS_MAX, |_| true).expect("the log reads");
        rows.sort_by_key(|row| row.id);
        let lines = |row: &FlowRow| (row.id, in_order(tells::lines(&snapshot, row)));
        rows.iter().map(lines).collect()
    });
    Told { state: row.state, flows, world: world(house.world()) }
}

/// Flows that are compared, at most: those of a story with a hundred parts.
const FLOWS_MAX: usize = 1_000;

/// That it parked and was let go on is no part of what it came to.
fn is_between(line: &str) -> bool {
    [engine::Parked::KIND, engine::Released::KIND].iter().any(|kind| line.starts_with(kind))
}

fn in_order(lines: Vec<String>) -> Vec<String> {
    // A record without a path begins with its kind.
    let is_branch = |line: &String| {
        let path = line.split(' ').next().unwrap_or_default();
        path.contains('/') && path.starts_with(|first: char| first.is_ascii_digit())
    };
    let mut sorted: Vec<_> = lines.iter().filter(|line| is_branch(line)).cloned().collect();
    sorted.sort();
    let mut sorted = sorted.into_iter();
    let in_place = |line: String| if is_branch(&line) { sorted.next().unwrap_or(line) } else { line };
    lines.into_iter().map(in_place).filter(|line| !is_between(line)).collect()
}
