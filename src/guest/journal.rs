//! What the journal of an ext file system holds that has not reached its place yet.
//!
//! A disk that was copied from a running guest, or one whose guest lost power, has its newest
//! directories and inodes only there. They are not written back, only looked up: a table says which
//! block of the journal stands for which block of the file system.
//!
//! ```text
//! super block │ descriptor │ block │ block │ commit │ revoke │ descriptor │ block │ commit │ (older)
//!               says which   ▲ of the file system     some of before no longer hold
//! ```
//!
//! Only what was committed counts. All numbers are big-endian, unlike everywhere else. Checksums
//! are not verified: a torn commit would be found by its missing block, and a forged one is no worse
//! than a forged file.

use std::collections::BTreeMap;

use crate::ext::{Ext, Inode};
use crate::source::{Result, Trouble, index};

/// What each block of the journal's own begins with.
pub(crate) const MAGIC: u32 = 0xc03b_3998;

/// Blocks of a journal looked at: 1 GiB of 4 KiB blocks, the largest that mke2fs makes by itself.
const BLOCKS_MAX: u32 = 1 << 18;
/// Blocks that may be replaced; as many as a journal of that size can hold.
const REPLACED_MAX: usize = 1 << 18;

/// Kinds of blocks.
const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;

/// Features of a journal: 64-bit numbers, checksums of version 2 and of version 3, which has longer
/// tags; revocation and asynchronous commits change nothing here. Fast commits have blocks of their own at the
/// end, 256 unless it says otherwise; they hold what came after the last full commit, and are left.
const WIDE: u32 = 0x2;
const CHECKSUM_2: u32 = 0x8;
const CHECKSUM_3: u32 = 0x10;
const KNOWN_FEATURES: u32 = 0x1 | WIDE | 0x4 | CHECKSUM_2 | CHECKSUM_3 | FAST_COMMITS;
const FAST_COMMITS: u32 = 0x20;
const FAST_BLOCKS: u32 = 256;

/// Flags of a tag: the block began like the journal's own, it has no UUID of its own, it is the last.
const ESCAPED: u32 = 1;
const SAME_UUID: u32 = 2;
const LAST: u32 = 8;

/// Where the newest state of a block lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Journaled {
    /// The block that stands for it.
    pub(crate) at: u64,
    /// Whether its first four bytes were taken out.
    pub(crate) is_escaped: bool,
}

/// Newest states by block.
pub(crate) type Replaced = BTreeMap<u64, Journaled>;

/// Reads the journal in an inode.
pub(crate) fn read(ext: &Ext<'_>, inode: u32) -> Result<Replaced> {
    let inode = ext.inode(inode)?;
    let unreadable = Err(Trouble::Unreadable("the journal makes no sense"));
    let Some(first) = ext.place(&inode, 0)? else { return unreadable };
    let super_block = ext.block(first, 0, 1024)?;
    let field = |at| big_u32(&super_block, at);
    if field(0) != MAGIC || !matches!(field(4), 3 | 4) || u64::from(field(12)) != ext.block_bytes() {
        return unreadable;
    }
    let features = if field(4) == 4 { field(40) } else { 0 };
    if features & !KNOWN_FEATURES != 0 {
        return Err(Trouble::Unknown("the journal has features that are not known here"));
    }
    let fast_blocks = match field(84) {
        _ if features & FAST_COMMITS == 0 => 0,
        0 => FAST_BLOCKS,
        blocks => blocks,
    };
    let end = field(16).saturating_sub(fast_blocks);
    if end > BLOCKS_MAX {
        return Err(Trouble::Unknown("the journal is longer than any that is made unasked"));
    }
    let walk = Walk { ext, inode, begin: field(20), end, features };
    // A journal that begins nowhere is empty.
    match field(28) {
        0 => Ok(Replaced::new()),
        at if walk.begin > 0 && (walk.begin..walk.end).contains(&at) => walk.replay(at, field(24)),
        _ => unreadable,
    }
}

