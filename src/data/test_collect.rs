//! Collecting, beside work that is under way.

use domain::port::Collected;

use crate::test_support::*;

#[test]
fn what_no_manifest_names_is_removed_and_the_rest_stays_whole() {
    let house = House::new(1);
    let (old, one) = house.import("m-1", &guest_disk(1));
    let mut changed = guest_disk(1);
    changed[17 << 20..(17 << 20) + (100 << 10)].copy_from_slice(&noise(77, 100 << 10));
    let (new, two) = house.import("m-2", &changed);
    assert!(two.new_bytes > 0 && two.new_bytes < one.new_bytes);
    let both = Live::of("1", &[&old, &new]);
    let nothing = house.collect(attempt(1, 1), "c-1", &both).unwrap();
    assert_eq!(nothing, Collected::default());
    let used = house.sim.used_bytes();
    let live = Live::of("1", &[&new]);
    let collected = house.collect(attempt(1, 1), "c-2", &live).unwrap();
    assert!(collected.removed_chunks > 0 && collected.removed_chunks == collected.condemned_chunks);
    assert!(collected.freed_bytes > 0 && collected.waiting_chunks == 0);
    assert!(house.sim.used_bytes() < used);
    house.assert_clean(&live, "after collecting");
    house.verify("m-2", &new).unwrap();
    house.export(attempt(1, 1), "x-1", &new, &target("a.raw")).unwrap();
    assert!(house.sim.get(format!("{OUT}/a.raw")).unwrap() == changed);
    let all = house.collect(attempt(1, 1), "c-3", &Live::default()).unwrap();
    assert_eq!(all.removed_chunks, two.chunks);
    house.assert_clean(&Live::default(), "after everything was deleted");
}

#[test]
fn the_same_collection_again_gives_the_same_counts() {
    let house = House::new(1);
    house.import("m-1", &guest_disk(1));
    let first = house.collect(attempt(1, 1), "c-1", &Live::default()).unwrap();
    assert!(first.removed_chunks > 0);
    assert_eq!(house.reopened().collect(attempt(2, 1), "c-1", &Live::default()).unwrap(), first);
}

#[test]
fn a_condemned_chunk_waits_for_work_begun_before_and_is_not_built_on() {
    let house = House::new(1);
    let (_, old) = house.import("m-1", &guest_disk(1));
    // Under way: it has found chunks of m-1 and named them.
    let source = house.put_source(&guest_disk(1));
    house.transfer(cancelled_at(1, 1, 1), "m-2", &source).unwrap_err();
    // m-1 is deleted meanwhile.
    let live = Live::default();
    let waiting = house.collect(attempt(1, 1), "c-1", &live).unwrap();
    assert_eq!((waiting.condemned_chunks, waiting.waiting_chunks), (old.chunks, old.chunks));
    assert_eq!(waiting.removed_chunks, 0);
    // A later import stores its own.
    let later = house.transfer(attempt(1, 1), "m-3", &source).unwrap();
    assert_eq!(later.new_bytes, old.new_bytes);
    let disk = stored(&source, &later);
    live.add("1", &disk);
    house.settle(attempt(1, 1), "m-3").unwrap();
    house.discard(attempt(1, 1), "m-2").unwrap();
    let removed = house.collect(attempt(1, 1), "c-2", &live).unwrap();
    assert_eq!(removed.removed_chunks, old.chunks);
    house.assert_clean(&live, "after the work begun before has ended");
    house.verify("m-3", &disk).unwrap();
}

#[test]
fn a_condemned_chunk_that_unfinished_work_builds_on_is_pardoned_when_that_is_sealed() {
    let house = House::new(1);
    let (_, old) = house.import("m-1", &guest_disk(1));
    let source = house.put_source(&guest_disk(1));
    let transferred = house.transfer(attempt(1, 1), "m-2", &source).unwrap();
    assert_eq!(transferred.new_bytes, 0);
    let live = Live::default();
    let waiting = house.collect(attempt(1, 1), "c-1", &live).unwrap();
    assert_eq!(waiting.waiting_chunks, old.chunks);
    let disk = stored(&source, &transferred);
    house.verify("m-2", &disk).unwrap();
    live.add("1", &disk);
    house.settle(attempt(1, 1), "m-2").unwrap();
    let pardoned = house.collect(attempt(1, 1), "c-2", &live).unwrap();
    assert_eq!((pardoned.removed_chunks, pardoned.waiting_chunks), (0, 0));
    house.assert_clean(&live, "after the pardon");
    house.verify("m-2", &disk).unwrap();
    let (_, third) = house.import("m-3", &guest_disk(1));
    assert_eq!(third.new_bytes, 0, "what was pardoned is found again");
}

#[test]
fn copies_that_two_imports_at_once_made_become_one() {
    let house = House::new(1);
    let source = house.put_source(&guest_disk(1));
    let one = house.transfer(attempt(1, 1), "m-1", &source).unwrap();
    house.transfer(attempt(1, 1), "m-2", &source).unwrap();
    house.settle(attempt(1, 1), "m-1").unwrap();
    house.settle(attempt(1, 1), "m-2").unwrap();
    let disk = stored(&source, &one);
    let live = Live::of("1", &[&disk]);
    let collected = house.collect(attempt(1, 1), "c-1", &live).unwrap();
    assert_eq!(collected.removed_chunks, one.chunks);
    assert_eq!(house.examine(&live).chunks, one.chunks);
    house.verify("m-1", &disk).unwrap();
}

#[test]
fn a_collection_leaves_unfinished_imports_alone() {
    let house = House::new(1);
    let source = house.put_source(&guest_disk(1));
    house.transfer(cancelled_at(1, 1, 2), "m-1", &source).unwrap_err();
    house.collect(attempt(1, 1), "c-1", &Live::default()).unwrap();
    let house = house.restarted();
    house.collect(attempt(2, 1), "c-2", &Live::default()).unwrap();
    let disk = stored(&source, &house.transfer(attempt(2, 1), "m-1", &source).unwrap());
    house.verify("m-1", &disk).unwrap();
}

#[test]
fn a_live_manifest_that_cannot_be_read_stops_a_collection_before_anything_is_removed() {
    let house = House::new(1);
    let (kept, _) = house.import("m-1", &guest_disk(1));
    let lost = domain::port::StoredDisk { manifest: domain::ManifestId(domain::Digest([7; 32])), ..kept };
    let live = Live::of("1", &[&lost]);
    assert_eq!(code(house.collect(attempt(1, 1), "c-1", &live)), "Storage.Corrupt");
    assert_eq!(house.examine(&live).missing.len(), 1);
    house.verify("m-1", &kept).unwrap();
}
