//! Rules of schedules: what there may be of them, and what is made of a tick.
//!
//! What time it is, who asks says: the time of the log never goes back, and a clock that was a year ahead for a moment
//! would have every tick of that year be late.

use calendar::{About, Calendar, JITTER_MS_MAX};
use event::{FlowId, Refusal, View};

use crate::AccountId;
use crate::events_schedule::{
    RunAsked, RunBegan, RunEnded, ScheduleBackfilled, ScheduleCreated, ScheduleDeleted, SchedulePaused,
    ScheduleResumed, TickCame, TicksMissed,
};
use crate::schedule::{
    By, Ending, Overlap, Plan, RUNNING, SCHEDULE_NAMES, SCHEDULES, Schedule, ScheduleId, Then, WAITING, Why,
};
use crate::time;

/// Schedules of an account: a rule lists them, and a person has to find their way among them.
pub const SCHEDULES_MAX: usize = 1000;
/// Runs of a schedule that go on at once where they may: each is an operation, and another will tick soon.
pub const RUNNING_MAX: usize = 100;
/// Runs of a schedule that wait: an hour of one that ticks every four seconds.
pub const WAITING_MAX: usize = 1000;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 64;
/// The least that a tick may be late: less than that is the pace of a busy machine.
pub const CATCH_UP_MS_MIN: i64 = 10_000;
/// The most that a tick may be late.
pub const CATCH_UP_MS_MAX: i64 = 366 * 24 * 60 * 60 * 1000;
/// How late a tick may be if nobody says: a machine that is off at night runs in the morning what ticked meanwhile.
pub const CATCH_UP_MS_DEFAULT: i64 = 24 * 60 * 60 * 1000;
/// Failures in a row after which a schedule is paused if nobody says: nothing fails for ever unseen.
pub const FAILURES_MAX_DEFAULT: u32 = 10;
/// The most operations that one run begins: a copy to every region there is.
pub const RUN_FLOWS_MAX: usize = 100;
/// Characters of why a schedule is paused.
pub const PAUSE_CHARS_MAX: usize = 256;

/// Makes a schedule; its first tick is what comes after a time.
pub fn create_schedule(
    view: &View<'_>,
    wanted: ScheduleCreated,
    now_ms: i64,
) -> Result<ScheduleCreated, Refusal> {
    check_name(&wanted.name)?;
    let calendar = read(&wanted.plan)?;
    check_span("jitter", wanted.plan.jitter_ms, 0, JITTER_MS_MAX)?;
    check_span("catch-up window", wanted.catch_up_ms, CATCH_UP_MS_MIN, CATCH_UP_MS_MAX)?;
    let account = wanted.account.as_str();
    if view.get(&SCHEDULE_NAMES, &[account, &wanted.name]).is_some() {
        let why = format!("there is a schedule `{}` already", wanted.name);
        return Err(Refusal::new("InvalidScheduleName.Duplicated", why)
            .advise("choose another name, or delete that one: `kiln schedule list` shows them"));
    }
    let there = view.list(&SCHEDULE_NAMES, &[account]).len();
    if there >= SCHEDULES_MAX {
        let why = format!("the account has {there} schedules, and {SCHEDULES_MAX} are the most");
        return Err(Refusal::new("QuotaExceed.Schedule", why)
            .advise("delete those that have ended: `kiln schedule list` shows them"));
    }
    let next = wanted.plan.next_after(&calendar, &wanted.schedule, now_ms);
    if next.is_none() {
        let why = format!("`{}` has no tick after {}", wanted.plan.when.trim(), calendar.zone().text(now_ms));
        return Err(Refusal::new("InvalidSchedule.NeverTicks", why).advise(
            "give a time that is to come, and an end behind it; `kiln schedule preview` shows the ticks",
        ));
    }
    let zone = calendar.zone().name().to_owned();
    let plan = Plan { zone, when: wanted.plan.when.trim().to_owned(), ..wanted.plan };
    Ok(ScheduleCreated { plan, next, ..wanted })
}

/// What a plan says, or what is wrong with it.
pub fn read(plan: &Plan) -> Result<Calendar, Refusal> {
    plan.calendar().map_err(|error| {
        let code = match error.about {
            About::When => "InvalidSchedule.When",
            About::Zone => "InvalidSchedule.TimeZone",
            About::Bounds => "InvalidSchedule.Bounds",
        };
        Refusal::new(code, error.message).advise(error.advice)
    })
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.chars().all(plain) && name.len() <= NAME_CHARS_MAX && !name.starts_with("sch-") {
        return Ok(());
    }
    let why = format!("`{}` is no name of a schedule", name.escape_debug());
    Err(Refusal::new("InvalidScheduleName.Malformed", why).advise(format!(
        "it has 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` and `.`, begins with a letter or a digit, and not with \
         `sch-`"
    )))
}

fn check_span(what: &str, ms: i64, min_ms: i64, max_ms: i64) -> Result<(), Refusal> {
    if (min_ms..=max_ms).contains(&ms) {
        return Ok(());
    }
    let why =
        format!("a {what} of {} seconds is not between {} and {}", ms / 1000, min_ms / 1000, max_ms / 1000);
    Err(Refusal::new("InvalidSchedule.Span", why).advise("give a length of time such as `10m`, `6h` or `1d`"))
}

