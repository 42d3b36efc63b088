//! What was acknowledged is there, whatever happens: the random tests that would not believe it.
//!
//! [`kill`] starts the real program again and again and kills it with SIGKILL at random moments;
//! [`power`] runs the engine, the stories and the data plane on a simulated disk that forgets and
//! tears what was not synced. Both keep a ledger of what was acknowledged, and print the seed they
//! began with; `KILN_SEED` repeats it.

#![expect(unreachable_pub, reason = "what the modules of a test offer, they offer to it")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[path = "torture/chance.rs"]
mod chance;
#[path = "torture/child.rs"]
mod child;
#[path = "torture/kill.rs"]
mod kill;
#[path = "torture/ledger.rs"]
mod ledger;
#[path = "operations/ports.rs"]
mod ports;
#[path = "torture/power.rs"]
mod power;
#[expect(dead_code, reason = "written for the tests of operations, which look closer")]
#[path = "operations/world.rs"]
mod world;

#[test]
fn torture_power_cuts_lose_nothing_that_was_acknowledged() {
    power::play();
}

#[test]
fn torture_by_kills_loses_nothing_that_was_acknowledged() {
    kill::play();
}
