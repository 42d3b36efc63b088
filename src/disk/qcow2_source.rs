//! qcow2, read: guest bytes out of clusters.
//!
//! ```text
//! guest offset ─▶ L1 (in memory) ─▶ L2 table (cached) ─▶ cluster ─▶ bytes
//!                                                         │ zero: filled
//!                                                         │ host: read into the caller's buffer,
//!                                                         │       neighbours in one call
//!                                                         └ compressed: read ahead as far as this
//!                                                           call goes, decoded into the buffer
//! ```
//!
//! Memory is the L1 table, the cache of L2 tables and one [`Scratch`] for each thread that reads at
//! the same time; nothing is allocated for a cluster. Work is bounded by what is asked for: a
//! cluster decodes to its own size, so the whole disk to its virtual size, however many entries
//! name one compressed cluster. A call for a part of a compressed cluster decodes all of it; the
//! last one decoded is kept, so that small reads in sequence decode each once.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::port::Format;
use files::File;

use crate::codec::Decoder;
use crate::qcow2_header::Header;
use crate::qcow2_table::{self, Cluster, SUBCLUSTERS, WHOLE};
use crate::stretch::{Holes, first_data};
use crate::{Error, Source, check_inside};

/// L2 tables kept: 4 MiB map 32 GiB of disk at the usual cluster size, far more than the threads
/// of a job read at a time.
const TABLE_CACHE_BYTES: u64 = 4 << 20;
/// At least one for each of a few threads, at most so many that a search for the oldest is short.
const TABLES_CACHED: std::ops::RangeInclusive<u64> = 4..=256;
/// Compressed bytes read in one call: enough to make the call cheap beside the decoding.
const READ_AHEAD_BYTES: u64 = 1 << 20;

/// A qcow2 file that is read.
pub(crate) struct Qcow2Source {
    file: Arc<dyn File>,
    file_bytes: u64,
    header: Header,
    /// Places of the L2 tables, 0 where there is none.
    l1: Vec<u64>,
    tables: Mutex<TableCache>,
    scratches: Mutex<Vec<Scratch>>,
}

/// The L2 tables used last.
#[derive(Default)]
struct TableCache {
    tables: HashMap<usize, (Arc<[u8]>, u64)>,
    clock: u64,
}

/// What one thread needs to decode compressed clusters.
struct Scratch {
    decoder: Decoder,
    /// Compressed bytes, and where in the file they are from; the buffer may be longer.
    ahead: Vec<u8>,
    ahead_range: Range<u64>,
    /// A decoded cluster of which only a part was asked for, and the guest byte it begins at.
    cluster: Vec<u8>,
    decoded: Option<u64>,
}

/// A compressed cluster, and how far the call that reads it goes.
#[derive(Clone, Copy)]
struct Packed {
    guest: u64,
    place: u64,
    bytes: u64,
    until: u64,
}

/// Guest bytes that are stored in one way and, in the file, one after another.
#[derive(Clone, Copy, Debug)]
enum Stretch {
    Zero,
    Host(u64),
    Compressed { place: u64, bytes: u64 },
}

impl Qcow2Source {
    pub(crate) fn new(file: Arc<dyn File>, file_bytes: u64) -> Result<Self, Error> {
        let header = Header::read(&*file, file_bytes)?;
        let l1 = qcow2_table::check_all(&header, &*file, file_bytes)?;
        Ok(Self { file, file_bytes, header, l1, tables: Mutex::default(), scratches: Mutex::default() })
    }

    /// The L2 table with this number.
    fn table(&self, number: usize) -> Result<Option<Arc<[u8]>>, Error> {
        let place = self.l1[number];
        if place == 0 {
            return Ok(None);
        }
        if let Some(table) = lock(&self.tables).get(number) {
            return Ok(Some(table));
        }
        let mut table = vec![0; self.cluster_len()];
        qcow2_table::read_table(&*self.file, place, &mut table)?;
        let table: Arc<[u8]> = table.into();
        let kept = (TABLE_CACHE_BYTES >> self.header.cluster_bits)
            .clamp(*TABLES_CACHED.start(), *TABLES_CACHED.end());
        lock(&self.tables).put(number, table.clone(), kept);
        Ok(Some(table))
    }

    fn cluster_len(&self) -> usize {
        1 << self.header.cluster_bits
    }

    /// How the guest bytes from `guest` on are stored, at most `limit` of them, and for how many
    /// this holds. All of them lie in what `table` maps.
    fn stretch(&self, table: &[u8], guest: u64, limit: u64) -> Result<(Stretch, u64), Error> {
        let (first, mut len) = self.piece(table, guest)?;
        while len < limit {
            let (next, more) = self.piece(table, guest + len)?;
            let joins = match (first, next) {
                (Stretch::Zero, Stretch::Zero) => true,
                (Stretch::Host(place), Stretch::Host(further)) => place + len == further,
                _ => false,
            };
            if !joins {
                break;
            }
            len += more;
        }
        Ok((first, len.min(limit)))
    }

