//! The image check at its door: disks made by real tools, and what is told of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod test_hostile;
mod test_support;

use std::fs;

use test_support::{
    BIOS_BOOT, ESP, FIRST_AT, Files, Memory, ROOT_UUID, debian, e2fs, esp, gpt, line, mbr, mbr_entry, put,
    told, tool,
};

/// Large enough for a journal, small enough to be made for every case.
const SIZE: &str = "8m";

/// A disk as installers make it for a BIOS: GPT, a place for GRUB's core, the root.
fn disk(files: &Files) -> Memory {
    Memory::new(gpt(&[(BIOS_BOOT, &[0; 4096]), ("", &files.ext(SIZE, &["-t", "ext4"]))]))
}

/// Compares the line of one item.
fn check_line(disk: &Memory, expected: &str) {
    let told = told(disk);
    assert_eq!(line(&told, expected.split(':').next().unwrap()), expected);
}

/// One change of a healthy system, and the line it makes.
fn check(change: impl FnOnce(Files) -> Files, expected: &str) {
    check_line(&disk(&change(debian())), expected);
}

#[test]
fn a_healthy_debian_is_told_in_full() {
    insta::assert_snapshot!(told(&disk(&debian())), @r"
    Platform: Debian
    OSVersion: Debian GNU/Linux 12 (bookworm)
    Architecture: x86_64
    RtcTimeMode: UTC
    BootMode: BIOS
    KernelVersion: 6.1.0-18-amd64
    Virtio: Supported
    Nvme: Supported
    Fstab: Supported
    Grub: Supported
    Dhcp: DHCP by ifupdown
    CloudInit: Installed
    SSHD: Installed, host keys present, PermitRootLogin prohibit-password
    OnlineResizeFS: Supported
    Selinux: Not Installed
    SecurityCenterAgent: Not Installed
    FileSystem: ext4 on partition 2
    ");
}

#[test]
fn the_same_is_told_of_ext2_ext3_and_of_every_block_size() {
    let expected = told(&disk(&debian())).replace("ext4 on partition 2", "");
    let kinds: &[(&str, &[&str])] = &[
        ("ext2", &["-t", "ext2", "-b", "1024"]),
        ("ext3", &["-t", "ext3", "-b", "2048"]),
        ("ext4", &["-t", "ext4", "-b", "1024", "-O", "64bit"]),
        ("ext4", &["-t", "ext4", "-b", "4096", "-O", "^64bit,^metadata_csum"]),
        ("ext4", &["-t", "ext4", "-b", "4096", "-O", "inline_data", "-I", "256"]),
    ];
    for (word, options) in kinds {
        let root = debian().ext(SIZE, options);
        let told = told(&Memory::new(gpt(&[(BIOS_BOOT, &[0; 4096]), ("", &root)])));
        assert_eq!(told.replace(&format!("{word} on partition 2"), ""), expected, "{options:?}");
    }
}

#[test]
fn risks_are_found_on_real_disks() {
    check(|files| files.without("/usr/lib/modules"), "KernelVersion: 6.1.0-18-amd64");
    check(
        |files| files.without("/usr/lib/modules").without("/boot/vmlinuz"),
        "KernelVersion: Not Found [High KernelVersion.NotFound]",
    );
    check(
        |files| files.file("/etc/fstab", "UUID=0000-0000 /data ext4 defaults 0 0\n"),
        "Fstab: UUID=0000-0000 is not there [High Fstab.DeviceNotFound]",
    );
    check(
        |files| files.file("/boot/grub/grub.cfg", "linux /vmlinuz root=/dev/sda2 ro\n"),
        "Grub: root=/dev/sda2 has another name [High Grub.DeviceName]",
    );
    check(
        |files| files.link("/etc/systemd/system/cloud-init.service", "/dev/null"),
        "CloudInit: Disabled [Medium CloudInit.Disabled]",
    );
}

#[test]
fn devices_are_found_by_every_name_they_have() {
    let uuid_of_the_partition = "6b696c6e-0000-4000-8000-100000000002";
    for device in [
        format!("UUID=\"{}\"", ROOT_UUID.to_ascii_uppercase()),
        "LABEL=root".to_owned(),
        format!("PARTUUID={uuid_of_the_partition}"),
        format!("/dev/disk/by-uuid/{ROOT_UUID}"),
        "/dev/disk/by-label/root".to_owned(),
        "/dev/vda2".to_owned(),
    ] {
        let line = format!("{device} / ext4 defaults 0 1\n");
        check(|files| files.file("/etc/fstab", line), "Fstab: Supported");
    }
    for device in ["LABEL=swap", "PARTUUID=6b696c6e-02", "/dev/vda7", "/dev/disk/by-label/x"] {
        let text = format!("{device} none swap sw 0 0\n");
        check(
            |files| files.file("/etc/fstab", text),
            &format!("Fstab: {device} is not there [High Fstab.DeviceNotFound]"),
        );
    }
}

#[test]
fn how_a_disk_boots_is_told_from_its_partitions() {
    let root = debian().ext(SIZE, &["-t", "ext4"]);
    let cases: [(Vec<u8>, &str); 6] = [
        (gpt(&[("", &root)]), "BootMode: Not Found [High BootMode.LoaderNotFound]"),
        (gpt(&[(BIOS_BOOT, &[0; 512]), ("", &root)]), "BootMode: BIOS"),
        (mbr(&root), "BootMode: BIOS"),
        (gpt(&[(ESP, &esp(Some(b"BOOTX64 EFI"))), ("", &root)]), "BootMode: UEFI"),
        (
            gpt(&[(BIOS_BOOT, &[0; 512]), (ESP, &esp(Some(b"BOOTX64 EFI"))), ("", &root)]),
            "BootMode: UEFI-Preferred",
        ),
        (gpt(&[(ESP, &esp(None)), ("", &root)]), "BootMode: Not Found [High BootMode.LoaderNotFound]"),
    ];
    for (bytes, expected) in cases {
        check_line(&Memory::new(bytes), expected);
    }
}

#[test]
fn a_system_partition_is_found_by_its_serial_number() {
    let files = debian().file("/etc/fstab", "UUID=1234-5678 /boot/efi vfat umask=0077 0 1\n");
    let root = files.ext(SIZE, &["-t", "ext4"]);
    check_line(&Memory::new(gpt(&[(ESP, &esp(Some(b"GRUBX64 EFI"))), ("", &root)])), "Fstab: Supported");
}

#[test]
fn logical_partitions_are_numbered_from_five() {
    let root = debian().file("/etc/fstab", "/dev/vda6 / ext4 defaults 0 1\n").ext(SIZE, &["-t", "ext4"]);
    let sectors = u32::try_from(root.len() / 512).unwrap();
    // The extended partition holds a link, one sector of data, a link, the root.
    let mut disk = vec![0; FIRST_AT + 4 * 512];
    put(&mut disk, 446, &mbr_entry(0x0f, 2048, sectors + 4));
    put(&mut disk, 510, &[0x55, 0xaa]);
    put(&mut disk, FIRST_AT + 446, &mbr_entry(0x83, 1, 1));
    put(&mut disk, FIRST_AT + 462, &mbr_entry(0x05, 2, 2));
    put(&mut disk, FIRST_AT + 510, &[0x55, 0xaa]);
    put(&mut disk, FIRST_AT + 2 * 512 + 446, &mbr_entry(0x83, 2, sectors));
    put(&mut disk, FIRST_AT + 2 * 512 + 510, &[0x55, 0xaa]);
    disk.extend_from_slice(&root);
    let disk = Memory::new(disk);
    check_line(&disk, "FileSystem: ext4 on partition 6");
    check_line(&disk, "Fstab: Supported");
}

#[test]
fn a_disk_without_partitions_and_one_with_a_broken_first_table_are_read() {
    let root = debian().ext(SIZE, &["-t", "ext4"]);
    check_line(&Memory::new(root.clone()), "FileSystem: ext4 on the whole disk");
    let mut disk = gpt(&[("", &root)]);
    disk[512 + 60] ^= 1;
    check_line(&Memory::new(disk.clone()), "FileSystem: ext4 on partition 1");
    // With both broken there is only the word of the MBR, which names nothing.
    let second = disk.len() - 512;
    disk[second + 60] ^= 1;
    check_line(&Memory::new(disk), "FileSystem: Not Found [High FileSystem.NotFound]");
}

#[test]
fn a_boot_partition_is_seen_in_its_place() {
    let boot = Files::default()
        .file("/vmlinuz-6.1.0-20-amd64", "kernel")
        .file("/grub/grub.cfg", "linux /vmlinuz-6.1.0-20-amd64 root=LABEL=none ro\n")
        .ext(SIZE, &["-t", "ext4", "-L", "boot", "-U", "clear"]);
    let root = debian().without("/boot").file("/boot/.keep", "").ext_and(SIZE, &["-t", "ext4"], |image| {
        e2fs("debugfs", &["-w", "-R", "rm /boot/.keep", image.to_str().unwrap()]);
    });
    let disk = Memory::new(gpt(&[("", &boot), ("", &root)]));
    check_line(&disk, "KernelVersion: 6.1.0-20-amd64");
    check_line(&disk, "Grub: root=LABEL=none is not there [High Grub.RootNotFound]");
}

#[test]
fn a_boot_partition_tells_the_kernel_of_a_root_in_a_container() {
    let boot = Files::default()
        .file("/vmlinuz-6.8.0-40-generic", "kernel")
        .file("/grub/grub.cfg", "linux /vmlinuz-6.8.0-40-generic root=/dev/mapper/vg-root ro\n")
        .ext(SIZE, &["-t", "ext4"]);
    let mut lvm = vec![0; 64 << 10];
    put(&mut lvm, 512, b"LABELONE");
    let disk = Memory::new(gpt(&[(BIOS_BOOT, &[0; 512]), ("", &boot), ("", &lvm)]));
    insta::assert_snapshot!(told(&disk), @r"
    Platform: Others Linux
    BootMode: BIOS
    KernelVersion: 6.8.0-40-generic
    Grub: Supported
    FileSystem: ext4 on partition 2, LVM on partition 3
    ");
}

#[test]
fn swap_is_found_by_the_names_that_mkswap_gave_it() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("swap");
    fs::write(&image, vec![0; 64 << 10]).unwrap();
    let uuid = "6b696c6e-0000-4000-8000-000000000005";
    tool("mkswap", "util-linux", &["-q", "-U", uuid, "-L", "scratch", image.to_str().unwrap()]);
    let lines = format!("UUID={uuid} none swap sw 0 0\nLABEL=scratch none swap sw 0 0\n");
    let root = debian().file("/etc/fstab", lines).ext(SIZE, &["-t", "ext4"]);
    let swap = fs::read(image).unwrap();
    check_line(&Memory::new(gpt(&[("", &root), ("", &swap)])), "Fstab: Supported");
}

/// A disk copied from a running guest, whose newest state has not reached its place: debugfs writes
/// blocks into the journal and leaves it so. `steps` are its commands, with `BLOCK` for the number of
/// the old file's block and `NEW` for a file with the new one's.
fn check_journal(options: &[&str], steps: &str, expected: &str) {
    let (old, new) = ("PRETTY_NAME=\"Old\"\nID=debian\n", "PRETTY_NAME=\"New\"\nID=debian\n");
    let root = debian().file("/usr/lib/os-release", old).ext_and(SIZE, options, |image| {
        let image = image.to_str().unwrap();
        let said = e2fs("debugfs", &["-R", "blocks /usr/lib/os-release", image]);
        let block: u64 = said.lines().next().unwrap().trim().parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (content, script) = (folder.path().join("content"), folder.path().join("script"));
        let mut bytes = new.as_bytes().to_vec();
        bytes.resize(4096, 0);
        fs::write(&content, bytes).unwrap();
        let steps = steps.replace("BLOCK", &block.to_string()).replace("NEW", content.to_str().unwrap());
        fs::write(&script, steps).unwrap();
        e2fs("debugfs", &["-w", "-f", script.to_str().unwrap(), image]);
        let header = e2fs("debugfs", &["-R", "stats -h", image]);
        assert!(header.contains("needs_recovery"), "the journal was not left open:\n{header}");
    });
    check_line(&Memory::new(gpt(&[("", &root)])), expected);
}

#[test]
fn what_only_the_journal_holds_is_read_from_there() {
    for options in [&["-t", "ext4", "-b", "4096"][..], &["-t", "ext3", "-b", "4096"]] {
        for open in ["jo", "jo -c -v 2", "jo -c -v 3"] {
            let write = format!("{open}\njw -b BLOCK NEW\njc\n");
            check_journal(options, &write, "OSVersion: New");
            let revoke = format!("{open}\njw -b BLOCK NEW\njw -r BLOCK\njc\n");
            check_journal(options, &revoke, "OSVersion: Old");
        }
    }
}

#[test]
fn large_directories_are_read_whatever_trees_they_have() {
    let mut files = debian();
    for number in 0..700 {
        files = files.file(&format!("/etc/ssh/a-long-name-that-fills-blocks-{number}"), "");
    }
    let files = files.without("/etc/ssh/ssh_host").file("/etc/ssh/zz", "");
    let root = files.clone().file("/etc/ssh/ssh_host_rsa_key", "x").ext(SIZE, &["-t", "ext4", "-b", "1024"]);
    check_line(&Memory::new(root), "SSHD: Installed, host keys present, PermitRootLogin prohibit-password");
    check_line(
        &Memory::new(files.without("/usr/bin/cloud-init").ext(SIZE, &["-t", "ext4", "-b", "1024"])),
        "SSHD: Installed, no host keys [High Sshd.HostKeysNotFound]",
    );
}

#[test]
fn a_long_file_is_read_through_maps_and_extents() {
    // A list of modules that takes two levels of a map of blocks of 1 KiB, the driver at its end.
    let mut list = "kernel/drivers/filler/some_driver_with_a_long_name.ko:\n".repeat(7000);
    list.push_str("kernel/drivers/virtio_blk.ko:\nkernel/drivers/virtio_net.ko:\nkernel/nvme.ko:\n");
    let files = debian().file("/usr/lib/modules/6.1.0-18-amd64/modules.dep", list);
    for kind in ["ext2", "ext4"] {
        let disk = Memory::new(files.ext(SIZE, &["-t", kind, "-b", "1024"]));
        check_line(&disk, "Virtio: Supported");
        check_line(&disk, "Nvme: Supported");
    }
}

#[test]
fn what_is_not_read_is_named() {
    let volume = |at: usize, magic: &[u8]| {
        let mut bytes = vec![0; 128 << 10];
        put(&mut bytes, at, magic);
        bytes
    };
    let cases: [(Vec<u8>, &str); 7] = [
        (volume(0, b"XFSB"), "xfs"),
        (volume(65600, b"_BHRfS_M"), "btrfs"),
        (volume(512, b"LABELONE"), "LVM"),
        (volume(0, b"LUKS\xba\xbe\0\x02"), "LUKS"),
        (volume(4086, b"SWAPSPACE2"), "swap"),
        (volume(4096, &0xa92b_4efc_u32.to_le_bytes()), "Linux RAID"),
        (volume(3, b"NTFS    "), "NTFS"),
    ];
    for (bytes, word) in cases {
        let disk = Memory::new(gpt(&[("", &bytes)]));
        check_line(&disk, &format!("FileSystem: {word} on partition 1"));
        let platform = if word == "NTFS" { "Other Windows" } else { "Others Linux" };
        check_line(&disk, &format!("Platform: {platform}"));
    }
}

#[test]
fn of_a_windows_disk_it_is_told_what_its_partitions_tell() {
    let mut ntfs = vec![0; 64 << 10];
    put(&mut ntfs, 3, b"NTFS    ");
    let disk = Memory::new(gpt(&[(ESP, &esp(Some(b"BOOTX64 EFI"))), ("", &ntfs)]));
    insta::assert_snapshot!(told(&disk), @r"
    Platform: Other Windows
    Architecture: x86_64
    BootMode: UEFI
    Disk: GPT, 2 partitions
    Bootmgr: Not Found [High BootMode.LoaderNotFound]
    FileSystem: FAT on partition 1, NTFS on partition 2
    ");
}

#[test]
fn a_container_may_hold_what_the_disk_does_not_show() {
    // A missing device is not said to be missing where an LVM may hold it.
    let files = debian().file("/etc/fstab", "UUID=0000-0000 /data ext4 defaults 0 0\n");
    let root = files.ext(SIZE, &["-t", "ext4"]);
    let mut lvm = vec![0; 64 << 10];
    put(&mut lvm, 512, b"LABELONE");
    check_line(&Memory::new(gpt(&[("", &lvm), ("", &root)])), "Fstab: Supported");
}

#[test]
fn a_blank_disk_holds_nothing() {
    for disk_bytes in [0, 1, 511, 512, 1 << 20, 1 << 45] {
        let disk = Memory { bytes: Vec::new(), disk_bytes };
        assert_eq!(
            told(&disk),
            "BootMode: Not Found [High BootMode.LoaderNotFound]\n\
             FileSystem: Not Found [High FileSystem.NotFound]\n"
        );
    }
}
