//! The simulation's story, which does whatever its script says.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event::{Draft, Failure, FlowId, Refusal, Scope, Subject, View};
use serde::{Deserialize, Serialize};

use crate::branch::Branching;
use crate::queue::lock;
use crate::tests_simulate_toy::*;
use crate::tests_simulate_world::World;
use crate::{At, Flow, Halt, ParentEnd, Policy, Superseded, Workflow, branch};

/// One line of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Op {
    /// A decide that adds to a counter; its undo subtracts.
    Count {
        at: u8,
        name: String,
        add: i64,
    },
    /// A decide that takes a name, or is refused; with `tries`, the story goes on then and says why.
    Reserve {
        at: u8,
        name: String,
        tries: bool,
    },
    /// A decide that takes a name from whoever has it.
    Steal {
        at: u8,
        name: String,
    },
    /// A decide that writes a word, with nothing to undo.
    Say {
        at: u8,
        word: Word,
    },
    /// A step in the world.
    Act(Act),
    /// A decide after which there is no way back.
    Shut {
        at: u8,
    },
    Sleep(u64),
    /// Waits to be told something by a name, for so many milliseconds if that is said.
    Hear {
        name: u8,
        within_ms: Option<u64>,
    },
    /// Keeps a place while it does these.
    Hold {
        place: u8,
        ops: Vec<Op>,
    },
    /// A child for each, so many at a time.
    Each {
        parts: Vec<(String, Script)>,
        limit: usize,
        undone: bool,
    },
    /// Begins a child that goes on beside it, does these, and then perhaps waits for it.
    Beside {
        child: Box<Script>,
        end: ParentEnd,
        ops: Vec<Op>,
        awaited: bool,
    },
    /// Several lines at once, and all of them.
    Join(Vec<Vec<Op>>),
    /// Several lines at once, and whichever is first.
    Race(Vec<Vec<Op>>),
    /// The new way or the old way, where the story was changed; and whether it is asked once more then.
    Patched {
        name: String,
        new: Vec<Op>,
        old: Vec<Op>,
        again: bool,
    },
    /// Shows a number; in the trunk of a story alone.
    Show(u32),
    /// A decide that panics.
    BadRule {
        at: u8,
    },
    /// Panics in the story itself.
    BadStory,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Word {
    NewId,
    Now,
    Given(String),
}

/// A step: a thing of that key comes to be in the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Act {
    pub(crate) key: String,
    pub(crate) attempts_max: u32,
    pub(crate) backoff_ms: u64,
    /// The place it takes while it runs.
    pub(crate) place: Option<u8>,
    /// The place that the story keeps around it.
    pub(crate) within: Option<u8>,
    /// The pace that its attempts keep.
    pub(crate) rate: Option<u8>,
    pub(crate) undone: bool,
    /// A final failure is handled by saying it.
    pub(crate) tries: bool,
}

/// The story of the simulation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Script {
    pub(crate) at: u8,
    pub(crate) ops: Vec<Op>,
    /// What it goes on as, anew, when it has come to its end.
    pub(crate) next: Option<Box<Script>>,
}

#[async_trait]
impl Workflow for Script {
    type Ports = World;
    type Output = Vec<String>;
    const NAME: &'static str = "simulate";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        scope(self.at)
    }

    fn label(&self) -> String {
        format!("{} ops", self.ops.len())
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject(format!("thing-of-{}", self.at))]
    }

    async fn run(self, flow: &Flow<World>) -> Result<Vec<String>, Halt> {
        let mut told = Vec::new();
        tell(flow, self.ops, &mut told).await?;
        match self.next {
            Some(next) => Err(flow.continue_as(&*next)),
            None => Ok(told),
        }
    }
}

/// The path that the next call of the story has.
fn next(flow: &Flow<World>) -> String {
    format!("{}{}", flow.branch.prefix, lock(&flow.branch.line).number + 1)
}

fn tell<'a>(
    flow: &'a Flow<World>,
    ops: Vec<Op>,
    told: &'a mut Vec<String>,
) -> Pin<Box<dyn Future<Output = Result<(), Halt>> + Send + 'a>> {
    Box::pin(async move {
        for op in ops {
            match op {
                Op::Hold { place, ops } => {
                    let _hold = flow.hold(&place_key(place), PLACES[usize::from(place)]).await?;
                    tell(flow, ops, told).await?;
                }
                Op::Beside { child, end, ops, awaited } => {
                    let child = flow.begin(*child, end).await?;
                    tell(flow, ops, told).await?;
                    if awaited {
                        told.push(word_of("beside", flow.ended::<Script>(child).await?));
                    }
                }
                Op::Join(lines) => told.extend(flow.join(branches(lines)).await?.into_iter().flatten()),
                Op::Race(lines) => {
                    let (winner, words) = flow.race(branches(lines)).await?;
                    told.push(won(winner));
                    told.extend(words);
                }
                Op::Patched { name, new, old, again } => {
                    let goes = goes_new(flow, &name);
                    told.push(way(goes, &name));
                    tell(flow, if goes { new } else { old }, told).await?;
                    if again {
                        told.push(way(goes_new(flow, &name), &name));
                    }
                }
                Op::Show(number) => flow.show(SHOWN, &number),
                op => told.push(tell_one(flow, op).await?),
            }
        }
        Ok(())
    })
}

