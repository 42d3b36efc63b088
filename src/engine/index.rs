//! Which flows have what: lists of flows by story, account, place, state, error and subject, for whoever looks
//! for them.
//!
//! A list is cut into blocks by the places of the flows' first records, and a block is one row:
//!
//! | key | value |
//! |---|---|
//! | `flow-by 0 kiln 0 facet=value 0 block` | 17 bytes for each flow, oldest first: its place in the block, its id |
//!
//! So a commit writes a row for each list it touches and not for each flow, and whoever intersects lists skips
//! what lies between without reading it. It deliberately counts nothing: a count would be one row that every
//! commit changes.

use std::collections::BTreeMap;

use event::{FlowId, Rows, RowsMut, Seq};

use crate::fold::State;

/// What the keys of all lists begin with.
pub(crate) const TABLE: &[u8] = b"flow-by\0";
/// The same, with the scope they are all in.
const LISTS_OF_HOUSE: &[u8] = b"flow-by\0kiln\0";
/// Bytes that a key has room for at once; few are longer.
const KEY_BYTES: usize = 64;

/// Places of the log in one block: flows have several records each, so that a block of a list that all flows
/// are in has some 30 of them, about half a kilobyte; it can never have more than this many.
const BLOCK_SEQS: u64 = 256;
/// Digits of a block's number in a key: those of any number, as a block has a byte of places.
const BLOCK_DIGITS: usize = 14;
/// A place in its block, and an id.
const ENTRY_BYTES: usize = 17;

