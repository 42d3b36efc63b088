//! How the lines of a batch are done, by whatever process drives operations.
//!
//! ```text
//!  manifest ──▶ next line ──▶ `batch/ID/LINE` ──▶ its flow ──▶ ended: well, badly, parked
//!                  ▲  so many at once, so many a minute         │
//!                  └────────── budget, canary, pause, cancel ◀────┘
//!                                              │
//!                    now and then: `batch.noted`, so many lines in a row have ended
//! ```
//!
//! Nothing is kept of a line but its flow. After a restart the lines behind the last note are asked for again under
//! the same requests: those that had been started are found by them and waited for, and only the others begin. A
//! line that is refused before it is an operation leaves no flow; it stands in the next note, and if that was not
//! written it is asked again.
//!
//! It deliberately holds nothing up: a line waits for a place among those of all batches, and nothing of a
//! person's waits behind more than those.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::batch::{
    BATCH_LINES, BATCHES, Batch, BatchChange, BatchId, BatchState, Counts, Sort, UNSTARTED_MAX,
};
use domain::image::house;
use engine::State;
use event::{FlowId, Rows as _};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use workflows::ChangeBatch;

use crate::batch_course::{Course, Speed};
use crate::batch_line::{Ended, WHY_CHARS_MAX, is_held_back, request_of, started, to_end};
use crate::batches::Seen;
use crate::manifest::Line;
use crate::manifests::{Kept, Place, damaged};
use crate::service::blocking;
use crate::{Family, Service, Trouble};

/// Batches whose lines are started at once; the others wait for one to end.
const BATCHES_AT_ONCE_MAX: usize = 16;
/// How often it is noted how far a batch has come. A note is three events, whatever the batch does meanwhile; after a
/// kill, as many lines are looked up again as ended since.
const NOTE_PAUSE: Duration = Duration::from_secs(5);
/// Starts that were due and could not be are made up for, this long at most.
const LATE_MAX: Duration = Duration::from_secs(1);
/// How long a batch rests that the world did not let go on: files that were open too many are closed by then.
const AGAIN_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of what lines are sorted by: what differs behind is not told apart.
const SORT_BYTES_MAX: usize = 256;

/// A batch whose lines are started here.
#[derive(Debug, Default)]
pub(crate) struct Live {
    seen: Mutex<Seen>,
    changed: Notify,
    ended: watch::Sender<bool>,
    /// Whether lines that run are to be cancelled.
    hard: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was said of the batch.
    pub(crate) fn ring(&self) {
        self.changed.notify_one();
    }

