//! Reads ext2, ext3 and ext4: inodes, what files hold, what directories name.
//!
//! ```text
//! super block ──> group descriptors ──> inode table ──> inode ──> extents or block map ──> blocks
//!                                                                                (through the journal)
//! ```
//!
//! Strict about structure and indifferent to checksums: a wrong one makes a file suspicious, not
//! dangerous. Directories are read in a row; their hash trees, which lie in blocks that look empty
//! to this, are left alone. Nothing is followed here: links are the business of `view`.
//!
//! | super block, from 1024 | | inode | |
//! |---|---|---|---|
//! | 20 | first data block | 0 | mode |
//! | 24 | block size, 1024 shifted by it | 4, 108 | size |
//! | 40 | inodes of a group | 32 | flags |
//! | 88 | bytes of an inode | 40 | extents, block map, or a short link |
//! | 96 | features one has to know | | |
//! | 254 | bytes of a descriptor | | |

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::journal::{self, Replaced};
use crate::source::{Result, Stretch, Trouble, index, u16_at, u32_at};

/// The largest block, 64 KiB: 1024 shifted by this.
const BLOCK_SHIFT_MAX: u32 = 6;
/// As long as a directory may be: some 100,000 names. Systems have some thousands in one.
const DIRECTORY_BYTES_MAX: u64 = 4 << 20;
/// Directories kept as maps of names; when they are so many all are dropped.
const DIRECTORIES_KEPT_MAX: usize = 256;
/// Names kept in them all.
const NAMES_KEPT_MAX: usize = 200_000;
/// Deeper extent trees than this are not made by Linux.
const EXTENT_DEPTH_MAX: u16 = 5;

/// Features that change where things lie, and that this knows: types in directories, a journal to
/// replay, extents, 64 bits, multiple mount protection, flexible groups, values in inodes, a seed of
/// checksums, large directories, content in inodes, encryption and case folding (of other files).
const KNOWN_FEATURES: u32 =
    0x2 | NEEDS_RECOVERY | 0x40 | WIDE | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x20000;
/// The journal holds blocks newer than those in their places.
const NEEDS_RECOVERY: u32 = 0x4;
/// Block numbers have 64 bits.
const WIDE: u32 = 0x80;

/// Flags of an inode.
const ENCRYPTED: u32 = 0x800;
const HAS_EXTENTS: u32 = 0x8_0000;
const HAS_CONTENT: u32 = 0x1000_0000;

/// The root directory has this number, and the first two are taken.
pub(crate) const ROOT: u32 = 2;

/// What an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Regular,
    Directory,
    Link,
    Other,
}

/// A file without its name.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    pub(crate) number: u32,
    pub(crate) kind: FileKind,
    pub(crate) bytes: u64,
    flags: u32,
    map: [u8; 60],
    /// What goes on behind the map if the file lies in its inode.
    rest: Vec<u8>,
}

/// The names in a directory, each with its inode's number.
pub(crate) type Names = BTreeMap<String, u32>;

/// A file system.
pub(crate) struct Ext<'a> {
    stretch: Stretch<'a>,
    block_bytes: u64,
    descriptors_at: u64,
    descriptor_bytes: u64,
    is_wide: bool,
    inode_bytes: u64,
    inodes_of_group: u32,
    inodes: u32,
    replaced: Replaced,
    directories: RefCell<HashMap<u32, Rc<Names>>>,
}

