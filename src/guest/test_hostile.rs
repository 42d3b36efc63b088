//! Disks that were written to harm: nothing panics, nothing runs away, and what fails in the world
//! fails the check.
//!
//! Running away is measured in bytes asked of the disk, not in time: [`Counted`] refuses more than
//! the room's own bound.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use guest::Disk;

use crate::test_support::{
    BIOS_BOOT, ESP, FIRST_AT, Files, Memory, ROOT_UUID, Seeded, debian, e2fs, esp, gpt, line, mbr, mbr_entry,
    put, told,
};

/// What one check may cause.
const WORK_BYTES_MAX: u64 = 256 << 20;

/// Counts what is read, and fails the n-th read if it is told to.
struct Counted<'a> {
    disk: &'a Memory,
    bytes: AtomicU64,
    reads: AtomicU64,
    failing: u64,
}

impl<'a> Counted<'a> {
    fn new(disk: &'a Memory, failing: u64) -> Self {
        Self { disk, bytes: AtomicU64::new(0), reads: AtomicU64::new(0), failing }
    }
}

impl Disk for Counted<'_> {
    fn disk_bytes(&self) -> u64 {
        self.disk.disk_bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.reads.fetch_add(1, Ordering::Relaxed) == self.failing {
            return Err(io::Error::other("the disk is gone"));
        }
        let bytes = self.bytes.fetch_add(out.len() as u64, Ordering::Relaxed);
        assert!(bytes + out.len() as u64 <= WORK_BYTES_MAX, "the check runs away");
        self.disk.read_at(offset, out)
    }
}

/// The check of a disk of which nothing is known but that it must end well.
fn survives(disk: &Memory) -> String {
    told(&Counted::new(disk, u64::MAX))
}

/// The smallest disks that have everything a reader may trip over.
fn small_disks() -> Vec<Vec<u8>> {
    let files = debian().link("/etc/adjtime", "/usr/lib/os-release");
    let journaled = |image: &std::path::Path| {
        let image = image.to_str().unwrap();
        e2fs("debugfs", &["-w", "-R", "jo", image]);
    };
    let ext4 = files.ext_and("2m", &["-t", "ext4", "-b", "1024", "-N", "128"], journaled);
    let ext2 = files.ext("1m", &["-t", "ext2", "-b", "1024", "-N", "128"]);
    let inline =
        files.ext("1m", &["-t", "ext4", "-O", "inline_data,^has_journal", "-b", "1024", "-I", "256"]);
    vec![gpt(&[(ESP, &esp(Some(b"BOOTX64 EFI"))), ("", &ext4)]), mbr(&ext2), gpt(&[("", &inline)])]
}

#[test]
fn no_mutation_of_a_disk_makes_a_check_panic_or_run_away() {
    // Damage goes where something is written, for most of a disk is empty.
    let mut changed = 0;
    for (number, original) in small_disks().iter().enumerate() {
        let written: Vec<usize> = (0..original.len()).filter(|&at| original[at] != 0).collect();
        let healthy = survives(&Memory::new(original.clone()));
        let mut disk = Memory::new(original.clone());
        for round in 0..1000 {
            let mut seeded = Seeded::new(number as u64 * 10_000 + round);
            let damage: Vec<usize> = (0..=seeded.index(6))
                .map(|_| (written[seeded.index(written.len())] + seeded.index(4)).min(original.len() - 8))
                .collect();
            for &at in &damage {
                match seeded.index(4) {
                    0 => disk.bytes[at] ^= 1 << seeded.index(8),
                    1 => disk.bytes[at] = [0, 0xff, 1, 0x80][seeded.index(4)],
                    2 => put(&mut disk.bytes, at, &[0xff; 4]),
                    _ => {
                        // A number of another place: the likeliest to be taken for a good one.
                        let from = written[seeded.index(written.len())].min(original.len() - 8);
                        let bytes = original[from..from + 4].to_vec();
                        put(&mut disk.bytes, at, &bytes);
                    }
                }
            }
            changed += usize::from(survives(&disk) != healthy);
            for &at in &damage {
                put(&mut disk.bytes, at, &original[at..at + 4]);
            }
        }
    }
    assert!(changed > 500, "only {changed} mutations were noticed: the damage misses what is read");
}

