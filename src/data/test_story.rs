//! Disks go in and come out; what is stored, what is refused, what is kept apart.

use std::collections::HashSet;

use domain::port::{DataPlane, Job, Location, Target};
use event::Failure;
use files::{Files, Open};

use crate::Options;
use crate::test_support::*;

/// Guest disks of many shapes, made from a seed: sizes with odd tails, stretches anywhere.
fn random_disk(seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed + 1);
    let sectors = 1 + dice.below(80 << 11);
    let mut disk = vec![0; usize::try_from(sectors * 512).unwrap()];
    for stretch in 0..dice.below(12) {
        let at = usize::try_from(dice.below(disk.len() as u64)).unwrap();
        let scale = 8 + dice.below(13);
        let len = usize::try_from(dice.below(1 << scale)).unwrap().min(disk.len() - at);
        match dice.below(3) {
            0 => disk[at..at + len].fill(7),
            _ => disk[at..at + len].copy_from_slice(&noise(seed * 100 + stretch, len)),
        }
    }
    disk
}

#[test]
fn a_disk_comes_out_as_it_went_in_whatever_its_shape() {
    for seed in 0..12 {
        let house = House::new(seed);
        let disk = random_disk(seed);
        let (stored, transferred) = house.import("m-1", &disk);
        let data: usize =
            disk.chunks(4096).filter(|block| block.iter().any(|&byte| byte != 0)).map(<[u8]>::len).sum();
        assert_eq!(transferred.data_bytes, data as u64, "seed {seed}");
        house.export(attempt(1, 1), "x-1", &stored, &target("a.raw")).unwrap();
        assert!(file_is(&house.sim, &format!("{OUT}/a.raw"), &disk), "seed {seed}");
        house.assert_clean(&Live::of("1", &[&stored]), "after an import");
    }
}

#[test]
fn the_same_disk_a_second_time_stores_no_chunk_and_has_the_same_identity() {
    let house = House::new(1);
    let disk = guest_disk(1);
    let (first, once) = house.import("m-1", &disk);
    let (second, twice) = house.import("m-2", &disk);
    assert_eq!(first, second);
    assert_eq!((twice.new_bytes, twice.stored_bytes), (0, 0));
    assert_eq!((once.chunks, once.data_bytes), (twice.chunks, twice.data_bytes));
    assert!(once.new_bytes < once.data_bytes, "a stretch that stands twice is stored once");
}

#[test]
fn another_account_stores_its_own_chunks_and_finds_no_others() {
    let house = House::new(1);
    let (_, first) = house.import("m-1", &guest_disk(1));
    let source = house.put_source(&guest_disk(1));
    let other = wait(house.plane.transfer(attempt(1, 1), &place("2"), &Job("m-2".into()), &source)).unwrap();
    assert_eq!(other, first, "an account learns nothing from what another stores");
    let disk = stored(&source, &other);
    wait(house.plane.discard(attempt(1, 1), &place("2"), &Job("m-2".into()))).unwrap();
    let read = wait(house.plane.verify(attempt(1, 1), &place("2"), &Job("m-2".into()), &disk));
    assert_eq!(code(read), "Storage.Corrupt", "nor does it read with the other's chunks");
}

#[test]
fn two_imports_at_once_do_not_lean_on_each_other() {
    let house = House::new(1);
    let source = house.put_source(&guest_disk(1));
    let first = house.transfer(attempt(1, 1), "m-1", &source).unwrap();
    let second = house.transfer(attempt(1, 1), "m-2", &source).unwrap();
    assert_eq!(first, second, "neither counts on what the other may give back");
    house.discard(attempt(1, 1), "m-1").unwrap();
    let disk = stored(&source, &second);
    house.verify("m-2", &disk).unwrap();
    house.settle(attempt(1, 1), "m-2").unwrap();
    house.assert_clean(&Live::of("1", &[&disk]), "after the other was discarded");
}

