//! Files with holes: copied so that the holes stay, changed in place, and compared byte for byte.

use std::path::Path;
use std::sync::Arc;

use files::{File, Files, Open, RealFiles};

use crate::error::{Attempted, Error};

/// What is read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// How two files differ, or do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// They have the same bytes.
    Equal {
        /// How many.
        bytes: u64,
    },
    /// They do not.
    Different {
        /// Where first.
        at: u64,
    },
}

/// Copies a file; holes stay holes.
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let what = || format!("copying `{}` to `{}`", from.display(), to.display());
    let source = RealFiles.open(from, Open::Read).attempting(what())?;
    if RealFiles.identity(to).is_ok() {
        RealFiles.remove(to).attempting(what())?;
    }
    let target = RealFiles.open(to, Open::CreateNew).attempting(what())?;
    let size = source.identity().attempting(what())?.size_bytes;
    target.set_len(size).attempting(what())?;
    let (mut at, mut buffer) = (0, vec![0; BUFFER_BYTES]);
    while let Some(data) = source.next_data(at).attempting(what())? {
        at = data.start;
        while at < data.end.min(size) {
            let piece = piece(&mut buffer, data.end.min(size) - at);
            source.read_at(at, piece).attempting(what())?;
            target.write_at(at, piece).attempting(what())?;
            at += piece.len() as u64;
        }
        at = data.end;
    }
    Ok(())
}

/// Compares two files byte for byte, holes as the zeros they read as.
pub fn compare(left: &Path, right: &Path) -> Result<Comparison, Error> {
    let what = || format!("comparing `{}` with `{}`", left.display(), right.display());
    let left = RealFiles.open(left, Open::Read).attempting(what())?;
    let right = RealFiles.open(right, Open::Read).attempting(what())?;
    let size = left.identity().attempting(what())?.size_bytes;
    let other_size = right.identity().attempting(what())?.size_bytes;
    let (mut ours, mut theirs) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let mut at = 0;
    while at < size.min(other_size) {
        // Where both have a hole there is nothing to read.
        let first = next_data(&left, at).attempting(what())?;
        let second = next_data(&right, at).attempting(what())?;
        at = at.max(first.min(second).min(size.min(other_size)));
        let left_over = size.min(other_size) - at;
        let ours = piece(&mut ours, left_over);
        let theirs = piece(&mut theirs, left_over);
        left.read_at(at, ours).attempting(what())?;
        right.read_at(at, theirs).attempting(what())?;
        if ours != theirs {
            let within = ours.iter().zip(theirs.iter()).position(|(one, other)| one != other).unwrap_or(0);
            return Ok(Comparison::Different { at: at + within as u64 });
        }
        at += ours.len() as u64;
    }
    if size != other_size {
        return Ok(Comparison::Different { at: size.min(other_size) });
    }
    Ok(Comparison::Equal { bytes: size })
}

/// Bytes a file takes on its disk, holes left out.
pub fn allocated_bytes(path: &Path) -> Result<u64, Error> {
    let found = RealFiles.identity(path).attempting(format!("looking at `{}`", path.display()))?;
    Ok(found.allocated_bytes)
}

/// Length of a file.
pub fn size_bytes(path: &Path) -> Result<u64, Error> {
    Ok(RealFiles.identity(path).attempting(format!("looking at `{}`", path.display()))?.size_bytes)
}

/// Changes some blocks of a file that hold data, here and there, as a running machine would.
pub(crate) fn touch(path: &Path, version: u32) -> Result<u64, Error> {
    let what = || format!("changing `{}`", path.display());
    let file = RealFiles.open(path, Open::Write).attempting(what())?;
    let size = file.identity().attempting(what())?.size_bytes;
    let (mut at, mut changed) = (0, 0);
    let step = (size / 64).max(4096);
    while let Some(data) = file.next_data(at).attempting(what())? {
        let line = format!("changed for version {version}\n");
        if data.start + (line.len() as u64) <= data.end.min(size) {
            // Away from the very first block, which the partition table has.
            let to = if data.start == 0 { 65_536.min(size / 2) } else { data.start };
            file.write_at(to, line.as_bytes()).attempting(what())?;
            changed += 1;
        }
        at = (data.start + step).max(at + step);
    }
    Ok(changed)
}

fn next_data(file: &Arc<dyn File>, from: u64) -> std::io::Result<u64> {
    Ok(file.next_data(from)?.map_or(u64::MAX, |data| data.start))
}

fn piece(buffer: &mut [u8], left: u64) -> &mut [u8] {
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
    &mut buffer[..len]
}
