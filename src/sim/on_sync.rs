//! Any file system, with something done before each sync: syncs are counted, held up, or made to fail.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::files::{File, Files, Identity, Open};

type Before = Arc<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

/// A file system whose syncs, of files and of directories, ask first.
pub struct OnSync {
    files: Arc<dyn Files>,
    before: Before,
    /// Syncs of a length that has just been set are left alone.
    spares_lengths: bool,
}

impl OnSync {
    /// Calls `before` ahead of each sync of `files`; its error is the sync's.
    pub fn new(
        files: Arc<dyn Files>,
        before: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { files, before: Arc::new(move |_| before()), spares_lengths: false })
    }

    /// The same, told of which file or directory it is, but for the sync of a file whose length has just been set: a
    /// database that makes itself larger keeps its readers out meanwhile, and one that was held up there would wait
    /// for them for ever.
    pub fn of_content(
        files: Arc<dyn Files>,
        before: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { files, before: Arc::new(before), spares_lengths: true })
    }
}

impl fmt::Debug for OnSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnSync").field(&self.files).finish()
    }
}

impl Files for OnSync {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let file = self.files.open(path, how)?;
        let before = self.before.clone();
        Ok(Arc::new(OnSyncFile {
            file,
            path: path.to_owned(),
            before,
            spares_lengths: self.spares_lengths,
            resized: AtomicBool::new(false),
        }))
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        self.files.identity(path)
    }

    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        self.files.create_dirs(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.files.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.files.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        (self.before)(path)?;
        self.files.sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.files.free_bytes(path)
    }
}

struct OnSyncFile {
    file: Arc<dyn File>,
    path: PathBuf,
    before: Before,
    spares_lengths: bool,
    resized: AtomicBool,
}

impl fmt::Debug for OnSyncFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnSyncFile").field(&self.file).finish()
    }
}

impl File for OnSyncFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.resized.store(true, Ordering::Relaxed);
        self.file.set_len(len)
    }

    fn set_modified_ns(&self, modified_ns: i64) -> io::Result<()> {
        self.file.set_modified_ns(modified_ns)
    }

    fn sync(&self) -> io::Result<()> {
        if !(self.resized.swap(false, Ordering::Relaxed) && self.spares_lengths) {
            (self.before)(&self.path)?;
        }
        self.file.sync()
    }

    fn identity(&self) -> io::Result<Identity> {
        self.file.identity()
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.file.next_data(from)
    }
}
