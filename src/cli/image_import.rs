//! `kiln image import`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use domain::machine::MachineAsked;
use domain::port::Format;
use service::{
    Because, FileAt, ImageAt, ImageImport, ImageView, ImportDisk, Request, Started, WorkflowView, bytes_text,
};

use crate::exit::Stop;
use crate::follow;
use crate::session::Session;

/// An import of a disk file.
#[derive(Debug, Args)]
#[command(
    after_help = "The import is a durable operation: interrupt it, kill it, pull the plug; the same command
again goes on where it was. The image is Available only once every byte is stored and read back.

Examples:
  kiln image import debian.qcow2 --name debian-12
  kiln image import disk.raw --name web-3 --family web --tag env=prod --region cn-beijing
  kiln image import disk.raw --name web-4 --output json | jq -r .ImageId"
)]
pub(crate) struct Import {
    /// The disk file
    file: PathBuf,
    /// Name of the image: 2 to 128 letters, digits and `:` `_` `-` `.`
    #[arg(long)]
    name: String,
    /// Family the image becomes the newest of
    #[arg(long)]
    family: Option<String>,
    /// Format of the file
    #[arg(long, default_value = "auto")]
    format: FormatIn,
    /// A description
    #[arg(long)]
    description: Option<String>,
    /// A tag; may be given again
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Start it and return; it goes on under the next `kiln` that waits for something
    #[arg(long)]
    no_wait: bool,
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

impl Import {
    pub(crate) fn because(&self) -> Because {
        if self.no_wait { Because::Looks } else { Because::Waits }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let begun = Instant::now();
        let ask = ImageImport {
            disks: vec![ImportDisk {
                at: FileAt { bucket: None, path: absolute(&self.file)? },
                format: match self.format {
                    FormatIn::Auto => None,
                    FormatIn::Raw => Some(Format::Raw),
                    FormatIn::Qcow2 => Some(Format::Qcow2),
                    FormatIn::Vhd => Some(Format::Vhd),
                },
                device: None,
                size_bytes: None,
            }],
            name: self.name,
            description: self.description.unwrap_or_default(),
            family: self.family,
            tags: self.tags.into_iter().collect::<BTreeMap<_, _>>(),
            region: session.region.clone(),
            machine: MachineAsked::default(),
            check: false,
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
        let at = ImageAt { image: view.output, region: None };
        let image: ImageView = session.ask(Request::ImageShow(at)).await?;
        session.screen.give(&image, |image| {
            format!(
                "imported `{}` as {}: a disk of {} with {} of data, {} new in the store, in {:.1} s\n",
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
}

/// The path as the process that does the work can open it.
pub(crate) fn absolute(path: &Path) -> Result<String, Stop> {
    let usage = |why: String| Stop::Usage(format!("`{}` {why}", path.display()));
    let absolute = std::path::absolute(path).map_err(|error| usage(format!("is no path: {error}")))?;
    absolute
        .into_os_string()
        .into_string()
        .map_err(|_| usage("is not Unicode: give the file another name".to_owned()))
}

/// `KEY=VALUE`.
pub(crate) fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a tag looks like KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