    /// Until no line is started here any more.
    pub(crate) async fn ended(&self) {
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

impl Service {
    /// Has the lines of every batch started that has any left.
    pub(crate) fn run_batches(self: &Arc<Self>) {
        if !self.engine.is_driving() || self.engine.background_stands_still().is_some() {
            return;
        }
        let Ok(open) = self.open_batches() else { return };
        let runs = |state| matches!(state, BatchState::Running | BatchState::Cancelling);
        for batch in open.into_iter().filter(|batch| runs(batch.state)) {
            let mut all = self.running.live.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= BATCHES_AT_ONCE_MAX || all.contains_key(&batch.id) {
                continue;
            }
            let live = Arc::new(Live::default());
            all.insert(batch.id.clone(), live.clone());
            drop(all);
            let run = run_boxed(self.clone(), batch, live);
            let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
            while following.try_join_next().is_some() {}
            following.spawn(run);
        }
    }

    /// Lines of a batch that never became operations, as far as that was noted.
    fn unstarted(&self, batch: &Batch) -> Result<HashSet<u64>, Trouble> {
        let rows = self.engine.snapshot()?;
        let (mut lines, prefix) = (HashSet::new(), [batch.account.as_str(), batch.id.as_str(), ""]);
        rows.scan(&BATCH_LINES.key(&house(), &prefix), &mut |_, line| {
            lines.insert(BATCH_LINES.read(line).line);
            true
        });
        Ok(lines)
    }

    fn leave_batch(self: &Arc<Self>, id: &BatchId, live: &Live) {
        self.running.live.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        live.ended.send_replace(true);
    }

    /// A manifest that cannot be read is a person's to look at, and whoever waits is told. Says whether it was that.
    async fn told_damage(&self, batch: &Batch, trouble: &Trouble) -> bool {
        if trouble.family != Family::Damaged {
            return false;
        }
        let why = trouble.message.chars().take(WHY_CHARS_MAX).collect();
        let told = match batch.state {
            // One that is being cancelled starts nothing any more, and is over; what it started goes on.
            BatchState::Cancelling => self.tell_batch(batch, "end", BatchChange::End(batch.counts)).await,
            // That is no failure of a line.
            _ => self.tell_batch(batch, "stop", BatchChange::Stop { why, counts: Counts::default() }).await,
        };
        told.is_ok()
    }

    pub(crate) async fn tell_batch(
        &self,
        batch: &Batch,
        what: &str,
        change: BatchChange,
    ) -> Result<(), Trouble> {
        static TOLD: AtomicU64 = AtomicU64::new(0);
        let (now_ms, number) = (self.clock.now_ms(), TOLD.fetch_add(1, Ordering::Relaxed));
        // Each is another: what it says is true of the batch whenever it is said.
        let request = format!("batch-{what}/{}/{now_ms:016x}-{number}", batch.id);
        let (account, id, name) = (batch.account.clone(), batch.id.clone(), batch.name.clone());
        let flow = ChangeBatch { account, batch: id, name, change };
        crate::service::settled(&self.engine.run(batch.actor.clone(), &request, flow).await?)
    }
}

/// Boxed, for lines come out of answers, and batches out of lines.
fn run_boxed(
    service: Arc<Service>,
    batch: Batch,
    live: Arc<Live>,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let of = batch.clone();
        let ran = match Run::begin(&service, batch, &live).await {
            Ok(mut run) => run.work().await,
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = ran {
            tracing::warn!(batch = %of.id, %trouble, "a batch does not go on here");
            if !service.told_damage(&of, &trouble).await {
                // It keeps its place meanwhile, or it would be tried again without end.
                let _ = tokio::time::timeout(AGAIN_PAUSE, live.changed.notified()).await;
            }
        }
        service.leave_batch(&of.id, &live);
        // It may have been resumed while it came to rest, and others may wait for its place.
        service.run_batches();
    })
}

/// A batch whose lines are being started.
struct Run {
    service: Arc<Service>,
    live: Arc<Live>,
    batch: Arc<Batch>,
    /// Whether something was said of it since it was read.
    said: bool,
    /// Lines that an earlier process has noted as never started.
    noted_lines: HashSet<u64>,
    kept: Kept,
    /// Where its lines lie, in the order in which they are started.
    places: Vec<Place>,
    /// How far it has come.
    course: Course,
    /// The next line to be started.
    next: u64,
    /// Lines before it that waited for a place while the batch came to stand still.
    held_back: BTreeSet<u64>,
    /// Lines in progress.
    lines: JoinSet<(u64, Ended)>,
    /// When the next line may be started.
    due: Instant,
    noted: Instant,
    noted_settled: u64,
    speed: Speed,
    hard: bool,
}

impl Run {
    async fn begin(service: &Arc<Service>, batch: Batch, live: &Arc<Live>) -> Result<Self, Trouble> {
        let (of, sort) = (batch.clone(), batch.plan.sort.clone());
        let (kept, places, noted_lines) = blocking(service, move |service| {
            let kept = service.manifests.open(&of.account, &of.manifest).map_err(|trouble| {
                // It was there when the batch began.
                let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
                if trouble.family == Family::Refused { damaged(&of.manifest, &gone) } else { trouble }
            })?;
            let mut places = kept.places().map_err(|error| damaged(&of.manifest, &error))?;
            if let Some(sort) = sort {
                places = sorted(&kept, places, &sort).map_err(|error| damaged(&of.manifest, &error))?;
            }
            Ok((kept, places, service.unstarted(&of)?))
        })
        .await?;
        let course = Course::from(batch.settled, batch.counts);
        let now = Instant::now();
        let speed = Speed::from(batch.counts.all());
        Ok(Self {
            service: service.clone(),
            live: live.clone(),
            kept,
            places,
            next: batch.settled,
            held_back: BTreeSet::new(),
            noted_settled: batch.settled,
            batch: Arc::new(batch),
            said: true,
            noted_lines,
            course,
            lines: JoinSet::new(),
            due: now,
            noted: now,
            speed,
            hard: false,
        })
    }

