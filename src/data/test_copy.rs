//! Disks go from store to store, and from account to account; what is sent, what is not, and what
//! stays when the source is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::port::{DataPlane, Job, Pace, Place, SharedPace, StoredDisk, Transferred};
use event::{Attempt, Failure, Progress, Work};
use files::Files;
use sim::Entry;

use crate::fault::Result;
use crate::test_support::*;
use crate::{Options, Plane};

/// Root and branch pages of a small disk, which are read at every beginning to find the way.
const WAY_BYTES: u64 = 1 << 10;

/// A work that does something to the world at one of its checkpoints, and goes on.
struct Meanwhile<F> {
    checkpoint: u64,
    seen: AtomicU64,
    act: F,
}

fn meanwhile<F: Fn() + Send + Sync>(checkpoint: u64, act: F) -> Arc<Meanwhile<F>> {
    Arc::new(Meanwhile { checkpoint, seen: AtomicU64::new(0), act })
}

impl<F: Fn() + Send + Sync> Work for Meanwhile<F> {
    fn attempt(&self) -> Attempt {
        Attempt { incarnation: 1, number: 1 }
    }

    fn checkpoint(&self, _: Progress) -> Result<()> {
        if self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.checkpoint {
            (self.act)();
        }
        Ok(())
    }
}

/// Data in each of twelve segments, so that there is something to interrupt.
fn long_disk(seed: u64) -> Vec<u8> {
    let mut disk = vec![0; 12 << 24];
    for (segment, bytes) in disk.chunks_mut(1 << 24).enumerate() {
        bytes[..256 << 10].copy_from_slice(&noise(seed + segment as u64, 256 << 10));
    }
    disk
}

/// Records after every segment, and lets a thread be one segment ahead.
fn eager() -> Options {
    Options { workers: 2, checkpoint_bytes: 1, checkpoint_interval_bytes: 1 << 24, ..options() }
}

fn dir(place: &Place) -> String {
    format!("{ROOT}/{}", place.region)
}

/// Removes a store to the last file.
fn remove_store(sim: &sim::SimFiles, place: &Place) {
    let (files, dir) = (sim.mount(), dir(place));
    for name in files.list(format!("{dir}/packs").as_ref()).unwrap() {
        files.remove(format!("{dir}/packs/{name}").as_ref()).unwrap();
    }
    files.remove_dir(format!("{dir}/packs").as_ref()).unwrap();
    for name in files.list(dir.as_ref()).unwrap() {
        files.remove(format!("{dir}/{name}").as_ref()).unwrap();
    }
    files.remove_dir(dir.as_ref()).unwrap();
    files.sync_dir(ROOT.as_ref()).unwrap();
}

/// Everything under a store.
fn files_of(sim: &sim::SimFiles, place: &Place) -> sim::Snapshot {
    let dir = dir(place);
    sim.snapshot().into_iter().filter(|(path, _)| path.starts_with(&dir)).collect()
}

/// Puts a store back as it was, as new files.
fn restore_store(sim: &sim::SimFiles, place: &Place, files: &[(std::path::PathBuf, Vec<u8>)]) {
    sim.put_dir(format!("{}/packs", dir(place)));
    for (path, bytes) in files {
        sim.put(path, bytes);
    }
}

fn contents(sim: &sim::SimFiles, place: &Place) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    files_of(sim, place)
        .into_iter()
        .filter(|(_, entry)| !matches!(entry, Entry::Directory))
        .map(|(path, _)| (path.clone(), sim.get(&path).unwrap()))
        .collect()
}

fn is_world<T: std::fmt::Debug>(result: &Result<T>, region: &Place) -> bool {
    matches!(result, Err(Failure::World(text)) if text.contains(&format!("region `{}`", region.region)))
}

/// Copies, verifies and settles; the copy has the identity of its source and reads as it.
fn check_copy(house: &House, job: &str, source: &Place, disk: &StoredDisk, target: &Place) -> Transferred {
    let copied = house.copy(attempt(1, 1), job, source, disk, target).unwrap();
    assert_eq!((copied.manifest, copied.root), (disk.manifest, disk.root), "{job}");
    let verified = house.verify_at(target, job, disk).unwrap();
    assert_eq!((verified.root, verified.chunks), (disk.root, copied.chunks), "{job}");
    house.settle_at(attempt(1, 1), target, job).unwrap();
    copied
}

