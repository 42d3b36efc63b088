//! What has been acknowledged since the database was last on disk.
//!
//! redb is the log of record, and it needs a dozen pages for a commit of one event. So a commit is one sync of a few
//! hundred bytes behind those before it in `kiln.journal`; then the database takes it, seen by everybody at once and
//! written when it is written next: when the journal is full, when nothing is to do, and with whatever is no plain
//! commit. From then on the journal is written from its beginning again. Projections are not in it: whoever opens the
//! log folds the records.
//!
//! ```text
//! kiln.journal   | 41 | 42 | 43 | 38 | 39 | 40 |     of which 41 to 43 are not on disk in the database, and what
//!                                                    follows is left from the time before
//! entry          number, length, check, incarnation, head before, head, log rows, working rows
//! ```
//!
//! Entries are numbered for ever, and the database says up to which it has them. Whoever opens it tells it those that
//! come after, up to the first that is not whole or not the next: nobody was told of that one. One of another
//! incarnation or another head is of another database, or of this one as it is no longer, and is no next one.

use std::io;
use std::sync::{Arc, Mutex};

use event::Seq;
use files::File;

use crate::chain::Hash;
use crate::queue::lock;
use crate::store::{Changes, Head};

/// The name of the journal in the data directory.
pub const JOURNAL: &str = "kiln.journal";

/// How large it becomes. The database is written once for so much, which takes some 10 ms in which nothing else is
/// acknowledged, and once for a few hundred workflows one at a time; an opening folds at most so much, in about 15 ms.
/// Four times as much brought nothing that could be told from noise.
const BYTES_MAX: u64 = if cfg!(test) { 16 << 10 } else { 1 << 20 };
/// Number, length and check.
const HEADER_BYTES: usize = 8 + 4 + 16;

/// The journal of an open database.
pub(crate) struct Journal {
    file: Arc<dyn File>,
    state: Mutex<State>,
}

struct State {
    /// The number of the last entry.
    number: u64,
    /// Where the next one goes.
    end: u64,
    /// There are entries behind that which are of another database, or of this one as it is no longer.
    has_strangers: bool,
    /// The incarnation it is written in.
    life: u64,
    /// Where the log ends.
    head: Head,
    bytes: Vec<u8>,
}

/// What was acknowledged and is not in the database.
#[derive(Default)]
pub(crate) struct Untold {
    /// All of it together, but for the rows that its records come to.
    pub(crate) changes: Changes,
    /// Where the log ended after each.
    pub(crate) heads: Vec<Head>,
}

impl Journal {
    /// The journal of a database, which has all up to entry `known`, is in its incarnation `life` and ends at `head`;
    /// and what it has to be told, with the heads that were come to.
    pub(crate) fn open(file: Arc<dyn File>, known: u64, life: u64, head: Head) -> io::Result<(Self, Untold)> {
        let mut bytes = vec![0; usize::try_from(file.identity()?.size_bytes).unwrap_or(usize::MAX)];
        file.read_at(0, &mut bytes)?;
        let mut state = State { number: known, end: 0, has_strangers: false, life, head, bytes: Vec::new() };
        let mut untold = Untold::default();
        let mut rest = bytes.as_slice();
        let mut last = None;
        while let Some((number, payload)) = whole(&mut rest) {
            if last.is_some_and(|last| number != last + 1) || number > state.number + 1 {
                state.has_strangers = number > state.number;
                break;
            }
            last = Some(number);
            if number <= known {
                continue;
            }
            let follows =
                |(life, before, _): &(u64, Head, Changes)| (*life, *before) == (state.life, state.head);
            let Some((_, _, changes)) = decoded(payload).filter(follows) else {
                state.has_strangers = true;
                break;
            };
            state.head = changes.head.unwrap_or(state.head);
            (state.number, state.end) = (number, (bytes.len() - rest.len()) as u64);
            #[cfg(test)]
            if crate::planted::is(crate::planted::Planted::JournalUntold) {
                continue;
            }
            untold.heads.extend(changes.head);
            untold.changes.log.extend(changes.log);
            untold.changes.work.extend(changes.work);
            (untold.changes.head, untold.changes.told) = (Some(state.head), Some(number));
        }
        Ok((Self { file, state: Mutex::new(state) }, untold))
    }

    /// Removes entries that are not of this database as it is: a later incarnation might take them for its own.
    pub(crate) fn forget_strangers(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        if std::mem::take(&mut state.has_strangers) {
            self.file.set_len(state.end)?;
            self.file.sync()?;
        }
        Ok(())
    }

