//! Reads the directories of a FAT file system, as far as finding boot loaders on it needs.
//!
//! Only the short names: what firmware starts lies in `EFI`, and every loader ends in `.EFI`. File
//! contents are never read. A chain of clusters may lead back into itself, so directories are cut.

use crate::source::{Result, Stretch, text_of, u16_at, u32_at};

/// Entries looked at in one directory. A system partition has a few in each; long names take some
/// more.
const ENTRIES_MAX: usize = 4096;
/// Bytes of an entry: name 0..11, attributes 11, cluster 20 (high half) and 26.
const ENTRY_BYTES: usize = 32;
/// What an entry costs besides its bytes: a name is allocated for it.
const ENTRY_COST_BYTES: u64 = 256;
/// The attribute of a directory.
const DIRECTORY: u8 = 0x10;
/// The attributes that mark a part of a long name, or the label of the volume.
const LABEL: u8 = 0x08;

/// Where everything lies, from the boot sector.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    pub(crate) serial: u32,
    pub(crate) label: [u8; 11],
    /// Bits of an entry of the allocation table.
    bits: u8,
    cluster_bytes: u32,
    table_at: u64,
    /// Where the root directory lies if it has a place of its own, and its bytes.
    root_at: u64,
    root_bytes: u32,
    root_cluster: u32,
    data_at: u64,
    clusters: u32,
}

impl Geometry {
    /// Reads the boot sector; nothing unless every field makes sense.
    pub(crate) fn of(sector: &[u8], bytes: u64) -> Option<Self> {
        let sector_bytes = u32::from(u16_at(sector, 11));
        let per_cluster = u32::from(*sector.get(13)?);
        let reserved = u32::from(u16_at(sector, 14));
        let tables = u32::from(sector[16]);
        let root_bytes = u32::from(u16_at(sector, 17)) * 32;
        let first_or = |short: u16, long: u32| if short == 0 { long } else { u32::from(short) };
        let sectors = first_or(u16_at(sector, 19), u32_at(sector, 32));
        let table_sectors = first_or(u16_at(sector, 22), u32_at(sector, 36));
        let is_sane = u16_at(sector, 510) == 0xaa55
            && matches!(sector[0], 0xe9 | 0xeb)
            && matches!(sector_bytes, 512 | 1024 | 2048 | 4096)
            && per_cluster.is_power_of_two()
            && reserved > 0
            && matches!(tables, 1 | 2)
            && sectors > 0
            && table_sectors > 0
            && u64::from(sectors) * u64::from(sector_bytes) <= bytes;
        if !is_sane {
            return None;
        }
        let root_sectors = root_bytes.div_ceil(sector_bytes);
        let before_data =
            tables.checked_mul(table_sectors)?.checked_add(reserved)?.checked_add(root_sectors)?;
        let clusters = sectors.checked_sub(before_data)? / per_cluster;
        // The kind of a FAT is defined by this number and by nothing else.
        let bits = match clusters {
            0 => return None,
            1..4085 => 12,
            4085..65525 => 16,
            _ => 32,
        };
        let extension = if bits == 32 { 66 } else { 38 };
        let at = |sector: u32| u64::from(sector) * u64::from(sector_bytes);
        Some(Self {
            serial: u32_at(sector, extension + 1),
            label: sector[extension + 5..extension + 16].try_into().ok()?,
            bits,
            cluster_bytes: sector_bytes * per_cluster,
            table_at: at(reserved),
            root_at: at(before_data - root_sectors),
            root_bytes,
            root_cluster: if bits == 32 { u32_at(sector, 44) } else { 0 },
            data_at: at(before_data),
            clusters,
        })
    }
}

/// A name in a directory.
struct Entry {
    /// As in `BOOTX64.EFI`.
    name: String,
    is_directory: bool,
    cluster: u32,
}

