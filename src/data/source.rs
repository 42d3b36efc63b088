//! The file an import reads, and whether it is still what it was.

use std::path::Path;

use domain::port::{Source, SourceIdentity};
use event::{Failure, Refusal};
use files::{Files, Open};

use crate::fault::{self, Result};
use crate::grid::DISK_BYTES_MAX;

/// Opens a source after making sure it is what it was.
pub(crate) fn open_source(files: &dyn Files, source: &Source) -> Result<Box<dyn disk::Source>> {
    check_source(files, source)?;
    if source.disk_bytes > DISK_BYTES_MAX {
        return Err(Failure::caller(
            "InvalidImageSize",
            format!("a disk of `{}` bytes is too large", source.disk_bytes),
        ));
    }
    let file = files
        .open(Path::new(&source.at.path), Open::Read)
        .map_err(|error| fault::io(format_args!("opening `{}`", source.at.path), &error))?;
    let disk = disk::open(file, Some(source.format))?;
    if disk.disk_bytes() != source.disk_bytes {
        return Err(changed(source));
    }
    Ok(disk)
}

/// Fails by name if the source is another than it was when the operation began.
pub(crate) fn check_source(files: &dyn Files, source: &Source) -> Result<()> {
    match files.identity(Path::new(&source.at.path)) {
        Ok(found) if identity(&found) == source.identity => Ok(()),
        Ok(_) => Err(changed(source)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(changed(source)),
        Err(error) => Err(fault::io(format_args!("looking at `{}`", source.at.path), &error)),
    }
}

/// A file's identity in the words of the domain.
pub(crate) fn identity(found: &files::Identity) -> SourceIdentity {
    SourceIdentity {
        device: found.device,
        inode: found.inode,
        file_bytes: found.size_bytes,
        modified_ns: found.modified_ns,
    }
}

pub(crate) fn changed(source: &Source) -> Failure {
    Refusal::new(
        "InvalidSource.Changed",
        format!("`{}` was changed or replaced while it was imported", source.at.path),
    )
    .advise("make sure nothing writes to it, a running machine for one, and import it again")
    .into()
}
