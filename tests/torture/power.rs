//! A random mix of operations on a simulated disk whose power goes again and again.
//!
//! Each seed plays some incarnations of a house. An incarnation opens the disk, starts new
//! operations beside those left over, and loses its power at a random call, the write of that
//! call torn or not. A ledger keeps what was acknowledged; after every opening and at the end the
//! house must know all of it. The data plane works on threads of its own, so a seed repeats the
//! choices and not the very interleaving.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::image::{IMAGES, NAMES, Status};
use domain::port::{Compression, Format, Location, Target, Wrapping};
use domain::{AccountId, ContentRoot, ImageId, RegionId, image};
use engine::{Error, FlowRow, State};
use files::Files;
use sim::SimFiles;
use tokio::task::JoinSet;
use workflows::{
    CollectChunks, DeleteImage, DeprecateImage, DiskFile, ExportImage, ExportTo, ImportImage, RestoreImage,
};

use crate::chance::{Chance, count, seed};
use crate::world::{ACCOUNT, DISKS, House, REGION, Way, actor, bucket, incarnation, prepared};

/// How long seeds are played when their number is not given.
const PLAY: Duration = Duration::from_mins(1);
/// Incarnations of a seed before the last, quiet one.
const CUTS_MAX: u64 = 8;
/// Operations that are new in one incarnation.
const NEW_MAX: u64 = 4;
/// Calls to the disk after which the power goes at the latest; an import makes about fifty.
const CALLS_MAX: u64 = 220;
/// Openings without a fault after which everything has to have ended.
const OPENINGS_MAX: u32 = 3;

#[derive(Clone, Debug)]
enum What {
    Import { name: String, disk: usize },
    Export { path: String, format: Format },
    Delete,
    Deprecate,
    Restore,
    Collect,
}

/// An operation that was asked for.
#[derive(Clone, Debug)]
struct Asked {
    request: String,
    what: What,
    image: Option<ImageId>,
}

/// What an acknowledged image has to be.
#[derive(Clone, Debug)]
struct Known {
    id: ImageId,
    disk: usize,
    gone: bool,
    /// A deletion was asked for and has not been answered.
    leaving: bool,
}

/// What was acknowledged, and what was asked for and not yet answered.
#[derive(Default)]
struct Ledger {
    images: BTreeMap<String, Known>,
    exports: BTreeMap<String, (usize, Format)>,
    pending: Vec<Asked>,
    asked: u64,
    tally: Tally,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    seeds: u64,
    cuts: u64,
    asked: u64,
    done: u64,
    refused: u64,
    resumed: u64,
}

pub fn play() {
    let first = seed();
    let seeds = count("KILN_SEEDS");
    let before = prepared(11);
    let (begin, mut tally) = (Instant::now(), Tally::default());
    println!("torture by power cuts from KILN_SEED={first}");
    while seeds.map_or(tally.seeds == 0 || begin.elapsed() < PLAY, |seeds| tally.seeds < seeds) {
        let seed = first.wrapping_add(tally.seeds);
        let _named = Named(seed);
        let mut ledger = Ledger { tally, ..Ledger::default() };
        one_seed(&before.fork(seed), &mut Chance::new(seed), &mut ledger);
        tally = ledger.tally;
        tally.seeds += 1;
    }
    println!(
        "soak: {} seeds from {first}: {} power cuts, {} operations, {} done, {} refused, {} parked and resumed",
        tally.seeds, tally.cuts, tally.asked, tally.done, tally.refused, tally.resumed
    );
}

/// Says which seed it was if the test fails in it.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed with KILN_SEED={} KILN_SEEDS=1", self.0);
        }
    }
}

fn one_seed(disk: &Arc<SimFiles>, chance: &mut Chance, ledger: &mut Ledger) {
    for _ in 0..=chance.below(CUTS_MAX) {
        let after = 1 + chance.below(CALLS_MAX);
        match chance.below(2) {
            0 => disk.cut_after(after),
            _ => disk.tear_after(after),
        }
        let files: Arc<dyn Files> = disk.mount();
        let life = || incarnation(live(&files, disk, chance, ledger));
        match catch_unwind(AssertUnwindSafe(life)) {
            // All was done before its time had come; then the power goes now.
            Ok(Ok(())) => disk.power_cut(),
            Ok(Err(error)) => assert!(is_power(&error, disk), "{error}"),
            Err(panic) => drop(dead(disk, panic)),
        }
        disk.power_on();
        ledger.tally.cuts += 1;
    }
    for _ in 0..OPENINGS_MAX {
        let files: Arc<dyn Files> = disk.mount();
        if incarnation(end(&files, disk, ledger)) {
            return;
        }
    }
    panic!("after {OPENINGS_MAX} openings without a fault there is still {:?}", ledger.pending);
}

