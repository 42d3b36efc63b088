//! The wires of a running `kiln serve`, as rude as the world is to them.
//!
//! [`kill`] sends a hundred requests at once, kills the server in the middle and looks what became of each. The client is the house's
//! own signatures over plain sockets, so that a test may also break off, trickle and lie.

#![expect(unreachable_pub, reason = "what the modules of a test offer, they offer to it")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[path = "torture/chance.rs"]
#[expect(dead_code, reason = "written for the torture, which also picks")]
mod chance;
#[path = "wire/client.rs"]
mod client;
#[path = "wire/kill.rs"]
mod kill;
#[path = "wire/objects.rs"]
mod objects;
#[path = "wire/server.rs"]
mod server;
#[path = "wire/things.rs"]
mod things;

#[test]
fn a_hundred_requests_killed_in_the_middle_each_happen_whole_or_not_at_all() {
    kill::play();
}
