//! The plan of faults, and the counters by which a test says where each strikes.
//!
//! A call either changes something (`Change`, `Sync`) or only looks (`Look`); each of the three
//! has its own number, counted from the disk's making.

use std::collections::BTreeMap;
use std::io;

/// How often the disk was asked for what, since it was made. Preparations of a test (`put`,
/// `settle`, `get`, `corrupt`) do not count; calls that fail do, unless the power was gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Changing calls: writes, lengths, syncs, and every making, renaming or removing of a name.
    pub calls: u64,
    /// Calls that only look: reads, identities, lists, opening what exists.
    pub reads: u64,
    /// Syncs of files and of directories, which count as changing calls too.
    pub syncs: u64,
    /// Bytes given to `write_at`.
    pub written_bytes: u64,
}

/// What kind of call is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Look,
    Change,
    Sync,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power goes instead of the call.
    Cut,
    /// The call is performed in part, then the power goes.
    Tear,
    /// The call fails, once.
    Fail(io::ErrorKind),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) counts: Counts,
    by_call: BTreeMap<u64, Fault>,
    by_read: BTreeMap<u64, Fault>,
    by_sync: BTreeMap<u64, Fault>,
}

impl Faults {
    pub(crate) fn at_call(&mut self, from_now: u64, fault: Fault) {
        plan(&mut self.by_call, self.counts.calls, from_now, fault);
    }

    pub(crate) fn at_read(&mut self, from_now: u64, fault: Fault) {
        plan(&mut self.by_read, self.counts.reads, from_now, fault);
    }

    pub(crate) fn at_sync(&mut self, from_now: u64, fault: Fault) {
        plan(&mut self.by_sync, self.counts.syncs, from_now, fault);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { counts: self.counts, ..Self::default() };
    }

    /// Counts a call and says what strikes it.
    pub(crate) fn strike(&mut self, call: Call) -> Option<Fault> {
        if call == Call::Look {
            self.counts.reads += 1;
            return self.by_read.remove(&self.counts.reads);
        }
        self.counts.calls += 1;
        let by_call = self.by_call.remove(&self.counts.calls);
        if call == Call::Change {
            return by_call;
        }
        self.counts.syncs += 1;
        by_call.or(self.by_sync.remove(&self.counts.syncs))
    }
}

fn plan(faults: &mut BTreeMap<u64, Fault>, done: u64, from_now: u64, fault: Fault) {
    assert!(from_now > 0, "the next call is the first from now, not the zeroth");
    faults.insert(done + from_now, fault);
}