#[test]
fn a_disk_may_end_anywhere() {
    for original in small_disks() {
        let mut seeded = Seeded::new(7);
        for _ in 0..60 {
            survives(&Memory::new(original[..seeded.index(original.len())].to_vec()));
        }
    }
}

#[test]
fn noise_is_told_to_be_nothing() {
    for seed in 0..40 {
        let mut seeded = Seeded::new(seed);
        let mut bytes: Vec<u8> = (0..1 << 17).map(|_| seeded.next().to_le_bytes()[0]).collect();
        survives(&Memory::new(bytes.clone()));
        // Noise that is signed as a boot sector, as a table and as a file system.
        put(&mut bytes, 510, &[0x55, 0xaa]);
        put(&mut bytes, 512, b"EFI PART\0\0\x01\0\x5c\0\0\0");
        put(&mut bytes, 1080, &[0x53, 0xef]);
        survives(&Memory::new(bytes));
    }
}

#[test]
fn a_read_that_fails_fails_the_check() {
    let disk = Memory::new(small_disks().remove(0));
    let counted = Counted::new(&disk, u64::MAX);
    guest::check(&counted).unwrap();
    let reads = counted.reads.load(Ordering::Relaxed);
    assert!(reads > 5, "{reads} reads are too few to be the whole check");
    for failing in 0..reads {
        let error = guest::check(&Counted::new(&disk, failing)).unwrap_err();
        assert_eq!(error.to_string(), "the disk is gone", "at read {failing}");
    }
}

fn ext4(files: &Files) -> Memory {
    Memory::new(gpt(&[(BIOS_BOOT, &[0; 4096]), ("", &files.ext("8m", &["-t", "ext4"]))]))
}

#[test]
fn links_that_go_round_or_far_lead_to_nothing() {
    let told = survives(&ext4(
        &debian()
            .without("/etc/os-release")
            .link("/etc/os-release", "loop")
            .link("/etc/loop", "/etc/os-release")
            .link("/etc/fstab", &"fstab/../".repeat(30))
            .link("/etc/adjtime", &format!("/{}", "x".repeat(1000))),
    ));
    // The second place of the file still counts.
    assert_eq!(line(&told, "OSVersion"), "OSVersion: Debian GNU/Linux 12 (bookworm)");
    assert_eq!(line(&told, "RtcTimeMode"), "RtcTimeMode: UTC");
    assert_eq!(line(&told, "Fstab"), "Fstab: Not Found");
}

#[test]
fn links_that_climb_above_the_root_stay_in_the_guest() {
    let told = survives(&ext4(
        &debian()
            .link("/etc/os-release", "/../../../../../../../etc/secret")
            .file("/etc/secret", "PRETTY_NAME=\"of the guest\"\n")
            .link("/etc/adjtime", "../../../../../../../../../../../proc/self/environ"),
    ));
    assert_eq!(line(&told, "OSVersion"), "OSVersion: of the guest");
    assert_eq!(line(&told, "RtcTimeMode"), "RtcTimeMode: UTC");
}

#[test]
fn a_file_of_a_gigabyte_is_read_as_far_as_an_honest_one_goes() {
    let files = debian().without("/etc/os-release").sparse("/etc/os-release", 1 << 30);
    let disk = ext4(&files);
    let counted = Counted::new(&disk, u64::MAX);
    let told = told(&counted);
    assert_eq!(line(&told, "Platform"), "Platform: Others Linux");
    assert_eq!(line(&told, "KernelVersion"), "KernelVersion: 6.1.0-18-amd64");
    assert!(counted.bytes.load(Ordering::Relaxed) < 16 << 20);
}

#[test]
fn a_value_is_one_line_of_a_length_for_people() {
    let name = format!("PRETTY_NAME=\"\u{1b}[31mx\u{7}{}\"\n", "é".repeat(5000));
    let told = survives(&ext4(&debian().file("/usr/lib/os-release", name)));
    let value = line(&told, "OSVersion");
    assert!(value.starts_with("OSVersion: [31mxé") && value.chars().count() < 220, "{value}");
}

