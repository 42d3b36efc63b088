//! One run of the simulation: lives of a house on one disk, each driven step by step, the last one quiet.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use files::Files;
use sim::{Chance, Directed, Director, Loss, SimFiles};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::queue::lock;
use crate::store::{DATABASE, Store, WITNESS};
use crate::tests_simulate_deeds::Deeds;
use crate::tests_simulate_ledger::Ledger;
use crate::tests_simulate_life::{Life, close};
use crate::tests_simulate_mix::{End, Mix};
use crate::tests_simulate_script::Script;
use crate::tests_simulate_toy::ToyFold;
use crate::tests_simulate_world::World;
use crate::{ARCHIVE, Book, Clock, ENDED, Engine, Error, Options, chain};

const DIR: &str = "/house";

/// The simulated time: moves with the runtime's, and jumps.
#[derive(Debug)]
pub(crate) struct SimClock {
    base_ms: AtomicI64,
    pub(crate) born: Mutex<Option<Instant>>,
    shown_ms: AtomicI64,
}

impl SimClock {
    pub(crate) fn jump(&self, ms: i64) {
        self.base_ms.fetch_add(ms, Ordering::Relaxed);
        self.now_ms();
    }

    /// The next life begins when this one ended.
    fn ends_life(&self) {
        *lock(&self.born) = None;
        self.base_ms.store(self.shown_ms.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now_ms(&self) -> i64 {
        // The log's threads see the time at which the driver handed them the baton.
        if let (Some(born), Ok(_)) = (*lock(&self.born), tokio::runtime::Handle::try_current()) {
            let passed = i64::try_from(born.elapsed().as_millis()).expect("not for ages");
            self.shown_ms.store(self.base_ms.load(Ordering::Relaxed) + passed, Ordering::Relaxed);
        }
        self.shown_ms.load(Ordering::Relaxed)
    }
}

/// Whether a file is the one with the rows of what has ended, whole or not.
fn is_second(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(ENDED))
}

/// What a run came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Played {
    /// All rows of the log.
    pub(crate) log: Vec<u8>,
    /// The whole database, the second file and the archive.
    pub(crate) file: Vec<u8>,
    pub(crate) events: usize,
    pub(crate) flows: usize,
    pub(crate) lives: usize,
    pub(crate) calls: usize,
    pub(crate) releases: usize,
    pub(crate) deeds: Deeds,
}

impl Played {
    /// Counts another run in.
    pub(crate) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.flows += other.flows;
        self.lives += other.lives;
        self.calls += other.calls;
        self.releases += other.releases;
        for (deed, times) in &other.deeds {
            *self.deeds.entry(*deed).or_default() += times;
        }
    }
}

/// Why a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    By(End),
    /// The disk failed and the log has stopped.
    Stopped,
    /// All is over; in the last life.
    AtRest,
}

/// A run under way.
pub(crate) struct Run {
    pub(crate) disk: Arc<SimFiles>,
    pub(crate) world: Arc<World>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) ledger: Ledger,
    pub(crate) chance: Chance,
    pub(crate) mix: Mix,
    pub(crate) asked: Vec<Script>,
    /// How often somebody was told something.
    pub(crate) told: usize,
    pub(crate) jumped: bool,
    /// How often a story was asked what it shows, and showed something.
    pub(crate) queried: u64,
    pub(crate) deeds: Deeds,
}

