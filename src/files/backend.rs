//! A redb storage backend on a [`File`] of the port, so that databases run on the same disk, real
//! or simulated, as everything else.

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use crate::File;

/// A redb database's file. Locking is the business of whoever owns the directory.
#[derive(Debug)]
pub struct Backend(Arc<dyn File>);

impl Backend {
    /// A backend on an open file.
    pub fn new(file: Arc<dyn File>) -> Self {
        Self(file)
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.identity()?.size_bytes)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}
