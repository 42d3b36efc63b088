//! Disk file formats, read and written in-process on the [`files::File`] port.
//!
//! [`open`] finds out what a file is, or confirms what it is said to be, checks all it claims
//! against what is there, and gives a [`Source`] of guest bytes. [`create`] gives a [`Sink`] that
//! takes guest bytes and writes a file; [`create_wrapped`] puts it into an archive. Both may be used
//! from several threads at once; neither starts a thread, keeps a file in memory, or opens another
//! file.
//!
//! ```text
//! file ── detect ──┬─ raw ────┐                      ┌─ raw ────┐
//!                  ├─ qcow2 ──┼─ Source ─▶ … ─▶ Sink ┼─ qcow2 ──┼─▶ file
//!                  └─ VHD ────┘                      ├─ VHD ────┤
//!                                                    └─ tar.gz ─┘ of a raw disk
//! ```
//!
//! Images come from strangers. So everything that would make a reader leave the file (a backing
//! file, an external data file), everything that does not fit into the file or into bounds, and
//! every file that can be taken for two formats is refused by name before a guest byte is read.
//!
//! ```
//! use disk::{Sink, Source};
//! use domain::port::{Compression, Format};
//! use files::{Files, Open, RealFiles};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("disk.qcow2");
//! let file = RealFiles.open(&path, Open::Create)?;
//! let sink = disk::create(file, Format::Qcow2, Compression::Zstd, 1 << 30)?;
//! sink.write_at(64 << 10, &[7; 64 << 10])?;
//! sink.finish()?;
//!
//! let source = disk::open(RealFiles.open(&path, Open::Read)?, None)?;
//! assert_eq!((source.format(), source.disk_bytes()), (Format::Qcow2, 1 << 30));
//! assert_eq!(source.next_data(0)?, Some(64 << 10..128 << 10));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this room deliberately does not do: repair a damaged file, read an internal snapshot, write
//! into an existing image, or guess again a format that was told.

mod codec;
mod detect;
mod error;
mod gzip;
mod qcow2_header;
mod qcow2_sink;
mod qcow2_source;
mod qcow2_space;
mod qcow2_table;
mod raw;
mod stretch;
mod tar_gz_sink;
mod vhd_footer;
mod vhd_sink;
mod vhd_source;

use std::ops::Range;
use std::sync::Arc;

use domain::port::{Compression, Format, Wrapping};
use files::{File, Kind as FileKind};

pub use detect::detect;
pub use error::{Error, Kind};

/// A disk consists of whole sectors of this size.
pub const SECTOR_BYTES: u64 = 512;

/// The largest disk taken: what an ECS image may have at most.
pub const DISK_BYTES_MAX: u64 = 2048 << 30;

/// The unit in which a sink wants its pieces, and the cluster size of the qcow2 files it writes.
pub const PIECE_BYTES: u64 = 64 << 10;

/// The unit in which zeros become holes: pages of the guest and of most file systems.
const BLOCK_BYTES: usize = 4 << 10;

/// The guest's bytes in a disk file.
pub trait Source: Send + Sync {
    /// The format they are stored in.
    fn format(&self) -> Format;

    /// Size of the disk, a multiple of [`SECTOR_BYTES`]; a raw file of another length is rounded
    /// up, what is missing reads as zero.
    fn disk_bytes(&self) -> u64;

    /// Fills `out` with the guest's bytes from `offset`, any offset and length inside the disk.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), Error>;

    /// The first stretch at or after `from` that is not known to be zero, within the disk. Long
    /// ones come in pieces; ask again from the end of the last.
    fn next_data(&self, from: u64) -> Result<Option<Range<u64>>, Error>;
}

/// A disk file that is being written.
pub trait Sink: Send + Sync {
    /// Takes a piece of the disk. Pieces begin at multiples of [`PIECE_BYTES`] and are multiples of
    /// it long, save at the disk's end; each place is written at most once, in any order, from any
    /// thread. What is never written reads as zero, and zeros that are written take no space.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Error>;

    /// Promises that no piece will be written in `range` any more; pieces that were stay. Whoever
    /// writes in order needs to know it to tell a place that stays zero from one that is still to
    /// come: an archive is then written once, and else what comes too early is written twice.
    /// Ranges may come in any order and from any thread, and may be large: a thread that has done
    /// with a stretch of the disk settles it together with the empty one before it.
    fn settle(&self, _range: Range<u64>) -> Result<(), Error> {
        Ok(())
    }

    /// Writes what is still in memory and makes all of it durable. Until this has returned, the
    /// file is no disk. Called once, after the last piece.
    fn finish(&self) -> Result<(), Error>;
}

/// Opens a disk file: finds out its format, or takes the one that is given.
///
/// A file given as raw is read as raw whatever it begins with; one given as another format has to
/// be of that format.
pub fn open(file: Arc<dyn File>, format: Option<Format>) -> Result<Box<dyn Source>, Error> {
    let file_bytes = regular_file_bytes(&*file)?;
    let format = match format {
        Some(format) => format,
        None => detect(&*file)?,
    };
    match format {
        Format::Raw => Ok(Box::new(raw::RawSource::new(file, file_bytes)?)),
        Format::Qcow2 => Ok(Box::new(qcow2_source::Qcow2Source::new(file, file_bytes)?)),
        Format::Vhd => vhd_source::open(file, file_bytes),
    }
}