#[test]
fn a_copy_is_the_same_disk_in_another_region_for_another_account_or_both() {
    let house = House::twin(1);
    let bytes = guest_disk(1);
    let (disk, imported) = house.import("m-1", &bytes);
    for (number, target) in [far("1"), place("2"), far("2")].iter().enumerate() {
        let job = format!("c-{number}");
        let copied = check_copy(&house, &job, &place("1"), &disk, target);
        assert_eq!(copied, imported, "an empty account lacks what an import stores, to the byte");
        let to = crate::test_support::target(&format!("{number}.raw"));
        wait(house.plane.export(attempt(1, 1), target, &Job("x".into()), &disk, &to)).unwrap();
        assert!(file_is(&house.sim, &to.at.path, &bytes), "{target:?}");
    }
    let live = Live::of("1", &[&disk]);
    live.add("2", &disk);
    house.assert_clean(&live, "two accounts near");
    house.assert_clean_at(&far("1"), &live, "two accounts far");
}

#[test]
fn a_copy_stays_whole_when_its_source_is_removed_to_the_last_file() {
    let house = House::twin(1);
    let bytes = long_disk(1);
    let (disk, _) = house.import("m-1", &bytes);
    let copied = house.copy(attempt(1, 1), "c-1", &place("1"), &disk, &far("1")).unwrap();
    remove_store(&house.sim, &place("1"));
    let house = house.restarted();
    let again = house.copy(attempt(2, 1), "c-1", &place("1"), &disk, &far("1")).unwrap();
    assert_eq!(again, copied, "what has ended needs no source to say so");
    house.verify_at(&far("1"), "c-1", &disk).unwrap();
    house.settle_at(attempt(2, 1), &far("1"), "c-1").unwrap();
    house.assert_clean_at(&far("1"), &Live::of("1", &[&disk]), "alone");
    wait(house.plane.export(attempt(2, 1), &far("1"), &Job("x".into()), &disk, &target("a.raw"))).unwrap();
    assert!(file_is(&house.sim, &format!("{OUT}/a.raw"), &bytes));
}

#[test]
fn a_later_version_sends_only_what_the_target_lacks() {
    let house = House::twin(1);
    let (first, _) = house.import("m-1", &guest_disk(1));
    let mut changed = guest_disk(1);
    changed[17 << 20..(17 << 20) + (100 << 10)].copy_from_slice(&noise(77, 100 << 10));
    let (second, imported) = house.import("m-2", &changed);
    check_copy(&house, "c-1", &place("1"), &first, &far("1"));
    let copied = check_copy(&house, "c-2", &place("1"), &second, &far("1"));
    assert_eq!(copied.new_bytes, imported.new_bytes);
    assert!(imported.new_bytes > 0);
    let sent = house.sent("c-2");
    assert!((copied.stored_bytes..=copied.stored_bytes + 4 * WAY_BYTES).contains(&sent), "{sent}");
    check_copy(&house, "c-3", &place("1"), &second, &far("1"));
    assert_eq!(house.sent("c-3"), 0, "a third time there is nothing to send");
}

#[test]
fn a_copy_onto_itself_and_between_two_accounts_of_a_store_come_to_an_end() {
    let house = House::new(1);
    let (disk, imported) = house.import("m-1", &guest_disk(1));
    let copied = check_copy(&house, "c-1", &place("1"), &disk, &place("1"));
    assert_eq!((copied.new_bytes, copied.stored_bytes, house.sent("c-1")), (0, 0, 0));
    assert_eq!((copied.chunks, copied.data_bytes), (imported.chunks, imported.data_bytes));
    check_copy(&house, "c-2", &place("1"), &disk, &place("2"));
    check_copy(&house, "c-3", &place("2"), &disk, &place("1"));
    assert_eq!(house.sent("c-3"), 0);
    let live = Live::of("1", &[&disk]);
    live.add("2", &disk);
    house.assert_clean(&live, "copied around");
    let only_other = Live::of("2", &[&disk]);
    house.collect(attempt(1, 1), "g-1", &only_other).unwrap();
    house.assert_clean(&only_other, "the owner has deleted it");
    house.verify_at(&place("2"), "c-2", &disk).unwrap();
}

