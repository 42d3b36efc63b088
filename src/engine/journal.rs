//! What has been acknowledged since the database was last on disk.
//!
//! redb is the log of record, and it needs a dozen pages for a commit of one event. So a commit is one sync of a few
//! hundred bytes behind those before it in `kiln.journal`; then the database takes it, seen by everybody at once and
//! written when it is written next: when a half of the journal is full, when nothing is to do, and with whatever is no
//! plain commit. Projections are not in it: whoever opens the log folds the records.
//!
//! When a half is full the other is written from its beginning on, and the database behind everybody's back, so that
//! nobody waits for it. Only when a half is full again has that to be over: then what the other half has is not needed.
//!
//! ```text
//! kiln.journal   | 41 | 42 | 43 | 30 | 31 |  | 36 | 37 | 38 | 39 | 40 |
//!                of which 36 to 43 may not be on disk in the database, and 30 and 31 are left from the time before
//! entry          number, length, check, incarnation, head before, head, log rows, working rows
//! ```
//!
//! Entries are numbered for ever, and the database says up to which it has them. Whoever opens it tells it those that
//! come after, up to the first that is not whole or not the next: nobody was told of that one. One of another
//! incarnation or another head is of another database, or of this one as it is no longer, and is no next one.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use event::Seq;
use files::File;

use crate::chain::Hash;
use crate::queue::lock;
use crate::store::{Changes, Head};

/// The name of the journal in the data directory.
pub const JOURNAL: &str = "kiln.journal";

/// How large a half of it becomes. The database is written once for so much, and once for a few hundred workflows one
/// at a time; an opening folds at most twice as much, in about 30 ms. Four times as much brought nothing that could be
/// told from noise.
const HALF_BYTES: u64 = if cfg!(test) { 2 << 10 } else { 1 << 20 };
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
    /// Where the half begins in which it is, and where the next one goes.
    half: u64,
    end: u64,
    /// Where there are entries of another database, or of this one as it is no longer.
    strangers: Vec<Range<u64>>,
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

/// An entry that has been written.
pub(crate) struct Taken {
    pub(crate) number: u64,
    /// It is the first in its half: the database is to be written, with what the other one has.
    pub(crate) turns: bool,
}

impl Journal {
    /// The journal of a database, which has all up to entry `known`, is in its incarnation `life` and ends at `head`;
    /// and what it has to be told, with the heads that were come to.
    pub(crate) fn open(file: Arc<dyn File>, known: u64, life: u64, head: Head) -> io::Result<(Self, Untold)> {
        let mut bytes = vec![0; usize::try_from(file.identity()?.size_bytes).unwrap_or(usize::MAX)];
        file.read_at(0, &mut bytes)?;
        let mut state =
            State { number: known, half: 0, end: 0, strangers: Vec::new(), life, head, bytes: Vec::new() };
        let mut untold = Untold::default();
        for (half, half_bytes) in halves(&bytes) {
            state.read(half, half_bytes, known, &mut untold);
        }
        Ok((Self { file, state: Mutex::new(state) }, untold))
    }

    /// Removes entries that are not of this database as it is: a later incarnation might take them for its own.
    pub(crate) fn forget_strangers(&self) -> io::Result<()> {
        let strangers = std::mem::take(&mut lock(&self.state).strangers);
        for piece in &strangers {
            let length = usize::try_from(piece.end - piece.start).unwrap_or(usize::MAX);
            self.file.write_at(piece.start, &vec![0; length])?;
        }
        if strangers.is_empty() { Ok(()) } else { self.file.sync() }
    }

    /// Takes changes, if they are a plain commit for which there can be room. They are durable when it has been synced.
    /// `frees` waits until the database is on disk with what the other half has, which is needed no more then.
    pub(crate) fn take(
        &self,
        changes: &Changes,
        frees: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<Option<Taken>> {
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
        let State { number, half, end, life, head, bytes, .. } = &mut *state;
        encode(bytes, *number + 1, *life, head, changes);
        if bytes.len() as u64 > HALF_BYTES {
            return Ok(None);
        }
        let turns = *end + bytes.len() as u64 > *half + HALF_BYTES;
        if turns {
            frees()?;
            *half = HALF_BYTES - *half;
            *end = *half;
        }
        self.file.write_at(*end, bytes)?;
        *number += 1;
        *end += bytes.len() as u64;
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::JournalOver) {
            *end = *half;
        }
        *head = changes.head.unwrap_or(*head);
        Ok(Some(Taken { number: *number, turns }))
    }

    /// Makes what it took durable. After an error nothing may be written any more.
    pub(crate) fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::NoSync) {
            return Ok(());
        }
        self.file.sync()
    }

    /// The database is on disk with all there is, these last: the next entry goes to the beginning of a half.
    pub(crate) fn is_kept(&self, changes: &Changes) {
        let mut state = lock(&self.state);
        state.end = state.half;
        state.head = changes.head.unwrap_or(state.head);
        state.life = changes.incarnation.unwrap_or(state.life);
    }
}

impl State {
    /// Goes through the entries of a half, and tells those that come next.
    fn read(&mut self, half: u64, bytes: &[u8], known: u64, untold: &mut Untold) {
        let mut rest = bytes;
        let mut last = None;
        loop {
            let place = half + (bytes.len() - rest.len()) as u64;
            let Some((number, payload)) = whole(&mut rest) else { return };
            let is_left = last.is_some_and(|last| number != last + 1);
            last = Some(number);
            if number <= known {
                if is_left {
                    return;
                }
                continue;
            }
            let follows =
                |(life, before, _): &(u64, Head, Changes)| (*life, *before) == (self.life, self.head);
            let next = decoded(payload).filter(follows).filter(|_| !is_left && number == self.number + 1);
            let Some((_, _, changes)) = next else {
                self.strangers.push(place..half + bytes.len() as u64);
                return;
            };
            self.head = changes.head.unwrap_or(self.head);
            (self.number, self.half) = (number, half);
            self.end = half + (bytes.len() - rest.len()) as u64;
            #[cfg(test)]
            if crate::planted::is(crate::planted::Planted::JournalUntold) {
                continue;
            }
            untold.heads.extend(changes.head);
            untold.changes.log.extend(changes.log);
            untold.changes.work.extend(changes.work);
            (untold.changes.head, untold.changes.told) = (Some(self.head), Some(number));
        }
    }
}

/// The halves of a journal with where they begin, the older one first.
fn halves(bytes: &[u8]) -> [(u64, &[u8]); 2] {
    let middle = usize::try_from(HALF_BYTES).map_or(bytes.len(), |middle| middle.min(bytes.len()));
    let (one, other) = bytes.split_at(middle);
    let mut halves = [(0, one), (HALF_BYTES, other)];
    halves.sort_by_key(|(_, bytes)| whole(&mut &**bytes).map_or(u64::MAX, |(number, _)| number));
    halves
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