/// Edits the inode of a file of the healthy system: its first block is found by debugfs.
fn with_inode(path: &str, edit: &str) -> Memory {
    let root = debian().ext_and("8m", &["-t", "ext4", "-b", "4096"], |image| {
        let image = image.to_str().unwrap();
        e2fs("debugfs", &["-w", "-R", &edit.replace("PATH", path), image]);
    });
    Memory::new(gpt(&[(BIOS_BOOT, &[0; 4096]), ("", &root)]))
}

#[test]
fn sizes_that_no_file_has_are_neither_believed_nor_allocated() {
    // A reader that allocates what a link says it holds ends the whole process.
    for (path, edit) in [
        ("/etc/os-release", "set_inode_field PATH size 0xffffffffffffff"),
        ("/etc", "set_inode_field PATH size 0xffffffffffffff"),
        ("/usr/lib/os-release", "set_inode_field PATH size 0xffffffffffffff"),
    ] {
        survives(&with_inode(path, edit));
    }
    let told = survives(&with_inode("/etc", "set_inode_field PATH size 0xffffffffffffff"));
    assert!(told.contains("[High FileSystem.Damaged]"), "{told}");
}

#[test]
fn file_systems_that_count_wrong_are_not_opened() {
    let original = debian().ext("8m", &["-t", "ext4", "-b", "4096"]);
    // Blocks of 2 GiB, no inodes in a group, inodes of 3 bytes, a feature of the future, 2^32 groups.
    let fields: [(usize, &[u8]); 5] =
        [(24, &[21]), (40, &[0; 4]), (88, &[3, 0]), (96, &[0xff; 4]), (32, &[1, 0, 0, 0])];
    for (at, value) in fields {
        let mut root = original.clone();
        put(&mut root, 1024 + at, value);
        let told = survives(&Memory::new(gpt(&[("", &root)])));
        let is_opened = told.contains("KernelVersion");
        assert_eq!(is_opened, at == 32, "field {at}: {told}");
        let code = if at == 96 { "FileSystem.NotSupported" } else { "FileSystem.Damaged" };
        assert_eq!(told.contains(code), at != 32, "field {at}: {told}");
    }
}

#[test]
fn a_chain_of_logical_partitions_that_goes_round_ends() {
    let mut disk = vec![0; FIRST_AT + 4096];
    put(&mut disk, 446, &mbr_entry(0x05, 2048, 8));
    put(&mut disk, 510, &[0x55, 0xaa]);
    put(&mut disk, FIRST_AT + 446, &mbr_entry(0x83, 1, 1));
    put(&mut disk, FIRST_AT + 462, &mbr_entry(0x05, 1, 1));
    put(&mut disk, FIRST_AT + 510, &[0x55, 0xaa]);
    // The second link leads to itself.
    put(&mut disk, FIRST_AT + 512 + 462, &mbr_entry(0x05, 1, 1));
    put(&mut disk, FIRST_AT + 512 + 510, &[0x55, 0xaa]);
    survives(&Memory::new(disk));
}

#[test]
fn directories_that_hold_one_another_end_a_check_that_says_so() {
    // Goal: work without end on a disk of 2 MiB, nearly all of it answered from memory.
    // Method: a chain of clusters that leads to itself, full of directories that are that chain.
    let mut volume = esp(None);
    let (table, root, data) = (512, 35 * 512, 37 * 512);
    put(&mut volume, table + 4, &[2, 0]);
    for at in (0..512).step_by(32) {
        let mut entry = [0; 32];
        put(&mut entry, 0, b"BOOT       ");
        entry[11] = 0x10;
        entry[26] = 2;
        put(&mut volume, data + at, &entry);
    }
    assert_eq!(&volume[root..root + 3], b"EFI");
    let told = survives(&Memory::new(gpt(&[(ESP, &volume)])));
    assert_eq!(told, "FileSystem: given up [Medium FileSystem.TooCostly]\n");
}

#[test]
fn a_disk_of_the_largest_size_is_no_larger_to_a_check() {
    let mut disk = ext4(&debian());
    disk.disk_bytes = u64::MAX / 2;
    let told = survives(&disk);
    assert_eq!(line(&told, "FileSystem"), "FileSystem: ext4 on partition 2");
    assert!(told.contains("Fstab: Supported"), "{ROOT_UUID}: {told}");
}
