//! What the tests share: disks made by mke2fs around a tree of files, partition tables, seeded numbers.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use guest::Disk;

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

    pub(crate) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

/// A disk in memory, zeros behind its bytes.
pub(crate) struct Memory {
    pub(crate) bytes: Vec<u8>,
    pub(crate) disk_bytes: u64,
}

impl Memory {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let disk_bytes = bytes.len() as u64;
        Self { bytes, disk_bytes }
    }
}

impl Disk for Memory {
    fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        assert!(offset + out.len() as u64 <= self.disk_bytes, "read outside the disk");
        out.fill(0);
        let from = usize::try_from(offset).unwrap().min(self.bytes.len());
        let count = out.len().min(self.bytes.len() - from);
        out[..count].copy_from_slice(&self.bytes[from..from + count]);
        Ok(())
    }
}

/// The answer as a table of lines.
pub(crate) fn told(disk: &dyn Disk) -> String {
    let mut text = String::new();
    for item in guest::check(disk).unwrap() {
        let name = item.name.trim_start_matches("GUESTOS.");
        let _ = write!(text, "{name}: {}", item.value);
        if let Some(risk) = item.risk {
            let _ = write!(text, " [{} {}]", risk.word(), item.risk_code);
        }
        text.push('\n');
    }
    text
}

/// The line of one item.
pub(crate) fn line(told: &str, name: &str) -> String {
    let is_it = |line: &&str| line.split(':').next() == Some(name);
    told.lines().find(is_it).map_or_else(|| format!("no {name} in:\n{told}"), str::to_owned)
}

/// A tool of e2fsprogs, which has to succeed.
pub(crate) fn e2fs(tool_name: &str, arguments: &[&str]) -> String {
    tool(tool_name, "e2fsprogs", arguments)
}

/// A tool of a Debian package, which has to succeed.
pub(crate) fn tool(name: &str, package: &str, arguments: &[&str]) -> String {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(name).args(arguments).env("PATH", path).output();
    let output = output.unwrap_or_else(|e| panic!("these tests need `{name}` of the package {package}: {e}"));
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {text}");
    text
}

pub(crate) const ROOT_UUID: &str = "6b696c6e-0000-4000-8000-000000000003";

/// Files to be put on a disk.
#[derive(Clone, Default)]
pub(crate) struct Files(Vec<(String, Content)>);

#[derive(Clone)]
enum Content {
    Bytes(Vec<u8>),
    Link(String),
    /// All zeros, and as long as this.
    Sparse(u64),
}

impl Files {
    fn put(mut self, path: &str, content: Content) -> Self {
        self.0.retain(|(known, _)| known != path);
        self.0.push((path.to_owned(), content));
        self
    }

    pub(crate) fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.put(path, Content::Bytes(text.as_ref().to_vec()))
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.put(path, Content::Link(target.to_owned()))
    }

    pub(crate) fn sparse(self, path: &str, bytes: u64) -> Self {
        self.put(path, Content::Sparse(bytes))
    }

    pub(crate) fn without(mut self, path: &str) -> Self {
        let before = self.0.len();
        self.0.retain(|(known, _)| !known.starts_with(path));
        assert_ne!(self.0.len(), before, "there is no `{path}` to leave out");
        self
    }

    fn write(&self, folder: &Path) {
        for (path, content) in &self.0 {
            let path = folder.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content {
                Content::Bytes(bytes) => fs::write(path, bytes).unwrap(),
                Content::Link(target) => symlink(target, path).unwrap(),
                Content::Sparse(bytes) => fs::File::create(path).unwrap().set_len(*bytes).unwrap(),
            }
        }
    }

    /// A file system of these files.
    pub(crate) fn ext(&self, size: &str, options: &[&str]) -> Vec<u8> {
        self.ext_and(size, options, |_| ())
    }

    /// The same, changed by `then` while it lies in a file.
    pub(crate) fn ext_and(&self, size: &str, options: &[&str], then: impl FnOnce(&Path)) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let (tree, image) = (folder.path().join("tree"), folder.path().join("image"));
        fs::create_dir(&tree).unwrap();
        self.write(&tree);
        let (tree, image_text) = (tree.to_str().unwrap(), image.to_str().unwrap());
        let before = ["-q", "-F", "-U", ROOT_UUID, "-L", "root", "-d", tree];
        e2fs("mke2fs", &[&before, options, &[image_text, size]].concat());
        then(&image);
        fs::read(image).unwrap()
    }
}

/// A header of an ELF program for x86-64.
pub(crate) fn program() -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(64, 0);
    header[18] = 62;
    header
}

/// A Debian that is ready for the cloud.
pub(crate) fn debian() -> Files {
    let kernel = "/usr/lib/modules/6.1.0-18-amd64";
    Files::default()
        .link("/etc/os-release", "../usr/lib/os-release")
        .file(
            "/usr/lib/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nID=debian\n",
        )
        .link("/bin", "usr/bin")
        .link("/lib", "usr/lib")
        .link("/usr/bin/sh", "dash")
        .file("/usr/bin/dash", program())
        .file("/usr/bin/cloud-init", "#!/usr/bin/python3\n")
        .file("/usr/bin/growpart", "#!/bin/sh\n")
        .file("/usr/lib/systemd/system-generators/cloud-init-generator", "#!/bin/sh\n")
        .file("/usr/sbin/sshd", program())
        .file("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n#PermitRootLogin yes\n")
        .file("/etc/ssh/ssh_host_ed25519_key", "secret\n")
        .file("/etc/adjtime", "0.0 0 0.0\n0\nUTC\n")
        .file(
            "/etc/fstab",
            format!("# root\nUUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\nproc /proc proc\n"),
        )
        .file("/etc/network/interfaces", "auto lo\niface lo inet loopback\niface ens5 inet dhcp\n")
        .file("/boot/vmlinuz-6.1.0-18-amd64", "kernel")
        .file("/boot/vmlinuz-6.1.0-9-amd64", "kernel")
        .file(
            "/boot/grub/grub.cfg",
            format!(
                "menuentry 'Debian' {{\n\tlinux /boot/vmlinuz-6.1.0-18-amd64 root=UUID={ROOT_UUID} ro\n}}\n"
            ),
        )
        .file(&format!("{kernel}/modules.builtin"), "kernel/drivers/virtio/virtio.ko\n")
        .file(
            &format!("{kernel}/modules.dep"),
            "kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko\n\
             kernel/drivers/net/virtio_net.ko.xz:\nkernel/drivers/nvme/host/nvme.ko.xz:\n",
        )
}

