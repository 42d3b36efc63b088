//! The work on Kiln's engine: no domain beside it, and steps that have nothing to undo, as the peers' have none.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{At, Book, Engine, Flow, Halt, Options, State, SystemClock, Workflow};
use event::{Actor, Event, Failure, Fold, Record, RowsMut, Scope};
use files::RealFiles;
use serde::{Deserialize, Serialize};

use crate::child::{Measured, Run};
use crate::load;

/// What a step yields: some 200 bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Happened {
    pub(crate) text: String,
}

impl Happened {
    pub(crate) fn new() -> Self {
        Self { text: "x".repeat(TEXT_BYTES) }
    }
}

/// With the field's name and what is around it, 200 bytes.
pub(crate) const TEXT_BYTES: usize = 190;

impl Event for Happened {
    const KIND: &'static str = "thing.happened/1";
}

struct Nothing;

impl Fold for Nothing {
    fn version(&self) -> u32 {
        1
    }

    fn knows(&self, kind: &str) -> bool {
        kind == Happened::KIND
    }

    fn apply(&self, _rows: &mut dyn RowsMut, _record: &Record) {}
}

pub(crate) fn scope() -> Scope {
    Scope::from("100000/cn-hangzhou")
}

pub(crate) fn actor() -> Actor {
    Actor { account: "100000".to_owned(), key: "LTAI5tExampleExample".to_owned() }
}

#[derive(Clone, Serialize, Deserialize)]
struct FiveSteps {}

#[async_trait]
impl Workflow for FiveSteps {
    type Ports = ();
    type Output = ();
    const NAME: &'static str = "do-five";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        scope()
    }

    fn label(&self) -> String {
        "five steps".to_owned()
    }

    async fn run(self, flow: &Flow<()>) -> Result<(), Halt> {
        for _ in 0..5 {
            let step = flow.step(|_: At<()>| async { Ok::<_, Failure>(Happened::new()) });
            step.nothing_to_undo("it does nothing").await?;
        }
        Ok(())
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct FiveDecides {}

#[async_trait]
impl Workflow for FiveDecides {
    type Ports = ();
    type Output = ();
    const NAME: &'static str = "decide-five";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        scope()
    }

    fn label(&self) -> String {
        "five decides".to_owned()
    }

    async fn run(self, flow: &Flow<()>) -> Result<(), Halt> {
        for _ in 0..5 {
            flow.decide(scope(), |_| Ok(Happened::new())).nothing_to_undo("it does nothing").await?;
        }
        Ok(())
    }
}

/// Runs it with steps, or with decides that run ahead of the disk.
pub(crate) async fn run(run: &Run, dir: &Path, ahead: bool) -> Result<Measured, String> {
    let book = Book::default().with::<FiveSteps>().with::<FiveDecides>();
    let options = Options {
        files: Arc::new(RealFiles),
        dir: dir.to_owned(),
        clock: Arc::new(SystemClock),
        fold: Arc::new(Nothing),
        book,
        ports: Arc::new(()),
        order: None,
    };
    let engine = Arc::new(Engine::open(options).map_err(|error| error.to_string())?);
    engine.drive().await.map_err(|error| error.to_string())?;
    load::run(run, move |name| {
        let engine = engine.clone();
        async move {
            let ended = if ahead {
                engine.run(actor(), &name, FiveDecides {}).await
            } else {
                engine.run(actor(), &name, FiveSteps {}).await
            };
            let row = ended.map_err(|error| error.to_string())?;
            if row.state == State::Done { Ok(()) } else { Err(format!("it ended {:?}", row.state)) }
        }
    })
    .await
}
