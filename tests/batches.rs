//! A batch whose process is killed with SIGKILL again and again ends with each line done exactly once.
//!
//! The real program runs a manifest, and is killed when so many more lines have ended ([`killed`]). Then the log is
//! read from its first event to its last, and what it says is held against what is stored: [`changes`] are many and
//! small, [`copies`] bring whole images to another region and send no more in a second than they may.

#![expect(unreachable_pub, reason = "what the modules of a test offer, they offer to it")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[path = "batches/changes.rs"]
mod changes;
#[path = "batches/copies.rs"]
mod copies;
#[path = "batches/killed.rs"]
mod killed;

#[test]
fn torture_batches_killed_again_and_again_do_each_line_exactly_once() {
    changes::play();
}

#[test]
fn torture_a_batch_of_copies_under_a_bandwidth_killed_again_and_again_ends_whole() {
    copies::play();
}
