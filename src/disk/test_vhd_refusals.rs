//! VHD files that have to be refused: by name, with the right code and advice, before anything is
//! read out of them, and without ever looking outside of them.

use std::sync::LazyLock;

use disk::Kind;
use domain::port::{Compression, Format};

use crate::test_refusals::check;
use crate::test_support::{Dir, MemoryFile, Seeded, checksummed, put_checksum, qemu, text};

/// Place of the header and of the block table in what QEMU makes.
const HEADER: usize = 512;
const TABLE: usize = 1536;

/// A VHD of a seeded disk of five mebibytes with data in each of its three blocks, as QEMU makes it.
fn vhd(subformat: &str) -> Vec<u8> {
    let dir = Dir::new();
    let mut disk = Seeded::new(5).disk(5 << 20);
    (0..5).for_each(|mebibyte| disk[mebibyte << 20..][..512].fill(1));
    let (raw, image) = (dir.write("raw", &disk), dir.path("image"));
    let options = format!("subformat={subformat},force_size=on");
    qemu("qemu-img", &["convert", "-f", "raw", "-O", "vpc", "-o", &options, text(&raw), text(&image)]);
    std::fs::read(image).unwrap()
}

static DYNAMIC: LazyLock<Vec<u8>> = LazyLock::new(|| vhd("dynamic"));
static FIXED: LazyLock<Vec<u8>> = LazyLock::new(|| vhd("fixed"));

fn refuses(bytes: &[u8], kind: Kind, word: &str) {
    check(bytes, None, kind, word);
    check(bytes, Some(Format::Vhd), kind, word);
}

/// Both shapes with bytes of their footers replaced.
fn refuses_footer(patches: &[(usize, &[u8])], kind: Kind, word: &str) {
    for good in [&*DYNAMIC, &*FIXED] {
        refuses(&checksummed(good.clone(), patches), kind, word);
    }
}

/// The dynamic one with bytes of its header replaced.
fn refuses_header(patches: &[(usize, &[u8])], kind: Kind, word: &str) {
    let mut bytes = DYNAMIC.clone();
    for (at, patch) in patches {
        bytes[HEADER + at..HEADER + at + patch.len()].copy_from_slice(patch);
    }
    put_checksum(&mut bytes[HEADER..HEADER + 1024], 36);
    refuses(&bytes, kind, word);
}

/// The dynamic one with an entry of its block table replaced.
fn refuses_entry(number: usize, entry: u32, word: &str) {
    let mut bytes = DYNAMIC.clone();
    bytes[TABLE + number * 4..][..4].copy_from_slice(&entry.to_be_bytes());
    refuses(&bytes, Kind::Malformed, word);
}

#[test]
fn a_differencing_vhd_is_refused() {
    refuses_footer(&[(60, &[0, 0, 0, 4])], Kind::NotSupported, "differencing");
}

#[test]
fn a_vhd_footer_that_makes_no_sense_is_refused() {
    for kind in [0u32, 1, 5, 6, u32::MAX] {
        refuses_footer(&[(60, &kind.to_be_bytes())], Kind::Malformed, "unknown type");
    }
    refuses_footer(&[(12, &[0, 2, 0, 0])], Kind::NotSupported, "version `0x20000`");
    for good in [&*DYNAMIC, &*FIXED] {
        for at in [9, 30, 50, 64, 100, 511] {
            let mut bytes = good.clone();
            let place = bytes.len() - 512 + at;
            bytes[place] ^= 1;
            refuses(&bytes, Kind::Malformed, "checksum");
        }
    }
    let mut bytes = DYNAMIC.clone();
    bytes[100] ^= 1;
    refuses(&bytes, Kind::Malformed, "checksum");
}

#[test]
fn sizes_of_a_vhd_out_of_bounds_are_refused_before_anything_is_allocated() {
    let size = |bytes: u64, word: &str| {
        refuses_footer(&[(48, &bytes.to_be_bytes())], Kind::Size, word);
    };
    size(0, "`0`");
    size(513, "`513`");
    size((2040 << 30) + 512, "more than");
    size(2048 << 30, "more than");
    size(u64::MAX, "more than");
    let by_geometry: [(usize, &[u8]); 2] = [(28, b"vpc "), (56, &[0, 0, 16, 63])];
    refuses_footer(&by_geometry, Kind::Size, "`0`");
    let largest = 2040u64 << 30;
    refuses(&checksummed(DYNAMIC.clone(), &[(48, &largest.to_be_bytes())]), Kind::Malformed, "entries");
    refuses(&checksummed(FIXED.clone(), &[(48, &largest.to_be_bytes())]), Kind::Malformed, "cut short");
    let file = MemoryFile::new(Vec::new());
    let error = disk::create(file.clone(), Format::Vhd, Compression::None, largest + 512).err().unwrap();
    assert_eq!(error.kind(), Kind::Size);
    assert!(error.advice().contains("qcow2"), "{}", error.advice());
    for compression in [Compression::Zlib, Compression::Zstd] {
        let error = disk::create(file.clone(), Format::Vhd, compression, 512).err().unwrap();
        assert!(error.to_string().contains("cannot be compressed"), "{error}");
    }
}

