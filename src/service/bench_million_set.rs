//! The two data sets of the bench: how big they are, how they are made, where they lie.
//!
//! Everything in them is an event that a story of the book told through the engine. Images are
//! created from snapshots, which copies nothing; accounts take turns, so that what belongs to one
//! of them lies as scattered over the file as it would after years. What was made is written down
//! beside the data directory, so that whoever asks later picks ids without reading the log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::image::{DiskKind, Quotas, REGIONS, house};
use domain::machine::Machine;
use domain::port::DataPlane;
use domain::{AccountId, DiskId, ImageId, Projections, RegionId, SnapshotId, StoreId};
use engine::{Engine, Outcome, SystemClock, Workflow};
use event::{Actor, Fold as _};
use files::{Files, RealFiles};
use service::{DEFAULT_REGION, Options, Service, Wiring};
use tokio::task::JoinSet;
use workflows::{
    ChangeShares, CreateAccount, CreateDisk, CreateImage, CreateSnapshot, DeprecateImage, MappedDisk, Ports,
    SetQuotas,
};

/// Raised when the sets below are made otherwise.
const RECIPE: u32 = 1;
/// Images of an account, but of the big one.
pub(crate) const IMAGES_EACH: u64 = 1000;
/// Families of such an account: 100 images each.
pub(crate) const FAMILIES_EACH: u64 = 10;
/// Images of a family.
pub(crate) const FAMILY_IMAGES: u64 = IMAGES_EACH / FAMILIES_EACH;
/// Of so many images one is shared.
const SHARED_ONE_IN: u64 = 10;
/// With so many accounts.
const SHARES_EACH: u64 = 2;
/// Of so many images one is deprecated; none of those that are shared, which cannot be.
const DEPRECATED_ONE_IN: u64 = 20;
/// Teams that images are tagged with: a tag is on ten images of a thousand.
pub(crate) const TEAMS: u64 = 100;
/// The account with many images.
pub(crate) const BIG_ACCOUNT: &str = "900000";
/// Accounts take turns with so many images of a thousand.
const TURN: u64 = 10;
/// Stories told at once.
const CLIENTS: usize = 4096;
/// Accounts that get their disk at once: each syncs.
const ACCOUNTS_AT_ONCE: usize = 32;
/// Size of the blank disk of an account, the smallest there is.
const DISK_BYTES: u64 = 1 << 30;
/// The bytes of a line of the list of images.
pub(crate) const LINE_BYTES: usize = 32;

/// One of the two sets.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    /// Its name, in the table and as a directory.
    pub(crate) name: &'static str,
    /// Accounts with a thousand images each.
    pub(crate) accounts: u64,
    /// Images of the one big account; none for no such account.
    pub(crate) big: u64,
    /// Accounts without images, with which images are shared all the same.
    guests: u64,
    root: PathBuf,
}

/// Ten thousand images of ten accounts.
pub(crate) fn small(root: &Path) -> Set {
    Set { name: "10000", accounts: 10, big: 0, guests: 0, root: root.to_owned() }
}

/// A million images of a thousand accounts, a tenth of them of one.
pub(crate) fn large(root: &Path) -> Set {
    Set { name: "1000000", accounts: 900, big: 100_000, guests: 99, root: root.to_owned() }
}

impl Set {
    pub(crate) fn images(&self) -> u64 {
        self.accounts * IMAGES_EACH + self.big
    }

    fn home(&self) -> PathBuf {
        self.root.join(self.name)
    }

