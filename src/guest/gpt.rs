//! The GUID partition table: the first one, or the second at the end if the first is damaged.
//!
//! | header | | entry | |
//! |---|---|---|---|
//! | 0 | `EFI PART` | 0 | GUID of the type |
//! | 12 | length of the header | 16 | GUID of the partition |
//! | 16 | its CRC32, taken as zero in it | 32 | first sector |
//! | 24 | its own sector | 40 | last sector |
//! | 72 | sector of the entries | 56 | name, UTF-16 |
//! | 80 | how many, how long each | | |
//! | 88 | CRC32 over them | | |

use crate::partitions::Partition;
use crate::source::{Result, Stretch, index, u16_at, u32_at, u64_at, uuid_of};

/// Sectors a disk may count in; images made for one kind are at times put on the other.
const SECTORS_BYTES: [u64; 2] = [512, 4096];
/// A header is never longer than its sector.
const HEADER_BYTES: usize = 512;
/// What it has at least; version 1.0 has no more.
const HEADER_BYTES_MIN: usize = 92;
/// Tables are made with 128 entries; what Linux reads ends at 256 partitions a disk.
const ENTRIES_MAX: u32 = 256;
/// Of 128 bytes each; the standard lets them grow in doublings and nobody has.
const ENTRY_BYTES: u32 = 128;

/// `c12a7328-f81f-11d2-ba4b-00a0c93ec93b`, as it lies on the disk.
const ESP: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
/// `21686148-6449-6e6f-744e-656564454649`, which spells a joke.
const BIOS_BOOT: &[u8; 16] = b"Hah!IdontNeedEFI";

/// The partitions, if there is a whole table.
pub(crate) fn read(disk: Stretch<'_>) -> Result<Option<Vec<Partition>>> {
    for sector_bytes in SECTORS_BYTES {
        let last = (disk.bytes / sector_bytes).saturating_sub(1);
        for sector in [1, last] {
            if let Some(partitions) = read_at(disk, sector_bytes, sector)? {
                return Ok(Some(partitions));
            }
        }
    }
    Ok(None)
}

fn read_at(disk: Stretch<'_>, sector_bytes: u64, sector: u64) -> Result<Option<Vec<Partition>>> {
    let Some(mut header) = disk.try_read(sector * sector_bytes, HEADER_BYTES)? else { return Ok(None) };
    let header_bytes = usize::try_from(u32_at(&header, 12)).unwrap_or(0);
    if !header.starts_with(b"EFI PART")
        || !(HEADER_BYTES_MIN..=HEADER_BYTES).contains(&header_bytes)
        || u64_at(&header, 24) != sector
    {
        return Ok(None);
    }
    let (expected, expected_of_entries) = (u32_at(&header, 16), u32_at(&header, 88));
    header[16..20].fill(0);
    let (count, entry_bytes) = (u32_at(&header, 80), u32_at(&header, 84));
    if crc32(&header[..header_bytes]) != expected || count > ENTRIES_MAX || entry_bytes != ENTRY_BYTES {
        return Ok(None);
    }
    let begin = u64_at(&header, 72).checked_mul(sector_bytes);
    let length = index(u64::from(count) * u64::from(entry_bytes));
    let Some(entries) = begin.map(|begin| disk.try_read(begin, length)).transpose()?.flatten() else {
        return Ok(None);
    };
    if crc32(&entries) != expected_of_entries {
        return Ok(None);
    }
    let entries = (1..).zip(entries.chunks_exact(index(u64::from(ENTRY_BYTES))));
    Ok(Some(
        entries.filter_map(|(number, entry)| partition(number, entry, sector_bytes, disk.bytes)).collect(),
    ))
}

/// A partition, if the entry is used and what it names lies on the disk.
fn partition(number: u32, entry: &[u8], sector_bytes: u64, disk_bytes: u64) -> Option<Partition> {
    let kind = &entry[..16];
    if kind.iter().all(|&byte| byte == 0) {
        return None;
    }
    let begin = u64_at(entry, 32).checked_mul(sector_bytes)?;
    let end = u64_at(entry, 40).checked_add(1)?.checked_mul(sector_bytes)?;
    if begin == 0 || end <= begin || end > disk_bytes {
        return None;
    }
    let name = entry[56..128].chunks_exact(2).map(|unit| u16_at(unit, 0)).take_while(|&unit| unit != 0);
    Some(Partition {
        number,
        begin,
        bytes: end - begin,
        uuid: guid(&entry[16..32]),
        label: char::decode_utf16(name).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
        is_esp: kind == ESP,
        is_bios_boot: kind == BIOS_BOOT,
    })
}

/// A GUID as text: its first three fields lie with the low byte first.
fn guid(bytes: &[u8]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    uuid_of(&order.map(|at| bytes[at]))
}

/// The CRC of Ethernet and gzip, a byte a step.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, &byte: &u8| CRC32[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8);
    !bytes.iter().fold(!0, step)
}

/// What each byte does to a CRC.
const CRC32: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u32;
    while byte < 256 {
        let (mut crc, mut bit) = (byte, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