/// Begins a disk file in `file`, whose former content is lost.
pub fn create(
    file: Arc<dyn File>,
    format: Format,
    compression: Compression,
    disk_bytes: u64,
) -> Result<Box<dyn Sink>, Error> {
    check_disk_bytes(disk_bytes)?;
    match (format, compression) {
        (Format::Raw, Compression::None) => Ok(Box::new(raw::RawSink::new(file, disk_bytes)?)),
        (Format::Raw, _) => Err(Error::not_supported("a raw file cannot be compressed")
            .advise("leave the compression out, or export as qcow2")),
        (Format::Vhd, Compression::None) => Ok(Box::new(vhd_sink::VhdSink::new(file, disk_bytes)?)),
        (Format::Vhd, _) => Err(Error::not_supported("a VHD cannot be compressed")
            .advise("leave the compression out, or export as qcow2")),
        (Format::Qcow2, _) => Ok(Box::new(qcow2_sink::Qcow2Sink::new(file, compression, disk_bytes)?)),
    }
}

/// Begins a disk file in `file` with something around it, whose former content is lost.
///
/// In an archive only a raw disk can be. Its name there is a plain file name of at most 100 bytes.
/// Equal disks give equal archives if their pieces are cut equally.
pub fn create_wrapped(
    file: Arc<dyn File>,
    wrapping: &Wrapping,
    format: Format,
    compression: Compression,
    disk_bytes: u64,
) -> Result<Box<dyn Sink>, Error> {
    let name = match (wrapping, format, compression) {
        (Wrapping::None, ..) => return create(file, format, compression, disk_bytes),
        (Wrapping::TarGz(name), Format::Raw, Compression::None) => name,
        (Wrapping::TarGz(_), ..) => {
            return Err(Error::not_supported("only an uncompressed raw disk can be put into an archive")
                .advise("export as raw, or leave the archive out"));
        }
    };
    check_disk_bytes(disk_bytes)?;
    Ok(Box::new(tar_gz_sink::create(file, name, disk_bytes)?))
}

/// The length of a file that may hold a disk; directories, devices and empty files may not.
fn regular_file_bytes(file: &dyn File) -> Result<u64, Error> {
    let identity = file.identity().map_err(|e| Error::io("looking at the disk file", e))?;
    match identity.kind {
        FileKind::File if identity.size_bytes == 0 => {
            Err(Error::size("the file is empty, it holds no disk")
                .advise("check that it was written completely"))
        }
        FileKind::File => Ok(identity.size_bytes),
        FileKind::Directory => {
            Err(Error::malformed("this is a directory, not a disk file").advise("name the disk file in it"))
        }
        FileKind::Other => Err(Error::not_supported("this is a device, pipe or socket, not a disk file")
            .advise("copy it into a file first: `dd if=DEVICE of=disk.raw bs=4M conv=sparse`")),
    }
}

/// Fails unless a disk of this size may exist.
fn check_disk_bytes(disk_bytes: u64) -> Result<(), Error> {
    if disk_bytes == 0 {
        return Err(Error::size("a disk of `0` bytes holds nothing")
            .advise("check that the file is the one you meant"));
    }
    if disk_bytes > DISK_BYTES_MAX {
        return Err(Error::size(format!(
            "the disk has `{disk_bytes}` bytes, more than the {DISK_BYTES_MAX} a disk may have"
        ))
        .advise("shrink the disk to 2048 GiB or less before importing it"));
    }
    if !disk_bytes.is_multiple_of(SECTOR_BYTES) {
        return Err(Error::size(format!(
            "the disk has `{disk_bytes}` bytes, no whole number of {SECTOR_BYTES}-byte sectors"
        ))
        .advise("give it a whole number of sectors: `qemu-img resize`"));
    }
    Ok(())
}

/// Fails unless a read lies inside the disk.
fn check_inside(offset: u64, len: usize, disk_bytes: u64) -> Result<(), Error> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= disk_bytes => Ok(()),
        _ => Err(Error::ours(format!(
            "`{len}` bytes at `{offset}` do not lie inside a disk of `{disk_bytes}` bytes"
        ))),
    }
}

/// Fails unless a piece lies on the grid and inside the disk.
fn check_piece(offset: u64, len: usize, disk_bytes: u64) -> Result<(), Error> {
    check_inside(offset, len, disk_bytes)?;
    let end = offset + len as u64;
    if !offset.is_multiple_of(PIECE_BYTES) || !(end.is_multiple_of(PIECE_BYTES) || end == disk_bytes) {
        return Err(Error::ours(format!(
            "a piece of `{len}` bytes at `{offset}` is not on the grid of {PIECE_BYTES} bytes"
        )));
    }
    Ok(())
}

/// Whether all bytes are zero, at the speed of memory.
fn is_zero(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        // Comparing a slice with itself, shifted by one, is one `memcmp`.
        Some((&first, rest)) => first == 0 && *rest == bytes[..rest.len()],
        None => true,
    }
}