/// Plays a seed; what is wrong if anything is.
pub(crate) fn play(seed: u64) -> Result<Played, Vec<String>> {
    let mut chance = Chance::new(seed);
    let mix = Mix::of(&mut chance);
    let disk = SimFiles::new(seed);
    let clock = SimClock {
        base_ms: AtomicI64::new(1_700_000_000_000),
        born: Mutex::default(),
        shown_ms: AtomicI64::new(1_700_000_000_000),
    };
    let mut run = Run {
        world: Arc::new(World::new(seed, mix.trouble, disk.clone())),
        disk,
        clock: Arc::new(clock),
        ledger: Ledger::default(),
        chance,
        mix,
        asked: Vec::new(),
        told: 0,
        jumped: false,
        queried: 0,
        deeds: Deeds::new(),
    };
    lock(&run.world.state).changed_in = run.mix.changed_in;
    // What the engine asserts, and what this code expects of it, is found as well as what is judged.
    let whole = catch_unwind(AssertUnwindSafe(|| run.whole()));
    whole.unwrap_or_else(|panic| {
        let mut problems = vec![format!("panicked: {}", crate::committer::panic_text(&*panic))];
        problems.append(&mut run.problems());
        Err(problems)
    })
}

impl Run {
    fn problems(&mut self) -> Vec<String> {
        let mut problems = std::mem::take(&mut lock(&self.world.state).problems);
        problems.append(&mut self.ledger.problems);
        problems
    }

    fn whole(&mut self) -> Result<Played, Vec<String>> {
        let mut older = None;
        for life in 0..self.mix.lives {
            self.live(false);
            let problems = self.problems();
            if !problems.is_empty() {
                return Err(problems);
            }
            if life == 0 {
                older = self.disk.get(Path::new(DIR).join(DATABASE));
            }
        }
        lock(&self.world.state).calm = true;
        self.live(true);
        let mut problems = self.problems();
        let played = self.after(older, &mut problems);
        if problems.is_empty() { Ok(played) } else { Err(problems) }
    }

    /// One life of the house.
    fn live(&mut self, last: bool) {
        let director = Director::new();
        let strikes = !last && self.mix.strikes(&mut self.chance, &self.disk);
        if !last && self.mix.cuts && self.chance.in_thousand(250) {
            lock(&self.world.state).cut_in = Some(1 + self.chance.below(12));
        }
        let mount: Arc<dyn Files> = self.disk.mount();
        let options = Options {
            // The second file is written under a lock that whoever looks at the log wants.
            files: director.files(mount, |path| path == Path::new(DIR) || is_second(path)),
            dir: PathBuf::from(DIR),
            clock: self.clock.clone(),
            fold: Arc::new(ToyFold),
            book: Book::default().with::<Script>(),
            ports: self.world.clone(),
            order: Some(Arc::new(Directed(director.clone()))),
        };
        let engine = match Engine::open(options) {
            Ok(engine) => Some(Arc::new(engine)),
            Err(error) => {
                let struck = strikes && matches!(error, Error::Open { .. } | Error::Read { .. });
                if !struck && self.disk.is_powered() {
                    self.ledger.problems.push(format!("the house does not open: {error}"));
                }
                None
            }
        };
        if let Some(engine) = engine {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            let runtime = runtime.expect("a runtime is made");
            let mut clients = JoinSet::new();
            let ended = runtime.block_on(async {
                let born = Instant::now();
                *lock(&self.clock.born) = Some(born);
                lock(&self.world.state).born = Some(born);
                let archiving = false;
                let mut life = Life {
                    run: self,
                    engine,
                    director: &director,
                    clients: &mut clients,
                    last,
                    strikes,
                    archiving,
                };
                let ended = life.drive().await;
                let engine = life.engine.clone();
                drop(life);
                if matches!(ended, Ended::AtRest | Ended::By(End::Close)) {
                    close(self, engine, &director, &mut clients).await;
                    return (ended, None);
                }
                (ended, Some(engine))
            });
            self.clock.now_ms();
            if ended.1.is_some() {
                // The process is gone from here on, and so is all it might still do.
                self.disk.power_cut();
                director.free();
            }
            drop(clients);
            drop(runtime);
            let is_gone = ended.1.is_some();
            drop(ended.1);
            if is_gone {
                director.deserted();
            }
            self.ends_life(ended.0, strikes);
        } else {
            self.disk.power_cut();
            self.ends_life(Ended::Stopped, strikes);
        }
    }

