//! What is said of a log that cannot be opened, and what to try.

use std::io;
use std::path::Path;

use crate::store::WITNESS;

pub(crate) fn advice_for(error: &io::Error, dir: &Path) -> String {
    let dir = dir.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("{error}; the directory `{dir}` has to be writable, or choose another with --data")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("{error}; free some space in the file system that holds `{dir}`")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("{error}; `{dir}` has to be a directory, choose another with --data")
        }
        _ => error.to_string(),
    }
}

pub(crate) fn database_advice(error: &redb::Error, dir: &Path) -> String {
    match error {
        redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => damaged(error),
        redb::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => damaged(error),
        redb::Error::Io(error) => advice_for(error, dir),
        redb::Error::DatabaseAlreadyOpen => "another process has it open".to_owned(),
        other => damaged(other),
    }
}

pub(crate) fn damaged(error: &dyn std::fmt::Display) -> String {
    format!(
        "the file is damaged ({error}); nothing was repaired. Restore it and `{WITNESS}` from a copy of the directory"
    )
}
