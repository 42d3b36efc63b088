//! Several lines of one story at once: all of them (`join`), or whichever is first (`race`).
//!
//! Each line is told in a branch of its own, with paths of its own: the second step of the first branch of the third
//! call is `3.0/2`. So neither a replay nor the order in which they come to an end matters. Who won a race is an
//! event; after a restart the winner is told to its end again, and the losers as far as they had come, to be undone.
//!
//! ```text
//!  trunk   1 ── 2 ── 3 ─┬─ 3.0/1 ── 3.0/2 ──┬─ flow.raced{0} ── undo of 3.1/1 ── 4 ── …
//!                       └─ 3.1/1 ── stopped ┘
//! ```

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use event::{Draft, FlowId, Order};

use crate::committer::panic_text;
use crate::flow::{Armed, Flow};
use crate::kinds::Raced;
use crate::live::Live;
#[cfg(test)]
use crate::planted::{self, Planted};
use crate::queue::lock;
use crate::unwind;
use crate::workflow::Halt;

/// Lines told at once at most: each is polled whenever any of them moves. More things at once are children: `each`.
pub const BRANCHES_MAX: usize = 64;

/// A line of a story that is told beside others; made by [`branch`].
pub type Branching<P, T> = Box<dyn FnOnce(Flow<P>) -> Line<T> + Send>;

/// A line that is being told.
type Line<T> = Pin<Box<dyn Future<Output = Result<T, Halt>> + Send>>;

/// A line of a story for [`Flow::join`] and [`Flow::race`]. Everything in it has to go through the flow it is given.
pub fn branch<P, T, F, Fut>(line: F) -> Branching<P, T>
where
    F: FnOnce(Flow<P>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, Halt>> + Send + 'static,
{
    Box::new(move |flow| Box::pin(line(flow)))
}

/// Where in a story something is told.
pub(crate) struct Branch {
    /// What its paths begin with; nothing in the trunk.
    pub(crate) prefix: String,
    /// It stands in a race, or in a branch that does.
    pub(crate) may_lose: bool,
    parent: Option<Arc<Branch>>,
    stopped: AtomicBool,
    pub(crate) line: Mutex<Place>,
    /// Time of the newest record that was written for it, milliseconds since 1970 UTC.
    pub(crate) written_ms: Arc<AtomicI64>,
}

/// How far a branch has come.
#[derive(Default)]
pub(crate) struct Place {
    /// Number of the last call.
    pub(crate) number: u32,
    /// Number of the last id minted.
    pub(crate) minted: u32,
    /// Time of the newest record met.
    pub(crate) now_ms: i64,
    /// The newest record is still being decided, or was since: its time is to be had from `written_ms`.
    pub(crate) is_pending: bool,
    /// The step that is under way.
    pub(crate) under_way: Option<Arc<str>>,
    /// Something new was done in it since the flow was taken up, or the flow was begun here: nothing of it happened
    /// without this telling of the story knowing.
    pub(crate) fresh: bool,
}

impl Branch {
    /// The trunk of a story whose first record has this time.
    pub(crate) fn trunk(now_ms: i64, fresh: bool) -> Arc<Self> {
        Arc::new(Self {
            prefix: String::new(),
            may_lose: false,
            parent: None,
            stopped: AtomicBool::new(false),
            line: Mutex::new(Place { now_ms, fresh, ..Place::default() }),
            written_ms: Arc::default(),
        })
    }

    /// Nothing goes forward in it any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire) || self.parent.as_ref().is_some_and(|parent| parent.is_stopped())
    }

    fn stop(&self, live: &Live) {
        self.stopped.store(true, Ordering::Release);
        live.ring();
    }
}

/// Branches that are being told, and how those ended that have.
struct Telling<T> {
    branches: Vec<Arc<Branch>>,
    lines: Vec<Option<Line<T>>>,
    ends: Vec<Option<Result<T, Halt>>>,
    /// Who is told how many lines there are, and of which flow.
    order: Option<(Arc<dyn Order>, FlowId)>,
}

