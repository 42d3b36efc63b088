//! What the tests share: seeded content, a file in memory that tells when it is read outside, and
//! the calls of QEMU's tools.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};

use disk::{Error, Sink, Source};
use files::{File, Files, Identity, Open, RealFiles};

/// A stream of numbers that is the same for the same seed (xorshift64*).
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        let mut seeded = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..4).for_each(|_| _ = seeded.next());
        seeded
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.next().to_le_bytes()[3]);
    }

    /// A disk of stretches: zeros, noise, and text that compresses, on borders of sectors, blocks
    /// and clusters.
    pub(crate) fn disk(&mut self, len: usize) -> Vec<u8> {
        let mut disk = vec![0; len];
        let mut at = 0;
        while at < len {
            let grain = [512, 4096, 65536][self.index(3)];
            let end = (at + grain * (1 + self.index(24))).min(len);
            let part = &mut disk[at..end];
            match self.below(5) {
                0 => self.fill(part),
                1 | 2 => {
                    let word = self.next().to_be_bytes();
                    part.chunks_mut(11).enumerate().for_each(|(number, chunk)| {
                        chunk.fill(word[number % 8] | 1);
                        chunk[0] = number.to_le_bytes()[0];
                    });
                }
                _ => {}
            }
            at = end;
        }
        disk
    }
}

/// A directory for one test.
pub(crate) struct Dir(tempfile::TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, zeros as holes.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        let file = RealFiles.open(&path, Open::CreateNew).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        for (number, block) in bytes.chunks(4096).enumerate() {
            if block.iter().any(|&byte| byte != 0) {
                file.write_at(number as u64 * 4096, block).unwrap();
            }
        }
        path
    }
}

pub(crate) fn open(path: &Path) -> Result<Box<dyn Source>, Error> {
    disk::open(RealFiles.open(path, Open::Read).unwrap(), None)
}

pub(crate) fn create_file(path: &Path) -> Arc<dyn File> {
    RealFiles.open(path, Open::Create).unwrap()
}

/// Runs one of QEMU's tools, which has to succeed; gives what it printed.
pub(crate) fn qemu(tool: &str, args: &[&str]) -> String {
    let output = Command::new(tool).args(args).output();
    let output =
        output.unwrap_or_else(|e| panic!("these tests need `{tool}` of the package qemu-utils: {e}"));
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {args:?}: {text}");
    text
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Reads the whole disk in two threads, in calls of random sizes, and compares.
pub(crate) fn assert_reads(source: &dyn Source, expected: &[u8], seed: u64) {
    assert_eq!(source.disk_bytes(), expected.len() as u64);
    let half = expected.len() / 2 / 512 * 512 + 77 % expected.len();
    std::thread::scope(|scope| {
        for range in [0..half, half..expected.len()] {
            scope.spawn(move || {
                let mut seeded = Seeded::new(seed ^ range.start as u64);
                let longest = [700, 70_000, 3_000_000][seeded.index(3)];
                let mut at = range.start;
                while at < range.end {
                    let end = (at + 1 + seeded.index(longest)).min(range.end);
                    let mut out = vec![0xa5; end - at];
                    source.read_at(at as u64, &mut out).unwrap();
                    assert!(out == expected[at..end], "bytes {at}..{end} differ (seed {seed})");
                    at = end;
                }
            });
        }
    });
}

/// All stretches of data, after checking that they ascend, lie inside, and hold all that is not zero.
pub(crate) fn data_of(source: &dyn Source, expected: &[u8]) -> Vec<Range<u64>> {
    let mut stretches = Vec::new();
    let mut at = 0;
    let is_zero = |from: u64, to: u64| {
        let part = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
        expected[part].iter().all(|&byte| byte == 0)
    };
    while let Some(data) = source.next_data(at).unwrap() {
        assert!(data.start >= at && data.start < data.end && data.end <= source.disk_bytes());
        assert!(is_zero(at, data.start), "what is left out before {data:?} is not zero");
        at = data.end;
        stretches.push(data);
    }
    assert!(is_zero(at, source.disk_bytes()), "what is left out from {at} on is not zero");
    stretches
}

/// Writes the whole disk in pieces of random lengths, in random order, from two threads.
pub(crate) fn write_all(sink: &dyn Sink, bytes: &[u8], seed: u64) {
    const PIECE: usize = 64 << 10;
    let mut seeded = Seeded::new(seed);
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = (at + PIECE * (1 + seeded.index(24))).min(bytes.len());
        pieces.push(at..end);
        at = end;
    }
    (1..pieces.len()).for_each(|place| pieces.swap(place, seeded.index(place + 1)));
    let pieces = Mutex::new(pieces);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(piece) = { pieces.lock().unwrap().pop() } {
                    sink.write_at(piece.start as u64, &bytes[piece]).unwrap();
                }
            });
        }
    });
}

