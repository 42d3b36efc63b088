//! More lines for the toy's scripts: several at once, waiting for a word, children beside, patches, going on anew.

use std::time::Duration;

use event::FlowId;
use serde::{Deserialize, Serialize};

use crate::queue::lock;
use crate::tests_kit::*;
use crate::{Denial, Error, Flow, FlowRow, Halt, Outcome, ParentEnd, Policy, branch};

/// One more line of a script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum More {
    /// Several scripts at once.
    Join(Vec<Vec<Op>>),
    /// Several scripts at once until the first is over.
    Race(Vec<Vec<Op>>),
    /// A script that may take so many milliseconds.
    Within(u64, Vec<Op>),
    /// Waits to be told something of this name, for so many milliseconds if that is said.
    Signal(String, Option<u64>),
    /// Shows a text.
    Show(String, String),
    /// Begins a child beside this flow.
    Begin(Vec<Op>, ParentEnd),
    /// Waits for the child that was begun last.
    Ended,
    /// The new way or the old way.
    Patched(String, Vec<Op>, Vec<Op>),
    /// Goes on as a flow with another script.
    GoOn(Vec<Op>),
    /// Makes a thing under a policy.
    Patient(String, Patience),
    /// Makes a thing; so many begin in so many milliseconds.
    Rated(String, u32, u64),
}

/// A policy, as a script can hold it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Patience {
    pub(crate) attempts_max: u32,
    pub(crate) attempt_ms: Option<u64>,
    pub(crate) total_ms: Option<u64>,
    pub(crate) heartbeat_ms: Option<u64>,
    pub(crate) hiccups_are_final: bool,
}

impl Patience {
    fn policy(self) -> Policy {
        Policy {
            attempts_max: self.attempts_max,
            backoff_ms: 1000,
            backoff_ms_max: 1000,
            attempt_limit: self.attempt_ms.map(Duration::from_millis),
            total_limit: self.total_ms.map(Duration::from_millis),
            heartbeat_limit: self.heartbeat_ms.map(Duration::from_millis),
            is_final: if self.hiccups_are_final { |error| error.contains("hiccuped") } else { |_| false },
        }
    }
}

pub(crate) fn more(more: More) -> Op {
    Op::More(more)
}

pub(crate) fn race(lines: impl IntoIterator<Item = Vec<Op>>) -> Op {
    more(More::Race(lines.into_iter().collect()))
}

pub(crate) fn join(lines: impl IntoIterator<Item = Vec<Op>>) -> Op {
    more(More::Join(lines.into_iter().collect()))
}

pub(crate) fn signal(name: &str) -> Op {
    more(More::Signal(name.to_owned(), None))
}

type Lines = Vec<crate::Branching<World, Vec<String>>>;

fn lines(scripts: Vec<Vec<Op>>) -> Lines {
    scripts.into_iter().map(|ops| branch(move |flow| async move { tell(&flow, ops).await })).collect()
}

pub(crate) async fn tell_more(flow: &Flow<World>, more: More) -> Result<String, Halt> {
    match more {
        More::Join(scripts) => {
            let ends = flow.join(lines(scripts)).await?;
            Ok(ends.into_iter().map(|told| told.join(",")).collect::<Vec<_>>().join("; "))
        }
        More::Race(scripts) => {
            let (winner, told) = flow.race(lines(scripts)).await?;
            Ok(format!("{winner}: {}", told.join(",")))
        }
        More::Within(ms, ops) => {
            let line = branch(move |flow: Flow<World>| async move { tell(&flow, ops).await });
            let told = flow.within(Duration::from_millis(ms), line).await?;
            Ok(told.map_or_else(|| "too late".to_owned(), |told| told.join(",")))
        }
        More::Signal(name, None) => flow.signal::<String>(&name).await,
        More::Signal(name, Some(ms)) => {
            let told = flow.signal_within::<String>(&name, Duration::from_millis(ms)).await?;
            Ok(told.unwrap_or_else(|| "nothing".to_owned()))
        }
        More::Show(name, text) => {
            flow.show(&name, &text);
            Ok(text)
        }
        More::Begin(ops, end) => {
            let child = flow.begin(Script(ops), end).await?;
            Ok(child.to_string())
        }
        More::Ended => {
            let child: FlowId = lock(&flow.inner.told).children.last().expect("one was begun").0;
            match flow.ended::<Script>(child).await? {
                Ok(told) => Ok(told.join(",")),
                Err(no) => Ok(no.message),
            }
        }
        More::Patched(name, new, old) => {
            let ops = if flow.patched(&name) { new } else { old };
            tell(flow, ops).await.map(|told| told.join(","))
        }
        More::GoOn(ops) => Err(flow.continue_as(&Script(ops))),
        More::Patient(key, patience) => {
            let undone = key.clone();
            let step = made(flow, key).policy(patience.policy()).undo(move |at| unmade(at, undone.clone()));
            step.await.map(|made| made.key)
        }
        More::Rated(key, count, ms) => {
            let undone = key.clone();
            let step = made(flow, key).rate("world", count, Duration::from_millis(ms));
            step.undo(move |at| unmade(at, undone.clone())).await.map(|made| made.key)
        }
    }
}

/// What a flow that is done yields.
pub(crate) fn output(row: &FlowRow) -> Vec<String> {
    let Some(Outcome::Done(output)) = &row.outcome else { panic!("{row:?}") };
    rmp_serde::from_slice(output).unwrap()
}

/// Why something was denied, if it was.
pub(crate) fn denial(error: &Error) -> Option<Denial> {
    if let Error::Denied { denial, .. } = error { Some(*denial) } else { None }
}