struct Walk<'a, 'b> {
    ext: &'a Ext<'b>,
    inode: Inode,
    /// The first block behind the super block; the journal goes round to it.
    begin: u32,
    /// One past the last.
    end: u32,
    features: u32,
}

impl Walk<'_, '_> {
    fn replay(&self, first: u32, first_sequence: u32) -> Result<Replaced> {
        let (mut at, mut sequence) = (first, first_sequence);
        let (mut done, mut open) = (Replaced::new(), Replaced::new());
        let mut revoked: Vec<u64> = Vec::new();
        // Once round at most: every turn takes a block.
        for _ in self.begin..self.end {
            let Some(block) = self.ext.place(&self.inode, at)? else { break };
            let block = self.ext.block(block, 0, index(self.ext.block_bytes()))?;
            if big_u32(&block, 0) != MAGIC || big_u32(&block, 8) != sequence {
                break;
            }
            at = self.after(at);
            match big_u32(&block, 4) {
                DESCRIPTOR => {
                    for (target, is_escaped) in self.tags(&block) {
                        if let Some(place) = self.ext.place(&self.inode, at)? {
                            open.insert(target, Journaled { at: place, is_escaped });
                        }
                        at = self.after(at);
                    }
                }
                REVOKE => revoked.extend(self.revoked(&block)),
                COMMIT => {
                    done.append(&mut open);
                    // Also what this very transaction wrote: had it been written after it was revoked,
                    // the revocation would have been taken back.
                    revoked.drain(..).for_each(|target| _ = done.remove(&target));
                    sequence = sequence.wrapping_add(1);
                }
                _ => break,
            }
            if done.len() + open.len() + revoked.len() > REPLACED_MAX {
                return Err(Trouble::Unreadable("the journal names more blocks than it can hold"));
            }
        }
        Ok(done)
    }

    fn after(&self, at: u32) -> u32 {
        if at + 1 < self.end { at + 1 } else { self.begin }
    }

    /// The blocks that a descriptor says follow it.
    ///
    /// | tag | with checksums of version 3 | else |
    /// |---|---|---|
    /// | block | 0 | 0 |
    /// | flags | 4, four bytes | 6, two bytes behind a checksum |
    /// | block, high | 8 | 8, if it has 64 bits |
    fn tags(&self, block: &[u8]) -> Vec<(u64, bool)> {
        let is_wide = self.features & WIDE != 0;
        let is_long = self.features & CHECKSUM_3 != 0;
        let tag_bytes = match (is_long, is_wide) {
            (true, _) => 16,
            (false, true) => 12,
            (false, false) => 8,
        };
        let has_tail = self.features & (CHECKSUM_2 | CHECKSUM_3) != 0;
        let end = block.len() - if has_tail { 4 } else { 0 };
        let mut tags = Vec::new();
        let mut at = 12;
        while at + tag_bytes <= end {
            let flags = if is_long { big_u32(block, at + 4) } else { big_u32(block, at + 4) & 0xffff };
            let high = if is_wide { u64::from(big_u32(block, at + 8)) << 32 } else { 0 };
            tags.push((high | u64::from(big_u32(block, at)), flags & ESCAPED != 0));
            if flags & LAST != 0 {
                break;
            }
            at += tag_bytes + if flags & SAME_UUID == 0 { 16 } else { 0 };
        }
        tags
    }

    /// The blocks a revocation names: how many bytes of it are used 12..16, then numbers.
    fn revoked(&self, block: &[u8]) -> Vec<u64> {
        let used = usize::try_from(big_u32(block, 12)).unwrap_or(0).min(block.len());
        let numbers = block.get(16..used).unwrap_or(&[]);
        if self.features & WIDE != 0 {
            let wide = |number| u64::from(big_u32(number, 0)) << 32 | u64::from(big_u32(number, 4));
            numbers.chunks_exact(8).map(wide).collect()
        } else {
            numbers.chunks_exact(4).map(|number| u64::from(big_u32(number, 0))).collect()
        }
    }
}

fn big_u32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |field| u32::from_be_bytes([field[0], field[1], field[2], field[3]]))
}