    /// Starts lines and waits for them until there is nothing to start and nothing to wait for.
    async fn work(&mut self) -> Result<(), Trouble> {
        self.find_started()?;
        loop {
            if std::mem::take(&mut self.said) {
                self.look()?;
            }
            let due = self.start_due()?;
            self.show();
            if self.lines.is_empty() && due.is_none() {
                return self.end().await;
            }
            let note_at = self.noted + NOTE_PAUSE;
            tokio::select! {
                ended = self.lines.join_next(), if !self.lines.is_empty() => {
                    self.ended(ended)?;
                    // No more than a note holds are taken before it is written.
                    while self.course.unstarted.len() < UNSTARTED_MAX
                        && let Some(ended) = self.lines.try_join_next()
                    {
                        self.ended(Some(ended))?;
                    }
                }
                () = self.live.changed.notified() => self.said = true,
                () = tokio::time::sleep_until(due.unwrap_or(note_at)), if due.is_some() => {}
                () = tokio::time::sleep_until(note_at), if self.course.settled > self.noted_settled => {}
            }
            let full = self.course.unstarted.len() >= UNSTARTED_MAX;
            if full || self.noted.elapsed() >= NOTE_PAUSE && self.course.settled > self.noted_settled {
                self.note().await?;
            }
            self.stop_if_spent().await?;
        }
    }

    /// Of one that was cancelled before this process: the lines that had been started, which are waited for.
    fn find_started(&mut self) -> Result<(), Trouble> {
        if self.batch.state != BatchState::Cancelling {
            return Ok(());
        }
        // A note holds so many that were refused, and as many more may have been since it was begun.
        let unknown_max = u64::from(self.batch.plan.concurrency) + UNSTARTED_MAX as u64;
        let mut unknown = 0;
        while self.next < self.places.len() as u64 && unknown < unknown_max {
            let line = self.line(self.next)?;
            let rows = self.service.engine.snapshot()?;
            let is_known = self.noted_lines.contains(&line.number)
                || rows.started_by(&request_of(&self.batch.id, &line)).is_some();
            if is_known {
                self.start(self.next, line);
                unknown = 0;
            } else {
                unknown += 1;
            }
            self.next += 1;
        }
        Ok(())
    }

    /// Reads what was said of the batch meanwhile.
    fn look(&mut self) -> Result<(), Trouble> {
        let rows = self.service.engine.snapshot()?;
        let key = [self.batch.account.as_str(), self.batch.id.as_str()];
        if let Some(row) = BATCHES.get(&rows, &house(), &key) {
            self.batch = Arc::new(row);
        }
        if self.batch.hard && !self.hard {
            self.hard = true;
            self.live.hard.send_replace(true);
        }
        Ok(())
    }

    /// Starts what may be; says when the next may be, if that is not now.
    fn start_due(&mut self) -> Result<Option<Instant>, Trouble> {
        let pause = self.batch.plan.per_minute.map(|rate| Duration::from_mins(1) / rate.max(1));
        let opens_to = self.batch.opens_to(self.course.all).min(self.places.len() as u64);
        while self.batch.state == BatchState::Running
            && (self.next < opens_to || !self.held_back.is_empty())
            && self.lines.len() < self.batch.plan.concurrency as usize
        {
            if let Some(pause) = pause {
                let now = Instant::now();
                if self.due > now {
                    return Ok(Some(self.due));
                }
                self.due = self.due.max(now - LATE_MAX.min(pause * 1000)) + pause;
            }
            let place = self.held_back.pop_first().unwrap_or(self.next);
            self.next = self.next.max(place + 1);
            let line = self.line(place)?;
            self.start(place, line);
        }
        Ok(None)
    }

    fn line(&self, place: u64) -> Result<Line, Trouble> {
        let at = usize::try_from(place).ok().and_then(|place| self.places.get(place));
        let at = at.copied().unwrap_or(Place { offset: self.kept.bytes, bytes: 1 });
        self.kept.line(at).map_err(|error| damaged(&self.batch.manifest, &error))
    }

    fn start(&mut self, place: u64, line: Line) {
        let (service, batch, hard) = (self.service.clone(), self.batch.clone(), self.live.hard.subscribe());
        let places = service.running.places.clone();
        let was_noted = self.noted_lines.contains(&line.number);
        self.lines.spawn(async move {
            let _place = if let Ok(free) = places.clone().try_acquire_owned() {
                Some(free)
            } else {
                let waited = places.acquire_owned().await;
                // That took a while, and somebody may have said something of the batch.
                if is_held_back(&service, &batch, &line, was_noted) {
                    return (place, Ended::HeldBack);
                }
                waited.ok()
            };
            let ended = match started(&service, &batch, &line, was_noted).await {
                Ok(flow) => to_end(&service, &batch, flow, hard).await,
                Err(ended) => ended,
            };
            // Only what joined another operation is waited for as that, and told as this line's.
            match ended {
                Ended::Unstarted(unstarted, _) if unstarted.joined.is_some() => {
                    let flow = unstarted.joined.unwrap_or(FlowId([0; 16]));
                    let well = service.engine.wait(flow).await.is_ok_and(|flow| flow.state == State::Done);
                    (place, Ended::Unstarted(unstarted, well))
                }
                ended => (place, ended),
            }
        });
    }

