//! A toy house for the engine's tests: names that can be taken, a world in which things can be done
//! and undone, and one story that does whatever its script says.
//!
//! Each life of the engine has a runtime of its own and ends either in order or by a power cut of
//! the simulated disk, so nothing of one life reaches the next but through the log.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use event::{
    Actor, Attempt, Event, Failure, FlowId, Fold, Progress, Record, Refusal, RowsMut, Scope, Subject, Table,
    View,
};
use serde::{Deserialize, Serialize};
use sim::SimFiles;
use tokio::sync::watch;

use crate::queue::lock;
pub(crate) use crate::tests_kit_more::*;
pub(crate) use crate::tests_look::*;
use crate::{At, Book, Clock, Engine, Flow, FlowRow, Halt, Options, Policy, Superseded, Workflow};

macro_rules! events {
    ($($name:ident $kind:literal $(about $about:ident)? { $($field:ident: $type:ty),* })*) => {
        $(
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            pub(crate) struct $name { $(pub(crate) $field: $type),* }
            impl Event for $name {
                const KIND: &'static str = $kind;
                fn subjects(&self) -> Vec<Subject> { vec![$(Subject(format!("name-{}", self.$about)))?] }
            }
        )*
        pub(crate) const TOY_KINDS: &[&str] = &[$($kind),*];
    };
}

events! {
    Taken "name.taken/1" about name { name: String, by: FlowId }
    Given "name.given/1" about name { name: String }
    Noted "note.written/1" { text: String }
    Made "thing.made/1" { key: String }
    Unmade "thing.unmade/1" { key: String }
    Sealed "thing.sealed/1" { key: String }
    Kept "parts.kept/1" { count: u64 }
}

pub(crate) const NAMES: Table<FlowId> = Table::new("name");
pub(crate) const NOTES: Table<u64> = Table::new("notes");

pub(crate) fn scope() -> Scope {
    Scope::from("100000/cn-a")
}

pub(crate) fn actor() -> Actor {
    Actor { account: "100000".to_owned(), key: String::new() }
}

/// Folds the toy's events; `version` and what it knows can be turned.
pub(crate) struct Toy {
    pub(crate) version: u32,
    pub(crate) unknown: &'static str,
    pub(crate) applied: AtomicU32,
}

impl Default for Toy {
    fn default() -> Self {
        Self { version: 1, unknown: "", applied: AtomicU32::new(0) }
    }
}

impl Fold for Toy {
    fn version(&self) -> u32 {
        self.version
    }

    fn knows(&self, kind: &str) -> bool {
        TOY_KINDS.contains(&kind) && kind != self.unknown
    }

    fn apply(&self, rows: &mut dyn RowsMut, record: &Record) {
        self.applied.fetch_add(1, Ordering::Relaxed);
        if let Ok(taken) = record.get::<Taken>() {
            NAMES.put(rows, &record.scope, &[&taken.name], &taken.by);
        } else if let Ok(given) = record.get::<Given>() {
            NAMES.remove(rows, &record.scope, &[&given.name]);
        } else if record.kind == Noted::KIND {
            let count = NOTES.get(rows, &record.scope, &[]).unwrap_or(0);
            NOTES.put(rows, &record.scope, &[], &(count + 1));
        }
    }
}

