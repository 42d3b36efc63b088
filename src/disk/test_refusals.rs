//! Files that have to be refused: by name, with the right code and advice, before anything is read
//! out of them, and without ever looking outside of them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use disk::Kind;
use domain::port::{Compression, Format};
use event::Failure;
use files::{Files, Open, RealFiles};

use crate::test_support::{Dir, MemoryFile, Seeded, open, qemu, text};

/// Opens bytes, which has to fail with a word in its message and advice on what to do.
pub(crate) fn check(bytes: &[u8], format: Option<Format>, kind: Kind, word: &str) {
    let file = MemoryFile::new(bytes.to_vec());
    let error = disk::open(file.clone(), format).err().unwrap_or_else(|| panic!("`{word}` was opened"));
    assert_eq!(file.read_outside.load(Ordering::Relaxed), 0, "{error}");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(word), "`{error}` does not say `{word}`");
    assert!(!error.advice().is_empty(), "`{error}` gives no advice");
}

/// A qcow2 of a seeded disk of one mebibyte with clusters of 4 KiB, as QEMU makes it.
fn qcow2(options: &str) -> Vec<u8> {
    let dir = Dir::new();
    let (raw, image) = (dir.write("raw", &Seeded::new(5).disk(1 << 20)), dir.path("image"));
    let options = format!("cluster_size=4k,{options}");
    qemu("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", "-o", &options, text(&raw), text(&image)]);
    std::fs::read(image).unwrap()
}

/// A good qcow2 with some bytes replaced.
fn patched(patches: &[(usize, &[u8])]) -> Vec<u8> {
    static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| qcow2("compat=1.1"));
    let mut bytes = GOOD.clone();
    for (at, patch) in patches {
        bytes[*at..at + patch.len()].copy_from_slice(patch);
    }
    bytes
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn at(place: u64) -> usize {
    usize::try_from(place).unwrap()
}

fn refuses_patched(patches: &[(usize, &[u8])], kind: Kind, word: &str) {
    check(&patched(patches), None, kind, word);
    check(&patched(patches), Some(Format::Qcow2), kind, word);
}

#[test]
fn a_qcow2_that_refers_to_another_file_is_refused() {
    use Kind::NotSupported;
    refuses_patched(&[(8, &[0, 0, 0, 0, 0, 0, 2, 0]), (16, &[0, 0, 0, 11])], NotSupported, "backing file");
    refuses_patched(&[(16, &[0, 0, 0, 1])], NotSupported, "backing file");
    refuses_patched(&[(79, &[4])], NotSupported, "external data file");
    refuses_patched(&[(112, &[0x44, 0x41, 0x54, 0x41, 0, 0, 0, 4])], NotSupported, "external data file");
    let dir = Dir::new();
    let (base, image) = (dir.write("base", &vec![1; 1 << 20]), dir.path("image"));
    qemu("qemu-img", &["create", "-f", "qcow2", "-b", text(&base), "-F", "raw", text(&image)]);
    check(&std::fs::read(&image).unwrap(), None, NotSupported, "backing file");
    let (data, image) = (dir.path("data"), dir.path("with-data"));
    let options = format!("data_file={}", text(&data));
    qemu("qemu-img", &["create", "-f", "qcow2", "-o", &options, text(&image), "1M"]);
    check(&std::fs::read(&image).unwrap(), None, NotSupported, "external data file");
}

