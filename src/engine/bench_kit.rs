//! What the engine's benches share: the real file system with its syncs counted, a small domain, and
//! the stories that are timed.

#![allow(dead_code, reason = "each bench uses its own part of the kit")]

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use engine::{At, Book, Engine, Flow, Halt, Options, SystemClock, Workflow};
use event::{Actor, Event, Failure, Fold, Record, Refusal, RowsMut, Scope, Subject, Table};
use files::{File, Files, Identity, Open, RealFiles};
use serde::{Deserialize, Serialize};

/// The real file system, with its syncs counted.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    syncs: Arc<AtomicU64>,
}

impl Counted {
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct CountedFile {
    file: Arc<dyn File>,
    syncs: Arc<AtomicU64>,
}

impl Files for Counted {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let file = RealFiles.open(path, how)?;
        Ok(Arc::new(CountedFile { file, syncs: self.syncs.clone() }))
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        RealFiles.identity(path)
    }

    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        RealFiles.create_dirs(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealFiles.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFiles.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFiles.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealFiles.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealFiles.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        RealFiles.sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        RealFiles.free_bytes(path)
    }
}

impl File for CountedFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync()
    }

    fn identity(&self) -> io::Result<Identity> {
        self.file.identity()
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.file.next_data(from)
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
    Engine::open(Options { files, dir, clock, fold, book, ports }).expect("the bench's directory opens")
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