    /// The data directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.home().join("data")
    }

    /// A line for each image, in the order of `image_at`.
    pub(crate) fn list(&self) -> PathBuf {
        self.home().join("images")
    }

    /// The snapshot of an account.
    pub(crate) fn snapshots(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.home().join("snapshots")).expect("the set is made");
        let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
        text.lines().filter_map(pair).collect()
    }

    fn stamp(&self) -> String {
        let (fold, accounts, big) = (Projections.version(), self.accounts, self.big);
        format!("recipe {RECIPE}, fold {fold}, {accounts} accounts, {big} images of one\n")
    }

    pub(crate) fn is_made(&self) -> bool {
        std::fs::read_to_string(self.home().join("stamp")).is_ok_and(|stamp| stamp == self.stamp())
    }

    /// The accounts that have images, with how many.
    fn owners(&self) -> Vec<(String, u64)> {
        let mut owners: Vec<_> = (0..self.accounts).map(|number| (account(number), IMAGES_EACH)).collect();
        if self.big > 0 {
            owners.push((BIG_ACCOUNT.to_owned(), self.big));
        }
        owners
    }

    /// The accounts somebody may share with.
    fn everybody(&self) -> Vec<String> {
        (0..self.accounts + self.guests).map(account).collect()
    }

    /// Makes the set, if it is not there as it should be.
    pub(crate) async fn make(&self, mut say: impl FnMut(&str)) {
        if self.is_made() {
            return;
        }
        // Left over from a run that was killed, or from another recipe.
        let _ = std::fs::remove_dir_all(self.home());
        std::fs::create_dir_all(self.home()).expect("the bench's directory is made");
        let begun = Instant::now();
        let service = Service::open(Options { dir: self.dir(), wiring: wiring(), drive: true });
        let service = service.await.expect("a fresh directory opens");
        Arc::into_inner(service).expect("nobody else has it").close().await;
        let maker = Arc::new(Maker::open(self));
        maker.engine.drive().await.expect("the log takes a job");
        let snapshots = maker.clone().accounts(self).await;
        say(&format!("{}: accounts after {:.1} s", self.name, begun.elapsed().as_secs_f64()));
        let images = maker.clone().images(self, &snapshots, &mut say).await;
        let seconds = begun.elapsed().as_secs_f64();
        let events = maker.events();
        say(&format!("{}: {images} images, {events} events in {seconds:.1} s", self.name));
        let mut lines = String::new();
        for (account, snapshot) in &snapshots {
            writeln!(lines, "{account} {snapshot}").expect("a string grows");
        }
        std::fs::write(self.home().join("snapshots"), lines).expect("the bench's directory takes a file");
        Arc::into_inner(maker).expect("nobody else has it").engine.close().await;
        std::fs::write(self.home().join("stamp"), self.stamp()).expect("the bench's directory takes a file");
    }
}

/// The id of an account by its number.
pub(crate) fn account(number: u64) -> String {
    format!("{}", 200_000 + number)
}

/// The name of an image by its number in its account.
pub(crate) fn image_name(number: u64) -> String {
    format!("web-{number:06}-x86")
}

/// The family of an image by its number in its account.
pub(crate) fn family(number: u64) -> String {
    format!("family-{:04}", number / FAMILY_IMAGES)
}

/// The team an image is tagged with.
pub(crate) fn team(number: u64) -> String {
    format!("team-{:02}", number % TEAMS)
}

fn is_shared(number: u64) -> bool {
    number % SHARED_ONE_IN == 3
}

/// Whether an image is deprecated, by its number in its account.
pub(crate) fn is_deprecated(number: u64) -> bool {
    number % DEPRECATED_ONE_IN == 7
}

/// What the product is wired from.
pub(crate) fn wiring() -> Wiring {
    let files: Arc<dyn Files> = Arc::new(RealFiles);
    Wiring { files, clock: Arc::new(SystemClock), data: Arc::new(plane) }
}

fn plane(root: &Path) -> Arc<dyn DataPlane> {
    Arc::new(data::Plane::new(Arc::new(RealFiles), root.to_owned(), data::Options::default()))
}

/// The engine of a data directory, as the service opens it.
pub(crate) fn engine(dir: &Path) -> Engine<Ports> {
    let opened = Engine::open(engine::Options {
        files: Arc::new(RealFiles),
        dir: dir.to_owned(),
        clock: Arc::new(SystemClock),
        fold: Arc::new(Projections),
        book: workflows::book(),
        ports: Arc::new(Ports { data: plane(&dir.join("regions")) }),
        order: None,
    });
    opened.expect("the bench's directory opens")
}

struct Maker {
    engine: Engine<Ports>,
    region: RegionId,
    store: StoreId,
    everybody: Vec<String>,
    made: AtomicU64,
}

