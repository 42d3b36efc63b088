//! Files that we wrote, read by QEMU and by ourselves.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use disk::Kind;
use domain::port::{Compression, Format, Wrapping};
use files::{File, Identity};

use crate::test_support::{
    Dir, MemoryFile, Seeded, assert_reads, create_file, data_of, open, qemu, text, write_all,
};

const ALL: [Compression; 3] = [Compression::None, Compression::Zlib, Compression::Zstd];

/// Writes a seeded disk; QEMU finds nothing to complain about and the same bytes, and so do we.
fn check(seed: u64, len: usize, compression: Compression) {
    let mut seeded = Seeded::new(seed);
    let expected = seeded.disk(len);
    let dir = Dir::new();
    let (raw, image) = (dir.write("raw", &expected), dir.path("image"));
    let sink = disk::create(create_file(&image), Format::Qcow2, compression, len as u64).unwrap();
    write_all(&*sink, &expected, seed);
    sink.finish().unwrap();
    assert_clean(text(&image));
    qemu("qemu-img", &["compare", "-f", "raw", "-F", "qcow2", text(&raw), text(&image)]);
    let source = open(&image).unwrap();
    assert_reads(&*source, &expected, seed);
    let given: u64 = data_of(&*source, &expected).iter().map(|data| data.end - data.start).sum();
    let full = expected.chunks(64 << 10).filter(|chunk| chunk.iter().any(|&byte| byte != 0));
    let least: usize = full.map(<[u8]>::len).sum();
    assert!(given <= least as u64, "an all-zero cluster takes no space");
}

/// `qemu-img check` counts leaks as errors too.
fn assert_clean(image: &str) {
    let report = qemu("qemu-img", &["check", "-f", "qcow2", image]);
    assert!(report.contains("No errors were found"), "{report}");
}

#[test]
fn qemu_reads_what_we_write_byte_for_byte() {
    for compression in ALL {
        for seed in 0..6 {
            let len = 512 * (1 + Seeded::new(seed).index(20_000));
            check(seed, len, compression);
        }
    }
}

#[test]
fn the_smallest_disk_is_written() {
    for compression in ALL {
        check(3, 512, compression);
    }
}

#[test]
fn a_disk_that_is_never_written_is_a_disk_of_zeros() {
    for compression in ALL {
        let dir = Dir::new();
        let image = dir.path("image");
        let sink = disk::create(create_file(&image), Format::Qcow2, compression, 2048 << 30).unwrap();
        sink.finish().unwrap();
        assert_clean(text(&image));
        let source = open(&image).unwrap();
        assert_eq!((source.disk_bytes(), source.next_data(0).unwrap()), (2048 << 30, None));
    }
}

/// More L2 tables than are kept in memory, touched in an order that makes each leave and come back.
#[test]
fn a_large_sparse_disk_is_written_with_few_tables_in_memory() {
    for compression in ALL {
        let dir = Dir::new();
        let image = dir.path("image");
        let disk_bytes = 1024u64 << 30;
        let sink = disk::create(create_file(&image), Format::Qcow2, compression, disk_bytes).unwrap();
        let place = |round: u64, table: u64| ((table * 5) << 29) + (round << 20);
        let piece = |round: u64, table: u64| vec![u8::try_from(1 + round * 100 + table).unwrap(); 64 << 10];
        for round in 0..2 {
            (0..100).for_each(|table| sink.write_at(place(round, table), &piece(round, table)).unwrap());
        }
        sink.finish().unwrap();
        assert_clean(text(&image));
        let source = open(&image).unwrap();
        let mut at = 0;
        for table in 0..100 {
            for round in 0..2 {
                let begin = place(round, table);
                assert_eq!(source.next_data(at).unwrap(), Some(begin..begin + (64 << 10)));
                let mut out = vec![0; 64 << 10];
                source.read_at(begin, &mut out).unwrap();
                assert!(out == piece(round, table));
                at = begin + (64 << 10);
            }
        }
        assert_eq!(source.next_data(at).unwrap(), None);
    }
}

/// A file of which one write fails.
#[derive(Debug)]
struct Failing(Arc<MemoryFile>, AtomicI64);

impl File for Failing {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.1.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write_at(offset, bytes)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn identity(&self) -> io::Result<Identity> {
        self.0.identity()
    }
    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.0.next_data(from)
    }
}

