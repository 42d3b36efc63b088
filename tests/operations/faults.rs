//! The faults, and what has to hold after each.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use engine::{Error, FlowRow, State};
use event::FlowId;
use files::Files;
use sim::SimFiles;

use crate::cases::Case;
use crate::world::{House, Outcome, Way, actor, bucket, flows_from, incarnation};

/// Points tried for each case and fault in an ordinary run: first, last, and those between at
/// equal distance. `KILN_POINTS` asks for more, the soak for all there are.
const POINTS: u64 = 24;
/// Openings after which an operation has to have come to its end.
const OPENINGS_MAX: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    PowerCut,
    TornWrite,
    Failure,
    Full,
    Cancel,
    PowerCutWhileUndoing,
}

/// The operation with nothing in its way.
pub fn undisturbed(case: &Case) -> Outcome {
    let disk = case.before();
    let (outcome, _) = run(case, &disk, Way::Plain, None);
    assert_eq!(outcome.row.trouble(), None, "{}", case.name);
    outcome
}

/// The operation cancelled about half-way; none if it has come to its good end all the same.
pub fn cancelled(case: &Case) -> Option<Outcome> {
    let before = case.before();
    let (_, calls) = run(case, &before.fork(1), Way::Plain, None);
    // Later than half-way a cancel may be refused.
    let mut tries = [calls / 2, calls / 3, calls / 4, calls / 8, 1].into_iter();
    tries.find_map(|call| {
        let (outcome, _) = run(case, &before.fork(2), Way::Plain, Some(call));
        (outcome.row.state == State::Undone).then_some(outcome)
    })
}

pub fn check_every(case: &Case, fault: Fault) {
    if matches!(fault, Fault::Cancel | Fault::PowerCutWhileUndoing) && !case.acts {
        return;
    }
    let before = case.before();
    let calm = before.fork(1);
    let (wanted, calls) = run(case, &calm, Way::Plain, None);
    assert_eq!(wanted.row.trouble(), None, "{}", case.name);
    let points = points(calls);
    println!("soak: {}, {fault:?}: {} of {calls} calls", case.name, points.len());
    for point in points {
        let what = format!("{} with {fault:?} at call {point} of {calls}", case.name);
        let disk = before.fork(point);
        let outcome = match fault {
            Fault::PowerCut => {
                disk.cut_after(point);
                through(case, &disk, &what)
            }
            Fault::TornWrite => {
                disk.tear_after(point);
                through(case, &disk, &what)
            }
            Fault::Failure => {
                disk.fail_after(point, ErrorKind::Other);
                through(case, &disk, &what)
            }
            Fault::Full => {
                disk.fail_after(point, ErrorKind::StorageFull);
                through(case, &disk, &what)
            }
            Fault::Cancel => run(case, &disk, Way::Plain, Some(point)).0,
            Fault::PowerCutWhileUndoing => undone(case, &disk, point, &what),
        };
        judge(&before, &disk, &wanted, &outcome, fault, &what);
    }
}

fn points(calls: u64) -> Vec<u64> {
    let asked = std::env::var("KILN_POINTS").ok().and_then(|text| text.parse().ok());
    let wanted = asked.unwrap_or(POINTS).max(2);
    if calls <= wanted {
        return (1..=calls).collect();
    }
    (0..wanted).map(|number| 1 + number * (calls - 1) / (wanted - 1)).collect()
}

