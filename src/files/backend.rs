//! A redb storage backend on a [`File`] of the port, so that databases run on the same disk, real
//! or simulated, as everything else.
//!
//! redb writes a commit page by page in no order. Here the pages are held until they have to be in the file, and
//! go there in the order of their places, neighbours in one write: a commit of a hundred pages is some twenty
//! writes instead of a hundred. What a sync makes durable is the same.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::File;

/// Bytes held at most: several commits of a crowd, and no matter beside redb's cache.
const HELD_BYTES_MAX: usize = 4 << 20;
/// Bytes in one write at most, which is what is copied together for it.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// A redb database's file. Locking is the business of whoever owns the directory.
#[derive(Debug)]
pub struct Backend {
    file: Arc<dyn File>,
    held: Mutex<Held>,
    /// Whether anything is held, for readers, who mostly find nothing.
    holds: AtomicBool,
}

/// What is written and not yet in the file.
#[derive(Debug, Default)]
struct Held {
    /// By offset; no two overlap.
    pages: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
}

impl Held {
    /// Whether any of it lies in a piece of the file.
    fn touches(&self, offset: u64, len: usize) -> bool {
        let last = self.pages.range(..offset + len as u64).next_back();
        last.is_some_and(|(begin, page)| begin + page.len() as u64 > offset)
    }

    /// Writes all of it. After an error all of it is held still.
    fn write_to(&mut self, file: &dyn File) -> io::Result<()> {
        let mut together: Vec<u8> = Vec::new();
        let mut begin = 0;
        for (offset, page) in &self.pages {
            let follows = begin + together.len() as u64 == *offset;
            if !together.is_empty() && (!follows || together.len() + page.len() > WRITE_BYTES_MAX) {
                file.write_at(begin, &together)?;
                together.clear();
            }
            if together.is_empty() {
                begin = *offset;
            }
            together.extend_from_slice(page);
        }
        if !together.is_empty() {
            file.write_at(begin, &together)?;
        }
        self.pages.clear();
        self.bytes = 0;
        Ok(())
    }
}

impl Backend {
    /// A backend on an open file.
    pub fn new(file: Arc<dyn File>) -> Self {
        Self { file, held: Mutex::default(), holds: AtomicBool::new(false) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has everything in the file.
    fn write_held(&self) -> io::Result<()> {
        if self.holds.load(Ordering::Acquire) {
            let mut held = self.held();
            held.write_to(&*self.file)?;
            self.holds.store(false, Ordering::Release);
        }
        Ok(())
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.write_held()?;
        Ok(self.file.identity()?.size_bytes)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.holds.load(Ordering::Acquire) {
            let mut held = self.held();
            if let Some(page) = held.pages.get(&offset).filter(|page| page.len() >= out.len()) {
                out.copy_from_slice(&page[..out.len()]);
                return Ok(());
            }
            if held.touches(offset, out.len()) {
                held.write_to(&*self.file)?;
                self.holds.store(false, Ordering::Release);
            }
        }
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write_held()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.write_held()?;
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut held = self.held();
        let same = held.pages.get_mut(&offset).filter(|page| page.len() == data.len());
        if let Some(page) = same {
            page.copy_from_slice(data);
            return Ok(());
        }
        if held.bytes + data.len() > HELD_BYTES_MAX || held.touches(offset, data.len()) {
            held.write_to(&*self.file)?;
        }
        held.bytes += data.len();
        held.pages.insert(offset, data.to_vec());
        self.holds.store(true, Ordering::Release);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.write_held()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // What nobody has asked to be durable: whoever opens the file next repairs what is missing.
        let _ = self.write_held();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Files as _, Open, RealFiles};

    /// Writes and reads as a seed says, beside a plain copy in memory.
    #[test]
    fn what_is_written_is_read_whatever_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let file = RealFiles.open(&dir.path().join("pages"), Open::CreateNew).unwrap();
        let backend = Backend::new(file.clone());
        let pages = 64_usize;
        backend.set_len((pages * 4096) as u64).unwrap();
        let mut plain = vec![0_u8; pages * 4096];
        let mut seed = 7_u64;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        for turn in 0..5_000_u32 {
            // Pages of one, two or four, each at a place that its size divides, as redb's; and the header's pieces.
            let size = [4096, 8192, 16384, 320][next(4)];
            let at = next(plain.len() / size) * size;
            let piece = at..at + size;
            if next(3) > 0 {
                let byte = turn.to_le_bytes()[next(2)];
                plain[piece].fill(byte);
                backend.write(at as u64, &vec![byte; size]).unwrap();
            } else {
                let mut read = vec![0; size];
                backend.read(at as u64, &mut read).unwrap();
                assert!(read == plain[piece], "turn {turn}, {size} bytes at {at}");
            }
            if next(100) == 0 {
                backend.sync_data().unwrap();
                let mut whole = vec![0; plain.len()];
                file.read_at(0, &mut whole).unwrap();
                assert!(whole == plain, "turn {turn}: a sync has everything in the file");
            }
        }
    }
}
