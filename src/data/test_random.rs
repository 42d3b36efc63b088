//! Imports, deletions and collections at once, in any order, with power cuts in between: whatever
//! was sealed stays whole, and in the end nothing is there that nobody names.
//!
//! Every seed is a story of its own; a failure prints the seed. `KILN_SEEDS` runs more of them.

use domain::port::Location;
use domain::port::{DataPlane, Job};
use event::Failure;

use crate::test_support::*;

/// Rounds of a story; in each one or two things happen at once.
const ROUNDS: u64 = 8;
/// Stories of a default run.
const SEEDS: u64 = 10;

/// What a story has got to.
struct Story {
    house: House,
    dice: Dice,
    live: Live,
    incarnation: u64,
    jobs: u64,
}

/// Something a round does.
#[derive(Clone, Debug)]
enum Deed {
    Import { job: String, account: String, path: String },
    Collect { job: String },
}

/// How far an import came.
enum Came {
    /// Not sealed: it may be resumed or discarded.
    Open,
    /// Sealed, not settled.
    Sealed,
    Done,
}

/// A disk that shares most of its content with others of its kind.
fn version(kind: u64, change: u64) -> Vec<u8> {
    let mut disk = vec![0; (18 << 20) + 1536];
    disk[..256 << 10].copy_from_slice(&noise(kind, 256 << 10));
    disk[17 << 20..(17 << 20) + (128 << 10)].copy_from_slice(&noise(kind + 100, 128 << 10));
    let at = usize::try_from(change % 60).unwrap() * 4096;
    disk[at..at + 20_000].copy_from_slice(&noise(change + 1000, 20_000));
    disk
}

/// An import as far as it goes. Sealing is what the log would do: it cannot be undone.
fn import(house: &House, deed: &Deed, live: &Live, incarnation: u64, came: &mut Came) -> Result<(), Failure> {
    let Deed::Import { job, account, path } = deed else { return Ok(()) };
    let (home, job) = (place(account), Job(job.clone()));
    let plane = &house.plane;
    if matches!(came, Came::Open) {
        let source = wait(plane.inspect(&Location::file(path.as_str()), Some(domain::port::Format::Raw)))?;
        let transferred = wait(plane.transfer(attempt(incarnation, 1), &home, &job, &source))?;
        let disk = stored(&source, &transferred);
        let verified = wait(plane.verify(attempt(incarnation, 1), &home, &job, &disk))?;
        assert_eq!(verified.chunks, transferred.chunks);
        live.add(account, &disk);
        *came = Came::Sealed;
    }
    wait(plane.settle(attempt(incarnation, 1), &home, &job))?;
    *came = Came::Done;
    Ok(())
}

impl Story {
    fn new(seed: u64) -> Self {
        let house = House::new(seed);
        let (dice, live) = (Dice::new(seed), Live::default());
        Self { house, dice, live, incarnation: 1, jobs: 0 }
    }

    fn deed(&mut self) -> Deed {
        self.jobs += 1;
        if self.dice.below(3) == 0 {
            return Deed::Collect { job: format!("c-{}", self.jobs) };
        }
        let (kind, change) = (self.dice.below(2), self.dice.below(3));
        let path = format!("/in/{}.raw", self.jobs);
        self.house.put_file(&path, &version(kind, change));
        let account = if self.dice.below(4) == 0 { "2" } else { "1" };
        Deed::Import { job: format!("m-{}", self.jobs), account: account.into(), path }
    }

    fn round(&mut self, context: &str) {
        let deeds = [self.deed(), self.deed()];
        if self.dice.below(3) > 0 {
            self.house.sim.cut_after(1 + self.dice.below(180));
        }
        let mut came = [Came::Open, Came::Open];
        let (house, live, incarnation) = (&self.house, &self.live, self.incarnation);
        std::thread::scope(|scope| {
            for (deed, came) in deeds.iter().zip(&mut came) {
                scope.spawn(move || match deed {
                    Deed::Collect { job } => drop(house.collect(attempt(incarnation, 1), job, live)),
                    Deed::Import { .. } => drop(import(house, deed, live, incarnation, came)),
                });
            }
        });
        self.house.sim.clear_faults();
        self.house.sim.power_cut();
        self.house.sim.power_on();
        self.house = self.house.reopened();
        self.incarnation += 1;
        for (deed, came) in deeds.iter().zip(&mut came) {
            let discard = self.dice.below(3) == 0;
            match (deed, &came) {
                (Deed::Collect { job }, _) => {
                    self.house.collect(attempt(self.incarnation, 1), job, &self.live).unwrap();
                }
                (Deed::Import { job, account, .. }, Came::Open) if discard => {
                    let undo = attempt(self.incarnation, 1);
                    wait(self.house.plane.discard(undo, &place(account), &Job(job.clone()))).unwrap();
                }
                (_, Came::Done) => {}
                _ => import(&self.house, deed, &self.live, self.incarnation, came).unwrap(),
            }
        }
        self.delete_some();
        let report = self.house.examine(&self.live);
        assert_eq!(report.missing, [""; 0], "{context}: {deeds:?}");
        assert_eq!(report.stray_files, [""; 0], "{context}: {deeds:?}");
    }

    fn delete_some(&mut self) {
        let mut live = self.live.0.lock().unwrap();
        while live.len() as u64 > self.dice.below(6) {
            let which = usize::try_from(self.dice.below(live.len() as u64)).unwrap();
            live.remove(which);
        }
    }

    fn end(self, context: &str) {
        let last = attempt(self.incarnation, 1);
        self.house.collect(last, "c-last", &self.live).unwrap();
        self.house.assert_clean(&self.live, context);
        let nothing = Live::default();
        self.house.collect(attempt(self.incarnation, 1), "c-all", &nothing).unwrap();
        self.house.assert_clean(&nothing, context);
    }
}

#[test]
fn whatever_happens_at_once_and_whenever_the_power_goes_nothing_is_lost_and_nothing_left() {
    let seeds = std::env::var("KILN_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        let mut story = Story::new(seed);
        for round in 0..ROUNDS {
            story.round(&format!("seed {seed}, round {round}"));
        }
        story.end(&format!("seed {seed}, at the end"));
    }
}
