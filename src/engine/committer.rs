//! The one thread that decides: it takes what waits, decides it in order at the head of the log, and has it
//! written together with the projections it changes, while it decides what has come meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use event::{Actor, Cause, Draft, FlowId, Path, Record, Rows, RowsMut, Scope, Seq, View};

use crate::Clock;
use crate::at::work_key;
use crate::chain::Packer;
use crate::ended::Moved;
use crate::fold::{EngineFold, FlowRow, State};
use crate::keyed::KeyedSet;
use crate::queue::{Found, Job, Queue, Ticket};
use crate::segment::Segment;
use crate::store::{Changes, Head, Snapshot, Staged, Store};
use crate::writer::{Writer, why_stopped};

/// How long nothing has to happen before the allocator's state is saved. An operation at the
/// keyboard follows another faster than this; a person who pulls the plug does not.
const IDLE: Duration = Duration::from_millis(if cfg!(test) { 3_600_000 } else { 300 });

/// Flows whose rows are made when there is nothing else to do: so many that lists they share are seldom made twice.
const FLUSH_EARLY: usize = 64;

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
            return self.base.get(key);
        }
        match self.changed.get(key).or_else(|| self.written.rows.get(key)) {
            Some(value) => value.clone(),
            None => self.base.get(key),
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
    log: Packer,
    /// The record that is written, its texts filled anew each time: most are as long as those before.
    line: &'a mut Record,
    work: Staged,
    segment: Option<Segment>,
    moved: Option<Moved>,
    /// Flows that have, or may have, working rows.
    workers: &'a mut KeyedSet<FlowId>,
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
    pub(crate) actor: Actor,
    pub(crate) cause: Cause,
}

impl Batch<'_> {
    /// A flow that has not ended.
    pub(crate) fn flow(&self, id: FlowId) -> Option<&FlowRow> {
        self.fold.flows.get(&id).filter(|flow| !flow.state.has_ended())
    }

    /// The flows that have neither ended nor parked, oldest first.
    pub(crate) fn not_parked(&self) -> Vec<FlowId> {
        let is_driven = |flow: &&FlowRow| !flow.state.has_ended() && flow.state != State::Parked;
        let mut ids: Vec<_> = self.fold.flows.values().filter(is_driven).map(|flow| flow.id).collect();
        ids.sort_unstable();
        ids
    }

    /// A flow that ended in this commit, and just now: later there is its row.
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
        let flow = self.fold.flows.get(&slot.flow).filter(|flow| !flow.state.has_ended())?;
        self.line.actor.account.clone_from(&flow.actor.account);
        self.line.actor.key.clone_from(&flow.actor.key);
        match (&mut self.line.cause, &flow.cause) {
            (Cause::Request(line), Cause::Request(request)) => line.clone_from(request),
            (line, cause) => *line = cause.clone(),
        }
        self.line.previous = Some(flow.last);
        Some(self.write(slot, draft))
    }

    /// Writes the first event of a flow.
    pub(crate) fn begin(&mut self, slot: &Slot<'_>, origin: Origin, draft: Draft) -> (Seq, i64) {
        self.line.actor = origin.actor;
        self.line.cause = origin.cause;
        self.line.previous = None;
        self.write(slot, draft)
    }

    /// Writes the line, of which who and what was before are filled in.
    fn write(&mut self, slot: &Slot<'_>, draft: Draft) -> (Seq, i64) {
        let line = &mut *self.line;
        line.seq = self.head.seq.next();
        line.time_ms = self.now_ms;
        line.flow = slot.flow;
        refill(&mut line.path.0, slot.path);
        refill(&mut line.kind, draft.kind);
        refill(&mut line.scope.0, slot.scope.as_str());
        line.subjects = draft.subjects;
        line.payload = draft.payload;
        self.fold.apply(&mut self.overlay, line);
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::FoldTwice) && line.kind.ends_with("counted/1") {
            self.fold.apply(&mut self.overlay, line);
        }
        self.log.push(line, &mut self.head.hash);
        self.head.seq = line.seq;
        self.head.time_ms = line.time_ms;
        (line.seq, line.time_ms)
    }

    /// Names a segment, whose rows are forgotten, if it goes on where the archive ends: with what is being written just
    /// now, which whoever asked for it may have been told of already.
    pub(crate) fn archives(&mut self, segment: Segment) {
        let Overlay { base, written, .. } = &self.overlay;
        let end = written.segment.as_ref().map_or_else(|| base.archive.end(), |segment| segment.last);
        if segment.first == end.next() {
            self.segment = Some(segment);
        }
    }

    /// Forgets rows that are in the second file, if they are of the next move.
    pub(crate) fn moves(&mut self, moved: Moved) {
        let Overlay { base, written, .. } = &self.overlay;
        let mark = written.moved.as_ref().map(|moved| moved.mark);
        let mark = mark.or_else(|| base.ended_mark().expect("the database reads"));
        if moved.mark == mark.unwrap_or_default().next() {
            self.moved = Some(moved);
        }
    }

    /// A working row.
    pub(crate) fn work_row(&self, key: &[u8]) -> Option<Vec<u8>> {
        if key.first_chunk().is_some_and(|flow| !self.workers.contains(&FlowId(*flow))) {
            return None;
        }
        match self.work.get(key).or_else(|| self.overlay.written.work.get(key)) {
            Some(staged) => staged.clone(),
            // Neither history nor truth: a damaged one is as good as none, and stops nobody.
            None => self.overlay.base.work(key).unwrap_or_else(|error| {
                tracing::warn!(%error, "a working row is passed over");
                None
            }),
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
        let stored = self.overlay.base.work_keys(&flow.0).expect("the database reads");
        let staged = [&self.overlay.written.work, &self.work].into_iter().flat_map(|layer| {
            let from = layer.range::<[u8], _>((Bound::Included(flow.0.as_slice()), Bound::Unbounded));
            from.map(|(key, _)| key).take_while(|key| key.starts_with(&flow.0))
        });
        let mut keys: Vec<_> = stored.into_iter().chain(staged.cloned()).collect();
        keys.retain(|key| key.ends_with(name.as_bytes()));
        self.work.extend(keys.into_iter().map(|key| (key, None)));
        if name.is_empty() {
            self.workers.remove(&flow);
        }
    }
}

