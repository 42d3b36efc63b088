//! The wires of a running `kiln serve`, as rude as the world is to them.
//!
//! [`kill`] sends a hundred requests at once, kills the server in the middle and looks what became of each;
//! [`abuse`] sends what nobody should and looks whether everybody else is still served. The client is the house's
//! own signatures over plain sockets, so that a test may also break off, trickle and lie.

#![expect(unreachable_pub, reason = "what the modules of a test offer, they offer to it")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[path = "wire/abuse.rs"]
mod abuse;
#[path = "torture/chance.rs"]
mod chance;
#[path = "wire/client.rs"]
mod client;
#[path = "wire/kill.rs"]
mod kill;
#[path = "wire/objects.rs"]
mod objects;
#[path = "wire/own.rs"]
mod own;
#[path = "wire/program.rs"]
mod program;
#[path = "wire/server.rs"]
mod server;
#[path = "wire/soups.rs"]
mod soups;
#[path = "wire/things.rs"]
mod things;

#[test]
fn a_hundred_requests_killed_in_the_middle_each_happen_whole_or_not_at_all() {
    kill::play();
}

#[test]
fn soups_of_requests_are_told_what_is_wrong_with_them() {
    soups::play();
}

#[test]
fn a_schedule_starts_nothing_that_whoever_makes_it_may_not_start() {
    own::a_schedule_starts_nothing_that_whoever_makes_it_may_not_start();
}

#[test]
fn more_than_is_allowed_in_a_minute_is_throttled() {
    abuse::more_than_is_allowed_in_a_minute_is_throttled();
}

#[test]
fn more_than_is_answered_at_once_is_throttled_and_nobody_is_cut_off() {
    abuse::more_than_is_answered_at_once_is_throttled_and_nobody_is_cut_off();
}

#[test]
fn requests_that_trickle_in_keep_nobody_waiting() {
    abuse::requests_that_trickle_in_keep_nobody_waiting();
}

#[test]
fn a_body_of_10_gib_is_refused_unread() {
    abuse::a_body_of_10_gib_is_refused_unread();
}

#[test]
fn a_hundred_thousand_parameters_are_refused() {
    abuse::a_hundred_thousand_parameters_are_refused();
}

#[test]
fn ten_thousand_idle_connections_leave_it_serving() {
    abuse::ten_thousand_idle_connections_leave_it_serving();
}

#[test]
fn a_request_that_was_captured_is_of_no_use_after_a_kill_and_a_restart_either() {
    abuse::a_request_that_was_captured_is_of_no_use_after_a_kill_and_a_restart_either();
}
