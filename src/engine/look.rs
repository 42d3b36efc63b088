//! Looking things up in a snapshot that only callers from outside ask for.

use event::{Event, FlowId, Record, Rows, Seq};

use crate::chain::{self, Hash};
use crate::fold::{self, REQUESTS, house};
use crate::kinds::Started;
use crate::lineage::{Lineage, Restored};
use crate::store::records_in;
use crate::{Error, Snapshot};

/// Some of the records that were looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Those found, oldest first.
    pub records: Vec<Record>,
    /// Where to look on; none when all has been looked at.
    pub next: Option<Seq>,
}

impl Snapshot {
    /// The number of the last commit in this opening of the log whose changes are seen.
    pub fn commit(&self) -> u64 {
        self.0.commit()
    }

    /// Whether the rows of the table and scope that `prefix` begins with are what they were as of a
    /// [`Snapshot::commit`]. A no may be said where nothing has changed; a yes is one.
    pub fn is_unchanged(&self, prefix: &[u8], since: u64) -> bool {
        self.0.is_unchanged(prefix, since)
    }

    /// The flow that a request has started, if it has.
    pub fn started_by(&self, request: &str) -> Option<FlowId> {
        REQUESTS.get(&self.0, house(), &[request])
    }

    /// The requests whose ids begin so and have started a flow, by id.
    pub fn requests_under(&self, prefix: &str) -> Vec<String> {
        let table = REQUESTS.key(house(), &[""]);
        let wanted = REQUESTS.key(house(), &[prefix]);
        let mut found = Vec::new();
        self.0.scan(&wanted, &mut |key, _| {
            found.push(String::from_utf8_lossy(&key[table.len()..]).into_owned());
            true
        });
        found
    }

    /// The chain's hash behind an event, if a row of the log ends with it: what `verify` gave as
    /// the head's hash when that event was the head.
    pub fn hash_at(&self, seq: Seq) -> Result<Option<Hash>, Error> {
        let Some((first, row)) = self.0.row_at(seq)? else { return Ok(None) };
        let records = chain::read(&row).map_err(|why| Error::read(format!("event {first}: {why}")))?;
        Ok((chain::last_of(&records, first) == seq).then(|| chain::hash_of(&row)).flatten())
    }

    /// A name for this log that no other has: the chain's hash behind its first row. None while it is empty.
    pub fn log_id(&self) -> Result<Option<Hash>, Error> {
        if let Some(segment) = self.0.archive.last() {
            // Known also where the segment itself is gone.
            return Ok(Some(segment.log));
        }
        Ok(self.0.row_at(Seq(1))?.and_then(|(_, row)| chain::hash_of(&row)))
    }

    /// How often the log has been opened.
    pub fn incarnation(&self) -> Result<u64, Error> {
        self.0.incarnation()
    }

    /// Visits the rows of the log as they lie, each with its first event, from the one that holds `from` on.
    pub fn log_rows<E: From<Error>>(
        &self,
        from: Seq,
        mut visit: impl FnMut(Seq, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let begin = self.0.row_at(from)?.map_or(from.0, |(first, _)| first);
        for row in self.0.log_rows(begin)? {
            let (first, bytes) = row?;
            visit(Seq(first), &bytes)?;
        }
        Ok(())
    }

    /// Where the log was restored from a backup and began anew, newest last. Reads the log from the first such
    /// record on, and nothing if there is none.
    pub fn lineage(&self) -> Result<Vec<Lineage>, Error> {
        let Some(first) = fold::first_of(&self.0, Restored::KIND) else { return Ok(Vec::new()) };
        let page =
            self.records_where(first, self.head()?, usize::MAX, |record| record.kind == Restored::KIND)?;
        let told = page.records.into_iter().filter_map(|record| {
            let restored = record.get::<Restored>().ok()?;
            Some(Lineage { seq: record.seq, time_ms: record.time_ms, restored })
        });
        Ok(told.collect())
    }

    /// The first record of a flow: its story, the version, the input it was started with.
    ///
    /// # Errors
    /// If the log cannot be read; no flow of that id is `None`.
    pub fn started(&self, id: FlowId) -> Result<Option<Started>, Error> {
        let Some(flow) = self.flow(id) else { return Ok(None) };
        let first = self.record(flow.first)?;
        let first = first.ok_or_else(|| Error::read(format!("event {} is missing", flow.first)))?;
        first.get().map(Some).map_err(Error::read)
    }

    /// The records from `from` up to and including `to` that `wanted` says yes to, at most `count`
    /// of them (at least one). Holds those and one row of the log (4 KB) in memory; reads every
    /// record from `from` to the last it returns, or to the end if there are not so many.
    pub fn records_where(
        &self,
        from: Seq,
        to: Seq,
        count: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<Page, Error> {
        let (from, to) = (from.max(Seq(1)), to.min(self.head()?));
        let mut page = Page { records: Vec::new(), next: None };
        if from > to {
            return Ok(page);
        }
        let begin = self.0.row_at(from)?.map_or(from.0, |(first, _)| first);
        for row in self.0.log_rows(begin)? {
            let (first, bytes) = row?;
            if first > to.0 {
                break;
            }
            let records = records_in(first, &bytes)?;
            for record in records.into_iter().filter(|record| (from..=to).contains(&record.seq)) {
                let seq = record.seq;
                if wanted(&record) {
                    page.records.push(record);
                }
                if page.records.len() >= count.max(1) {
                    page.next = (seq < to).then(|| seq.next());
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }
}
