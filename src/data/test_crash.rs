//! The power goes, or a call fails, at every point of every operation; the operation is run again,
//! and the end is as if nothing had happened.
//!
//! Each case begins with a prepared disk. The undisturbed run is counted in calls that change the
//! disk; then one fork of the disk for every n-th of them.

use domain::port::StoredDisk;
use event::Failure;
use sim::Loss;

use crate::fault::Result;
use crate::test_support::*;

/// How the world ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The power goes instead of the n-th call.
    Cut,
    /// The n-th call is done in part, then the power goes.
    Tear,
    /// The n-th call fails; the process goes on.
    Fail,
}

/// Runs `act` with a disturbance at every `step`-th call, again until it succeeds, and then `check`.
pub(crate) fn strike<T: PartialEq + std::fmt::Debug>(
    prepared: &House,
    step: u64,
    act: impl Fn(&House, u64) -> Result<T>,
    check: impl Fn(&House, &str),
) {
    let house = prepared.fork(0);
    let before = house.sim.calls();
    let expected = act(&house, 1).unwrap();
    let calls = house.sim.calls() - before;
    check(&house, "undisturbed");
    assert!(calls > 4, "{calls} calls are no operation");
    for end in [End::Cut, End::Tear, End::Fail] {
        for n in (1..=calls).step_by(usize::try_from(step).unwrap()) {
            let context = format!("{end:?} at call {n} of {calls}");
            let mut house = prepared.fork(n);
            house.sim.set_loss(if n % 2 == 0 { Loss::Everything } else { Loss::Seeded });
            match end {
                End::Cut => house.sim.cut_after(n),
                End::Tear => house.sim.tear_after(n),
                End::Fail => house.sim.fail_after(n, std::io::ErrorKind::Other),
            }
            let mut incarnation = 1;
            let mut result = act(&house, incarnation);
            while let Err(failure) = &result {
                assert!(!matches!(failure, Failure::Ours(_) | Failure::Cancelled), "{context}: {failure}");
                incarnation += 1;
                assert!(incarnation < 6, "{context}: {failure}");
                if !matches!(end, End::Fail) {
                    house.sim.power_on();
                    house = house.reopened();
                }
                result = act(&house, incarnation);
            }
            assert_eq!(result.as_ref().unwrap(), &expected, "{context}");
            // Again by the next process, as when the answer was not recorded.
            house.sim.power_cut();
            house.sim.power_on();
            let house = house.reopened();
            assert_eq!(act(&house, incarnation + 1).unwrap(), expected, "{context}, and again");
            check(&house, &context);
        }
    }
}

fn prepared() -> (House, StoredDisk) {
    let house = House::new(3);
    let (disk, _) = house.import("m-0", &guest_disk(50));
    (house, disk)
}

#[test]
fn a_transfer_survives_a_power_cut_at_any_call() {
    let (house, kept) = prepared();
    let source = house.put_source(&guest_disk(1));
    strike(
        &house,
        1,
        |house, incarnation| {
            let transferred = house.transfer(attempt(incarnation, 1), "m-1", &source)?;
            house.verify("m-1", &stored(&source, &transferred))?;
            Ok(transferred)
        },
        |house, context| {
            let transferred = house.transfer(attempt(99, 1), "m-1", &source).unwrap();
            house.settle(attempt(99, 1), "m-1").unwrap();
            let disk = stored(&source, &transferred);
            house.assert_clean(&Live::of("1", &[&kept, &disk]), context);
        },
    );
}

#[test]
fn a_settlement_survives_a_power_cut_at_any_call() {
    let (house, kept) = prepared();
    let source = house.put_source(&guest_disk(1));
    let disk = stored(&source, &house.transfer(attempt(1, 1), "m-1", &source).unwrap());
    strike(
        &house,
        1,
        |house, incarnation| house.settle(attempt(incarnation, 1), "m-1"),
        |house, context| {
            house.assert_clean(&Live::of("1", &[&kept, &disk]), context);
            house.verify("m-1", &disk).unwrap();
        },
    );
}

#[test]
fn a_discard_survives_a_power_cut_at_any_call_wherever_the_transfer_was() {
    let (house, kept) = prepared();
    let source = house.put_source(&guest_disk(1));
    let packs = house.examine(&Live::of("1", &[&kept])).packs;
    for stop in [1, 3, u64::MAX] {
        let house = house.fork(stop);
        let _ = house.transfer(cancelled_at(1, 1, stop), "m-1", &source);
        strike(
            &house.reopened(),
            1,
            |house, incarnation| house.discard(attempt(incarnation, 1), "m-1"),
            |house, context| {
                let live = Live::of("1", &[&kept]);
                house.assert_clean(&live, context);
                assert_eq!(house.examine(&live).packs, packs, "{context}");
            },
        );
    }
}