/// Something a flow has that it can be looked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facet<'a> {
    /// The account that asked for it.
    Account(&'a str),
    /// The name of its story.
    Name(&'a str),
    /// What stands behind the slash of its scope.
    Place(&'a str),
    /// Where it stands.
    State(State),
    /// The code of its trouble.
    Code(&'a str),
    /// What it is about.
    Subject(&'a str),
}

impl Facet<'_> {
    /// What all keys of its list begin with.
    pub(crate) fn prefix(self) -> Vec<u8> {
        let mut prefix = Vec::with_capacity(KEY_BYTES);
        self.write(&mut prefix);
        prefix
    }

    /// Writes that behind what there is.
    fn write(self, out: &mut Vec<u8>) {
        let (name, value) = match self {
            Self::Account(account) => ("account", account),
            Self::Name(name) => ("name", name),
            Self::Place(place) => ("place", place),
            Self::State(state) => ("state", state.word()),
            Self::Code(code) => ("code", code),
            Self::Subject(subject) => ("subject", subject),
        };
        // Codes and callers' words are free text; who is found is looked at again in its own row.
        for part in [LISTS_OF_HOUSE, name.as_bytes(), b"="] {
            out.extend_from_slice(part);
        }
        for (place, part) in value.split('\0').enumerate() {
            if place > 0 {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
            out.extend_from_slice(part.as_bytes());
        }
        out.push(0);
    }
}

/// The block that a flow's first record lies in.
pub(crate) fn block_of(seq: Seq) -> u64 {
    seq.0 / BLOCK_SEQS
}

/// The place of a flow's first record in its block.
pub(crate) fn place_of(seq: Seq) -> u8 {
    u8::try_from(seq.0 % BLOCK_SEQS).expect("a block has 256 places")
}

/// The last place in a block.
pub(crate) fn last_of(block: u64) -> Seq {
    Seq(block.saturating_mul(BLOCK_SEQS).saturating_add(BLOCK_SEQS - 1))
}

/// The number of a block, if this is the key of one.
pub(crate) fn block_in(key: &[u8]) -> Option<u64> {
    let digits = key.strip_prefix(TABLE)?.last_chunk::<BLOCK_DIGITS>()?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Behind the list that a block belongs to, if this is the key of a block that goes beyond a place: so do all that
/// follow it in its list.
pub(crate) fn next_list(key: &[u8], upto: Seq) -> Option<Vec<u8>> {
    let block = block_in(key).filter(|block| last_of(*block) > upto)?;
    let list = key.strip_suffix(self::key(&[], block).as_slice())?;
    Some([list, b"g"].concat())
}

/// The key of a block.
pub(crate) fn key(prefix: &[u8], block: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + BLOCK_DIGITS);
    key.extend_from_slice(prefix);
    write_number(&mut key, block);
    key
}

/// Writes the number of a block behind what its list's keys begin with.
fn write_number(key: &mut Vec<u8>, block: u64) {
    for place in (0..BLOCK_DIGITS).rev() {
        key.push(b"0123456789abcdef"[usize::from((block >> (4 * place)).to_le_bytes()[0] & 15)]);
    }
}

/// The number of a block, from its key.
pub(crate) fn number(prefix: &[u8], key: &[u8]) -> u64 {
    let digits = std::str::from_utf8(&key[prefix.len()..]).ok();
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).expect("keys are written by the same code")
}

/// The flows of a block, oldest first.
pub(crate) fn entries(block: u64, row: &[u8]) -> impl DoubleEndedIterator<Item = (Seq, FlowId)> {
    row.as_chunks::<ENTRY_BYTES>()
        .0
        .iter()
        .map(move |[place, id @ ..]| (Seq(block * BLOCK_SEQS + u64::from(*place)), FlowId(*id)))
}

/// The flows that have something, oldest first.
pub(crate) fn with(rows: &dyn Rows, facet: Facet<'_>) -> Vec<FlowId> {
    let prefix = facet.prefix();
    let mut found = Vec::new();
    rows.scan(&prefix, &mut |key, row| {
        found.extend(entries(number(&prefix, key), row).map(|(_, id)| id));
        true
    });
    found
}

/// Changes to lists that have not become rows yet.
#[derive(Default)]
pub(crate) struct Pending {
    /// By block: whether the flow that began at a place belongs to it.
    blocks: BTreeMap<Vec<u8>, BTreeMap<u8, (FlowId, bool)>>,
    /// The key that is looked for: each flow comes into several lists, and most of those are there.
    key: Vec<u8>,
}

impl Pending {
    /// A flow, by its first record, is or is no longer in a list.
    pub(crate) fn set(&mut self, facet: Facet<'_>, first: Seq, id: FlowId, belongs: bool) {
        self.key.clear();
        facet.write(&mut self.key);
        write_number(&mut self.key, block_of(first));
        let change = (place_of(first), (id, belongs));
        match self.blocks.get_mut(&self.key) {
            Some(block) => _ = block.insert(change.0, change.1),
            None => _ = self.blocks.insert(self.key.clone(), BTreeMap::from([change])),
        }
    }

    /// Makes them rows: the same ones however many changes come together.
    pub(crate) fn flush(&mut self, rows: &mut dyn RowsMut) {
        for (key, changes) in std::mem::take(&mut self.blocks) {
            let before = rows.get(&key).unwrap_or_default();
            let mut row = before.clone();
            for (place, (id, belongs)) in changes {
                change(&mut row, place, id, belongs);
            }
            if row != before {
                rows.set(key, (!row.is_empty()).then_some(row));
            }
        }
    }
}

fn change(row: &mut Vec<u8>, place: u8, id: FlowId, belongs: bool) {
    let at = row.as_chunks::<ENTRY_BYTES>().0.binary_search_by_key(&place, |entry| entry[0]);
    match (at, belongs) {
        (Err(at), true) => {
            let at = at * ENTRY_BYTES;
            row.splice(at..at, std::iter::once(place).chain(id.0));
        }
        (Ok(at), false) => _ = row.drain(at * ENTRY_BYTES..(at + 1) * ENTRY_BYTES),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fresh::Fresh;

    #[test]
    fn a_list_is_the_same_rows_however_its_changes_come_together() {
        let id = |seq: u64| FlowId::derive(0, &seq.to_be_bytes());
        // Places that fill blocks, lie on their borders and come late; some go again, one of them twice.
        let mut changes: Vec<(u64, bool)> = (1..2000).step_by(3).map(|seq| (seq, true)).collect();
        changes.extend([(255, true), (256, true), (0, true), (511, true), (70_000, true)]);
        changes.extend([(4, false), (255, false), (256, true), (70_000, false), (4, false), (9, false)]);
        let told = |step: usize| {
            let mut rows = Fresh::default();
            for some in changes.chunks(step) {
                let mut pending = Pending::default();
                for (seq, belongs) in some {
                    pending.set(Facet::Name("x"), Seq(*seq), id(*seq), *belongs);
                }
                pending.flush(&mut rows);
            }
            rows
        };
        let all = |rows: &Fresh| {
            let mut all = Vec::new();
            rows.scan(b"", &mut |key, row| {
                all.push((key.to_vec(), row.to_vec()));
                true
            });
            all
        };
        let one = told(1);
        for step in [2, 7, 100, changes.len()] {
            assert_eq!(all(&told(step)), all(&one), "{step} at a time");
        }
        let mut expected: Vec<u64> = (1..2000).step_by(3).filter(|seq| *seq != 4).collect();
        expected.extend([0, 256, 511]);
        expected.sort_unstable();
        expected.dedup();
        let expected: Vec<FlowId> = expected.into_iter().map(id).collect();
        assert_eq!(with(&one, Facet::Name("x")), expected);
        assert_eq!(with(&one, Facet::Name("")), [], "another list");
        assert!(all(&one).iter().all(|(_, row)| !row.is_empty()), "an empty block is no row");
    }

    #[test]
    fn a_list_goes_on_beyond_a_place_from_the_block_that_does() {
        let prefix = Facet::Name("x").prefix();
        // The third block ends at 767.
        let third = key(&prefix, 2);
        assert_eq!(next_list(&third, Seq(767)), None);
        let next = next_list(&third, Seq(766)).expect("it goes beyond");
        assert!(next > key(&prefix, u64::MAX >> 8) && next < key(&Facet::Name("y").prefix(), 0));
        assert!(next < Facet::Name("x0").prefix(), "a list whose name begins with it is not skipped");
        assert_eq!(next_list(b"flow\0kiln\0", Seq(0)), None, "what is no list");
    }
}
