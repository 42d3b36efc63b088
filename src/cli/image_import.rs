//! `kiln image import`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Instant;

use clap::{Args, ValueEnum};
use domain::port::Format;
use service::{
    Because, ImageAt, ImageImport, ImageView, ImportDisk, Request, Started, WorkflowView, bytes_text,
};

use crate::at::file_at;
use crate::exit::Stop;
use crate::follow;
use crate::machine::MachineArgs;
use crate::session::Session;
use crate::size::size;

/// An import of disk files.
#[derive(Debug, Args)]
#[command(
    after_help = "The import is a durable operation: interrupt it, kill it, pull the plug; the same command
again goes on where it was. The image is Available only once every byte is stored and read back.

A server elsewhere (`--endpoint`) is sent the files in parts, through a bucket of the account; what was
sent is not sent again.

Data disks are counted: the first `--data-size`, `--data-format` and `--data-device` are of the first
`--data-disk`. What is left out is found out, as for the system disk.

Examples:
  kiln image import debian.qcow2 --name debian-12
  kiln image import disk.raw --name web-3 --family web --tag env=prod --region cn-beijing
  kiln image import oss://uploads/db.vhd --name db-1 --data-disk oss://uploads/db-data.qcow2 --check
  kiln image import disk.raw --name web-5 --endpoint http://images:8080
  kiln image import win.raw --name win-1 --platform 'Windows Server 2022' --boot-mode UEFI
  kiln image import disk.raw --name web-4 --output json | jq -r .ImageId"
)]
pub(crate) struct Import {
    /// The file of the system disk, or an object: `oss://BUCKET/KEY`
    file: OsString,
    /// Name of the image: 2 to 128 letters, digits and `:` `_` `-` `.`
    #[arg(long)]
    name: String,
    /// Family the image becomes the newest of
    #[arg(long)]
    family: Option<String>,
    /// Format of the system disk
    #[arg(long, default_value = "auto")]
    format: FormatIn,
    /// Size an instance's system disk has at least: 40G [default: that of the disk]
    #[arg(long, value_parser = size)]
    size: Option<u64>,
    /// The file or object of a data disk; may be given up to 16 times
    #[arg(long = "data-disk", value_name = "FILE")]
    data_disks: Vec<OsString>,
    /// Format of a data disk
    #[arg(long = "data-format", value_name = "FORMAT", requires = "data_disks")]
    data_formats: Vec<FormatIn>,
    /// Size of a data disk
    #[arg(long = "data-size", value_name = "SIZE", value_parser = size, requires = "data_disks")]
    data_sizes: Vec<u64>,
    /// Where an instance has a data disk [default: /dev/xvdb and on]
    #[arg(long = "data-device", value_name = "DEVICE", requires = "data_disks")]
    data_devices: Vec<String>,
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

/// A format that may be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatIn {
    /// Found out from head and tail of the file
    Auto,
    /// The guest's bytes as they are
    Raw,
    /// QEMU's format
    Qcow2,
    /// Microsoft's first virtual hard disk
    Vhd,
}

impl FormatIn {
    fn known(self) -> Option<Format> {
        match self {
            Self::Auto => None,
            Self::Raw => Some(Format::Raw),
            Self::Qcow2 => Some(Format::Qcow2),
            Self::Vhd => Some(Format::Vhd),
        }
    }
}

impl Import {
    pub(crate) fn because(&self) -> Because {
        if self.no_wait { Because::Looks } else { Because::Waits }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let begun = Instant::now();
        let mut disks = self.disks()?;
        let sent = match session.remote() {
            Some(remote) if !session.is_dry_run() => session.send_disks(remote, &mut disks).await?,
            _ => Vec::new(),
        };
        let ask = ImageImport {
            disks,
            name: self.name,
            description: self.description.unwrap_or_default(),
            family: self.family,
            tags: self.tags.into_iter().collect::<BTreeMap<_, _>>(),
            region: session.region.clone(),
            machine: self.machine.asked()?,
            check: self.check,
        };
        let started: Started = session.ask(Request::ImageImport(ask)).await?;
        if started.joined {
            let id = started.workflow_id;
            session.screen.say(&format!("going on with the import that has begun already, workflow `{id}`"));
        }
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        let view: WorkflowView = follow::to_end(session, &started).await?;
        session.forget(sent).await?;
        made(session, "imported", view.output, begun).await
    }

    fn disks(&self) -> Result<Vec<ImportDisk>, Stop> {
        let count = self.data_disks.len();
        let most = self.data_formats.len().max(self.data_sizes.len()).max(self.data_devices.len());
        if most > count {
            return Err(Stop::Usage(format!(
                "something was said of {most} data disks, but {count} are named"
            )));
        }
        let mut disks = vec![ImportDisk {
            at: file_at(&self.file)?,
            format: self.format.known(),
            device: None,
            size_bytes: self.size,
        }];
        for (number, file) in self.data_disks.iter().enumerate() {
            disks.push(ImportDisk {
                at: file_at(file)?,
                format: self.data_formats.get(number).and_then(|format| format.known()),
                device: self.data_devices.get(number).cloned(),
                size_bytes: self.data_sizes.get(number).copied(),
            });
        }
        Ok(disks)
    }
}

/// Tells of an image that has come to be.
pub(crate) async fn made(session: &Session, how: &str, image: String, begun: Instant) -> Result<(), Stop> {
    let image: ImageView = session.ask(Request::ImageShow(ImageAt { image, region: None })).await?;
    session.screen.give(&image, |image| {
        let disks = match image.disks.len() {
            0 | 1 => "a disk".to_owned(),
            count => format!("{count} disks, the first"),
        };
        format!(
            "{how} `{}` as {}: {disks} of {} with {} of data, {} new in the store, in {:.1} s\n",
            image.image_name,
            image.image_id,
            bytes_text(image.disk_size_bytes),
            bytes_text(image.data_bytes),
            bytes_text(image.stored_bytes),
            begun.elapsed().as_secs_f64()
        )
    });
    Ok(())
}

/// `KEY=VALUE`.
pub(crate) fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a tag looks like KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