/// A file in memory that counts reads outside of it.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    bytes: RwLock<Vec<u8>>,
    pub(crate) read_outside: AtomicU64,
}

impl MemoryFile {
    pub(crate) fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { bytes: RwLock::new(bytes), read_outside: AtomicU64::new(0) })
    }
}

impl File for MemoryFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.read().unwrap();
        let begin = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(found) = bytes.get(begin..begin.saturating_add(out.len())) else {
            self.read_outside.fetch_add(1, Ordering::Relaxed);
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        out.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, offset: u64, new: &[u8]) -> io::Result<()> {
        let mut bytes = self.bytes.write().unwrap();
        let begin = usize::try_from(offset).unwrap();
        let len = bytes.len().max(begin + new.len());
        bytes.resize(len, 0);
        bytes[begin..begin + new.len()].copy_from_slice(new);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes.write().unwrap().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn identity(&self) -> io::Result<Identity> {
        let size_bytes = self.bytes.read().unwrap().len() as u64;
        let kind = files::Kind::File;
        Ok(Identity { kind, device: 0, inode: 0, size_bytes, modified_ns: 0, allocated_bytes: size_bytes })
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let len = self.bytes.read().unwrap().len() as u64;
        Ok((from < len).then_some(from..len))
    }
}

/// A VHD with bytes of its footer replaced, at its end and in the copy if there is one, and the
/// checksums made right again.
pub(crate) fn checksummed(mut vhd: Vec<u8>, patches: &[(usize, &[u8])]) -> Vec<u8> {
    let end = vhd.len() - 512;
    for begin in [0, end] {
        let footer = &mut vhd[begin..begin + 512];
        if footer.starts_with(b"conectix") {
            for (at, bytes) in patches {
                footer[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            put_checksum(footer, 64);
        }
    }
    vhd
}

/// Makes the checksum of a VHD's footer or header right.
pub(crate) fn put_checksum(bytes: &mut [u8], at: usize) {
    bytes[at..at + 4].fill(0);
    let sum = bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    bytes[at..at + 4].copy_from_slice(&(!sum).to_be_bytes());
}

/// A dynamic VHD as no tool makes it: blocks of any size, in any order, with gaps between.
pub(crate) fn dynamic_vhd(disk: &[u8], block_len: usize, seeded: &mut Seeded) -> Vec<u8> {
    let number = |len: usize| u32::try_from(len).unwrap();
    let entries = disk.len().div_ceil(block_len);
    let bitmap_len = (block_len / 4096).next_multiple_of(512);
    let mut order: Vec<usize> = (0..entries).collect();
    (1..entries).for_each(|place| order.swap(place, seeded.index(place + 1)));
    let mut vhd = vec![0; (1536 + entries * 4).next_multiple_of(512)];
    vhd[1536..].fill(0xff);
    for block in order {
        let content = &disk[block * block_len..disk.len().min((block + 1) * block_len)];
        if content.iter().any(|&byte| byte != 0) {
            vhd.resize(vhd.len() + 512 * seeded.index(3), 0xa5);
            let sector = number(vhd.len() / 512);
            vhd[1536 + block * 4..][..4].copy_from_slice(&sector.to_be_bytes());
            let end = vhd.len() + bitmap_len;
            vhd.resize(end, 0xff);
            vhd.extend(content);
            vhd.resize(end + block_len, 0);
        }
    }
    let mut footer = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| footer[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"conectix\0\0\0\x02\0\x01\0\0\0\0\0\0\0\0\x02\0");
    put(28, b"win ");
    put(48, &(disk.len() as u64).to_be_bytes());
    put(60, &[0, 0, 0, 3]);
    put_checksum(&mut footer, 64);
    let header = &mut vhd[512..1536];
    header[..24].copy_from_slice(b"cxsparse\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\x06\0");
    header[24..28].copy_from_slice(&[0, 1, 0, 0]);
    header[28..32].copy_from_slice(&number(entries).to_be_bytes());
    header[32..36].copy_from_slice(&number(block_len).to_be_bytes());
    put_checksum(header, 36);
    vhd[..512].copy_from_slice(&footer);
    vhd.extend(footer);
    vhd
}