    /// How the guest bytes from `guest` to the end of its cluster are stored, or to the end of the
    /// subclusters that are stored alike.
    fn piece(&self, table: &[u8], guest: u64) -> Result<(Stretch, u64), Error> {
        let cluster_bytes = self.header.cluster_bytes();
        let index = (guest >> self.header.cluster_bits) % self.header.l2_entries();
        let index = usize::try_from(index).expect("a table fits into memory");
        let inside = guest % cluster_bytes;
        let rest = cluster_bytes - inside;
        Ok(match qcow2_table::cluster(&self.header, table, index)? {
            Cluster::Zero => (Stretch::Zero, rest),
            Cluster::Compressed { place, bytes } => (Stretch::Compressed { place, bytes }, rest),
            Cluster::Host { place, present: WHOLE } => (Stretch::Host(place + inside), rest),
            Cluster::Host { place, present } => {
                let subcluster_bytes = cluster_bytes / SUBCLUSTERS;
                let from_here = present >> (inside / subcluster_bytes);
                let (stretch, alike) = if from_here & 1 == 0 {
                    (Stretch::Zero, from_here.trailing_zeros())
                } else {
                    (Stretch::Host(place + inside), from_here.trailing_ones())
                };
                let len = u64::from(alike) * subcluster_bytes - inside % subcluster_bytes;
                (stretch, len.min(rest))
            }
        })
    }

    /// Fills `out`, all of which `table` maps.
    fn read_mapped(
        &self,
        table: &[u8],
        guest: u64,
        out: &mut [u8],
        scratch: &mut Option<Scratch>,
    ) -> Result<(), Error> {
        let until = guest + out.len() as u64;
        let mut done = 0;
        while done < out.len() {
            let at = guest + done as u64;
            let (stretch, len) = self.stretch(table, at, until - at)?;
            let len = usize::try_from(len).expect("a stretch is no longer than the buffer");
            let part = &mut out[done..done + len];
            match stretch {
                Stretch::Zero => part.fill(0),
                Stretch::Host(place) => {
                    self.file.read_at(place, part).map_err(|e| reading(at, e))?;
                }
                Stretch::Compressed { place, bytes } => {
                    let inside = at % self.header.cluster_bytes();
                    let packed = Packed { guest: at - inside, place, bytes, until };
                    let taken = match scratch.take() {
                        Some(taken) => taken,
                        None => self.take_scratch(packed.guest)?,
                    };
                    let scratch = scratch.insert(taken);
                    self.read_packed(table, packed, inside, part, scratch)?;
                }
            }
            done += len;
        }
        Ok(())
    }

    /// Fills `part` with the bytes of a compressed cluster from `inside` it on.
    fn read_packed(
        &self,
        table: &[u8],
        packed: Packed,
        inside: u64,
        part: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let undecodable = |_| {
            let Packed { guest, place, .. } = packed;
            Error::malformed(format!(
                "the compressed cluster of guest byte `{guest}`, at `{place}` in the file, does not decode"
            ))
        };
        if part.len() == self.cluster_len() {
            let stream = self.read_ahead(table, packed, scratch)?;
            return scratch.decoder.decode(&scratch.ahead[stream], part).map_err(undecodable);
        }
        if scratch.decoded != Some(packed.guest) {
            let stream = self.read_ahead(table, packed, scratch)?;
            scratch.decoded = None;
            scratch.cluster.resize(self.cluster_len(), 0);
            scratch.decoder.decode(&scratch.ahead[stream], &mut scratch.cluster).map_err(undecodable)?;
            scratch.decoded = Some(packed.guest);
        }
        let inside = usize::try_from(inside).expect("a cluster fits into memory");
        part.copy_from_slice(&scratch.cluster[inside..inside + part.len()]);
        Ok(())
    }

    /// Has the bytes of a compressed cluster in the scratch, and says where in it they are.
    fn read_ahead(&self, table: &[u8], packed: Packed, scratch: &mut Scratch) -> Result<Range<usize>, Error> {
        let Packed { guest, place, bytes, .. } = packed;
        let end = (place + bytes).min(self.file_bytes);
        if place < scratch.ahead_range.start || end > scratch.ahead_range.end {
            let ahead_end = self.ahead_end(table, packed)?.min(self.file_bytes);
            let len = usize::try_from(ahead_end - place).expect("reading ahead is bounded");
            if scratch.ahead.len() < len {
                scratch.ahead.resize(len, 0);
            }
            scratch.ahead_range = 0..0;
            self.file.read_at(place, &mut scratch.ahead[..len]).map_err(|e| reading(guest, e))?;
            scratch.ahead_range = place..ahead_end;
        }
        let base = scratch.ahead_range.start;
        let inside = |at: u64| usize::try_from(at - base).expect("the range was just checked");
        Ok(inside(place)..inside(end))
    }