#[test]
fn a_header_of_a_vhd_that_makes_no_sense_is_refused() {
    use Kind::Malformed;
    for size in [0u32, 1, 512, 2048, 4097, 3 << 20, 512 << 20, u32::MAX] {
        refuses_header(&[(32, &size.to_be_bytes())], Malformed, "block size");
    }
    for entries in [0u32, 2] {
        refuses_header(&[(28, &entries.to_be_bytes())], Malformed, "entries");
    }
    refuses_header(&[(28, &u32::MAX.to_be_bytes())], Malformed, "block table");
    for place in [0u64, 511, 600, 1535, 1 << 40, u64::MAX - 3, u64::MAX] {
        refuses_header(&[(16, &place.to_be_bytes())], Malformed, "block table");
    }
    refuses_header(&[(0, b"cxsparsf")], Malformed, "no header");
    refuses_header(&[(24, &[0, 1, 0, 1])], Kind::NotSupported, "version");
    let mut bytes = DYNAMIC.clone();
    bytes[HEADER + 900] ^= 1;
    refuses(&bytes, Malformed, "checksum");
    for place in [0u64, 511, 1 << 40, u64::MAX - 1023, u64::MAX] {
        let bytes = checksummed(DYNAMIC.clone(), &[(16, &place.to_be_bytes())]);
        refuses(&bytes, Malformed, "header at");
    }
    let bytes = checksummed(DYNAMIC.clone(), &[(16, &4096u64.to_be_bytes())]);
    refuses(&bytes, Malformed, "no header");
}

#[test]
fn blocks_that_lead_out_of_the_file_or_overlap_are_refused() {
    let entry = |number: usize| u32::from_be_bytes(DYNAMIC[TABLE + number * 4..][..4].try_into().unwrap());
    refuses_entry(1, u32::MAX - 1, "cut short");
    let end = u32::try_from(DYNAMIC.len() / 512).unwrap();
    refuses_entry(1, end, "cut short");
    refuses_entry(1, end - 4098 + 1, "cut short");
    refuses_entry(1, entry(0), "overlap");
    refuses_entry(1, entry(0) + 1, "overlap");
    refuses_entry(0, 0, "overlaps the footer's copy");
    refuses_entry(0, 1, "overlaps the header");
    refuses_entry(0, 3, "overlaps the block table");
}

/// A fixed VHD that lost its end cannot be told from a raw disk, unless its format is told.
#[test]
fn a_vhd_that_is_cut_anywhere_is_refused() {
    for part in 1..100 {
        let len = DYNAMIC.len() * part / 100;
        refuses(&DYNAMIC[..len], Kind::Malformed, "cut short");
        check(&FIXED[..FIXED.len() * part / 100], Some(Format::Vhd), Kind::Malformed, "cut short");
    }
    for len in [8, 100, 1535, DYNAMIC.len() - 512] {
        refuses(&DYNAMIC[..len], Kind::Malformed, "cut short");
    }
    // What is left ends in a whole footer: the copy at the begin.
    refuses(&DYNAMIC[..512], Kind::Malformed, "header at");
    let mut shortened = FIXED.clone();
    shortened.drain(1 << 20..2 << 20);
    refuses(&shortened, Kind::Malformed, "cut short");
}

#[test]
fn a_vhd_with_a_footer_of_511_bytes_is_refused_by_name() {
    for good in [&*DYNAMIC, &*FIXED] {
        refuses(&good[..good.len() - 1], Kind::NotSupported, "`VHD` with a footer of 511 bytes");
    }
}

/// One reader goes by the footer at the begin, another by the one at the end.
#[test]
fn a_vhd_whose_two_footers_disagree_is_refused() {
    let mut bytes = DYNAMIC.clone();
    let end = bytes.len() - 512;
    bytes[end + 48..end + 56].copy_from_slice(&(4u64 << 20).to_be_bytes());
    put_checksum(&mut bytes[end..], 64);
    refuses(&bytes, Kind::Malformed, "disagree");
    let mut bytes = FIXED.clone();
    bytes.copy_within(FIXED.len() - 512.., 0);
    refuses(&bytes, Kind::Malformed, "begins with a footer too");
    let mut bytes = DYNAMIC.clone();
    bytes[..512].fill(0);
    refuses(&bytes, Kind::Malformed, "does not begin with a copy");
    let mut bytes = DYNAMIC.clone();
    bytes[end..].fill(0);
    refuses(&bytes, Kind::Malformed, "does not end in a footer");
}

#[test]
fn a_vhd_that_can_be_taken_for_another_format_is_refused() {
    let mut bytes = FIXED.clone();
    bytes[..4].copy_from_slice(b"QFI\xfb");
    bytes[4..8].copy_from_slice(&[0, 0, 0, 3]);
    check(&bytes, None, Kind::Malformed, "`qcow2` and for `VHD`");
    let mut bytes = DYNAMIC.clone();
    bytes[510..512].copy_from_slice(b"\x55\xaa");
    check(&bytes, None, Kind::Malformed, "partition table");
    let mut bytes = DYNAMIC.clone();
    bytes[0x8001..0x8006].copy_from_slice(b"CD001");
    check(&bytes, None, Kind::Malformed, "`ISO 9660`");
}

/// The first sector of a fixed VHD is the guest's: a partition table is at its place there.
#[test]
fn a_fixed_vhd_with_a_partition_table_is_never_taken_for_raw() {
    let mut bytes = FIXED.clone();
    bytes[510..512].copy_from_slice(b"\x55\xaa");
    bytes[512..520].copy_from_slice(b"EFI PART");
    let source = disk::open(MemoryFile::new(bytes.clone()), None).unwrap();
    assert_eq!((source.format(), source.disk_bytes()), (Format::Vhd, 5 << 20));
    let mut out = [0; 8];
    source.read_at(512, &mut out).unwrap();
    assert_eq!(&out, b"EFI PART");
    let raw = disk::open(MemoryFile::new(bytes), Some(Format::Raw)).unwrap();
    assert_eq!((raw.format(), raw.disk_bytes()), (Format::Raw, (5 << 20) + 512));
}