#[test]
fn what_is_condemned_in_the_source_is_not_in_the_copy() {
    let house = House::twin(1);
    house.import("m-1", &guest_disk(1));
    let source = house.put_source(&guest_disk(1));
    let disk = stored(&source, &house.transfer(attempt(1, 1), "m-2", &source).unwrap());
    // The first is deleted; what the second builds on is condemned until it is seen to live.
    assert!(house.collect(attempt(1, 1), "g-1", &Live::default()).unwrap().waiting_chunks > 0);
    house.verify("m-2", &disk).unwrap();
    house.settle(attempt(1, 1), "m-2").unwrap();
    let live = Live::of("1", &[&disk]);
    let copied = check_copy(&house, "c-1", &place("1"), &disk, &far("1"));
    assert!(copied.new_bytes > 0);
    assert_eq!(check_copy(&house, "c-2", &place("1"), &disk, &far("1")).new_bytes, 0);
    let collected = house.collect_at(attempt(1, 1), &far("1"), "g-2", &live).unwrap();
    assert_eq!((collected.removed_chunks, collected.waiting_chunks), (0, 0));
    house.assert_clean_at(&far("1"), &live, "copied");
    let own = check_copy(&house, "c-3", &place("1"), &disk, &place("1"));
    assert_eq!(own.new_bytes, copied.new_bytes, "what is condemned counts as absent");
}

#[test]
fn interrupted_at_any_checkpoint_a_copy_gives_the_same_answer_and_sends_little_again() {
    let house = House::twin(1);
    let (disk, _) = house.import("m-1", &guest_disk(5));
    let undisturbed = {
        let house = house.fork(1);
        let copied = house.copy(attempt(1, 1), "c-1", &place("1"), &disk, &far("2")).unwrap();
        (copied, house.sent("c-1"))
    };
    assert!(undisturbed.1 > undisturbed.0.stored_bytes);
    for workers in 1..=3 {
        for cancel in 1.. {
            let options = Options { workers, ..eager() };
            let house = House::on(&house.sim.fork(cancel), options.clone());
            let first = house.copy(cancelled_at(1, 1, cancel), "c-1", &place("1"), &disk, &far("2"));
            let sent_first = house.sent("c-1");
            let sim = Arc::clone(&house.sim);
            drop(house);
            let house = House::on(&sim, options);
            let second = house.copy(attempt(2, 1), "c-1", &place("1"), &disk, &far("2")).unwrap();
            let context = format!("{workers} workers, cancelled at {cancel}");
            assert_eq!(second, undisturbed.0, "{context}");
            let sent = sent_first + house.sent("c-1");
            assert!(sent <= undisturbed.1 + (700 << 10), "{context}: {sent}");
            house.settle_at(attempt(2, 1), &far("2"), "c-1").unwrap();
            house.assert_clean_at(&far("2"), &Live::of("2", &[&disk]), &context);
            if first.is_ok() {
                break;
            }
            assert_eq!(first, Err(Failure::Cancelled));
        }
    }
}

#[test]
fn what_is_recorded_is_not_sent_again() {
    let house = House::twin(1);
    let (disk, imported) = house.import("m-1", &long_disk(1));
    // With one worker nothing is in flight when the keeper is told to stop but the next segment.
    let options = Options { workers: 1, ..eager() };
    let (mut sent, mut runs) = (0, 0);
    loop {
        runs += 1;
        let house = House::on(&house.sim, options.clone());
        let result = house.copy(cancelled_at(runs, 1, 2), "c-1", &place("1"), &disk, &far("1"));
        sent += house.sent("c-1");
        if result.is_ok() || runs > 50 {
            assert_eq!(result.unwrap(), imported);
            break;
        }
    }
    assert!(runs >= 6, "it was interrupted again and again");
    let segment = imported.stored_bytes / 12 + 4 * WAY_BYTES;
    assert!(
        sent <= imported.stored_bytes + (runs + 12) * WAY_BYTES + runs * segment,
        "{sent} in {runs} runs"
    );
    assert!(sent < 2 * imported.stored_bytes, "{sent} in {runs} runs");
}

#[test]
fn a_store_that_is_not_there_keeps_a_copy_waiting_and_nothing_is_written() {
    let house = House::twin(1);
    let (disk, _) = house.import("m-1", &guest_disk(1));
    let absent = Place { region: "cn-nowhere".into(), ..place("1") };
    let anothers = Place { store: "store-x".into(), ..place("1") };
    // Opened once, so that opening is not taken for writing.
    house.assert_clean_at(&far("1"), &Live::default(), "empty");
    let before = house.sim.snapshot();
    for (turn, gone) in [(1, &absent), (2, &anothers)] {
        let as_source = house.copy(attempt(turn, 1), "c-1", gone, &disk, &far("1"));
        let as_target = house.copy(attempt(turn, 2), "c-1", &place("1"), &disk, gone);
        for result in [as_source, as_target] {
            assert!(is_world(&result, gone), "{result:?}");
            assert!(result.unwrap_err().to_string().contains("nothing was written"));
        }
    }
    assert_eq!(house.sim.snapshot(), before);
    check_copy(&house, "c-2", &place("1"), &disk, &far("1"));
}