/// The account's schedule of that id.
pub fn own_schedule(view: &View<'_>, account: &AccountId, id: &ScheduleId) -> Result<Schedule, Refusal> {
    view.get(&SCHEDULES, &[account.as_str(), id.as_str()]).ok_or_else(|| no_schedule(id.as_str()))
}

/// There is none.
pub fn no_schedule(named: &str) -> Refusal {
    let why = format!("there is no schedule `{}`", named.escape_debug());
    Refusal::new("InvalidSchedule.NotFound", why).advise("`kiln schedule list` shows those there are")
}

/// Lets a schedule tick no more until it is resumed.
pub fn pause_schedule(
    view: &View<'_>,
    account: &AccountId,
    id: &ScheduleId,
    why: String,
) -> Result<SchedulePaused, Refusal> {
    let schedule = own_schedule(view, account, id)?;
    if let Some(before) = schedule.paused {
        return Err(no_state(&schedule.name, &format!("is paused already: {before}"))
            .advise(format!("`kiln schedule resume {}` lets it tick again", schedule.name)));
    }
    if why.chars().count() > PAUSE_CHARS_MAX {
        let long = format!("a reason of {} characters is longer than {PAUSE_CHARS_MAX}", why.chars().count());
        return Err(Refusal::new("InvalidParameter.Reason", long).advise("say it in fewer words"));
    }
    Ok(SchedulePaused { schedule: schedule.id, why })
}

/// Lets a schedule tick no more that has failed too often in a row. That somebody has paused it meanwhile is as well.
pub fn pause_failing(
    view: &View<'_>,
    account: &AccountId,
    id: &ScheduleId,
    ending: &Ending,
) -> Result<SchedulePaused, Refusal> {
    let schedule = own_schedule(view, account, id)?;
    let last = match ending {
        Ending::Failed(refusal) => format!(", the last with {}: {}", refusal.code, refusal.message),
        Ending::Done | Ending::Cancelled => String::new(),
    };
    Ok(SchedulePaused {
        schedule: schedule.id,
        why: format!("{} runs failed in a row{last}", schedule.failures),
    })
}

/// Lets it tick again, from what comes after a time and has not ticked yet. What was to tick meanwhile never does;
/// a backfill makes up for it.
pub fn resume_schedule(
    view: &View<'_>,
    account: &AccountId,
    id: &ScheduleId,
    now_ms: i64,
) -> Result<ScheduleResumed, Refusal> {
    let schedule = own_schedule(view, account, id)?;
    if schedule.paused.is_none() {
        return Err(
            no_state(&schedule.name, "is not paused").advise("`kiln schedule show` says how it stands")
        );
    }
    let calendar = read(&schedule.plan)?;
    let after_ms = schedule.last_ms.map_or(now_ms, |last_ms| last_ms.max(now_ms));
    let next = schedule.plan.next_after(&calendar, &schedule.id, after_ms);
    Ok(ScheduleResumed { schedule: schedule.id, next })
}

/// Removes a schedule.
pub fn delete_schedule(
    view: &View<'_>,
    account: &AccountId,
    id: &ScheduleId,
) -> Result<ScheduleDeleted, Refusal> {
    Ok(ScheduleDeleted { schedule: own_schedule(view, account, id)?.id })
}

/// What is made of a tick, which has to be the next one. At `now_ms` somebody found that it had come.
pub fn tick(
    view: &View<'_>,
    account: &AccountId,
    id: &ScheduleId,
    at_ms: i64,
    now_ms: i64,
) -> Result<TickCame, Refusal> {
    let (schedule, comes_ms) = due(view, account, id, at_ms)?;
    let calendar = read(&schedule.plan)?;
    let late_ms = now_ms.saturating_sub(comes_ms);
    let then =
        if late_ms > schedule.catch_up_ms { Then::Skipped(Why::Missed) } else { next_run(view, &schedule) };
    let next = schedule.plan.next_after(&calendar, &schedule.id, at_ms);
    Ok(TickCame { schedule: schedule.id, at_ms, then, next })
}

/// Passes over ticks that were missed, of which the first has to be the next one; who counted them says how many.
pub fn miss_ticks(
    view: &View<'_>,
    account: &AccountId,
    missed: &TicksMissed,
) -> Result<TicksMissed, Refusal> {
    let (schedule, _) = due(view, account, &missed.schedule, missed.first_ms)?;
    let calendar = read(&schedule.plan)?;
    let next = schedule.plan.next_after(&calendar, &schedule.id, missed.last_ms.max(missed.first_ms));
    Ok(TicksMissed { next, ..missed.clone() })
}