/// What the world does the next time it is asked for something.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Succeed,
    World,
    Caller,
    Ours,
    Panic,
    /// Waits until the test opens the gate of that name.
    Gate(&'static str),
    /// Looks at checkpoints until the flow is cancelled; stops only at the gate after that.
    UntilCancelled(&'static str),
    /// Reports a checkpoint, then waits at a gate.
    Checkpoint(u64, &'static str),
}

/// The world: what is in it, what was asked of it, and what it will do.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) things: Mutex<BTreeSet<String>>,
    pub(crate) calls: Mutex<Vec<(String, Attempt)>>,
    plans: Mutex<BTreeMap<String, VecDeque<Plan>>>,
    gates: Mutex<BTreeSet<String>>,
    at_work: Mutex<BTreeMap<String, usize>>,
    pub(crate) at_work_max: Mutex<usize>,
    changed: watch::Sender<u64>,
    /// Handed to stories as what a rule looks at beside its view: makes a story change its mind.
    pub(crate) moods: Mutex<BTreeSet<String>>,
}

impl World {
    pub(crate) fn plan(&self, key: &str, plans: impl IntoIterator<Item = Plan>) {
        lock(&self.plans).insert(key.to_owned(), plans.into_iter().collect());
    }

    pub(crate) fn open_gate(&self, gate: &str) {
        lock(&self.gates).insert(gate.to_owned());
        self.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn calls_of(&self, key: &str) -> Vec<Attempt> {
        lock(&self.calls).iter().filter(|(called, _)| called == key).map(|(_, attempt)| *attempt).collect()
    }

    pub(crate) fn call_names(&self) -> Vec<String> {
        lock(&self.calls).iter().map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn is_clean(&self) -> bool {
        lock(&self.things).is_empty()
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut changed = self.changed.subscribe();
        while !holds(self) {
            changed.changed().await.expect("the world lives as long as its users");
        }
    }

    pub(crate) async fn until_at_work(&self, key: &str) {
        self.until(|world| lock(&world.at_work).contains_key(key)).await;
    }

    /// Waits until something has been asked for, whether or not it has ended.
    pub(crate) async fn until_at_work_or_done(&self, key: &str) {
        self.until(|world| !world.calls_of(key).is_empty()).await;
    }

    async fn passes(&self, gate: &str) {
        self.until(|world| lock(&world.gates).contains(gate)).await;
    }

    async fn work(&self, at: &At<Self>, key: &str) -> Result<(), Failure> {
        let work = at.work();
        lock(&self.calls).push((key.to_owned(), work.attempt()));
        {
            let mut at_work = lock(&self.at_work);
            *at_work.entry(key.to_owned()).or_default() += 1;
            let sum: usize = at_work.values().sum();
            let mut max = lock(&self.at_work_max);
            *max = sum.max(*max);
        }
        self.changed.send_modify(|version| *version += 1);
        let _ends = Ends { world: self, key };
        let plan = lock(&self.plans).get_mut(key).and_then(VecDeque::pop_front).unwrap_or(Plan::Succeed);
        match plan {
            Plan::Succeed => Ok(()),
            Plan::World => Err(Failure::world(key, "the disk hiccuped")),
            Plan::Caller => Err(Failure::caller("InvalidThing", format!("`{key}` cannot be"))),
            Plan::Ours => Err(Failure::Ours("two and two are five".to_owned())),
            Plan::Panic => panic!("a step that panics"),
            Plan::Gate(gate) => {
                self.passes(gate).await;
                Ok(())
            }
            Plan::UntilCancelled(gate) => loop {
                if let Err(stop) = work.checkpoint(Progress::default()) {
                    self.passes(gate).await;
                    break Err(stop);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            },
            Plan::Checkpoint(done_bytes, gate) => {
                let progress = Progress { doing: "moving".to_owned(), done_bytes, total_bytes: 0 };
                work.checkpoint(progress)?;
                self.passes(gate).await;
                Ok(())
            }
        }
    }
}

struct Ends<'a> {
    world: &'a World,
    key: &'a str,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let mut at_work = lock(&self.world.at_work);
        let count = at_work.get_mut(self.key).expect("it was at work");
        *count -= 1;
        if *count == 0 {
            at_work.remove(self.key);
        }
        drop(at_work);
        lock(&self.world.calls).push((format!("{} ends", self.key), Attempt { incarnation: 0, number: 0 }));
        self.world.changed.send_modify(|version| *version += 1);
    }
}

/// One line of a script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Op {
    /// A decide: the name is taken, or refused if somebody has it. Its undo compares and releases.
    Take(String),
    /// The same, but a refusal is handled by noting it.
    TryTake(String),
    /// A decide that writes a note.
    Note(String),
    NoteId,
    NoteNow,
    /// A decide that panics.
    BadRule,
    /// A decide that reads more rows than it may.
    GreedyRule,
    /// A decide that always says no.
    Refuse,
    /// A step: a thing is made; undone by unmaking it.
    Make(String),
    /// A step that is tried twice, with a wait of a minute between.
    MakeTwice(String),
    /// A step whose final failure is handled by noting it.
    TryMake(String),
    /// A step that shares a limit of this many.
    MakeLimited(String, String, usize),
    /// Holds one of so many places under a key while it does these.
    Hold(String, usize, Vec<Op>),
    /// A decide after which there is no way back.
    Seal(String),
    Sleep(u64),
    Each(Vec<(String, Vec<Op>)>, usize),
    /// Panics in the story itself.
    BadStory,
    /// Runs its lines only while the world is in that mood: a story changed under its version.
    InMood(String, Vec<Op>),
    /// Two steps at once.
    Both(String, String),
    /// Begins a step, and drops it.
    Drop(String),
    More(More),
}

/// The story of all tests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Script(pub(crate) Vec<Op>);

#[async_trait]
impl Workflow for Script {
    type Ports = World;
    type Output = Vec<String>;
    const NAME: &'static str = "script";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        scope()
    }

    fn label(&self) -> String {
        "a script".to_owned()
    }

    async fn run(self, flow: &Flow<World>) -> Result<Vec<String>, Halt> {
        tell(flow, self.0).await
    }
}

pub(crate) fn made(flow: &Flow<World>, key: String) -> crate::Step<'_, World, Made> {
    flow.step(move |at| {
        let key = key.clone();
        async move {
            at.ports().work(&at, &key).await?;
            lock(&at.ports().things).insert(key.clone());
            Ok(Made { key })
        }
    })
}

