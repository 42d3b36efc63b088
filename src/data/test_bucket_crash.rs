//! The power goes, or a call fails, at every point of what is done to buckets; it is done again,
//! or undone, and the end is as if nothing had happened. By the helper of `test_crash`.

use domain::port::{Buckets, Target};
use event::Failure;
use files::Files;

use crate::test_bucket::{at, bucket, house_with_bucket, job, object_path};
use crate::test_crash::strike;
use crate::test_support::*;

const FILE: &str = "/in/file";
const KEY: &str = "new/dir/web.raw";

/// A file of two checkpoints with a hole in it and one at its end.
fn file() -> Vec<u8> {
    let mut file = noise(1, 3 << 20);
    file[1 << 20..3 << 19].fill(0);
    file[5 << 19..].fill(0);
    file
}

fn prepared() -> House {
    let house = house_with_bucket(3);
    house.put_file(FILE, &file());
    house.sim.settle();
    house
}

#[test]
fn a_put_survives_a_power_cut_at_any_call() {
    for replace in [false, true] {
        let house = prepared();
        if replace {
            house.sim.put(object_path(KEY), b"the one before");
        }
        strike(
            &house,
            1,
            |house, incarnation| {
                let info = house.put(attempt(incarnation, 1), "p-1", FILE, KEY, replace)?;
                assert_eq!(house.object(KEY), Some(info.clone()));
                Ok((info.key, info.bytes))
            },
            |house, context| {
                assert!(file_is(&house.sim, &object_path(KEY), &file()), "{context}");
                assert_eq!(house.keys("", 10), [KEY], "{context}");
                house.assert_clean(&Live::default(), context);
            },
        );
    }
}

#[test]
fn a_put_whose_looks_fail_is_the_worlds_and_goes_on() {
    let house = prepared();
    for n in 1.. {
        let house = house.fork(n);
        let before = house.sim.reads();
        house.sim.fail_read(n, std::io::ErrorKind::Other);
        match house.put(attempt(1, 1), "p-1", FILE, KEY, false) {
            Ok(_) => {}
            Err(Failure::World(_)) => drop(house.put(attempt(1, 2), "p-1", FILE, KEY, false).unwrap()),
            Err(other) => panic!("at look {n}: {other:?}"),
        }
        let looks = house.sim.reads() - before;
        house.sim.clear_faults();
        assert!(file_is(&house.sim, &object_path(KEY), &file()), "at look {n}");
        house.assert_clean(&Live::default(), &format!("at look {n}"));
        if n > looks {
            break;
        }
    }
}

#[test]
fn a_get_survives_a_power_cut_at_any_call() {
    for replace in [false, true] {
        let house = prepared();
        house.put(attempt(1, 1), "p-1", FILE, KEY, false).unwrap();
        if replace {
            house.sim.put("/out/a", b"the one before");
        }
        strike(
            &house.restarted(),
            1,
            |house, incarnation| house.get(attempt(incarnation, 1), "g-1", KEY, "/out/a", replace),
            |house, context| {
                assert!(file_is(&house.sim, "/out/a", &file()), "{context}");
                assert_eq!(house.sim.mount().list(OUT.as_ref()).unwrap(), ["a"], "{context}");
                house.assert_clean(&Live::default(), context);
            },
        );
    }
}

#[test]
fn a_removal_survives_a_power_cut_at_any_call() {
    let house = prepared();
    let before = house.state();
    house.put(attempt(1, 1), "p-1", FILE, KEY, false).unwrap();
    strike(
        &house.restarted(),
        1,
        |house, _| house.remove(KEY),
        |house, context| assert_eq!(house.state(), before, "{context}"),
    );
}

