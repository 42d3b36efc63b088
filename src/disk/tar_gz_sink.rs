//! A raw disk as the only member of a gzip-compressed tar archive.
//!
//! ```text
//! piece ─▶ runs that are not zero ─▶ gzip members, in the caller's thread
//!                                        │ under a short lock
//!                   place is the next ───┼── too early
//!                          ▼             │       ▼
//!  file: header, members, zeros, …       │  held in memory, or behind the end of the file
//! ```
//!
//! An archive has to be written in order, and pieces come in any. What lies between them is zeros
//! once it is settled ([`Sink::settle`]) and unknown before. A piece that came too early is held in
//! memory up to [`HELD_BYTES_MAX`], and above that is put aside in the file, behind the largest
//! archive the disk can become; it is copied to its place when that has come, and cut off at the
//! end. So no thread ever waits for another, whatever the order and even if nothing is settled at
//! all. Memory is what is held, one compressor for each thread, and about a hundred bytes for each
//! piece put aside.
//!
//! The archive has no time, no owner and mode 0644, and where members begin and end follows from
//! the pieces alone: equal disks give equal archives if the pieces are cut equally, whichever
//! thread was faster. Zero runs cost a thousandth of their length: deflate shrinks no further.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use files::File;

use crate::gzip::{MEMBER_BYTES, Packer, Zeros, packed_bytes_max};
use crate::{Error, PIECE_BYTES, SECTOR_BYTES, Sink, check_inside, check_piece, is_zero};

/// Members held in memory until their place has come: those of a dozen threads that are a few
/// segments ahead of the slowest.
const HELD_BYTES_MAX: u64 = 16 << 20;

/// Length of the field for the name.
const NAME_BYTES_MAX: usize = 100;
/// Sizes up to this have eleven octal digits.
const OCTAL_SIZE_MAX: u64 = (8 << 30) - 1;
/// Two blocks of zeros end an archive.
const END_LEN: usize = 1024;
const HEADER_LEN: usize = 512;

/// An archive that is written.
pub(crate) struct TarGzSink {
    file: Arc<dyn File>,
    disk_bytes: u64,
    zeros: Zeros,
    order: Mutex<Order>,
    packers: Mutex<Vec<Packer>>,
    /// A piece was not written: the file must not become an archive.
    failed: AtomicBool,
}

/// How far the archive is.
struct Order {
    /// Bytes of the archive that are written.
    written: u64,
    /// Bytes of the disk that are in it.
    place: u64,
    /// Bytes of the disk up to which all pieces have come, and ranges behind that are settled too.
    settled: u64,
    settled_ahead: BTreeMap<u64, u64>,
    /// Pieces that came too early, by their place in the disk.
    early: BTreeMap<u64, Early>,
    held_bytes: u64,
    /// Where in the file pieces are put aside, from the first and from the next on.
    aside_begin: u64,
    aside_next: u64,
    aside_count: u64,
}

/// A compressed piece whose place has not come.
struct Early {
    disk_end: u64,
    member: Member,
}

enum Member {
    Held(Vec<u8>),
    Aside(Range<u64>),
}

/// Begins an archive with a raw disk of this name.
pub(crate) fn create(file: Arc<dyn File>, name: &str, disk_bytes: u64) -> Result<TarGzSink, Error> {
    check_name(name)?;
    file.set_len(0).map_err(|e| Error::io("emptying the archive's file", e))?;
    let mut packer = Packer::new();
    let header = packer.pack(&header(name, disk_bytes))?;
    let written = header.len() as u64;
    file.write_at(0, &header).map_err(|e| writing(0, e))?;
    let around = packed_bytes_max((HEADER_LEN + END_LEN) as u64);
    let aside_begin = (packed_bytes_max(disk_bytes) + around).next_multiple_of(PIECE_BYTES);
    let order = Order {
        written,
        place: 0,
        settled: 0,
        settled_ahead: BTreeMap::new(),
        early: BTreeMap::new(),
        held_bytes: 0,
        aside_begin,
        aside_next: aside_begin,
        aside_count: 0,
    };
    Ok(TarGzSink {
        file,
        disk_bytes,
        zeros: Zeros::new()?,
        order: Mutex::new(order),
        packers: Mutex::new(vec![packer]),
        failed: AtomicBool::new(false),
    })
}