/// The boot loaders on a system partition: `EFI/BOOT/BOOTX64.EFI`, sorted.
pub(crate) fn loaders(stretch: Stretch<'_>) -> Result<Vec<String>> {
    let sector = stretch.try_read(0, 512)?;
    let Some(geometry) = sector.and_then(|sector| Geometry::of(&sector, stretch.bytes)) else {
        return Ok(Vec::new());
    };
    let volume = Volume { stretch, geometry };
    let mut found = Vec::new();
    for efi in volume.directories(0, &|name| name == "EFI")? {
        for vendor in volume.directories(efi.cluster, &|_| true)? {
            let mut folders = vec![(vendor.name.clone(), vendor.cluster)];
            // Microsoft keeps its loader one folder deeper.
            for boot in volume.directories(vendor.cluster, &|name| name == "BOOT")? {
                folders.push((format!("{}/BOOT", vendor.name), boot.cluster));
            }
            for (path, cluster) in folders {
                let files = volume.list(cluster)?;
                let files = files
                    .iter()
                    .filter(|file| !file.is_directory && file.name.split('.').nth(1) == Some("EFI"));
                found.extend(files.map(|file| format!("EFI/{path}/{}", file.name)));
            }
        }
    }
    found.sort();
    Ok(found)
}

struct Volume<'a> {
    stretch: Stretch<'a>,
    geometry: Geometry,
}

impl Volume<'_> {
    fn directories(&self, cluster: u32, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Entry>> {
        let mut entries = self.list(cluster)?;
        entries.retain(|entry| entry.is_directory && wanted(&entry.name));
        Ok(entries)
    }

    /// The entries of a directory; of the root for cluster 0.
    fn list(&self, cluster: u32) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut at = if cluster == 0 { self.geometry.root_cluster } else { cluster };
        if at == 0 {
            let bytes = usize::try_from(self.geometry.root_bytes).unwrap_or(0);
            collect(&self.stretch.read(self.geometry.root_at, bytes)?, &mut entries);
            return Ok(entries);
        }
        let cluster_bytes = usize::try_from(self.geometry.cluster_bytes).unwrap_or(0);
        let clusters_max = (ENTRIES_MAX * ENTRY_BYTES).div_ceil(cluster_bytes);
        for _ in 0..clusters_max {
            let Some(number) = at.checked_sub(2).filter(|&number| number < self.geometry.clusters) else {
                break;
            };
            let offset = u64::from(number) * u64::from(self.geometry.cluster_bytes);
            let bytes = self.stretch.read(self.geometry.data_at + offset, cluster_bytes)?;
            let before = entries.len();
            let goes_on = collect(&bytes, &mut entries);
            self.stretch.source.charge((entries.len() - before) as u64 * ENTRY_COST_BYTES)?;
            if !goes_on {
                break;
            }
            at = self.next(at)?;
        }
        Ok(entries)
    }

    /// The cluster behind one; a number that is no cluster at the end of a chain.
    fn next(&self, cluster: u32) -> Result<u32> {
        let bit = u64::from(cluster) * u64::from(self.geometry.bits);
        let bytes = self.stretch.read(self.geometry.table_at + bit / 8, 4)?;
        let raw = u32_at(&bytes, 0);
        Ok(match self.geometry.bits {
            12 if bit % 8 == 0 => raw & 0xfff,
            12 => raw >> 4 & 0xfff,
            16 => raw & 0xffff,
            _ => raw & 0x0fff_ffff,
        })
    }
}

/// Takes the entries out of a piece of a directory; false if the directory ends in it.
fn collect(bytes: &[u8], entries: &mut Vec<Entry>) -> bool {
    for entry in bytes.chunks_exact(ENTRY_BYTES) {
        match entry[0] {
            0 => return false,
            // Removed, and `.` and `..`.
            0xe5 | b'.' => continue,
            _ if entry[11] & LABEL != 0 => continue,
            _ => {}
        }
        let (stem, extension) = (text_of(&entry[..8]), text_of(&entry[8..11]));
        let name = if extension.is_empty() { stem } else { format!("{stem}.{extension}") };
        let cluster = u32::from(u16_at(entry, 20)) << 16 | u32::from(u16_at(entry, 26));
        entries.push(Entry { name, is_directory: entry[11] & DIRECTORY != 0, cluster });
    }
    true
}