#[test]
fn a_store_that_goes_on_the_way_is_named_and_the_copy_goes_on_when_it_is_back() {
    for (gone, back_as_new_files) in
        [(place("1"), false), (place("1"), true), (far("1"), false), (far("1"), true)]
    {
        let house = House::twin(1);
        let (disk, imported) = house.import("m-1", &long_disk(1));
        let sim = Arc::clone(&house.sim);
        drop(house);
        let house = House::on(&sim, Options { workers: 1, ..eager() });
        let (sender, receiver) = std::sync::mpsc::channel();
        let place_of_it = gone.clone();
        let work = meanwhile(4, move || {
            let id = format!("{}/store.id", dir(&place_of_it));
            if back_as_new_files {
                sender.send(contents(&sim, &place_of_it)).unwrap();
                remove_store(&sim, &place_of_it);
            } else {
                sim.mount().rename(id.as_ref(), "/in/hidden.id".as_ref()).unwrap();
            }
        });
        let result = house.copy(work, "c-1", &place("1"), &disk, &far("1"));
        assert!(is_world(&result, &gone), "{result:?}");
        let sent_first = house.sent("c-1");
        assert!(sent_first < imported.stored_bytes, "it stopped on the way");
        let still = house.copy(attempt(1, 2), "c-1", &place("1"), &disk, &far("1"));
        assert!(is_world(&still, &gone), "{still:?}");
        if back_as_new_files {
            assert!(files_of(&house.sim, &gone).is_empty(), "nothing grows where no store is");
            restore_store(&house.sim, &gone, &receiver.recv().unwrap());
        } else {
            let id = format!("{}/store.id", dir(&gone));
            house.sim.mount().rename("/in/hidden.id".as_ref(), id.as_ref()).unwrap();
        }
        let copied = house.copy(attempt(1, 3), "c-1", &place("1"), &disk, &far("1")).unwrap();
        assert_eq!(copied, imported);
        let again = house.sent("c-1") - imported.stored_bytes;
        assert!(again < imported.stored_bytes / 3, "{again} sent twice");
        house.verify_at(&far("1"), "c-1", &disk).unwrap();
        house.settle_at(attempt(1, 1), &far("1"), "c-1").unwrap();
        // A pack that was being filled when its store went is swept by the next process.
        house.restarted().assert_clean_at(&far("1"), &Live::of("1", &[&disk]), "back again");
    }
}

#[test]
fn a_discarded_copy_leaves_the_target_as_it_was() {
    let house = House::twin(1);
    let (kept, _) = house.import("m-0", &guest_disk(1));
    check_copy(&house, "c-0", &place("1"), &kept, &far("1"));
    let (disk, _) = house.import("m-1", &guest_disk(2));
    let live = Live::of("1", &[&kept]);
    let packs = house.examine_at(&far("1"), &live).packs;
    for stop in [1, 2, 4, u64::MAX] {
        let house = house.fork(stop);
        let _ = house.copy(cancelled_at(1, 1, stop), "c-1", &place("1"), &disk, &far("1"));
        house.discard_at(attempt(1, 1), &far("1"), "c-1").unwrap();
        house.assert_clean_at(&far("1"), &live, "discarded");
        assert_eq!(house.examine_at(&far("1"), &live).packs, packs, "stopped at {stop}");
        house.verify_at(&far("1"), "c-0", &kept).unwrap();
        house.assert_clean(&Live::of("1", &[&kept, &disk]), "the source");
    }
}

