//! What is in the log, to look at: flows, records, rows, as of one commit.
//!
//! It deliberately drives and changes nothing, so that looking never gets in the way.

use event::{FlowId, Record, Refusal, Rows, Seq};

use crate::fold::{self, FLOWS, FlowRow, house};
use crate::index::{self, Facet};
use crate::{Error, audit, open, unwind};

/// Everything as of one commit. Reading a damaged file may panic inside redb; catch that where
/// people are answered.
pub struct Snapshot(pub(crate) crate::store::Snapshot);

impl Rows for Snapshot {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        self.0.scan(prefix, visit);
    }
}

impl Snapshot {
    /// The last event's place; 0 if there is none.
    pub fn head(&self) -> Result<Seq, Error> {
        Ok(self.0.head()?.seq)
    }

    /// One flow.
    pub fn flow(&self, id: FlowId) -> Option<FlowRow> {
        fold::flow(&self.0, id)
    }

    /// Flows, newest first, those that `wanted` says yes to, at most `count`. Reads no more than it has to look at.
    pub fn flows(&self, count: usize, wanted: impl Fn(&FlowRow) -> bool) -> Result<Vec<FlowRow>, Error> {
        self.flows_before(None, count, wanted)
    }

    /// The same, from the one before `cursor` on: the next page, for whoever gives the last flow of
    /// the page before. Flows that are started meanwhile neither repeat nor hide any.
    pub fn flows_before(
        &self,
        cursor: Option<FlowId>,
        count: usize,
        wanted: impl Fn(&FlowRow) -> bool,
    ) -> Result<Vec<FlowRow>, Error> {
        let mut found = Vec::new();
        if count == 0 {
            return Ok(found);
        }
        let before = cursor.map(|id| FLOWS.key(house(), &[&id.to_string()]));
        self.0.scan_back(&FLOWS.key(house(), &[""]), before.as_deref(), &mut |row| {
            let flow = fold::come(&self.0, FLOWS.read(row));
            if wanted(&flow) {
                found.push(flow);
            }
            found.len() < count
        })?;
        Ok(found)
    }

    /// Flows that have not ended, oldest first.
    pub fn open_flows(&self) -> Vec<FlowRow> {
        open::all(&self.0).into_iter().filter_map(|open| self.flow(open.id)).collect()
    }

    /// One record.
    pub fn record(&self, seq: Seq) -> Result<Option<Record>, Error> {
        self.0.record(seq)
    }

    /// The records of a flow, oldest first.
    pub fn records_of(&self, flow: &FlowRow) -> Result<Vec<Record>, Error> {
        unwind::records_of(&self.0, flow)
    }

    /// The records that concern a subject, oldest first.
    pub fn history(&self, subject: &str) -> Result<Vec<Record>, Error> {
        let mut found = Vec::new();
        for flow in index::with(&self.0, Facet::Subject(subject)).into_iter().filter_map(|id| self.flow(id)) {
            let records = self.records_of(&flow)?;
            found.extend(
                records
                    .into_iter()
                    .filter(|record| record.subjects.iter().any(|concerned| concerned.as_str() == subject)),
            );
        }
        found.sort_unstable_by_key(|record| record.seq);
        Ok(found)
    }

    /// The records from `from` on, at most `count`.
    pub fn records(&self, from: Seq, count: usize) -> Result<Vec<Record>, Error> {
        audit::records(&self.0, from, count)
    }
}

/// The refusal of a flow that did not end well, or the engine's word for a parked one.
impl FlowRow {
    /// What a caller is told of a flow that ended badly or waits for a person.
    pub fn trouble(&self) -> Option<Refusal> {
        if let Some(why) = &self.parked {
            let advice = format!("when it is mended: `kiln workflow resume {}`", self.id);
            return Some(Refusal::new("OperationParked", format!("it is parked: {why}")).advise(advice));
        }
        self.refusal()
    }
}
