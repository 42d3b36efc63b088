//! VHD: files that QEMU made, read by us; files that we wrote, read by QEMU and by ourselves.

use std::path::Path;

use domain::port::{Compression, Format};

use crate::test_support::{
    Dir, MemoryFile, Seeded, assert_reads, checksummed, create_file, data_of, dynamic_vhd, open, qemu, text,
    write_all,
};

/// A disk as QEMU sees it.
fn as_qemu_reads_it(dir: &Dir, image: &Path) -> Vec<u8> {
    let raw = dir.path("as-qemu-reads-it");
    qemu("qemu-img", &["convert", "-f", "vpc", "-O", "raw", text(image), text(&raw)]);
    std::fs::read(raw).unwrap()
}

/// Converts a seeded disk with `qemu-img` and checks that we read what QEMU reads, and leave out
/// only zeros.
fn check_read(seed: u64, options: &str) {
    let mut seeded = Seeded::new(seed);
    let len = (7 << 20) + 512 * seeded.index(8192);
    let mut disk = seeded.disk(len);
    disk[2 << 20..5 << 20].fill(0);
    let dir = Dir::new();
    let (raw, image) = (dir.write("raw", &disk), dir.path("image"));
    qemu("qemu-img", &["convert", "-f", "raw", "-O", "vpc", "-o", options, text(&raw), text(&image)]);
    // Without `force_size` QEMU rounds the disk up to a geometry.
    let expected = as_qemu_reads_it(&dir, &image);
    assert!(expected.starts_with(&disk));
    assert!(!options.contains("force_size") || expected.len() == len);
    let source = open(&image).unwrap();
    assert_eq!(source.format(), Format::Vhd);
    assert_reads(&*source, &expected, seed);
    let given: u64 = data_of(&*source, &expected).iter().map(|data| data.end - data.start).sum();
    assert!(given <= len as u64 - (2 << 20), "holes are found");
}

#[test]
fn a_vhd_of_qemu_is_read_fixed_and_dynamic_sized_and_by_geometry() {
    for (number, options) in [
        "subformat=dynamic",
        "subformat=dynamic,force_size=on",
        "subformat=fixed",
        "subformat=fixed,force_size=on",
    ]
    .iter()
    .enumerate()
    {
        for seed in 0..3 {
            check_read(300 + 10 * number as u64 + seed, options);
        }
    }
}

/// Guest writes leave blocks of which only a part is in the file.
#[test]
fn a_vhd_that_a_guest_wrote_in_any_order_is_read() {
    for seed in 0..3 {
        let mut seeded = Seeded::new(400 + seed);
        let dir = Dir::new();
        let image = dir.path("image");
        let options = "subformat=dynamic,force_size=on";
        qemu("qemu-img", &["create", "-f", "vpc", "-o", options, text(&image), "33554944"]);
        let mut commands = Vec::new();
        for number in 0..20 {
            let at = seeded.below(65_000) * 512;
            let len = ((1 + seeded.below(300)) * 512).min(33_554_944 - at);
            commands.extend(["-c".to_owned(), format!("write -P {} {at} {len}", number + 1)]);
        }
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        qemu("qemu-io", &[&["-f", "vpc"], &commands[..], &[text(&image)]].concat());
        let expected = as_qemu_reads_it(&dir, &image);
        let source = open(&image).unwrap();
        assert_reads(&*source, &expected, seed);
        let given: u64 = data_of(&*source, &expected).iter().map(|data| data.end - data.start).sum();
        assert!(given < 20 * 320 * 512, "what nobody wrote is a hole: {given}");
    }
}