/// An image to be made.
#[derive(Clone)]
struct Wanted {
    account: String,
    snapshot: SnapshotId,
    /// Its number in its account.
    number: u64,
    /// Its line in the list of images.
    line: u64,
}

impl Maker {
    fn open(set: &Set) -> Self {
        let engine = engine(&set.dir());
        let rows = engine.snapshot().expect("the log reads");
        let region = REGIONS.get(&rows, &house(), &[DEFAULT_REGION]).expect("a first start makes it");
        drop(rows);
        Self {
            engine,
            region: region.id,
            store: region.store,
            everybody: set.everybody(),
            made: AtomicU64::new(0),
        }
    }

    fn events(&self) -> u64 {
        self.engine.snapshot().and_then(|snapshot| snapshot.head()).expect("the log reads").0
    }

    /// Tells a story to its end, and gives what it comes to.
    async fn tell<W: Workflow<Ports = Ports>>(&self, account: &str, request: String, story: W) -> W::Output {
        let actor = Actor { account: account.to_owned(), key: "LTAI5tExampleExample".to_owned() };
        let flow = self.engine.run(actor, &request, story).await.expect("the log takes it");
        match flow.outcome {
            Some(Outcome::Done(output)) => rmp_serde::from_slice(&output).expect("a story says what it made"),
            other => panic!("{request} came to {other:?}"),
        }
    }

    /// Makes accounts; each that will have images gets quotas, a blank disk and a snapshot of it.
    async fn accounts(self: Arc<Self>, set: &Set) -> BTreeMap<String, String> {
        let owners: BTreeMap<String, u64> = set.owners().into_iter().collect();
        let mut accounts = set.everybody();
        accounts.extend(owners.contains_key(BIG_ACCOUNT).then(|| BIG_ACCOUNT.to_owned()));
        let mut accounts = accounts.into_iter();
        let (mut under_way, mut snapshots) = (JoinSet::new(), BTreeMap::new());
        loop {
            while under_way.len() < ACCOUNTS_AT_ONCE
                && let Some(account) = accounts.next()
            {
                let (maker, images) = (self.clone(), owners.get(&account).copied());
                under_way.spawn(async move { maker.account(account, images).await });
            }
            let Some(made) = under_way.join_next().await else { return snapshots };
            snapshots.extend(made.expect("an account is made"));
        }
    }

    async fn account(&self, id: String, images: Option<u64>) -> Option<(String, String)> {
        let (account, region) = (AccountId::from(id.as_str()), self.region.clone());
        let create = CreateAccount { account: account.clone(), name: format!("account-{id}") };
        self.tell(&id, format!("{id}/account"), create).await;
        let images = u32::try_from(images?).expect("a count of images");
        // Room for what is made, and for one more where the bench asks whether there is.
        let quotas = Quotas {
            images: Some(images + 10),
            families: Some(images / 100 + 10),
            family_images: Some(110),
            shares: Some(images),
            ..Quotas::default()
        };
        let set = SetQuotas { account: account.clone(), region: region.clone(), quotas };
        self.tell(&id, format!("{id}/quotas"), set).await;
        let disk: DiskId = self
            .tell(
                &id,
                format!("{id}/disk"),
                CreateDisk {
                    account: account.clone(),
                    region: region.clone(),
                    store: self.store.clone(),
                    name: "blank".to_owned(),
                    description: String::new(),
                    tags: BTreeMap::new(),
                    size_bytes: DISK_BYTES,
                    snapshot: None,
                    image: None,
                },
            )
            .await;
        let snapshot: SnapshotId = self
            .tell(
                &id,
                format!("{id}/snapshot"),
                CreateSnapshot {
                    account,
                    region,
                    disk,
                    name: "blank".to_owned(),
                    description: String::new(),
                    tags: BTreeMap::new(),
                    retention_days: None,
                },
            )
            .await;
        Some((id, snapshot.0))
    }

