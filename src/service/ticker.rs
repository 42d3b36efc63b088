//! The ticker: lets schedules tick when their time has come, begins what their runs are for, and writes down how
//! those ended.
//!
//! ```text
//!  TICKS: a time has come ──▶ TickSchedule ──▶ RUNNING: a run ──▶ its operation, under `schedule/ID/RUN`
//!                                                  ▲                   │
//!                      one that waited begins ─────┘◀── EndRun ◀── ended, or was refused
//! ```
//!
//! What is started is in the log before anything hangs on it, and is found again by its request. So there is one
//! start for each schedule and nominal time, wherever the process was cut off: between a tick and its operation, or
//! between that and the note of it. It deliberately decides nothing: what a tick is made of is a rule's.
//!
//! Nor does it wait for anything it starts: that may be made to stand still, and everybody's schedules, shares and
//! checks would stand still behind it. What comes to rest has it look again.

use std::collections::HashMap;
use std::sync::Arc;

use calendar::jitter_ms;
use domain::events_schedule::TicksMissed;
use domain::image::house;
use domain::rules;
use domain::schedule::{Ending, Next, RUNNING, Run, SCHEDULES, Schedule, ScheduleId, TICKS, Ticking};
use engine::{FlowRow, Snapshot};
use event::{Actor, Cause, FlowId, Refusal};
use workflows::{BeginRun, EndRun, PauseSchedule, TickSchedule};

use crate::keeper::{Look, last_started, unused};
use crate::request::{Call, Manner, PROTOCOL, Reply};
use crate::{Family, Operation, Service, Trouble, dispatch};

/// Schedules let tick at a look; the others follow at once.
const TICKING_MAX: usize = 100;
/// Ticks of one schedule that come together and are told one by one; many more are told as one.
pub(crate) const EACH_MAX: usize = 100;
/// Ticks that are late and still run, of one schedule: those before them are missed however late they might be.
pub(crate) const LATE_MAX: usize = 1000;
/// Late ticks that are counted: a second's schedule has more in two days, and nobody wants to know by how many.
const COUNTED_MAX: usize = 100_000;
/// When a run that could not begin because of the world is tried again.
const AGAIN_MS: i64 = 60_000;

/// When this process last tried to begin runs that it could not, by their requests.
#[derive(Debug, Default)]
pub(crate) struct Tried(HashMap<String, i64>);

/// The request under which a run's operation is started.
pub(crate) fn request(schedule: &ScheduleId, run: &str) -> String {
    format!("schedule/{schedule}/{run}")
}

/// The request under which it is written down how a run ended.
fn ending_request(run: &Run) -> String {
    format!("{}/ended", request(&run.schedule, &run.name))
}

/// What a run has come to.
enum Now {
    /// It is to begin.
    Begin,
    /// Its operations are to be cancelled, as far as they have not been.
    Cancel(Vec<FlowId>),
    /// It has ended.
    End(Ending),
    /// Nothing is to be done.
    GoOn,
}

impl Service {
    /// Does what is to be done for schedules by now. Says how much that was; if it was anything, more may follow.
    pub(crate) async fn keep_schedules(self: &Arc<Self>, tried: &mut Tried) -> Result<Look, Trouble> {
        if self.engine.background_stands_still().is_some() {
            return Ok(Look::default());
        }
        let now_ms = self.clock.now_ms();
        let mut done = 0;
        // Those that have ended make room before anything new ticks.
        let runs = RUNNING.list_all(&self.engine.snapshot()?);
        tried
            .0
            .retain(|request, _| runs.iter().any(|run| self::request(&run.schedule, &run.name) == *request));
        for run in runs {
            done += usize::from(self.keep_run(tried, run, now_ms).await?);
        }
        let (ticking, next_ms) = ticking(&self.engine.snapshot()?, now_ms);
        for tick in ticking {
            done += usize::from(self.tick(&tick, now_ms).await?);
        }
        Ok(Look { started: done, next_ms })
    }

    /// Lets a schedule tick.
    async fn tick(&self, ticking: &Ticking, now_ms: i64) -> Result<bool, Trouble> {
        let Ticking { account, schedule, .. } = ticking;
        let (request, actor, flow) = {
            let rows = self.engine.snapshot()?;
            // What has ended makes room before anything new ticks.
            let ends = |run: &Run| {
                let flow = last_started(&rows, &ending_request(run)).and_then(|id| rows.flow(id));
                flow.is_some_and(|flow| !flow.state.has_ended())
            };
            if RUNNING.list(&rows, &house(), &[schedule.as_str()]).iter().any(ends) {
                return Ok(false);
            }
            let Some(row) = SCHEDULES.get(&rows, &house(), &[account.as_str(), schedule.as_str()]) else {
                return Ok(false);
            };
            let Some((ticks, missed)) = due(&row, now_ms) else { return Ok(false) };
            let first = ticks.first().copied().unwrap_or_default();
            let tick = format!("schedule/{schedule}/tick/{first}");
            let before = last_started(&rows, &tick).and_then(|id| rows.flow(id));
            if let Some(refusal) = before.as_ref().and_then(failure) {
                drop(rows);
                return self.stop_ticking(&row, first, &refusal).await;
            }
            let Some(request) = unused(&rows, tick, now_ms) else { return Ok(false) };
            let (account, schedule) = (account.clone(), schedule.clone());
            (request, actor_of(&row), TickSchedule { account, schedule, ticks, missed, now_ms })
        };
        self.engine.start(actor, &request, flow).await?;
        Ok(true)
    }