/// Whether the story goes the new way at a change; it knows of none in the lives before.
fn goes_new(flow: &Flow<World>, name: &str) -> bool {
    let world = &flow.inner.shared.ports;
    let asks = lock(&world.state).is_changed();
    let goes = asks && flow.patched(name);
    if asks && !goes {
        lock(&world.state).kept_old += 1;
    }
    goes
}

/// The name under which stories show something.
pub(crate) const SHOWN: &str = "number";

/// What a story says of a change.
pub(crate) fn way(goes: bool, name: &str) -> String {
    format!("{} way at {name}", if goes { "new" } else { "old" })
}

fn branches(lines: Vec<Vec<Op>>) -> Vec<Branching<World, Vec<String>>> {
    let told = |ops: Vec<Op>| {
        branch(move |flow: Flow<World>| async move {
            let mut told = Vec::new();
            tell(&flow, ops, &mut told).await?;
            Ok(told)
        })
    };
    lines.into_iter().map(told).collect()
}

/// What a story says of a race.
pub(crate) fn won(winner: usize) -> String {
    format!("line {winner}")
}

pub(crate) fn place_key(place: u8) -> String {
    format!("place-{place}")
}

/// What a story says when it was told nothing in time.
pub(crate) const NOTHING: &str = "nothing";

/// The name under which flows are told something.
pub(crate) fn word_name(name: u8) -> String {
    format!("word-{name}")
}

async fn tell_one(flow: &Flow<World>, op: Op) -> Result<String, Halt> {
    match op {
        Op::Count { at, name, add } => count(flow, at, name, add).await,
        Op::Reserve { at, name, tries } => match reserve(flow, at, name).await {
            Err(Halt::Refused(refusal)) if tries => say(flow, at, refusal.message).await,
            other => other,
        },
        Op::Steal { at, name } => steal(flow, at, name).await,
        Op::Say { at, word } => {
            let text = match word {
                Word::NewId => flow.new_id(),
                Word::Now => flow.now_ms().await.to_string(),
                Word::Given(text) => text,
            };
            say(flow, at, text).await
        }
        Op::Act(act) => {
            let tries = act.tries;
            match do_act(flow, act).await {
                Err(Halt::Failed(refusal)) if tries => say(flow, 0, refusal.code).await,
                other => other,
            }
        }
        Op::Shut { at } => {
            let shut = flow.decide(scope(at), |view| Ok(Shut { sight: sight(view) }));
            shut.point_of_no_return("what is shut stays so").await.map(|_| "shut".to_owned())
        }
        Op::Sleep(ms) => flow.sleep(Duration::from_millis(ms)).await.map(|()| "slept".to_owned()),
        Op::Hear { name, within_ms: None } => flow.signal(&word_name(name)).await,
        Op::Hear { name, within_ms: Some(ms) } => {
            let heard = flow.signal_within::<String>(&word_name(name), Duration::from_millis(ms)).await?;
            Ok(heard.unwrap_or_else(|| NOTHING.to_owned()))
        }
        Op::Each { parts, limit, undone } => each(flow, parts, limit, undone).await,
        Op::BadRule { at } => {
            let bad = flow.decide(scope(at), |_| -> Result<Said, Refusal> { panic!("a rule that panics") });
            bad.nothing_to_undo("it never happens").await.map(|said| said.text)
        }
        Op::BadStory => panic!("a story that panics"),
        Op::Hold { .. }
        | Op::Beside { .. }
        | Op::Join(_)
        | Op::Race(_)
        | Op::Patched { .. }
        | Op::Show(_) => {
            unreachable!("these are told by their lines")
        }
    }
}

