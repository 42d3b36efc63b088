//! Imports, copies between regions and accounts, deletions and collections at once, in any order,
//! with power cuts in between: whatever was sealed stays whole, and in the end nothing is there that
//! nobody names.
//!
//! Every seed is a story of its own; a failure prints the seed. `KILN_SEEDS` runs more of them.

use std::sync::Mutex;

use domain::port::{DataPlane, Job, Location, Place, StoredDisk};
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
    shelf: Shelf,
    incarnation: u64,
    jobs: u64,
}

/// What was sealed and is not deleted, and the manifests of it that live in each region.
#[derive(Default)]
struct Shelf {
    near: Live,
    far: Live,
    disks: Mutex<Vec<(Place, StoredDisk)>>,
}

impl Shelf {
    fn live(&self, at: &Place) -> &Live {
        if at.region == region() { &self.near } else { &self.far }
    }

    /// Sealing is what the log would do: it cannot be undone.
    fn seal(&self, at: &Place, disk: &StoredDisk) {
        self.live(at).add(&at.account.0, disk);
        self.disks.lock().unwrap().push((at.clone(), *disk));
    }

    fn delete(&self, which: usize) {
        let (at, disk) = self.disks.lock().unwrap().remove(which);
        let mut live = self.live(&at).0.lock().unwrap();
        let row = (at.account, disk.manifest);
        let place = live.iter().position(|there| *there == row).unwrap();
        live.remove(place);
    }
}

/// Something a round does.
#[derive(Clone, Debug)]
enum Deed {
    Import {
        job: String,
        to: Place,
        path: String,
    },
    /// Nothing is deleted while it is copied: rules see to that.
    Copy {
        job: String,
        from: Place,
        disk: StoredDisk,
        to: Place,
    },
    Collect {
        job: String,
        at: Place,
    },
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

/// Brings a disk in, as far as it goes.
fn bring(
    house: &House,
    deed: &Deed,
    shelf: &Shelf,
    incarnation: u64,
    came: &mut Came,
) -> Result<(), Failure> {
    let (Deed::Import { job, to, .. } | Deed::Copy { job, to, .. }) = deed else { return Ok(()) };
    let job = Job(job.clone());
    let plane = &house.plane;
    let work = || attempt(incarnation, 1);
    if matches!(came, Came::Open) {
        let (transferred, disk) = match deed {
            Deed::Import { path, .. } => {
                let at = Location::file(path.as_str());
                let source = wait(plane.inspect(&at, Some(domain::port::Format::Raw)))?;
                let transferred = wait(plane.transfer(work(), to, &job, &source))?;
                let disk = stored(&source, &transferred);
                (transferred, disk)
            }
            Deed::Copy { from, disk, .. } => (house.copy(work(), &job.0, from, disk, to)?, *disk),
            Deed::Collect { .. } => unreachable!("it brings nothing"),
        };
        assert_eq!((transferred.manifest, transferred.root), (disk.manifest, disk.root));
        let verified = wait(plane.verify(work(), to, &job, &disk))?;
        assert_eq!(verified.chunks, transferred.chunks);
        shelf.seal(to, &disk);
        *came = Came::Sealed;
    }
    wait(plane.settle(work(), to, &job))?;
    *came = Came::Done;
    Ok(())
}

impl Story {
    fn new(seed: u64) -> Self {
        let house = House::twin(seed);
        Self { house, dice: Dice::new(seed), shelf: Shelf::default(), incarnation: 1, jobs: 0 }
    }

    fn place(&mut self) -> Place {
        let account = if self.dice.below(4) == 0 { "2" } else { "1" };
        if self.dice.below(3) == 0 { far(account) } else { place(account) }
    }

    fn deed(&mut self) -> Deed {
        self.jobs += 1;
        let (which, to) = (self.dice.below(6), self.place());
        if which < 2 {
            return Deed::Collect { job: format!("c-{}", self.jobs), at: to };
        }
        let job = format!("m-{}", self.jobs);
        let disks = self.shelf.disks.lock().unwrap();
        if which < 4 && !disks.is_empty() {
            let (from, disk) = disks[usize::try_from(self.dice.below(disks.len() as u64)).unwrap()].clone();
            return Deed::Copy { job, from, disk, to };
        }
        let (kind, change) = (self.dice.below(2), self.dice.below(3));
        let path = format!("/in/{}.raw", self.jobs);
        self.house.put_file(&path, &version(kind, change));
        Deed::Import { job, to, path }
    }

    fn round(&mut self, context: &str) {
        let deeds = [self.deed(), self.deed()];
        if self.dice.below(3) > 0 {
            self.house.sim.cut_after(1 + self.dice.below(180));
        }
        let mut came = [Came::Open, Came::Open];
        let (house, sealed, incarnation) = (&self.house, &self.shelf, self.incarnation);
        std::thread::scope(|scope| {
            for (deed, came) in deeds.iter().zip(&mut came) {
                scope.spawn(move || match deed {
                    Deed::Collect { job, at } => {
                        drop(house.collect_at(attempt(incarnation, 1), at, job, sealed.live(at)));
                    }
                    _ => drop(bring(house, deed, sealed, incarnation, came)),
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
            let work = attempt(self.incarnation, 1);
            match (deed, &came) {
                (Deed::Collect { job, at }, _) => {
                    self.house.collect_at(work, at, job, self.shelf.live(at)).unwrap();
                }
                (Deed::Import { job, to, .. } | Deed::Copy { job, to, .. }, Came::Open) if discard => {
                    self.house.discard_at(work, to, job).unwrap();
                }
                (_, Came::Done) => {}
                _ => bring(&self.house, deed, &self.shelf, self.incarnation, came).unwrap(),
            }
        }
        self.delete_some();
        for at in [place("1"), far("1")] {
            let report = self.house.examine_at(&at, self.shelf.live(&at));
            assert_eq!(report.missing, [""; 0], "{context}: {deeds:?}");
            assert_eq!(report.stray_files, [""; 0], "{context}: {deeds:?}");
        }
    }

    fn delete_some(&mut self) {
        loop {
            let count = self.shelf.disks.lock().unwrap().len() as u64;
            if count <= self.dice.below(8) {
                return;
            }
            self.shelf.delete(usize::try_from(self.dice.below(count)).unwrap());
        }
    }

    fn end(self, context: &str) {
        for at in [place("1"), far("1")] {
            let (live, nothing) = (self.shelf.live(&at), Live::default());
            let collect = |job: &str, live: &Live| {
                // A collection is a job of its store.
                let job = format!("{job}-{}", at.region);
                self.house.collect_at(attempt(self.incarnation, 1), &at, &job, live).unwrap();
                self.house.assert_clean_at(&at, live, context);
            };
            collect("c-last", live);
            collect("c-all", &nothing);
        }
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