/// Who made it decides whether the geometry or the current size is meant; QEMU is asked.
#[test]
fn the_size_of_a_vhd_is_the_one_qemu_takes() {
    let dir = Dir::new();
    let image = dir.path("image");
    for subformat in ["dynamic", "fixed"] {
        let options = format!("subformat={subformat}");
        qemu("qemu-img", &["create", "-f", "vpc", "-o", &options, text(&image), "64M"]);
        let good = std::fs::read(&image).unwrap();
        let mut sizes = Vec::new();
        for application in [
            b"win ",
            b"qem2",
            b"d2v ",
            b"CTXS",
            b"tap\0",
            b"wa\0\0",
            b"vpc ",
            b"qemu",
            b"vbox",
            b"vs  ",
            b"\0\0\0\0",
        ] {
            for geometry in [&b"\x01\x00\x10\x11"[..], b"\xff\xff\x10\xff"] {
                let current: u64 = 60 << 20;
                let patches: [(usize, &[u8]); 3] =
                    [(28, application), (48, &current.to_be_bytes()), (56, geometry)];
                let bytes = checksummed(good.clone(), &patches);
                std::fs::write(&image, &bytes).unwrap();
                let told = qemu("qemu-img", &["info", "-f", "vpc", text(&image)]);
                let (_, told) = told.split_once('(').unwrap();
                let told: u64 = told.split_once(' ').unwrap().0.parse().unwrap();
                let ours = disk::open(MemoryFile::new(bytes), None).unwrap().disk_bytes();
                assert_eq!(ours, told, "{application:?}, {geometry:?}");
                sizes.push(ours);
            }
        }
        sizes.sort_unstable();
        sizes.dedup();
        assert_eq!(sizes, [256 * 16 * 17 * 512, 60 << 20], "both rules were met");
    }
}

#[test]
fn every_block_size_of_a_vhd_is_read() {
    for bits in 12..=22 {
        let mut seeded = Seeded::new(600 + bits);
        let len = (3 << 20) + 512 * seeded.index(4096);
        let expected = seeded.disk(len);
        let bytes = dynamic_vhd(&expected, 1 << bits, &mut seeded);
        let dir = Dir::new();
        let image = dir.write("image", &bytes);
        assert!(as_qemu_reads_it(&dir, &image) == expected, "QEMU reads blocks of 2^{bits} bytes");
        let source = open(&image).unwrap();
        assert_reads(&*source, &expected, bits);
        data_of(&*source, &expected);
    }
}

/// Sectors that the bitmap does not mark are zero, whatever lies in their place.
#[test]
fn a_sector_that_is_not_marked_reads_zero() {
    let mut expected = vec![0; 4 << 20];
    Seeded::new(9).fill(&mut expected);
    let dir = Dir::new();
    let (raw, image) = (dir.write("raw", &expected), dir.path("image"));
    let options = "subformat=dynamic,force_size=on";
    qemu("qemu-img", &["convert", "-f", "raw", "-O", "vpc", "-o", options, text(&raw), text(&image)]);
    let mut bytes = std::fs::read(&image).unwrap();
    let mut seeded = Seeded::new(10);
    for number in 0..2 {
        let entry = u32::from_be_bytes(bytes[1536 + number * 4..][..4].try_into().unwrap());
        let bitmap = usize::try_from(entry).unwrap() * 512;
        let block = &mut expected[number << 21..(number + 1) << 21];
        for (sector, content) in block.chunks_mut(512).enumerate() {
            // Runs of either, within a byte and over many.
            if (sector / [1, 3, 24, 100][sector / 512 % 4]).is_multiple_of(2) || seeded.below(9) == 0 {
                bytes[bitmap + sector / 8] &= !(0x80 >> (sector % 8));
                content.fill(0);
            }
        }
    }
    let source = disk::open(MemoryFile::new(bytes), None).unwrap();
    assert_reads(&*source, &expected, 9);
    data_of(&*source, &expected);
}

/// Writes a seeded disk; QEMU finds the same bytes and the same size, and so do we.
fn check_write(seed: u64, len: usize) {
    let expected = Seeded::new(seed).disk(len);
    let dir = Dir::new();
    let image = dir.path("image");
    let sink = disk::create(create_file(&image), Format::Vhd, Compression::None, len as u64).unwrap();
    write_all(&*sink, &expected, seed);
    sink.finish().unwrap();
    assert!(as_qemu_reads_it(&dir, &image) == expected, "QEMU reads other bytes (seed {seed})");
    let source = open(&image).unwrap();
    assert_eq!(source.format(), Format::Vhd);
    assert_reads(&*source, &expected, seed);
    let given: u64 = data_of(&*source, &expected).iter().map(|data| data.end - data.start).sum();
    let full = expected.chunks(4 << 10).filter(|page| page.iter().any(|&byte| byte != 0));
    let least: usize = full.map(<[u8]>::len).sum();
    assert_eq!(given, least as u64, "an all-zero page takes no space");
}

