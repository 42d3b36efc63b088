//! Many copies in a child process that is killed again and again, and what has to hold afterwards.
//!
//! The child is this test itself, told by a variable of its environment where to work: it opens the
//! house, asks for all copies under the same request ids, and waits for their end. The parent kills
//! it when so much more has been sent; by what, [`crate::meter`] says.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use demo::sparse::{self, Comparison};
use domain::image::{Image, Status};
use domain::port::Job;
use engine::SystemClock;
use tokio::task::JoinSet;

use crate::chance::{Chance, count, seed};
use crate::disks::disks;
use crate::house::{CHECKPOINT_INTERVAL_BYTES, House, SOURCE, TARGET, pack_bytes, packs};
use crate::log::copies;
use crate::meter::{Meter, told_in};
use crate::small::{self, SHARED, STRETCH_BYTES};

/// Small images beside the Debian disk.
const SMALL: u64 = 200;
/// Kills in an ordinary run.
const KILLS: u64 = 5;
/// What the Debian disk may send in a second: it is under way for many seconds, and never alone.
const DEBIAN_PACE: u64 = 24 << 20;
/// What a small one may send in a second.
const SMALL_PACE: u64 = 8 << 20;
/// What a kill costs at most. Two transfers are under way (`arrival::TRANSFERS_AT_ONCE`), at most one
/// of them the Debian disk's. Of that one as much is handed out and not yet recorded as the interval
/// allows; of the other, all of a small disk. That is in bytes of the guest, of which none takes more
/// in a pack but for its frame's header; beside them each reads the few pages anew with which it begins.
const IN_FLIGHT: u64 = CHECKPOINT_INTERVAL_BYTES + small::BYTES_MAX + PAGES_BYTES;
/// Frame headers and pages of what is in flight: a page of a full segment takes less than 16 KiB.
const PAGES_BYTES: u64 = 512 << 10;
/// Gaps between wanted frames that are read because that is cheaper, and headers and footers of more
/// packs: a hundredth is much.
const PART: u64 = 100;
/// Names of the Debian disk's versions.
const FIRST: &str = "debian-1";
const SECOND: &str = "debian-2";
/// Where the child works; a process that has this is the child.
const CHILD: &str = "KILN_COPIES_CHILD";
/// Copies into a region at once, by the API's documentation.
const AT_ONCE: usize = 5;
/// A kill comes at most so long behind the read that it was waited for: not always in mid-read.
const DELAY_MS: u64 = 40;
/// Pause between two looks at what the child has sent.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// A child that has not come to the next kill, or to its end, by then hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// Plays the parent, or, if it is told so, the child; `test` is the name of the test it is in.
pub fn play(test: &str) {
    if let Some(dir) = std::env::var_os(CHILD) {
        return copy_all(Path::new(&dir));
    }
    let seed = seed();
    println!("copies from KILN_SEED={seed}");
    let dir = tempfile::Builder::new().prefix("kiln-copies-").tempdir().unwrap();
    let mut chance = Chance::new(seed);
    let place = Place::make(dir.path(), test);
    let disks = make_disks(dir.path(), &mut chance);
    on_a_runtime(import_all(&place, &disks));
    let kills = count("KILN_COPIES_KILLS").unwrap_or(KILLS);
    let begun = Instant::now();
    place.kill_on_the_way(kills, &mut chance);
    let took = begun.elapsed();
    let sent = told_in(&place.told);
    on_a_runtime(judge(&place, kills, sent, took));
    let disks = on_a_runtime(second_version(&place, disks));
    on_a_runtime(outlive(&place, &disks));
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// Where all of it happens.
struct Place {
    test: String,
    dir: PathBuf,
    house: PathBuf,
    /// Where children tell what they read from the source.
    told: PathBuf,
}

impl Place {
    fn make(dir: &Path, test: &str) -> Self {
        let (house, told) = (dir.join("house"), dir.join("told"));
        fs::create_dir(&house).unwrap();
        fs::create_dir(&told).unwrap();
        fs::create_dir(dir.join("disks")).unwrap();
        Self { test: test.to_owned(), dir: dir.to_owned(), house, told }
    }

    fn meter(&self) -> Meter {
        Meter::new(packs(&self.house, SOURCE), None)
    }

    async fn open(&self, meter: &Meter) -> Arc<House> {
        let house = House::open(&self.house, meter, Arc::new(SystemClock));
        house.engine.drive().await.unwrap();
        Arc::new(house)
    }

    /// Kills a child when so much has been sent, then the next, and lets the last one end.
    fn kill_on_the_way(&self, kills: u64, chance: &mut Chance) {
        let expected = pack_bytes(&self.house, SOURCE);
        // What is sent again counts as well, so that all of these come before the end.
        let share = expected / (kills + 1);
        for kill in 0..kills {
            let at = kill * share + 1 + chance.below(share);
            let mut running = self.start(kill);
            running.until(|| told_in(&self.told) >= at);
            sleep(Duration::from_millis(chance.below(DELAY_MS)));
            running.kill();
        }
        let mut last = self.start(kills);
        last.until_ended();
    }

    fn start(&self, number: u64) -> Running {
        let said = self.dir.join(format!("child-{number}"));
        let out = File::create(&said).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &self.test, "--nocapture"]).env(CHILD, &self.dir);
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        Running { child: command.spawn().unwrap(), said, begun: Instant::now() }
    }
}