    /// Pauses a schedule whose tick was refused: it would be refused again, and again.
    async fn stop_ticking(
        &self,
        schedule: &Schedule,
        at_ms: i64,
        refusal: &Refusal,
    ) -> Result<bool, Trouble> {
        let (request, now_ms) = (format!("schedule/{}/stuck/{at_ms}", schedule.id), self.clock.now_ms());
        let Some(request) = unused(&self.engine.snapshot()?, request, now_ms) else { return Ok(false) };
        let why = format!("it cannot tick: {}: {}", refusal.code, refusal.message);
        let why = why.chars().take(rules::PAUSE_CHARS_MAX).collect();
        let (account, id) = (schedule.account.clone(), schedule.id.clone());
        self.engine.start(actor_of(schedule), &request, PauseSchedule { account, schedule: id, why }).await?;
        Ok(false)
    }

    /// Does what is to be done for a run by now.
    async fn keep_run(self: &Arc<Self>, tried: &mut Tried, run: Run, now_ms: i64) -> Result<bool, Trouble> {
        let (schedule, now) = {
            let rows = self.engine.snapshot()?;
            let place = [run.account.as_str(), run.schedule.as_str()];
            let Some(schedule) = SCHEDULES.get(&rows, &house(), &place) else { return Ok(false) };
            let now = now(&rows, &run);
            (schedule, now)
        };
        match now {
            Now::GoOn => Ok(false),
            Now::End(ending) => self.end_run(&schedule, &run, ending).await,
            Now::Cancel(flows) => {
                let reason = format!("the schedule `{}` ticked again", schedule.name);
                for flow in flows {
                    // One that is past being cancelled is waited for.
                    let _ = self.engine.cancel(actor_of(&schedule), flow, &reason).await;
                }
                Ok(false)
            }
            Now::Begin => self.begin_run(tried, &schedule, &run, now_ms).await,
        }
    }

    async fn begin_run(
        self: &Arc<Self>,
        tried: &mut Tried,
        schedule: &Schedule,
        run: &Run,
        now_ms: i64,
    ) -> Result<bool, Trouble> {
        let request = request(&run.schedule, &run.name);
        // A clock that was set back is no reason to wait.
        if tried.0.get(&request).is_some_and(|last_ms| (0..AGAIN_MS).contains(&(now_ms - last_ms))) {
            return Ok(false);
        }
        let planned = schedule.planned.clone();
        let operation = Operation { operation: planned.operation, parameters: planned.parameters };
        let begun = match operation.request() {
            Ok(asked) => self.begin_operation(schedule, request.clone(), asked).await,
            Err(trouble) => Err(trouble),
        };
        let flows = match begun {
            Ok(flows) => flows,
            Err(trouble) if may_pass(&trouble) && now_ms - run.since_ms <= schedule.catch_up_ms => {
                tried.0.insert(request, now_ms);
                return Ok(false);
            }
            Err(Trouble { code, message, advice, .. }) => {
                let refusal = Refusal { code, message, advice };
                return self.end_run(schedule, run, Ending::Failed(refusal)).await;
            }
        };
        if flows.is_empty() {
            return self.end_run(schedule, run, Ending::Done).await;
        }
        let Some(request) = unused(&self.engine.snapshot()?, format!("{request}/began"), now_ms) else {
            return Ok(false);
        };
        let (account, id, name) = (run.account.clone(), run.schedule.clone(), run.name.clone());
        let flow = BeginRun { account, schedule: id, run: name, flows };
        self.engine.start(actor_of(schedule), &request, flow).await?;
        Ok(true)
    }

    /// Asks for an operation at the door, as everybody does; which operations that began.
    async fn begin_operation(
        self: &Arc<Self>,
        schedule: &Schedule,
        id: String,
        request: crate::Request,
    ) -> Result<Vec<FlowId>, Trouble> {
        let actor = actor_of(schedule);
        // Driven or not is for whoever holds the house, and has been settled when somebody keeps it.
        let manner = Manner { background: true, ..Manner::default() };
        let call = Call { protocol: PROTOCOL, drive: false, actor, id, manner, request };
        let answer: std::pin::Pin<Box<dyn Future<Output = Result<Reply, Trouble>> + Send + '_>> =
            Box::pin(dispatch(self, call));
        Ok(match answer.await? {
            Reply::Started(started) => vec![started.workflow_id],
            Reply::CopiesStarted(started) => {
                started.copies.iter().map(|copy| copy.workflow_id).take(rules::RUN_FLOWS_MAX).collect()
            }
            _ => Vec::new(),
        })
    }

