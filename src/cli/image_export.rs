//! `kiln image export`.

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use clap::{Args, ValueEnum};
use domain::port::{Compression, Format};
use serde::Serialize;
use service::{Because, ExportTo, ImageExport, ImageView, Request, Started};

use crate::at::{absolute, object};
use crate::elsewhere::Carry;
use crate::exit::Stop;
use crate::follow;
use crate::session::Session;

/// An export to files, or to a bucket.
#[derive(Debug, Args)]
#[command(
    after_help = "A file has its name only once it is whole, checked against the image's content and durable. Data
disks stand beside the system disk: `web.raw` has `web-xvdb.raw` beside it. In a bucket without a key the
names are those of the ECS API: `PREFIX_IMAGE_system.raw.tar.gz`.

Examples:
  kiln image export debian-12 --to debian.raw --format raw
  kiln image export debian-12 --to debian.qcow2 --format qcow2 --compression zstd
  kiln image export debian-12 --to oss://exports/debian-12.vhd --format vhd
  kiln image export debian-12 --to-bucket exports --prefix nightly"
)]
#[command(group(clap::ArgGroup::new("target").required(true).args(["to", "to_bucket"])))]
pub(crate) struct Export {
    /// Id or name of the image
    image: String,
    /// The file to make, or the object: `oss://BUCKET/KEY`
    #[arg(long, value_name = "FILE")]
    to: Option<OsString>,
    /// The bucket to export to, under the names of the ECS API
    #[arg(long, value_name = "BUCKET")]
    to_bucket: Option<String>,
    /// What those names begin with: 1 to 30 letters and digits [default: export]
    #[arg(long, requires = "to_bucket")]
    prefix: Option<String>,
    /// Its format [default, for a bucket: raw]
    #[arg(long, required_unless_present = "to_bucket")]
    format: Option<FormatOut>,
    /// Compression, for qcow2
    #[arg(long, default_value = "none")]
    compression: CompressionOut,
    /// Replace files of these names if they are there
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
    /// The file of the system disk.
    path: String,
    /// Every file it made, that of the system disk first.
    paths: Vec<String>,
    format: &'static str,
    workflow_id: event::FlowId,
}

impl Export {
    pub(crate) fn because(&self) -> Because {
        if self.no_wait { Because::Looks } else { Because::Waits }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let begun = Instant::now();
        let format = self.format.unwrap_or(FormatOut::Raw);
        if format != FormatOut::Qcow2 && self.compression != CompressionOut::None {
            let why = "only a qcow2 file is compressed: leave `--compression` out";
            return Err(Stop::Usage(why.to_owned()));
        }
        let (to, carry) = self.reachable(session).await?;
        let ask = ImageExport {
            at: session.at(&self.image),
            to,
            format: match format {
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
        let view = follow::to_end(session, &started).await?;
        let mut paths: Vec<String> = view.output.lines().map(str::to_owned).collect();
        if let Some(carry) = carry {
            paths = carry.bring(session, &paths, self.force).await?;
        }
        let exported = Exported {
            image_id: started.image_id,
            path: paths.first().cloned().unwrap_or_default(),
            paths,
            format: match format {
                FormatOut::Raw => "raw",
                FormatOut::Qcow2 => "qcow2",
                FormatOut::Vhd => "vhd",
            },
            workflow_id: started.workflow_id,
        };
        session.screen.give(&exported, |exported| {
            let seconds = begun.elapsed().as_secs_f64();
            let paths: Vec<_> = exported.paths.iter().map(|path| format!("`{path}`")).collect();
            format!("exported `{}` to {} in {seconds:.1} s\n", exported.image_id, paths.join(" and "))
        });
        Ok(())
    }

    /// Where a server elsewhere can export to, and what is to be brought from there to this computer.
    async fn reachable(&self, session: &Session) -> Result<(ExportTo, Option<Carry>), Stop> {
        match (self.target()?, session.remote()) {
            (ExportTo::File(path), Some(_)) if !session.is_dry_run() => {
                if self.no_wait {
                    let why =
                        "a file on this computer is brought when the export has ended: leave `--no-wait` out";
                    return Err(Stop::Usage(why.to_owned()));
                }
                let image: ImageView = session.ask(Request::ImageShow(session.at(&self.image))).await?;
                let carry = Carry::to(session, &image.region_id.into(), path, self.force).await?;
                let key = carry.key.clone();
                Ok((ExportTo::Object { bucket: carry.bucket.clone(), key }, Some(carry)))
            }
            (to, _) => Ok((to, None)),
        }
    }

    fn target(&self) -> Result<ExportTo, Stop> {
        if let Some(bucket) = &self.to_bucket {
            return Ok(ExportTo::Bucket { bucket: bucket.clone(), prefix: self.prefix.clone() });
        }
        let to = self.to.clone().unwrap_or_default();
        Ok(match object(&to)? {
            Some((bucket, key)) => ExportTo::Object { bucket, key },
            None => ExportTo::File(absolute(Path::new(&to))?),
        })
    }
}