#[test]
fn a_damaged_or_lost_frame_of_the_source_is_named_and_never_becomes_a_good_copy() {
    let house = House::twin(1);
    let (disk, imported) = house.import("m-1", &guest_disk(1));
    let packs = house.sim.mount().list(format!("{}/packs", dir(&place("1"))).as_ref()).unwrap();
    let mut named = 0;
    for pack in &packs {
        let path = format!("{}/packs/{pack}", dir(&place("1")));
        let whole = house.sim.get(&path).unwrap();
        for at in (100..whole.len() * 9 / 10).step_by(50_000) {
            for target in [far("1"), far("2")] {
                let house = house.fork(at as u64);
                house.sim.corrupt(&path, at as u64, &[whole[at] ^ 4]);
                let Err(Failure::Caller(refusal)) =
                    house.copy(attempt(1, 1), "c-1", &place("1"), &disk, &target)
                else {
                    panic!("a bit flipped at {at} of {pack} went unseen")
                };
                assert_eq!(refusal.code, "Storage.Corrupt");
                assert!(refusal.message.contains(pack.as_str()), "{}", refusal.message);
                assert!(refusal.message.contains("`cn-hangzhou`"), "{}", refusal.message);
                // Repaired, the copy goes on.
                house.sim.corrupt(&path, at as u64, &whole[at..=at]);
                let copied = house.copy(attempt(1, 2), "c-1", &place("1"), &disk, &target).unwrap();
                assert_eq!(copied, imported);
                named += 1;
            }
        }
        let house = house.fork(9);
        house.sim.mount().remove(path.as_ref()).unwrap();
        let lost = house.copy(attempt(1, 1), "c-1", &place("1"), &disk, &far("1"));
        assert_eq!(code(lost), "Storage.Corrupt", "{pack} is lost");
    }
    assert!(named >= 16);
}

#[test]
fn a_disk_that_the_source_account_does_not_have_is_not_copied_from_another_account() {
    let house = House::twin(1);
    let (disk, _) = house.import("m-1", &guest_disk(1));
    let result = house.copy(attempt(1, 1), "c-1", &place("2"), &disk, &far("2"));
    assert_eq!(code(result), "Storage.Corrupt");
    let smaller = StoredDisk { disk_bytes: disk.disk_bytes - 512, ..disk };
    let result = house.copy(attempt(1, 1), "c-2", &place("1"), &smaller, &far("1"));
    assert_eq!(code(result), "Storage.Corrupt");
    let other = StoredDisk { root: domain::ContentRoot(domain::Digest([7; 32])), ..disk };
    let result = house.copy(attempt(1, 1), "c-3", &place("1"), &other, &far("1"));
    assert_eq!(code(result), "Storage.Corrupt", "a copy has the content root that was asked for");
}

#[test]
fn what_is_sent_to_an_account_does_not_depend_on_what_a_third_one_stores() {
    let told = |third_has_it: bool| {
        let house = House::new(1);
        let (disk, _) = house.import("m-1", &guest_disk(1));
        if third_has_it {
            let source = house.put_source(&guest_disk(1));
            let (third, job) = (place("3"), Job("m-3".into()));
            wait(house.plane.transfer(attempt(1, 1), &third, &job, &source)).unwrap();
            wait(house.plane.settle(attempt(1, 1), &third, &job)).unwrap();
        }
        let copied = check_copy(&house, "c-1", &place("1"), &disk, &place("2"));
        assert!(copied.new_bytes > 0);
        (copied, house.sent("c-1"))
    };
    assert_eq!(told(false), told(true));
}

#[test]
fn how_hard_the_owner_compressed_is_not_told_to_another_account() {
    // A first disk is compressed fast, a version of a known one hard: see `probe`.
    let letters = |seed| -> Vec<u8> { noise(seed, 200 << 10).iter().map(|byte| b'a' + byte % 7).collect() };
    let base = long_disk(1);
    let mut version = base.clone();
    version[(5 << 24) + (1 << 20)..][..200 << 10].copy_from_slice(&letters(9));
    let copies = |owner_had_the_base: bool| {
        let house = House::twin(1);
        if owner_had_the_base {
            house.import("m-0", &base);
        }
        let (disk, _) = house.import("m-1", &version);
        let to = |job: &str, target: &Place| check_copy(&house, job, &place("1"), &disk, target);
        (to("c-1", &far("1")), to("c-2", &far("2")), to("c-3", &place("2")))
    };
    let ((own, far_off, near), (other_own, other_far_off, other_near)) = (copies(true), copies(false));
    assert_ne!(own.stored_bytes, other_own.stored_bytes, "within an account frames move as they are");
    assert_eq!((far_off, near), (other_far_off, other_near));
}