/// The log is the undisturbed one, or the operation is undone and the world as it was before.
fn judge(before: &SimFiles, disk: &SimFiles, wanted: &Outcome, outcome: &Outcome, fault: Fault, what: &str) {
    match outcome.row.state {
        State::Done => {
            // A cancel that came too late leaves no record, one that was accepted cannot end well.
            assert_eq!(outcome.log, wanted.log, "{what}");
            assert_eq!(outcome.bucket, wanted.bucket, "{what}");
        }
        State::Undone => {
            assert!(
                !matches!(fault, Fault::PowerCut | Fault::TornWrite),
                "{what}: a power cut turns nothing"
            );
            let untouched = before.fork(0);
            assert_eq!(outcome.bucket, bucket(&untouched), "{what}: nothing is left behind");
            let (now, then) = (world(disk), world(&untouched));
            let differs = |row: &&String, other: &[String]| !other.contains(row);
            let new: Vec<_> = now.iter().filter(|row| differs(row, &then)).collect();
            let gone: Vec<_> = then.iter().filter(|row| differs(row, &now)).collect();
            assert!(new.is_empty() && gone.is_empty(), "{what}: everything is as it was: {new:#?} {gone:#?}");
        }
        other => panic!("{what}: the flow is {other:?}: {:?}", outcome.row.parked),
    }
}

/// What a disk's log comes to, and the objects in its bucket.
fn world(disk: &SimFiles) -> Vec<String> {
    let files: Arc<dyn Files> = disk.mount();
    incarnation(async {
        let house = House::open(&files, Way::Plain).unwrap();
        // Times of files are the disk's own.
        let objects = house.objects().await.into_iter();
        let objects = objects.map(|object| format!("{} of {} bytes", object.key, object.bytes));
        let rows = house.rows().into_iter();
        rows.map(|(key, row)| format!("{key}: {}", row.escape_ascii())).chain(objects).collect()
    })
}