/// Fails unless a member of this name unpacks into the directory it is unpacked in.
fn check_name(name: &str) -> Result<(), Error> {
    let refused = |why: &str| {
        Err(Error::not_supported(format!("`{name}` cannot be the name of a file in an archive: {why}"))
            .advise("give it a plain file name, like `disk.raw`"))
    };
    if name.is_empty() || name == "." || name == ".." {
        return refused("it names no file");
    }
    if name.len() > NAME_BYTES_MAX {
        return refused(&format!("it is longer than {NAME_BYTES_MAX} bytes"));
    }
    if name.contains(['/', '\\']) {
        return refused("it contains a path separator");
    }
    if name.chars().any(char::is_control) {
        return refused("it contains a control character");
    }
    Ok(())
}

/// The block before the disk.
///
/// | bytes | field | |
/// |---|---|---|
/// | 0–99 | name | |
/// | 100–107, 108–115, 116–123 | mode, user, group | octal |
/// | 124–135 | size | octal, from 8 GiB on binary |
/// | 136–147 | time | octal |
/// | 148–155 | checksum: sum of the block with spaces in this field | octal |
/// | 156 | kind | `0`, a file |
/// | 257–264 | magic and version | `ustar`; GNU's where the size is binary, which is GNU's |
fn header(name: &str, disk_bytes: u64) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if disk_bytes <= OCTAL_SIZE_MAX {
        put(124, format!("{disk_bytes:011o}\0").as_bytes());
        put(257, b"ustar\x0000");
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &disk_bytes.to_be_bytes());
        put(257, b"ustar  \0");
    }
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

impl TarGzSink {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().expect("no thread panics while it holds the order")
    }

    /// Lends a packer that no other thread uses; after an error it is dropped.
    fn with_packer<T>(&self, use_it: impl FnOnce(&mut Packer) -> Result<T, Error>) -> Result<T, Error> {
        let packers = || self.packers.lock().expect("nothing panics while they are held");
        let lent = packers().pop();
        let mut packer = lent.unwrap_or_else(Packer::new);
        let result = use_it(&mut packer)?;
        packers().push(packer);
        Ok(result)
    }

    fn write_piece(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.with_packer(|packer| {
            for run in runs(offset, bytes) {
                let begin = offset + run.start as u64;
                let disk_end = offset + run.end as u64;
                let member = packer.pack(&bytes[run])?;
                let mut order = self.order();
                order.take(&*self.file, begin, disk_end, member)?;
                order.write_ready(&*self.file, &self.zeros, packer)?;
            }
            Ok(())
        })
    }

    /// Notes a failure, after which there can be no archive.
    fn noted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Sink for TarGzSink {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        check_piece(offset, bytes.len(), self.disk_bytes)?;
        self.noted(self.write_piece(offset, bytes))
    }

    fn settle(&self, range: Range<u64>) -> Result<(), Error> {
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        check_inside(range.start, len, self.disk_bytes)?;
        self.noted(self.with_packer(|packer| {
            let mut order = self.order();
            order.settle(range);
            order.write_ready(&*self.file, &self.zeros, packer)
        }))
    }

    fn finish(&self) -> Result<(), Error> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::ours("an archive of which a piece was not written cannot be finished"));
        }
        self.settle(0..self.disk_bytes)?;
        let written = self.noted(self.with_packer(|packer| {
            let mut order = self.order();
            order.write_zeros(&*self.file, self.disk_bytes, &self.zeros, packer)?;
            let end = packer.pack(&[0; END_LEN])?;
            order.append(&*self.file, &end)?;
            Ok(order.written)
        }))?;
        let finishing = |e| Error::io("finishing the archive", e);
        // What was put aside goes.
        self.file.set_len(written).map_err(finishing)?;
        self.file.sync().map_err(finishing)
    }
}