fn refill(text: &mut String, with: &str) {
    text.clear();
    text.push_str(with);
}

/// A record to fill.
fn blank() -> Record {
    Record {
        seq: Seq(0),
        time_ms: 0,
        flow: FlowId([0; 16]),
        path: Path::default(),
        kind: String::new(),
        scope: Scope::default(),
        subjects: Vec::new(),
        actor: Actor::default(),
        cause: Cause::Request(String::new()),
        previous: None,
        payload: Vec::new(),
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
    pub(crate) workers: KeyedSet<FlowId>,
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
        let mut line = blank();
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
            let changes = Arc::new(self.decide(jobs, written, &mut line, &mut taken)?);
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
        line: &mut Record,
        taken: &mut u64,
    ) -> Result<Changes, redb::Error> {
        let base = self.store.snapshot().map_err(|error| redb::Error::Corrupted(error.to_string()))?;
        let mut batch = Batch {
            now_ms: self.clock.now_ms().max(self.head.time_ms),
            fold: &mut self.fold,
            head: &mut self.head,
            workers: &mut self.workers,
            overlay: Overlay { base, written, changed: BTreeMap::new() },
            log: Packer::default(),
            line,
            work: BTreeMap::new(),
            segment: None,
            moved: None,
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
            if batch.fold.unflushed() >= FLUSH_EARLY && self.queue.is_writing() && self.queue.waiting() == 0 {
                // While the batch before is written there is time; when it has been, the disk waits for this one.
                batch.fold.flush(&mut batch.overlay);
            }
            match self.queue.take_more(batch.log.records()) {
                Found::Jobs(more) => jobs = more,
                _ => break,
            }
        }
        batch.fold.flush(&mut batch.overlay);
        let (rows, work, segment, moved) = (batch.overlay.changed, batch.work, batch.segment, batch.moved);
        let mut changes = Changes { rows, work, segment, moved, ..Changes::default() };
        if batch.log.records() > 0 {
            changes.log = batch.log.finish(&mut batch.head.hash);
            changes.head = Some(self.head);
        }
        Ok(changes)
    }
}