impl<'a> Ext<'a> {
    /// Opens the file system in a partition.
    pub(crate) fn open(stretch: Stretch<'a>) -> Result<Self> {
        let super_block = stretch.read(1024, 1024)?;
        let field = |at| u32_at(&super_block, at);
        let (shift, features) = (field(24), field(96));
        let is_wide = features & WIDE != 0;
        if u16_at(&super_block, 56) != 0xef53 || shift > BLOCK_SHIFT_MAX {
            return Err(Trouble::Unreadable("the super block makes no sense"));
        }
        if features & !KNOWN_FEATURES != 0 {
            return Err(Trouble::Unknown("the file system has features that are not known here"));
        }
        let block_bytes = 1024_u64 << shift;
        let old_revision = field(76) == 0;
        let inode_bytes = if old_revision { 128 } else { u64::from(u16_at(&super_block, 88)) };
        let descriptor_bytes = if is_wide { u64::from(u16_at(&super_block, 254)) } else { 32 };
        let inodes_of_group = field(40);
        if !(128..=block_bytes).contains(&inode_bytes)
            || !inode_bytes.is_power_of_two()
            || !(32..=1024).contains(&descriptor_bytes)
            || inodes_of_group == 0
        {
            return Err(Trouble::Unreadable("the super block makes no sense"));
        }
        let mut ext = Self {
            stretch,
            block_bytes,
            descriptors_at: (u64::from(field(20)) + 1) * block_bytes,
            descriptor_bytes,
            is_wide: is_wide && descriptor_bytes >= 64,
            inode_bytes,
            inodes_of_group,
            inodes: field(0),
            replaced: Replaced::new(),
            directories: RefCell::default(),
        };
        if features & NEEDS_RECOVERY != 0 {
            ext.replaced = journal::read(&ext, field(224))?;
        }
        Ok(ext)
    }

    pub(crate) fn block_bytes(&self) -> u64 {
        self.block_bytes
    }

    /// Takes some of the work that is left.
    pub(crate) fn charge(&self, bytes: u64) -> Result<()> {
        self.stretch.source.charge(bytes)
    }

    /// Reads within a block, as the journal leaves it.
    pub(crate) fn block(&self, number: u64, offset: u64, count: usize) -> Result<Vec<u8>> {
        let journaled = self.replaced.get(&number);
        let begin = journaled.map_or(number, |journaled| journaled.at).checked_mul(self.block_bytes);
        let Some(begin) = begin.and_then(|begin| begin.checked_add(offset)) else {
            return Err(Trouble::Unreadable("a block lies outside the file system"));
        };
        let mut bytes = self.stretch.read(begin, count)?;
        // A block that begins like the journal's own has its first bytes taken out there.
        if offset == 0
            && journaled.is_some_and(|journaled| journaled.is_escaped)
            && let Some(first) = bytes.get_mut(..4)
        {
            first.copy_from_slice(&journal::MAGIC.to_be_bytes());
        }
        Ok(bytes)
    }

    /// Reads within the blocks in their places, where a structure may cross their borders.
    fn at(&self, offset: u64, count: usize) -> Result<Vec<u8>> {
        self.block(offset / self.block_bytes, offset % self.block_bytes, count)
    }

    /// An inode that is in use.
    pub(crate) fn inode(&self, number: u32) -> Result<Inode> {
        let Some(position) = number.checked_sub(1).filter(|_| number <= self.inodes) else {
            return Err(Trouble::Unreadable("a name leads to no inode"));
        };
        let group = u64::from(position / self.inodes_of_group);
        let descriptor =
            self.at(self.descriptors_at + group * self.descriptor_bytes, if self.is_wide { 64 } else { 32 })?;
        let high = if self.is_wide { u64::from(u32_at(&descriptor, 0x28)) << 32 } else { 0 };
        let table = high | u64::from(u32_at(&descriptor, 8));
        let within = u64::from(position % self.inodes_of_group) * self.inode_bytes;
        let Some(block) = table.checked_add(within / self.block_bytes) else {
            return Err(Trouble::Unreadable("an inode table lies outside the file system"));
        };
        let bytes = self.block(block, within % self.block_bytes, 128)?;
        let kind = match u16_at(&bytes, 0) >> 12 {
            0x8 => FileKind::Regular,
            0x4 => FileKind::Directory,
            0xa => FileKind::Link,
            0 => return Err(Trouble::Unreadable("a name leads to an inode that is not in use")),
            _ => FileKind::Other,
        };
        let mut map = [0; 60];
        map.copy_from_slice(&bytes[40..100]);
        let bytes_high = u64::from(u32_at(&bytes, 108)) << 32;
        let flags = u32_at(&bytes, 32);
        let rest = if flags & HAS_CONTENT == 0 {
            Vec::new()
        } else {
            rest_of_content(&self.block(block, within % self.block_bytes, index(self.inode_bytes))?)
        };
        Ok(Inode { number, kind, bytes: bytes_high | u64::from(u32_at(&bytes, 4)), flags, map, rest })
    }

