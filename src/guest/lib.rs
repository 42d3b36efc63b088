//! What a guest has on its disk: partitions, file systems, and what an image check says of them.
//!
//! Everything is read in user space through [`Disk`]; nothing is mounted, run or believed.
//!
//! ```text
//! Disk ─> source ─> partitions ─> recognise ─> inventory ─┬─> boot ──────────────────────────┐
//!        (bounds)    (gpt, mbr)     (fat: loaders)         │                                  ├─> items
//!                                                          └─> ext (journal) ─> view ─> system,
//!                                                                       kernel, mounts, network …
//! ```
//!
//! A check is a pure function from a view of files, and at times of what is on the disk, to a
//! finding. It says nothing where nothing can be told. ext2, ext3 and ext4 are read; of other file
//! systems it is said that they are there. [`codes`] lists what can be wrong.
//!
//! The values of the items named [`OS_VERSION`] and [`KERNEL_VERSION`] are those of the system tags
//! `acs:ecs:image:osVersion` and `acs:ecs:image:kernelVersion`; an item that has a risk code has
//! none.
//!
//! ```
//! struct Blank;
//! impl guest::Disk for Blank {
//!     fn disk_bytes(&self) -> u64 {
//!         1 << 30
//!     }
//!     fn read_at(&self, _offset: u64, out: &mut [u8]) -> std::io::Result<()> {
//!         out.fill(0);
//!         Ok(())
//!     }
//! }
//! let items = guest::check(&Blank)?;
//! assert_eq!(items.last().map(|item| &*item.risk_code), Some("FileSystem.NotFound"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod boot;
pub mod codes;
mod ext;
mod fat;
mod gpt;
mod inventory;
mod item;
mod journal;
mod kernel;
mod mbr;
mod mounts;
mod network;
mod partitions;
mod recognise;
mod services;
mod source;
mod system;
mod view;

#[cfg(test)]
mod test_checks;

use std::io;

use domain::port::CheckItem;

use crate::inventory::{Inventory, Opened, Search, Volume};
use crate::item::Finding;
use crate::recognise::Kind;
use crate::source::{Source, Trouble};
use crate::view::Root;

/// The item whose value is the version of the operating system: `Debian GNU/Linux 12 (bookworm)`.
pub const OS_VERSION: &str = "GUESTOS.OSVersion";
/// The item whose value is the version of the newest kernel: `6.1.0-18-amd64`.
pub const KERNEL_VERSION: &str = "GUESTOS.KernelVersion";

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
pub fn check(disk: &dyn Disk) -> io::Result<Vec<CheckItem>> {
    let source = Source::new(disk);
    let mut report = Report::default();
    let looked = look(&source, &mut report).or_else(|trouble| {
        report.unreadable.push(inventory::excused(trouble, "the disk")?);
        Ok(())
    });
    match looked {
        Err(Trouble::World(error)) => return Err(error),
        Err(_) => report.unreadable.push(Finding::risk("given up", codes::FILE_SYSTEM_TOO_COSTLY)),
        Ok(()) => {}
    }
    Ok(report.items())
}

/// What a check asks of a guest's files.
type FileCheck = fn(&dyn Root) -> source::Result<Option<Finding>>;
/// What it asks of them and of the disk they lie on.
type DiskCheck = fn(&dyn Root, &Inventory) -> source::Result<Option<Finding>>;

/// A check in the list.
enum Check {
    Files(FileCheck),
    Disk(DiskCheck),
}

/// All checks of a Linux system, in the order of the ECS API.
const LINUX: &[(&str, Check)] = &[
    ("GUESTOS.Platform", Check::Files(system::platform)),
    (OS_VERSION, Check::Files(system::os_version)),
    ("GUESTOS.Architecture", Check::Files(system::architecture)),
    ("GUESTOS.RtcTimeMode", Check::Files(system::rtc_time_mode)),
    ("GUESTOS.BootMode", Check::Disk(|_, inventory| Ok(Some(boot::mode(inventory))))),
    (KERNEL_VERSION, Check::Files(kernel::version)),
    ("GUESTOS.Virtio", Check::Files(kernel::virtio)),
    ("GUESTOS.Nvme", Check::Files(kernel::nvme)),
    ("GUESTOS.Fstab", Check::Disk(mounts::fstab)),
    ("GUESTOS.Grub", Check::Disk(mounts::grub)),
    ("GUESTOS.Dhcp", Check::Files(network::dhcp)),
    ("GUESTOS.CloudInit", Check::Files(services::cloud_init)),
    ("GUESTOS.SSHD", Check::Files(services::sshd)),
    ("GUESTOS.OnlineResizeFS", Check::Files(services::online_resize)),
    ("GUESTOS.Selinux", Check::Files(services::selinux)),
    ("GUESTOS.SecurityCenterAgent", Check::Files(services::security_agent)),
];