/// Whichever write fails, it is said once as the world's fault, and what was half written can never
/// be finished.
#[test]
fn a_write_that_fails_leaves_nothing_that_can_be_finished() {
    let bytes = Seeded::new(70).disk(5 << 20);
    for (format, wrapping) in [
        (Format::Qcow2, Wrapping::None),
        (Format::Vhd, Wrapping::None),
        (Format::Raw, Wrapping::TarGz("disk.raw".to_owned())),
    ] {
        let mut failures = 0;
        for nth in 0.. {
            let file = Arc::new(Failing(MemoryFile::new(Vec::new()), AtomicI64::new(nth)));
            let len = bytes.len() as u64;
            let sink = match disk::create_wrapped(file.clone(), &wrapping, format, Compression::None, len) {
                Ok(sink) => sink,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Io);
                    continue;
                }
            };
            let mut pieces = bytes.chunks(1 << 20).zip(0..);
            let failed = pieces.find_map(|(piece, at): (_, u64)| sink.write_at(at << 20, piece).err());
            let finished = sink.finish();
            if file.1.load(Ordering::Relaxed) >= 0 {
                finished.unwrap();
                break;
            }
            failures += 1;
            let finished = finished.unwrap_err();
            assert_eq!(finished.kind(), if failed.is_some() { Kind::Ours } else { Kind::Io });
            assert!(failed.is_none_or(|error| error.kind() == Kind::Io && error.below().is_some()));
        }
        assert!(failures > 3, "{format:?} was written with {failures} writes");
    }
}

/// What the filling of a large file begins with.
const FILLING: &[u8] = b"filling of no further interest";

/// A file that keeps only the beginning of each cluster of filling, so that gibibytes of it are
/// quickly written.
#[derive(Debug)]
struct Skimmed(Arc<dyn File>);

impl File for Skimmed {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        for (number, cluster) in bytes.chunks(64 << 10).enumerate() {
            let kept = if cluster.starts_with(FILLING) { &cluster[..4096] } else { cluster };
            self.0.write_at(offset + number as u64 * (64 << 10), kept)?;
        }
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn identity(&self) -> io::Result<Identity> {
        self.0.identity()
    }
    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.0.next_data(from)
    }
}

/// One refcount block counts 2 GiB of the file; the next one lies where data would have gone.
fn check_across_refcount_blocks(compression: Compression) {
    let dir = Dir::new();
    let image = dir.path("image");
    let clusters = 33_500u64;
    let file = Arc::new(Skimmed(create_file(&image)));
    let sink = disk::create(file, Format::Qcow2, compression, clusters << 16).unwrap();
    let noise = |number: u64, len: usize| {
        let mut cluster = vec![0; 64 << 10];
        Seeded::new(number).fill(&mut cluster[..len]);
        cluster
    };
    // Noise does not compress, so this is stored plain.
    let mut filling = noise(0, 64 << 10);
    filling[..FILLING.len()].copy_from_slice(FILLING);
    let shrinks = |number: u64| number < 100 || number > 32_500 && number.is_multiple_of(3);
    for number in 0..clusters {
        let cluster = if shrinks(number) { &noise(number, 30_000) } else { &filling };
        sink.write_at(number << 16, cluster).unwrap();
    }
    sink.finish().unwrap();
    assert_clean(text(&image));
    assert!(std::fs::metadata(&image).unwrap().len() > 32_900 << 16, "the border was crossed");
    let source = open(&image).unwrap();
    for number in (0..clusters).filter(|&number| shrinks(number)) {
        let mut out = vec![0; 64 << 10];
        source.read_at(number << 16, &mut out).unwrap();
        assert!(out == noise(number, 30_000), "cluster {number}");
    }
}

#[test]
fn refcounts_are_right_where_a_second_block_begins() {
    check_across_refcount_blocks(Compression::None);
    check_across_refcount_blocks(Compression::Zstd);
}

#[test]
fn a_raw_disk_is_written_with_holes_where_blocks_are_zero() {
    let dir = Dir::new();
    let len = (5 << 20) + 512 * 3;
    let mut expected = Seeded::new(8).disk(len);
    expected[1 << 20..3 << 20].fill(0);
    let image = dir.path("image");
    std::fs::write(&image, vec![1; 6 << 20]).unwrap();
    let sink = disk::create(create_file(&image), Format::Raw, Compression::None, len as u64).unwrap();
    write_all(&*sink, &expected, 8);
    sink.finish().unwrap();
    assert!(std::fs::read(&image).unwrap() == expected);
    let source = open(&image).unwrap();
    let data = data_of(&*source, &expected);
    assert!(data.iter().all(|data| data.end <= 1 << 20 || data.start >= 3 << 20), "{data:?}");
    let zero_blocks = expected.chunks(4096).filter(|block| block.iter().all(|&byte| byte == 0)).count();
    let holes = len as u64 - data.iter().map(|data| data.end - data.start).sum::<u64>();
    assert!(holes >= zero_blocks as u64 * 4096 - 4096, "every zero block is a hole");
}

#[test]
fn a_half_written_qcow2_is_no_disk() {
    let dir = Dir::new();
    let image = dir.path("image");
    let sink = disk::create(create_file(&image), Format::Qcow2, Compression::None, 1 << 20).unwrap();
    sink.write_at(0, &vec![1; 1 << 20]).unwrap();
    drop(sink);
    let file = create_file(&image);
    assert!(disk::open(file, Some(Format::Qcow2)).is_err());
}
