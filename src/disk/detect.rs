//! What a file is: every detector looks at its head and its tail, and more than one answer is one
//! too many.
//!
//! A raw disk has no magic of its own, so a file is raw when nothing else matches. A file that
//! matches two formats shows one reader one disk and another reader another, so it is refused: a
//! check passed on the one says nothing about the other. A partition table is a match only beside
//! a format that is taken and begins with something of its own, qcow2 or dynamic VHD: in the others
//! it is at its place (a fixed VHD, a hybrid ISO), or they are refused anyway.
//!
//! A fixed VHD is a raw disk with a footer behind it, so the tail decides; a dynamic one has the
//! footer at both ends. Whether they agree is seen when the file is opened.
//!
//! | place | looked for |
//! |---|---|
//! | the first 512 bytes | magics of disk formats, archives, compressed streams, encryption |
//! | 32 KiB, three 2 KiB sectors on | ISO 9660, UDF |
//! | the last 1024 bytes | footers of VHD, DMG and streamed VMDK |
//!
//! Detection happens once: the answer is recorded, and a guest that later writes a magic onto its
//! own disk changes nothing.

use domain::port::Format;
use files::File;

use crate::{Error, qcow2_header, vhd_footer};

/// The advice for formats that another tool turns into one of ours.
pub(crate) const CONVERT: &str =
    "convert it on a machine you trust: `qemu-img convert -O qcow2 IMAGE WHOLE.qcow2`";
const UNPACK: &str = "unpack it, and import the disk file in it";
const INSTALL: &str =
    "it is an installation medium, not a disk: install a machine from it, and import that machine's disk";
const DECRYPT: &str = "open it with its key, and import the disk inside";

/// Bytes looked at from the beginning, with the three sectors that tell an ISO, and from the end.
const HEAD_BYTES: usize = (32 << 10) + 3 * ISO_SECTOR_BYTES;
const TAIL_BYTES: usize = 1024;
const ISO_SECTOR_BYTES: usize = 2 << 10;

/// A magic at a place of its own in the head.
struct Magic {
    name: &'static str,
    at: usize,
    bytes: &'static [u8],
    advice: &'static str,
}

const fn magic(name: &'static str, at: usize, bytes: &'static [u8], advice: &'static str) -> Magic {
    Magic { name, at, bytes, advice }
}

const QCOW: &str = "qcow version 1";
const VMDK: &str = "VMDK";
const DMG: &str = "Apple DMG";
const ISO: &str = "ISO 9660";

/// What is known by a magic in the head, and refused. One name for all shapes of a format.
const MAGICS: &[Magic] = &[
    magic("QED", 0, b"QED\0", CONVERT),
    magic(VMDK, 0, b"KDMV", CONVERT),
    magic(VMDK, 0, b"COWD", CONVERT),
    magic(VMDK, 0, b"\xbe\xba\xfe\xca\0\0\0\0", CONVERT),
    magic("VDI", 64, b"\x7f\x10\xda\xbe", CONVERT),
    magic("VHDX", 0, b"vhdxfile", CONVERT),
    magic("Parallels", 0, b"WithoutFreeSpace", CONVERT),
    magic("Parallels", 0, b"WithouFreSpacExt", CONVERT),
    magic("Bochs", 0, b"Bochs Virtual HD Image", CONVERT),
    magic("cloop", 0, b"#!/bin/sh\n#V2.0 Format\n", CONVERT),
    magic("user-mode Linux COW", 0, b"OOOM", CONVERT),
    magic("user-mode Linux COW", 0, b"MOOO", CONVERT),
    magic("EWF", 0, b"EVF\x09\x0d\x0a\xff\x00", UNPACK),
    magic("WIM", 0, b"MSWIM\0\0\0", UNPACK),
    magic("Android sparse", 0, b"\x3a\xff\x26\xed", UNPACK),
    magic("LUKS", 0, b"LUKS\xba\xbe", DECRYPT),
    magic(ISO, 0x8001, b"CD001", INSTALL),
    magic(ISO, 0x8801, b"CD001", INSTALL),
    magic(ISO, 0x9001, b"CD001", INSTALL),
    magic("UDF", 0x8001, b"BEA01", INSTALL),
    magic("UDF", 0x8801, b"BEA01", INSTALL),
    magic("gzip", 0, b"\x1f\x8b\x08", UNPACK),
    magic("xz", 0, b"\xfd7zXZ\0", UNPACK),
    magic("Zstandard", 0, b"\x28\xb5\x2f\xfd", UNPACK),
    magic("LZ4", 0, b"\x04\x22\x4d\x18", UNPACK),
    magic("bzip2", 4, b"1AY&SY", UNPACK),
    magic("lzop", 0, b"\x89LZO\0\x0d\x0a\x1a\x0a", UNPACK),
    magic("zip", 0, b"PK\x03\x04", UNPACK),
    magic("7-Zip", 0, b"7z\xbc\xaf\x27\x1c", UNPACK),
    magic("RAR", 0, b"Rar!\x1a\x07", UNPACK),
    magic("tar or OVA", 257, b"ustar", UNPACK),
];

