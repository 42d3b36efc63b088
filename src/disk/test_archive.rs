//! Raw disks in archives: unpacked by GNU tar and by Python's `tarfile`, which have to find the disk
//! in whatever order and from however many threads it came.

use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;

use disk::{Kind, Sink};
use domain::port::{Compression, Format, Wrapping};

use crate::test_support::{Dir, MemoryFile, Seeded, create_file, open, text, write_all};

const NAME: &str = "disk.raw";
const PIECE: usize = 64 << 10;
const SEGMENT: usize = 1 << 20;

fn create(path: &Path, disk_bytes: u64) -> Box<dyn Sink> {
    let wrapping = Wrapping::TarGz(NAME.to_owned());
    disk::create_wrapped(create_file(path), &wrapping, Format::Raw, Compression::None, disk_bytes).unwrap()
}

fn run(tool: &str, args: &[&str]) -> Output {
    Command::new(tool).args(args).output().unwrap_or_else(|e| panic!("these tests need `{tool}`: {e}"))
}

fn run_well(tool: &str, args: &[&str]) -> String {
    let output = run(tool, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{tool} {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Unpacks an archive with two tools and compares.
fn assert_unpacks(dir: &Dir, archive: &Path, expected: &[u8]) {
    let into = dir.path("unpacked");
    std::fs::create_dir_all(&into).unwrap();
    run_well("tar", &["-xzf", text(archive), "-C", text(&into)]);
    assert!(std::fs::read(into.join(NAME)).unwrap() == expected, "tar unpacks other bytes");
    std::fs::remove_dir_all(&into).unwrap();
    let script = "import sys, tarfile, zlib
with tarfile.open(sys.argv[1], 'r:gz') as archive:
    members = archive.getmembers()
    content = archive.extractfile(members[0]).read()
    print([(m.name, m.size, m.mode, m.mtime, m.isreg()) for m in members], zlib.crc32(content))";
    let said = run_well("python3", &["-c", script, text(archive)]);
    let mut crc = flate2::Crc::new();
    crc.update(expected);
    assert_eq!(said.trim(), format!("[('{NAME}', {}, 420, 0, True)] {}", expected.len(), crc.sum()));
}

/// The pieces of a disk that an export would give: those in which something is.
fn pieces(disk: &[u8]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for (number, piece) in disk.chunks(PIECE).enumerate() {
        let begin = number * PIECE;
        if piece.iter().any(|&byte| byte != 0) {
            match pieces.last_mut() {
                Some(last) if last.end == begin && !begin.is_multiple_of(SEGMENT) => {
                    last.end += piece.len();
                }
                _ => pieces.push(begin..begin + piece.len()),
            }
        }
    }
    pieces
}

/// Feeds a sink as an export does: threads take segments in order, two at a time, write what is in
/// them, and settle each with the empty ones before it.
fn feed(sink: &dyn Sink, disk: &[u8], threads: usize) {
    let mut segments: Vec<Vec<Range<usize>>> = Vec::new();
    for piece in pieces(disk) {
        match segments.last_mut() {
            Some(last) if last[0].start / SEGMENT == piece.start / SEGMENT => last.push(piece),
            _ => segments.push(vec![piece]),
        }
    }
    let shared = Mutex::new((segments.into_iter(), 0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let next = || {
                    let (segments, before) = &mut *shared.lock().unwrap();
                    let segment = segments.next()?;
                    let end = ((segment[0].start / SEGMENT + 1) * SEGMENT).min(disk.len());
                    let begin = std::mem::replace(before, end);
                    Some((segment, begin as u64..end as u64))
                };
                let mut upcoming = next();
                while let Some((segment, range)) = upcoming {
                    upcoming = next();
                    for piece in segment {
                        sink.write_at(piece.start as u64, &disk[piece]).unwrap();
                    }
                    sink.settle(range).unwrap();
                }
            });
        }
    });
}

fn sparse_disk(seed: u64, len: usize) -> Vec<u8> {
    let mut disk = Seeded::new(seed).disk(len);
    let third = len / 3;
    disk[third..2 * third].fill(0);
    disk
}

#[test]
fn tar_and_python_unpack_the_disk_whatever_order_it_came_in() {
    for (seed, len) in
        (0..).zip([512, PIECE - 512, PIECE, PIECE + 512, SEGMENT, (5 << 20) + 512, 9 << 20, (7 << 20) - 512])
    {
        let disk = sparse_disk(seed, len);
        let dir = Dir::new();
        let archive = dir.path("disk.raw.tar.gz");
        let sink = create(&archive, len as u64);
        if seed % 2 == 0 {
            write_all(&*sink, &disk, seed);
        } else {
            feed(&*sink, &disk, 3);
        }
        sink.finish().unwrap();
        assert_unpacks(&dir, &archive, &disk);
    }
}

