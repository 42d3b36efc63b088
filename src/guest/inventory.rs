//! What is on a disk and by which names a guest may ask for it.

use crate::codes;
use crate::ext::{Ext, FileKind, ROOT};
use crate::fat;
use crate::item::Finding;
use crate::partitions::{self, Layout, Partition, Table};
use crate::recognise::{Content, Kind, recognise};
use crate::source::{Result, Source, Stretch, Trouble};
use crate::view::{BootOnly, Root as _, View};

/// A partition, or the whole disk where there are none, and what was recognised in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Volume {
    /// Number 0 is the whole disk.
    pub(crate) partition: Partition,
    pub(crate) content: Option<Content>,
}

impl Volume {
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.content.as_ref().map(|content| content.kind)
    }

    /// As in `ext4 on partition 1`.
    pub(crate) fn words(&self) -> String {
        let kind = self.kind().map_or("unknown content", Kind::word);
        match self.partition.number {
            0 => format!("{kind} on the whole disk"),
            number => format!("{kind} on partition {number}"),
        }
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Inventory {
    pub(crate) is_gpt: bool,
    /// Whether a BIOS finds something to run.
    pub(crate) boots_by_bios: bool,
    /// What UEFI firmware finds to run, as paths.
    pub(crate) loaders: Vec<String>,
    pub(crate) volumes: Vec<Volume>,
}

/// How a guest names a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// It is on the disk.
    Found,
    /// It is not, and should be.
    Missing,
    /// By the order in which a controller was found, or by a driver that this cloud does not use.
    ByController,
    /// Not a device of a disk, or one inside what we cannot look into.
    Unknown,
}

impl Inventory {
    /// Looks at every partition.
    pub(crate) fn take(source: &Source<'_>) -> Result<Self> {
        let Layout { table, mut partitions, has_boot_code } = partitions::read(source)?;
        if table == Table::None {
            partitions.push(Partition { bytes: source.disk_bytes(), ..Partition::default() });
        }
        let mut inventory = Self {
            is_gpt: table == Table::Gpt,
            boots_by_bios: has_boot_code || partitions.iter().any(|partition| partition.is_bios_boot),
            ..Self::default()
        };
        for partition in partitions {
            let stretch = Stretch::part(source, partition.begin, partition.bytes);
            let content = recognise(stretch)?;
            // A disk put together by hand at times lacks the type; firmware looks at FAT regardless.
            if matches!(&content, Some(content) if content.kind == Kind::Fat) {
                match fat::loaders(stretch) {
                    Err(Trouble::Unreadable(_)) => {}
                    loaders => inventory.loaders.extend(loaders?),
                }
            }
            inventory.volumes.push(Volume { partition, content });
        }
        Ok(inventory)
    }

    /// Looks a device up as `fstab` and the kernel's command line name it.
    pub(crate) fn find(&self, device: &str) -> Named {
        let device = device.trim_matches(['"', '\'']);
        let has_container = self.volumes.iter().any(|volume| volume.kind().is_some_and(Kind::is_container));
        let tagged = device.split_once('=').map(|(tag, name)| (tag, name.trim_matches(['"', '\''])));
        let by_link = ["uuid", "label", "partuuid", "partlabel"].iter().find_map(|tag| {
            Some((*tag, device.strip_prefix("/dev/disk/by-")?.strip_prefix(tag)?.strip_prefix('/')?))
        });
        if let Some((tag, name)) = tagged.or(by_link) {
            let is_it = |volume: &Volume| volume_is(volume, &tag.to_ascii_uppercase(), name);
            return match self.volumes.iter().any(is_it) {
                true => Named::Found,
                // What is in a container we cannot see, but the table of partitions we can.
                false if has_container && !tag.to_ascii_uppercase().starts_with("PART") => Named::Unknown,
                false => Named::Missing,
            };
        }
        let Some(name) = device.strip_prefix("/dev/") else { return Named::Unknown };
        // The system disk of an instance is `vda`, with the driver of virtio that it always has.
        if let Some(number) = name.strip_prefix("vda") {
            let number = if number.is_empty() { Some(0) } else { number.parse().ok() };
            let is_it = |volume: &Volume| Some(volume.partition.number) == number;
            return if self.volumes.iter().any(is_it) { Named::Found } else { Named::Missing };
        }
        let is_lettered = |prefix: &&str| {
            let rest = name.strip_prefix(*prefix);
            rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
        };
        let by_controller = ["sd", "hd", "xvd", "vd"].iter().any(is_lettered)
            || name.starts_with("nvme")
            || name.starts_with("mmcblk");
        if by_controller { Named::ByController } else { Named::Unknown }
    }
}