    /// What a file holds, at most `limit` bytes from its beginning.
    pub(crate) fn content(&self, inode: &Inode, limit: usize) -> Result<Vec<u8>> {
        if inode.flags & ENCRYPTED != 0 {
            return Err(Trouble::Unknown("a file is encrypted"));
        }
        let count = usize::try_from(inode.bytes).unwrap_or(limit).min(limit);
        let is_short_link = inode.kind == FileKind::Link && count < inode.map.len();
        if is_short_link || inode.flags & HAS_CONTENT != 0 {
            let mut short = [&inode.map, &*inode.rest].concat();
            if short.len() < count {
                return Err(Trouble::Unreadable("a file lies in its inode and is longer than that"));
            }
            short.truncate(count);
            return Ok(short);
        }
        let mut content = Vec::new();
        for number in 0_u32.. {
            let left = count - content.len();
            if left == 0 {
                break;
            }
            let piece = left.min(index(self.block_bytes));
            if let Some(block) = self.place(inode, number)? {
                content.extend(self.block(block, 0, piece)?);
            } else {
                self.charge(piece as u64)?;
                content.resize(content.len() + piece, 0);
            }
        }
        Ok(content)
    }

    /// Where a block of a file lies; nowhere if it is a hole.
    pub(crate) fn place(&self, inode: &Inode, number: u32) -> Result<Option<u64>> {
        if inode.flags & HAS_EXTENTS != 0 {
            self.place_by_extents(inode, number)
        } else {
            self.place_by_map(inode, u64::from(number))
        }
    }

    fn place_by_extents(&self, inode: &Inode, number: u32) -> Result<Option<u64>> {
        let mut node = inode.map.to_vec();
        let mut depth_above = EXTENT_DEPTH_MAX + 1;
        loop {
            let (entries, depth) = (usize::from(u16_at(&node, 2)), u16_at(&node, 6));
            // Depth falls with every step, so that the walk ends whatever the nodes point at.
            if u16_at(&node, 0) != 0xf30a || depth >= depth_above || node.len() < 12 * (entries + 1) {
                return Err(Trouble::Unreadable("a tree of extents makes no sense"));
            }
            depth_above = depth;
            let before = node[12..12 * (entries + 1)].chunks_exact(12);
            let Some(entry) = before.take_while(|entry| u32_at(entry, 0) <= number).last() else {
                return Ok(None);
            };
            if depth > 0 {
                let child = u64::from(u16_at(entry, 8)) << 32 | u64::from(u32_at(entry, 4));
                node = self.block(child, 0, index(self.block_bytes))?;
                continue;
            }
            let within = number - u32_at(entry, 0);
            let begin = u64::from(u16_at(entry, 6)) << 32 | u64::from(u32_at(entry, 8));
            // Longer ones are set aside and not written yet: they read as zeros.
            let blocks = u16_at(entry, 4);
            let is_inside = blocks <= 0x8000 && within < u32::from(blocks);
            return Ok(is_inside.then_some(begin + u64::from(within)));
        }
    }

    /// Twelve blocks are named directly, the next by a block of numbers, then by two and three levels.
    fn place_by_map(&self, inode: &Inode, number: u64) -> Result<Option<u64>> {
        let per_block = self.block_bytes / 4;
        let slot = |bytes: &[u8], slot: u64| u64::from(u32_at(bytes, index(slot) * 4));
        if number < 12 {
            return Ok(Some(slot(&inode.map, number)).filter(|&block| block != 0));
        }
        let (mut left, mut covered, mut level) = (number - 12, per_block, 0);
        while left >= covered {
            left -= covered;
            covered *= per_block;
            level += 1;
            if level > 2 {
                return Err(Trouble::Unreadable("a file is longer than its map of blocks can be"));
            }
        }
        let mut block = slot(&inode.map, 12 + level);
        while block != 0 && covered > 1 {
            covered /= per_block;
            block = u64::from(u32_at(&self.block(block, left / covered * 4, 4)?, 0));
            left %= covered;
        }
        Ok(Some(block).filter(|&block| block != 0))
    }