#[test]
fn equal_disks_cut_into_equal_pieces_give_equal_archives() {
    let disk = sparse_disk(40, (11 << 20) + 512 * 7);
    let dir = Dir::new();
    let archive = dir.path("archive");
    let written = |feeding: &dyn Fn(&dyn Sink)| {
        let sink = create(&archive, disk.len() as u64);
        feeding(&*sink);
        sink.finish().unwrap();
        std::fs::read(&archive).unwrap()
    };
    let write = |sink: &dyn Sink, piece: Range<usize>| {
        sink.write_at(piece.start as u64, &disk[piece]).unwrap();
    };
    let in_order = written(&|sink| pieces(&disk).into_iter().for_each(|piece| write(sink, piece)));
    let backwards = written(&|sink| pieces(&disk).into_iter().rev().for_each(|piece| write(sink, piece)));
    assert!(in_order == backwards, "the order matters");
    for threads in 1..5 {
        assert!(in_order == written(&|sink| feed(sink, &disk, threads)), "{threads} threads matter");
    }
    let with_zeros = written(&|sink| sink.write_at(0, &disk).unwrap());
    assert!(in_order == with_zeros, "zeros that are written are zeros that are not");
    assert_unpacks(&dir, &archive, &disk);
}

/// Backwards and incompressible, so that more has to wait than is held in memory; what was put aside
/// is not in the file in the end.
#[test]
fn more_than_is_held_in_memory_may_come_too_early() {
    let mut disk = vec![0; 40 << 20];
    Seeded::new(50).fill(&mut disk);
    disk[3 << 20..5 << 20].fill(0);
    let dir = Dir::new();
    let archive = dir.path("archive");
    let sink = create(&archive, disk.len() as u64);
    let file_bytes = || std::fs::metadata(&archive).unwrap().len();
    let mut largest = 0;
    for piece in pieces(&disk).into_iter().rev() {
        sink.write_at(piece.start as u64, &disk[piece.clone()]).unwrap();
        largest = largest.max(file_bytes());
    }
    assert!(largest > 55 << 20, "nothing was put aside");
    sink.finish().unwrap();
    assert!((38 << 20..39 << 20).contains(&file_bytes()));
    assert_unpacks(&dir, &archive, &disk);
}

/// What is settled in order never has to be put aside, and is in the file at once.
#[test]
fn settled_places_leave_the_memory() {
    let disk_bytes = 100 << 20;
    let dir = Dir::new();
    let archive = dir.path("archive");
    let sink = create(&archive, disk_bytes);
    let mut noise = vec![0; SEGMENT];
    Seeded::new(60).fill(&mut noise);
    for number in 0..25 {
        let begin = number << 22;
        sink.write_at(begin + (3 << 20), &noise).unwrap();
        let before = std::fs::metadata(&archive).unwrap().len();
        sink.settle(begin..begin + (4 << 20)).unwrap();
        let added = std::fs::metadata(&archive).unwrap().len() - before;
        assert!((1 << 20..2 << 20).contains(&added), "{added} bytes became of a segment");
    }
    sink.finish().unwrap();
}

/// Sizes beyond eleven octal digits; the header is read by both tools, and zeros cost next to
/// nothing.
#[test]
fn a_disk_of_more_than_8_gib_has_its_size_in_the_archive() {
    for disk_bytes in [(8 << 30) - 512, 8 << 30, 64 << 30, 2048 << 30] {
        let dir = Dir::new();
        let archive = dir.path("archive");
        let sink = create(&archive, disk_bytes);
        sink.write_at(0, &vec![7; PIECE]).unwrap();
        if disk_bytes <= 64 << 30 {
            sink.write_at(4 << 30, &vec![8; PIECE]).unwrap();
            sink.finish().unwrap();
            let bytes = std::fs::metadata(&archive).unwrap().len();
            assert!(bytes < disk_bytes / 900, "{bytes} bytes");
        }
        let script = "import sys, tarfile
member = tarfile.open(sys.argv[1], 'r|gz').next()
print(member.name, member.size)";
        assert_eq!(
            run_well("python3", &["-c", script, text(&archive)]).trim(),
            format!("{NAME} {disk_bytes}")
        );
        let mut begin = vec![0; 512 + PIECE];
        let file = std::fs::File::open(&archive).unwrap();
        flate2::read::MultiGzDecoder::new(file).read_exact(&mut begin).unwrap();
        let tar = dir.write("begin.tar", &begin);
        let listed = String::from_utf8(run("tar", &["-tvf", text(&tar)]).stdout).unwrap();
        assert!(listed.contains(&format!(" {disk_bytes} 1970-01-01")), "{listed}");
        assert!(begin[512..].iter().all(|&byte| byte == 7));
    }
}