async fn count(flow: &Flow<World>, at: u8, name: String, add: i64) -> Result<String, Halt> {
    let value = |view: &View<'_>, name: &str| view.get(&COUNTERS, &[name]).map_or(0, |row| row.value);
    let undone = name.clone();
    let counted = flow
        .decide(scope(at), move |view| {
            Ok(Counted { before: value(view, &name), name, add, sight: sight(view) })
        })
        .undo(move |view| Uncounted { before: value(view, &undone), name: undone, add, sight: sight(view) })
        .await?;
    Ok((counted.before + add).to_string())
}

async fn reserve(flow: &Flow<World>, at: u8, name: String) -> Result<String, Halt> {
    let (id, freed) = (flow.id(), name.clone());
    let reserved = flow
        .decide(scope(at), move |view| {
            if let Some(held) = view.get(&HELD, &[&name]) {
                return Err(Refusal::new("Taken", format!("`{name}` is held by {}", held.by)));
            }
            let held = view.list(&HELD, &[]).len();
            if held >= HELD_MAX {
                return Err(Refusal::new("Full", format!("{held} are held")));
            }
            Ok(Reserved { name, by: id, sight: sight(view) })
        })
        .undo(move |view| free(view, freed, id))
        .await?;
    Ok(reserved.name)
}

async fn steal(flow: &Flow<World>, at: u8, name: String) -> Result<String, Halt> {
    let (id, freed) = (flow.id(), name.clone());
    let stolen = flow
        .decide(scope(at), move |view| {
            let from = view.get(&HELD, &[&name]).map(|held| held.by);
            Ok(Stolen { name, by: id, from, sight: sight(view) })
        })
        .undo(move |view| free(view, freed, id))
        .await?;
    Ok(stolen.name)
}

/// Compares and releases.
fn free(view: &View<'_>, name: String, by: FlowId) -> Draft {
    match view.get(&HELD, &[&name]) {
        Some(held) if held.by == by => Freed { name, sight: sight(view) }.into(),
        _ => Superseded { what: name }.into(),
    }
}

async fn say(flow: &Flow<World>, at: u8, text: String) -> Result<String, Halt> {
    let said = flow.decide(scope(at), move |view| Ok(Said { text, sight: sight(view) }));
    said.nothing_to_undo("a word may stay").await.map(|said| said.text)
}

async fn do_act(flow: &Flow<World>, act: Act) -> Result<String, Halt> {
    let path: Arc<str> = next(flow).into();
    let policy = Policy {
        attempts_max: act.attempts_max,
        backoff_ms: act.backoff_ms,
        backoff_ms_max: act.backoff_ms * 4,
        ..Policy::default()
    };
    let (place, rate, undone, undo) = (act.place, act.rate, act.undone, act.clone());
    let undone_path = path.clone();
    let mut step = flow
        .step(move |at: At<World>| {
            let (path, act) = (path.clone(), act.clone());
            async move {
                at.ports().act(&at, &path, &act).await?;
                Ok(Acted { key: act.key })
            }
        })
        .policy(policy);
    if let Some(place) = place {
        step = step.limit(place_key(place), PLACES[usize::from(place)]);
    }
    if let Some(rate) = rate {
        let (count, period_ms) = RATES[usize::from(rate)];
        step = step.rate(format!("rate-{rate}"), count, Duration::from_millis(period_ms));
    }
    let acted = if undone {
        let taken_back = move |at: At<World>| {
            let (path, undo) = (undone_path.clone(), undo.clone());
            async move {
                at.ports().take_back(&at, &path, &undo.key).await?;
                Ok::<_, Failure>(Unacted { key: undo.key })
            }
        };
        step.undo(taken_back).await?
    } else {
        step.nothing_to_undo("the thing may stay").await?
    };
    Ok(acted.key)
}

async fn each(
    flow: &Flow<World>,
    parts: Vec<(String, Script)>,
    limit: usize,
    undone: bool,
) -> Result<String, Halt> {
    let path: Arc<str> = next(flow).into();
    let each = flow.each(parts, limit);
    let ends = if undone {
        let taken_back = move |at: At<World>, ids: Vec<FlowId>| {
            let path = path.clone();
            async move {
                at.ports().take_parts_back(&at, &path, &ids).await?;
                Ok::<_, Failure>(Taken { count: ids.len() as u64 })
            }
        };
        each.undo(taken_back).await?
    } else {
        each.nothing_to_undo("what they did may stay").await?
    };
    let ends = ends.into_iter().map(|(key, end)| word_of(&key, end));
    Ok(ends.collect::<Vec<_>>().join("; "))
}

/// What a story says of a child.
fn word_of(child: &str, end: Result<Vec<String>, Refusal>) -> String {
    match end {
        Ok(told) => format!("{child}: {}", told.join(",")),
        Err(refusal) => format!("{child}! {}", refusal.code),
    }
}