pub(crate) async fn unmade(at: At<World>, key: String) -> Result<Unmade, Failure> {
    at.ports().work(&at, &format!("~{key}")).await?;
    lock(&at.ports().things).remove(&key);
    Ok(Unmade { key })
}

fn take(view: &View<'_>, name: &str, by: FlowId) -> Result<Taken, Refusal> {
    match view.get(&NAMES, &[name]) {
        None => Ok(Taken { name: name.to_owned(), by }),
        Some(other) => Err(Refusal::new("NameTaken", format!("`{name}` is taken by {other}"))),
    }
}

async fn take_name(flow: &Flow<World>, name: String) -> Result<Taken, Halt> {
    let id = flow.id();
    let (taken, given) = (name.clone(), name);
    flow.decide(scope(), move |view| take(view, &taken, id))
        .undo(move |view| match view.get(&NAMES, &[&given]) {
            Some(holder) if holder == id => event::Draft::from(Given { name: given.clone() }),
            _ => Superseded { what: format!("the name `{given}`") }.into(),
        })
        .await
}

pub(crate) async fn note(flow: &Flow<World>, text: String) -> Result<Noted, Halt> {
    flow.decide(scope(), move |_| Ok(Noted { text })).nothing_to_undo("a note may stay").await
}

pub(crate) fn tell(
    flow: &Flow<World>,
    ops: Vec<Op>,
) -> std::pin::Pin<Box<dyn Future<Output = Result<Vec<String>, Halt>> + Send + '_>> {
    Box::pin(async move {
        let mut told = Vec::new();
        for op in ops {
            told.push(tell_one(flow, op).await?);
        }
        Ok(told)
    })
}