    /// How far to read from a compressed cluster on: as far as those that follow it in the disk, up
    /// to the end of the call, follow it in the file as well.
    fn ahead_end(&self, table: &[u8], packed: Packed) -> Result<u64, Error> {
        let mut end = packed.place + packed.bytes;
        let mut guest = packed.guest + self.header.cluster_bytes();
        while guest < packed.until {
            match self.piece(table, guest)?.0 {
                Stretch::Zero => {}
                Stretch::Compressed { place, bytes }
                    if (packed.place..=end).contains(&place)
                        && place + bytes <= packed.place + READ_AHEAD_BYTES =>
                {
                    end = end.max(place + bytes);
                }
                Stretch::Compressed { .. } | Stretch::Host(_) => break,
            }
            guest += self.header.cluster_bytes();
        }
        Ok(end)
    }

    /// A scratch that no other thread uses, if possible one that has this cluster decoded.
    fn take_scratch(&self, guest: u64) -> Result<Scratch, Error> {
        let mut scratches = lock(&self.scratches);
        if let Some(at) = scratches.iter().position(|scratch| scratch.decoded == Some(guest)) {
            return Ok(scratches.swap_remove(at));
        }
        if let Some(scratch) = scratches.pop() {
            return Ok(scratch);
        }
        drop(scratches);
        Ok(Scratch {
            decoder: Decoder::new(self.header.codec).map_err(|e| Error::io("making room to decode", e))?,
            ahead: Vec::new(),
            ahead_range: 0..0,
            cluster: Vec::new(),
            decoded: None,
        })
    }

    /// Number of the L2 table that maps a guest byte, and where its mapping ends.
    fn mapped_by(&self, guest: u64) -> (usize, u64) {
        let number = guest / self.header.l2_span();
        let end = ((number + 1) * self.header.l2_span()).min(self.header.disk_bytes);
        (usize::try_from(number).expect("the L1 table fits into memory"), end)
    }
}

impl Source for Qcow2Source {
    fn format(&self) -> Format {
        Format::Qcow2
    }

    fn disk_bytes(&self) -> u64 {
        self.header.disk_bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        check_inside(offset, out.len(), self.header.disk_bytes)?;
        let mut scratch = None;
        let (mut guest, mut rest) = (offset, out);
        while !rest.is_empty() {
            let (number, end) = self.mapped_by(guest);
            let len = usize::try_from(end - guest).unwrap_or(usize::MAX).min(rest.len());
            let (part, behind) = rest.split_at_mut(len);
            match self.table(number)? {
                Some(table) => self.read_mapped(&table, guest, part, &mut scratch)?,
                None => part.fill(0),
            }
            guest += len as u64;
            rest = behind;
        }
        // After an error it is dropped, and the next reader makes one.
        lock(&self.scratches).extend(scratch);
        Ok(())
    }

    fn next_data(&self, from: u64) -> Result<Option<Range<u64>>, Error> {
        let mut holes = Holes::default();
        first_data(from, self.header.disk_bytes, |at| {
            let (number, end) = self.mapped_by(at);
            let (stretch, len) = match self.table(number)? {
                Some(table) => self.stretch(&table, at, end - at)?,
                None => (Stretch::Zero, end - at),
            };
            let data = match stretch {
                Stretch::Zero => None,
                Stretch::Compressed { .. } => Some(0..len),
                Stretch::Host(place) => holes.data_in(&*self.file, place, len)?,
            };
            Ok((len, data))
        })
    }
}

impl TableCache {
    fn get(&mut self, number: usize) -> Option<Arc<[u8]>> {
        self.clock += 1;
        let (table, used) = self.tables.get_mut(&number)?;
        *used = self.clock;
        Some(table.clone())
    }

    fn put(&mut self, number: usize, table: Arc<[u8]>, kept: u64) {
        self.clock += 1;
        if self.tables.len() as u64 >= kept {
            let oldest = self.tables.iter().min_by_key(|(_, (_, used))| *used).map(|(&number, _)| number);
            oldest.map(|number| self.tables.remove(&number));
        }
        self.tables.insert(number, (table, self.clock));
    }
}

fn reading(guest: u64, error: std::io::Error) -> Error {
    Error::io(format!("reading the qcow2's guest byte `{guest}`"), error)
}

/// Nothing that is guarded can be left half changed, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