    fn ended(&mut self, ended: Option<Result<(u64, Ended), tokio::task::JoinError>>) -> Result<(), Trouble> {
        let stopped = || Trouble::new(Family::World, "Stopped", "the process is ending");
        let Some(Ok((place, ended))) = ended else { return Err(stopped()) };
        let one = |good: bool| {
            if good {
                Counts { done: 1, ..Counts::default() }
            } else {
                Counts { failed: 1, ..Counts::default() }
            }
        };
        let how = match ended {
            Ended::Well => one(true),
            Ended::Badly => one(false),
            Ended::Parked => Counts { parked: 1, ..Counts::default() },
            Ended::Unstarted(line, well) => {
                self.course.unstarted.push(line);
                one(well)
            }
            Ended::HeldBack => {
                self.held_back.insert(place);
                self.said = true;
                return Ok(());
            }
            Ended::Not => return Err(stopped()),
        };
        self.course.put(place, how);
        Ok(())
    }

    fn show(&mut self) {
        let counts = self.course.all;
        let lines_per_second = self.speed.mark(counts.all());
        let running = self.lines.len() as u64;
        *self.live.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Seen { counts, running, lines_per_second };
    }

    async fn note(&mut self) -> Result<(), Trouble> {
        let note = self.course.note();
        let settled = note.settled;
        self.service.tell_batch(&self.batch, "note", BatchChange::Note(note)).await?;
        self.noted = Instant::now();
        self.noted_settled = settled;
        Ok(())
    }

    async fn stop_if_spent(&mut self) -> Result<(), Trouble> {
        if self.batch.state != BatchState::Running {
            return Ok(());
        }
        let Some(why) = self.batch.is_spent(self.course.all) else { return Ok(()) };
        self.said = true;
        let stop = BatchChange::Stop { why, counts: self.course.all };
        let stopped = self.service.tell_batch(&self.batch, "stop", stop).await;
        unless_said_otherwise(stopped)
    }

    /// What follows when nothing runs and nothing is to be started.
    async fn end(&mut self) -> Result<(), Trouble> {
        if self.course.settled > self.noted_settled || !self.course.unstarted.is_empty() {
            self.note().await?;
        }
        self.look()?;
        let all = self.course.all;
        let is_over = match self.batch.state {
            BatchState::Running => all.all() == self.batch.lines,
            BatchState::Cancelling => true,
            _ => false,
        };
        if !is_over {
            return Ok(());
        }
        let ended = self.service.tell_batch(&self.batch, "end", BatchChange::End(all)).await;
        unless_said_otherwise(ended)
    }
}

/// A person may have been quicker, and said something else of the batch: then that counts.
fn unless_said_otherwise(told: Result<(), Trouble>) -> Result<(), Trouble> {
    match told {
        Err(trouble) if trouble.code == "IncorrectBatchStatus" => Ok(()),
        told => told,
    }
}

/// The lines in the order of what a parameter of each says.
fn sorted(kept: &Kept, places: Vec<Place>, by: &Sort) -> std::io::Result<Vec<Place>> {
    let mut keyed = Vec::with_capacity(places.len());
    for place in places {
        let line = kept.line(place)?;
        let said = line.operation.parameters.get(&by.parameter).cloned().unwrap_or_default();
        keyed.push((Sorted::of(&said), place));
    }
    // Lines that say the same stay in the order of the manifest.
    keyed.sort_by(|(one, _), (other, _)| if by.descending { other.cmp(one) } else { one.cmp(other) });
    Ok(keyed.into_iter().map(|(_, place)| place).collect())
}

/// What lines are sorted by: numbers before texts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Sorted {
    Number(i128),
    Text(String),
}

impl Sorted {
    fn of(said: &str) -> Self {
        match said.trim().parse() {
            Ok(number) => Self::Number(number),
            Err(_) => Self::Text(said.chars().take(SORT_BYTES_MAX).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_as_numbers_and_before_texts() {
        let mut words = ["b", "10", "9", "a", "-1", ""].map(Sorted::of);
        words.sort();
        let texts: Vec<String> = words
            .into_iter()
            .map(|word| match word {
                Sorted::Number(number) => number.to_string(),
                Sorted::Text(text) => text,
            })
            .collect();
        assert_eq!(texts, ["-1", "9", "10", "", "a", "b"]);
    }
}
