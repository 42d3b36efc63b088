//! What the engine's benches share: the real file system with its syncs counted, a small domain, and
//! the stories that are timed.

#![allow(dead_code, reason = "each bench uses its own part of the kit")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use engine::{At, Book, Engine, Flow, Halt, Options, SystemClock, Workflow};
use event::{Actor, Event, Failure, Fold, Record, Refusal, RowsMut, Scope, Subject, Table};
use files::{Files, RealFiles};
use serde::{Deserialize, Serialize};
use sim::OnSync;

/// The allocator of the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The real file system, with its syncs counted.
#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<AtomicU64>);

impl Counted {
    pub(crate) fn files(&self) -> Arc<OnSync> {
        let syncs = self.0.clone();
        OnSync::new(Arc::new(RealFiles), move || {
            syncs.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an event of `client-number` concerns. As ids that flows mint, it sorts by when it was made; names do not.
fn subject(key: &str) -> Subject {
    let (client, number) = key.split_once('-').unwrap_or((key, ""));
    Subject(format!("m-{number:0>10}-{client}"))
}

/// An event of about 200 bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Happened {
    pub(crate) key: String,
    pub(crate) text: String,
}

impl Happened {
    pub(crate) fn new(key: &str) -> Self {
        Self { key: key.to_owned(), text: "x".repeat(160) }
    }
}

impl Event for Happened {
    const KIND: &'static str = "thing.happened/1";

    fn subjects(&self) -> Vec<Subject> {
        vec![subject(&self.key)]
    }
}

/// A name that is taken: what a rule looks at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) name: String,
}

impl Event for Taken {
    const KIND: &'static str = "name.taken/1";

    fn subjects(&self) -> Vec<Subject> {
        vec![subject(&self.name)]
    }
}

pub(crate) const NAMES: Table<u64> = Table::new("name");

pub(crate) struct Things;

impl Fold for Things {
    fn version(&self) -> u32 {
        1
    }

    fn knows(&self, kind: &str) -> bool {
        [Happened::KIND, Taken::KIND].contains(&kind)
    }

    fn apply(&self, rows: &mut dyn RowsMut, record: &Record) {
        if record.kind == Taken::KIND
            && let Ok(taken) = record.get::<Taken>()
        {
            NAMES.put(rows, &record.scope, &[&taken.name], &record.seq.0);
        }
    }
}

pub(crate) fn scope() -> Scope {
    Scope::from("100000/cn-hangzhou")
}

pub(crate) fn actor() -> Actor {
    Actor { account: "100000".to_owned(), key: "LTAI5tExampleExample".to_owned() }
}

macro_rules! story {
    ($name:ident, $text:literal, |$self:ident, $flow:ident| $body:block) => {
        #[derive(Clone, Serialize, Deserialize)]
        pub(crate) struct $name {
            pub(crate) key: String,
        }

        #[async_trait]
        impl Workflow for $name {
            type Ports = ();
            type Output = ();
            const NAME: &'static str = $text;
            const VERSION: u32 = 1;

            fn scope(&self) -> Scope {
                scope()
            }

            fn label(&self) -> String {
                format!("{} `{}`", $text, self.key)
            }

            fn subjects(&self) -> Vec<Subject> {
                vec![subject(&self.key)]
            }

            async fn run($self, $flow: &Flow<()>) -> Result<(), Halt> {
                $body;
                Ok(())
            }
        }
    };
}

async fn take(flow: &Flow<()>, name: String) -> Result<(), Halt> {
    let decided = flow.decide(scope(), move |view| match view.get(&NAMES, &[&name]) {
        None => Ok(Taken { name }),
        Some(_) => Err(Refusal::new("NameTaken", format!("`{name}` is taken"))),
    });
    decided.nothing_to_undo("a bench keeps its names").await.map(|_| ())
}

story!(OneDecide, "take-name", |self, flow| {
    take(flow, self.key).await?;
});

story!(FiveDecides, "take-five", |self, flow| {
    for n in 0..5 {
        take(flow, format!("{}-{n}", self.key)).await?;
    }
});

story!(FiveSteps, "do-five", |self, flow| {
    for _ in 0..5 {
        let (done, undone) = (self.key.clone(), self.key.clone());
        flow.step(move |_: At<()>| {
            let done = Happened::new(&done);
            async move { Ok::<_, Failure>(done) }
        })
        .undo(move |_: At<()>| {
            let undone = Happened::new(&undone);
            async move { Ok::<_, Failure>(undone) }
        })
        .await?;
    }
});

/// Events a story of that kind has, with its beginning and its end.
pub(crate) const EVENTS_OF_ONE: u64 = 3;
/// The same for the stories of five.
pub(crate) const EVENTS_OF_FIVE: u64 = 7;

pub(crate) fn open(files: Arc<dyn Files>, dir: PathBuf) -> Engine<()> {
    let book = Book::default().with::<OneDecide>().with::<FiveDecides>().with::<FiveSteps>();
    let (clock, fold, ports) = (Arc::new(SystemClock), Arc::new(Things), Arc::new(()));
    Engine::open(Options { files, dir, clock, fold, book, ports, order: None })
        .expect("the bench's directory opens")
}

/// How much of a processor the threads of each name have had, in seconds.
pub(crate) fn processor_seconds() -> BTreeMap<String, f64> {
    let mut seconds = BTreeMap::new();
    for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let nanos = read("schedstat").split_whitespace().next().and_then(|text| text.parse::<f64>().ok());
        *seconds.entry(read("comm").trim().to_owned()).or_default() += nanos.unwrap_or(0.0) / 1e9;
    }
    seconds
}

/// The value behind an argument: `--dir /mnt/x`.
pub(crate) fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

/// A directory of its own under the one asked for.
pub(crate) fn fresh_dir(name: &str) -> PathBuf {
    let root = argument("--dir").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let dir = root.join(format!("bench-{name}-{}", std::process::id()));
    // Left over from a bench that was killed.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("the bench's directory is made");
    dir
}
