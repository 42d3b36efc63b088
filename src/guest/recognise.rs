//! What lies in a partition, told by its magic numbers; and the names its devices are found by.
//!
//! | kind | magic | at | UUID | label |
//! |---|---|---|---|---|
//! | ext2/3/4 | 0xef53 | 1080 | 1128 | 1144 |
//! | xfs | `XFSB` | 0 | 32 | 108 |
//! | btrfs | `_BHRfS_M` | 65600 | 65568 | 65835 |
//! | NTFS | `NTFS    ` | 3 | 72, 8 bytes | in a file |
//! | FAT | boot sector with a BPB | | serial number | in the BPB |
//! | swap | `SWAPSPACE2` | 4086 | 1036 | 1052 |
//! | LUKS | `LUKS\xba\xbe` | 0 | 168, text | 24 in version 2 |
//! | LVM | `LABELONE` | 512 | of its own kind | none |
//! | Linux RAID | 0xa92b4efc | 4096 | of the array | none |

use crate::fat;
use crate::source::{Result, Stretch, text_of, u16_at, u32_at, u64_at, uuid_of};

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ext(&'static str),
    Xfs,
    Btrfs,
    Ntfs,
    Fat,
    Swap,
    Lvm,
    Luks,
    Raid,
}

impl Kind {
    /// The name people know it by.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ext(word) => word,
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Ntfs => "NTFS",
            Self::Fat => "FAT",
            Self::Swap => "swap",
            Self::Lvm => "LVM",
            Self::Luks => "LUKS",
            Self::Raid => "Linux RAID",
        }
    }

    /// Whether other file systems may lie inside, which we do not see.
    pub(crate) fn is_container(self) -> bool {
        matches!(self, Self::Lvm | Self::Luks | Self::Raid)
    }
}

/// What was found, and its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) kind: Kind,
    /// As in `UUID=`; empty if it has none.
    pub(crate) uuid: String,
    /// As in `LABEL=`; empty if it has none or keeps it where we do not look.
    pub(crate) label: String,
}

/// As much of the beginning as all magic numbers but those of btrfs lie in.
const HEAD_BYTES: usize = 4608;
/// Where btrfs begins.
const BTRFS_AT: u64 = 65536;

/// Looks at a partition.
pub(crate) fn recognise(stretch: Stretch<'_>) -> Result<Option<Content>> {
    let count = usize::try_from(stretch.bytes).unwrap_or(HEAD_BYTES).min(HEAD_BYTES);
    let mut head = stretch.read(0, count)?;
    head.resize(HEAD_BYTES, 0);
    let found = |kind, uuid: String, label: &[u8]| Ok(Some(Content { kind, uuid, label: text_of(label) }));
    if head.starts_with(b"XFSB") {
        return found(Kind::Xfs, uuid_of(&head[32..48]), &head[108..120]);
    }
    if head.starts_with(b"LUKS\xba\xbe") {
        return found(Kind::Luks, text_of(&head[168..208]), if head[7] == 2 { &head[24..72] } else { &[] });
    }
    if &head[512..520] == b"LABELONE" {
        return found(Kind::Lvm, String::new(), &[]);
    }
    if u32_at(&head, 4096) == 0xa92b_4efc {
        return found(Kind::Raid, String::new(), &[]);
    }
    if &head[4086..4096] == b"SWAPSPACE2" {
        return found(Kind::Swap, uuid_of(&head[1036..1052]), &head[1052..1068]);
    }
    if u16_at(&head, 1080) == 0xef53 {
        return found(Kind::Ext(ext_word(&head)), uuid_of(&head[1128..1144]), &head[1144..1160]);
    }
    if let Some(super_block) = stretch.try_read(BTRFS_AT, 4096)?
        && &super_block[64..72] == b"_BHRfS_M"
    {
        return found(Kind::Btrfs, uuid_of(&super_block[32..48]), &super_block[299..555]);
    }
    if &head[3..11] == b"NTFS    " {
        return found(Kind::Ntfs, format!("{:016X}", u64_at(&head, 72)), &[]);
    }
    if let Some(geometry) = fat::Geometry::of(&head[..512], stretch.bytes) {
        let serial = geometry.serial;
        let uuid = format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff);
        return found(Kind::Fat, uuid, &geometry.label);
    }
    Ok(None)
}

/// Which of its family it is, by its features: extents make ext4, a journal ext3.
fn ext_word(head: &[u8]) -> &'static str {
    const EXTENTS: u32 = 0x40;
    const JOURNAL: u32 = 0x4;
    if u32_at(head, 1024 + 0x60) & EXTENTS != 0 {
        "ext4"
    } else if u32_at(head, 1024 + 0x5c) & JOURNAL != 0 {
        "ext3"
    } else {
        "ext2"
    }
}
