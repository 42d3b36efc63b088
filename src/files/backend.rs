//! A redb storage backend on a [`File`] of the port, so that databases run on the same disk, real
//! or simulated, as everything else.
//!
//! redb writes a commit page by page in no order. Here the pages are held until they have to be in the file, and
//! go there in the order of their places, neighbours in one write: a commit of a hundred pages is some twenty
//! writes instead of a hundred. What a sync makes durable is the same.
//!
//! Whoever has what a commit holds elsewhere on disk may have its sync put off ([`Syncs::Behind`]): its pages are
//! then *under way*, and go to the file and are synced by a thread that is lent for it ([`Backend::carry`]), or else
//! by whoever has to wait for them. Nothing that is written after them reaches the file before they are durable, so
//! the file is at any moment what a sync at once would have left of an earlier commit.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::File;

/// Bytes held at most: several commits of a crowd, and no matter beside redb's cache.
const HELD_BYTES_MAX: usize = 8 << 20;
/// Bytes in one write at most, which is what is copied together for it.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// A redb database's file. Locking is the business of whoever owns the directory. A clone is the same backend.
#[derive(Clone, Debug)]
pub struct Backend(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Arc<dyn File>,
    pages: Mutex<Pages>,
    /// Pages under way have come to be, or have become durable, or the carrier is to go.
    changed: Condvar,
    /// Whether anything is held or under way, for readers, who mostly find nothing.
    holds: AtomicBool,
    /// What syncs do, as a [`Syncs`].
    syncs: AtomicU8,
}

/// What a sync that redb asks for does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// It makes all that was written durable.
    Now,
    /// It is put off.
    Behind,
    /// It makes the file's length durable, which is all that redb asks of one before a commit that is to be durable:
    /// it lengthens the file with its state locked, where nobody may have to wait for pages under way.
    Length,
}

/// What is written and not yet durable in the file, or not yet in it.
#[derive(Debug, Default)]
struct Pages {
    held: Held,
    /// What a sync that was put off is to make durable.
    under_way: Option<Arc<Held>>,
    /// Somebody carries it to the file.
    is_carried: bool,
    /// Nobody is to carry any more.
    is_over: bool,
    /// What kept pages from becoming durable; from then on nothing is written any more.
    failed: Option<(io::ErrorKind, String)>,
}

/// Pages by offset; no two overlap.
#[derive(Debug, Default)]
struct Held {
    pages: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
}

impl Held {
    /// Whether any of it lies in a piece of the file.
    fn touches(&self, offset: u64, len: usize) -> bool {
        let last = self.pages.range(..offset + len as u64).next_back();
        last.is_some_and(|(begin, page)| begin + page.len() as u64 > offset)
    }

    /// Reads a piece of the file if all of it lies in one page from its beginning.
    fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        let page = self.pages.get(&offset).filter(|page| page.len() >= out.len());
        page.inspect(|page| out.copy_from_slice(&page[..out.len()])).is_some()
    }

    /// Forgets what lies beyond a length.
    fn cut(&mut self, len: u64) {
        let beyond = self.pages.split_off(&len);
        self.bytes -= beyond.values().map(Vec::len).sum::<usize>();
    }

    /// Writes all of it.
    fn write_to(&self, file: &dyn File) -> io::Result<()> {
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
        Ok(())
    }
}

impl Pages {
    fn check(&self) -> io::Result<()> {
        match &self.failed {
            Some((kind, why)) => Err(io::Error::new(*kind, why.clone())),
            None => Ok(()),
        }
    }
}

impl Backend {
    /// A backend on an open file.
    pub fn new(file: Arc<dyn File>) -> Self {
        Self(Arc::new(Inner {
            file,
            pages: Mutex::default(),
            changed: Condvar::new(),
            holds: AtomicBool::new(false),
            syncs: AtomicU8::new(Syncs::Now as u8),
        }))
    }

    /// Says what syncs do from now on. Whoever has them put off has to be able to make anew what they were to make
    /// durable until [`Backend::wait`] says that it is.
    pub fn sync_as(&self, syncs: Syncs) {
        self.0.syncs.store(syncs as u8, Ordering::Release);
    }

    /// Waits until everything whose sync was put off is durable.
    ///
    /// # Errors
    /// If it could not be written or synced, now and at every later try.
    pub fn wait(&self) -> io::Result<()> {
        self.0.carried(self.0.pages()).map(drop)
    }

    /// Lends a thread that carries pages under way to the file as soon as there are any, until [`Backend::dismiss`].
    pub fn carry(&self) {
        let mut pages = self.0.pages();
        while !pages.is_over {
            pages = if pages.under_way.is_some() && !pages.is_carried && pages.failed.is_none() {
                self.0.carries(pages)
            } else {
                self.0.waits(pages)
            };
        }
    }

