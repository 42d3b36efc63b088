//! A database whose syncs are put off, on a disk that takes away what was not synced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use files::{Backend, Files as _, Open, Syncs};
use redb::{Database, StorageBackend as _, TableDefinition};

use crate::tests::{NUMBERS, create, held, open_database, path};
use crate::{OnSync, SimFiles};

const PAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("pages");

/// A database that changes many pages in each commit and has its syncs put off; says how many commits were waited for,
/// and how many were made.
fn count_up_behind(sim: &SimFiles, target: u64) -> (u64, u64) {
    let opened = || -> Result<(Database, Backend), redb::Error> {
        drop(open_database(sim)?);
        let backend = Backend::new(sim.mount().open(path("/db"), Open::Write)?);
        let database = Database::builder().set_cache_size(1 << 20).create_with_backend(backend.clone())?;
        Ok((database, backend))
    };
    let Ok((database, backend)) = opened() else { return (0, 0) };
    let commit = |number: u64| -> Result<(), redb::Error> {
        // Seen at once, and durable with a later one.
        backend.sync_as(Syncs::Length);
        let mut write = database.begin_write()?;
        write.set_durability(redb::Durability::None).unwrap();
        write.open_table(NUMBERS)?.insert(number, number * number)?;
        for page in 0..8 {
            let bytes = [number.to_le_bytes()[0]; 3000];
            write.open_table(PAGES)?.insert((number + page) % 24, bytes.as_slice())?;
        }
        let committed = write.commit();
        backend.sync_as(Syncs::Now);
        committed?;
        if !number.is_multiple_of(3) {
            return Ok(());
        }
        backend.sync_as(Syncs::Behind);
        let write = database.begin_write()?;
        let committed = write.commit();
        backend.sync_as(Syncs::Now);
        Ok(committed?)
    };
    let mut waited = 0;
    for number in 1..=target {
        if commit(number).is_err() {
            return (waited, number);
        }
        if number.is_multiple_of(6) {
            if backend.wait().is_err() {
                return (waited, number);
            }
            waited = number;
        }
    }
    (waited, target)
}

/// The power goes at every single call of a database whose syncs are put off: afterwards it holds what was waited for,
/// and of what came after it the first commits, as if the power had gone earlier.
#[test]
fn a_database_whose_syncs_are_put_off_is_one_that_lost_its_power_earlier() {
    const COMMITS: u64 = 40;
    let empty = SimFiles::new(0);
    let whole = empty.fork(0);
    assert_eq!(count_up_behind(&whole, COMMITS), (COMMITS / 6 * 6, COMMITS));
    let (mut later, mut earlier) = (0, 0);
    for call in 1..=whole.calls() {
        for seed in 0..4 {
            let sim = empty.fork(call * 10 + seed);
            if seed % 2 == 0 {
                sim.cut_after(call);
            } else {
                sim.tear_after(call);
            }
            let (waited, made) = count_up_behind(&sim, COMMITS);
            sim.power_on();
            let found = held(&open_database(&sim).unwrap());
            assert!(
                (waited..=made).contains(&found),
                "call {call}, seed {seed}: {waited} waited for, {made} made, {found} found",
            );
            later += u32::from(found > waited);
            earlier += u32::from(found < made);
        }
    }
    assert!(later > 50 && earlier > 50, "{later} had more than was waited for, {earlier} less than was made");
}

/// What a sync could not make durable the kernel may have dropped: a thread that carries does not ask once more, and
/// whoever waits or writes is told from then on.
#[test]
fn pages_that_could_not_be_made_durable_are_tried_once_and_fail_whoever_comes_later() {
    let sim = SimFiles::new(0);
    drop(create(&sim, "/pages"));
    let syncs = Arc::new(AtomicU32::new(0));
    let counted = syncs.clone();
    let files = OnSync::new(sim.mount(), move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Err(std::io::Error::other("the disk is gone"))
    });
    let backend = Backend::new(files.open(path("/pages"), Open::Write).unwrap());
    let carrier = std::thread::spawn({
        let backend = backend.clone();
        move || backend.carry()
    });
    backend.write(0, &[7; 4096]).unwrap();
    backend.sync_as(Syncs::Behind);
    backend.sync_data().unwrap();
    backend.sync_as(Syncs::Now);
    for _ in 0..1000 {
        assert!(backend.wait().unwrap_err().to_string().contains("the disk is gone"));
        std::thread::yield_now();
    }
    assert!(backend.sync_data().is_err());
    let mut page = [0; 4096];
    backend.read(0, &mut page).unwrap();
    assert_eq!(page, [7; 4096], "it is read still");
    backend.dismiss();
    carrier.join().unwrap();
    assert_eq!(syncs.load(Ordering::SeqCst), 1);
}
