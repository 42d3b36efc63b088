//! A stored disk read at random places, as the check of a guest does.

use domain::port::{DataPlane, StoredDisk};
use event::Failure;
use files::Files;
use guest::Disk;

use crate::index::domain_of;
use crate::reader::Reader;
use crate::store::Store;
use crate::test_support::*;

/// The store of a house that nobody else has open.
fn open(house: &House) -> Store {
    let files: std::sync::Arc<dyn Files> = house.sim.mount();
    let dir = format!("{ROOT}/{}", region());
    Store::open(&files, dir.as_ref(), &region(), &store(), &options()).unwrap()
}

/// A disk in a store that no plane has open.
fn stored_disk(bytes: &[u8]) -> (House, StoredDisk) {
    let house = House::new(1);
    let (disk, _) = house.import("m-1", bytes);
    (house.restarted(), disk)
}

#[test]
fn reads_at_random_places_give_the_bytes_of_the_disk() {
    let bytes = guest_disk(1);
    let (house, disk) = stored_disk(&bytes);
    let (store, work) = (open(&house), attempt(1, 1));
    let reader = Reader::open(&store, domain_of(&"1".into()), &disk, &*work).unwrap();
    assert_eq!(reader.disk_bytes(), bytes.len() as u64);
    let mut dice = Dice::new(7);
    let mut out = vec![0xaa; 1 << 20];
    // Where something begins or ends, a little before and behind it, and anywhere.
    let edges = [0, 300 << 10, 3 << 20, 16 << 20, 17 << 20, 20 << 20, 32 << 20, 34 << 20, bytes.len()];
    for turn in 0..600 {
        let near = edges[turn % edges.len()] as u64 + dice.below(16 << 10);
        let anywhere = dice.below(bytes.len() as u64);
        let at = if turn % 3 == 0 { anywhere } else { near.saturating_sub(8 << 10) };
        let at = usize::try_from(at).unwrap().min(bytes.len());
        let scale = dice.below(21);
        let len = usize::try_from(dice.below(1 << scale)).unwrap().min(bytes.len() - at);
        out[..len].fill(0xaa);
        reader.read_at(at as u64, &mut out[..len]).unwrap();
        assert!(out[..len] == bytes[at..at + len], "{len} bytes at {at}");
    }
    let mut all = vec![0xaa; bytes.len()];
    reader.read_at(0, &mut all).unwrap();
    assert!(all == bytes);
    assert_eq!(reader.failure(), None);
}

#[test]
fn what_reaches_beyond_the_disk_is_an_error_and_no_failure_of_the_store() {
    let (house, disk) = stored_disk(&guest_disk(1));
    let (store, work) = (open(&house), attempt(1, 1));
    let reader = Reader::open(&store, domain_of(&"1".into()), &disk, &*work).unwrap();
    let end = disk.disk_bytes;
    reader.read_at(end, &mut []).unwrap();
    reader.read_at(end - 1, &mut [0]).unwrap();
    for (at, len) in [(end - 1, 2), (end, 1), (end + 1, 0), (u64::MAX, 1)] {
        assert!(reader.read_at(at, &mut vec![0; len]).is_err(), "{len} bytes at {at}");
    }
    assert_eq!(reader.failure(), None);
}

#[test]
fn a_missing_or_damaged_frame_is_an_error_where_it_is_read_and_the_first_is_kept() {
    let bytes = guest_disk(1);
    let (house, disk) = stored_disk(&bytes);
    let packs = format!("{ROOT}/{}/packs", region());
    let (mut tried, mut broken) = (0, 0);
    for name in house.sim.mount().list(packs.as_ref()).unwrap() {
        let path = format!("{packs}/{name}");
        let whole = house.sim.get(&path).unwrap();
        // One bit here and there, and the whole pack; the footer is none of a reader's business.
        let places = (100..whole.len() * 9 / 10).step_by(90_000).map(Some).chain([None]);
        for place in places {
            let house = house.fork(1);
            let (store, work) = (open(&house), attempt(1, 1));
            let reader = Reader::open(&store, domain_of(&"1".into()), &disk, &*work).unwrap();
            match place {
                Some(at) => house.sim.corrupt(&path, at as u64, &[whole[at] ^ 1]),
                None => house.sim.mount().remove(path.as_ref()).unwrap(),
            }
            let mut out = vec![0; 64 << 10];
            let mut failed = 0;
            for at in (0..bytes.len() - out.len()).step_by(out.len()) {
                match reader.read_at(at as u64, &mut out) {
                    Ok(()) => assert!(out == bytes[at..at + out.len()], "at {at} of {name}"),
                    Err(_) => failed += 1,
                }
            }
            tried += 1;
            if failed > 0 {
                broken += 1;
                assert_eq!(code::<()>(Err(reader.failure().unwrap())), "Storage.Corrupt");
            }
        }
    }
    // What was hit may be the root page, which is read already, or a chunk in the last odd bytes.
    assert!(tried >= 6 && broken + 3 >= tried, "{broken} of {tried}");
}

#[test]
fn a_cancel_is_heard_by_who_reads() {
    let (house, disk) = stored_disk(&guest_disk(1));
    let (store, work) = (open(&house), cancelled_at(1, 1, 1));
    let reader = Reader::open(&store, domain_of(&"1".into()), &disk, &*work).unwrap();
    reader.read_at(0, &mut [0; 512]).unwrap_err();
    assert_eq!(reader.failure(), Some(Failure::Cancelled));
}

#[test]
fn a_check_of_a_guest_reads_and_a_store_that_cannot_be_read_is_no_finding() {
    let house = House::new(1);
    let (disk, _) = house.import("m-1", &guest_disk(1));
    wait(house.plane.check_guest(attempt(1, 1), &place("1"), &disk)).unwrap();
    let nobodys = wait(house.plane.check_guest(attempt(1, 1), &place("2"), &disk));
    assert_eq!(code(nobodys), "Storage.Corrupt", "another account's disk does not read");
    let absent = wait(house.plane.check_guest(attempt(1, 1), &far("1"), &disk));
    assert!(matches!(absent, Err(Failure::World(_))), "{absent:?}");
}