/// A format that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Qcow2,
    Vhd,
    /// A VHD whose footer lacks its last byte.
    OldVhd,
    PartitionTable,
    Refused(&'static str, &'static str),
}

impl Found {
    fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Vhd | Self::OldVhd => "VHD",
            Self::PartitionTable => "a raw disk with a partition table",
            Self::Refused(name, _) => name,
        }
    }
}

/// Finds out what disk format a file has, from its head and its tail. A file of a known format that
/// is not taken, and one that can be taken for two formats, is refused by name.
pub fn detect(file: &dyn File) -> Result<Format, Error> {
    let file_bytes = crate::regular_file_bytes(file)?;
    let part = |offset: u64, len: usize| {
        let mut bytes = vec![0; len];
        let read = file.read_at(offset, &mut bytes);
        read.map(|()| bytes).map_err(|e| Error::io("reading head and tail of the disk file", e))
    };
    let there = |len: usize| usize::try_from(file_bytes).unwrap_or(len).min(len);
    let head = part(0, there(HEAD_BYTES))?;
    let tail_len = there(TAIL_BYTES);
    let tail = part(file_bytes - tail_len as u64, tail_len)?;
    let mut found = find(&head, &tail);
    let begins_otherwise = found.contains(&Found::Qcow2) || head.starts_with(vhd_footer::MAGIC);
    if !begins_otherwise {
        found.retain(|&one| one != Found::PartitionTable);
    }
    match *found {
        [] => Ok(Format::Raw),
        [Found::Qcow2] => Ok(Format::Qcow2),
        [Found::Vhd] => Ok(Format::Vhd),
        [Found::OldVhd] => Err(vhd_footer::old_footer()),
        [one] => Err(refusal(one.name())),
        [one, other, ..] => Err(Error::malformed(format!(
            "the file can be taken for `{}` and for `{}` as well",
            one.name(),
            other.name()
        ))
        .advise("name its format if you know it, or convert it afresh from a source you trust")),
    }
}

/// The refusal of a format that is known by name.
pub(crate) fn refusal(name: &str) -> Error {
    let advice = MAGICS.iter().find(|magic| magic.name == name).map_or(CONVERT, |magic| magic.advice);
    Error::not_supported(format!("the file is `{name}`, which is not taken")).advise(advice)
}

/// All formats that head and tail match, each once.
fn find(head: &[u8], tail: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut add = |one: Found| {
        if !found.contains(&one) {
            found.push(one);
        }
    };
    if head.starts_with(&qcow2_header::MAGIC) {
        let first_version = head.get(4..8) == Some(&[0, 0, 0, 1]);
        add(if first_version { Found::Refused(QCOW, CONVERT) } else { Found::Qcow2 });
    }
    for magic in MAGICS.iter().filter(|magic| has(head, magic.at, magic.bytes)) {
        add(Found::Refused(magic.name, magic.advice));
    }
    if is_vmdk_descriptor(head) || is_vmdk_footer(tail) {
        add(Found::Refused(VMDK, CONVERT));
    }
    let vhd_at_end = |len: usize| tail.len() >= len && has(tail, tail.len() - len, vhd_footer::MAGIC);
    if vhd_at_end(vhd_footer::OLD_FOOTER_LEN) {
        add(Found::OldVhd);
    } else if vhd_at_end(vhd_footer::FOOTER_LEN) || head.starts_with(vhd_footer::MAGIC) {
        add(Found::Vhd);
    }
    if is_dmg_footer(tail) {
        add(Found::Refused(DMG, CONVERT));
    }
    if has(head, 510, b"\x55\xaa") || has(head, 512, b"EFI PART") || has(head, 4096, b"EFI PART") {
        add(Found::PartitionTable);
    }
    found
}

fn has(bytes: &[u8], at: usize, magic: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

/// The text form of VMDK names the files that hold the disk. QEMU takes a file for one when its
/// first line that is neither empty nor a comment is a version; `VMware` wants the first comment.
fn is_vmdk_descriptor(head: &[u8]) -> bool {
    let is_text = |line: &&[u8]| !line.trim_ascii().is_empty();
    let mut lines = head.split(|&byte| byte == b'\n').filter(is_text).map(<[u8]>::trim_ascii);
    let title = b"# disk descriptorfile";
    let named =
        head.trim_ascii_start().get(..title.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(title));
    let first = lines.find(|line| !line.starts_with(b"#"));
    named || first.is_some_and(|line| [&b"version=1"[..], b"version=2", b"version=3"].contains(&line))
}

/// A streamed VMDK repeats its header in the last kilobyte, where it overrides the first.
fn is_vmdk_footer(tail: &[u8]) -> bool {
    tail.len() == TAIL_BYTES && tail.starts_with(b"KDMV")
}

/// A DMG ends in a block of 512 bytes, version 4, that need not be aligned.
fn is_dmg_footer(tail: &[u8]) -> bool {
    tail.windows(12).any(|bytes| *bytes == *b"koly\0\0\0\x04\0\0\x02\0")
}
