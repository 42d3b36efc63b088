//! The file beside the log that says how far it had come when that was last acknowledged, so that a log which was put
//! back from an older copy is found out.

use std::io;

use event::Seq;
use files::File;

use crate::chain::Hash;
use crate::store::Head;

/// 8 bytes of sequence, 32 of chain hash, 8 of check: torn or foreign bytes do not pass for a head.
pub(crate) fn bytes(head: &Head) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&head.seq.0.to_le_bytes());
    bytes[8..40].copy_from_slice(&head.hash);
    let check = blake3::hash(&bytes[..40]);
    bytes[40..].copy_from_slice(&check.as_bytes()[..8]);
    bytes
}

/// How far the log had come, if the file says so.
pub(crate) fn read(file: &dyn File) -> io::Result<Option<(Seq, Hash)>> {
    let mut bytes = [0; 48];
    match file.read_at(0, &mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    if blake3::hash(&bytes[..40]).as_bytes()[..8] != bytes[40..] {
        return Ok(None);
    }
    let seq = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    Ok(Some((Seq(seq), bytes[8..40].try_into().expect("thirty-two bytes"))))
}
