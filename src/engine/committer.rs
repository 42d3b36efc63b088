//! The one thread that decides: it takes what waits, decides it in order at the head of the log, and has it
//! written together with the projections it changes, while it decides what has come meanwhile.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use event::{Draft, FlowId, Path, Record, Rows, RowsMut, Scope, Seq, View};

use crate::Clock;
use crate::at::work_key;
use crate::chain;
use crate::fold::{EngineFold, FlowRow};
use crate::queue::{Found, Job, Queue, Ticket};
use crate::store::{Changes, Head, Snapshot, Staged, Store, get_row};
use crate::writer::{Writer, why_stopped};

/// How long nothing has to happen before the allocator's state is saved. An operation at the
/// keyboard follows another faster than this; a person who pulls the plug does not.
const IDLE: Duration = Duration::from_millis(if cfg!(test) { 3_600_000 } else { 300 });

/// Rows changed since the last commit, over those on their way to the disk, over those of the last commit.
pub(crate) struct Overlay {
    pub(crate) base: Snapshot,
    pub(crate) written: Arc<Changes>,
    pub(crate) changed: Staged,
}

impl Rows for Overlay {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::StaleView) && !self.changed.contains_key(key) {
            return get_row(&self.base.rows, key);
        }
        match self.changed.get(key).or_else(|| self.written.rows.get(key)) {
            Some(value) => value.clone(),
            None => get_row(&self.base.rows, key),
        }
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        let mut staged = BTreeMap::new();
        for layer in [&self.written.rows, &self.changed] {
            let under = layer
                .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix));
            staged.extend(under.map(|(key, value)| (key.as_slice(), value.as_deref())));
        }
        let mut staged = staged.into_iter().peekable();
        let mut go_on = true;
        self.base.scan(prefix, &mut |key, value| {
            while let Some((ours, new)) = staged.next_if(|(ours, _)| *ours < key) {
                go_on = new.is_none_or(|new| visit(ours, new));
                if !go_on {
                    return false;
                }
            }
            go_on = match staged.next_if(|(ours, _)| *ours == key) {
                Some((_, Some(new))) => visit(key, new),
                Some((_, None)) => true,
                None => visit(key, value),
            };
            go_on
        });
        for (ours, new) in staged {
            if !go_on {
                return;
            }
            go_on = new.is_none_or(|new| visit(ours, new));
        }
    }
}

impl RowsMut for Overlay {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.changed.insert(key, value);
    }
}

/// What a job may do while it is decided.
pub(crate) struct Batch<'a> {
    fold: &'a mut EngineFold,
    head: &'a mut Head,
    overlay: Overlay,
    records: Vec<Record>,
    work: Staged,
    /// Flows that have, or may have, working rows.
    workers: &'a mut HashSet<FlowId>,
    now_ms: i64,
}

/// Where a record goes.
pub(crate) struct Slot<'a> {
    pub(crate) flow: FlowId,
    pub(crate) path: &'a str,
    pub(crate) scope: &'a Scope,
}

/// Who a flow is, before there is a row of it.
pub(crate) struct Origin {
    pub(crate) actor: event::Actor,
    pub(crate) cause: event::Cause,
}

