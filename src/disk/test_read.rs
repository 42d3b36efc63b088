//! Files that QEMU made, read by us.

use domain::port::Format;

use crate::test_support::{Dir, Seeded, assert_reads, data_of, open, qemu, text};

/// Converts a seeded disk with `qemu-img` and checks that we read every byte of it, and leave out
/// only zeros.
fn check(seed: u64, args: &[&str]) {
    let mut seeded = Seeded::new(seed);
    let len = (3 << 20) + 512 * seeded.index(4096);
    let expected = seeded.disk(len);
    let dir = Dir::new();
    let (raw, image) = (dir.write("raw", &expected), dir.path("image"));
    let convert = ["convert", "-f", "raw", "-O", "qcow2"];
    qemu("qemu-img", &[&convert, args, &[text(&raw), text(&image)]].concat());
    let source = open(&image).unwrap();
    assert_eq!(source.format(), Format::Qcow2);
    assert_reads(&*source, &expected, seed);
    let data = data_of(&*source, &expected);
    let given: u64 = data.iter().map(|data| data.end - data.start).sum();
    let zeros = expected.chunks(2 << 20).filter(|chunk| chunk.iter().all(|&byte| byte == 0)).count();
    assert!(zeros == 0 || given < len as u64, "holes are found");
}

fn check_seeds(seeds: std::ops::Range<u64>, args: &[&str]) {
    seeds.for_each(|seed| check(seed, args));
}

#[test]
fn version_2_is_read() {
    check_seeds(0..3, &["-o", "compat=0.10"]);
    check_seeds(3..6, &["-c", "-o", "compat=0.10"]);
}

#[test]
fn every_cluster_size_is_read() {
    for (seed, bits) in (10..).zip(9..=21) {
        let size = format!("cluster_size={}", 1 << bits);
        check(seed, &["-o", &size]);
        check(seed + 20, &["-c", "-o", &size]);
        check(seed + 40, &["-c", "-o", &format!("{size},compression_type=zstd")]);
    }
}

#[test]
fn deflate_and_zstd_are_read() {
    check_seeds(100..106, &["-c"]);
    check_seeds(106..112, &["-c", "-o", "compression_type=zstd"]);
    check_seeds(112..116, &["-c", "-o", "compression_type=zstd", "-m", "16", "-W"]);
}

#[test]
fn subclusters_are_read() {
    for (seed, size) in (120..).zip(["16k", "64k", "128k", "2M"]) {
        let options = format!("extended_l2=on,cluster_size={size}");
        check(seed, &["-o", &options]);
        check(seed + 10, &["-c", "-o", &options]);
        check(seed + 20, &["-c", "-o", &format!("{options},compression_type=zstd")]);
    }
}

#[test]
fn preallocated_files_and_every_refcount_width_are_read() {
    for (seed, preallocation) in (150..).zip(["metadata", "falloc", "full"]) {
        check(seed, &["-S", "0", "-o", &format!("preallocation={preallocation}")]);
    }
    for (seed, bits) in (160..).zip([1, 2, 4, 8, 16, 32, 64]) {
        check(seed, &["-o", &format!("refcount_bits={bits},lazy_refcounts=on")]);
    }
}

/// Guest writes leave states that a conversion never makes: subclusters of one cluster that are
/// data, zero and nothing, zero clusters with and without room, discarded ones.
fn check_written_by_a_guest(seed: u64, options: &str) {
    let mut seeded = Seeded::new(seed);
    let dir = Dir::new();
    let (image, raw) = (dir.path("image"), dir.path("raw"));
    qemu("qemu-img", &["create", "-f", "qcow2", "-o", options, text(&image), "2097664"]);
    let mut commands = Vec::new();
    for number in 0..60 {
        let at = seeded.below(4000) * 512;
        let len = (1 + seeded.below(96)) * 512;
        let len = len.min(2_097_664 - at);
        commands.push("-c".to_owned());
        commands.push(match seeded.below(5) {
            0 => format!("write -z {at} {len}"),
            1 => format!("write -zu {at} {len}"),
            2 => format!("discard {at} {len}"),
            _ => format!("write -P {} {at} {len}", number % 250 + 1),
        });
    }
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    qemu("qemu-io", &[&["-f", "qcow2", "-d", "unmap"], &commands[..], &[text(&image)]].concat());
    qemu("qemu-img", &["convert", "-f", "qcow2", "-O", "raw", text(&image), text(&raw)]);
    let expected = std::fs::read(&raw).unwrap();
    let source = open(&image).unwrap();
    assert_reads(&*source, &expected, seed);
    data_of(&*source, &expected);
}

#[test]
fn what_a_guest_wrote_in_any_order_is_read() {
    for seed in 0..3 {
        check_written_by_a_guest(200 + seed, "cluster_size=64k");
        check_written_by_a_guest(220 + seed, "cluster_size=4k");
        check_written_by_a_guest(240 + seed, "extended_l2=on,cluster_size=32k");
        check_written_by_a_guest(260 + seed, "compat=0.10,cluster_size=8k");
    }
}

#[test]
fn an_empty_disk_of_the_largest_size_has_no_data() {
    let dir = Dir::new();
    let image = dir.path("image");
    qemu("qemu-img", &["create", "-f", "qcow2", text(&image), "2048G"]);
    let source = open(&image).unwrap();
    assert_eq!(source.disk_bytes(), 2048 << 30);
    assert_eq!(source.next_data(0).unwrap(), None);
    let mut out = [7; 4096];
    source.read_at((2048 << 30) - 4096, &mut out).unwrap();
    assert_eq!(out, [0; 4096]);
}

/// A file that was preallocated but never written has a place for each cluster and data in none.
#[test]
fn clusters_that_are_only_preallocated_are_left_out() {
    let dir = Dir::new();
    let image = dir.path("image");
    qemu("qemu-img", &["create", "-f", "qcow2", "-o", "preallocation=metadata", text(&image), "1G"]);
    qemu("qemu-io", &["-f", "qcow2", "-c", "write -P 7 500M 64k", text(&image)]);
    let source = open(&image).unwrap();
    let mut given = 0;
    let mut at = 0;
    while let Some(data) = source.next_data(at).unwrap() {
        given += data.end - data.start;
        at = data.end;
    }
    assert!((64 << 10..1 << 20).contains(&given), "{given} bytes are given as data");
    let mut out = [0; 8];
    source.read_at(500 << 20, &mut out).unwrap();
    assert_eq!(out, [7; 8]);
}

#[test]
fn a_raw_disk_keeps_its_holes_and_rounds_its_last_sector_up() {
    let dir = Dir::new();
    let mut expected = Seeded::new(1).disk(2 << 20);
    expected[1 << 20..].fill(0);
    expected.extend([9; 100]);
    let raw = dir.write("raw", &expected);
    let source = open(&raw).unwrap();
    assert_eq!(source.format(), Format::Raw);
    expected.resize((2 << 20) + 512, 0);
    assert_reads(&*source, &expected, 1);
    let data = data_of(&*source, &expected);
    assert!(data.iter().all(|data| data.start < 1 << 20 || data.start >= 2 << 20), "{data:?}");
}
