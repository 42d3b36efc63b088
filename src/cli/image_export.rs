//! `kiln image export`.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use domain::port::{Compression, Format};
use serde::Serialize;
use service::{Because, ExportTo, ImageExport, Request, Started};

use crate::exit::Stop;
use crate::follow;
use crate::image_import::absolute;
use crate::session::Session;

/// An export to a file.
#[derive(Debug, Args)]
#[command(
    after_help = "The file has its name only once it is whole, checked against the image's content and durable.

Examples:
  kiln image export debian-12 --to debian.raw --format raw
  kiln image export debian-12 --to debian.qcow2 --format qcow2 --compression zstd"
)]
pub(crate) struct Export {
    /// Id or name of the image
    image: String,
    /// The file to make
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Its format
    #[arg(long)]
    format: FormatOut,
    /// Compression, for qcow2
    #[arg(long, default_value = "none")]
    compression: CompressionOut,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Start it and return; it goes on under the next `kiln` that waits for something
    #[arg(long)]
    no_wait: bool,
}

/// A format to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatOut {
    /// The guest's bytes as they are; what is zero is a hole
    Raw,
    /// QEMU's format
    Qcow2,
    /// Microsoft's first virtual hard disk, dynamic, of the exact size
    Vhd,
}

/// How to compress a qcow2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CompressionOut {
    /// Not at all
    None,
    /// Read by every QEMU
    Zlib,
    /// Read by QEMU 5.1 and later
    Zstd,
}

/// What an export came to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Exported {
    image_id: String,
    path: String,
    format: &'static str,
    workflow_id: event::FlowId,
}

impl Export {
    pub(crate) fn because(&self) -> Because {
        if self.no_wait { Because::Looks } else { Because::Waits }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let begun = Instant::now();
        if self.format != FormatOut::Qcow2 && self.compression != CompressionOut::None {
            let why = "only a qcow2 file is compressed: leave `--compression` out";
            return Err(Stop::Usage(why.to_owned()));
        }
        let path = absolute(&self.to)?;
        let ask = ImageExport {
            at: session.at(&self.image),
            to: ExportTo::File(path.clone()),
            format: match self.format {
                FormatOut::Raw => Format::Raw,
                FormatOut::Qcow2 => Format::Qcow2,
                FormatOut::Vhd => Format::Vhd,
            },
            compression: match self.compression {
                CompressionOut::None => Compression::None,
                CompressionOut::Zlib => Compression::Zlib,
                CompressionOut::Zstd => Compression::Zstd,
            },
            replace: self.force,
        };
        let started: Started = session.ask(Request::ImageExport(ask)).await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        follow::to_end(session, &started).await?;
        let format = match self.format {
            FormatOut::Raw => "raw",
            FormatOut::Qcow2 => "qcow2",
            FormatOut::Vhd => "vhd",
        };
        let exported =
            Exported { image_id: started.image_id, path, format, workflow_id: started.workflow_id };
        session.screen.give(&exported, |exported| {
            let seconds = begun.elapsed().as_secs_f64();
            format!("exported `{}` to `{}` in {seconds:.1} s\n", exported.image_id, exported.path)
        });
        Ok(())
    }
}
