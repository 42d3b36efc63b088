//! Rows of the log: records packed together, each row chained to the one before by its hash.
//!
//! ```text
//! row    = hash(32) record… checks     hash = BLAKE3(hash of the row before, first sequence, records and checks)
//! checks = 0xc4 length(1) or 0xc5 length(2, big-endian), then 4 bytes for each record
//! ```
//!
//! The hash proves a row, the checks say which of its records is another: they are 4 bytes of XXH3 each, and
//! prove nothing by themselves. Rows of before they were written have none. A record is a map, which never
//! begins with either of those bytes.

use std::ops::Range;

use event::{Record, Seq};

/// A link of the chain.
pub(crate) type Hash = [u8; 32];

/// The hash before the first row.
pub(crate) const GENESIS: Hash = [0; 32];

/// A row is closed before it outgrows this; one larger event has a row of its own. 4 KB values
/// keep redb's pages whole.
const ROW_BYTES_MAX: usize = 4000;

/// What the checks of a row begin with: a byte string of rmp-serde, short or long.
const CHECKS_SHORT: u8 = 0xc4;
const CHECKS_LONG: u8 = 0xc5;
/// The bytes before the first check, at most.
const CHECKS_HEAD_BYTES: usize = 3;

/// Bytes that the checks of a row have room for at once: those of as many small records as a row holds.
const CHECKS_BYTES: usize = 64;

/// What tells a record from another in the same place.
pub(crate) type Check = [u8; 4];

/// The check of a record's bytes.
pub(crate) fn check_of(record: &[u8]) -> Check {
    *xxhash_rust::xxh3::xxh3_64(record).to_le_bytes().first_chunk().expect("a hash has 8 bytes")
}

/// A row that is being filled.
#[derive(Default)]
struct Filling {
    first: u64,
    row: Vec<u8>,
    checks: Vec<u8>,
}

impl Filling {
    fn begin(first: u64) -> Self {
        let mut row = Vec::with_capacity(ROW_BYTES_MAX);
        row.extend_from_slice(&GENESIS);
        Self { first, row, checks: Vec::with_capacity(CHECKS_BYTES) }
    }

    fn close(mut self, hash: &mut Hash) -> (u64, Vec<u8>) {
        if let Ok(length) = u8::try_from(self.checks.len()) {
            self.row.extend_from_slice(&[CHECKS_SHORT, length]);
        } else {
            let length = u16::try_from(self.checks.len()).expect("a row holds a few dozen records");
            self.row.push(CHECKS_LONG);
            self.row.extend_from_slice(&length.to_be_bytes());
        }
        self.row.extend_from_slice(&self.checks);
        *hash = link(hash, self.first, &self.row[32..]);
        self.row[..32].copy_from_slice(hash);
        (self.first, self.row)
    }
}

/// Rows in the making: each record is written down at once, while it is at hand.
#[derive(Default)]
pub(crate) struct Packer {
    rows: Vec<(u64, Vec<u8>)>,
    filling: Filling,
    records: usize,
}

impl Packer {
    /// How many records are in it.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// Takes the next record; a row that is full by it is chained on from `hash`.
    pub(crate) fn push(&mut self, record: &Record, hash: &mut Hash) {
        self.records += 1;
        let filling = &mut self.filling;
        if filling.row.is_empty() {
            *filling = Filling::begin(record.seq.0);
        }
        let before = filling.row.len();
        rmp_serde::encode::write_named(&mut filling.row, record).expect("a record is plain data");
        let check = check_of(&filling.row[before..]);
        let bytes = filling.row.len() + CHECKS_HEAD_BYTES + filling.checks.len() + check.len();
        if bytes > ROW_BYTES_MAX && before > GENESIS.len() {
            // It did not fit any more: it begins the next row.
            let mut next = Filling::begin(record.seq.0);
            next.row.extend_from_slice(&filling.row[before..]);
            filling.row.truncate(before);
            self.rows.push(std::mem::replace(filling, next).close(hash));
        }
        self.filling.checks.extend_from_slice(&check);
    }