impl Batch<'_> {
    /// A flow that has not ended.
    pub(crate) fn flow(&self, id: FlowId) -> Option<&FlowRow> {
        self.fold.flows.get(&id).filter(|flow| !flow.state.has_ended())
    }

    /// The flows that have not ended, oldest first.
    pub(crate) fn open(&self) -> Vec<FlowRow> {
        let mut open: Vec<_> =
            self.fold.flows.values().filter(|flow| !flow.state.has_ended()).cloned().collect();
        open.sort_unstable_by_key(|flow| flow.id);
        open
    }

    /// A flow that ended in this commit.
    pub(crate) fn ended(&self, id: FlowId) -> Option<&FlowRow> {
        self.fold.flows.get(&id).filter(|flow| flow.state.has_ended())
    }

    /// How many flows have not ended.
    pub(crate) fn open_flows(&self) -> usize {
        self.fold.flows.len()
    }

    pub(crate) fn rows(&self) -> &dyn Rows {
        &self.overlay
    }

    /// The time of what is written now, milliseconds since 1970 UTC.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The last event written.
    pub(crate) fn head(&self) -> Seq {
        self.head.seq
    }

    /// Asks a pure function about a scope, at the head. A panic in it is an answer, too.
    pub(crate) fn ask<T>(&self, scope: &Scope, decide: impl FnOnce(&View<'_>) -> T) -> Result<T, String> {
        let view = View::new(&self.overlay, scope, self.now_ms);
        catch_unwind(AssertUnwindSafe(|| decide(&view))).map_err(|panic| panic_text(&*panic))
    }

    /// Writes an event of a flow that has been started.
    pub(crate) fn append(&mut self, slot: &Slot<'_>, draft: Draft) -> Option<(Seq, i64)> {
        let flow = self.flow(slot.flow)?;
        let (actor, cause, last) = (flow.actor.clone(), flow.cause.clone(), flow.last);
        Some(self.write(slot, Origin { actor, cause }, Some(last), draft))
    }

    /// Writes the first event of a flow.
    pub(crate) fn begin(&mut self, slot: &Slot<'_>, origin: Origin, draft: Draft) -> (Seq, i64) {
        self.write(slot, origin, None, draft)
    }

    fn write(&mut self, slot: &Slot<'_>, origin: Origin, previous: Option<Seq>, draft: Draft) -> (Seq, i64) {
        let record = Record {
            seq: self.head.seq.next(),
            time_ms: self.now_ms,
            flow: slot.flow,
            path: Path::from(slot.path),
            kind: draft.kind.to_owned(),
            scope: slot.scope.clone(),
            subjects: draft.subjects,
            actor: origin.actor,
            cause: origin.cause,
            previous,
            payload: draft.payload,
        };
        self.fold.apply(&mut self.overlay, &record);
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::FoldTwice) && record.kind.ends_with("counted/1") {
            self.fold.apply(&mut self.overlay, &record);
        }
        self.head.seq = record.seq;
        self.head.time_ms = record.time_ms;
        let written = (record.seq, record.time_ms);
        self.records.push(record);
        written
    }

    /// A working row.
    pub(crate) fn work_row(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.work.get(key).or_else(|| self.overlay.written.work.get(key)) {
            Some(staged) => staged.clone(),
            None => self.overlay.base.work(key).expect("the database reads"),
        }
    }

    /// Puts or removes a working row: durable, but neither history nor projection.
    pub(crate) fn set_work(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if let Some(flow) = key.first_chunk::<16>() {
            self.workers.insert(FlowId(*flow));
        }
        self.work.insert(key, value);
    }

    /// Puts a working row of a flow that has not ended; an ended one has none.
    pub(crate) fn keep(&mut self, flow: FlowId, path: &str, name: &str, value: Vec<u8>) {
        if self.flow(flow).is_some() {
            self.set_work(work_key(flow, path, name), Some(value));
        }
    }

    /// Removes the working rows of a flow whose name ends so; all of them for an empty `name`.
    pub(crate) fn clear_work(&mut self, flow: FlowId, name: &str) {
        if !self.workers.contains(&flow) {
            return;
        }
        let chosen = |key: &[u8]| key.starts_with(&flow.0) && key.ends_with(name.as_bytes());
        let stored = self.overlay.base.work_keys(&flow.0).expect("the database reads");
        let stored = stored.into_iter().filter(|key| chosen(key));
        let staged = [&self.overlay.written.work, &self.work].into_iter().flat_map(|layer| layer.keys());
        let staged: Vec<_> = staged.filter(|key| chosen(key)).cloned().collect();
        self.work.extend(stored.chain(staged).map(|key| (key, None)));
        if name.is_empty() {
            self.workers.remove(&flow);
        }
    }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}

/// The committer's life.
pub(crate) struct Committer {
    pub(crate) store: Arc<Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fold: EngineFold,
    pub(crate) head: Head,
    /// Flows that have, or may have, working rows.
    pub(crate) workers: HashSet<FlowId>,
}

impl Committer {
    /// Works until the queue is closed or a commit fails. A failed commit is never tried again:
    /// the kernel may have dropped what it could not write.
    pub(crate) fn run(mut self) {
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let writer = Writer::spawn(self.store.clone(), self.queue.clone()).map_err(redb::Error::Io)?;
            self.work(&writer)
        }));
        // The writer has ended by now: everything handed to it is on disk, or it has said why not.
        self.queue.stop(why_stopped(worked));
    }

    fn work(&mut self, writer: &Writer) -> Result<(), redb::Error> {
        let mut taken = 0;
        let mut unsettled = false;
        let mut written = Arc::new(Changes::default());
        loop {
            let jobs = match self.queue.take(unsettled.then_some(IDLE)) {
                Found::Jobs(jobs) => jobs,
                Found::Idle if !self.queue.is_writing() => {
                    self.store.settle()?;
                    unsettled = false;
                    continue;
                }
                Found::Nothing | Found::Idle => continue,
                Found::Closed => return Ok(()),
            };
            if !self.queue.is_writing() {
                written = Arc::default();
            }
            let changes = Arc::new(self.decide(jobs, written, &mut taken)?);
            unsettled |= !changes.is_empty();
            if !writer.write(changes.clone(), Ticket(taken)) {
                return Ok(());
            }
            written = changes;
        }
    }

    /// Decides what waits, on top of what is being written.
    fn decide(
        &mut self,
        mut jobs: VecDeque<Job>,
        written: Arc<Changes>,
        taken: &mut u64,
    ) -> Result<Changes, redb::Error> {
        let base = self.store.snapshot().map_err(|error| redb::Error::Corrupted(error.to_string()))?;
        let mut batch = Batch {
            now_ms: self.clock.now_ms().max(self.head.time_ms),
            fold: &mut self.fold,
            head: &mut self.head,
            workers: &mut self.workers,
            overlay: Overlay { base, written, changed: BTreeMap::new() },
            records: Vec::new(),
            work: BTreeMap::new(),
        };
        loop {
            // Anew each time: a batch may stay open for as long as the one before takes to be written.
            batch.now_ms = self.clock.now_ms().max(batch.now_ms);
            #[cfg(test)]
            if crate::planted::is(crate::planted::Planted::Reorder) {
                jobs.make_contiguous().reverse();
            }
            for job in jobs {
                *taken += 1;
                job(&mut batch);
            }
            match self.queue.take_more(batch.records.len()) {
                Found::Jobs(more) => jobs = more,
                _ => break,
            }
        }
        batch.fold.flush(&mut batch.overlay);
        let mut changes = Changes { rows: batch.overlay.changed, work: batch.work, ..Changes::default() };
        if !batch.records.is_empty() {
            changes.log = chain::pack(&batch.records, &mut self.head.hash);
            changes.head = Some(self.head);
        }
        Ok(changes)
    }
}
