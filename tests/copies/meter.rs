//! A file system that counts what is read from the packs of one region.
//!
//! The count is in a file that every read overwrites before it reads: what was written is in the
//! system's cache when the process is killed, so nothing that was read is missing from it.
//! It also does one thing, once, when so much has been read: the moment is chosen by what was sent
//! and not by a clock.

use std::fmt;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use files::{File, Files, Identity, Open, RealFiles};

/// What is done when enough was read.
type Then = Box<dyn FnOnce() + Send>;

/// The real file system, with packs that count.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Counter>);

struct Counter {
    packs: PathBuf,
    told: Option<fs::File>,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    bytes: u64,
    then: Option<(u64, Then)>,
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter").field("packs", &self.packs).finish_non_exhaustive()
    }
}

impl Meter {
    /// Counts what is read from packs in `packs`; told to the file, if there is one.
    pub fn new(packs: PathBuf, told: Option<&Path>) -> Self {
        let told = told.map(|path| fs::File::create(path).unwrap());
        Self(Arc::new(Counter { packs, told, read: Mutex::default() }))
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.0.read.lock().unwrap().bytes
    }

    /// Does something as soon as more than `bytes` have been read, in the middle of that read.
    pub fn when(&self, bytes: u64, then: impl FnOnce() + Send + 'static) {
        self.0.read.lock().unwrap().then = Some((bytes, Box::new(then)));
    }
}

/// What the meters of all processes have counted that told it to files of this folder.
pub fn told_in(folder: &Path) -> u64 {
    let told = |entry: io::Result<fs::DirEntry>| fs::read(entry.unwrap().path()).unwrap();
    let numbers = fs::read_dir(folder).unwrap().map(told);
    // A file that was only just made says nothing yet.
    numbers.map(|bytes| bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))).sum()
}

impl Counter {
    fn count(&self, bytes: usize) {
        let mut read = self.read.lock().unwrap();
        read.bytes += bytes as u64;
        if let Some(told) = &self.told {
            told.write_all_at(&read.bytes.to_le_bytes(), 0).unwrap();
        }
        if let Some((at, then)) = read.then.take() {
            if read.bytes > at {
                then();
            } else {
                read.then = Some((at, then));
            }
        }
    }
}

impl Files for Meter {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let file = RealFiles.open(path, how)?;
        if path.parent() != Some(&self.0.packs) {
            return Ok(file);
        }
        Ok(Arc::new(Metered { file, counter: Arc::clone(&self.0) }))
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        RealFiles.identity(path)
    }

    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        RealFiles.create_dirs(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealFiles.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFiles.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFiles.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealFiles.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealFiles.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealFiles.sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        RealFiles.free_bytes(path)
    }
}

/// A pack whose reads are counted.
#[derive(Debug)]
struct Metered {
    file: Arc<dyn File>,
    counter: Arc<Counter>,
}

impl File for Metered {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.counter.count(out.len());
        self.file.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn identity(&self) -> io::Result<Identity> {
        self.file.identity()
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.file.next_data(from)
    }

    fn advise(&self, range: Range<u64>, soon: bool) {
        self.file.advise(range, soon);
    }
}