    /// The names in a directory, without `.` and `..`; those that are no UTF-8 are left out.
    pub(crate) fn names(&self, inode: &Inode) -> Result<Rc<Names>> {
        if let Some(names) = self.directories.borrow().get(&inode.number) {
            self.charge(0)?;
            return Ok(Rc::clone(names));
        }
        if inode.bytes > DIRECTORY_BYTES_MAX {
            return Err(Trouble::Unreadable("a directory is longer than any system has one"));
        }
        let content = self.content(inode, index(DIRECTORY_BYTES_MAX))?;
        let mut names = Names::new();
        if inode.flags & HAS_CONTENT != 0 {
            // The parent's number takes the place of the first two names.
            let (first, rest) = content.split_at(content.len().min(inode.map.len()));
            self.collect(first.get(4..).unwrap_or(&[]), &mut names)?;
            self.collect(rest, &mut names)?;
        } else {
            for block in content.chunks(index(self.block_bytes)) {
                self.collect(block, &mut names)?;
            }
        }
        let names = Rc::new(names);
        let mut kept = self.directories.borrow_mut();
        let names_kept: usize = kept.values().map(|names| names.len()).sum();
        if kept.len() >= DIRECTORIES_KEPT_MAX || names_kept + names.len() > NAMES_KEPT_MAX {
            kept.clear();
        }
        kept.insert(inode.number, Rc::clone(&names));
        Ok(names)
    }

    /// Takes the names out of a block: inode 0..4, length of the entry 4..6, of the name 6, name 8.
    fn collect(&self, block: &[u8], names: &mut Names) -> Result<()> {
        let mut at = 0;
        while at + 8 <= block.len() {
            let (number, name_bytes) = (u32_at(block, at), usize::from(block[at + 6]));
            let mut entry_bytes = usize::from(u16_at(block, at + 4));
            if self.block_bytes == 65536 && matches!(entry_bytes, 0 | 0xffff) {
                entry_bytes = 65536;
            }
            if entry_bytes < 8 + name_bytes || entry_bytes % 4 != 0 || at + entry_bytes > block.len() {
                return Err(Trouble::Unreadable("a directory makes no sense"));
            }
            let name = std::str::from_utf8(&block[at + 8..at + 8 + name_bytes]);
            if let Ok(name) = name
                && number != 0
                && !matches!(name, "" | "." | "..")
                && !name.contains(['/', '\0'])
            {
                names.insert(name.to_owned(), number);
            }
            at += entry_bytes;
        }
        Ok(())
    }
}

/// What a file that lies in its inode has behind the first 60 bytes: the attribute `system.data`,
/// the only one of that name space without a name of its own in front.
///
/// | behind the inode's fields | | entry | |
/// |---|---|---|---|
/// | 0 | 0xea020000 | 0 | length of the name |
/// | 4 | entries; values count from here | 1 | name space, 7 for `system` |
/// | | | 2 | where its value lies |
/// | | | 8 | length of the value |
/// | | | 16 | name |
fn rest_of_content(inode: &[u8]) -> Vec<u8> {
    let begin = 128 + usize::from(u16_at(inode, 128));
    if u32_at(inode, begin) != 0xea02_0000 {
        return Vec::new();
    }
    let area = inode.get(begin + 4..).unwrap_or(&[]);
    let mut at = 0;
    // Four zeros end the list; each entry is longer than nothing, so the walk ends.
    while at + 16 <= area.len() && u32_at(area, at) != 0 {
        let name_bytes = usize::from(area[at]);
        if area[at + 1] == 7 && area.get(at + 16..at + 16 + name_bytes) == Some(b"data") {
            let value = usize::from(u16_at(area, at + 2));
            let value_bytes = usize::try_from(u32_at(area, at + 8)).unwrap_or(usize::MAX);
            let end = value.saturating_add(value_bytes);
            return area.get(value..end).map(<[u8]>::to_vec).unwrap_or_default();
        }
        at += (16 + name_bytes).next_multiple_of(4);
    }
    Vec::new()
}
