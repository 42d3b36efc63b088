//! Tests at this room's door: what `open`, `detect` and `create` give for files that QEMU made, for
//! files that we made and QEMU reads, for files made to harm, and for files damaged at random.
//!
//! QEMU's tools are the oracle, so these tests need `qemu-img` and `qemu-io` and fail without them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod test_archive;
mod test_mutations;
mod test_read;
mod test_refusals;
mod test_support;
mod test_vhd;
mod test_vhd_refusals;
mod test_write;
