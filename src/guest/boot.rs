//! How the disk is booted, told from its partitions alone.

use crate::codes;
use crate::inventory::Inventory;
use crate::item::Finding;

/// The ECS API's word for it: a disk that boots both ways prefers UEFI.
pub(crate) fn mode(inventory: &Inventory) -> Finding {
    match (inventory.boots_by_bios, !inventory.loaders.is_empty()) {
        (true, true) => Finding::fine("UEFI-Preferred"),
        (false, true) => Finding::fine("UEFI"),
        (true, false) => Finding::fine("BIOS"),
        (false, false) => Finding::risk("Not Found", codes::BOOT_NOT_FOUND),
    }
}

/// The machine that the loaders are for, where no root file system tells: firmware looks for one
/// name a machine.
pub(crate) fn architecture(inventory: &Inventory) -> Option<Finding> {
    let names = [("BOOTX64.EFI", "x86_64"), ("BOOTAA64.EFI", "arm64"), ("BOOTIA32.EFI", "i386")];
    let has = |name: &str| inventory.loaders.iter().any(|loader| loader.ends_with(name));
    names.iter().find(|(name, _)| has(name)).map(|(_, machine)| Finding::fine(*machine))
}

/// Whether Windows' boot manager is on the system partition; nothing is said of a disk that a BIOS
/// boots, where it lies in NTFS.
pub(crate) fn boot_manager(inventory: &Inventory) -> Option<Finding> {
    if inventory.loaders.is_empty() {
        return None;
    }
    // The short name of BOOTMGFW.EFI is itself.
    let is_there = inventory.loaders.iter().any(|loader| loader.ends_with("/BOOTMGFW.EFI"));
    Some(if is_there { Finding::fine("Found") } else { Finding::risk("Not Found", codes::BOOT_NOT_FOUND) })
}

/// How the disk is divided.
pub(crate) fn layout(inventory: &Inventory) -> Finding {
    let count = inventory.volumes.iter().filter(|volume| volume.partition.number > 0).count();
    Finding::fine(match (inventory.is_gpt, count) {
        (_, 0) => "no partitions".to_owned(),
        (true, count) => format!("GPT, {count} partitions"),
        (false, count) => format!("MBR, {count} partitions"),
    })
}