#[expect(clippy::too_many_lines, reason = "a list of what a story can do, one arm each")]
async fn tell_one(flow: &Flow<World>, op: Op) -> Result<String, Halt> {
    match op {
        Op::Take(name) => take_name(flow, name).await.map(|taken| taken.name),
        Op::TryTake(name) => match take_name(flow, name).await {
            Ok(taken) => Ok(taken.name),
            Err(Halt::Refused(refusal)) => note(flow, refusal.message).await.map(|note| note.text),
            Err(other) => Err(other),
        },
        Op::Note(text) => note(flow, text).await.map(|note| note.text),
        Op::NoteId => {
            let id = flow.new_id();
            note(flow, id).await.map(|note| note.text)
        }
        Op::NoteNow => {
            let now_ms = flow.now_ms().await;
            note(flow, now_ms.to_string()).await.map(|note| note.text)
        }
        Op::BadRule => flow
            .decide(scope(), |_| -> Result<Noted, Refusal> { panic!("a rule that panics") })
            .nothing_to_undo("it never happens")
            .await
            .map(|note| note.text),
        Op::GreedyRule => flow
            .decide(scope(), |view| {
                for _ in 0..=event::DECIDE_ROWS_MAX {
                    view.get(&NOTES, &[]);
                }
                Ok(Noted { text: "it read too much".to_owned() })
            })
            .nothing_to_undo("it never happens")
            .await
            .map(|note| note.text),
        Op::Refuse => flow
            .decide(scope(), |_| -> Result<Noted, Refusal> { Err(Refusal::new("No", "no")) })
            .nothing_to_undo("it never happens")
            .await
            .map(|note| note.text),
        Op::Make(key) => {
            let undone = key.clone();
            made(flow, key).undo(move |at| unmade(at, undone.clone())).await.map(|made| made.key)
        }
        Op::MakeTwice(key) => {
            let policy =
                Policy { attempts_max: 2, backoff_ms: 60_000, backoff_ms_max: 60_000, ..Policy::default() };
            let undone = key.clone();
            let step = made(flow, key).policy(policy).undo(move |at| unmade(at, undone.clone()));
            step.await.map(|made| made.key)
        }
        Op::TryMake(key) => match made(flow, key).nothing_to_undo("it makes nothing").await {
            Ok(made) => Ok(made.key),
            Err(Halt::Failed(refusal)) => note(flow, refusal.message).await.map(|note| note.text),
            Err(other) => Err(other),
        },
        Op::MakeLimited(key, limit, count) => {
            let undone = key.clone();
            let step = made(flow, key).limit(limit, count).undo(move |at| unmade(at, undone.clone()));
            step.await.map(|made| made.key)
        }
        Op::Seal(key) => flow
            .decide(scope(), move |_| Ok(Sealed { key }))
            .point_of_no_return("what is sealed stays")
            .await
            .map(|sealed| sealed.key),
        Op::Sleep(ms) => flow.sleep(Duration::from_millis(ms)).await.map(|()| "slept".to_owned()),
        Op::Each(items, limit) => {
            let items: Vec<_> = items.into_iter().map(|(key, ops)| (key, Script(ops))).collect();
            let ends = flow
                .each(items, limit)
                .undo(|at: At<World>, ids: Vec<FlowId>| async move {
                    at.ports().work(&at, "~each").await?;
                    Ok::<_, Failure>(Kept { count: ids.len() as u64 })
                })
                .await?;
            Ok(ends
                .into_iter()
                .map(|(key, end)| {
                    format!("{key}: {}", end.map_or_else(|no| no.message, |done| done.join(",")))
                })
                .collect::<Vec<_>>()
                .join("; "))
        }
        Op::Hold(key, count, ops) => {
            let _hold = flow.hold(&key, count).await?;
            tell(flow, ops).await.map(|told| told.join(","))
        }
        Op::BadStory => panic!("a story that panics"),
        Op::InMood(mood, ops) => {
            if lock(&flow.inner.shared.ports.moods).contains(&mood) {
                tell(flow, ops).await?;
            }
            Ok(mood)
        }
        Op::Both(one, two) => {
            let one = made(flow, one).nothing_to_undo("a test");
            let two = made(flow, two).nothing_to_undo("a test");
            let (one, two) = tokio::join!(one, two);
            Ok(one?.key + &two?.key)
        }
        Op::More(more) => tell_more(flow, more).await,
        Op::Drop(key) => {
            let step = made(flow, key.clone()).nothing_to_undo("a test");
            tokio::select! {
                made = step => made.map(|made| made.key),
                () = flow.inner.shared.ports.until_at_work(&key) => Ok("dropped".to_owned()),
            }
        }
    }
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub(crate) struct TestClock(pub(crate) AtomicI64);

impl TestClock {
    pub(crate) fn pass(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A disk, a world and a clock that outlive each engine.
pub(crate) struct House {
    pub(crate) disk: Arc<SimFiles>,
    pub(crate) world: Arc<World>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) fold: Arc<Toy>,
}

pub(crate) const DIR: &str = "/house";

impl House {
    pub(crate) fn new() -> Self {
        Self::on(SimFiles::new(1))
    }

    pub(crate) fn on(disk: Arc<SimFiles>) -> Self {
        Self {
            disk,
            world: Arc::default(),
            clock: Arc::new(TestClock(AtomicI64::new(1_700_000_000_000))),
            fold: Arc::default(),
        }
    }

    pub(crate) fn options(&self) -> Options<World> {
        Options {
            files: self.disk.mount(),
            dir: PathBuf::from(DIR),
            clock: self.clock.clone(),
            fold: self.fold.clone(),
            book: Book::default().with::<Script>(),
            ports: self.world.clone(),
            order: None,
        }
    }

    /// Opens the engine, drives it, does something, and closes it in order.
    pub(crate) fn live<T>(&self, doing: impl AsyncFnOnce(&Engine<World>) -> T) -> T {
        let runtime = runtime();
        let engine = Engine::open(self.options()).expect("the log opens");
        runtime.block_on(async {
            let done = async {
                engine.drive().await.expect("the log takes a job");
                doing(&engine).await
            };
            let done = done.await;
            engine.close().await;
            done
        })
    }

    /// The same, but the power goes at the end.
    pub(crate) fn crash<T>(&self, doing: impl AsyncFnOnce(&Engine<World>) -> T) -> T {
        let runtime = runtime();
        let engine = Engine::open(self.options()).expect("the log opens");
        let done = runtime.block_on(async {
            engine.drive().await.expect("the log takes a job");
            let done = doing(&engine).await;
            self.disk.power_cut();
            done
        });
        drop(runtime);
        drop(engine);
        self.disk.power_on();
        done
    }

    /// Runs a script to its end in a life of its own.
    pub(crate) fn run(&self, request: &str, ops: impl IntoIterator<Item = Op>) -> FlowRow {
        let script = Script(ops.into_iter().collect());
        self.live(async |engine| engine.run(actor(), request, script).await.expect("it runs"))
    }

    /// Opens, drives, and waits for a flow to come to rest.
    pub(crate) fn rest(&self, id: FlowId) -> FlowRow {
        self.live(async |engine| engine.wait(id).await.expect("it comes to rest"))
    }

    /// A flow's records: path, kind, what the payload says.
    pub(crate) fn story(&self, id: FlowId) -> Vec<String> {
        self.live(async |engine| story(engine, id))
    }

    /// What makes the log what it has to be, whatever happened.
    pub(crate) fn check(&self) {
        self.live(async |engine| {
            let verified = engine.verify().expect("the log reads");
            assert_eq!(verified.fault, None);
            let rebuilt = engine.rebuild().expect("the log folds");
            assert_eq!(rebuilt.faults, []);
        });
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime is made")
}
