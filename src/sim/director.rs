//! One thing after another: flows, clients and the log's own threads go only when they are told to, so that a run of
//! the whole engine is a function of its seed, to the byte.
//!
//! ```text
//!  driver (the runtime's thread) ──step──▶ committer ──pauses──▶ driver ──step──▶ writer ──pauses──▶ driver …
//!     └──let_through──▶ a flow's next turn
//! ```
//!
//! There is one baton. The driver has it, and with it everything on tokio's current-thread runtime; it hands it to
//! a thread of the log and waits until that pauses again: because it has nothing to do, at a sync of the disk (with
//! [`Director::files`]), or at its end. What comes next is the driver's to choose; the director chooses nothing.
//!
//! Where the engine wakes a thread, the director notes it, and a thread that was not woken is not to be stepped: an
//! engine that forgets to ring stands still here as it would at work.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::files::Files;
use async_trait::async_trait;
use event::{FlowId, Hand, Order, Pace, Until, Wait};
use tokio::sync::oneshot;

use crate::on_sync::OnSync;

/// How long a thread may have the baton. It decides or writes one batch; past this it waits for what only
/// the driver could bring.
const STUCK: Duration = Duration::from_mins(1);
/// How long a thread that was set free waits before it looks again.
const FREE_LOOK: Duration = Duration::from_micros(50);

/// Holds everything that would go by itself, and lets it go.
#[derive(Debug, Default)]
pub struct Director {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Lines of flows at the gate, where they stand there, and what lets them through.
    gate: BTreeMap<(FlowId, String), (String, oneshot::Sender<()>)>,
    /// Threads that have begun and not ended.
    hands: BTreeSet<Hand>,
    paused: BTreeMap<Hand, Until>,
    woken: BTreeSet<Hand>,
    /// Who has the baton, if not the driver; and whether its time is said to be over.
    running: Option<(Hand, bool)>,
    free: bool,
}

/// A thread that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Which.
    pub hand: Hand,
    /// What for.
    pub until: Until,
    /// Whether that has come, so that it may be stepped.
    pub ready: bool,
}

impl Director {
    /// A director with nobody to direct yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flows at the gate and where they stand: `begin`, paths of steps and undos, `turn`, `end`. A flow whose story
    /// tells several lines at once may stand there with each of them.
    pub fn gate(&self) -> Vec<(FlowId, String)> {
        self.lock().gate.iter().map(|((flow, _), (path, _))| (*flow, path.clone())).collect()
    }

    /// Lets one of them through; it goes on when the runtime comes to it.
    pub fn let_through(&self, flow: FlowId, path: &str) {
        if let Some((_, pass)) = self.lock().gate.remove(&line_at(flow, path)) {
            // One that waits no longer has taken itself away.
            let _ = pass.send(());
        }
    }

    /// The threads of the log, each of which waits.
    pub fn hands(&self) -> Vec<Paused> {
        let state = self.settled(self.lock());
        let ended = |hand: &Hand| !state.hands.contains(hand);
        let ready = |hand: &Hand, until: &Until| match until {
            Until::Now => true,
            Until::Ended(other) => ended(other),
            Until::Work | Until::Idle | Until::Ahead => state.woken.contains(hand),
        };
        let paused = state.paused.iter();
        paused.map(|(hand, until)| Paused { hand: *hand, until: *until, ready: ready(hand, until) }).collect()
    }

    /// Hands a thread the baton, and waits until it pauses or ends; with `over`, as if it had waited for long.
    pub fn step(&self, hand: Hand, over: bool) {
        let mut state = self.settled(self.lock());
        let until = state.paused.remove(&hand).expect("only a thread that waits can be stepped");
        if !matches!(until, Until::Now | Until::Ended(_)) {
            state.woken.remove(&hand);
        }
        state.running = Some((hand, over));
        self.changed.notify_all();
        drop(self.settled(state));
    }

    /// Lets the threads go as they like from now on: their disk is gone, and only their end is awaited.
    pub fn free(&self) {
        self.lock().free = true;
        self.changed.notify_all();
    }

