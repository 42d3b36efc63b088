//! Any file system, with something done before each sync: syncs are counted, held up, or made to fail.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ::files::{File, Files, Identity, Open};

type Before = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// A file system whose syncs, of files and of directories, ask first.
pub struct OnSync {
    files: Arc<dyn Files>,
    before: Before,
}

impl OnSync {
    /// Calls `before` ahead of each sync of `files`; its error is the sync's.
    pub fn new(
        files: Arc<dyn Files>,
        before: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { files, before: Arc::new(before) })
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
        Ok(Arc::new(OnSyncFile { file, before: self.before.clone() }))
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
        (self.before)()?;
        self.files.sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.files.free_bytes(path)
    }
}

struct OnSyncFile {
    file: Arc<dyn File>,
    before: Before,
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
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        (self.before)()?;
        self.file.sync()
    }

    fn identity(&self) -> io::Result<Identity> {
        self.file.identity()
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.file.next_data(from)
    }
}
