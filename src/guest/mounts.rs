//! Whether what the guest will mount is on the disk: `/etc/fstab`, and the root that the boot loader
//! names.
//!
//! The boot loader's menu is a program in a language of its own, and it is not run: only the words
//! on the lines that start a kernel are looked at, and those that hold a variable are passed over.

use crate::codes;
use crate::inventory::{Inventory, Named};
use crate::item::Finding;
use crate::source::Result;
use crate::system::assigned;
use crate::view::Root;

/// Options of a line in `fstab` by which a system starts without it.
const NOT_WAITED_FOR: [&str; 2] = ["nofail", "noauto"];

/// Every device in `/etc/fstab`.
pub(crate) fn fstab(root: &dyn Root, inventory: &Inventory) -> Result<Option<Finding>> {
    let Some(text) = root.text("/etc/fstab")? else {
        // Systems of today find their partitions by type.
        return Ok(Some(Finding::fine("Not Found")));
    };
    let mut by_name = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [device, _, _, ..] = words[..] else { continue };
        let options = words.get(3).copied().unwrap_or_default();
        if options.split(',').any(|option| NOT_WAITED_FOR.contains(&option)) {
            continue;
        }
        match inventory.find(&unescaped(device)) {
            Named::Missing => {
                return Ok(Some(Finding::risk(
                    format!("{device} is not there"),
                    codes::FSTAB_DEVICE_NOT_FOUND,
                )));
            }
            Named::ByController => by_name = by_name.or(Some(device)),
            Named::Found | Named::Unknown => {}
        }
    }
    Ok(Some(match by_name {
        Some(device) => Finding::risk(format!("{device} has another name"), codes::FSTAB_DEVICE_NAME),
        None => Finding::fine("Supported"),
    }))
}

/// `fstab` writes a space as `\040`.
fn unescaped(word: &str) -> String {
    word.replace("\\040", " ")
}

/// Where menus lie: of GRUB in its versions, and of loaders that take one file.
const MENUS: &[&str] = &[
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/grub/menu.lst",
    "/boot/grub/grub.conf",
    "/boot/extlinux/extlinux.conf",
    "/boot/syslinux/syslinux.cfg",
];
/// Where a menu has one file an entry.
const ENTRIES: &str = "/boot/loader/entries";
/// Words that begin the line of a kernel, or of what is handed to it.
const KERNEL_LINES: &[&str] = &["linux", "linux16", "linuxefi", "kernel", "options", "append", "APPEND"];

/// What every entry of the menu mounts as root.
pub(crate) fn grub(root: &dyn Root, inventory: &Inventory) -> Result<Option<Finding>> {
    let mut texts = root.texts(ENTRIES, ".conf")?;
    for menu in MENUS {
        texts.extend(root.text(menu)?);
    }
    if texts.is_empty() {
        return Ok(Some(Finding::risk("Not Found", codes::GRUB_CONFIG_NOT_FOUND)));
    }
    // Fedora and its kin keep what all entries share in GRUB's environment.
    for path in ["/boot/grub2/grubenv", "/boot/grub/grubenv"] {
        let shared = root.text(path)?.and_then(|text| assigned(&text, "kernelopts"));
        texts.extend(shared.map(|words| format!("options {words}")));
    }
    let mut by_name = None;
    for device in texts.iter().flat_map(|text| roots(text)) {
        match inventory.find(device) {
            Named::Missing => {
                return Ok(Some(Finding::risk(
                    format!("root={device} is not there"),
                    codes::GRUB_ROOT_NOT_FOUND,
                )));
            }
            Named::ByController => by_name = by_name.or(Some(device)),
            Named::Found | Named::Unknown => {}
        }
    }
    Ok(Some(match by_name {
        Some(device) => Finding::risk(format!("root={device} has another name"), codes::GRUB_DEVICE_NAME),
        None => Finding::fine("Supported"),
    }))
}

/// The values of `root=` on the lines of kernels.
fn roots(text: &str) -> impl Iterator<Item = &str> {
    let lines = text
        .lines()
        .filter(|line| line.split_whitespace().next().is_some_and(|first| KERNEL_LINES.contains(&first)));
    lines
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.strip_prefix("root="))
        .filter(|device| !device.contains('$'))
}
