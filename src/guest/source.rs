//! The disk as every reader of this room sees it: behind a bound on the work one check may cause.
//!
//! A guest decides what a reader does next: how long a chain is, where a table points, how often a
//! link is followed. So each reader charges what it does to one [`Source`], also what is answered
//! from its cache: structures that point back at themselves are cheap to read and endless to walk.
//! Nothing here knows a format.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use crate::Disk;

/// Work one check may cause, in bytes. A Debian is told from 1 MiB of its disk, looked at a few
/// times over; this much is a second or two, and no guest can make it more.
const WORK_BYTES_MAX: u64 = 256 << 20;
/// What a call costs besides its bytes, so that a million small ones end too.
const CALL_COST_BYTES: u64 = 64;
/// The disk is read in pages of this size: inodes and descriptors lie close together.
const PAGE_BYTES: u64 = 16 << 10;
/// Pages kept: 8 MiB. When they are full all are dropped, which is rare and needs no order.
const PAGES_MAX: usize = 512;

/// Why something could not be told.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The disk could not be read: the only one that fails a check.
    World(io::Error),
    /// The check has done all the work it may do.
    Spent,
    /// What the guest wrote makes no sense: in words.
    Unreadable(&'static str),
    /// It may well, but is of a kind that is not read here: in words.
    Unknown(&'static str),
}

/// What a reader gives.
pub(crate) type Result<T> = std::result::Result<T, Trouble>;

/// A disk, and how much work is left.
pub(crate) struct Source<'a> {
    disk: &'a dyn Disk,
    work_left_bytes: Cell<u64>,
    pages: RefCell<HashMap<u64, Rc<[u8]>>>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(disk: &'a dyn Disk) -> Self {
        Self { disk, work_left_bytes: Cell::new(WORK_BYTES_MAX), pages: RefCell::default() }
    }

    pub(crate) fn disk_bytes(&self) -> u64 {
        self.disk.disk_bytes()
    }

    /// Takes some of the work that is left.
    pub(crate) fn charge(&self, bytes: u64) -> Result<()> {
        let left = self.work_left_bytes.get().checked_sub(bytes.saturating_add(CALL_COST_BYTES));
        self.work_left_bytes.set(left.unwrap_or(0));
        left.map(drop).ok_or(Trouble::Spent)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.charge(out.len() as u64)?;
        let (mut at, mut out) = (offset, out);
        while !out.is_empty() {
            let page = self.page(at / PAGE_BYTES)?;
            let within = index(at % PAGE_BYTES);
            let count = out.len().min(page.len().saturating_sub(within));
            if count == 0 {
                return Err(Trouble::Unreadable("something lies behind the end of the disk"));
            }
            let (now, rest) = out.split_at_mut(count);
            now.copy_from_slice(&page[within..within + count]);
            out = rest;
            at += count as u64;
        }
        Ok(())
    }

    fn page(&self, number: u64) -> Result<Rc<[u8]>> {
        if let Some(page) = self.pages.borrow().get(&number) {
            return Ok(Rc::clone(page));
        }
        let begin = number * PAGE_BYTES;
        let bytes = self.disk_bytes().saturating_sub(begin).min(PAGE_BYTES);
        self.charge(bytes)?;
        let mut page = vec![0; index(bytes)];
        if !page.is_empty() {
            self.disk.read_at(begin, &mut page).map_err(Trouble::World)?;
        }
        let page: Rc<[u8]> = page.into();
        let mut pages = self.pages.borrow_mut();
        if pages.len() >= PAGES_MAX {
            pages.clear();
        }
        pages.insert(number, Rc::clone(&page));
        Ok(page)
    }
}

/// A stretch of the disk: all of it, or a partition.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'a> {
    pub(crate) source: &'a Source<'a>,
    pub(crate) begin: u64,
    pub(crate) bytes: u64,
}

impl<'a> Stretch<'a> {
    /// All of a disk.
    pub(crate) fn whole(source: &'a Source<'a>) -> Self {
        Self { source, begin: 0, bytes: source.disk_bytes() }
    }

    /// A part of a disk, cut off where the disk ends.
    pub(crate) fn part(source: &'a Source<'a>, begin: u64, bytes: u64) -> Self {
        Self { source, begin, bytes: bytes.min(source.disk_bytes().saturating_sub(begin)) }
    }

    /// Reads `count` bytes, all of which have to lie inside. Callers bound `count`.
    pub(crate) fn read(&self, offset: u64, count: usize) -> Result<Vec<u8>> {
        let end = offset.checked_add(count as u64);
        if end.is_none_or(|end| end > self.bytes) {
            return Err(Trouble::Unreadable("something lies outside its partition"));
        }
        let mut out = vec![0; count];
        self.source.read(self.begin + offset, &mut out)?;
        Ok(out)
    }

    /// The same, or nothing if it does not lie inside.
    pub(crate) fn try_read(&self, offset: u64, count: usize) -> Result<Option<Vec<u8>>> {
        match self.read(offset, count) {
            Err(Trouble::Unreadable(_)) => Ok(None),
            read => read.map(Some),
        }
    }
}

/// A number that a bound has made small enough to be an index.
pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).expect("a bounded number fits an index")
}

/// A little-endian number at an offset; zero behind the end.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |field| u16::from_le_bytes([field[0], field[1]]))
}

/// A little-endian number at an offset; zero behind the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// A little-endian number at an offset; zero behind the end.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Text up to the first zero byte, without space around it.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// Sixteen bytes as `6b696c6e-0000-4000-8000-000000000003`, in the order they lie in.
pub(crate) fn uuid_of(bytes: &[u8]) -> String {
    let digits = bytes.iter().take(16).enumerate();
    digits
        .map(
            |(at, byte)| {
                if matches!(at, 4 | 6 | 8 | 10) { format!("-{byte:02x}") } else { format!("{byte:02x}") }
            },
        )
        .collect()
}
