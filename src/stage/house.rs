//! A house for one test: disk, world, clock and script outlive each engine that lives in it.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::{Book, Engine, Error, FlowRow, Options, Workflow};
use event::{Actor, FlowId, Fold, Record, RowsMut};
use sim::SimFiles;

use crate::clock::VirtualClock;
use crate::script::{Fate, Script};
use crate::tells;

/// Where its log lies.
const DIR: &str = "/house";

/// A house in which flows of one book are run, on a world of your own.
pub struct House<P: Send + Sync + 'static> {
    pub(crate) disk: Arc<SimFiles>,
    ports: Arc<P>,
    clock: Arc<VirtualClock>,
    pub(crate) script: Arc<Script>,
    fold: Arc<dyn Fold>,
    book: fn() -> Book<P>,
}

/// An engine while it lives.
pub struct Life<'a, P: Send + Sync + 'static> {
    house: &'a House<P>,
    engine: Engine<P>,
}

/// A fold that keeps nothing, for stories that decide nothing.
#[derive(Debug)]
struct NoRows;

impl Fold for NoRows {
    fn version(&self) -> u32 {
        1
    }

    fn knows(&self, _: &str) -> bool {
        true
    }

    fn apply(&self, _: &mut dyn RowsMut, _: &Record) {}
}

impl<P: Send + Sync + 'static> House<P> {
    /// A house that is empty, with its world and the stories it knows.
    pub fn new(ports: P, book: fn() -> Book<P>) -> Self {
        let disk = SimFiles::new(1);
        let script = Script::new(disk.clone());
        let clock = Arc::new(VirtualClock::new());
        Self { disk, ports: Arc::new(ports), clock, script, fold: Arc::new(NoRows), book }
    }

    /// The same with projections, which the rules of decides look at.
    #[must_use]
    pub fn folding(mut self, fold: impl Fold) -> Self {
        self.fold = Arc::new(fold);
        self
    }

    /// The world.
    pub fn world(&self) -> &P {
        &self.ports
    }

    /// The disk, to break.
    pub fn disk(&self) -> &SimFiles {
        &self.disk
    }

    /// Has something strike the next attempt at a step, or, with `~` behind its path, at its undo. Said several
    /// times it strikes one attempt after the other.
    pub fn strike(&self, path: &str, fate: Fate) {
        self.script.strike(path, fate);
    }

    /// Lets the clock jump between two lives, forwards or (with a negative number of milliseconds) backwards.
    pub fn jump(&self, by_ms: i64) {
        self.clock.jump(by_ms);
    }

    /// Opens the engine, drives it, does something, and closes it in order.
    pub fn live<T>(&self, doing: impl AsyncFnOnce(&Life<'_, P>) -> T) -> T {
        self.try_live(doing).expect("the log opens; a test that breaks it says `try_live`")
    }

    /// The same, where the log may not open.
    ///
    /// # Errors
    /// What opening it or driving its flows met.
    pub fn try_live<T>(&self, doing: impl AsyncFnOnce(&Life<'_, P>) -> T) -> Result<T, Error> {
        self.one_life(doing, true)
    }

    /// The same, but the power goes at the end, and is back afterwards.
    pub fn crash<T>(&self, doing: impl AsyncFnOnce(&Life<'_, P>) -> T) -> T {
        let done = self.one_life(doing, false);
        self.disk.power_on();
        done.expect("the log opens")
    }

    fn one_life<T>(&self, doing: impl AsyncFnOnce(&Life<'_, P>) -> T, in_order: bool) -> Result<T, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime is made");
        self.script.live(true);
        self.clock.follow(runtime.handle());
        let options = Options {
            files: self.disk.mount(),
            dir: PathBuf::from(DIR),
            clock: self.clock.clone(),
            fold: self.fold.clone(),
            book: (self.book)(),
            ports: self.ports.clone(),
            order: Some(self.script.clone()),
        };
        let lived = Engine::open(options).and_then(|engine| {
            let life = Life { house: self, engine };
            runtime.block_on(async {
                self.script.guest(true);
                life.engine.drive().await?;
                let done = doing(&life).await;
                if !in_order {
                    self.disk.power_cut();
                    return Ok((done, Some(life)));
                }
                life.engine.close().await;
                Ok((done, None))
            })
        });
        self.clock.stop();
        // Whoever keeps the time lets go, or the runtime would wait for it; and the runtime goes before the engine,
        // whose threads may wait for its flows.
        self.script.live(false);
        drop(runtime);
        lived.map(|(done, _)| done)
    }

    /// Runs a flow until it has ended or parked, in a life of its own.
    pub fn run<W: Workflow<Ports = P>>(&self, request: &str, workflow: W) -> FlowRow {
        self.live(async |life| life.run(request, workflow).await.expect("it comes to rest"))
    }

    /// Lets flows go on in a life of their own, until one has ended or parked.
    pub fn rest(&self, flow: FlowId) -> FlowRow {
        self.live(async |life| life.wait(flow).await.expect("it comes to rest"))
    }

    /// A flow's story, a line a record.
    pub fn story(&self, flow: FlowId) -> String {
        self.live(async |life| {
            let snapshot = life.snapshot().expect("the log reads");
            let row = snapshot.flow(flow).expect("there is such a flow");
            tells::lines(&snapshot, &row).join("\n")
        })
    }

    /// Panics unless the log's chain is whole and folding it anew makes the projections there are.
    pub fn check(&self) {
        self.live(async |life| {
            assert_eq!(life.verify().expect("the log reads").fault, None, "the chain of the log");
            assert_eq!(life.rebuild().expect("the log folds").faults, [], "the projections");
        });
    }
}

/// Who asks in a stage.
pub(crate) fn actor() -> Actor {
    Actor { account: "stage".to_owned(), key: String::new() }
}

impl<P: Send + Sync + 'static> Deref for Life<'_, P> {
    type Target = Engine<P>;

    fn deref(&self) -> &Engine<P> {
        &self.engine
    }
}

impl<P: Send + Sync + 'static> Life<'_, P> {
    /// Starts a flow.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start<W: Workflow<Ports = P>>(&self, request: &str, workflow: W) -> Result<FlowId, Error> {
        self.engine.start(actor(), request, workflow).await
    }

    /// Runs a flow until it has ended or parked; time is skipped meanwhile.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn run<W: Workflow<Ports = P>>(&self, request: &str, workflow: W) -> Result<FlowRow, Error> {
        let id = self.start(request, workflow).await?;
        self.wait(id).await
    }

    /// Waits until a flow has ended or parked; time is skipped meanwhile.
    ///
    /// # Errors
    /// As [`Engine::wait`].
    pub async fn wait(&self, flow: FlowId) -> Result<FlowRow, Error> {
        self.meanwhile(self.engine.wait(flow)).await
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        self.meanwhile(tokio::time::sleep(time)).await;
    }

    /// Waits for something else; time is skipped meanwhile.
    pub async fn meanwhile<T>(&self, waits: impl Future<Output = T>) -> T {
        let script = &self.house.script;
        script.guest(false);
        let done = waits.await;
        script.guest(true);
        done
    }
}