    /// Makes the images, accounts in turns.
    async fn images(
        self: Arc<Self>,
        set: &Set,
        snapshots: &BTreeMap<String, String>,
        say: &mut impl FnMut(&str),
    ) -> u64 {
        let owners = set.owners();
        let mut list = vec![b'\n'; usize::try_from(set.images()).expect("a count of images") * LINE_BYTES];
        let (sender, receiver) = async_channel::<Wanted>(CLIENTS);
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (maker, receiver) = (self.clone(), receiver.clone());
            clients.spawn(async move {
                let mut made = Vec::new();
                loop {
                    let next = receiver.lock().await.recv().await;
                    let Some(wanted) = next else { return made };
                    made.push((wanted.line, maker.image(wanted).await));
                }
            });
        }
        let begun = Instant::now();
        let mut told = begun;
        for turn in 0..IMAGES_EACH / TURN {
            let mut first_line = 0;
            for (account, images) in &owners {
                let turn_images = images * TURN / IMAGES_EACH;
                for number in turn * turn_images..(turn + 1) * turn_images {
                    let snapshot = SnapshotId(snapshots[account].clone());
                    let wanted =
                        Wanted { account: account.clone(), snapshot, number, line: first_line + number };
                    sender.send(wanted).await.expect("clients wait for it");
                }
                first_line += images;
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                let (made, seconds) = (self.made.load(Ordering::Relaxed), begun.elapsed().as_secs());
                say(&format!("{}: {made} images, {} events after {seconds} s", set.name, self.events()));
            }
        }
        drop(sender);
        while let Some(made) = clients.join_next().await {
            for (line, text) in made.expect("a client makes images") {
                let place = usize::try_from(line).expect("a line") * LINE_BYTES;
                list[place..place + text.len()].copy_from_slice(text.as_bytes());
            }
        }
        std::fs::write(set.list(), list).expect("the bench's directory takes a file");
        self.made.load(Ordering::Relaxed)
    }

    /// Makes an image, shares or deprecates it if it is one of those, and gives its line.
    async fn image(&self, wanted: Wanted) -> String {
        let Wanted { account: id, snapshot, number, .. } = wanted;
        let (account, region) = (AccountId::from(id.as_str()), self.region.clone());
        let create = CreateImage {
            account: account.clone(),
            region: region.clone(),
            store: self.store.clone(),
            disks: vec![MappedDisk {
                device: "/dev/xvda".to_owned(),
                kind: DiskKind::System,
                snapshot: Some(snapshot),
                size_bytes: None,
            }],
            name: image_name(number),
            description: "made for the bench of a million images".to_owned(),
            family: Some(family(number)),
            tags: [("team".to_owned(), team(number)), ("stage".to_owned(), "production".to_owned())].into(),
            machine: Machine::default(),
            check: false,
        };
        let image: ImageId = self.tell(&id, format!("{id}/image/{number}"), create).await;
        if is_shared(number) {
            let others = self.everybody.len() as u64;
            // Of whoever shares, twins never follow each other: everybody is shared as much with.
            let first = digest(&format!("{id}/{number}"));
            let add = (0..others).map(|step| &self.everybody[usize_of((first + step) % others)]);
            let add = add.filter(|other| **other != id).take(usize_of(SHARES_EACH));
            let add = add.map(|other| AccountId::from(other.as_str())).collect();
            let (account, region) = (account.clone(), region.clone());
            let share = ChangeShares {
                account,
                region,
                image: image.clone(),
                add,
                until_ms: None,
                remove: Vec::new(),
            };
            self.tell(&id, format!("{id}/share/{number}"), share).await;
        }
        if is_deprecated(number) {
            let deprecate = DeprecateImage { account, region, image: image.clone(), by: None };
            self.tell(&id, format!("{id}/deprecate/{number}"), deprecate).await;
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        format!("{id} {image}")
    }
}

/// A number that a text always gives, and another gives another.
fn digest(text: &str) -> u64 {
    // FNV-1a.
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        >> 8
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).expect("a small number")
}

type Shared<T> = Arc<tokio::sync::Mutex<tokio::sync::mpsc::Receiver<T>>>;

/// A channel whose end several read.
fn async_channel<T>(room: usize) -> (tokio::sync::mpsc::Sender<T>, Shared<T>) {
    let (sender, receiver) = tokio::sync::mpsc::channel(room);
    (sender, Arc::new(tokio::sync::Mutex::new(receiver)))
}
