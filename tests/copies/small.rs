//! Small disks of many contents: text-like blocks, holes, and stretches that many of them share.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::chance::Chance;

/// What a disk is made of; as large as the largest chunk.
pub const STRETCH_BYTES: u64 = 256 << 10;
/// Contents that any disk may have.
pub const SHARED: u64 = 16;
/// A disk has at least so many stretches: 1 MiB.
const STRETCHES_MIN: u64 = 4;
/// And at most so many: 4 MiB.
const STRETCHES_MAX: u64 = 16;
/// Size of the largest.
pub const BYTES_MAX: u64 = STRETCHES_MAX * STRETCH_BYTES + TAIL_BYTES;
/// Disks end in the middle of nothing: an odd number of sectors behind the last stretch.
const TAIL_BYTES: u64 = 512;

/// A part of a long disk: what the data plane records as one.
const PART_BYTES: u64 = 16 << 20;
/// Parts of a long disk.
const LONG_PARTS: u64 = 8;
/// Stretches in each part of it.
const LONG_STRETCHES: u64 = 4;

/// Makes a disk of 1 to 4 MiB.
pub fn make(path: &Path, chance: &mut Chance) {
    let file = File::create_new(path).unwrap();
    let stretches = STRETCHES_MIN + chance.below(STRETCHES_MAX - STRETCHES_MIN);
    file.set_len(stretches * STRETCH_BYTES + TAIL_BYTES).unwrap();
    for stretch in 0..stretches {
        // The first is always its own, so that no two disks are the same.
        let bytes = match if stretch == 0 { 3 } else { chance.below(4) } {
            0 => continue,
            1 => content(1 + chance.below(SHARED)),
            _ => content(chance.next()),
        };
        file.write_all_at(&bytes, stretch * STRETCH_BYTES).unwrap();
    }
}

/// Makes a disk that is large for what is in it: a few stretches at long distances, so that a copy of
/// it is recorded in several steps.
pub fn make_long(path: &Path, chance: &mut Chance) {
    let file = File::create_new(path).unwrap();
    file.set_len(LONG_PARTS * PART_BYTES + TAIL_BYTES).unwrap();
    for part in 0..LONG_PARTS {
        for stretch in 0..LONG_STRETCHES {
            file.write_all_at(&content(chance.next()), part * PART_BYTES + stretch * STRETCH_BYTES).unwrap();
        }
    }
}

/// A stretch that compresses by about a half, as what is on disks does.
fn content(seed: u64) -> Vec<u8> {
    let mut chance = Chance::new(seed);
    let words = STRETCH_BYTES / 8;
    (0..words).flat_map(|_| (chance.next() & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes()).collect()
}