    /// Takes changes, if they are a plain commit for which there is room; their number. They are durable when it has been
    /// synced.
    pub(crate) fn take(&self, changes: &Changes) -> io::Result<Option<u64>> {
        // Rows that come of no record would be lost.
        let is_plain = changes.fold.is_none()
            && changes.incarnation.is_none()
            && changes.segment.is_none()
            && changes.moved.is_none()
            && (changes.rows.is_empty() || !changes.log.is_empty());
        if !is_plain {
            return Ok(None);
        }
        let mut state = lock(&self.state);
        let State { number, end, life, head, bytes, .. } = &mut *state;
        encode(bytes, *number + 1, *life, head, changes);
        if *end + bytes.len() as u64 > BYTES_MAX {
            return Ok(None);
        }
        self.file.write_at(*end, bytes)?;
        *number += 1;
        *end += bytes.len() as u64;
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::JournalOver) {
            *end = 0;
        }
        *head = changes.head.unwrap_or(*head);
        Ok(Some(*number))
    }

    /// Makes what it took durable. After an error nothing may be written any more.
    pub(crate) fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::NoSync) {
            return Ok(());
        }
        self.file.sync()
    }

    /// The database is on disk with all there is, these last: the next entry goes to the beginning.
    pub(crate) fn is_kept(&self, changes: &Changes) {
        let mut state = lock(&self.state);
        state.end = 0;
        state.head = changes.head.unwrap_or(state.head);
        state.life = changes.incarnation.unwrap_or(state.life);
    }
}

/// The next entry, if there is one that is whole.
fn whole<'a>(rest: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let (header, behind) = rest.split_first_chunk::<HEADER_BYTES>()?;
    let length = u32::from_le_bytes(*header[8..].first_chunk()?) as usize;
    let (payload, behind) = behind.split_at_checked(length)?;
    if header[12..] != check_of(&header[..12], payload) {
        return None;
    }
    *rest = behind;
    Some((u64::from_le_bytes(*header.first_chunk()?), payload))
}

fn check_of(header: &[u8], payload: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header).update(payload);
    *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes")
}

fn encode(out: &mut Vec<u8>, number: u64, life: u64, before: &Head, changes: &Changes) {
    out.clear();
    out.resize(HEADER_BYTES, 0);
    out.extend_from_slice(&life.to_le_bytes());
    put_head(out, before);
    out.push(u8::from(changes.head.is_some()));
    if let Some(head) = &changes.head {
        put_head(out, head);
    }
    put_number(out, changes.log.len());
    for (first, row) in &changes.log {
        out.extend_from_slice(&first.to_le_bytes());
        put(out, row);
    }
    put_number(out, changes.work.len());
    for (key, value) in &changes.work {
        put(out, key);
        out.push(u8::from(value.is_some()));
        if let Some(value) = value {
            put(out, value);
        }
    }
    let length = u32::try_from(out.len() - HEADER_BYTES).unwrap_or(u32::MAX);
    out[..8].copy_from_slice(&number.to_le_bytes());
    out[8..12].copy_from_slice(&length.to_le_bytes());
    let check = check_of(&out[..12], &out[HEADER_BYTES..]);
    out[12..HEADER_BYTES].copy_from_slice(&check);
}

fn decoded(mut payload: &[u8]) -> Option<(u64, Head, Changes)> {
    let rest = &mut payload;
    let life = u64::from_le_bytes(taken(rest)?);
    let before = taken_head(rest)?;
    let mut changes = Changes::default();
    if taken::<1>(rest)? == [1] {
        changes.head = Some(taken_head(rest)?);
    }
    for _ in 0..taken_number(rest)? {
        let first = u64::from_le_bytes(taken(rest)?);
        changes.log.push((first, taken_bytes(rest)?));
    }
    for _ in 0..taken_number(rest)? {
        let key = taken_bytes(rest)?;
        let value = if taken::<1>(rest)? == [1] { Some(taken_bytes(rest)?) } else { None };
        changes.work.insert(key, value);
    }
    rest.is_empty().then_some((life, before, changes))
}

fn put_head(out: &mut Vec<u8>, head: &Head) {
    out.extend_from_slice(&head.seq.0.to_le_bytes());
    out.extend_from_slice(&head.hash);
    out.extend_from_slice(&head.time_ms.to_le_bytes());
}

fn taken_head(rest: &mut &[u8]) -> Option<Head> {
    let seq = Seq(u64::from_le_bytes(taken(rest)?));
    let hash: Hash = taken(rest)?;
    Some(Head { seq, hash, time_ms: i64::from_le_bytes(taken(rest)?) })
}

fn put_number(out: &mut Vec<u8>, number: usize) {
    // What does not fit is larger than a journal, which does not take it.
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn taken_number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(taken(rest)?))
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn taken_bytes(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = taken_number(rest)? as usize;
    let (bytes, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(bytes.to_vec())
}

fn taken<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*bytes)
}
