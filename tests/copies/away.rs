//! A source region that goes away while a copy is under way, and comes back or not.
//!
//! The directory is taken away in the middle of a read, so the moment is the same in every run; and
//! time is tokio's and paused, so that retries come as fast as they are waited for.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use engine::{Clock, State};
use event::FlowId;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::chance::Chance;
use crate::house::{House, SOURCE, TARGET, actor, packs};
use crate::log::copies;
use crate::meter::Meter;
use crate::small;

/// When time begins, milliseconds since 1970 UTC.
const START_MS: i64 = 1_800_000_000_000;
/// Longer than a step is tried that does not wait for a region: see `engine::Policy`.
const ATTEMPTS: u32 = 20;
const NAME: &str = "web";

/// Time that passes only as tokio's does, for the engine's own threads as well, which are inside no runtime.
#[derive(Debug)]
struct Paused(Instant, Handle);

impl Clock for Paused {
    fn now_ms(&self) -> i64 {
        let _inside = self.1.enter();
        START_MS + i64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}

fn incarnation<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

/// A house whose source region is away, and a copy that waits for it.
struct Away {
    house: House,
    flow: FlowId,
    store: PathBuf,
    hidden: PathBuf,
    _dir: TempDir,
}

async fn away() -> Away {
    let dir = tempfile::Builder::new().prefix("kiln-away-").tempdir().unwrap();
    let packs = packs(dir.path(), SOURCE);
    let meter = Meter::new(packs.clone(), None);
    let house = House::make(dir.path(), &meter, Arc::new(Paused(Instant::now(), Handle::current()))).await;
    let disk = dir.path().join("disk.raw");
    small::make_long(&disk, &mut Chance::new(7));
    house.import(NAME, &disk).await;
    let (store, hidden) = (packs.parent().unwrap().to_owned(), dir.path().join("hidden"));
    let image = house.image(SOURCE, NAME);
    let (from, to) = (store.clone(), hidden.clone());
    // Behind the pages, among the chunks, when half of the disk is still to come.
    let half = image.system().stored_bytes / 2;
    meter.when(meter.bytes() + half, move || fs::rename(from, to).unwrap());
    let before = meter.bytes();
    let flow = house.copy(&image, None).await;
    let mut watch = house.engine.watch(flow).expect("it has not ended");
    // It says what it waits for, longer than other steps are tried.
    let waiting = watch.progress.wait_for(|progress| {
        let attempt = progress.doing.strip_prefix("trying again after attempt ");
        attempt
            .and_then(|rest| rest.split(' ').next()?.parse().ok())
            .is_some_and(|number: u32| number > ATTEMPTS)
    });
    let doing = waiting.await.unwrap().doing.clone();
    assert!(doing.contains(&format!("region `{SOURCE}`")), "{doing}");
    assert!(hidden.exists() && !store.exists(), "nothing grows where no store is");
    let row = house.engine.snapshot().unwrap().flow(flow).unwrap();
    assert_eq!((row.state, row.turn, row.parked), (State::Running, None, None));
    let sent = meter.bytes() - before;
    assert!(sent > half && sent < image.system().stored_bytes, "it went in the middle");
    Away { house, flow, store, hidden, _dir: dir }
}

pub fn check_comes_back() {
    incarnation(async {
        let Away { house, flow, store, hidden, _dir } = away().await;
        fs::rename(&hidden, &store).unwrap();
        assert_eq!(house.engine.wait(flow).await.unwrap().trouble(), None);
        let (source, copy) = (house.image(SOURCE, NAME), house.image(TARGET, NAME));
        assert_eq!(source.system().disk, copy.system().disk);
        assert_eq!(copies(&house).sealed, 1);
        for region in [SOURCE, TARGET] {
            house.examine(region).await;
        }
        house.audit();
        house.engine.close().await;
    });
}

pub fn check_cancelled() {
    incarnation(async {
        let Away { house, flow, store, hidden, _dir } = away().await;
        house.engine.cancel(actor(), flow, "it takes too long").await.unwrap();
        assert_eq!(house.engine.wait(flow).await.unwrap().state, State::Undone);
        assert!(house.images(TARGET).is_empty(), "name and id are free again");
        assert!(house.image(SOURCE, NAME).copies.is_empty(), "the source may be deleted again");
        let report = house.examine(TARGET).await;
        assert_eq!((report.chunks, report.packs), (0, 0), "{report:?}");
        assert!(!store.exists());
        fs::rename(&hidden, &store).unwrap();
        house.examine(SOURCE).await;
        house.audit();
        house.engine.close().await;
    });
}
