//! Races: operations that can meet are run two at a time, from both sides, in commit orders that
//! a seeded scheduler chooses. Whatever the order, the end is the end of some order.
//!
//! A pair's orders are found by running it one after the other: first A then B, and B then A. Then
//! both are begun at once behind the gate of [`sim::Race`], which lets one of them go at a time:
//! to a decide, to a step, to an undo. What it comes to (both answers, every row of the domain but
//! for times and numbers of the log, the files and the objects) has to be one of
//!
//! | outcome | when |
//! |---|---|
//! | A then B, B then A | always |
//! | A alone, and B refused by a word of [`rule::BUSY`] that says A is under way | A holds something for a while |
//! | B alone, and A refused so | the same from the other side |
//! | B alone, and A cancelled | a third competitor cancels A, and its cancel was accepted |
//! | nothing, A cancelled and B refused so | both of that |
//!
//! and nothing else: two operations that overlap never make a third thing. Into every other race from
//! each side come collections of chunks, which change no outcome. After each race the log
//! verifies and folds anew to the same rows, every count in a row is what can be counted, nothing
//! is held by a flow that has ended, and after a collection neither store lacks or hoards a chunk.
//!
//! `KILN_ORDERS` says how many orders a pair is tried in, `KILN_SEED` the first seed, and
//! `KILN_PAIR=publish/delete_image` picks pairs by their operations' names. What is deliberately not
//! here: threads. An attempt at a step runs by itself, so what is raced is the order of what the log and the
//! stores are told, and not of instructions.

#![expect(unreachable_pub, reason = "what the modules of a test offer, they offer to it")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[path = "torture/chance.rs"]
#[expect(dead_code, reason = "written for torture, which makes choices of its own")]
mod chance;
#[path = "races/consistent.rs"]
mod consistent;
#[path = "races/operation.rs"]
mod operation;
#[path = "races/outcome.rs"]
mod outcome;
#[path = "operations/ports.rs"]
mod ports;
#[path = "races/requests.rs"]
mod requests;
#[path = "races/rule.rs"]
mod rule;
#[path = "races/run.rs"]
mod run;
#[path = "races/scene.rs"]
mod scene;
#[expect(dead_code, reason = "written for the tests of operations, which look closer")]
#[path = "operations/world.rs"]
mod world;

/// Halves of the table, so that two processors share it.
#[test]
fn races_of_every_other_pair_end_as_some_order_would() {
    run::play(0, 2);
}

#[test]
fn races_of_the_other_pairs_end_as_some_order_would() {
    run::play(1, 2);
}

/// Two who ask under one request id have asked once, whoever is first and however far it is.
#[test]
fn races_of_one_request_asked_twice_are_one_operation() {
    run::play_joining();
}
