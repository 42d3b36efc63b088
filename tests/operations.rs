//! Every operation under every fault: a power cut at each call to the disk, a failure at each
//! call, a cancel at each call, every step run twice. Afterwards the log is the undisturbed one
//! (per flow: the same paths, kinds and payloads), or the operation is undone and the world clean.
//!
//! The engine, the stories and the data plane are the real ones; only the disk under them is
//! simulated, and forgets what was not synced. An operation enters by one line in [`cases::all`].

#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]
#![expect(unreachable_pub, reason = "what the modules of a test offer, they offer to it")]

#[path = "operations/access.rs"]
mod access;
#[path = "operations/batches.rs"]
mod batches;
#[path = "operations/cases.rs"]
mod cases;
#[path = "operations/faults.rs"]
mod faults;
#[path = "operations/golden.rs"]
mod golden;
#[path = "operations/held.rs"]
mod held;
#[path = "operations/images.rs"]
mod images;
#[path = "operations/network.rs"]
mod network;
#[path = "operations/ports.rs"]
mod ports;
#[path = "operations/schedules.rs"]
mod schedules;
#[path = "operations/things.rs"]
mod things;
#[path = "operations/upkeeps.rs"]
mod upkeeps;
#[path = "operations/world.rs"]
mod world;

use cases::all;
use faults::{Fault, check_every};

#[test]
fn an_operation_survives_a_power_cut_at_any_call_to_the_disk() {
    for case in all() {
        check_every(&case, Fault::PowerCut);
    }
}

#[test]
fn an_operation_survives_a_write_torn_by_a_power_cut() {
    for case in all() {
        check_every(&case, Fault::TornWrite);
    }
}

#[test]
fn an_operation_that_meets_a_failing_disk_goes_on_or_leaves_nothing() {
    for case in all() {
        check_every(&case, Fault::Failure);
    }
}

#[test]
fn an_operation_that_meets_a_full_disk_goes_on_or_leaves_nothing() {
    for case in all() {
        check_every(&case, Fault::Full);
    }
}

#[test]
fn an_operation_cancelled_at_any_point_ends_whole_or_leaves_nothing() {
    for case in all() {
        check_every(&case, Fault::Cancel);
    }
}

#[test]
fn an_undo_survives_a_power_cut_at_any_call_to_the_disk() {
    for case in all() {
        check_every(&case, Fault::PowerCutWhileUndoing);
    }
}

#[test]
fn steps_and_undos_run_twice_do_what_they_do_once() {
    for case in all() {
        faults::check_twice(&case);
    }
}

#[test]
fn an_undo_of_a_step_that_never_began_does_nothing() {
    for case in all() {
        faults::check_undo_of_nothing(&case);
    }
}

/// A disk that stays full, unlike the one call of [`Fault::Full`]: packs stop at the reserve, the log
/// can still be written, the import is undone and what it took comes back.
#[test]
fn an_import_that_fills_the_disk_gives_its_space_back_and_everything_else_goes_on() {
    faults::check_full_disk();
}

#[test]
fn the_story_of_each_operation_is_the_one_on_record() {
    for case in all() {
        insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("story_{}", case.name), faults::undisturbed(&case).log.to_string());
        });
    }
}