/// Whether an error is what a dead disk does to an engine, and nothing else.
fn is_power(error: &Error, disk: &SimFiles) -> bool {
    !disk.is_powered() && matches!(error, Error::Stopped { .. } | Error::Open { .. } | Error::Read { .. })
}

/// A read that finds no disk under it ends the process by a panic, which is right; any other panic is passed on.
fn dead(disk: &SimFiles, panic: Box<dyn Any + Send>) -> Error {
    let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    if disk.is_powered() || !said.starts_with("the database reads") {
        resume_unwind(panic);
    }
    Error::Read { why: said }
}

/// One life of the house: old and new operations side by side, until all have ended or the power goes.
async fn live(
    files: &Arc<dyn Files>,
    disk: &Arc<SimFiles>,
    chance: &mut Chance,
    ledger: &mut Ledger,
) -> Result<(), Error> {
    let house = Arc::new(House::open(files, Way::Plain)?);
    house.engine.drive().await?;
    ledger.check(&house, disk)?;
    for _ in 0..=chance.below(NEW_MAX) {
        ledger.ask(chance);
    }
    ledger.resume_parked(&house).await?;
    ledger.answer(&house, disk).await?;
    ledger.check(&house, disk)
}

/// The last life, in which everything ends; says whether it did.
async fn end(files: &Arc<dyn Files>, disk: &Arc<SimFiles>, ledger: &mut Ledger) -> bool {
    let house = Arc::new(House::open(files, Way::Plain).unwrap());
    house.engine.drive().await.unwrap();
    ledger.resume_parked(&house).await.unwrap();
    ledger.answer(&house, disk).await.unwrap();
    if !ledger.pending.is_empty() {
        return false;
    }
    assert!(
        house.engine.snapshot().unwrap().open_flows().is_empty(),
        "an operation neither ended nor goes on"
    );
    ledger.check(&house, disk).unwrap();
    // What the bucket holds is what was acknowledged: no draft, no half of anything.
    let there: Vec<String> = bucket(disk).into_iter().map(|(name, _)| format!("/bucket/{name}")).collect();
    let wanted: Vec<String> = ledger.exports.keys().cloned().collect();
    assert_eq!(there, wanted, "the bucket holds the exports acknowledged and nothing else");
    house.collect("the last collection").await.unwrap();
    house.check_whole("at the end").await;
    ledger.compare_all(&house, disk).await;
    true
}

impl Ledger {
    /// Asks for something new.
    fn ask(&mut self, chance: &mut Chance) {
        let here: Vec<(String, ImageId)> = self
            .images
            .iter()
            .filter(|(_, known)| !known.gone && !known.leaving)
            .map(|(name, known)| (name.clone(), known.id.clone()))
            .collect();
        let number = self.asked;
        let image = chance.pick(&here).cloned();
        let (what, image) = match (chance.below(10), image) {
            (0 | 1, Some((_, id))) => {
                let format = [Format::Raw, Format::Qcow2][usize::try_from(chance.below(2)).unwrap()];
                (What::Export { path: format!("/bucket/export-{number}"), format }, Some(id))
            }
            (2 | 3, Some((name, id))) => {
                self.images.get_mut(&name).expect("it was picked from there").leaving = true;
                (What::Delete, Some(id))
            }
            (4, Some((_, id))) => (What::Deprecate, Some(id)),
            (5, Some((_, id))) => (What::Restore, Some(id)),
            (6, _) => (What::Collect, None),
            _ => {
                let disk = usize::try_from(chance.below(DISKS.len() as u64)).unwrap();
                (What::Import { name: format!("image-{number}"), disk }, None)
            }
        };
        self.pending.push(Asked { request: format!("request-{number}"), what, image });
        self.asked += 1;
        self.tally.asked += 1;
    }