#[test]
fn a_transfer_cut_at_any_call_can_be_discarded() {
    let (house, kept) = prepared();
    let source = house.put_source(&guest_disk(1));
    let probe = house.fork(0);
    let before = probe.sim.calls();
    probe.transfer(attempt(1, 1), "m-1", &source).unwrap();
    let calls = probe.sim.calls() - before;
    for n in 1..=calls {
        let house = house.fork(n);
        house.sim.tear_after(n);
        let _ = house.transfer(attempt(1, 1), "m-1", &source);
        house.sim.power_on();
        let house = house.reopened();
        house.discard(attempt(2, 1), "m-1").unwrap();
        house.assert_clean(&Live::of("1", &[&kept]), &format!("torn at call {n}"));
    }
}

/// A disk in one region, and something else of its account in the other.
fn prepared_twin() -> (House, StoredDisk, StoredDisk) {
    let house = House::twin(3);
    let (disk, _) = house.import("m-0", &guest_disk(1));
    let source = house.put_source(&guest_disk(50));
    let job = domain::port::Job("m-1".into());
    let transferred =
        wait(domain::port::DataPlane::transfer(&house.plane, attempt(1, 1), &far("1"), &job, &source))
            .unwrap();
    house.settle_at(attempt(1, 1), &far("1"), "m-1").unwrap();
    let kept = stored(&source, &transferred);
    (house, disk, kept)
}

#[test]
fn a_copy_survives_a_power_cut_at_any_call() {
    let (house, disk, kept) = prepared_twin();
    // The same account moves frames, another one stores them anew; the third case is one store.
    let source = place("1");
    for (target, step) in [(far("1"), 1), (far("2"), 4), (place("2"), 3)] {
        let copy = |house: &House, work| house.copy(work, "c-1", &source, &disk, &target);
        strike(
            &house,
            step,
            |house, incarnation| {
                let copied = copy(house, attempt(incarnation, 1))?;
                house.verify_at(&target, "c-1", &disk)?;
                Ok(copied)
            },
            |house, context| {
                let copied = copy(house, attempt(99, 1)).unwrap();
                assert_eq!((copied.manifest, copied.root), (disk.manifest, disk.root), "{context}");
                house.settle_at(attempt(99, 1), &target, "c-1").unwrap();
                let (near_live, far_live) = (Live::of("1", &[&disk]), Live::of("1", &[&kept]));
                let live = if target.region == region() { &near_live } else { &far_live };
                live.add(&target.account.0, &disk);
                house.assert_clean(&near_live, context);
                house.assert_clean_at(&far("1"), &far_live, context);
            },
        );
    }
}

#[test]
fn a_copy_cancelled_and_cut_at_any_call_can_be_discarded_or_goes_on() {
    let (house, disk, kept) = prepared_twin();
    let copy = |house: &House, work| house.copy(work, "c-1", &place("1"), &disk, &far("1"));
    let probe = house.fork(0);
    let before = probe.sim.calls();
    let expected = copy(&probe, attempt(1, 1)).unwrap();
    let calls = probe.sim.calls() - before;
    for n in 1..=calls {
        for tear in [false, true] {
            let house = house.fork(n);
            if tear {
                house.sim.tear_after(n);
            }
            let _ = copy(&house, cancelled_at(1, 1, 1 + n % 5));
            if !tear {
                house.sim.power_cut();
            }
            house.sim.power_on();
            let house = house.reopened();
            let context = format!("at call {n} of {calls}, torn: {tear}");
            let other = house.fork(n);
            house.discard_at(attempt(2, 1), &far("1"), "c-1").unwrap();
            house.assert_clean_at(&far("1"), &Live::of("1", &[&kept]), &context);
            house.assert_clean(&Live::of("1", &[&disk]), &context);
            assert_eq!(copy(&other, attempt(2, 1)).unwrap(), expected, "{context}");
            other.settle_at(attempt(2, 1), &far("1"), "c-1").unwrap();
            other.assert_clean_at(&far("1"), &Live::of("1", &[&kept, &disk]), &context);
        }
    }
}