#[test]
fn qemu_reads_the_vhd_we_write_byte_for_byte_and_of_exactly_its_size() {
    for seed in 0..6 {
        check_write(500 + seed, 512 * (1 + Seeded::new(seed).index(30_000)));
    }
    for len in [512, 4096, 65_536, (2 << 20) - 512, 2 << 20, (2 << 20) + 512, 129 << 14] {
        check_write(len as u64, len);
    }
}

/// What QEMU makes of our file and back is the disk, to the byte: no size is rounded on the way.
#[test]
fn a_vhd_goes_round_through_qemu_with_its_size() {
    let len = (5 << 20) + 512;
    let expected = Seeded::new(21).disk(len);
    let dir = Dir::new();
    let (ours, theirs, again) = (dir.path("ours"), dir.path("theirs"), dir.path("again"));
    let sink = disk::create(create_file(&ours), Format::Vhd, Compression::None, len as u64).unwrap();
    write_all(&*sink, &expected, 21);
    sink.finish().unwrap();
    let options = "subformat=dynamic,force_size=on";
    qemu("qemu-img", &["convert", "-f", "vpc", "-O", "vpc", "-o", options, text(&ours), text(&theirs)]);
    let source = open(&theirs).unwrap();
    assert_eq!(source.disk_bytes(), len as u64);
    let mut bytes = vec![0; len];
    source.read_at(0, &mut bytes).unwrap();
    let sink = disk::create(create_file(&again), Format::Vhd, Compression::None, len as u64).unwrap();
    write_all(&*sink, &bytes, 22);
    sink.finish().unwrap();
    assert!(as_qemu_reads_it(&dir, &again) == expected);
}

#[test]
fn zeros_that_are_written_into_a_vhd_take_no_space() {
    let dir = Dir::new();
    let image = dir.path("image");
    let sink = disk::create(create_file(&image), Format::Vhd, Compression::None, 64 << 20).unwrap();
    sink.write_at(0, &vec![0; 64 << 20]).unwrap();
    sink.finish().unwrap();
    assert!(std::fs::metadata(&image).unwrap().len() < 8192);
    assert_eq!(open(&image).unwrap().next_data(0).unwrap(), None);
}

#[test]
fn a_vhd_of_the_largest_size_is_written_and_read() {
    let dir = Dir::new();
    let image = dir.path("image");
    let disk_bytes = 2040 << 30;
    let sink = disk::create(create_file(&image), Format::Vhd, Compression::None, disk_bytes).unwrap();
    let last = disk_bytes - (64 << 10);
    for place in [last, 1 << 40, 0] {
        sink.write_at(place, &vec![7; 64 << 10]).unwrap();
    }
    sink.finish().unwrap();
    let info = qemu("qemu-img", &["info", "-f", "vpc", text(&image)]);
    assert!(info.contains("(2190433320960 bytes)"), "{info}");
    qemu("qemu-io", &["-r", "-f", "vpc", "-c", "read -P 7 1T 64k", "-c", "read -P 0 3G 64k", text(&image)]);
    let source = open(&image).unwrap();
    assert_eq!(source.disk_bytes(), disk_bytes);
    let mut at = 0;
    for place in [0, 1 << 40, last] {
        assert_eq!(source.next_data(at).unwrap(), Some(place..place + (64 << 10)));
        at = place + (64 << 10);
    }
    assert_eq!(source.next_data(at).unwrap(), None);
}

#[test]
fn a_half_written_vhd_is_no_disk() {
    let dir = Dir::new();
    let image = dir.path("image");
    let sink = disk::create(create_file(&image), Format::Vhd, Compression::None, 1 << 20).unwrap();
    sink.write_at(0, &vec![1; 1 << 20]).unwrap();
    drop(sink);
    assert!(disk::open(create_file(&image), Some(Format::Vhd)).is_err());
}