#[test]
fn progress_of_a_copy_never_goes_back_and_ends_at_the_whole_disk() {
    let house = House::twin(1);
    let (disk, _) = house.import("m-1", &long_disk(1));
    let house = House::on(&house.sim, eager());
    let work = attempt(1, 1);
    house.copy(Arc::<Step>::clone(&work), "c-1", &place("1"), &disk, &far("1")).unwrap();
    let progress = work.progress.lock().unwrap();
    assert!(progress.len() > 6 && progress.is_sorted_by_key(|step| step.done_bytes));
    assert!(progress.iter().all(|step| step.doing == "copying" && step.total_bytes == disk.disk_bytes));
    assert_eq!(progress.last().unwrap().done_bytes, disk.disk_bytes);
}

#[test]
fn a_copy_with_a_pace_hears_a_cancel_and_one_of_nothing_is_refused() {
    let house = House::twin(1);
    let (disk, imported) = house.import("m-1", &guest_disk(1));
    let paced = |work: Arc<Step>, bytes_per_second: u64| {
        let pace = Pace { bytes_per_second: Some(bytes_per_second), ..Pace::default() };
        wait(house.plane.copy(work, &place("1"), &disk, &far("1"), &Job("c-1".into()), pace))
    };
    assert_eq!(code(paced(attempt(1, 1), 0)), "InvalidParameter.BytesPerSecond");
    // At a byte a second the first page costs minutes: the cancel comes before the first slice.
    assert_eq!(paced(cancelled_at(1, 2, 1), 1), Err(Failure::Cancelled));
    assert!(house.sent("c-1") < WAY_BYTES);
    assert_eq!(paced(attempt(1, 3), u64::MAX), Ok(imported));
}

#[test]
fn a_copy_pays_for_what_others_that_share_its_limit_have_sent() {
    let house = House::twin(1);
    let (disk, _) = house.import("m-1", &guest_disk(1));
    let sent = |account: &str, of: &str, bytes_per_second: u64| {
        let job = Job(format!("c-{account}"));
        let shared = Some(SharedPace { of: of.to_owned(), bytes_per_second });
        let pace = Pace { shared, ..Pace::default() };
        // A few slices of a wait, or a copy that is as good as done.
        let work = cancelled_at(1, 1, 4);
        let ended = wait(house.plane.copy(work, &place("1"), &disk, &far(account), &job, pace));
        assert!(matches!(ended, Ok(_) | Err(Failure::Cancelled)), "{ended:?}");
        house.sent(&job.0)
    };
    // At a byte a second the pages of the first take minutes to pay for, which no other rate pays off.
    assert!(sent("1", "b-1", 1) < WAY_BYTES);
    assert!(sent("2", "b-1", u64::MAX) < WAY_BYTES);
    assert!(sent("3", "b-2", u64::MAX) > WAY_BYTES, "those of another limit owe nothing");
}

#[test]
fn an_older_attempt_at_a_copy_is_fenced_and_a_job_stays_what_it_began_as() {
    let house = House::twin(1);
    let (disk, _) = house.import("m-1", &guest_disk(1));
    let copy = |work, source: &Place| house.copy(work, "c-1", source, &disk, &far("1"));
    copy(cancelled_at(2, 5, 1), &place("1")).unwrap_err();
    let older = copy(attempt(2, 4), &place("1"));
    assert!(matches!(older, Err(Failure::Ours(_))), "{older:?}");
    let other = copy(attempt(2, 6), &place("2"));
    assert!(matches!(other, Err(Failure::Ours(_))), "{other:?}");
    let blank = wait(house.plane.blank(attempt(3, 1), &far("1"), &Job("c-1".into()), 512));
    assert!(matches!(blank, Err(Failure::Ours(_))), "{blank:?}");
    copy(attempt(3, 1), &place("1")).unwrap();
}

#[test]
fn a_copy_into_a_full_disk_gives_its_space_back() {
    let house = House::twin(1);
    let (disk, _) = house.import("m-1", &guest_disk(1));
    let used = house.sim.used_bytes();
    house.sim.set_capacity(used + (150 << 10));
    let result = house.copy(attempt(1, 1), "c-1", &place("1"), &disk, &far("1"));
    assert_eq!(code(result), "Storage.Full");
    let undone = (1..=3).find(|&number| house.discard_at(attempt(1, number), &far("1"), "c-1").is_ok());
    assert!(undone.is_some());
    house.sim.set_capacity(u64::MAX);
    house.assert_clean_at(&far("1"), &Live::default(), "given back");
}

