//! What a file is.

use domain::port::Format;
use files::File;

use crate::Error;

/// Finds out what disk format a file has, from its head and its tail.
pub fn detect(file: &dyn File) -> Result<Format, Error> {
    let mut head = [0; 4];
    if crate::regular_file_bytes(file)? >= 4 {
        file.read_at(0, &mut head)
            .map_err(|e| Error::io("reading the head of the disk file", e))?;
    }
    Ok(if head == *b"QFI\xfb" {
        Format::Qcow2
    } else {
        Format::Raw
    })
}