    async fn end_run(&self, schedule: &Schedule, run: &Run, ending: Ending) -> Result<bool, Trouble> {
        let now_ms = self.clock.now_ms();
        let Some(request) = unused(&self.engine.snapshot()?, ending_request(run), now_ms) else {
            return Ok(false);
        };
        let (account, id, name) = (run.account.clone(), run.schedule.clone(), run.name.clone());
        let flow = EndRun { account, schedule: id, run: name, ending };
        self.engine.start(actor_of(schedule), &request, flow).await?;
        Ok(true)
    }
}

/// As who a schedule's operations are asked for: the account that created it, by the key it used.
fn actor_of(schedule: &Schedule) -> Actor {
    Actor { account: schedule.account.0.clone(), key: schedule.key.clone() }
}

/// Whether trouble may have passed when it is asked again.
fn may_pass(trouble: &Trouble) -> bool {
    match trouble.family {
        Family::World => true,
        Family::Refused | Family::Damaged | Family::Parked | Family::Ended | Family::Ours => false,
    }
}

/// The schedules whose time has come, at most [`TICKING_MAX`], and when the next comes.
fn ticking(rows: &Snapshot, now_ms: i64) -> (Vec<Ticking>, Option<i64>) {
    let (mut found, mut next_ms) = (Vec::new(), None);
    event::Rows::scan(rows, &TICKS.key(&house(), &[""]), &mut |_, value| {
        let row = TICKS.read(value);
        if row.comes_ms > now_ms || found.len() >= TICKING_MAX {
            next_ms = Some(row.comes_ms);
            return false;
        }
        found.push(row);
        true
    });
    (found, next_ms)
}

/// The ticks of a schedule that have come, one by one, and those behind them that are too many for that.
fn due(schedule: &Schedule, now_ms: i64) -> Option<(Vec<i64>, Option<TicksMissed>)> {
    let next = schedule.next.filter(|next| next.comes_ms <= now_ms)?;
    let Ok(calendar) = schedule.plan.calendar() else {
        // What it says made sense when it was created; by the data of another day the tick is refused, and it pauses.
        return Some((vec![next.at_ms], None));
    };
    let mut ticks = calendar.after(next.at_ms).peekable();
    let mut come = vec![next];
    while come.len() < COUNTED_MAX
        && let Some(at_ms) = ticks.next()
    {
        let jitter_ms =
            jitter_ms(schedule.id.as_str(), at_ms, ticks.peek().copied(), schedule.plan.jitter_ms);
        let comes_ms = at_ms + jitter_ms;
        if comes_ms > now_ms {
            break;
        }
        come.push(Next { at_ms, comes_ms });
    }
    let too_late = come.partition_point(|tick| now_ms - tick.comes_ms > schedule.catch_up_ms);
    let end = too_late.max(come.len().saturating_sub(LATE_MAX));
    let each = come.iter().take(EACH_MAX).map(|tick| tick.at_ms).collect();
    let missed = come.get(EACH_MAX..end).filter(|missed| !missed.is_empty()).map(|missed| {
        let or_more = come.len() >= COUNTED_MAX;
        let last_ms = missed.last().map_or(0, |tick| tick.at_ms);
        TicksMissed {
            schedule: schedule.id.clone(),
            first_ms: missed.first().map_or(0, |tick| tick.at_ms),
            // More than anybody counts: up to where they would not be too late.
            last_ms: if or_more { last_ms.max(now_ms - schedule.catch_up_ms - 1) } else { last_ms },
            count: missed.len() as u64,
            or_more,
            next: None,
        }
    });
    Some((each, missed))
}

/// What a run has come to.
fn now(rows: &Snapshot, run: &Run) -> Now {
    if run.flows.is_empty() {
        let has_begun = || rows.started_by(&request(&run.schedule, &run.name)).is_some();
        return if run.is_cancelling && !has_begun() { Now::End(Ending::Cancelled) } else { Now::Begin };
    }
    let flows: Vec<FlowRow> = run.flows.iter().filter_map(|id| rows.flow(*id)).collect();
    if flows.iter().all(|flow| flow.state.has_ended()) {
        return Now::End(ending(&flows));
    }
    // What a run only joined is somebody else's to cancel.
    let asked = request(&run.schedule, &run.name);
    let is_own = |flow: &FlowRow| matches!(&flow.cause, Cause::Request(request) if request.ends_with(&asked));
    let may_be =
        |flow: &&FlowRow| is_own(flow) && !flow.state.has_ended() && flow.cancel.is_none() && !flow.committed;
    let open: Vec<FlowId> = flows.iter().filter(may_be).map(|flow| flow.id).collect();
    if run.is_cancelling && !open.is_empty() { Now::Cancel(open) } else { Now::GoOn }
}

/// How a run has ended whose operations have.
fn ending(flows: &[FlowRow]) -> Ending {
    match flows.iter().find_map(failure) {
        Some(refusal) => Ending::Failed(refusal),
        None if flows.iter().any(|flow| flow.refusal().is_some()) => Ending::Cancelled,
        None => Ending::Done,
    }
}

/// Why an operation did not end well, if nobody wanted it so.
fn failure(flow: &FlowRow) -> Option<Refusal> {
    flow.refusal().filter(|refusal| Trouble::from(refusal.clone()).family != Family::Ended)
}