#[test]
fn a_read_that_fails_anywhere_in_a_copy_costs_an_attempt_and_nothing_else() {
    let (house, disk, kept) = prepared_twin();
    let copy = |house: &House, number| house.copy(attempt(1, number), "c-1", &place("1"), &disk, &far("2"));
    let probe = house.fork(0);
    let before = probe.sim.reads();
    let expected = copy(&probe, 1).unwrap();
    let reads = probe.sim.reads() - before;
    let mut failed = 0;
    for n in (1..=reads).step_by(3) {
        let house = house.fork(n);
        house.sim.fail_read(n, std::io::ErrorKind::Other);
        let first = copy(&house, 1);
        if let Err(failure) = &first {
            assert!(matches!(failure, Failure::World(_)), "read {n} of {reads}: {failure}");
            failed += 1;
        }
        house.sim.clear_faults();
        assert_eq!(copy(&house, 2).unwrap(), expected, "read {n} of {reads}");
        house.settle_at(attempt(1, 1), &far("2"), "c-1").unwrap();
        let house = house.restarted();
        let live = Live::of("1", &[&kept]);
        live.add("2", &disk);
        house.assert_clean_at(&far("2"), &live, &format!("read {n} of {reads}"));
    }
    assert!(failed > 10, "{failed} of {reads}");
}

#[test]
fn a_blank_disk_survives_a_power_cut_at_any_call() {
    use domain::port::{DataPlane, Job};
    let (house, kept) = prepared();
    let blank = |house: &House, incarnation| {
        wait(house.plane.blank(attempt(incarnation, 1), &place("1"), &Job("b-1".into()), 3 << 40))
    };
    strike(&house, 1, blank, |house, context| {
        let made = blank(house, 99).unwrap();
        let disk = StoredDisk { manifest: made.manifest, disk_bytes: 3 << 40, root: made.root };
        house.verify("b-1", &disk).unwrap();
        house.settle(attempt(99, 1), "b-1").unwrap();
        house.assert_clean(&Live::of("1", &[&kept, &disk]), context);
    });
}

#[test]
fn an_export_survives_a_power_cut_at_any_call() {
    let (house, kept) = prepared();
    let (path, disk) = (format!("{OUT}/a.raw"), guest_disk(50));
    for replace in [false, true] {
        let house = house.fork(u64::from(replace));
        if replace {
            house.sim.put(&path, b"the one before");
        }
        let target = domain::port::Target { replace, ..target("a.raw") };
        strike(
            &house,
            1,
            |house, incarnation| house.export(attempt(incarnation, 1), "x-1", &kept, &target),
            |house, context| {
                use files::Files;
                assert!(file_is(&house.sim, &path, &disk), "{context}");
                assert_eq!(house.sim.mount().list(OUT.as_ref()).unwrap(), ["a.raw"], "{context}");
            },
        );
    }
}

#[test]
fn an_export_cut_at_any_call_can_be_undone() {
    let (house, kept) = prepared();
    let target = target("a.raw");
    let probe = house.fork(0);
    let before = probe.sim.calls();
    probe.export(attempt(1, 1), "x-1", &kept, &target).unwrap();
    let calls = probe.sim.calls() - before;
    for n in 1..=calls + 1 {
        use files::Files;
        let house = house.fork(n);
        house.sim.cut_after(n);
        let _ = house.export(attempt(1, 1), "x-1", &kept, &target);
        house.sim.power_on();
        let house = house.reopened();
        house.discard_export("x-1", &target).unwrap();
        assert_eq!(house.sim.mount().list(OUT.as_ref()).unwrap(), [""; 0], "cut at call {n}");
        assert_eq!(house.collect(attempt(3, 1), "c-1", &Live::default()).unwrap().waiting_chunks, 0);
    }
}

#[test]
fn a_collection_survives_a_power_cut_at_any_call() {
    let (house, _) = prepared();
    let mut changed = guest_disk(50);
    changed[0..100 << 10].copy_from_slice(&noise(9, 100 << 10));
    let (kept, _) = house.import("m-1", &changed);
    let live = Live::of("1", &[&kept]);
    strike(
        &house,
        1,
        |house, incarnation| house.collect(attempt(incarnation, 1), "c-1", &live),
        |house, context| {
            house.assert_clean(&live, context);
            house.verify("m-1", &kept).unwrap();
        },
    );
}

#[test]
fn making_a_store_survives_a_power_cut_at_any_call() {
    use domain::port::DataPlane;
    let sim = sim::SimFiles::new(1);
    sim.put_dir(ROOT);
    strike(
        &House::on(&sim, options()),
        1,
        |house, _| wait(house.plane.make_store(&region(), &store())),
        |house, context| house.assert_clean(&Live::default(), context),
    );
}
