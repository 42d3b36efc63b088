//! `kiln schedule …`: what is started by itself, and when.

use std::time::Duration;

use clap::{Args, Subcommand};
use domain::schedule::Overlap;
use service::{
    Because, Operation, PreviewOf, Request, ScheduleCreate, ScheduleRequest, ScheduleView, Schedules,
    Started, TicksAsked,
};

use crate::confirm::confirm;
use crate::exit::Stop;
use crate::follow;
use crate::schedule_show::{list_text, text, ticks_text};
use crate::session::Session;
use crate::span::span_ms;
use crate::user::gone;

/// How long between two looks at a run that is to begin.
const LOOK: Duration = Duration::from_millis(100);
/// Ticks previewed if nobody says how many.
const PREVIEWED: &str = "10";

/// What may be done with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Create a schedule
    Create(Box<Create>),
    /// List schedules
    List,
    /// Show a schedule, its next tick and its last runs
    Show(Named),
    /// Tell the next ticks of a schedule, or of one that is not there yet
    Preview(Preview),
    /// Run what a schedule starts, now
    RunNow(RunNow),
    /// Let a schedule tick no more until it is resumed
    Pause(Pause),
    /// Let a schedule that is paused tick again
    Resume(Named),
    /// Make up for the ticks of a time that has passed and have not run
    Backfill(Backfill),
    /// Delete a schedule; what it began goes on
    Delete(Delete),
}

/// When something ticks.
#[derive(Debug, Args)]
pub(crate) struct When {
    /// The time zone, such as Europe/Berlin
    #[arg(help = "The time zone, such as Europe/Berlin [default: UTC]")]
    #[arg(long, value_name = "ZONE", default_value = "UTC", hide_default_value = true)]
    zone: String,
    /// Nothing before this time, in the zone
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Nothing after this time, in the zone
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
}

/// A schedule to create.
#[derive(Debug, Args)]
#[command(after_help = "WHEN is one of
  '30 2 * * *'              a cron expression: MINUTE HOUR DAY MONTH WEEKDAY, with the seconds before it if need be
  'every 6h'                so long after another, from --start or from now on
  'at 2030-01-01T03:00'     once

A local time that does not exist, for the clock is put forward over it, ticks at the first instant after that;
one that exists twice ticks the first time.

OPERATION and its parameters are those of a line of a batch: `kiln batch operations` lists them.

Examples:
  kiln schedule create golden '30 2 * * TUE' --zone Europe/Berlin snapshot.create disk=golden retention-days=30
  kiln schedule create tidy 'every 6h' region.collect --jitter 10m
  kiln schedule create away 'at 2030-01-01T03:00' image.copy image=web-1 to-region=cn-beijing
  kiln schedule create nightly @daily image.check image=web-1 --overlap buffer-one --catch-up 2h --pause-after 3")]
pub(crate) struct Create {
    /// Its name: 1 to 64 letters, digits, `-`, `_` and `.`
    name: String,
    /// When it ticks
    when: String,
    /// What it starts
    operation: String,
    /// The parameters of that
    #[arg(value_name = "PARAMETER=VALUE")]
    parameters: Vec<String>,
    #[command(flatten)]
    ticks: When,
    /// How much later than it ticks a run begins at most, by chance that is the same each time
    #[arg(long, value_name = "SPAN", value_parser = span_ms)]
    jitter: Option<i64>,
    /// What becomes of a tick while a run goes on: skip, buffer-one, buffer-all, cancel-other, allow
    #[arg(
        help = "What becomes of a tick while a run goes on: skip, buffer-one, buffer-all, cancel-other, allow
[default: skip]"
    )]
    #[arg(long, value_name = "POLICY", value_parser = overlap, default_value = "skip", hide_default_value = true)]
    overlap: Overlap,
    /// How late a tick may come when nobody was there
    #[arg(help = "How late a tick may come when nobody was there [default: 1d]")]
    #[arg(long, value_name = "SPAN", value_parser = span_ms)]
    catch_up: Option<i64>,
    /// Pause it after so many failures in a row; never for 0
    #[arg(help = "Pause it after so many failures in a row, never for 0 [default: 10]")]
    #[arg(long, value_name = "COUNT")]
    pause_after: Option<u32>,
}