#[test]
fn a_qcow2_in_a_state_that_is_not_its_own_is_refused() {
    refuses_patched(&[(32, &[0, 0, 0, 1])], Kind::NotSupported, "encrypted");
    refuses_patched(&[(32, &[0, 0, 0, 2])], Kind::NotSupported, "encrypted");
    refuses_patched(&[(112, &[0x05, 0x37, 0xbe, 0x77])], Kind::NotSupported, "encrypted");
    refuses_patched(&[(60, &[0, 0, 0, 3])], Kind::NotSupported, "`3` internal snapshots");
    refuses_patched(&[(79, &[1])], Kind::Malformed, "in use");
    refuses_patched(&[(79, &[2])], Kind::Malformed, "corrupt");
    refuses_patched(&[(79, &[0x20])], Kind::NotSupported, "`0x20`");
    refuses_patched(&[(72, &[0x80])], Kind::NotSupported, "`0x8000000000000000`");
    refuses_patched(&[(7, &[4])], Kind::NotSupported, "version `4`");
    refuses_patched(&[(7, &[1])], Kind::NotSupported, "qcow version 1");
    let dir = Dir::new();
    let image = dir.path("image");
    qemu("qemu-img", &["create", "-f", "qcow2", text(&image), "1M"]);
    qemu("qemu-img", &["snapshot", "-c", "before", text(&image)]);
    check(&std::fs::read(&image).unwrap(), None, Kind::NotSupported, "internal snapshots");
}

#[test]
fn sizes_out_of_bounds_are_refused_before_anything_is_allocated() {
    let size = |bytes: u64| patched(&[(24, &bytes.to_be_bytes())]);
    for (bytes, word) in
        [(0, "`0`"), (1 << 63, "`9223372036854775808`"), (513, "`513`"), ((2048 << 30) + 512, "more than")]
    {
        check(&size(bytes), None, Kind::Size, word);
    }
    let mut tiny = size(8 << 60);
    tiny.truncate(1024);
    check(&tiny, None, Kind::Size, "more than");
    check(&size(2048 << 30), None, Kind::Malformed, "L1 table");
    let file = MemoryFile::new(Vec::new());
    for bytes in [0, 100, (2048 << 30) + 512] {
        assert!(disk::create(file.clone(), Format::Raw, Compression::None, bytes).is_err());
    }
    assert!(disk::create(file, Format::Raw, Compression::Zlib, 512).is_err());
}

#[test]
fn a_header_that_makes_no_sense_is_refused() {
    use Kind::Malformed;
    for bits in [0u32, 8, 22, 63, u32::MAX] {
        refuses_patched(&[(20, &bits.to_be_bytes())], Malformed, "cluster bits");
    }
    for length in [0u32, 72, 103, 106, 4104, u32::MAX] {
        refuses_patched(&[(100, &length.to_be_bytes())], Malformed, "header length");
    }
    refuses_patched(&[(99, &[7])], Malformed, "refcount order");
    refuses_patched(&[(36, &(5u32 << 20).to_be_bytes())], Malformed, "L1 table");
    refuses_patched(&[(36, &u32::MAX.to_be_bytes())], Malformed, "L1 table");
    refuses_patched(&[(36, &0u32.to_be_bytes())], Malformed, "L1 table");
    refuses_patched(&[(56, &u32::MAX.to_be_bytes())], Malformed, "refcount table");
    refuses_patched(&[(56, &0u32.to_be_bytes())], Malformed, "refcount table");
    for place in [0u64, 4095, 1 << 40, u64::MAX - 4095, u64::MAX] {
        refuses_patched(&[(40, &place.to_be_bytes())], Malformed, "L1 table");
        refuses_patched(&[(48, &place.to_be_bytes())], Malformed, "refcount table");
    }
    refuses_patched(&[(104, &[1])], Malformed, "compression type");
    refuses_patched(&[(79, &[8])], Malformed, "compression type");
    refuses_patched(&[(104, &[9])], Kind::NotSupported, "compression type");
    refuses_patched(&[(79, &[16])], Malformed, "subclusters");
}

#[test]
fn header_extensions_that_do_not_end_are_refused() {
    let unknown =
        |len: u32| [0x12, 0x34, 0x56, 0x78].into_iter().chain(len.to_be_bytes()).collect::<Vec<u8>>();
    refuses_patched(&[(112, &unknown(u32::MAX))], Kind::Malformed, "header extension");
    refuses_patched(&[(112, &unknown(4096 - 119))], Kind::Malformed, "header extension");
    refuses_patched(&[(112, &unknown(0).repeat(400))], Kind::Malformed, "header extensions");
}