    fn ends_life(&mut self, ended: Ended, struck: bool) {
        if std::env::var_os("KILN_TELL").is_some() {
            let life = lock(&self.world.state).life;
            println!("life {life}: {ended:?}, {} records seen, {:?}", self.ledger.seen.len(), self.disk);
        }
        self.world.ends_life();
        self.clock.ends_life();
        // A sync may have failed while it was closed, and what is seen then is not what is on the disk.
        if matches!(ended, Ended::AtRest | Ended::By(End::Close)) && !struck && self.disk.is_powered() {
            return;
        }
        let loss = match ended {
            Ended::By(End::Kill) => Loss::Nothing,
            _ if self.chance.coin() => Loss::Everything,
            _ => Loss::Seeded,
        };
        self.disk.set_loss(loss);
        self.disk.power_on();
    }

    /// What is left when all is over.
    fn after(&mut self, older: Option<Vec<u8>>, problems: &mut Vec<String>) -> Played {
        let disk = self.disk.fork(1);
        let store = Store::open(disk.mount(), Path::new(DIR)).expect("it was open just now");
        let snapshot = store.snapshot().expect("the log reads");
        let mut log = Vec::new();
        let mut hash = chain::GENESIS;
        for row in snapshot.log_rows(1).expect("the log reads") {
            let (first, row) = row.expect("the log reads");
            let mut hasher = blake3::Hasher::new();
            hasher.update(&hash).update(&first.to_le_bytes()).update(&row[32..]);
            hash = *hasher.finalize().as_bytes();
            if row[..32] != hash {
                problems.push(format!("the chain breaks at event {first}"));
            }
            log.extend_from_slice(&row);
        }
        let left = snapshot.work_keys(&[]).expect("the log reads");
        if !left.is_empty() {
            let left: Vec<_> =
                left.iter().map(|key| String::from_utf8_lossy(&key[16..]).into_owned()).collect();
            problems.push(format!("working rows are left: {left:?}"));
        }
        let head = snapshot.head().expect("the log reads");
        drop((snapshot, store));
        self.put_back(older, head.seq, problems);
        let was = lock(&self.world.state);
        Played {
            log,
            file: self.files(),
            events: self.ledger.seen.len(),
            flows: self.ledger.seen.iter().filter(|record| record.previous.is_none()).count(),
            lives: was.life,
            calls: was.calls.len(),
            releases: self.ledger.releases(),
            deeds: std::mem::take(&mut self.deeds),
        }
    }

    /// All that the house has left on its disk, but for the witness, which says nothing more.
    fn files(&self) -> Vec<u8> {
        let archive = Path::new(DIR).join(ARCHIVE);
        let names = self.disk.list(&archive).unwrap_or_default();
        let segments = names.iter().map(|name| archive.join(name));
        let paths = [DATABASE, ENDED].iter().map(|name| Path::new(DIR).join(name)).chain(segments);
        paths.filter_map(|path| self.disk.get(path)).collect::<Vec<_>>().concat()
    }

    /// A log that is put back from an older copy is found out by what stands beside it.
    fn put_back(&self, older: Option<Vec<u8>>, head: event::Seq, problems: &mut Vec<String>) {
        let Some(older) = older else { return };
        let disk = self.disk.fork(2);
        let known = crate::witness::read(
            &*disk.open(&Path::new(DIR).join(WITNESS), files::Open::Read).expect("it is there"),
        );
        disk.put(Path::new(DIR).join(DATABASE), &older);
        let Ok(Some((known, _))) = known else { return };
        let opened = catch_unwind(AssertUnwindSafe(|| Store::open(disk.mount(), Path::new(DIR))));
        let Ok(Ok(store)) = opened else { return };
        let in_database = store.snapshot().and_then(|snapshot| snapshot.head()).expect("the log reads");
        let found = store.untold().head.unwrap_or(in_database).seq;
        if found < known {
            problems.push(format!(
                "an older log was opened: it ends at {found}, {known} of {head} was acknowledged"
            ));
        }
    }
}