    /// Operations that five openings in a row did not bring forward wait for a person: this is the person.
    async fn resume_parked(&mut self, house: &House) -> Result<(), Error> {
        for row in house.engine.snapshot()?.open_flows() {
            if row.state == State::Parked {
                let why = row.parked.clone().unwrap_or_default();
                assert!(!why.contains("diverged"), "{}: {why}", row.label);
                house.engine.retry(actor(), row.id, "the power is back").await?;
                self.tally.resumed += 1;
            }
        }
        Ok(())
    }

    /// Runs all that is pending side by side, and writes down what is answered.
    async fn answer(&mut self, house: &Arc<House>, disk: &Arc<SimFiles>) -> Result<(), Error> {
        let mut running = JoinSet::new();
        for asked in self.pending.clone() {
            let house = Arc::clone(house);
            running.spawn(async move {
                let row = start(&house, &asked).await;
                (asked, row)
            });
        }
        let mut stopped = None;
        while let Some(joined) = running.join_next().await {
            match joined {
                Ok((asked, Ok(row))) if row.state.has_ended() => {
                    if self.settle(house, disk, &asked, &row) {
                        self.pending.retain(|pending| pending.request != asked.request);
                    }
                }
                Ok((_, Ok(_))) => {}
                Ok((_, Err(error))) => stopped = Some(error),
                Err(error) => stopped = Some(dead(disk, error.into_panic())),
            }
        }
        stopped.map_or(Ok(()), Err)
    }

    /// Writes down how an operation ended; false if the power went before that could be looked at.
    fn settle(&mut self, house: &House, disk: &SimFiles, asked: &Asked, row: &FlowRow) -> bool {
        let done = row.state == State::Done;
        let image = match &asked.what {
            What::Import { name, .. } if done => find(house, name),
            _ => Some(ImageId::default()),
        };
        let Some(image) = image else {
            assert!(!disk.is_powered(), "an import that is done has no image");
            return false;
        };
        if done {
            self.tally.done += 1;
        } else {
            self.tally.refused += 1;
        }
        let known = |images: &mut BTreeMap<String, Known>, wanted: &Option<ImageId>| {
            let name = images.iter().find(|(_, known)| Some(&known.id) == wanted.as_ref());
            name.map(|(name, known)| (name.clone(), known.clone())).expect("it is asked of known images only")
        };
        match &asked.what {
            What::Import { name, disk } => {
                assert!(done, "an import of a good disk under a new name: {:?}", row.refusal());
                let entry = Known { id: image, disk: *disk, gone: false, leaving: false };
                self.images.insert(name.clone(), entry);
            }
            What::Export { path, format } => {
                let (_, image) = known(&mut self.images, &asked.image);
                if done {
                    self.exports.insert(path.clone(), (image.disk, *format));
                } else {
                    // Only its image being deleted first is a reason.
                    assert!(image.gone || image.leaving, "an export ended with {:?}", row.refusal());
                    assert!(!disk.exists(path), "an export that was refused left `{path}`");
                }
            }
            What::Delete => {
                let (name, _) = known(&mut self.images, &asked.image);
                let entry = self.images.get_mut(&name).expect("it was found there");
                entry.leaving = false;
                entry.gone = done;
            }
            What::Deprecate | What::Restore => {}
            What::Collect => assert!(done, "a collection ended with {:?}", row.refusal()),
        }
        true
    }

    /// Everything acknowledged is there, and what was acknowledged as deleted is not.
    fn check(&self, house: &House, disk: &SimFiles) -> Result<(), Error> {
        let rows = house.engine.snapshot()?;
        for (name, known) in &self.images {
            let found = IMAGES.get(&rows, &scope(), &[known.id.0.as_str()]);
            if known.gone {
                assert!(found.is_none(), "`{name}` was deleted and is back");
            } else if !known.leaving {
                let found = found.unwrap_or_else(|| panic!("`{name}` was acknowledged and is lost"));
                assert_ne!(found.status, Status::Creating, "`{name}` was acknowledged");
                assert_eq!((&found.name, found.system().verified), (name, true));
            }
        }
        if !disk.is_powered() {
            return Ok(());
        }
        for (path, (source, format)) in &self.exports {
            let bytes = disk.get(path).unwrap_or_else(|| panic!("the export `{path}` is lost"));
            if *format == Format::Raw {
                assert!(Some(bytes) == disk.get(DISKS[*source]), "the export `{path}` has other bytes");
            }
        }
        Ok(())
    }