/// A schedule.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln schedule show golden
  kiln schedule show golden --output json
  kiln schedule resume golden")]
pub(crate) struct Named {
    /// Its name or id
    schedule: String,
}

/// Whose ticks are to be told.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln schedule preview golden
  kiln schedule preview golden --from 2027-03-27 --count 3
  kiln schedule preview --when '30 2 * * *' --zone Europe/Berlin --from 2027-03-27")]
pub(crate) struct Preview {
    /// A schedule
    #[arg(required_unless_present = "when", conflicts_with = "when")]
    schedule: Option<String>,
    /// Or what one would be told
    #[arg(long, value_name = "WHEN")]
    when: Option<String>,
    #[command(flatten)]
    ticks: When,
    /// From this time on, in the zone [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// How many
    #[arg(long, value_name = "COUNT", default_value = PREVIEWED)]
    count: u32,
}

/// A schedule to run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln schedule run-now golden
  kiln schedule run-now golden --no-wait")]
pub(crate) struct RunNow {
    /// Its name or id
    schedule: String,
    /// Do not wait until it has ended
    #[arg(long)]
    no_wait: bool,
}

/// A schedule to pause.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln schedule pause golden --reason 'the mirror moves'")]
pub(crate) struct Pause {
    /// Its name or id
    schedule: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

/// A time to make up for.
#[derive(Debug, Args)]
#[command(
    after_help = "Each tick of that time that has not run does so now, one after another. One that has is left out.

Examples:
  kiln schedule backfill golden --from 2027-01-01 --to 2027-01-31T23:59
  kiln schedule backfill golden --from 2027-01-30T02:00"
)]
pub(crate) struct Backfill {
    /// Its name or id
    schedule: String,
    /// From this time on, in its zone
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Up to this time [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
}

/// A schedule to delete.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln schedule delete golden
  kiln schedule delete golden --yes")]
pub(crate) struct Delete {
    /// Its name or id
    schedule: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

fn overlap(text: &str) -> Result<Overlap, String> {
    let found = Overlap::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, overlap)| *overlap).ok_or_else(|| {
        let words: Vec<_> = Overlap::WORDS.iter().map(|(word, _)| *word).collect();
        format!("it is one of {}", words.join(", "))
    })
}

impl When {
    fn asked(self, when: String) -> TicksAsked {
        TicksAsked { when, zone: self.zone, start: self.start, end: self.end }
    }
}

impl ScheduleCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::List | Self::Show(_) | Self::Preview(_) => Because::Looks,
            _ => Because::Waits,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::List => {
                let schedules: Schedules = session.ask(Request::Schedule(ScheduleRequest::List)).await?;
                session.screen.give(&schedules, |schedules| list_text(session, schedules));
                if schedules.schedules.is_empty() {
                    session.screen.say("no schedules yet: `kiln schedule create` makes one");
                }
                Ok(())
            }
            Self::Show(Named { schedule }) => tell(session, schedule, "").await,
            Self::Preview(preview) => preview.run(session).await,
            Self::RunNow(run) => run.run(session).await,
            Self::Pause(Pause { schedule, reason: why }) => {
                let request = ScheduleRequest::Pause { schedule: schedule.clone(), why };
                done(session, request).await?;
                tell(session, schedule, "paused").await
            }
            Self::Resume(Named { schedule }) => {
                done(session, ScheduleRequest::Resume(schedule.clone())).await?;
                tell(session, schedule, "resumed").await
            }
            Self::Backfill(Backfill { schedule, from, to }) => {
                done(session, ScheduleRequest::Backfill { schedule: schedule.clone(), from, to }).await?;
                tell(session, schedule.clone(), "making up with").await?;
                session.screen.say(&format!(
                    "they begin one after another while a `kiln` that waits or serves is there: \
                     `kiln schedule show {schedule}`"
                ));
                Ok(())
            }
            Self::Delete(Delete { schedule, yes }) => {
                confirm(session, &format!("the schedule `{schedule}` will be deleted"), yes)?;
                done(session, ScheduleRequest::Delete(schedule.clone())).await?;
                gone(session, "ScheduleName", "schedule", &schedule);
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let mut operation = Operation { operation: self.operation, ..Operation::default() };
        for parameter in self.parameters {
            let Some((name, value)) = parameter.split_once('=') else {
                let why = format!("`{parameter}` is no parameter: one looks like `image=web-1`");
                return Err(Stop::Usage(why));
            };
            if operation.parameters.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(Stop::Usage(format!("the parameter `{name}` is given twice")));
            }
        }
        let create = ScheduleCreate {
            name: self.name.clone(),
            ticks: self.ticks.asked(self.when),
            jitter_ms: self.jitter.unwrap_or_default(),
            overlap: self.overlap,
            catch_up_ms: self.catch_up,
            failures_max: self.pause_after,
            operation,
        };
        done(session, ScheduleRequest::Create(Box::new(create))).await?;
        tell(session, self.name, "created").await?;
        session.screen.say("it ticks while a `kiln serve` is there, and catches up when one was not");
        Ok(())
    }
}