#[test]
fn tables_that_lead_out_of_the_file_or_twice_to_one_place_are_refused() {
    use Kind::Malformed;
    let good = qcow2("compat=1.1");
    let l1 = at(u64_at(&good, 40));
    let first = u64_at(&good, l1);
    let l2 = at(first & 0x00ff_ffff_ffff_fe00);
    refuses_patched(&[(l1, &(1u64 << 40).to_be_bytes())], Malformed, "cut short");
    refuses_patched(&[(l1, &(first + 512).to_be_bytes())], Malformed, "L1 table");
    refuses_patched(&[(l1, &(first | 1 << 60).to_be_bytes())], Malformed, "L1 table");
    refuses_patched(&[(l2, &(1u64 << 40).to_be_bytes())], Malformed, "cut short");
    refuses_patched(&[(l2, &(1u64 << 62 | 1 << 50).to_be_bytes())], Malformed, "cut short");
    refuses_patched(&[(l2, &(first + 512).to_be_bytes())], Malformed, "L2 table");
    refuses_patched(&[(l2, &(first | 1 << 58).to_be_bytes())], Malformed, "L2 table");
    refuses_patched(&[(l2, &(1u64 << 62).to_be_bytes())], Malformed, "L2 table");
    let dir = Dir::new();
    let (raw, image) = (dir.write("raw", &vec![1; 1 << 20]), dir.path("image"));
    qemu(
        "qemu-img",
        &["convert", "-f", "raw", "-O", "qcow2", "-o", "cluster_size=512", text(&raw), text(&image)],
    );
    let mut bytes = std::fs::read(&image).unwrap();
    let l1 = at(u64_at(&bytes, 40));
    bytes.copy_within(l1..l1 + 8, l1 + 8);
    check(&bytes, None, Malformed, "used twice");
}

/// Many entries may name one cluster, but not so many that a small file takes hours to decode.
#[test]
fn clusters_that_share_one_place_without_end_are_refused() {
    for options in ["compat=1.1", "compression_type=zlib", "compression_type=zstd"] {
        let dir = Dir::new();
        let (raw, image) = (dir.path("raw"), dir.path("image"));
        std::fs::write(&raw, vec![7; 4 << 10]).unwrap();
        std::fs::File::options().write(true).open(&raw).unwrap().set_len(512 << 30).unwrap();
        let packed = if options.starts_with("compat") { "-W" } else { "-c" };
        let options = format!("cluster_size=2M,{options}");
        let convert = ["convert", packed, "-f", "raw", "-O", "qcow2", "-o", &options];
        qemu("qemu-img", &[&convert[..], &[text(&raw), text(&image)]].concat());
        let mut bytes = std::fs::read(&image).unwrap();
        let l2 = at(u64_at(&bytes, at(u64_at(&bytes, 40))) & 0x00ff_ffff_ffff_fe00);
        bytes.copy_within(l2..l2 + 8, l2 + 8);
        disk::open(MemoryFile::new(bytes.clone()), None).unwrap();
        (1..256 << 10).for_each(|entry| bytes.copy_within(l2..l2 + 8, l2 + entry * 8));
        check(&bytes, None, Kind::Malformed, "share one place");
    }
}

/// The shortest prefix that may be taken is the whole file but for what nobody reads at its end.
#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    for options in ["compat=1.1", "compat=0.10", "compression_type=zstd"] {
        let whole = qcow2(options);
        for part in 1..200 {
            let len = whole.len() * part / 200;
            let format = if len < 4 { Some(Format::Qcow2) } else { None };
            let error = disk::open(MemoryFile::new(whole[..len].to_vec()), format).err();
            let error =
                error.unwrap_or_else(|| panic!("cut to {len} of {} bytes, it was opened", whole.len()));
            assert_eq!(error.kind(), Kind::Malformed);
            assert!(error.to_string().contains("cut short"), "{error}");
        }
    }
}

