//! The file an import reads, or the object, and whether it is still what it was.

use std::path::Path;
use std::sync::Arc;

use domain::port::{Location, Source, SourceIdentity};
use event::{Failure, Refusal};
use files::{File, Files, Kind, Open};

use crate::bucket::{is_missing, locate, no_bucket, no_object};
use crate::fault::{self, Result};
use crate::grid::DISK_BYTES_MAX;
use crate::store::{Store, region_dir};

/// Opens a file, or an object, for reading: a regular one that is there, or a refusal by name.
pub(crate) fn open_file(files: &dyn Files, root: &Path, at: &Location) -> Result<Arc<dyn File>> {
    let path = locate(files, root, at)?;
    let missing = |error: &std::io::Error| match &at.bucket {
        _ if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Refusal::new("InvalidSource.Forbidden", format!("`{at}` may not be read"))
                .advise("let this user read it: `chmod`, or import as another user")
                .into()
        }
        Some(bucket) if is_missing(error) => {
            let dir = region_dir(root, &bucket.region).and_then(|dir| crate::bucket::dir(&dir, &bucket.name));
            match dir.map(|dir| files.identity(&dir)) {
                Ok(Err(error)) if is_missing(&error) => no_bucket(&bucket.name),
                _ => no_object(at),
            }
        }
        None if error.kind() == std::io::ErrorKind::NotFound => {
            Refusal::new("InvalidSource.NotFound", format!("there is no file `{at}`"))
                .advise("give the path of a disk file on this computer")
                .into()
        }
        _ => fault::io(format_args!("opening `{at}`"), error),
    };
    // Looked at before it is opened: opening a pipe would wait for its other end.
    match (files.identity(&path).map_err(|error| missing(&error))?.kind, &at.bucket) {
        (Kind::File, _) => files.open(&path, Open::Read).map_err(|error| missing(&error)),
        (_, Some(_)) => Err(no_object(at)),
        (Kind::Directory, None) => {
            Err(Refusal::new("InvalidSource.NotAFile", format!("`{at}` is a directory"))
                .advise("name the disk file in it")
                .into())
        }
        (Kind::Other, None) => {
            Err(Refusal::new("InvalidSource.NotAFile", format!("`{at}` is no regular file"))
                .advise("copy it to a file first")
                .into())
        }
    }
}

/// Looks at a disk file for the first time.
pub(crate) fn inspect(
    files: &dyn Files,
    root: &Path,
    at: &Location,
    format: Option<domain::port::Format>,
) -> Result<Source> {
    let file = open_file(files, root, at)?;
    let found = file.identity().map_err(|error| fault::io(format_args!("looking at `{at}`"), &error))?;
    if at.bucket.is_some() && found.size_bytes == 0 {
        return Err(Refusal::new("InvalidOSSObject.Size", format!("object `{at}` has `0` bytes"))
            .advise("upload it again, and look whether the upload came to its end")
            .into());
    }
    let disk = disk::open(file, format)?;
    Ok(Source {
        at: at.clone(),
        format: disk.format(),
        disk_bytes: disk.disk_bytes(),
        identity: identity(&found),
    })
}

/// Where the regions' stores are, seen from one of them.
fn root(store: &Store) -> &Path {
    store.dir.parent().unwrap_or(&store.dir)
}

/// Opens a source after making sure it is what it was.
pub(crate) fn open_source(store: &Store, source: &Source) -> Result<Box<dyn disk::Source>> {
    check_source(store, source)?;
    if source.disk_bytes > DISK_BYTES_MAX {
        return Err(Failure::caller(
            "InvalidImageSize",
            format!("a disk of `{}` bytes is too large", source.disk_bytes),
        ));
    }
    let file = store
        .files
        .open(&locate(&*store.files, root(store), &source.at)?, Open::Read)
        .map_err(|error| fault::io(format_args!("opening `{}`", source.at), &error))?;
    let disk = disk::open(file, Some(source.format))?;
    if disk.disk_bytes() != source.disk_bytes {
        return Err(changed(&source.at));
    }
    Ok(disk)
}

/// Fails by name if the source is another than it was when the operation began.
pub(crate) fn check_source(store: &Store, source: &Source) -> Result<()> {
    let path = locate(&*store.files, root(store), &source.at)?;
    check_unchanged(&*store.files, &path, &source.at, &source.identity)
}

/// Fails by name if what is at a path is not what it was.
pub(crate) fn check_unchanged(
    files: &dyn Files,
    path: &Path,
    at: &Location,
    expected: &SourceIdentity,
) -> Result<()> {
    match files.identity(path) {
        Ok(found) if identity(&found) == *expected => Ok(()),
        Ok(_) => Err(changed(at)),
        Err(error) if is_missing(&error) => Err(changed(at)),
        Err(error) => Err(fault::io(format_args!("looking at `{at}`"), &error)),
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

/// The source is not what it was.
pub(crate) fn changed(at: &Location) -> Failure {
    Refusal::new("InvalidSource.Changed", format!("`{at}` was changed or replaced while it was read"))
        .advise("make sure nothing writes to it, a running machine for one, and try again")
        .into()
}