/// The schedule whose next tick is this one, and when that comes.
fn due(
    view: &View<'_>,
    account: &AccountId,
    id: &ScheduleId,
    at_ms: i64,
) -> Result<(Schedule, i64), Refusal> {
    let schedule = own_schedule(view, account, id)?;
    match schedule.next.filter(|next| next.at_ms == at_ms) {
        Some(next) => Ok((schedule, next.comes_ms)),
        None => Err(no_state(&schedule.name, &format!("does not tick at {} next", time::text(at_ms)))),
    }
}

/// What is made of another run by how many go on and wait.
fn next_run(view: &View<'_>, schedule: &Schedule) -> Then {
    let id = schedule.id.as_str();
    let (going, waiting) = (view.list(&RUNNING, &[id]).len(), view.list(&WAITING, &[id]));
    let waits = Then::Waits { instead_of: None };
    match schedule.overlap {
        _ if going == 0 && waiting.is_empty() => Then::Begins,
        Overlap::Allow if going < RUNNING_MAX => Then::Begins,
        Overlap::BufferOne if waiting.is_empty() => waits,
        Overlap::Skip | Overlap::BufferOne => Then::Skipped(Why::Overlap),
        Overlap::BufferAll if waiting.len() < WAITING_MAX => waits,
        Overlap::Allow | Overlap::BufferAll => Then::Skipped(Why::Full),
        Overlap::CancelOther => {
            // What somebody makes up for was never meant to be the newest.
            let others = waiting.into_iter().filter(|run| run.by != By::Backfill).map(|run| run.name);
            Then::Waits { instead_of: Some(others.collect()) }
        }
    }
}

/// Makes a run that somebody wants now, paused or not.
pub fn run_schedule(
    view: &View<'_>,
    account: &AccountId,
    id: &ScheduleId,
    run: String,
    at_ms: i64,
) -> Result<RunAsked, Refusal> {
    let schedule = own_schedule(view, account, id)?;
    let then = next_run(view, &schedule);
    if matches!(then, Then::Skipped(_)) {
        let why = format!("has a run that goes on, and its overlap policy is `{}`", schedule.overlap.word());
        return Err(no_state(&schedule.name, &why).advise(format!(
            "wait until it has ended: `kiln schedule show {}` says which it is",
            schedule.name
        )));
    }
    Ok(RunAsked { schedule: schedule.id, run, at_ms, then })
}

/// Makes up for a time that has passed: its ticks, which who asks has found, wait to begin one after another.
pub fn backfill_schedule(
    view: &View<'_>,
    account: &AccountId,
    wanted: ScheduleBackfilled,
) -> Result<ScheduleBackfilled, Refusal> {
    let schedule = own_schedule(view, account, &wanted.schedule)?;
    let id = schedule.id.as_str();
    let waiting = view.list(&WAITING, &[id]);
    let going = view.list(&RUNNING, &[id]);
    let mut ticks = wanted.ticks;
    // Those that go on or wait already are made up for.
    ticks.retain(|at_ms| going.iter().chain(&waiting).all(|run| run.at_ms != *at_ms || run.by == By::Hand));
    if ticks.is_empty() {
        let why = "has no tick in that time that has not run already";
        return Err(
            no_state(&schedule.name, why).advise("`kiln schedule preview --from TIME` shows its ticks")
        );
    }
    let count = ticks.len() + waiting.len();
    if count > WAITING_MAX {
        let why = format!("would have {count} runs that wait, and {WAITING_MAX} are the most");
        return Err(
            no_state(&schedule.name, &why).advise("make up for a shorter time, and for the rest after it")
        );
    }
    Ok(ScheduleBackfilled { ticks, ..wanted })
}

/// Says which operations a run has begun.
pub fn begin_run(
    view: &View<'_>,
    account: &AccountId,
    id: &ScheduleId,
    run: &str,
    flows: Vec<FlowId>,
) -> Result<RunBegan, Refusal> {
    let schedule = going(view, account, id, run)?;
    Ok(RunBegan { schedule: schedule.id, run: run.to_owned(), flows })
}

/// Says how a run has ended, and whether that was one failure too many.
pub fn end_run(
    view: &View<'_>,
    account: &AccountId,
    id: &ScheduleId,
    run: &str,
    ending: Ending,
) -> Result<RunEnded, Refusal> {
    let schedule = going(view, account, id, run)?;
    let is_failure = matches!(ending, Ending::Failed(_));
    let too_many = schedule.failures_max > 0 && schedule.failures.saturating_add(1) >= schedule.failures_max;
    let pauses = is_failure && too_many && schedule.paused.is_none();
    Ok(RunEnded { schedule: schedule.id, run: run.to_owned(), ending, pauses })
}

/// The schedule of a run that goes on.
fn going(view: &View<'_>, account: &AccountId, id: &ScheduleId, run: &str) -> Result<Schedule, Refusal> {
    let schedule = own_schedule(view, account, id)?;
    if view.get(&RUNNING, &[id.as_str(), run]).is_some() {
        return Ok(schedule);
    }
    Err(no_state(&schedule.name, &format!("has no run `{}` that goes on", run.escape_debug())))
}

fn no_state(name: &str, why: &str) -> Refusal {
    Refusal::new("IncorrectScheduleStatus", format!("the schedule `{name}` {why}"))
}
