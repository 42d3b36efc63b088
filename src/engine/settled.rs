//! Which projection rows will never be another: those of flows that have ended, and of nothing else that goes on.
//!
//! A flow that has ended has no more records, so its row and the request that began it stay as they are. A list
//! is changed by flows in the block in which they began; when all of those have ended and the log has gone past
//! it, so does the block. By this one rule rows are moved out of the log's database, and let go of while the log
//! is folded anew.

use std::collections::{HashMap, HashSet};

use event::{FlowId, Seq};

use crate::ended::begun_by;
use crate::fold::{FLOWS, FlowRow};
use crate::index;

/// What goes on, and up to where is looked.
pub(crate) struct Settled {
    /// Flows that have not ended.
    open: HashMap<FlowId, Seq>,
    /// The blocks in which they began.
    open_blocks: HashSet<u64>,
    /// Only what has its last event here or before.
    upto: Seq,
}

impl Settled {
    /// Up to an event, with the flows that have not ended and their first events.
    pub(crate) fn new(open: impl Iterator<Item = (FlowId, Seq)>, upto: Seq) -> Self {
        let open: HashMap<_, _> = open.collect();
        let open_blocks = open.values().map(|first| index::block_of(*first)).collect();
        Self { open, open_blocks, upto }
    }

    /// The same, up to an earlier event at most.
    pub(crate) fn up_to(mut self, upto: Seq) -> Self {
        self.upto = self.upto.min(upto);
        self
    }

    /// Whether a row will never be another. `flow` finds the row of a flow.
    pub(crate) fn has(&self, key: &[u8], value: &[u8], flow: impl Fn(FlowId) -> Option<FlowRow>) -> bool {
        if key.starts_with(b"flow\0") {
            return self.has_flow(&FLOWS.read(value));
        }
        if key.starts_with(b"request\0") {
            let Some(id) = begun_by(value) else { return false };
            // Whose row is not here any more has ended long ago.
            return !self.open.contains_key(&id) && flow(id).is_none_or(|flow| self.has_flow(&flow));
        }
        index::block_in(key)
            .is_some_and(|block| index::last_of(block) <= self.upto && !self.open_blocks.contains(&block))
    }

    fn has_flow(&self, flow: &FlowRow) -> bool {
        flow.state.has_ended() && flow.last <= self.upto
    }
}