impl Preview {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let of = match (self.schedule, self.when) {
            (Some(schedule), _) => PreviewOf::Schedule(schedule),
            (None, when) => PreviewOf::Ticks(self.ticks.asked(when.unwrap_or_default())),
        };
        let request = ScheduleRequest::Preview { of, from: self.from, count: self.count };
        let ticks: service::Ticks = session.ask(Request::Schedule(request)).await?;
        session.screen.give(&ticks, |ticks| ticks_text(session, ticks));
        if ticks.ticks.is_empty() {
            session.screen.say("it never ticks again");
        }
        Ok(())
    }
}

impl RunNow {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let started: Started =
            session.ask(Request::Schedule(ScheduleRequest::RunNow(self.schedule.clone()))).await?;
        let run = follow::to_end(session, &started).await?.output;
        if self.no_wait {
            return tell(session, self.schedule, "running").await;
        }
        loop {
            let schedule = show(session, self.schedule.clone()).await?;
            if let Some(past) = schedule.recent.iter().find(|past| past.run == run) {
                session.screen.give(&schedule, |schedule| text(session, schedule));
                let trouble = service::Trouble::new(
                    service::Family::Refused,
                    &past.error_code,
                    format!("the run failed: {}", past.error_message),
                );
                return if past.error_code.is_empty() { Ok(()) } else { Err(trouble.into()) };
            }
            let Some(going) = schedule.running.iter().find(|going| going.run == run) else {
                session.screen.give(&schedule, |schedule| text(session, schedule));
                session.screen.say("another run goes on, and this one waits until that has ended");
                return Ok(());
            };
            for workflow_id in going.workflow_ids.iter().copied() {
                let started = Started { workflow_id, joined: false, image_id: String::new() };
                let rests = follow::to_rest(session, &started).await?;
                // It goes on when somebody has looked at it, and so does the run.
                if let Some(trouble) = rests.trouble().filter(|_| rests.state == "Parked") {
                    session.screen.give(&schedule, |schedule| text(session, schedule));
                    return Err(trouble.into());
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Asks for a change, and waits until it is made.
async fn done(session: &Session, request: ScheduleRequest) -> Result<(), Stop> {
    let started: Started = session.ask(Request::Schedule(request)).await?;
    follow::to_end(session, &started).await?;
    Ok(())
}

async fn show(session: &Session, schedule: String) -> Result<ScheduleView, Stop> {
    session.ask(Request::Schedule(ScheduleRequest::Show(schedule))).await
}

/// Tells how a schedule stands, and what was done with it.
async fn tell(session: &Session, schedule: String, done: &str) -> Result<(), Stop> {
    let schedule = show(session, schedule).await?;
    session.screen.give(&schedule, |schedule| {
        if done.is_empty() {
            return text(session, schedule);
        }
        let next = match &schedule.next {
            Some(next) => format!("; its next tick is {}", next.local_time),
            None => String::new(),
        };
        format!("{done} the schedule `{}`{next}\n", schedule.schedule_name)
    });
    Ok(())
}