    /// The rows, the last of which need not be full.
    pub(crate) fn finish(mut self, hash: &mut Hash) -> Vec<(u64, Vec<u8>)> {
        if !self.filling.row.is_empty() {
            self.rows.push(self.filling.close(hash));
        }
        self.rows
    }
}

/// Packs records into rows, chained on from `hash`.
pub(crate) fn pack(records: &[Record], hash: &mut Hash) -> Vec<(u64, Vec<u8>)> {
    let mut packer = Packer::default();
    for record in records {
        packer.push(record, hash);
    }
    packer.finish(hash)
}

/// The hash of a row that follows one with the hash `before`.
pub(crate) fn link(before: &Hash, first: u64, records: &[u8]) -> Hash {
    // In one piece, of which several parts are hashed at a time.
    *blake3::hash(&[before, first.to_le_bytes().as_slice(), records].concat()).as_bytes()
}

/// The hash a row says it has.
pub(crate) fn hash_of(row: &[u8]) -> Option<Hash> {
    row.get(..32)?.try_into().ok()
}

/// The records of a row.
pub(crate) fn read(row: &[u8]) -> Result<Vec<Record>, String> {
    let mut rest = row.get(32..).ok_or("the row is shorter than its hash")?;
    let mut records: Vec<Record> = Vec::new();
    while !rest.is_empty() && checks(rest).is_none() {
        let record: Record = next(&mut rest)?;
        if records.last().is_some_and(|last| last.seq.next() != record.seq) {
            return Err(format!("event {} does not follow the one before it", record.seq));
        }
        records.push(record);
    }
    Ok(records)
}

/// The checks, if these bytes are the end of a row that has them.
pub(crate) fn checks(rest: &[u8]) -> Option<&[Check]> {
    let (bytes, length) = match *rest {
        [CHECKS_SHORT, length, ref bytes @ ..] => (bytes, usize::from(length)),
        [CHECKS_LONG, high, low, ref bytes @ ..] => (bytes, usize::from(u16::from_be_bytes([high, low]))),
        _ => return None,
    };
    let (checks, odd) = bytes.as_chunks();
    (bytes.len() == length && odd.is_empty()).then_some(checks)
}

/// The record that these bytes begin with, and where it lies among them.
pub(crate) fn one(bytes: &[u8], from: usize) -> Result<(Range<usize>, Record), String> {
    let mut rest = &bytes[from..];
    let record = next(&mut rest)?;
    Ok((from..bytes.len() - rest.len(), record))
}

/// The record that these bytes begin with, which they are then behind. Read where it lies, and not through a reader
/// that copies each text twice.
fn next(rest: &mut &[u8]) -> Result<Record, String> {
    let record = rmp_serde::from_slice(rest).map_err(|error| error.to_string())?;
    *rest = behind(rest).ok_or("it is not whole")?;
    Ok(record)
}

