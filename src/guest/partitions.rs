//! Which stretches of a disk are partitions, by the table found: GPT, MBR, or none.
//!
//! GPT comes first, because a disk that has one also has an MBR that only says so. Strict: a table
//! whose checksum is wrong is no table, and an entry that does not lie on the disk is left out.

use crate::gpt;
use crate::mbr;
use crate::source::{Result, Source, Stretch, u16_at};

/// The kinds of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// With GUIDs.
    Gpt,
    /// Of the boot sector, with logical partitions chained behind it.
    Mbr,
    /// The disk is not divided.
    None,
}

/// A stretch of the disk that has a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Partition {
    /// As in `/dev/vda1`.
    pub(crate) number: u32,
    /// First byte.
    pub(crate) begin: u64,
    /// Length.
    pub(crate) bytes: u64,
    /// As in `PARTUUID=`.
    pub(crate) uuid: String,
    /// As in `PARTLABEL=`; only GPT has it.
    pub(crate) label: String,
    /// The EFI system partition, by its type.
    pub(crate) is_esp: bool,
    /// Where GRUB keeps its core on a GPT disk that a BIOS boots.
    pub(crate) is_bios_boot: bool,
}

/// How a disk is divided.
pub(crate) struct Layout {
    /// By what.
    pub(crate) table: Table,
    /// By number.
    pub(crate) partitions: Vec<Partition>,
    /// Whether the boot sector holds a program that a BIOS would run.
    pub(crate) has_boot_code: bool,
}

/// The program of the boot sector ends where the disk's signature begins.
const BOOT_CODE_BYTES: usize = 440;
/// The boot sector, and the sector in which tables count on most disks.
pub(crate) const SECTOR_BYTES: usize = 512;

/// Reads the table.
pub(crate) fn read(source: &Source<'_>) -> Result<Layout> {
    let disk = Stretch::whole(source);
    let Some(sector) = disk.try_read(0, SECTOR_BYTES)? else {
        return Ok(Layout { table: Table::None, partitions: Vec::new(), has_boot_code: false });
    };
    let is_signed = u16_at(&sector, 510) == 0xaa55;
    let has_boot_code = is_signed && sector[..BOOT_CODE_BYTES].iter().any(|&byte| byte != 0);
    if let Some(partitions) = gpt::read(disk)? {
        return Ok(Layout { table: Table::Gpt, partitions, has_boot_code });
    }
    if is_signed && let Some(partitions) = mbr::read(disk, &sector)? {
        return Ok(Layout { table: Table::Mbr, partitions, has_boot_code });
    }
    // The boot sector of a file system holds a program too, but no BIOS gets far with it.
    Ok(Layout { table: Table::None, partitions: Vec::new(), has_boot_code: false })
}
