//! Use cases on schedules: what people say to them. What happens by itself is in `ticker.rs`.

use calendar::{Calendar, Zone, jitter_ms};
use domain::image::house;
use domain::schedule::{
    Plan, Planned, RUNNING, SCHEDULE_NAMES, SCHEDULES, Schedule, ScheduleId, WAITING, run_name,
};
use domain::{AccountId, rules};
use engine::Snapshot;
use event::{Actor, Refusal};
use workflows::{
    BackfillSchedule, CreateSchedule, DeleteSchedule, PauseSchedule, ResumeSchedule, RunSchedule,
};

use crate::asked::Asked;
use crate::lookup::account;
use crate::request::Reply;
use crate::request_schedule::{PreviewOf, ScheduleCreate, ScheduleRequest, TicksAsked};
use crate::service::made_by;
use crate::view::{Started, time_text};
use crate::view_schedule::{ScheduleView, Schedules, TickView, Ticks};
use crate::{Service, Trouble, ticker};

/// Ticks told at most: a year of days and some.
const PREVIEW_MAX: u32 = 1000;
/// Ticks of a time that are looked through to make up for it, of which [`rules::WAITING_MAX`] may not have run.
const BACKFILL_LOOKED_MAX: usize = 100_000;

impl Service {
    pub(crate) async fn schedule(
        &self,
        actor: Actor,
        asked: &Asked,
        request: ScheduleRequest,
    ) -> Result<Reply, Trouble> {
        use ScheduleRequest as R;
        // Asked again, it finds what it started even where the schedule is gone meanwhile.
        if let Some(known) = self.known(asked)? {
            return Ok(known.into());
        }
        Ok(match request {
            R::Create(create) => self.create_schedule(actor, asked, *create).await?.into(),
            R::List => self.schedules(&actor)?.into(),
            R::Show(named) => self.show_schedule(&actor, &named)?.into(),
            R::Preview { of, from, count } => self.preview(&actor, of, from.as_deref(), count)?.into(),
            R::RunNow(named) => {
                let (schedule, account, now_ms) = self.named(&actor, &named)?;
                let flow = RunSchedule { account, schedule: schedule.id, now_ms };
                let rule = |view: &event::View<'_>, it: RunSchedule| {
                    rules::run_schedule(view, &it.account, &it.schedule, String::new(), it.now_ms)
                };
                self.decide(actor, asked, flow, rule).await?.into()
            }
            R::Pause { schedule, why } => {
                let (schedule, account, _) = self.named(&actor, &schedule)?;
                let flow = PauseSchedule { account, schedule: schedule.id, why };
                let rule = |view: &event::View<'_>, it: PauseSchedule| {
                    rules::pause_schedule(view, &it.account, &it.schedule, it.why)
                };
                self.decide(actor, asked, flow, rule).await?.into()
            }
            R::Resume(named) => {
                let (schedule, account, now_ms) = self.named(&actor, &named)?;
                let flow = ResumeSchedule { account, schedule: schedule.id, now_ms };
                let rule = |view: &event::View<'_>, it: ResumeSchedule| {
                    rules::resume_schedule(view, &it.account, &it.schedule, it.now_ms)
                };
                self.decide(actor, asked, flow, rule).await?.into()
            }
            R::Backfill { schedule, from, to } => {
                self.backfill(actor, asked, &schedule, &from, to.as_deref()).await?.into()
            }
            R::Delete(named) => {
                let (schedule, account, _) = self.named(&actor, &named)?;
                let flow = DeleteSchedule { account, schedule: schedule.id };
                let rule = |view: &event::View<'_>, it: DeleteSchedule| {
                    rules::delete_schedule(view, &it.account, &it.schedule)
                };
                self.decide(actor, asked, flow, rule).await?.into()
            }
        })
    }

    async fn create_schedule(
        &self,
        actor: Actor,
        asked: &Asked,
        create: ScheduleCreate,
    ) -> Result<Started, Trouble> {
        let now_ms = self.clock.now_ms();
        let ScheduleCreate { name, ticks, jitter_ms, overlap, catch_up_ms, failures_max, operation } = create;
        let plan = Plan { jitter_ms, ..plan(&ticks, now_ms)? };
        // What it starts has to make sense today; whether it can be done is asked when it is to be.
        operation.request()?;
        let operation = operation.canonical()?;
        let flow = CreateSchedule {
            account: account(&actor),
            key: actor.key.clone(),
            name,
            plan,
            planned: Planned { operation: operation.operation, parameters: operation.parameters },
            overlap,
            catch_up_ms: catch_up_ms.unwrap_or(rules::CATCH_UP_MS_DEFAULT),
            failures_max: failures_max.unwrap_or(rules::FAILURES_MAX_DEFAULT),
            now_ms,
        };
        let rule = |view: &event::View<'_>, it: CreateSchedule| {
            rules::create_schedule(view, it.creation(&ScheduleId::default()), now_ms)
        };
        let started = self.decide(actor, asked, flow, rule).await?;
        let image_id = made_by("create_schedule", started.workflow_id).unwrap_or_default();
        Ok(Started { image_id, ..started })
    }

    fn schedules(&self, actor: &Actor) -> Result<Schedules, Trouble> {
        let rows = self.engine.snapshot()?;
        let mut all = SCHEDULES.list(&rows, &house(), &[account(actor).as_str()]);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Schedules { schedules: all.into_iter().map(|schedule| view_of(&rows, schedule)).collect() })
    }

    fn show_schedule(&self, actor: &Actor, named: &str) -> Result<ScheduleView, Trouble> {
        let rows = self.engine.snapshot()?;
        let schedule = find(&rows, actor, named)?;
        Ok(view_of(&rows, schedule))
    }

    /// The schedule of a name, whose it is, and what time it is.
    fn named(&self, actor: &Actor, named: &str) -> Result<(Schedule, AccountId, i64), Trouble> {
        let schedule = find(&self.engine.snapshot()?, actor, named)?;
        Ok((schedule, account(actor), self.clock.now_ms()))
    }

    async fn backfill(
        &self,
        actor: Actor,
        asked: &Asked,
        named: &str,
        from: &str,
        to: Option<&str>,
    ) -> Result<Started, Trouble> {
        let (schedule, account, now_ms) = self.named(&actor, named)?;
        let calendar = rules::read(&schedule.plan)?;
        let first_ms = time_ms(from, calendar.zone())?.max(0);
        let last_ms = to.map_or(Ok(now_ms), |to| time_ms(to, calendar.zone()))?.min(now_ms);
        if first_ms > last_ms {
            let why = format!(
                "from {} to {} no time has passed",
                calendar.zone().text(first_ms),
                calendar.zone().text(last_ms)
            );
            return Err(Refusal::new("InvalidSchedule.Bounds", why)
                .advise("give a time that has passed, its beginning first")
                .into());
        }
        let rows = self.engine.snapshot()?;
        let has_run =
            |at_ms: i64| rows.started_by(&ticker::request(&schedule.id, &run_name(at_ms))).is_some();
        // What comes next is not passed: it ticks by itself in a moment.
        let to_come = |at_ms: i64| schedule.next.is_some_and(|next| at_ms >= next.at_ms);
        let ticks = calendar.between(first_ms, last_ms).take(BACKFILL_LOOKED_MAX);
        let ticks: Vec<i64> =
            ticks.filter(|at_ms| !to_come(*at_ms) && !has_run(*at_ms)).take(rules::WAITING_MAX + 1).collect();
        drop(rows);
        let flow = BackfillSchedule { account, schedule: schedule.id, first_ms, last_ms, ticks };
        let rule = |view: &event::View<'_>, it: BackfillSchedule| {
            rules::backfill_schedule(view, &it.account.clone(), it.wanted())
        };
        self.decide(actor, asked, flow, rule).await
    }

    fn preview(
        &self,
        actor: &Actor,
        of: PreviewOf,
        from: Option<&str>,
        count: u32,
    ) -> Result<Ticks, Trouble> {
        let now_ms = self.clock.now_ms();
        let (plan, id) = match of {
            PreviewOf::Ticks(ticks) => (plan(&ticks, now_ms)?, ScheduleId::default()),
            PreviewOf::Schedule(named) => {
                let schedule = find(&self.engine.snapshot()?, actor, &named)?;
                (schedule.plan, schedule.id)
            }
        };
        let calendar = rules::read(&plan)?;
        let after_ms =
            from.map_or(Ok(now_ms), |from| Ok::<_, Trouble>(time_ms(from, calendar.zone())? - 1))?;
        let mut ticks = calendar.after(after_ms).peekable();
        let mut told = Vec::new();
        while told.len() < count.min(PREVIEW_MAX) as usize {
            let Some(at_ms) = ticks.next() else { break };
            let jitter_ms = jitter_ms(id.as_str(), at_ms, ticks.peek().copied(), plan.jitter_ms);
            told.push(TickView {
                time: time_text(at_ms),
                local_time: calendar.zone().text(at_ms),
                begin_time: time_text(at_ms + jitter_ms),
            });
        }
        Ok(Ticks { time_zone: calendar.zone().name().to_owned(), ticks: told })
    }
}