fn volume_is(volume: &Volume, tag: &str, name: &str) -> bool {
    let same = |own: &str| !own.is_empty() && own.eq_ignore_ascii_case(name);
    match tag {
        "UUID" => volume.content.as_ref().is_some_and(|content| same(&content.uuid)),
        "LABEL" => volume.content.as_ref().is_some_and(|content| !name.is_empty() && content.label == name),
        "PARTUUID" => same(&volume.partition.uuid),
        "PARTLABEL" => !name.is_empty() && volume.partition.label == name,
        _ => false,
    }
}

/// The guest's root file system, with `/boot` in its place.
pub(crate) struct Opened<'a> {
    pub(crate) view: View<'a>,
    /// Where it lies.
    pub(crate) volume: Volume,
}

/// What looking for the root file system ended in.
pub(crate) struct Search<'a> {
    pub(crate) opened: Option<Opened<'a>>,
    /// What lies at `/boot` of a root that was not found: it may be in a container.
    pub(crate) boot_only: Option<BootOnly<'a>>,
    /// What is wrong with the ext file systems that could not be read.
    pub(crate) unreadable: Vec<Finding>,
}

/// Finds the root file system among those that can be read: the one that has the files of a system.
pub(crate) fn open<'a>(source: &'a Source<'a>, inventory: &Inventory) -> Result<Search<'a>> {
    let mut search = Search { opened: None, boot_only: None, unreadable: Vec::new() };
    let mut boots = Vec::new();
    for volume in inventory.volumes.iter().filter(|volume| matches!(volume.kind(), Some(Kind::Ext(_)))) {
        let stretch = Stretch::part(source, volume.partition.begin, volume.partition.bytes);
        let look = || {
            let view = View { root: Ext::open(stretch)?, boot: None };
            let part = part_of(&view)?;
            Ok((view, part))
        };
        match look() {
            Ok((view, Part::Root)) if search.opened.is_none() => {
                search.opened = Some(Opened { view, volume: volume.clone() });
            }
            Ok((view, Part::Boot)) => boots.push(view.root),
            Ok(_) => {}
            Err(trouble) => search.unreadable.push(excused(trouble, &volume.words())?),
        }
    }
    let Some(boot) = boots.into_iter().next() else { return Ok(search) };
    let Some(opened) = &mut search.opened else {
        search.boot_only = Some(BootOnly(View { root: boot, boot: None }));
        return Ok(search);
    };
    // Only over an empty directory: kernels there are the root file system's own.
    match opened.view.list("/boot") {
        Ok(names) if names.is_empty() => opened.view.boot = Some(boot),
        Ok(_) => {}
        Err(trouble) => search.unreadable.push(excused(trouble, &opened.volume.words())?),
    }
    Ok(search)
}

/// What a guest wrote fails no check: it becomes a finding. All other trouble stays what it is.
pub(crate) fn excused(trouble: Trouble, place: &str) -> Result<Finding> {
    match trouble {
        Trouble::Unreadable(why) => Ok(Finding::risk(format!("{place}: {why}"), codes::FILE_SYSTEM_DAMAGED)),
        Trouble::Unknown(why) => {
            Ok(Finding::risk(format!("{place}: {why}"), codes::FILE_SYSTEM_NOT_SUPPORTED))
        }
        trouble => Err(trouble),
    }
}

/// Which part of a system a file system is.
enum Part {
    Root,
    Boot,
    Other,
}

fn part_of(view: &View<'_>) -> Result<Part> {
    if view.root.inode(ROOT)?.kind != FileKind::Directory {
        return Err(Trouble::Unreadable("the root directory is none"));
    }
    let of_a_root = ["/etc/os-release", "/usr/lib/os-release", "/etc/fstab", "/etc/passwd"];
    if view.first_of(&of_a_root)?.is_some() {
        return Ok(Part::Root);
    }
    let is_of_boot = |name: &String| matches!(&**name, "grub" | "grub2") || name.starts_with("vmlinuz");
    Ok(if view.list("/")?.iter().any(is_of_boot) { Part::Boot } else { Part::Other })
}
