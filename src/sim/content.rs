//! The bytes of one file: a sparse map of pages, shared between copies until written.
//!
//! A 64 MiB file that holds one byte costs one page, and copying a whole disk copies references.
//! Nothing here knows of durability; `disk` keeps two of these per file, one for each truth.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What is allocated at a time, as on most file systems.
pub(crate) const PAGE_BYTES: usize = 4096;
const PAGE: u64 = PAGE_BYTES as u64;

type Page = [u8; PAGE_BYTES];

#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    len: u64,
    /// Time of the last change, by the disk's logical clock.
    pub(crate) modified_ns: i64,
    pages: BTreeMap<u64, Arc<Page>>,
}

/// The pieces of a byte range that lie in one page each: page number, range in the page, range in
/// the buffer.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, Range<usize>, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let begin = within_page(at);
        let piece_bytes = (PAGE_BYTES - begin).min(len - done);
        let piece = (at / PAGE, begin..begin + piece_bytes, done..done + piece_bytes);
        done += piece_bytes;
        Some(piece)
    })
}

fn within_page(offset: u64) -> usize {
    usize::try_from(offset % PAGE).expect("less than a page")
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn allocated_bytes(&self) -> u64 {
        self.pages.len() as u64 * PAGE
    }

    /// Fills `out`, or says no if the file ends before.
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.len) {
            return false;
        }
        for (page, within, buffer) in pieces(offset, out.len()) {
            match self.pages.get(&page) {
                Some(bytes) => out[buffer].copy_from_slice(&bytes[within]),
                None => out[buffer].fill(0),
            }
        }
        true
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (page, within, buffer) in pieces(offset, bytes.len()) {
            let page = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE_BYTES]));
            Arc::make_mut(page)[within].copy_from_slice(&bytes[buffer]);
        }
        if !bytes.is_empty() {
            self.len = self.len.max(offset + bytes.len() as u64);
        }
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.pages.split_off(&len.div_ceil(PAGE));
            if let Some(last) = self.pages.get_mut(&(len / PAGE)) {
                Arc::make_mut(last)[within_page(len)..].fill(0);
            }
        }
        self.len = len;
    }

    /// The longest beginning of a write that needs no more than `free_bytes` of new pages.
    pub(crate) fn fitting(&self, offset: u64, len: usize, free_bytes: u64) -> usize {
        let mut free_pages = free_bytes / PAGE;
        for (page, _, buffer) in pieces(offset, len) {
            if !self.pages.contains_key(&page) {
                if free_pages == 0 {
                    return buffer.start;
                }
                free_pages -= 1;
            }
        }
        len
    }

    pub(crate) fn next_data(&self, from: u64) -> Option<Range<u64>> {
        let (first, _) = self.pages.range(from / PAGE..).next()?;
        let begin = from.max(first * PAGE);
        if begin >= self.len {
            return None;
        }
        let mut end = *first + 1;
        while self.pages.contains_key(&end) {
            end += 1;
        }
        Some(begin..(end * PAGE).min(self.len))
    }

    /// Takes over the pages that a write touched, as they are in another copy of the file.
    pub(crate) fn take_range(&mut self, other: &Self, offset: u64, len: usize) {
        for (page, ..) in pieces(offset, len) {
            match other.pages.get(&page) {
                Some(bytes) => _ = self.pages.insert(page, Arc::clone(bytes)),
                None => _ = self.pages.remove(&page),
            }
        }
    }

    /// Takes over everything from an offset on, the page it is in included.
    pub(crate) fn take_tail(&mut self, other: &Self, offset: u64) {
        let first = offset / PAGE;
        self.pages.split_off(&first);
        self.pages.extend(other.pages.range(first..).map(|(page, bytes)| (*page, Arc::clone(bytes))));
    }

    /// Takes over length and time.
    pub(crate) fn take_shape(&mut self, other: &Self) {
        self.len = other.len;
        self.modified_ns = other.modified_ns;
    }

    /// A hash over length and bytes; a hole and written zeros are the same.
    pub(crate) fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.len.to_le_bytes());
        for (page, bytes) in &self.pages {
            if bytes.iter().any(|byte| *byte != 0) {
                hasher.update(&page.to_le_bytes());
                hasher.update(&bytes[..]);
            }
        }
        hasher.finalize()
    }
}