#[test]
fn interrupted_at_any_checkpoint_a_transfer_gives_the_same_answer_and_reads_little_again() {
    let house = House::new(1);
    let source = house.put_source(&guest_disk(5));
    let undisturbed = {
        let house = house.fork(1);
        let transferred = house.transfer(attempt(1, 1), "m-1", &source).unwrap();
        (transferred, house.plane.source_bytes_read(&Job("m-1".into())))
    };
    for workers in 1..=3 {
        for cancel in 1.. {
            let options = Options { workers, ..options() };
            let interval = options.checkpoint_interval_bytes;
            let house = House::on(&house.sim.fork(cancel), options.clone());
            let first = house.transfer(cancelled_at(1, 1, cancel), "m-1", &source);
            let read_first = house.plane.source_bytes_read(&Job("m-1".into()));
            let house = House::on(&house.sim, options);
            let second = house.transfer(attempt(2, 1), "m-1", &source).unwrap();
            assert_eq!(second, undisturbed.0, "{workers} workers, cancelled at {cancel}");
            let read = read_first + house.plane.source_bytes_read(&Job("m-1".into()));
            assert!(read <= undisturbed.1 + interval, "{workers} workers, cancelled at {cancel}");
            house.settle(attempt(2, 1), "m-1").unwrap();
            house.assert_clean(&Live::of("1", &[&stored(&source, &second)]), "resumed");
            if first.is_ok() {
                break;
            }
            assert_eq!(first, Err(Failure::Cancelled));
        }
    }
}

#[test]
fn what_is_recorded_is_not_read_again_and_the_rest_is_less_than_an_interval() {
    // Data in every segment, an interval of one segment: a resume reads at most one again.
    let mut disk = vec![0; 12 << 24];
    for (segment, bytes) in disk.chunks_mut(1 << 24).enumerate() {
        bytes[..1 << 20].copy_from_slice(&noise(segment as u64, 1 << 20));
    }
    let options =
        Options { workers: 2, checkpoint_bytes: 1, checkpoint_interval_bytes: 1 << 24, ..options() };
    let house = House::new(1);
    let source = house.put_source(&disk);
    let (mut read, mut runs) = (0, 0);
    loop {
        runs += 1;
        let house = House::on(&house.sim, options.clone());
        let result = house.transfer(cancelled_at(runs, 1, 2), "m-1", &source);
        let now = house.plane.source_bytes_read(&Job("m-1".into()));
        read += now;
        if result.is_ok() || runs > 50 {
            assert!(result.is_ok());
            break;
        }
    }
    assert!(runs >= 6, "it was interrupted again and again");
    assert!(read <= (12 << 20) + runs * (2 << 20), "{read} bytes in {runs} runs");
}

#[test]
fn progress_never_goes_back_and_ends_at_the_whole_disk() {
    let house = House::new(1);
    let source = house.put_source(&guest_disk(1));
    let work = attempt(1, 1);
    house.transfer(std::sync::Arc::clone(&work), "m-1", &source).unwrap();
    let progress = work.progress.lock().unwrap();
    assert!(progress.is_sorted_by_key(|step| step.done_bytes));
    let last = progress.last().unwrap();
    assert_eq!((last.done_bytes, last.total_bytes), (source.disk_bytes, source.disk_bytes));
}

#[test]
fn a_source_that_changes_is_refused_by_name() {
    let house = House::new(1);
    let source = house.put_source(&guest_disk(1));
    house.transfer(cancelled_at(1, 1, 1), "m-1", &source).unwrap_err();
    house.sim.mount().open(SOURCE.as_ref(), Open::Write).unwrap().write_at(9, b"changed").unwrap();
    assert_eq!(code(house.transfer(attempt(1, 2), "m-1", &source)), "InvalidSource.Changed");
    house.sim.mount().remove(SOURCE.as_ref()).unwrap();
    assert_eq!(code(house.transfer(attempt(1, 3), "m-1", &source)), "InvalidSource.Changed");
    house.discard(attempt(1, 1), "m-1").unwrap();
    house.assert_clean(&Live::default(), "after the discard");
}

#[test]
fn what_is_no_disk_file_is_refused_when_it_is_looked_at() {
    let house = House::new(1);
    let inspect = |path: &str| code(wait(house.plane.inspect(&Location::file(path), None)));
    assert_eq!(inspect("/in/none.raw"), "InvalidSource.NotFound");
    assert_eq!(inspect(OUT), "InvalidSource.NotAFile");
    house.sim.put("/in/empty.raw", b"");
    assert_eq!(inspect("/in/empty.raw"), "InvalidImageSize");
}