#[test]
fn a_compressed_cluster_that_does_not_decode_fails_by_name() {
    for (options, word) in
        [("compression_type=zlib", "does not decode"), ("compression_type=zstd", "does not decode")]
    {
        let dir = Dir::new();
        let (raw, image) = (dir.write("raw", &vec![7; 1 << 20]), dir.path("image"));
        qemu(
            "qemu-img",
            &["convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, text(&raw), text(&image)],
        );
        let mut bytes = std::fs::read(&image).unwrap();
        let l1 = at(u64_at(&bytes, 40));
        let l2 = at(u64_at(&bytes, l1) & 0x00ff_ffff_ffff_fe00);
        let place = at(u64_at(&bytes, l2) & ((1 << 54) - 1));
        bytes[place..place + 16].fill(0xff);
        let source = disk::open(MemoryFile::new(bytes), None).unwrap();
        let error = source.read_at(0, &mut [0; 512]).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert!(error.to_string().contains(word), "{error}");
        source.read_at(512 << 10, &mut [0; 512]).unwrap();
    }
}

/// Makes a file with a magic at a place.
fn with_magic(at: usize, magic: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 17];
    bytes[at..at + magic.len()].copy_from_slice(magic);
    bytes
}

#[test]
fn formats_that_are_known_but_not_taken_are_refused_by_name() {
    let end = 1 << 17;
    for (name, at, magic) in [
        ("QED", 0, &b"QED\0"[..]),
        ("VMDK", 0, b"KDMV"),
        ("VMDK", 0, b"COWD"),
        ("VMDK", 0, b"# Disk DescriptorFile\nversion=1\n"),
        ("VMDK", 0, b"\n# comment\n\nversion=1\n"),
        ("VMDK", end - 1024, b"KDMV"),
        ("VDI", 64, b"\x7f\x10\xda\xbe"),
        ("VHD", end - 511, b"conectix"),
        ("VHDX", 0, b"vhdxfile"),
        ("Parallels", 0, b"WithoutFreeSpace"),
        ("DMG", end - 512, b"koly\0\0\0\x04\0\0\x02\0"),
        ("Bochs", 0, b"Bochs Virtual HD Image"),
        ("cloop", 0, b"#!/bin/sh\n#V2.0 Format\n"),
        ("LUKS", 0, b"LUKS\xba\xbe\0\x02"),
        ("ISO 9660", 0x8001, b"CD001"),
        ("gzip", 0, b"\x1f\x8b\x08"),
        ("xz", 0, b"\xfd7zXZ\0"),
        ("Zstandard", 0, b"\x28\xb5\x2f\xfd"),
        ("bzip2", 0, b"BZh91AY&SY"),
        ("tar or OVA", 257, b"ustar\0"),
        ("qcow version 1", 0, b"QFI\xfb\0\0\0\x01"),
    ] {
        check(&with_magic(at, magic), None, Kind::NotSupported, name);
    }
}