/// Where the first partition of the test disks begins.
pub(crate) const FIRST_AT: usize = 1 << 20;
const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";
pub(crate) const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
pub(crate) const BIOS_BOOT: &str = "21686148-6449-6e6f-744e-656564454649";

fn guid(text: &str) -> Vec<u8> {
    let hex = text.replace('-', "");
    let bytes: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map(|at| bytes[at]).to_vec()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// A disk with a GUID partition table of partitions, each a type and its bytes, and the second
/// table at the end.
pub(crate) fn gpt(partitions: &[(&str, &[u8])]) -> Vec<u8> {
    let mut disk = vec![0; FIRST_AT];
    let mut entries = vec![0; 128 * 128];
    for (number, (kind, bytes)) in partitions.iter().enumerate() {
        let entry = &mut entries[number * 128..][..128];
        let kind = if kind.is_empty() { LINUX } else { kind };
        put(entry, 0, &guid(kind));
        put(entry, 16, &guid(&format!("6b696c6e-0000-4000-8000-1000000000{:02x}", number + 1)));
        put(entry, 32, &(disk.len() as u64 / 512).to_le_bytes());
        disk.extend_from_slice(bytes);
        disk.resize(disk.len().next_multiple_of(512), 0);
        put(entry, 40, &(disk.len() as u64 / 512 - 1).to_le_bytes());
    }
    disk.resize(disk.len() + 33 * 512, 0);
    put(&mut disk, 510, &[0x55, 0xaa]);
    put(&mut disk, 446, &[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    let last = disk.len() as u64 / 512 - 1;
    for (own, table) in [(1, 2), (last, last - 32)] {
        let mut header = vec![0; 92];
        put(&mut header, 0, b"EFI PART\0\0\x01\0\x5c\0\0\0");
        put(&mut header, 24, &own.to_le_bytes());
        put(&mut header, 72, &table.to_le_bytes());
        put(&mut header, 80, &128_u32.to_le_bytes());
        put(&mut header, 84, &128_u32.to_le_bytes());
        put(&mut header, 88, &crc32(&entries).to_le_bytes());
        let crc = crc32(&header);
        put(&mut header, 16, &crc.to_le_bytes());
        put(&mut disk, usize::try_from(own).unwrap() * 512, &header);
        put(&mut disk, usize::try_from(table).unwrap() * 512, &entries);
    }
    disk
}

/// An entry of an MBR.
pub(crate) fn mbr_entry(kind: u8, first: u32, sectors: u32) -> [u8; 16] {
    let mut entry = [0; 16];
    entry[4] = kind;
    put(&mut entry, 8, &first.to_le_bytes());
    put(&mut entry, 12, &sectors.to_le_bytes());
    entry
}

/// A disk with an MBR of one Linux partition that a BIOS boots.
pub(crate) fn mbr(file_system: &[u8]) -> Vec<u8> {
    let mut disk = vec![0; FIRST_AT];
    put(&mut disk, 0, &[0xeb, 0x63, 0x90]);
    put(&mut disk, 440, &0x6b69_6c6e_u32.to_le_bytes());
    put(&mut disk, 446, &mbr_entry(0x83, 2048, u32::try_from(file_system.len() / 512).unwrap()));
    put(&mut disk, 510, &[0x55, 0xaa]);
    disk.extend_from_slice(file_system);
    disk
}

/// A FAT16 system partition of 4200 sectors with a loader in `EFI/BOOT`, or without.
pub(crate) fn esp(loader: Option<&[u8; 11]>) -> Vec<u8> {
    let mut volume = vec![0; 4250 * 512];
    put(&mut volume, 0, &[0xeb, 0x3c, 0x90]);
    // Sectors of 512 bytes, one a cluster, one reserved, two tables of 17, 32 entries in the root.
    put(&mut volume, 11, &[0, 2, 1, 1, 0, 2, 32, 0]);
    put(&mut volume, 19, &4250_u16.to_le_bytes());
    put(&mut volume, 22, &17_u16.to_le_bytes());
    put(&mut volume, 38, &[0x29, 0x78, 0x56, 0x34, 0x12]);
    put(&mut volume, 43, b"EFI SYSTEM ");
    put(&mut volume, 510, &[0x55, 0xaa]);
    put(&mut volume, 512, &[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let entry = |name: &[u8; 11], attributes: u8, cluster: u8| {
        let mut entry = [0; 32];
        put(&mut entry, 0, name);
        entry[11] = attributes;
        entry[26] = cluster;
        entry
    };
    let (root, data) = (35 * 512, 37 * 512);
    put(&mut volume, root, &entry(b"EFI        ", 0x10, 2));
    put(&mut volume, data, &entry(b"BOOT       ", 0x10, 3));
    if let Some(loader) = loader {
        put(&mut volume, data + 512, &entry(loader, 0x20, 4));
    }
    volume
}