#[test]
fn an_older_attempt_is_fenced() {
    let house = House::new(1);
    let source = house.put_source(&guest_disk(1));
    house.transfer(cancelled_at(2, 5, 1), "m-1", &source).unwrap_err();
    let fenced = |house: &House, older| {
        let fenced = house.transfer(older, "m-1", &source);
        assert!(matches!(fenced, Err(Failure::Ours(_))), "{fenced:?}");
    };
    fenced(&house, attempt(2, 4));
    let house = house.restarted();
    fenced(&house, attempt(1, 9));
    house.transfer(attempt(3, 1), "m-1", &source).unwrap();
}

#[test]
fn a_store_that_is_missing_or_anothers_is_not_touched() {
    let house = House::new(1);
    let (disk, _) = house.import("m-1", &guest_disk(1));
    let house = house.restarted();
    let source = wait(house.plane.inspect(&Location::file(SOURCE), None)).unwrap();
    let before = house.sim.snapshot();
    let check = |house: &House, place: &domain::port::Place| {
        let (job, live) = (Job("m-9".into()), std::sync::Arc::new(Live::default()));
        let p = &house.plane;
        let failures = [
            wait(p.transfer(attempt(1, 1), place, &job, &source)).unwrap_err(),
            wait(p.verify(attempt(1, 1), place, &job, &disk)).unwrap_err(),
            wait(p.discard(attempt(1, 1), place, &job)).unwrap_err(),
            wait(p.collect(attempt(1, 1), &place.region, &place.store, &job, live)).unwrap_err(),
        ];
        for failure in failures {
            assert!(matches!(&failure, Failure::World(text) if text.contains("mounted")), "{failure}");
        }
    };
    let anothers = domain::port::Place { store: "store-b".into(), ..place("1") };
    check(&house, &anothers);
    check(&house.reopened(), &anothers);
    let unmounted = domain::port::Place { region: "cn-beijing".into(), ..place("1") };
    check(&house, &unmounted);
    assert_eq!(house.sim.snapshot(), before);
    house.verify("m-1", &disk).unwrap();
    let before = house.sim.snapshot();
    let taken = wait(house.plane.make_store(&region(), &"store-b".into()));
    assert!(matches!(taken, Err(Failure::World(_))), "{taken:?}");
    wait(house.plane.make_store(&region(), &store())).unwrap();
    assert_eq!(house.sim.snapshot(), before);
}

#[test]
fn a_damaged_frame_is_found_by_verifying_and_named() {
    let house = House::new(1);
    let source = house.put_source(&guest_disk(1));
    let disk = stored(&source, &house.transfer(attempt(1, 1), "m-1", &source).unwrap());
    let packs = house.sim.mount().list(format!("{ROOT}/cn-hangzhou/packs").as_ref()).unwrap();
    let (mut named, mut seen) = (0, HashSet::new());
    for pack in &packs {
        let path = format!("{ROOT}/cn-hangzhou/packs/{pack}");
        let len = house.sim.get(&path).unwrap().len() as u64;
        // One bit here and there; the footer at the end is none of verifying's business.
        for at in (100..len * 9 / 10).step_by(50_000) {
            let house = house.fork(at);
            let byte = house.sim.get(&path).unwrap()[usize::try_from(at).unwrap()];
            house.sim.corrupt(&path, at, &[byte ^ 4]);
            let Err(Failure::Caller(refusal)) = house.verify("m-1", &disk) else {
                panic!("a bit flipped at {at} of {pack} went unseen")
            };
            assert_eq!(refusal.code, "Storage.Corrupt");
            assert!(refusal.message.contains(pack.as_str()), "{}", refusal.message);
            seen.insert(refusal.message);
            let report = house.examine(&Live::of("1", &[&disk]));
            assert_eq!(report.missing.len(), 1, "{:?}", report.missing);
            named += 1;
        }
    }
    assert!(named >= 8 && seen.len() >= 5);
    house.verify("m-1", &disk).unwrap();
}

