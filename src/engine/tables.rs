//! Everything as of one commit: the log wherever it lies, the projection rows of both files, the working rows.

use std::ops::{Bound, Deref};
use std::sync::Arc;

use event::{Record, Rows, Seq};
use redb::{AccessGuard, ReadOnlyTable};

use crate::Error;
use crate::archive::{Archive, LogRows};
use crate::chain::{self, Hash};
use crate::ended::{EndedRows, Mark, may_hold};
use crate::marks::Marks;
use crate::seal::unseal;
use crate::store::{ENDED_MARK, FOLD, HEAD, Head, INCARNATION, TOLD};

/// Everything as of one commit. Reads of a damaged file may panic inside redb; whoever serves
/// people catches that at the edge.
#[derive(Clone)]
pub(crate) struct Snapshot(Arc<Tables>);

/// The tables as of one commit.
pub(crate) struct Tables {
    pub(crate) log: ReadOnlyTable<u64, &'static [u8]>,
    pub(crate) rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(crate) work: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(crate) meta: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(crate) marks: Arc<Marks>,
    /// The last commit that was over when they were opened.
    pub(crate) commit: u64,
    /// The part of the log that is not in the database any more.
    pub(crate) archive: Archive,
    /// The rows that are not in the database any more, if there are any.
    pub(crate) ended: Option<EndedRows>,
}

impl From<Tables> for Snapshot {
    fn from(tables: Tables) -> Self {
        Self(Arc::new(tables))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

impl Deref for Snapshot {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.0
    }
}

impl Snapshot {
    /// The last commit whose changes are in it.
    pub(crate) fn commit(&self) -> u64 {
        self.commit
    }

    /// Whether the rows of a table and scope are what they were as of a commit.
    pub(crate) fn is_unchanged(&self, prefix: &[u8], since: u64) -> bool {
        // What was read later than this was opened need not be what this shows.
        self.marks.is_unchanged(prefix, since.min(self.commit))
    }

    pub(crate) fn head(&self) -> Result<Head, Error> {
        match self.meta(HEAD)? {
            Some(bytes) => rmp_serde::from_slice(&bytes).map_err(Error::read),
            None => Ok(Head { seq: Seq(0), hash: chain::GENESIS, time_ms: 0 }),
        }
    }

    pub(crate) fn fold(&self) -> Result<Option<u32>, Error> {
        Ok(self.meta(FOLD)?.and_then(|bytes| bytes.try_into().ok().map(u32::from_le_bytes)))
    }

    pub(crate) fn incarnation(&self) -> Result<u64, Error> {
        let bytes = self.meta(INCARNATION)?;
        Ok(bytes.and_then(|bytes| bytes.try_into().ok().map(u64::from_le_bytes)).unwrap_or(0))
    }

    /// Up to which entry of the journal the database has them.
    pub(crate) fn told(&self) -> Result<u64, Error> {
        let bytes = self.meta(TOLD)?;
        Ok(bytes.and_then(|bytes| bytes.try_into().ok().map(u64::from_le_bytes)).unwrap_or(0))
    }

    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let sealed = self.meta.get(name).map_err(Error::read)?;
        sealed.map(|sealed| unseal(name.as_bytes(), sealed.value())).transpose()
    }

    /// How many moves of rows the database has forgotten rows by.
    pub(crate) fn ended_mark(&self) -> Result<Option<Mark>, Error> {
        let bytes = self.meta(ENDED_MARK)?;
        bytes.map(|bytes| rmp_serde::from_slice(&bytes).map_err(Error::read)).transpose()
    }

    /// The row that holds `seq`, or is the last before it, with its first sequence.
    pub(crate) fn row_at(&self, seq: Seq) -> Result<Option<(u64, Vec<u8>)>, Error> {
        self.with_row_at(seq, |first, bytes| (first, bytes.to_vec()))
    }

    /// Looks at that row where it lies: of a crowd's commit it is large, and often one record of it is wanted.
    fn with_row_at<T>(&self, seq: Seq, look: impl FnOnce(u64, &[u8]) -> T) -> Result<Option<T>, Error> {
        let end = self.archive.end();
        if seq > end {
            let row = self.log.range(end.0 + 1..=seq.0).map_err(Error::read)?.next_back();
            if let Some(row) = row {
                let (first, bytes) = row.map_err(Error::read)?;
                return Ok(Some(look(first.value(), bytes.value())));
            }
        }
        Ok(self.archive.row_at(seq.min(end))?.map(|(first, row)| look(first, &row)))
    }

    /// The chain's hash before the row that begins at `first`, if there is one before it.
    pub(crate) fn hash_before(&self, first: u64) -> Result<Option<Hash>, Error> {
        // Of the archive's end it is known without reading it.
        match self.archive.last() {
            Some(segment) if segment.last.0 + 1 == first => Ok(Some(segment.hash)),
            _ => Ok(self.with_row_at(Seq(first - 1), |_, row| chain::hash_of(row))?.flatten()),
        }
    }

    /// The rows of the log whose first event is `from` or later, wherever they lie.
    pub(crate) fn log_rows(&self, from: u64) -> Result<LogRows, Error> {
        let live = self.log.range(from.max(self.archive.end().0 + 1)..).map_err(Error::read)?;
        Ok(LogRows { archived: self.archive.rows(from), live })
    }

