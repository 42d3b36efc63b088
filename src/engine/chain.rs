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
use serde::de::IgnoredAny;

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
        Self { first, row, checks: Vec::new() }
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
        let record: Record = rmp_serde::from_read(&mut rest).map_err(|error| error.to_string())?;
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
    let record = rmp_serde::from_read(&mut rest).map_err(|error| error.to_string())?;
    Ok((from..bytes.len() - rest.len(), record))
}

/// The record at a slot of a row, if it has so many; those before it are passed over.
pub(crate) fn read_one(row: &[u8], slot: u64) -> Result<Option<Record>, String> {
    let mut rest = row.get(32..).ok_or("the row is shorter than its hash")?;
    for _ in 0..slot {
        if rest.is_empty() || checks(rest).is_some() {
            return Ok(None);
        }
        rmp_serde::from_read::<_, IgnoredAny>(&mut rest).map_err(|error| error.to_string())?;
    }
    if rest.is_empty() || checks(rest).is_some() {
        return Ok(None);
    }
    rmp_serde::from_read(&mut rest).map(Some).map_err(|error| error.to_string())
}

/// The last sequence in a row that begins at `first`.
pub(crate) fn last_of(records: &[Record], first: u64) -> Seq {
    records.last().map_or(Seq(first), |record| record.seq)
}