#[test]
fn a_name_that_would_unpack_elsewhere_is_refused() {
    let long = "x".repeat(101);
    for name in ["", ".", "..", "a/b", "/etc/passwd", "..\\b", "a\nb", "a\0b", &long] {
        let wrapping = Wrapping::TarGz(name.to_owned());
        let file = MemoryFile::new(Vec::new());
        let error = disk::create_wrapped(file, &wrapping, Format::Raw, Compression::None, 512).err().unwrap();
        assert_eq!(error.kind(), Kind::NotSupported, "{name}");
        assert!(!error.advice().is_empty());
    }
    let dir = Dir::new();
    let archive = dir.path("archive");
    let longest = "ü".repeat(50);
    let wrapping = Wrapping::TarGz(longest.clone());
    let file = create_file(&archive);
    let sink = disk::create_wrapped(file, &wrapping, Format::Raw, Compression::None, 512).unwrap();
    sink.finish().unwrap();
    run_well("tar", &["-xzf", text(&archive), "-C", text(&dir.path("."))]);
    assert_eq!(std::fs::read(dir.path(&longest)).unwrap(), [0; 512]);
}

#[test]
fn only_an_uncompressed_raw_disk_can_be_wrapped() {
    let create = |wrapping: &Wrapping, format, compression, bytes| {
        disk::create_wrapped(MemoryFile::new(Vec::new()), wrapping, format, compression, bytes)
    };
    let archive = Wrapping::TarGz(NAME.to_owned());
    for (format, compression) in [
        (Format::Qcow2, Compression::None),
        (Format::Vhd, Compression::None),
        (Format::Raw, Compression::Zlib),
        (Format::Raw, Compression::Zstd),
    ] {
        let error = create(&archive, format, compression, 512).err().unwrap();
        assert!(error.to_string().contains("only an uncompressed raw disk"), "{error}");
    }
    for bytes in [0, 100, (2048 << 30) + 512] {
        let error = create(&archive, Format::Raw, Compression::None, bytes).err().unwrap();
        assert_eq!(error.kind(), Kind::Size);
    }
    let dir = Dir::new();
    let image = dir.path("image");
    let file = create_file(&image);
    let sink = disk::create_wrapped(file, &Wrapping::None, Format::Qcow2, Compression::None, 512).unwrap();
    sink.finish().unwrap();
    assert_eq!(open(&image).unwrap().format(), Format::Qcow2);
}

#[test]
fn a_half_written_archive_does_not_unpack() {
    let dir = Dir::new();
    let archive = dir.path("archive");
    let sink = create(&archive, 2 << 20);
    sink.write_at(0, &vec![1; SEGMENT]).unwrap();
    drop(sink);
    assert!(!run("tar", &["-xzf", text(&archive), "-C", text(&dir.path("."))]).status.success());
}

#[test]
fn a_place_that_is_written_twice_or_after_its_promise_is_our_mistake() {
    let fails = |sink: &dyn Sink, begin: usize, len: usize| {
        let error = sink.write_at(begin as u64, &vec![1; len]).unwrap_err();
        assert_eq!(error.kind(), Kind::Ours, "{error}");
        let error = sink.finish().unwrap_err();
        assert!(error.to_string().contains("cannot be finished"), "{error}");
    };
    let sink = || {
        let wrapping = Wrapping::TarGz(NAME.to_owned());
        let file = MemoryFile::new(Vec::new());
        disk::create_wrapped(file, &wrapping, Format::Raw, Compression::None, 8 << 20).unwrap()
    };
    let (early, late) = (sink(), sink());
    early.write_at(4 * PIECE as u64, &vec![1; 2 * PIECE]).unwrap();
    fails(&*early, 3 * PIECE, 2 * PIECE);
    late.write_at(0, &vec![1; PIECE]).unwrap();
    fails(&*late, 0, PIECE);
    let inside = sink();
    inside.write_at(4 * PIECE as u64, &vec![1; 4 * PIECE]).unwrap();
    fails(&*inside, 5 * PIECE, PIECE);
    let settled = sink();
    settled.settle(0..SEGMENT as u64).unwrap();
    fails(&*settled, PIECE, PIECE);
    let error = sink().settle(0..(8 << 20) + 1).unwrap_err();
    assert_eq!(error.kind(), Kind::Ours);
}