    /// Lets lent threads go. What is under way then is carried by whoever waits for it.
    pub fn dismiss(&self) {
        self.0.pages().is_over = true;
        self.0.changed.notify_all();
    }
}

impl Inner {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waits<'a>(&self, pages: MutexGuard<'a, Pages>) -> MutexGuard<'a, Pages> {
        self.changed.wait(pages).unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes durable what is under way, with the lock let go meanwhile.
    fn carries<'a>(&'a self, mut pages: MutexGuard<'a, Pages>) -> MutexGuard<'a, Pages> {
        pages.is_carried = true;
        let under_way = pages.under_way.clone();
        drop(pages);
        let done =
            under_way.map_or(Ok(()), |pages| pages.write_to(&*self.file).and_then(|()| self.file.sync()));
        let mut pages = self.pages();
        pages.is_carried = false;
        match done {
            Ok(()) => {
                pages.under_way = None;
                self.says_what_is_held(&pages);
            }
            // They stay, to be read.
            Err(error) => pages.failed = Some((error.kind(), error.to_string())),
        }
        self.changed.notify_all();
        pages
    }

    /// Waits until nothing is under way; fails if that could not be made durable.
    fn carried<'a>(&'a self, mut pages: MutexGuard<'a, Pages>) -> io::Result<MutexGuard<'a, Pages>> {
        loop {
            pages.check()?;
            pages = match (&pages.under_way, pages.is_carried) {
                (None, _) => return Ok(pages),
                (Some(_), true) => self.waits(pages),
                (Some(_), false) => self.carries(pages),
            };
        }
    }

    /// Has everything in the file. After an error what is held is held still.
    fn written<'a>(&'a self, pages: MutexGuard<'a, Pages>) -> io::Result<MutexGuard<'a, Pages>> {
        let mut pages = self.carried(pages)?;
        pages.held.write_to(&*self.file)?;
        pages.held = Held::default();
        self.says_what_is_held(&pages);
        Ok(pages)
    }

    fn syncs_as(&self, syncs: Syncs) -> bool {
        self.syncs.load(Ordering::Acquire) == syncs as u8
    }

    fn says_what_is_held(&self, pages: &Pages) {
        let holds = pages.under_way.is_some() || !pages.held.pages.is_empty();
        self.holds.store(holds, Ordering::Release);
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        // It is made as long as it is to be before anything is written there.
        Ok(self.0.file.identity()?.size_bytes)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.0.holds.load(Ordering::Acquire) {
            let pages = self.0.pages();
            if pages.held.read(offset, out) {
                return Ok(());
            }
            let under_way = pages.under_way.as_ref();
            if pages.held.touches(offset, out.len()) {
                drop(self.0.written(pages)?);
            } else if under_way.is_some_and(|pages| pages.read(offset, out)) {
                return Ok(());
            } else if under_way.is_some_and(|pages| pages.touches(offset, out.len())) {
                drop(self.0.carried(pages)?);
            }
        }
        self.0.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut pages = self.0.pages();
        if !self.0.syncs_as(Syncs::Length) && len < self.0.file.identity()?.size_bytes {
            // What the header on disk says has to be in the file.
            pages = self.0.carried(pages)?;
        }
        pages.held.cut(len);
        self.0.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.0.syncs_as(Syncs::Length) {
            self.0.pages().check()?;
            return self.0.file.sync();
        }
        if self.0.syncs_as(Syncs::Behind) {
            let mut pages = self.0.carried(self.0.pages())?;
            pages.under_way = Some(Arc::new(std::mem::take(&mut pages.held)));
            self.0.says_what_is_held(&pages);
            self.0.changed.notify_all();
            return Ok(());
        }
        drop(self.0.written(self.0.pages())?);
        self.0.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut pages = self.0.pages();
        let same = pages.held.pages.get_mut(&offset).filter(|page| page.len() == data.len());
        if let Some(page) = same {
            page.copy_from_slice(data);
            return Ok(());
        }
        if pages.held.bytes + data.len() > HELD_BYTES_MAX || pages.held.touches(offset, data.len()) {
            pages = self.0.written(pages)?;
        }
        pages.held.bytes += data.len();
        pages.held.pages.insert(offset, data.to_vec());
        self.0.holds.store(true, Ordering::Release);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        drop(self.0.written(self.0.pages())?);
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What nobody has asked to be durable: whoever opens the file next repairs what is missing.
        let _ = self.written(self.pages()).map(drop);
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
            if next(50) == 0 {
                // Put off: it is there, and nothing more is asked of it before somebody waits.
                backend.sync_as(Syncs::Behind);
                backend.sync_data().unwrap();
                backend.sync_as(Syncs::Now);
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
