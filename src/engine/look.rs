//! Looking things up in a snapshot that only callers from outside ask for.

use event::{FlowId, Rows, Seq};

use crate::chain::{self, Hash};
use crate::fold::{REQUESTS, house};
use crate::{Error, Snapshot};

impl Snapshot {
    /// The flow that a request has started, if it has.
    pub fn started_by(&self, request: &str) -> Option<FlowId> {
        REQUESTS.get(&self.0, &house(), &[request])
    }

    /// The requests whose ids begin so and have started a flow, by id.
    pub fn requests_under(&self, prefix: &str) -> Vec<String> {
        let table = REQUESTS.key(&house(), &[""]);
        let wanted = REQUESTS.key(&house(), &[prefix]);
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
}