    /// Exports of every image left are what went in; qcow2 is judged by importing it again.
    async fn compare_all(&self, house: &Arc<House>, disk: &SimFiles) {
        for (name, known) in self.images.iter().filter(|(_, known)| !known.gone) {
            let path = format!("/bucket/last-{name}");
            let what = What::Export { path: path.clone(), format: Format::Raw };
            let asked = Asked { request: format!("last {name}"), what, image: Some(known.id.clone()) };
            assert_eq!(start(house, &asked).await.unwrap().state, State::Done, "exporting `{name}`");
            assert!(disk.get(&path) == disk.get(DISKS[known.disk]), "`{name}` comes out with other bytes");
        }
        let qcow2 = self.exports.iter().filter(|(_, (_, format))| *format == Format::Qcow2);
        for (number, (path, (source, _))) in qcow2.enumerate() {
            let wanted = self.root(house, *source);
            let name = format!("again-{number}");
            let import = import(house, path, &name);
            let row = house.engine.run(actor(), &name, import).await.unwrap();
            assert_eq!(row.state, State::Done, "importing `{path}`: {:?}", row.refusal());
            if let Some(wanted) = wanted {
                assert_eq!(root(house, &name), Some(wanted), "`{path}` has other bytes");
            }
        }
    }

    /// The content root of a source disk, if an image of it is left.
    fn root(&self, house: &House, source: usize) -> Option<ContentRoot> {
        let left = self.images.iter().find(|(_, known)| !known.gone && known.disk == source)?;
        root(house, left.0)
    }
}

async fn start(house: &House, asked: &Asked) -> Result<FlowRow, Error> {
    let (account, region) = (AccountId::from(ACCOUNT), RegionId::from(REGION));
    let (engine, request) = (&house.engine, asked.request.as_str());
    let image = asked.image.clone().unwrap_or_default();
    match &asked.what {
        What::Import { name, disk } => engine.run(actor(), request, import(house, DISKS[*disk], name)).await,
        What::Export { path, format } => {
            let (format, compression) = (*format, Compression::None);
            let target = Target {
                at: Location::file(path.as_str()),
                format,
                compression,
                wrapping: Wrapping::None,
                replace: false,
            };
            let export = ExportImage {
                account,
                region,
                store: house.store(),
                image,
                disks: vec![ExportTo { device: "/dev/xvda".to_owned(), target }],
            };
            engine.run(actor(), request, export).await
        }
        What::Delete => {
            engine
                .run(
                    actor(),
                    request,
                    DeleteImage { account, region, image, force: false, keep_snapshots: false, by: None },
                )
                .await
        }
        What::Deprecate => {
            engine.run(actor(), request, DeprecateImage { account, region, image, by: None }).await
        }
        What::Restore => engine.run(actor(), request, RestoreImage { account, region, image }).await,
        What::Collect => engine.run(actor(), request, CollectChunks { region, store: house.store() }).await,
    }
}

fn import(house: &House, path: &str, name: &str) -> ImportImage {
    ImportImage {
        account: AccountId::from(ACCOUNT),
        region: RegionId::from(REGION),
        store: house.store(),
        disks: vec![DiskFile {
            at: Location::file(path),
            format: None,
            device: "/dev/xvda".to_owned(),
            size_bytes: None,
        }],
        machine: domain::machine::Machine::default(),
        check: false,
        name: name.to_owned(),
        description: String::new(),
        family: None,
        tags: BTreeMap::new(),
    }
}

fn scope() -> event::Scope {
    image::scope(&AccountId::from(ACCOUNT), &RegionId::from(REGION))
}

fn find(house: &House, name: &str) -> Option<ImageId> {
    let rows = house.engine.snapshot().ok()?;
    NAMES.get(&rows, &scope(), &[name])
}

fn root(house: &House, name: &str) -> Option<ContentRoot> {
    let rows = house.engine.snapshot().ok()?;
    let id = NAMES.get(&rows, &scope(), &[name])?;
    Some(IMAGES.get(&rows, &scope(), &[id.0.as_str()])?.system().disk?.root)
}

/// Looking without counting as a call.
trait Exists {
    fn exists(&self, path: &str) -> bool;
}

impl Exists for SimFiles {
    fn exists(&self, path: &str) -> bool {
        self.get(Path::new(path)).is_some()
    }
}
