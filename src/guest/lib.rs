//! What a guest has on its disk: partitions, file systems, and what an image check says of them.
//!
//! Everything is read in user space through [`Disk`]; nothing is mounted, run or believed.

use std::io;

use domain::port::CheckItem;

/// The guest's bytes.
pub trait Disk: Send + Sync {
    /// Size of the disk.
    fn disk_bytes(&self) -> u64;

    /// Fills `out` with the bytes from `offset`, which lie inside the disk.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
}

/// Looks at a disk and says what it found, in the order of the ECS API's check names. Bounded in
/// time and memory whatever the guest has written.
///
/// # Errors
/// Only those of [`Disk::read_at`]: what a guest has written never fails a check.
pub fn check(_disk: &dyn Disk) -> io::Result<Vec<CheckItem>> {
    Ok(Vec::new())
}