/// A child at work.
struct Running {
    child: Child,
    said: PathBuf,
    begun: Instant,
}

impl Running {
    /// Waits until something is so, while it runs.
    fn until(&mut self, so: impl Fn() -> bool) {
        while !so() {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended before its kill: {}", self.said());
            assert!(self.begun.elapsed() < PATIENCE, "it hangs: {}", self.said());
            sleep(LOOK_EVERY);
        }
    }

    fn until_ended(&mut self) {
        while self.child.try_wait().unwrap().is_none() {
            assert!(self.begun.elapsed() < PATIENCE, "it hangs: {}", self.said());
            sleep(LOOK_EVERY);
        }
        assert!(self.child.wait().unwrap().success(), "{}", self.said());
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it ended before its kill: {}", self.said());
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a child does: asks for all copies, the largest first, and waits for their end.
fn copy_all(dir: &Path) {
    let (house, told) = (dir.join("house"), dir.join("told"));
    let number = fs::read_dir(&told).unwrap().count();
    let meter = Meter::new(packs(&house, SOURCE), Some(&told.join(number.to_string())));
    on_a_runtime(async {
        let house = House::open(&house, &meter, Arc::new(SystemClock));
        house.engine.drive().await.unwrap();
        let images = house.images(SOURCE);
        let mut flows = Vec::new();
        for image in images.values() {
            let pace = if image.name == FIRST { DEBIAN_PACE } else { SMALL_PACE };
            flows.push(house.copy(image, Some(pace)).await);
        }
        for flow in flows {
            let row = house.engine.wait(flow).await.unwrap();
            assert_eq!(row.trouble(), None, "{}", row.label);
        }
        house.engine.close().await;
    });
}

/// The disk files by the names of their images.
fn make_disks(dir: &Path, chance: &mut Chance) -> BTreeMap<String, PathBuf> {
    let mut made = BTreeMap::from([(FIRST.to_owned(), disks().join("v1.raw"))]);
    for number in 0..SMALL {
        let path = dir.join("disks").join(format!("{number}.raw"));
        small::make(&path, chance);
        made.insert(format!("small-{number:03}"), path);
    }
    made
}

async fn import_all(place: &Place, disks: &BTreeMap<String, PathBuf>) {
    let house = Arc::new(House::make(&place.house, &place.meter(), Arc::new(SystemClock)).await);
    let mut imports = JoinSet::new();
    for (name, path) in disks.clone() {
        let house = Arc::clone(&house);
        imports.spawn(async move { house.import(&name, &path).await });
    }
    imports.join_all().await;
    close(house).await;
}

async fn close(house: Arc<House>) {
    Arc::into_inner(house).expect("nobody else has it now").engine.close().await;
}

/// Every copy is there, whole, and of what it was made from nothing was read twice but what was in
/// flight at a kill.
async fn judge(place: &Place, kills: u64, sent: u64, took: Duration) {
    let house = place.open(&place.meter()).await;
    let (sources, copied) = (house.images(SOURCE), house.images(TARGET));
    check_copies(&sources, &copied);
    let came = copies(&house);
    assert_eq!(came.sealed, sources.len());
    assert_eq!(came.at_once, AT_ONCE, "as many as may, and no more: {came:?}");
    assert!(came.waiting > sources.len() / 2, "the others waited: {came:?}");
    let packs = house.examine(TARGET).await.pack_bytes;
    house.audit();
    let stored: u64 = copied.values().map(stored_bytes).sum();
    println!(
        "soak: {} copies, {kills} kills, in {:.1} s: {} sent, of which {} again; {stored} stored in chunks, {packs} in \
         packs; at most {} at once and {} waiting",
        came.sealed,
        took.as_secs_f64(),
        sent,
        sent.saturating_sub(packs),
        came.at_once,
        came.waiting
    );
    let there = pack_bytes(&place.house, SOURCE);
    let twice = (AT_ONCE as u64 - 1) * SHARED * STRETCH_BYTES;
    assert!(
        packs <= there + twice + there / PART,
        "what is sealed serves the copies after it: {there} there"
    );
    assert!(stored <= sent, "all of it came from the source");
    assert!(sent <= packs + packs / PART + kills * IN_FLIGHT, "no more was sent again than was in flight");
    // A copy that began anew would have sent about half of everything at each kill.
    let much = kills * packs / 2;
    assert!(sent.saturating_sub(packs) < much / 8, "that is little beside sending everything again");
    close(house).await;
}

fn stored_bytes(image: &Image) -> u64 {
    image.disks.iter().map(|disk| disk.stored_bytes).sum()
}

fn check_copies(sources: &BTreeMap<String, Image>, copied: &BTreeMap<String, Image>) {
    assert!(sources.keys().eq(copied.keys()), "each is there once");
    for (source, copy) in sources.values().zip(copied.values()) {
        let (from, to) = (source.system(), copy.system());
        assert_eq!(copy.status, Status::Available, "{}", copy.name);
        assert!(to.verified, "{}", copy.name);
        assert!(from.disk.is_some() && from.disk == to.disk, "{} has another content", copy.name);
        assert!(source.copies.is_empty(), "{} is not being copied any more", source.name);
    }
}

/// A second version sends only what the first lacks.
async fn second_version(place: &Place, mut disks: BTreeMap<String, PathBuf>) -> BTreeMap<String, PathBuf> {
    let path = crate::disks::disks().join("v2-in-place.raw");
    let meter = place.meter();
    let house = place.open(&meter).await;
    house.import(SECOND, &path).await;
    let (read_before, packs_before) = (meter.bytes(), pack_bytes(&place.house, TARGET));
    let source = house.image(SOURCE, SECOND);
    let flow = house.copy(&source, Some(DEBIAN_PACE)).await;
    assert_eq!(house.engine.wait(flow).await.unwrap().trouble(), None);
    let copy = house.image(TARGET, SECOND);
    let read = meter.bytes() - read_before;
    let charged = house.data.copied_bytes(&Job(copy.system().snapshot.0.clone()));
    let grown = pack_bytes(&place.house, TARGET) - packs_before;
    let (stored, first) = (stored_bytes(&copy), stored_bytes(&house.image(TARGET, FIRST)));
    println!(
        "soak: a second version: {read} sent ({charged} by the toll), {stored} stored in chunks, packs grow by \
         {grown}; the first stored {first}"
    );
    assert_eq!(stored, stored_bytes(&source), "both regions lacked the same of it");
    assert!(stored <= charged && charged <= read, "nothing is sent that the pace does not know of");
    assert!(read <= grown + grown / PART, "only what the target lacked was sent");
    assert!(read < first / 2, "a second version costs little");
    check_copies(&house.images(SOURCE), &house.images(TARGET));
    close(house).await;
    disks.insert(SECOND.to_owned(), path);
    disks
}

/// The copies stay what they are when images, snapshots and region of their sources are gone.
async fn outlive(place: &Place, disks: &BTreeMap<String, PathBuf>) {
    let house = place.open(&place.meter()).await;
    let mut deletions = JoinSet::new();
    for image in house.images(SOURCE).into_values() {
        let house = Arc::clone(&house);
        deletions.spawn(async move { house.delete(&image).await });
    }
    deletions.join_all().await;
    house.collect("collect the source", SOURCE).await;
    assert_eq!(house.examine(SOURCE).await.chunks, 0, "nothing keeps what the copies were made from");
    close(house).await;
    fs::remove_dir_all(packs(&place.house, SOURCE).parent().unwrap()).unwrap();

    let house = place.open(&place.meter()).await;
    house.collect("collect the target", TARGET).await;
    let copies = house.images(TARGET);
    assert!(copies.keys().eq(disks.keys()));
    let out = place.dir.join("out.raw");
    for copy in copies.values() {
        house.export(copy, &out).await;
        let compared = sparse::compare(&disks[&copy.name], &out).unwrap();
        assert!(matches!(compared, Comparison::Equal { .. }), "{}: {compared:?}", copy.name);
        fs::remove_file(&out).unwrap();
    }
    house.examine(TARGET).await;
    house.audit();
    close(house).await;
}