    /// Waits until none of the threads is left, after they were set free: what they do to their disk is over.
    pub fn deserted(&self) {
        let waited = self.changed.wait_timeout_while(self.lock(), STUCK, |state| !state.hands.is_empty());
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "threads of the log do not end: {:?}", state.hands);
    }

    /// The same files, with a pause of the log's threads at each sync: what a reader sees while a commit is on its
    /// way to the disk. Where it `spares` a file or a directory there is none: whoever is held up there with a lock
    /// that the driver wants would wait for it for ever.
    pub fn files(
        self: &Arc<Self>,
        files: Arc<dyn Files>,
        spares: impl Fn(&Path) -> bool + Send + Sync + 'static,
    ) -> Arc<OnSync> {
        let director = self.clone();
        OnSync::of_content(files, move |path| {
            let hand = match std::thread::current().name() {
                Some("committer") => Hand::Committer,
                Some("writer") => Hand::Writer,
                Some("archiver") => Hand::Archiver,
                _ => return Ok(()),
            };
            if spares(path) {
                return Ok(());
            }
            director.pauses(hand, Until::Now);
            Ok(())
        })
    }

    /// Waits until every thread waits or has ended.
    fn settled<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let moves = |state: &mut State| {
            !state.free
                && (state.running.is_some()
                    || state.hands.iter().any(|hand| !state.paused.contains_key(hand)))
        };
        let waited = self.changed.wait_timeout_while(state, STUCK, moves);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(
            !timeout.timed_out(),
            "a thread of the log is stuck: {:?} of {:?}",
            state.running,
            state.hands
        );
        state
    }
}

impl Pace for Director {
    fn begins(&self, hand: Hand) {
        let mut state = self.lock();
        state.hands.insert(hand);
        state.woken.remove(&hand);
    }

    fn pauses(&self, hand: Hand, until: Until) -> bool {
        let mut state = self.lock();
        if state.free {
            drop(state);
            if !matches!(until, Until::Now | Until::Ended(_)) {
                std::thread::sleep(FREE_LOOK);
            }
            return false;
        }
        state.paused.insert(hand, until);
        if matches!(state.running, Some((runs, _)) if runs == hand) {
            state.running = None;
        }
        self.changed.notify_all();
        loop {
            match state.running {
                Some((runs, over)) if runs == hand => return over,
                _ if state.free => return false,
                _ => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn wakes(&self, hand: Hand) {
        self.lock().woken.insert(hand);
    }

    fn ends(&self, hand: Hand) {
        let mut state = self.lock();
        state.hands.remove(&hand);
        state.paused.remove(&hand);
        if matches!(state.running, Some((runs, _)) if runs == hand) {
            state.running = None;
        }
        self.changed.notify_all();
    }
}

/// The order in which a director lets flows go. Apart from it, as both the flows and the threads ask for themselves.
#[derive(Debug)]
pub struct Directed(pub Arc<Director>);

#[async_trait]
impl Order for Directed {
    fn begins(&self, _flow: FlowId) {}

    async fn turn(&self, flow: FlowId, path: &str) {
        let (pass, passes) = oneshot::channel();
        let line = line_at(flow, path);
        let before = self.0.lock().gate.insert(line.clone(), (path.to_owned(), pass));
        assert!(before.is_none(), "a line of a flow does one thing at a time");
        let mut leaves = Leaves { director: &self.0, line: Some(line) };
        // The sender is dropped only together with the line's place at the gate.
        let _ = passes.await;
        leaves.line = None;
    }

    fn waits(&self, _flow: FlowId, _wait: Wait) {}

    fn moves(&self, _flow: FlowId) {}

    fn rests(&self, flow: FlowId) {
        self.0.lock().gate.retain(|(other, _), _| *other != flow);
    }

    fn pace(&self) -> Option<Arc<dyn Pace>> {
        Some(self.0.clone())
    }
}

/// Which line of a flow's story a path belongs to: lines are told one thing after another, each by itself.
fn line_at(flow: FlowId, path: &str) -> (FlowId, String) {
    let line = path.rfind('/').map_or("", |end| &path[..=end]);
    (flow, line.to_owned())
}

/// Takes a line from the gate that no longer waits there.
struct Leaves<'a> {
    director: &'a Director,
    line: Option<(FlowId, String)>,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            self.director.lock().gate.remove(line);
        }
    }
}