/// The item that says what the disk holds and what of it was not understood; ours, and the last.
const FILE_SYSTEM: &str = "GUESTOS.FileSystem";

/// What has been told so far.
#[derive(Default)]
struct Report {
    items: Vec<CheckItem>,
    /// Where the root file system lies, or what else there is.
    held: String,
    is_nothing_held: bool,
    /// What was not understood, the first first.
    unreadable: Vec<Finding>,
}

impl Report {
    fn add(&mut self, name: &str, finding: Option<Finding>) {
        self.items.extend(finding.map(|finding| finding.named(name)));
    }

    fn items(mut self) -> Vec<CheckItem> {
        let finding = match self.unreadable.first() {
            Some(first) => first.clone(),
            None if self.is_nothing_held => Finding::risk("Not Found", codes::FILE_SYSTEM_NOT_FOUND),
            None => Finding::fine(&self.held),
        };
        self.add(FILE_SYSTEM, Some(finding));
        self.items
    }
}

fn look(source: &Source<'_>, report: &mut Report) -> source::Result<()> {
    let inventory = Inventory::take(source)?;
    let known: Vec<&Volume> = inventory.volumes.iter().filter(|volume| volume.content.is_some()).collect();
    report.is_nothing_held = known.is_empty();
    let Search { opened, boot_only, unreadable } = inventory::open(source, &inventory)?;
    report.unreadable = unreadable;
    if let Some(Opened { view, volume }) = opened {
        report.held = volume.words();
        return from_files(&view, LINUX.iter(), &inventory, report);
    }
    report.held = known.iter().map(|volume| volume.words()).collect::<Vec<_>>().join(", ");
    from_outside(&inventory, report);
    let Some(boot) = boot_only else { return Ok(()) };
    let told = LINUX.iter().filter(|(name, _)| TOLD_BY_BOOT.contains(name));
    from_files(&boot, told, &inventory, report)
}

/// What `/boot` tells of a guest whose root cannot be looked into. Of drivers it does not: modules
/// lie in the root.
const TOLD_BY_BOOT: [&str; 2] = [KERNEL_VERSION, "GUESTOS.Grub"];

/// Runs checks of files.
fn from_files<'c>(
    root: &dyn Root,
    checks: impl Iterator<Item = &'c (&'static str, Check)>,
    inventory: &Inventory,
    report: &mut Report,
) -> source::Result<()> {
    for (name, check) in checks {
        let finding = match check {
            Check::Files(check) => check(root),
            Check::Disk(check) => check(root, inventory),
        };
        match finding {
            Ok(finding) => report.add(name, finding),
            Err(trouble) => {
                let finding = inventory::excused(trouble, &report.held)?;
                report.unreadable.push(finding);
            }
        }
    }
    Ok(())
}

/// Tells what can be told without reading a root file system.
fn from_outside(inventory: &Inventory, report: &mut Report) {
    let has = |kinds: &[Kind]| {
        inventory.volumes.iter().any(|volume| volume.kind().is_some_and(|kind| kinds.contains(&kind)))
    };
    let is_linux = has(&[Kind::Xfs, Kind::Btrfs, Kind::Lvm, Kind::Luks, Kind::Raid, Kind::Swap])
        || inventory.volumes.iter().any(|volume| matches!(volume.kind(), Some(Kind::Ext(_))));
    let is_windows = !is_linux && has(&[Kind::Ntfs]);
    if is_linux {
        report.add("GUESTOS.Platform", Some(Finding::fine("Others Linux")));
    } else if is_windows {
        report.add("GUESTOS.Platform", Some(Finding::fine("Other Windows")));
    }
    report.add("GUESTOS.Architecture", boot::architecture(inventory));
    report.add("GUESTOS.BootMode", Some(boot::mode(inventory)));
    if is_windows {
        report.add("GUESTOS.Disk", Some(boot::layout(inventory)));
        report.add("GUESTOS.Bootmgr", boot::boot_manager(inventory));
    }
}
