//! Rows of the log: records packed together, each row chained to the one before by its hash.
//!
//! ```text
//! row  = hash(32) record…          hash = BLAKE3(hash of the row before, first sequence, records)
//! ```

use event::{Record, Seq};

/// A link of the chain.
pub(crate) type Hash = [u8; 32];

/// The hash before the first row.
pub(crate) const GENESIS: Hash = [0; 32];

/// A row is closed before it outgrows this; one larger event has a row of its own. 4 KB values
/// keep redb's pages whole.
const ROW_BYTES_MAX: usize = 4000;

/// Packs records into rows, chained on from `hash`.
pub(crate) fn pack(records: &[Record], hash: &mut Hash) -> Vec<(u64, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut row: Vec<u8> = Vec::new();
    let mut first = 0;
    for record in records {
        if row.is_empty() {
            row.reserve(ROW_BYTES_MAX);
            row.extend_from_slice(&GENESIS);
            first = record.seq.0;
        }
        let before = row.len();
        rmp_serde::encode::write_named(&mut row, record).expect("a record is plain data");
        if row.len() > ROW_BYTES_MAX && before > GENESIS.len() {
            // It did not fit any more: it begins the next row.
            let mut next = Vec::with_capacity(ROW_BYTES_MAX);
            next.extend_from_slice(&GENESIS);
            next.extend_from_slice(&row[before..]);
            row.truncate(before);
            rows.push((first, close(&mut row, first, hash)));
            (row, first) = (next, record.seq.0);
        }
    }
    if !row.is_empty() {
        rows.push((first, close(&mut row, first, hash)));
    }
    rows
}

fn close(row: &mut Vec<u8>, first: u64, hash: &mut Hash) -> Vec<u8> {
    *hash = link(hash, first, &row[32..]);
    row[..32].copy_from_slice(hash);
    std::mem::take(row)
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

/// The last sequence in a row that begins at `first`.
pub(crate) fn last_of(records: &[Record], first: u64) -> Seq {
    records.last().map_or(Seq(first), |record| record.seq)
}
