//! The partition table of the boot sector, and the chain of logical partitions that may hang on it.
//!
//! | in the sector | | in an entry | |
//! |---|---|---|---|
//! | 440 | the disk's signature | 0 | 0x80 if a BIOS boots it, else 0 |
//! | 446 | four entries of 16 bytes | 4 | type |
//! | 510 | 0x55 0xaa | 8 | first sector, sectors |

use crate::partitions::{Partition, SECTOR_BYTES};
use crate::source::{Result, Stretch, u16_at, u32_at};

/// Linux names at most 255 partitions of a disk; nobody has made more than a few logical ones, and
/// a chain may lead back into itself.
const LOGICAL_MAX: u32 = 60;
/// Where the entries begin.
const ENTRIES_AT: usize = 446;
/// Types that hold a chain of logical partitions: of DOS, of Windows, of Linux.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// The type of a partition that stands for a GPT.
const PROTECTIVE: u8 = 0xee;
/// The type of the EFI system partition.
const ESP: u8 = 0xef;
/// A sector of an MBR is 512 bytes, whatever the disk's own is.
const SECTOR: u64 = SECTOR_BYTES as u64;

struct Entry {
    flag: u8,
    kind: u8,
    begin: u64,
    bytes: u64,
}

fn entries(sector: &[u8]) -> [Entry; 4] {
    [0, 1, 2, 3].map(|number| {
        let entry = &sector[ENTRIES_AT + 16 * number..][..16];
        let sectors = |at| u64::from(u32_at(entry, at)) * SECTOR;
        Entry { flag: entry[0], kind: entry[4], begin: sectors(8), bytes: sectors(12) }
    })
}

/// The partitions, if the boot sector is a table: file systems sign their first sector the same way
/// and have a program where the entries would be.
pub(crate) fn read(disk: Stretch<'_>, sector: &[u8]) -> Result<Option<Vec<Partition>>> {
    let entries = entries(sector);
    let makes_sense = |entry: &Entry| {
        matches!(entry.flag, 0 | 0x80)
            && (entry.kind == 0 || entry.bytes > 0 && entry.begin > 0 && entry.begin < disk.bytes)
    };
    if !entries.iter().all(makes_sense) || entries.iter().all(|entry| entry.kind == 0) {
        return Ok(None);
    }
    let signature = u32_at(sector, 440);
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(&entries) {
        if entry.kind != 0 && entry.kind != PROTECTIVE && !EXTENDED.contains(&entry.kind) {
            partitions.push(partition(number, entry, entry.begin, signature));
        }
    }
    if let Some(extended) = entries.iter().find(|entry| EXTENDED.contains(&entry.kind)) {
        logical(disk, extended.begin, signature, &mut partitions)?;
    }
    Ok(Some(partitions))
}

/// Follows the chain: each link is a table with a partition, counted from the link itself, and the
/// next link, counted from the first.
fn logical(disk: Stretch<'_>, first: u64, signature: u32, partitions: &mut Vec<Partition>) -> Result<()> {
    let mut at = first;
    for number in 5..5 + LOGICAL_MAX {
        let Some(sector) = disk.try_read(at, SECTOR_BYTES)?.filter(|sector| u16_at(sector, 510) == 0xaa55)
        else {
            return Ok(());
        };
        let [own, next, ..] = entries(&sector);
        let begin = at + own.begin;
        if own.kind != 0 && own.bytes > 0 && begin < disk.bytes {
            partitions.push(partition(number, &own, begin, signature));
        }
        if !EXTENDED.contains(&next.kind) || next.begin == 0 {
            return Ok(());
        }
        at = first + next.begin;
    }
    Ok(())
}

fn partition(number: u32, entry: &Entry, begin: u64, signature: u32) -> Partition {
    Partition {
        number,
        begin,
        bytes: entry.bytes,
        uuid: format!("{signature:08x}-{number:02x}"),
        is_esp: entry.kind == ESP,
        ..Partition::default()
    }
}