impl Order {
    /// Takes a member, before or at the time that its place comes.
    fn take(&mut self, file: &dyn File, begin: u64, disk_end: u64, member: Vec<u8>) -> Result<(), Error> {
        let before = self.early.range(..disk_end).next_back();
        if begin < self.place.max(self.settled) || before.is_some_and(|(_, early)| early.disk_end > begin) {
            return Err(Error::ours(format!(
                "the piece at `{begin}` was written already, or promised not to come"
            )));
        }
        let len = member.len() as u64;
        // The next one leaves at once, so it is not put aside however much is held.
        let member = if begin == self.place || self.held_bytes + len <= HELD_BYTES_MAX {
            self.held_bytes += len;
            Member::Held(member)
        } else {
            let at = self.aside_next;
            file.write_at(at, &member).map_err(|e| writing(at, e))?;
            self.aside_next += len;
            self.aside_count += 1;
            Member::Aside(at..self.aside_next)
        };
        self.early.insert(begin, Early { disk_end, member });
        Ok(())
    }

    fn settle(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let end = self.settled_ahead.entry(range.start).or_insert(range.end);
        *end = range.end.max(*end);
        while let Some(first) = self.settled_ahead.first_entry()
            && *first.key() <= self.settled.max(self.place)
        {
            self.settled = self.settled.max(first.remove());
        }
    }

    /// Writes all members whose place has come.
    fn write_ready(&mut self, file: &dyn File, zeros: &Zeros, packer: &mut Packer) -> Result<(), Error> {
        while let Some(first) = self.early.first_entry()
            && *first.key() <= self.settled.max(self.place)
        {
            let (begin, Early { disk_end, member }) = first.remove_entry();
            // Zeros are written only where data follow, so that how they are cut does not depend on
            // when they were settled.
            self.write_zeros(file, begin, zeros, packer)?;
            match member {
                Member::Held(member) => {
                    self.held_bytes -= member.len() as u64;
                    self.append(file, &member)?;
                }
                Member::Aside(range) => {
                    let len = usize::try_from(range.end - range.start).expect("it was in memory once");
                    let mut member = vec![0; len];
                    file.read_at(range.start, &mut member)
                        .map_err(|e| Error::io("reading back what was put aside of the archive", e))?;
                    self.append(file, &member)?;
                    self.aside_count -= 1;
                    if self.aside_count == 0 {
                        self.aside_next = self.aside_begin;
                    }
                }
            }
            self.place = disk_end;
        }
        Ok(())
    }

    /// Writes zeros up to a place in the disk.
    fn write_zeros(
        &mut self,
        file: &dyn File,
        until: u64,
        zeros: &Zeros,
        packer: &mut Packer,
    ) -> Result<(), Error> {
        assert!(until >= self.place, "pieces that overlap were refused when they came");
        zeros.write(until - self.place, packer, |members| self.append(file, members))?;
        self.place = until;
        Ok(())
    }

    fn append(&mut self, file: &dyn File, members: &[u8]) -> Result<(), Error> {
        let end = self.written + members.len() as u64;
        assert!(end <= self.aside_begin, "the archive grows into what was put aside");
        file.write_at(self.written, members).map_err(|e| writing(self.written, e))?;
        self.written = end;
        Ok(())
    }
}

/// The runs of a piece that are not zero, on the grid of pieces, none across a border of members.
fn runs(offset: u64, bytes: &[u8]) -> Vec<Range<usize>> {
    let piece_len = usize::try_from(PIECE_BYTES).expect("a piece fits into memory");
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (number, piece) in bytes.chunks(piece_len).enumerate() {
        if is_zero(piece) {
            continue;
        }
        let begin = number * piece_len;
        let at_border = (offset + begin as u64).is_multiple_of(MEMBER_BYTES);
        match runs.last_mut() {
            Some(last) if last.end == begin && !at_border => last.end = begin + piece.len(),
            _ => runs.push(begin..begin + piece.len()),
        }
    }
    runs
}

fn writing(place: u64, error: std::io::Error) -> Error {
    Error::io(format!("writing the archive at byte `{place}`"), error)
}

// A disk is followed by the end of the archive without padding.
const _: () = assert!(SECTOR_BYTES == HEADER_LEN as u64);