/// When something ticks, read.
fn plan(asked: &TicksAsked, now_ms: i64) -> Result<Plan, Trouble> {
    let TicksAsked { when, zone, start, end } = asked;
    let plan = Plan { when: when.clone(), zone: zone.clone(), anchor_ms: now_ms, ..Plan::default() };
    // Its zone first, in which the times are.
    let calendar: Calendar = rules::read(&plan)?;
    let time = |text: &Option<String>| text.as_deref().map(|text| time_ms(text, calendar.zone())).transpose();
    let plan = Plan { start_ms: time(start)?, end_ms: time(end)?, ..plan };
    rules::read(&plan)?;
    Ok(plan)
}

fn time_ms(text: &str, zone: &Zone) -> Result<i64, Trouble> {
    let time = calendar::time_ms(text, zone);
    time.map_err(|error| Refusal::new("InvalidSchedule.When", error.message).advise(error.advice).into())
}

/// The account's schedule of that name or id.
pub(crate) fn find(rows: &Snapshot, actor: &Actor, named: &str) -> Result<Schedule, Trouble> {
    let account = account(actor);
    let none = || Trouble::from(rules::no_schedule(named));
    if named.contains('\0') {
        return Err(none());
    }
    let id = SCHEDULE_NAMES.get(rows, &house(), &[account.as_str(), named]);
    let id = id.unwrap_or_else(|| ScheduleId::from(named));
    SCHEDULES.get(rows, &house(), &[account.as_str(), id.as_str()]).ok_or_else(none)
}

fn view_of(rows: &Snapshot, schedule: Schedule) -> ScheduleView {
    let running = RUNNING.list(rows, &house(), &[schedule.id.as_str()]);
    let waiting = WAITING.list(rows, &house(), &[schedule.id.as_str()]).len();
    ScheduleView::of(schedule, &running, waiting)
}