#[test]
fn a_bucket_is_made_and_removed_whole_wherever_the_power_goes() {
    let house = House::new(3);
    strike(
        &house,
        1,
        |house, _| wait(house.plane.make_bucket(&bucket())),
        |house, context| assert_eq!(house.keys("", 1), [""; 0], "{context}"),
    );
    let house = prepared();
    let path = object_path("a/b/c");
    house.sim.put_dir(path.strip_suffix("/c").unwrap());
    house.sim.put(object_path("x").replace("/x", "/.partial/0123"), b"left");
    strike(
        &house,
        1,
        |house, _| wait(house.plane.remove_bucket(&bucket())),
        |house, context| {
            let buckets = format!("{ROOT}/{}/buckets", region());
            assert_eq!(house.sim.mount().list(buckets.as_ref()).unwrap(), [""; 0], "{context}");
        },
    );
}

/// Cuts `act` at every call, and at every checkpoint, then undoes it: the disk is as before.
fn check_undo(
    prepared: &House,
    act: impl Fn(&House, std::sync::Arc<Step>) -> crate::fault::Result<()>,
    undo: impl Fn(&House) -> crate::fault::Result<()>,
) {
    let before = prepared.state();
    let probe = prepared.fork(0);
    let first = probe.sim.calls();
    act(&probe, attempt(1, 1)).unwrap();
    let calls = probe.sim.calls() - first;
    assert!(calls > 4, "{calls} calls are no operation");
    // One more than there are: also what has come to its end is undone.
    for n in 1..=calls + 1 {
        let house = prepared.fork(n);
        if n % 2 == 0 {
            house.sim.cut_after(n);
        } else {
            house.sim.tear_after(n);
        }
        let _ = act(&house, attempt(1, 1));
        house.sim.clear_faults();
        house.sim.power_on();
        let house = house.reopened();
        undo(&house).unwrap();
        assert_eq!(house.state(), before, "cut at call {n} of {calls}");
        house.sim.power_cut();
        house.sim.power_on();
        assert_eq!(house.reopened().state(), before, "cut at call {n} of {calls}, and after the undo");
    }
    for stop in 1.. {
        let house = prepared.fork(stop);
        let result = act(&house, cancelled_at(1, 1, stop));
        undo(&house).unwrap();
        assert_eq!(house.state(), before, "cancelled at checkpoint {stop}");
        if result.is_ok() {
            break;
        }
        assert_eq!(result, Err(Failure::Cancelled));
    }
    // Even if it never began; and the undo itself fails anywhere.
    let house = prepared.fork(7);
    undo(&house).unwrap();
    assert_eq!(house.state(), before, "never begun");
    let done = prepared.fork(8);
    act(&done, attempt(1, 1)).unwrap();
    strike(
        &done.restarted(),
        1,
        |house, _| undo(house),
        |house, context| assert_eq!(house.state(), before, "{context}"),
    );
}

#[test]
fn a_put_can_be_undone_wherever_it_ended() {
    let house = prepared();
    house.sim.put(object_path("new/other"), b"stays");
    check_undo(
        &house,
        |house, work| house.put(work, "p-1", FILE, KEY, false).map(drop),
        |house| house.discard_put("p-1", KEY),
    );
}

#[test]
fn a_get_can_be_undone_wherever_it_ended() {
    let house = prepared();
    house.put(attempt(1, 1), "p-1", FILE, KEY, false).unwrap();
    check_undo(
        &house.restarted(),
        |house, work| house.get(work, "g-1", KEY, "/out/a", false),
        |house| wait(house.plane.discard_get(attempt(9, 1), &job("g-1"), "/out/a")),
    );
}

#[test]
fn an_export_into_a_bucket_survives_a_power_cut_at_any_call_and_can_be_undone() {
    let house = house_with_bucket(3);
    let disk = guest_disk(50);
    let (kept, _) = house.import("m-0", &disk);
    let target = Target { at: at(KEY), ..target("") };
    let house = house.restarted();
    strike(
        &house,
        1,
        |house, incarnation| house.export(attempt(incarnation, 1), "x-1", &kept, &target),
        |house, context| {
            assert!(file_is(&house.sim, &object_path(KEY), &disk), "{context}");
            house.assert_clean(&Live::of("1", &[&kept]), context);
        },
    );
    check_undo(
        &house,
        |house, work| house.export(work, "x-1", &kept, &target),
        |house| house.discard_export("x-1", &target),
    );
}
