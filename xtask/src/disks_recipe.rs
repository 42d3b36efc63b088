//! What is on the test disks: the packages, the geometry, and the identifiers that would otherwise be random.
//!
//! The recipe as text is the stamp of the cache: whoever changes a list or a number here gets new disks.

/// Raised when the way the disks are made changes without the lists below changing.
const VERSION: u32 = 1;

/// The size of the disks as a guest sees it.
pub(crate) const DISK_BYTES: u64 = 2 << 30;
/// Where the one partition begins, as every installer has it since disks with 4 KiB sectors.
pub(crate) const PARTITION_OFFSET_BYTES: u64 = 1 << 20;
/// Kept free behind the partition for the second partition table.
const TAIL_BYTES: u64 = 1 << 20;
/// The size of the partition.
pub(crate) const PARTITION_BYTES: u64 = DISK_BYTES - PARTITION_OFFSET_BYTES - TAIL_BYTES;
/// The sector the partition table counts in.
pub(crate) const SECTOR_BYTES: u64 = 512;

/// Identifiers that are random unless given: the same recipe is to make the same disk.
pub(crate) const DISK_UUID: &str = "6B696C6E-0000-4000-8000-000000000001";
/// Of the partition.
pub(crate) const PARTITION_UUID: &str = "6B696C6E-0000-4000-8000-000000000002";
/// Of the file system.
pub(crate) const FILE_SYSTEM_UUID: &str = "6b696c6e-0000-4000-8000-000000000003";
/// Of the file system's directory hashes.
pub(crate) const HASH_SEED: &str = "6b696c6e-0000-4000-8000-000000000004";
/// The time written where a tool would write the present one: 2023-11-14T22:13:20Z.
pub(crate) const TIME_SECONDS: &str = "1700000000";

/// The metapackage whose first dependency is the present kernel; `ARCH` is replaced.
pub(crate) const KERNEL: &str = "linux-image-ARCH";

/// Packages of the first version, about 150 MB to download. Of alternatives, the first that this Debian has.
pub(crate) const FIRST: &[&str] = &[
    "apt",
    "base-files",
    "bash",
    "coreutils",
    "cpp-12|cpp-14",
    "dpkg",
    "gcc-12|gcc-14",
    "git",
    "grub-pc-bin|grub-efi-arm64-bin",
    "iproute2",
    "libc-bin",
    "libc6",
    "libpython3.11-minimal|libpython3.13-minimal",
    "libpython3.11-stdlib|libpython3.13-stdlib",
    "libssl3|libssl3t64",
    "locales",
    "openssh-client",
    "openssh-server",
    "openssl",
    "perl",
    "perl-base",
    "perl-modules-5.36|perl-modules-5.40",
    "python3.11|python3.13",
    "systemd",
    "tzdata",
    "util-linux",
    "vim",
    "vim-runtime",
];

/// Packages the second version adds, about 20 MB to download.
pub(crate) const ADDED: &[&str] = &[
    "binutils-x86-64-linux-gnu|binutils-aarch64-linux-gnu",
    "curl",
    "g++-12|g++-14",
    "libc6-dev",
    "libgcc-12-dev|libgcc-14-dev",
    "libstdc++-12-dev|libstdc++-14-dev",
    "linux-libc-dev",
    "nginx",
    "tmux",
];

/// A variant of the first version in qcow2: its name, and how `qemu-img convert` is told to make it.
pub(crate) const QCOW2: &[(&str, &[&str])] = &[
    ("v1-plain.qcow2", &[]),
    ("v1-zlib.qcow2", &["-c"]),
    ("v1-zstd.qcow2", &["-c", "-o", "compression_type=zstd"]),
];

/// The recipe as text.
pub(crate) fn stamp() -> String {
    format!(
        "recipe {VERSION}\ndisk {DISK_BYTES} partition {PARTITION_OFFSET_BYTES}+{PARTITION_BYTES}\n\
         kernel {KERNEL}\nfirst {}\nadded {}\nqcow2 {QCOW2:?}\n",
        FIRST.join(" "),
        ADDED.join(" "),
    )
}