impl<P: Send + Sync + 'static> Flow<P> {
    /// Tells several lines at once and waits for all of them. Their results are in the order of the lines. If some
    /// come to a no, the others still go to their ends, and the no of the first of them is the answer.
    ///
    /// # Errors
    /// What a line yields; [`Halt::Park`] for more than [`BRANCHES_MAX`].
    pub fn join<T: Send + 'static>(
        &self,
        lines: Vec<Branching<P, T>>,
    ) -> impl Future<Output = Result<Vec<T>, Halt>> + Send + '_ {
        let path = self.next_path("");
        self.alone(path.clone(), async move { self.join_at(&path, lines).await })
    }

    /// Tells several lines at once until the first comes to an end, with a result or with a no. The others are
    /// stopped at their next checkpoint, and what they began is undone before the race is over. Yields which line it
    /// was, from 0, and its result.
    ///
    /// # Errors
    /// What the winner yields; [`Halt::Park`] for no lines or more than [`BRANCHES_MAX`], for a point of no return
    /// inside, and when a loser cannot be undone.
    pub fn race<T: Send + 'static>(
        &self,
        lines: Vec<Branching<P, T>>,
    ) -> impl Future<Output = Result<(usize, T), Halt>> + Send + '_ {
        let path = self.next_path("");
        self.alone(path.clone(), async move { self.race_at(&path, lines).await })
    }

    /// Tells a line for so long at most; none if the time is over first, and then it is undone.
    pub async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        line: Branching<P, T>,
    ) -> Result<Option<T>, Halt> {
        let told = branch(move |flow: Flow<P>| async move { line(flow).await.map(Some) });
        let time = branch(move |flow: Flow<P>| async move { flow.sleep(limit).await.map(|()| None) });
        Ok(self.race(vec![told, time]).await?.1)
    }

    async fn join_at<T: Send>(&self, path: &str, lines: Vec<Branching<P, T>>) -> Result<Vec<T>, Halt> {
        let mut telling = self.fork(path, lines, self.branch.may_lose).await?;
        while telling.lines.iter().any(Option::is_some) {
            let ended = telling.next().await;
            if telling.is_over(ended) {
                self.stop_others(&mut telling, ended).await;
            }
        }
        let branches = telling.branches.clone();
        self.rejoin(&branches).await;
        let ends: Vec<_> = telling.ends.into_iter().flatten().collect();
        if let Some(halt) = gravest(&ends) {
            return Err(halt);
        }
        ends.into_iter().collect()
    }

    async fn race_at<T: Send>(&self, path: &str, lines: Vec<Branching<P, T>>) -> Result<(usize, T), Halt> {
        if lines.is_empty() {
            return Err(Halt::Park(format!("the race {path} has no lines")));
        }
        let known = self.recall::<Raced>(path)?.transpose()?;
        #[cfg(test)]
        let known = known.filter(|_| !planted::is(Planted::RaceAnew));
        #[cfg(test)]
        let was_known = known.is_some();
        let mut telling = self.fork(path, lines, true).await?;
        let winner = if let Some(Raced { winner }) = known {
            let winner = usize::try_from(winner).unwrap_or(usize::MAX);
            if winner >= telling.lines.len() {
                return Err(Halt::Park(format!(
                    "history diverged: line {winner} of the race {path} is gone"
                )));
            }
            winner
        } else {
            let first = telling.next().await;
            if telling.is_over(first) {
                self.stop_others(&mut telling, first).await;
                let ends: Vec<_> = telling.ends.into_iter().flatten().collect();
                return Err(gravest(&ends).unwrap_or(Halt::Turned));
            }
            if let Err(halt) = self.forward() {
                self.stop_others(&mut telling, first).await;
                // Nothing is undone while a part of another line is parked.
                let ends: Vec<_> = telling.ends.into_iter().flatten().collect();
                return Err(gravest(&ends).filter(Halt::is_grave).unwrap_or(halt));
            }
            self.append(path, Draft::of(&Raced { winner: u32::try_from(first).unwrap_or(u32::MAX) }));
            first
        };
        #[cfg(test)]
        if was_known && planted::is(Planted::LosersGoOn) {
            while telling.lines.iter().any(Option::is_some) {
                telling.next().await;
            }
        }
        self.stop_others(&mut telling, winner).await;
        while telling.ends[winner].is_none() {
            telling.next().await;
        }
        // The time of the race is its event's, whatever the losers did and however they are undone.
        let now_ms = self.now_ms().await;
        let prefixes = telling.branches.iter().enumerate().filter(|(at, _)| *at != winner);
        let prefixes: Vec<_> = prefixes.map(|(_, branch)| branch.prefix.clone()).collect();
        let mut ends: Vec<_> = telling.ends.into_iter().flatten().collect();
        let losers_halt = ends.iter().enumerate().filter(|(at, _)| *at != winner);
        if let Some(halt) = losers_halt.filter_map(|(_, end)| end.as_ref().err()).find(|halt| halt.is_grave())
        {
            return Err(halt.clone());
        }
        let end = ends.swap_remove(winner);
        if let Err(halt) = &end
            && halt.is_grave()
        {
            return Err(halt.clone());
        }
        #[cfg(test)]
        let prefixes = if planted::is(Planted::LosersStay) { Vec::new() } else { prefixes };
        self.undo_under(&prefixes).await?;
        self.met(now_ms);
        Ok((winner, end?))
    }

    /// Undoes what the branches with these prefixes began, newest first.
    async fn undo_under(&self, prefixes: &[String]) -> Result<(), Halt> {
        let armed: Vec<Armed<P>> = {
            let mut told = lock(&self.inner.told);
            let lost =
                |armed: &Armed<P>| prefixes.iter().any(|prefix| armed.path.starts_with(prefix.as_str()));
            let (lost, kept) = std::mem::take(&mut told.armed).into_iter().partition(lost);
            told.armed = kept;
            lost
        };
        unwind::undo_all(self, armed).await?.map_err(Halt::Park)
    }

    async fn fork<T>(
        &self,
        path: &str,
        lines: Vec<Branching<P, T>>,
        may_lose: bool,
    ) -> Result<Telling<T>, Halt> {
        if lines.len() > BRANCHES_MAX {
            let why = format!("step {path} has {} lines, at most {BRANCHES_MAX}: use `each`", lines.len());
            return Err(Halt::Park(why));
        }
        let now_ms = self.now_ms().await;
        let fresh = lock(&self.branch.line).fresh;
        let order = self.inner.shared.order.clone().map(|order| (order, self.inner.id));
        let mut telling = Telling { branches: Vec::new(), lines: Vec::new(), ends: Vec::new(), order };
        telling.are_more(isize::try_from(lines.len()).unwrap_or_default() - 1);
        for (at, line) in lines.into_iter().enumerate() {
            let branch = Arc::new(Branch {
                prefix: format!("{path}.{at}/"),
                may_lose,
                parent: Some(self.branch.clone()),
                stopped: AtomicBool::new(false),
                line: Mutex::new(Place { now_ms, fresh, ..Place::default() }),
                written_ms: Arc::default(),
            });
            let flow = Flow { inner: self.inner.clone(), branch: branch.clone() };
            telling.branches.push(branch);
            telling.lines.push(Some(line(flow)));
            telling.ends.push(None);
        }
        Ok(telling)
    }

    /// Stops all lines but one, and tells them to their ends.
    async fn stop_others<T>(&self, telling: &mut Telling<T>, but: usize) {
        for (at, branch) in telling.branches.iter().enumerate().filter(|(at, _)| *at != but) {
            if telling.lines[at].is_some() {
                branch.stop(&self.inner.live);
            }
        }
        while telling.lines.iter().enumerate().any(|(at, line)| at != but && line.is_some()) {
            telling.next().await;
        }
    }

    /// What comes after several lines is later than all of them, and new if anything in them is.
    async fn rejoin(&self, branches: &[Arc<Branch>]) {
        let mut newest = self.now_ms().await;
        for branch in branches {
            let flow = Self { inner: self.inner.clone(), branch: branch.clone() };
            newest = newest.max(flow.now_ms().await);
            let fresh = lock(&branch.line).fresh;
            lock(&self.branch.line).fresh |= fresh;
        }
        self.met(newest);
    }
}

