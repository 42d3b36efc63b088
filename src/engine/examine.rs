//! Looking at a log that will not open: as `verify` does, on the file as it is, and without changing it.
//!
//! A database that was not closed is repaired when it is opened, and that writes; so what is written goes into
//! memory, over the file.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use event::Seq;
use files::{File, Files, Identity, Open};

use crate::audit::{Verified, guarded};
use crate::chain::Hash;
use crate::queue::lock;
use crate::store::{DATABASE, Store, WITNESS};
use crate::tamper::{Damage, FAULTS_NAMED_MAX, Fault};
use crate::{Error, Snapshot, chain, tamper, witness};

/// Bytes that are changed together.
const PAGE_BYTES: u64 = 4096;

/// What was found of a log that nobody opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// What a walk over it found.
    pub verified: Verified,
    /// The log's id, as [`Snapshot::log_id`](crate::Snapshot::log_id) has it.
    pub log: Option<Hash>,
    /// The chain's hashes behind the events that were asked about, as
    /// [`Snapshot::hash_at`](crate::Snapshot::hash_at) has them.
    pub hashes: Vec<Option<Hash>>,
}

/// Walks the log in a directory that nobody has open, and holds it against the file beside it that says how
/// far it had come. Changes nothing.
///
/// # Errors
/// If it cannot be read at all.
pub fn examine(files: &Arc<dyn Files>, dir: &Path, asked: &[Seq]) -> Result<Examined, Error> {
    let path = dir.join(DATABASE);
    let fail = |error: io::Error| Error::Open { path: path.clone(), why: error.to_string() };
    let file = files.open(&path, Open::Read).map_err(fail)?;
    let over: Arc<dyn File> = Arc::new(Over::new(file).map_err(fail)?);
    let acknowledged = match files.open(&dir.join(WITNESS), Open::Read) {
        Ok(file) => witness::read(&*file).map_err(fail)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(fail(error)),
    };
    guarded(|| {
        let store = Store::look(over, &path, files.clone())?;
        let snapshot = store.snapshot()?;
        let mut found = tamper::verify(&snapshot)?;
        if let Some((seq, hash)) = acknowledged {
            let is_told = found.faults.iter().any(|fault| {
                fault.damage == Damage::CutOff && fault.events.is_some_and(|(_, last)| last >= seq)
            });
            let fault = if found.head < seq {
                let what = format!(
                    "cut off: the log ends at event {}, but event {seq} was acknowledged: later events were removed, \
                     or the file is an older copy",
                    found.head
                );
                (!is_told).then(|| Fault::of(Damage::CutOff, (found.head.next(), seq), what))
            } else {
                let row = snapshot.row_at(seq)?;
                let is_that = row.is_some_and(|(_, row)| chain::hash_of(&row) == Some(hash));
                let what = "rewritten: the chain has another hash there than when it was acknowledged";
                (!is_that && found.faults.is_empty())
                    .then(|| Fault::of(Damage::Rewritten, (Seq(1), seq), what))
            };
            if let Some(fault) = fault {
                found.damaged += 1;
                if found.faults.len() < FAULTS_NAMED_MAX {
                    found.faults.push(fault);
                }
            }
        }
        found.fault = found.faults.first().cloned();
        let snapshot = Snapshot(snapshot);
        let log = snapshot.log_id()?;
        // One that cannot be read is none.
        let hashes = asked.iter().map(|seq| snapshot.hash_at(*seq).ok().flatten()).collect();
        Ok(Examined { verified: found, log, hashes })
    })
}

/// A file, with what is written to it in memory.
#[derive(Debug)]
struct Over {
    file: Arc<dyn File>,
    identity: Identity,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    len: u64,
    /// How much of the file shows through.
    under: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Over {
    fn new(file: Arc<dyn File>) -> io::Result<Self> {
        let identity = file.identity()?;
        let len = identity.size_bytes;
        Ok(Self { file, identity, state: Mutex::new(State { len, under: len, pages: BTreeMap::new() }) })
    }

    /// A page as the file has it, zeros behind its end.
    fn under(&self, under: u64, page: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(PAGE_BYTES).expect("it is small")];
        let begin = page * PAGE_BYTES;
        let there = under.saturating_sub(begin).min(PAGE_BYTES);
        let there = usize::try_from(there).expect("at most a page");
        self.file.read_at(begin, &mut bytes[..there])?;
        Ok(bytes)
    }
}

/// The pages that a stretch touches: each with the bytes of it that are meant.
fn pages(offset: u64, len: usize) -> impl Iterator<Item = (u64, Range<usize>)> {
    let end = offset + len as u64;
    (offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)).map(move |page| {
        let begin = page * PAGE_BYTES;
        let place = |at: u64| usize::try_from(at - begin).expect("at most a page");
        (page, place(offset.max(begin))..place(end.min(begin + PAGE_BYTES)))
    })
}

impl File for Over {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = lock(&self.state);
        if offset + out.len() as u64 > state.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        for (page, range) in pages(offset, out.len()) {
            let to = &mut out[done..done + range.len()];
            done += range.len();
            match state.pages.get(&page) {
                Some(bytes) => to.copy_from_slice(&bytes[range]),
                None => to.copy_from_slice(&self.under(state.under, page)?[range]),
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        let mut done = 0;
        for (page, range) in pages(offset, bytes.len()) {
            if !state.pages.contains_key(&page) {
                let under = self.under(state.under, page)?;
                state.pages.insert(page, under);
            }
            let from = &bytes[done..done + range.len()];
            done += range.len();
            if let Some(page) = state.pages.get_mut(&page) {
                page[range].copy_from_slice(from);
            }
        }
        state.len = state.len.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        // What was cut off is zeros when the file grows again.
        state.under = state.under.min(len);
        let kept = len.div_ceil(PAGE_BYTES);
        state.pages.retain(|page, _| *page < kept);
        if let Some(last) = state.pages.get_mut(&(len / PAGE_BYTES)) {
            let from = usize::try_from(len % PAGE_BYTES).expect("less than a page");
            last[from..].fill(0);
        }
        state.len = len;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(Identity { size_bytes: lock(&self.state).len, ..self.identity })
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let len = lock(&self.state).len;
        Ok((from < len).then_some(from..len))
    }
}