#[test]
fn a_disk_that_runs_full_gives_its_space_back_and_lets_others_go_on() {
    let house = House::new(1);
    let (kept, _) = house.import("m-1", &guest_disk(1));
    let source = house.put_source(&guest_disk(100));
    let before = house.sim.used_bytes();
    for room in [40 << 10, 150 << 10, 300 << 10] {
        let sim = house.sim.fork(room);
        sim.set_capacity(before + room);
        let house = House::on(&sim, options());
        assert_eq!(code(house.transfer(attempt(1, 1), "m-2", &source)), "Storage.Full", "{room}");
        // A write of the index that found no room costs an attempt.
        let undone = (1..=3).find(|&number| house.discard(attempt(1, number), "m-2").is_ok());
        assert!(undone.is_some(), "{room}");
        let live = Live::of("1", &[&kept]);
        house.assert_clean(&live, "after the discard");
        house.verify("m-1", &kept).unwrap();
        sim.set_capacity(u64::MAX);
        house.transfer(attempt(1, 1), "m-3", &source).unwrap();
    }
}

#[test]
fn packs_stop_at_the_reserve() {
    let house = House::new(1);
    let source = house.put_source(&guest_disk(1));
    let used = house.sim.used_bytes();
    house.sim.set_capacity(used + (64 << 20));
    let options = Options { reserve_bytes: 60 << 20, ..options() };
    let house = House::on(&house.sim, options.clone());
    assert_eq!(code(house.transfer(attempt(1, 1), "m-1", &source)), "Storage.Full");
    assert!(house.sim.used_bytes() < used + (4 << 20));
    house.discard(attempt(1, 1), "m-1").unwrap();
    house.sim.set_capacity(used + (128 << 20));
    House::on(&house.sim, options).transfer(attempt(1, 1), "m-2", &source).unwrap();
}

#[test]
fn an_export_takes_no_name_that_is_taken_unless_told_to() {
    let house = House::new(1);
    let disk = guest_disk(1);
    let (stored, _) = house.import("m-1", &disk);
    let path = format!("{OUT}/a.raw");
    house.sim.put(&path, b"somebody's");
    assert_eq!(code(house.export(attempt(1, 1), "x-1", &stored, &target("a.raw"))), "InvalidTarget.Exists");
    house.discard_export("x-1", &target("a.raw")).unwrap();
    assert_eq!(house.sim.get(&path).unwrap(), b"somebody's");
    let replace = Target { replace: true, ..target("a.raw") };
    house.export(attempt(1, 1), "x-2", &stored, &replace).unwrap();
    assert!(house.sim.get(&path).unwrap() == disk);
    let nowhere = Target { at: Location::file("/nowhere/a.raw"), ..target("") };
    assert_eq!(code(house.export(attempt(1, 1), "x-3", &stored, &nowhere)), "InvalidTarget.NotFound");
    assert_eq!(house.sim.mount().list(OUT.as_ref()).unwrap(), ["a.raw"]);
}

#[test]
fn a_second_run_of_an_export_finds_the_first_ones_file_and_its_undo_removes_it() {
    let house = House::new(1);
    let (disk, _) = house.import("m-1", &guest_disk(1));
    let target = target("a.raw");
    house.export(attempt(1, 1), "x-1", &disk, &target).unwrap();
    let before = house.sim.snapshot();
    let mut house = house.restarted();
    house.export(attempt(2, 1), "x-1", &disk, &target).unwrap();
    let inode = |at: &sim::Snapshot| at.get(std::path::Path::new(&target.at.path)).cloned();
    assert_eq!(inode(&house.sim.snapshot()), inode(&before));
    assert_eq!(code(house.export(attempt(1, 1), "x-2", &disk, &target)), "InvalidTarget.Exists");
    for _ in 0..2 {
        house = house.restarted();
        house.discard_export("x-1", &target).unwrap();
        assert_eq!(house.sim.mount().list(OUT.as_ref()).unwrap(), [""; 0]);
    }
}

#[test]
fn ending_a_job_that_never_began_changes_nothing() {
    let house = House::new(1);
    house.discard(attempt(1, 1), "m-none").unwrap();
    house.settle(attempt(1, 1), "m-none").unwrap();
    house.discard_export("x-none", &target("a.raw")).unwrap();
    house.assert_clean(&Live::default(), "nothing began");
}
