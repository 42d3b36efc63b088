//! `kiln image create`.

use std::time::Instant;

use clap::Args;
use domain::image::DiskKind;
use service::{Because, CreateDisk, ImageCreate, ImageRequest, Request, Started, WorkflowView};

use crate::exit::Stop;
use crate::follow;
use crate::image_import::{made, tag};
use crate::machine::MachineArgs;
use crate::session::Session;
use crate::size::size;

/// An image of snapshots.
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is copied: the image stands on the snapshots. What is not said of the machine is that of
the image the system disk's snapshot comes from.

A disk is SNAPSHOT[:SIZE][:DEVICE][:system|data], each part as it is needed. One of them is the system
disk. If an instance is named it counts alone, and disks count before a snapshot.

Examples:
  kiln image create --from-snapshot s-bp67acfmxazb4p0a2b3c --name web-5
  kiln image create --name db-2 --disk db-system --disk db-data:100G:/dev/xvdc --empty-disk 20G
  kiln image create --from-snapshot web-system --empty-disk 20G --name web-6
  kiln image create --name rescue-1 --disk s-bp67acfmxazb4p0a2b3c:system --platform Debian"
)]
#[command(group(clap::ArgGroup::new("source").required(true).multiple(true)
    .args(["from_snapshot", "disks", "from_instance"])))]
pub(crate) struct Create {
    /// Id or name of the snapshot of a system disk
    #[arg(long, value_name = "SNAPSHOT")]
    from_snapshot: Option<String>,
    /// A disk: a snapshot, its size, its device, its place; may be given again
    #[arg(long = "disk", value_name = "SNAPSHOT[:…]", value_parser = disk)]
    disks: Vec<CreateDisk>,
    /// An empty data disk of that size; may be given again
    #[arg(long = "empty-disk", value_name = "SIZE", value_parser = size, conflicts_with = "from_instance")]
    empty_disks: Vec<u64>,
    /// Id of an instance, all of whose disks the image gets
    #[arg(long, value_name = "INSTANCE")]
    from_instance: Option<String>,
    /// Name of the image [default: its id]
    #[arg(long)]
    name: Option<String>,
    /// Family the image becomes the newest of
    #[arg(long)]
    family: Option<String>,
    /// A description
    #[arg(long)]
    description: Option<String>,
    /// A tag; may be given again
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Check its file systems when it is there
    #[arg(long)]
    check: bool,
    /// Start it and return; it goes on under the next `kiln` that waits for something
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    machine: MachineArgs,
}

impl Create {
    pub(crate) fn because(&self) -> Because {
        if self.no_wait { Because::Looks } else { Because::Waits }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let begun = Instant::now();
        let (mut disks, mut snapshot) = (self.disks, self.from_snapshot);
        if disks.is_empty() && !self.empty_disks.is_empty() {
            // One snapshot with empty disks beside it is a mapping like any other.
            disks.extend(
                snapshot.take().map(|named| CreateDisk { snapshot: Some(named), ..CreateDisk::default() }),
            );
        }
        disks.extend(self.empty_disks.into_iter().map(|size| CreateDisk {
            size_bytes: Some(size),
            kind: Some(DiskKind::Data),
            ..CreateDisk::default()
        }));
        let ask = ImageCreate {
            instance: self.from_instance,
            disks,
            snapshot,
            name: self.name.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            family: self.family,
            tags: self.tags.into_iter().collect(),
            region: session.region.clone(),
            machine: self.machine.asked()?,
            check: self.check,
        };
        let started: Started = session.ask(Request::Image(ImageRequest::Create(ask))).await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        let view: WorkflowView = follow::to_end(session, &started).await?;
        made(session, "created", view.output, begun).await
    }
}

/// `SNAPSHOT[:SIZE][:DEVICE][:system|data]`. Read from its end, for the name of a snapshot may hold
/// colons itself.
fn disk(text: &str) -> Result<CreateDisk, String> {
    let mut disk = CreateDisk::default();
    let mut rest = text;
    while let Some((before, part)) = rest.rsplit_once(':') {
        let kind = match part {
            "system" => Some(DiskKind::System),
            "data" => Some(DiskKind::Data),
            _ => None,
        };
        let new = if let Some(kind) = kind {
            disk.kind.replace(kind).is_none()
        } else if part.starts_with("/dev/") {
            disk.device.replace(part.to_owned()).is_none()
        } else if let Ok(bytes) = size(part) {
            disk.size_bytes.replace(bytes).is_none()
        } else {
            break;
        };
        if !new {
            return Err(format!("`{part}` is the second of its kind"));
        }
        rest = before;
    }
    if rest.is_empty() {
        return Err("a disk begins with its snapshot; an empty one is `--empty-disk SIZE`".to_owned());
    }
    disk.snapshot = Some(rest.to_owned());
    Ok(disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_read_from_its_end_in_any_order_of_parts() {
        let all = disk("nightly:web:40G:/dev/xvdc:data").unwrap();
        assert_eq!(all.snapshot.as_deref(), Some("nightly:web"));
        assert_eq!((all.size_bytes, all.kind), (Some(40 << 30), Some(DiskKind::Data)));
        assert_eq!(all.device.as_deref(), Some("/dev/xvdc"));
        let plain = disk("s-1").unwrap();
        assert_eq!(plain, CreateDisk { snapshot: Some("s-1".to_owned()), ..CreateDisk::default() });
        assert_eq!(disk("s-1:system:2T").unwrap().size_bytes, Some(2 << 40));
        for wrong in ["", ":20G", "s-1:20G:30G", "s-1:data:system", ":system"] {
            assert!(disk(wrong).is_err(), "{wrong}");
        }
    }
}