#[test]
fn a_blank_disk_is_what_an_import_of_zeros_gives_and_can_be_copied() {
    let house = House::twin(1);
    let size = (40 << 20) + 1536;
    let (disk, imported) = house.import("m-1", &vec![0; size]);
    let job = Job("b-1".into());
    let blank = || wait(house.plane.blank(attempt(1, 1), &far("1"), &job, size as u64)).unwrap();
    assert_eq!(blank(), imported);
    assert_eq!(blank(), imported, "a second run finds the first one's work");
    house.verify_at(&far("1"), "b-1", &disk).unwrap();
    house.settle_at(attempt(1, 1), &far("1"), "b-1").unwrap();
    house.assert_clean_at(&far("1"), &Live::of("1", &[&disk]), "blank");
    check_copy(&house, "c-1", &far("1"), &disk, &far("2"));
    wait(house.plane.export(attempt(1, 1), &far("2"), &Job("x".into()), &disk, &target("a.raw"))).unwrap();
    assert!(file_is(&house.sim, &format!("{OUT}/a.raw"), &vec![0; size]));
}

#[test]
fn a_blank_disk_may_be_as_large_as_disks_get_and_no_odd_size() {
    let house = House::new(1);
    let blank = |job: &str, disk_bytes: u64| {
        wait(house.plane.blank(attempt(1, 1), &place("1"), &Job(job.into()), disk_bytes))
    };
    for (number, refused) in [0, 511, 513, (64 << 40) + 512, u64::MAX].into_iter().enumerate() {
        assert_eq!(code(blank(&format!("b-{number}"), refused)), "InvalidImageSize", "{refused}");
    }
    house.assert_clean(&Live::default(), "refused");
    let live = Live::default();
    for size in [512, 2 << 40, (3 << 40) + 512, 64 << 40] {
        let job = format!("b-{size}");
        let made = blank(&job, size).unwrap();
        assert_eq!((made.data_bytes, made.new_bytes, made.stored_bytes, made.chunks), (0, 0, 0, 0));
        let disk = StoredDisk { manifest: made.manifest, disk_bytes: size, root: made.root };
        house.verify(&job, &disk).unwrap();
        house.settle(attempt(1, 1), &job).unwrap();
        live.add("1", &disk);
    }
    house.assert_clean(&live, "blank disks of all sizes");
    blank("b-9", 2 << 40).unwrap();
    house.discard(attempt(1, 1), "b-9").unwrap();
    house.assert_clean(&live, "one discarded");
}

#[test]
fn on_a_real_file_system_a_copy_outlives_the_directory_of_its_source() {
    let root = tempfile::tempdir().unwrap();
    let plane = Plane::new(Arc::new(files::RealFiles), root.path().join("stores"), options());
    let (near, beyond, job) = (place("1"), far("2"), Job("m-1".into()));
    for Place { region, store, .. } in [&near, &beyond] {
        wait(plane.make_store(region, store)).unwrap();
    }
    let bytes = guest_disk(1);
    let path = root.path().join("disk.raw");
    std::fs::write(&path, &bytes).unwrap();
    let at = domain::port::Location::file(path.to_str().unwrap());
    let source = wait(plane.inspect(&at, Some(domain::port::Format::Raw))).unwrap();
    let disk = stored(&source, &wait(plane.transfer(attempt(1, 1), &near, &job, &source)).unwrap());
    wait(plane.settle(attempt(1, 1), &near, &job)).unwrap();
    let copy = |number, job: &str| {
        let pace = Pace { bytes_per_second: Some(1 << 30), ..Pace::default() };
        wait(plane.copy(attempt(1, number), &near, &disk, &beyond, &Job(job.into()), pace))
    };
    let copied = copy(1, "c-1").unwrap();
    std::fs::remove_dir_all(root.path().join("stores").join(&near.region.0)).unwrap();
    assert_eq!(copy(2, "c-1"), Ok(copied), "it has ended");
    assert!(is_world(&copy(1, "c-2"), &near), "the directory is gone, though its store was open");
    wait(plane.verify(attempt(1, 1), &beyond, &Job("c-1".into()), &disk)).unwrap();
    wait(plane.settle(attempt(1, 1), &beyond, &Job("c-1".into()))).unwrap();
    wait(plane.verify(attempt(1, 1), &beyond, &Job("c-1".into()), &disk)).unwrap();
}
