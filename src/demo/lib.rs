//! `kiln demo`: shows on a real disk, in under a minute, what Kiln does, and checks every word of it.
//!
//! Nothing else has to be installed: `disk` makes a disk with a partition table, a file system and
//! files, `story` drives the very program it is part of as child processes, one of which is killed
//! in the middle of an import, and `sparse` compares what comes out with what went in. A claim
//! that turns out not to be so ends the demo with an error.
//!
//! It deliberately reaches nothing of Kiln but its command line: what it shows is what a user has.

pub mod disk;
mod error;
mod kiln;
pub mod sparse;
mod story;
#[cfg(test)]
mod tests;
mod text;

pub use error::Error;
pub use story::{Options, run};
