//! How far flows that have not ended have come.
//!
//! Every record of a flow changes this, while the flow's own row changes only with its state. So it lies in blocks,
//! by the places of the flows' first records, and a commit of a crowd writes a few dozen of them and not a row for
//! each flow:
//!
//! | key | value |
//! |---|---|
//! | `flow-open 0 kiln 0 block` | 33 bytes for each flow, oldest first: place in the block, id, last record, records |

use std::collections::BTreeMap;

use event::{FlowId, Rows, RowsMut, Seq, Table};

use crate::fold::house;
use crate::index::{block_of, key, place_of};

const OPEN: Table<()> = Table::new("flow-open");
/// A place in its block, an id, a last record, a count.
const ENTRY_BYTES: usize = 1 + 16 + 8 + 8;

/// How far a flow has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Come {
    pub(crate) id: FlowId,
    /// Its last record.
    pub(crate) last: Seq,
    /// How many it has.
    pub(crate) records: u64,
}

impl Come {
    fn read(entry: &[u8; ENTRY_BYTES]) -> Self {
        let [_, rest @ ..] = entry;
        let (id, rest) = rest.split_first_chunk().expect("an entry has a place and 32 bytes");
        let (last, records) = rest.split_first_chunk().expect("an entry has a place and 32 bytes");
        let records = records.first_chunk().expect("an entry has a place and 32 bytes");
        Self { id: FlowId(*id), last: Seq(u64::from_le_bytes(*last)), records: u64::from_le_bytes(*records) }
    }

    fn write(&self, place: u8, row: &mut Vec<u8>) {
        row.push(place);
        row.extend_from_slice(&self.id.0);
        row.extend_from_slice(&self.last.0.to_le_bytes());
        row.extend_from_slice(&self.records.to_le_bytes());
    }
}

fn prefix() -> Vec<u8> {
    OPEN.key(house(), &[""])
}

/// How far a flow has come that began with `first`; none if it has ended.
pub(crate) fn come(rows: &dyn Rows, id: FlowId, first: Seq) -> Option<Come> {
    let row = rows.get(&key(&prefix(), block_of(first)))?;
    let entries = row.as_chunks().0;
    let at = entries.binary_search_by_key(&place_of(first), |entry: &[u8; ENTRY_BYTES]| entry[0]).ok()?;
    Some(Come::read(&entries[at])).filter(|come| come.id == id)
}

/// The flows that have not ended, oldest first.
pub(crate) fn all(rows: &dyn Rows) -> Vec<Come> {
    let mut found = Vec::new();
    rows.scan(&prefix(), &mut |_, row| {
        found.extend(row.as_chunks().0.iter().map(Come::read));
        true
    });
    found
}

/// What has not become rows yet: by block and place, how far a flow has come, or that it has ended.
#[derive(Default)]
pub(crate) struct Moved {
    blocks: BTreeMap<u64, BTreeMap<u8, Option<Come>>>,
}

impl Moved {
    /// A flow, by its first record, has come so far, or has ended.
    pub(crate) fn set(&mut self, first: Seq, come: Option<Come>) {
        self.blocks.entry(block_of(first)).or_default().insert(place_of(first), come);
    }

    /// Makes it rows: the same ones however much comes together.
    pub(crate) fn flush(&mut self, rows: &mut dyn RowsMut) {
        let prefix = prefix();
        for (block, moved) in std::mem::take(&mut self.blocks) {
            let key = key(&prefix, block);
            let before = rows.get(&key).unwrap_or_default();
            let mut row = Vec::with_capacity(before.len() + moved.len() * ENTRY_BYTES);
            let mut left: &[[u8; ENTRY_BYTES]] = before.as_chunks().0;
            for (place, come) in moved {
                let earlier = left.partition_point(|entry| entry[0] < place);
                let (stay, rest) = left.split_at(earlier);
                row.extend_from_slice(stay.as_flattened());
                let is_there = rest.first().is_some_and(|entry| entry[0] == place);
                left = &rest[usize::from(is_there)..];
                if let Some(come) = come {
                    come.write(place, &mut row);
                }
            }
            row.extend_from_slice(left.as_flattened());
            if row != before {
                rows.set(key, (!row.is_empty()).then_some(row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fresh::Fresh;

    #[test]
    fn a_block_is_the_same_however_its_changes_come_together() {
        let id = |first: u64| FlowId::derive(0, &first.to_be_bytes());
        // Places that fill blocks and lie on their borders; some come further, some end, one begins and ends at once.
        let begun = (0..1000).step_by(7).chain([255, 256, 511]);
        let mut told: Vec<(u64, u64)> = begun.map(|first| (first, 1)).collect();
        told.extend((0..1000).step_by(21).map(|first| (first, 2)));
        told.extend([(0, 0), (255, 9), (256, 0), (511, 3), (70_000, 1), (70_000, 0), (7, 0), (42, 0)]);
        let rows_of = |step: usize| {
            let mut rows = Fresh::default();
            for some in told.chunks(step) {
                let mut moved = Moved::default();
                for (first, records) in some {
                    let come = Come { id: id(*first), last: Seq(first + records), records: *records };
                    moved.set(Seq(*first), (*records > 0).then_some(come));
                }
                moved.flush(&mut rows);
            }
            rows
        };
        let mut expected = BTreeMap::new();
        for (first, records) in &told {
            expected.insert(*first, *records);
        }
        expected.retain(|_, records| *records > 0);
        for step in [1, 2, 7, 100, told.len()] {
            let rows = rows_of(step);
            let found: Vec<_> = all(&rows).iter().map(|come| (come.id, come.records)).collect();
            let wanted: Vec<_> = expected.iter().map(|(first, records)| (id(*first), *records)).collect();
            assert_eq!(found, wanted, "{step} at a time");
            for (first, records) in &expected {
                let come = come(&rows, id(*first), Seq(*first)).expect("it has not ended");
                assert_eq!((come.last, come.records), (Seq(first + records), *records));
            }
            assert_eq!(come(&rows, id(0), Seq(0)), None, "it has ended");
            assert_eq!(come(&rows, id(1), Seq(255)), None, "another lies there");
            assert_eq!(come(&rows, id(3), Seq(3)), None, "it never began");
            let mut is_empty = false;
            rows.scan(b"", &mut |_, row| {
                is_empty |= row.is_empty();
                true
            });
            assert!(!is_empty, "an empty block is no row");
        }
    }
}