/// What lies behind one `MessagePack` value; none if it is cut off. Several times quicker than to decode what is passed
/// over: a flow's records are looked for by their place in a row, of which each has a dozen.
fn behind(bytes: &[u8]) -> Option<&[u8]> {
    /// The value of a number of so many bytes, and what lies behind it.
    fn number(bytes: &[u8], width: usize) -> Option<(usize, &[u8])> {
        let (digits, rest) = bytes.split_at_checked(width)?;
        Some((digits.iter().fold(0, |value, digit| value << 8 | usize::from(*digit)), rest))
    }
    let (mut rest, mut left) = (bytes, 1_usize);
    while left > 0 {
        let (marker, after) = rest.split_first()?;
        let marker = *marker;
        left -= 1;
        // How many bytes and values it has behind its marker and length, by the format's table.
        let width = |of: u8| 1_usize << (marker - of);
        let (more_bytes, more_values, after) = match marker {
            0x00..=0x7f | 0xc0..=0xc3 | 0xe0..=0xff => (0, 0, after),
            0x80..=0x8f => (0, 2 * usize::from(marker & 0x0f), after),
            0x90..=0x9f => (0, usize::from(marker & 0x0f), after),
            0xa0..=0xbf => (usize::from(marker & 0x1f), 0, after),
            0xc4..=0xc6 | 0xc7..=0xc9 | 0xd9..=0xdb => {
                let (first, kind) = match marker {
                    0xc7..=0xc9 => (0xc7, 1),
                    0xd9.. => (0xd9, 0),
                    _ => (0xc4, 0),
                };
                let (length, after) = number(after, width(first))?;
                (length.checked_add(kind)?, 0, after)
            }
            0xca | 0xcb => (4 * width(0xca), 0, after),
            0xcc..=0xcf => (width(0xcc), 0, after),
            0xd0..=0xd3 => (width(0xd0), 0, after),
            0xd4..=0xd8 => (1 + width(0xd4), 0, after),
            0xdc..=0xdf => {
                let is_map = marker >= 0xde;
                let (count, after) = number(after, if marker % 2 == 0 { 2 } else { 4 })?;
                (0, count.checked_mul(1 + usize::from(is_map))?, after)
            }
        };
        left = left.checked_add(more_values)?;
        rest = after.get(more_bytes..)?;
    }
    Some(rest)
}

/// The record at a slot of a row, if it has so many; those before it are passed over.
pub(crate) fn read_one(row: &[u8], slot: u64) -> Result<Option<Record>, String> {
    let mut rest = row.get(32..).ok_or("the row is shorter than its hash")?;
    for _ in 0..slot {
        if rest.is_empty() || checks(rest).is_some() {
            return Ok(None);
        }
        rest = behind(rest).ok_or("a record before it is not whole")?;
    }
    if rest.is_empty() || checks(rest).is_some() {
        return Ok(None);
    }
    rmp_serde::from_slice(rest).map(Some).map_err(|error| error.to_string())
}

/// The last sequence in a row that begins at `first`.
pub(crate) fn last_of(records: &[Record], first: u64) -> Seq {
    records.last().map_or(Seq(first), |record| record.seq)
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn what_is_passed_over_ends_where_it_does_for_whoever_decodes_it() {
        let texts = [0, 1, 31, 32, 255, 256, 65_535, 65_536].map(|length| "x".repeat(length));
        let numbers: Vec<i64> = (0..63).flat_map(|bits| [1_i64 << bits, -(1_i64 << bits)]).collect();
        let maps: Vec<std::collections::BTreeMap<u32, Option<f64>>> = [0, 1, 15, 16, 70_000]
            .map(|count| (0..count).map(|n| (n, (n % 2 == 0).then_some(0.5))).collect())
            .into();
        let bytes = serde_bytes::ByteBuf::from(vec![7; 300]);
        let mut all =
            rmp_serde::to_vec_named(&(&texts, &numbers, &maps, &bytes, 1.5_f32, u64::MAX, true)).unwrap();
        let length = all.len();
        all.extend_from_slice(b"behind");
        assert_eq!(behind(&all), Some(b"behind".as_slice()));
        assert_eq!(behind(&all[..length - 1]), None);
        // Whatever it is: decoding ends in the same place, if it ends well.
        let mut seed = 1_u64;
        let (mut whole, mut cut) = (0, 0);
        for _ in 0..200_000 {
            let noise: Vec<u8> = (0..24)
                .map(|_| {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    seed.to_be_bytes()[0]
                })
                .collect();
            let mut rest = noise.as_slice();
            if rmp_serde::from_read::<_, IgnoredAny>(&mut rest).is_ok() {
                assert_eq!(behind(&noise), Some(rest), "{noise:x?}");
                whole += 1;
            }
            cut += u32::from(behind(&noise).is_none());
        }
        assert!(whole > 10_000 && cut > 10_000, "{whole} whole, {cut} cut off");
    }
}