impl<T> Telling<T> {
    /// Waits until one more line has come to its end; of several the first in order.
    async fn next(&mut self) -> usize {
        poll_fn(|context| {
            for (at, slot) in self.lines.iter_mut().enumerate() {
                // A panic in one is its end, so that the others come to theirs before anything follows.
                let polled = slot.as_mut().map(|line| {
                    let polled = catch_unwind(AssertUnwindSafe(|| line.as_mut().poll(context)));
                    polled.unwrap_or_else(|panic| {
                        let why = panic_text(&*panic);
                        Poll::Ready(Err(Halt::Park(format!("its story met a fault of its own: {why}"))))
                    })
                });
                if let Some(Poll::Ready(end)) = polled {
                    *slot = None;
                    self.ends[at] = Some(end);
                    if self.lines.iter().any(Option::is_some) {
                        self.are_more(-1);
                    }
                    return Poll::Ready(at);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Says that so many lines more than before are told, where the one that waits for them counts as one.
    fn are_more(&self, by: isize) {
        if let Some((order, flow)) = &self.order {
            order.lines(*flow, by);
        }
    }

    /// Whether a line's end is the end of all of them.
    fn is_over(&self, at: usize) -> bool {
        matches!(&self.ends[at], Some(Err(halt)) if halt.is_grave() || matches!(halt, Halt::Turned))
    }
}

/// Of how several lines ended, what no story can go on after.
fn gravest<T>(ends: &[Result<T, Halt>]) -> Option<Halt> {
    let halts = || ends.iter().filter_map(|end| end.as_ref().err());
    let stopped = halts().find(|halt| matches!(halt, Halt::Stopped(_)));
    let parked = halts().find(|halt| halt.is_grave());
    let turned = halts().find(|halt| matches!(halt, Halt::Turned));
    stopped.or(parked).or(turned).cloned()
}