    /// One record.
    pub(crate) fn record(&self, seq: Seq) -> Result<Option<Record>, Error> {
        let read = self.with_row_at(seq, |first, row| chain::read_one(row, seq.0 - first))?;
        let Some(record) = read else { return Ok(None) };
        let record = record.map_err(|why| Error::read(format!("event {seq} does not decode: {why}")))?;
        match record {
            Some(record) if record.seq != seq => {
                Err(Error::read(format!("event {} stands in the place of event {seq}", record.seq)))
            }
            record => Ok(record),
        }
    }

    /// The keys of working rows that begin with `prefix`.
    pub(crate) fn work_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let mut keys = Vec::new();
        for row in self.work.range(prefix..).map_err(Error::read)? {
            let (key, _) = row.map_err(Error::read)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            keys.push(key.value().to_vec());
        }
        Ok(keys)
    }

    pub(crate) fn work(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.work.get(key).map_err(Error::read)?.map(|sealed| unseal(key, sealed.value())).transpose()
    }
}

impl Snapshot {
    /// Projection rows by key, wherever they lie; `prefix` is what all the keys begin with.
    pub(crate) fn rows_in(
        &self,
        prefix: &[u8],
        begin: Bound<&[u8]>,
        end: Bound<&[u8]>,
        is_back: bool,
    ) -> Result<Merged, Error> {
        let live = Some(self.rows.range::<&[u8]>((begin, end)).map_err(Error::read)?);
        let ended = self.ended.as_ref().filter(|_| may_hold(prefix));
        let ended = ended.map(|ended| ended.range::<&[u8]>((begin, end)).map_err(Error::read)).transpose()?;
        Ok(Merged { live, ended, next_live: None, next_ended: None, is_back, live_is_over: false })
    }

    /// The same of the second file alone.
    pub(crate) fn ended_rows_in(&self, begin: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<Merged, Error> {
        let ended = self.ended.as_ref();
        let ended = ended.map(|ended| ended.range::<&[u8]>((begin, end)).map_err(Error::read)).transpose()?;
        Ok(Merged { live: None, ended, next_live: None, next_ended: None, is_back: true, live_is_over: true })
    }

    /// Visits the rows whose key begins with `prefix`, last first, until `visit` says `false`; from
    /// the one before the key `before`, if it is given.
    pub(crate) fn scan_back(
        &self,
        prefix: &[u8],
        before: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let end = end_of(prefix).expect("a prefix ends with a separator, which is 0");
        let end = before.unwrap_or(&end).max(prefix);
        let mut rows = self.rows_in(prefix, Bound::Included(prefix), Bound::Excluded(end), true)?;
        while let Some((_, value)) = rows.next()? {
            if !visit(value.value()) {
                break;
            }
        }
        Ok(())
    }
}

impl Rows for Snapshot {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let found = get_row(&self.rows, key);
        let ended = self.ended.as_ref().filter(|_| found.is_none() && may_hold(key));
        found.or_else(|| ended.and_then(|ended| get_row(ended, key)))
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        let end = end_of(prefix);
        // The end as near as can be: redb goes down to it as well, and what lies beside the beginning has
        // just been read.
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows_in(prefix, Bound::Included(prefix), end, false);
        let mut rows = rows.expect("the database reads");
        while let Some((key, value)) = rows.next().expect("the database reads") {
            if !visit(key.value(), value.value()) {
                return;
            }
        }
    }
}

type Guard = AccessGuard<'static, &'static [u8]>;
type Range = redb::Range<'static, &'static [u8], &'static [u8]>;

/// Rows of both files in the order of their keys. One that is in both, which a move that was cut short leaves, is
/// the same in both, and comes once.
pub(crate) struct Merged {
    live: Option<Range>,
    ended: Option<Range>,
    next_live: Option<(Guard, Guard)>,
    next_ended: Option<(Guard, Guard)>,
    is_back: bool,
    /// The log's own database had no row left when the last one was asked for.
    pub(crate) live_is_over: bool,
}

impl Merged {
    /// The next row, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<(Guard, Guard)>, Error> {
        let is_back = self.is_back;
        let pull = |rows: &mut Option<Range>| {
            let row = rows.as_mut().and_then(|rows| if is_back { rows.next_back() } else { rows.next() });
            row.transpose().map_err(Error::read)
        };
        if self.next_live.is_none() {
            self.next_live = pull(&mut self.live)?;
        }
        self.live_is_over = self.next_live.is_none();
        if self.next_ended.is_none() {
            self.next_ended = pull(&mut self.ended)?;
        }
        let (Some(live), Some(other)) = (&self.next_live, &self.next_ended) else {
            return Ok(self.next_live.take().or_else(|| self.next_ended.take()));
        };
        let order = live.0.value().cmp(other.0.value());
        let order = if is_back { order.reverse() } else { order };
        if order.is_eq() {
            self.next_ended = None;
        }
        Ok(if order.is_le() { self.next_live.take() } else { self.next_ended.take() })
    }
}

/// The first key behind all that begin with `prefix`; none if there is no such key.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// The records of a row that begins at `first`.
pub(crate) fn records_in(first: u64, row: &[u8]) -> Result<Vec<Record>, Error> {
    chain::read(row).map_err(|why| Error::read(format!("event {first} does not decode: {why}")))
}

pub(crate) fn get_row(rows: &ReadOnlyTable<&'static [u8], &'static [u8]>, key: &[u8]) -> Option<Vec<u8>> {
    rows.get(key).expect("the database reads").map(|value| value.value().to_vec())
}
