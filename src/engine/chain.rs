//! Rows of the log: records packed together, each row chained to the one before by its hash.
//!
//! ```text
//! row  = hash(32) record…          hash = BLAKE3(hash of the row before, first sequence, records)
//! ```

use event::{Record, Seq};
use serde::de::IgnoredAny;

/// A link of the chain.
pub(crate) type Hash = [u8; 32];

/// The hash before the first row.
pub(crate) const GENESIS: Hash = [0; 32];

/// A row is closed before it outgrows this; one larger event has a row of its own. 4 KB values
/// keep redb's pages whole.
const ROW_BYTES_MAX: usize = 4000;

/// Rows in the making: each record is written down at once, while it is at hand.
#[derive(Default)]
pub(crate) struct Packer {
    rows: Vec<(u64, Vec<u8>)>,
    row: Vec<u8>,
    /// The first sequence in `row`.
    first: u64,
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
        if self.row.is_empty() {
            self.begin(record.seq.0, &[]);
        }
        let before = self.row.len();
        rmp_serde::encode::write_named(&mut self.row, record).expect("a record is plain data");
        if self.row.len() > ROW_BYTES_MAX && before > GENESIS.len() {
            // It did not fit any more: it begins the next row.
            let full = std::mem::take(&mut self.row);
            let (first, own) = (self.first, &full[before..]);
            self.begin(record.seq.0, own);
            self.close(first, &full[..before], hash);
        }
    }

    fn begin(&mut self, first: u64, records: &[u8]) {
        // Room for the record that will not fit as well.
        self.row = Vec::with_capacity(2 * ROW_BYTES_MAX);
        self.row.extend_from_slice(&GENESIS);
        self.row.extend_from_slice(records);
        self.first = first;
    }

    fn close(&mut self, first: u64, row: &[u8], hash: &mut Hash) {
        *hash = link(hash, first, &row[GENESIS.len()..]);
        let mut row = row.to_vec();
        row[..GENESIS.len()].copy_from_slice(hash);
        self.rows.push((first, row));
    }

    /// The rows, the last of which need not be full.
    pub(crate) fn finish(mut self, hash: &mut Hash) -> Vec<(u64, Vec<u8>)> {
        if !self.row.is_empty() {
            let (first, row) = (self.first, std::mem::take(&mut self.row));
            self.close(first, &row, hash);
        }
        self.rows
    }
}

/// The hash of a row that follows one with the hash `before`.
pub(crate) fn link(before: &Hash, first: u64, records: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before).update(&first.to_le_bytes()).update(records);
    *hasher.finalize().as_bytes()
}

/// The hash a row says it has.
pub(crate) fn hash_of(row: &[u8]) -> Option<Hash> {
    row.get(..32)?.try_into().ok()
}

/// The records of a row.
pub(crate) fn read(row: &[u8]) -> Result<Vec<Record>, String> {
    let mut rest = row.get(32..).ok_or("the row is shorter than its hash")?;
    let mut records: Vec<Record> = Vec::new();
    while !rest.is_empty() {
        let record: Record = rmp_serde::from_read(&mut rest).map_err(|error| error.to_string())?;
        if records.last().is_some_and(|last| last.seq.next() != record.seq) {
            return Err(format!("event {} does not follow the one before it", record.seq));
        }
        records.push(record);
    }
    Ok(records)
}

/// The record at a slot of a row, if it has so many; those before it are passed over.
pub(crate) fn read_one(row: &[u8], slot: u64) -> Result<Option<Record>, String> {
    let mut rest = row.get(32..).ok_or("the row is shorter than its hash")?;
    for _ in 0..slot {
        if rest.is_empty() {
            return Ok(None);
        }
        rmp_serde::from_read::<_, IgnoredAny>(&mut rest).map_err(|error| error.to_string())?;
    }
    if rest.is_empty() {
        return Ok(None);
    }
    rmp_serde::from_read(&mut rest).map(Some).map_err(|error| error.to_string())
}

/// The last sequence in a row that begins at `first`.
pub(crate) fn last_of(records: &[Record], first: u64) -> Seq {
    records.last().map_or(Seq(first), |record| record.seq)
}