#[test]
fn the_formats_of_qemu_are_refused_by_name() {
    let dir = Dir::new();
    let raw = dir.write("raw", &Seeded::new(4).disk(4 << 20));
    for (format, options, name) in [
        ("vmdk", "subformat=monolithicSparse", "VMDK"),
        ("vmdk", "subformat=streamOptimized", "VMDK"),
        ("vhdx", "subformat=dynamic", "VHDX"),
        ("vdi", "", "VDI"),
        ("qed", "", "QED"),
        ("qcow", "", "qcow version 1"),
        ("parallels", "", "Parallels"),
    ] {
        let image = dir.path(&format!("{format}-{options}"));
        let options = if options.is_empty() { vec![] } else { vec!["-o", options] };
        let convert = ["convert", "-f", "raw", "-O", format];
        qemu("qemu-img", &[&convert, &options[..], &[text(&raw), text(&image)]].concat());
        let error = open(&image).err().unwrap();
        assert_eq!(error.kind(), Kind::NotSupported);
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
}

#[test]
fn a_file_that_can_be_taken_for_two_formats_is_refused() {
    let mut iso = qcow2("cluster_size=64k,compat=1.1");
    iso[0x8001..0x8006].copy_from_slice(b"CD001");
    check(&iso, None, Kind::Malformed, "`qcow2` and for `ISO 9660`");
    let mut partitioned = qcow2("cluster_size=64k,compat=1.1");
    partitioned[510..512].copy_from_slice(b"\x55\xaa");
    check(&partitioned, None, Kind::Malformed, "partition table");
    let mut gpt = qcow2("cluster_size=64k,compat=1.1");
    gpt[512..520].copy_from_slice(b"EFI PART");
    check(&gpt, None, Kind::Malformed, "partition table");
    let mut fixed = qcow2("compat=1.1");
    let end = fixed.len();
    fixed.extend([0; 512]);
    fixed[end..end + 8].copy_from_slice(b"conectix");
    check(&fixed, None, Kind::Malformed, "`VHD`");
    let mut vmdk = with_magic(0, b"KDMV");
    vmdk[257..262].copy_from_slice(b"ustar");
    check(&vmdk, None, Kind::Malformed, "`VMDK` and for `tar or OVA`");
}

#[test]
fn a_raw_disk_with_a_partition_table_is_raw() {
    for (at, magic) in [(510, &b"\x55\xaa"[..]), (512, b"EFI PART"), (0x438, b"\x53\xef")] {
        let file = MemoryFile::new(with_magic(at, magic));
        assert_eq!(disk::detect(&*file).unwrap(), Format::Raw);
        assert_eq!(disk::open(file, None).unwrap().format(), Format::Raw);
    }
}

/// A guest may write any magic onto its own disk; what was told to be raw stays raw.
#[test]
fn a_format_that_is_told_is_not_guessed_again() {
    let bytes = qcow2("compat=1.1");
    let source = disk::open(MemoryFile::new(bytes.clone()), Some(Format::Raw)).unwrap();
    let mut out = [0; 4];
    source.read_at(0, &mut out).unwrap();
    assert_eq!((source.format(), &out), (Format::Raw, b"QFI\xfb"));
    assert_eq!(disk::open(MemoryFile::new(bytes), Some(Format::Qcow2)).unwrap().format(), Format::Qcow2);
    check(&[0; 4096], Some(Format::Qcow2), Kind::Malformed, "no qcow2");
}

#[test]
fn what_is_no_file_with_something_in_it_is_refused() {
    check(&[], None, Kind::Size, "empty");
    check(&[], Some(Format::Raw), Kind::Size, "empty");
    check(b"QFI\xfb", None, Kind::Malformed, "cut short");
    let dir = Dir::new();
    let error = open(&dir.path(".")).err().unwrap();
    assert!(error.to_string().contains("directory"), "{error}");
    let null = RealFiles.open(std::path::Path::new("/dev/null"), Open::Read).unwrap();
    let error = disk::open(null, None).err().unwrap();
    assert!(error.to_string().contains("device"), "{error}");
}

#[test]
fn failures_reach_the_engine_in_the_right_family() {
    let code = |bytes: &[u8]| {
        let error = disk::open(MemoryFile::new(bytes.to_vec()), None).err().unwrap();
        match Failure::from(error) {
            Failure::Caller(refusal) => refusal.code,
            other => panic!("{other}"),
        }
    };
    assert_eq!(code(&patched(&[(20, &[9])])), "InvalidImageFormat.Malformed");
    assert_eq!(code(&patched(&[(79, &[4])])), "InvalidImageFormat.NotSupported");
    assert_eq!(code(&[]), "InvalidImageSize");
    let bytes = vec![1; 1024];
    let file = MemoryFile::new(bytes);
    let source = disk::open(Arc::clone(&file) as Arc<dyn files::File>, None).unwrap();
    files::File::set_len(&*file, 512).unwrap();
    let error = source.read_at(512, &mut [0; 512]).unwrap_err();
    assert!(error.below().is_some());
    assert!(matches!(Failure::from(error), Failure::World(text) if text.contains("`512`")));
    let error = source.read_at(1024, &mut [0; 1]).unwrap_err();
    assert!(matches!(Failure::from(error), Failure::Ours(_)));
}