/// Runs the operation in one incarnation; with `cancel_at`, cancels it at that call to the disk.
/// Says how many calls it made.
fn run(case: &Case, disk: &Arc<SimFiles>, way: Way, cancel_at: Option<u64>) -> (Outcome, u64) {
    let files: Arc<dyn Files> = disk.mount();
    incarnation(async {
        let house = House::open(&files, way).unwrap();
        house.engine.drive().await.unwrap();
        let before = disk.calls();
        let id = case.start(&house).await.unwrap();
        if let Some(point) = cancel_at {
            while disk.calls() < before + point && house.engine.watch(id).is_some() {
                // Real time: the data plane works on threads of its own.
                std::thread::sleep(Duration::from_micros(50));
                tokio::task::yield_now().await;
            }
            match house.engine.cancel(actor(), id, "the test says so").await {
                Ok(()) | Err(Error::Denied { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let row = house.engine.wait(id).await.unwrap();
        let calls = disk.calls() - before;
        (finish(&house, disk, id, row, case.name).await.unwrap(), calls)
    })
}

/// Looks at the world when the operation is over.
async fn finish(
    house: &House,
    disk: &Arc<SimFiles>,
    id: FlowId,
    mut row: FlowRow,
    what: &str,
) -> Result<Outcome, Error> {
    disk.clear_faults();
    if row.state == State::Parked {
        // Past the point of no return, or in an undo: a person mends the disk and lets it go on.
        house.engine.retry(actor(), id, "the disk is mended").await?;
        row = house.engine.wait(id).await?;
    }
    let flows = flows_from(house, id);
    // Deleted images' chunks, and those of an undone import, are gone after a collection.
    house.collect("afterwards").await?;
    house.check_whole(what).await;
    Ok(Outcome::new(row, flows, bucket(disk)))
}

/// Runs the operation through a fault: opens again until it has come to its end.
fn through(case: &Case, disk: &Arc<SimFiles>, what: &str) -> Outcome {
    for _ in 0..OPENINGS_MAX {
        let files: Arc<dyn Files> = disk.mount();
        let ended = incarnation(async {
            let house = House::open(&files, Way::Plain)?;
            house.engine.drive().await?;
            let id = case.start(&house).await?;
            let row = house.engine.wait(id).await?;
            finish(&house, disk, id, row, what).await
        });
        match ended {
            Ok(outcome) => return outcome,
            // The log has stopped, as it must when the disk fails under it; it is opened again.
            Err(Error::Stopped { .. } | Error::Open { .. } | Error::Read { .. }) => disk.power_on(),
            Err(error) => panic!("{what}: {error}"),
        }
    }
    panic!("{what}: it has not come to its end after {OPENINGS_MAX} openings")
}

/// Cancels the operation half-way, cuts the power while it is being undone, and opens again.
fn undone(case: &Case, disk: &Arc<SimFiles>, point: u64, what: &str) -> Outcome {
    let files: Arc<dyn Files> = disk.mount();
    let ended = incarnation(async {
        let house = House::open(&files, Way::Plain)?;
        house.engine.drive().await?;
        let half = disk.calls() + point / 2;
        let id = case.start(&house).await?;
        while disk.calls() < half && house.engine.watch(id).is_some() {
            std::thread::sleep(Duration::from_micros(50));
            tokio::task::yield_now().await;
        }
        match house.engine.cancel(actor(), id, "the test says so").await {
            Ok(()) | Err(Error::Denied { .. }) => {}
            Err(error) => return Err(error),
        }
        disk.cut_after(1 + point / 2 % 12);
        let row = house.engine.wait(id).await?;
        finish(&house, disk, id, row, what).await
    });
    match ended {
        Ok(outcome) => outcome,
        Err(Error::Stopped { .. } | Error::Read { .. }) => {
            disk.power_on();
            through(case, disk, what)
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

pub fn check_full_disk() {
    let case = crate::cases::named("import_image_of_a_second_version");
    let disk = case.before();
    let files: Arc<dyn Files> = disk.mount();
    let used = disk.used_bytes();
    // Room for the reserve and a quarter of what the import wants to store.
    disk.set_capacity(used + crate::world::RESERVE_BYTES + (256 << 10));
    incarnation(async {
        let house = House::open(&files, Way::Reserved).unwrap();
        house.engine.drive().await.unwrap();
        let id = case.start(&house).await.unwrap();
        let row = house.engine.wait(id).await.unwrap();
        assert_eq!(row.state, State::Undone, "{:?}", row.parked);
        assert_eq!(row.trouble().expect("it failed").code, "Storage.Full");
        house.check_whole("a full disk").await;
        let row = house.engine.run(actor(), "meanwhile", crate::images::deprecation(&house)).await.unwrap();
        assert_eq!(row.trouble(), None, "everything else goes on");
    });
    disk.set_capacity(u64::MAX);
    let left = disk.used_bytes().saturating_sub(used);
    assert!(left < 6 << 20, "{left} bytes are left behind; the log may have grown, the packs may not");
    incarnation(async {
        let house = House::open(&files, Way::Reserved).unwrap();
        house.engine.drive().await.unwrap();
        let row = house.engine.run(actor(), "again", crate::images::second_import(&house)).await.unwrap();
        assert_eq!(row.trouble(), None);
        house.check_whole("after the full disk").await;
    });
}

pub fn check_twice(case: &Case) {
    let before = case.before();
    let (wanted, _) = run(case, &before.fork(1), Way::Plain, None);
    let (twice, _) = run(case, &before.fork(2), Way::Twice, None);
    assert_eq!(twice.log, wanted.log, "{}", case.name);
    assert_eq!(twice.bucket, wanted.bucket, "{}", case.name);
}

pub fn check_undo_of_nothing(case: &Case) {
    if !case.acts {
        return;
    }
    let disk = case.before();
    let files: Arc<dyn Files> = disk.mount();
    let what = format!("{} with its first effect refused", case.name);
    let row = incarnation(async {
        let house = House::open(&files, Way::Refused).unwrap();
        house.engine.drive().await.unwrap();
        let id = case.start(&house).await.unwrap();
        house.engine.wait(id).await.unwrap()
    });
    incarnation(async {
        let house = House::open(&files, Way::Plain).unwrap();
        house.engine.drive().await.unwrap();
        house.collect("afterwards").await.unwrap();
        house.check_whole(&what).await;
    });
    assert!(row.state.has_ended(), "{what}: {:?}", row.parked);
    assert_eq!(bucket(&disk), bucket(&case.before()), "{what}");
}
