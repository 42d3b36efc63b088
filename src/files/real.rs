//! The real file system, by plain positioned system calls.

use std::fs::{self, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{Advice, SeekFrom};

use crate::{File, Files, Identity, Kind, Open};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFiles;

impl Files for RealFiles {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match how {
            Open::Read => {}
            Open::Write => _ = options.write(true),
            Open::Create => _ = options.write(true).create(true),
            Open::CreateNew => _ = options.write(true).create_new(true),
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        Ok(identity_of(&fs::metadata(path)?))
    }

    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            // A name that is no Unicode is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_modified_ns(&self, modified_ns: i64) -> io::Result<()> {
        let since = Duration::from_nanos(modified_ns.unsigned_abs());
        let at = if modified_ns < 0 { UNIX_EPOCH.checked_sub(since) } else { UNIX_EPOCH.checked_add(since) };
        self.0.set_modified(at.ok_or(io::ErrorKind::InvalidInput)?)
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(identity_of(&self.0.metadata()?))
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let begin = match rustix::fs::seek(&self.0, SeekFrom::Data(from)) {
            Ok(begin) => begin,
            Err(rustix::io::Errno::NXIO) => return Ok(None),
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOTSUP) => {
                let len = self.0.metadata()?.len();
                return Ok((from < len).then_some(from..len));
            }
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(&self.0, SeekFrom::Hole(begin))?;
        Ok(Some(begin..end))
    }

    fn advise(&self, range: Range<u64>, soon: bool) {
        let advice = if soon { Advice::WillNeed } else { Advice::DontNeed };
        let len = std::num::NonZeroU64::new(range.end.saturating_sub(range.start));
        // A hint that is not taken changes nothing but speed.
        let _ = rustix::fs::fadvise(&self.0, range.start, len, advice);
    }
}

fn identity_of(metadata: &fs::Metadata) -> Identity {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Directory,
        _ => Kind::Other,
    };
    Identity {
        kind,
        device: metadata.dev(),
        inode: metadata.ino(),
        size_bytes: metadata.len(),
        modified_ns: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
        allocated_bytes: metadata.blocks().saturating_mul(512),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_found_between_stretches_of_data() {
        let dir = tempfile::tempdir().unwrap();
        let file = RealFiles.open(&dir.path().join("sparse"), Open::CreateNew).unwrap();
        file.set_len(3 << 20).unwrap();
        file.write_at(1 << 20, &[1; 4096]).unwrap();
        let data = file.next_data(0).unwrap().unwrap();
        assert!(data.start <= 1 << 20 && data.end >= (1 << 20) + 4096);
        assert_eq!(file.next_data(data.end).unwrap(), None);
        let mut out = [9; 16];
        file.read_at(0, &mut out).unwrap();
        assert_eq!(out, [0; 16]);
    }

    #[test]
    fn a_read_beyond_the_end_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = RealFiles.open(&dir.path().join("short"), Open::CreateNew).unwrap();
        file.write_at(0, b"abc").unwrap();
        let error = file.read_at(0, &mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
