//! What retention policies and distribution lists have in common on the command line: telling, planning, running and
//! deleting them.

use clap::{Args, Subcommand};
use domain::upkeep::{Goal, Kind};
use service::{
    PlanRow, RegionReport, RegionRun, Request, RunReport, Started, UpkeepAt, UpkeepCreate, UpkeepPlanView,
    UpkeepRequest, UpkeepView, Upkeeps, WorkflowView,
};

use crate::confirm::confirm;
use crate::exit::Stop;
use crate::follow;
use crate::session::Session;
use crate::table::{Column, draw, facts};
use crate::user::gone;

/// What is done the same with both.
#[derive(Debug, Subcommand)]
pub(crate) enum Common {
    /// List them
    List,
    /// Show one, and what its last run came to
    Show(Named),
    /// Say what a run would do now, and why; nothing is done
    Plan(Named),
    /// Run it now
    Run(Run),
    /// Delete it; what it brought about stays
    Delete(Delete),
}

/// One of them.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its name or id
    name: String,
}

/// One to run.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Its name or id
    name: String,
    /// Do not wait until it has ended
    #[arg(long)]
    no_wait: bool,
}

/// One to delete.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Its name or id
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Common {
    pub(crate) fn looks(&self) -> bool {
        matches!(self, Self::List | Self::Show(_) | Self::Plan(_))
    }

    pub(crate) async fn run(self, session: &Session, kind: Kind) -> Result<(), Stop> {
        let at = |named: &str| UpkeepAt { kind, named: named.to_owned() };
        match self {
            Self::List => {
                let all: Upkeeps = ask(session, UpkeepRequest::List(kind)).await?;
                session.screen.give(&all, |all| list_text(session, kind, all));
                if all.upkeeps.is_empty() {
                    let word = kind.word();
                    session.screen.say(&format!("no {} yet: `kiln {word} create` makes one", plural(kind)));
                }
                Ok(())
            }
            Self::Show(Named { name }) => {
                let view = show(session, kind, &name).await?;
                session.screen.give(&view, |view| text(session, view));
                Ok(())
            }
            Self::Plan(Named { name }) => {
                let plan: UpkeepPlanView = ask(session, UpkeepRequest::Plan(at(&name))).await?;
                session.screen.give(&plan, |plan| plan_text(session, kind, plan));
                session.screen.say(&summary(kind, &plan));
                Ok(())
            }
            Self::Run(Run { name, no_wait }) => {
                let started: Started = ask(session, UpkeepRequest::Run(at(&name))).await?;
                if no_wait {
                    follow::leave(session, &started);
                    return Ok(());
                }
                run(session, kind, &name, &started).await
            }
            Self::Delete(Delete { name, yes }) => {
                confirm(session, &format!("the {} `{name}` will be deleted", kind.called()), yes)?;
                done(session, UpkeepRequest::Delete(at(&name))).await?;
                gone(session, "UpkeepName", kind.called(), &name);
                Ok(())
            }
        }
    }
}

pub(crate) async fn ask<T: TryFrom<service::Reply, Error = service::Trouble>>(
    session: &Session,
    request: UpkeepRequest,
) -> Result<T, Stop> {
    session.ask(Request::Upkeep(request)).await
}

/// Asks for a change, and waits until it is made.
async fn done(session: &Session, request: UpkeepRequest) -> Result<(), Stop> {
    let started: Started = ask(session, request).await?;
    follow::to_end(session, &started).await?;
    Ok(())
}

pub(crate) async fn show(session: &Session, kind: Kind, named: &str) -> Result<UpkeepView, Stop> {
    ask(session, UpkeepRequest::Show(UpkeepAt { kind, named: named.to_owned() })).await
}

/// Creates one and tells what was made.
pub(crate) async fn create(session: &Session, create: UpkeepCreate) -> Result<(), Stop> {
    let (kind, name) = (create.goal.kind(), create.name.clone());
    done(session, UpkeepRequest::Create(create)).await?;
    tell(session, kind, &name, "created").await?;
    let word = kind.word();
    session.screen.say(&format!(
        "nothing is done yet: `kiln {word} plan {name}` says what would be, `kiln {word} run {name}` does it, and \
         `kiln schedule create {name} @daily {word}.run {word}={name}` does it every day"
    ));
    Ok(())
}

/// Has one say something else, and tells what.
pub(crate) async fn change(session: &Session, kind: Kind, name: &str, goal: Goal) -> Result<(), Stop> {
    let at = UpkeepAt { kind, named: name.to_owned() };
    done(session, UpkeepRequest::Change { at, goal }).await?;
    tell(session, kind, name, "changed").await
}

async fn tell(session: &Session, kind: Kind, name: &str, done: &str) -> Result<(), Stop> {
    let view = show(session, kind, name).await?;
    session
        .screen
        .give(&view, |view| format!("{done} the {} `{}`: {}\n", kind.called(), view.upkeep_name, says(view)));
    Ok(())
}

/// Waits for a run, and for what it has begun in regions, and tells what became of it.
async fn run(session: &Session, kind: Kind, name: &str, started: &Started) -> Result<(), Stop> {
    follow::to_end(session, started).await?;
    let view = show(session, kind, name).await?;
    let begun = view.last.iter().flat_map(|last| &last.begun).map(|run| run.workflow_id).collect();
    let mut parked = None;
    follow::several(session, begun, |rests: &WorkflowView| parked = rests.trouble().or(parked.take()))
        .await?;
    let view = show(session, kind, name).await?;
    session.screen.give(&view, |view| runs_text(session, view));
    let not: usize = reports(&view).map(|(_, report)| report.refused.len() + report.away.len()).sum();
    if let Some(trouble) = parked {
        return Err(trouble.into());
    }
    if not > 0 {
        let word = kind.word();
        session.screen.say(&format!(
            "{not} could not be done now; the next run tries again: `kiln {word} plan {name}`"
        ));
    }
    Ok(())
}

/// What the last run came to, and what the regions did that it began.
fn reports(view: &UpkeepView) -> impl Iterator<Item = (&str, &RunReport)> {
    let begun = |report: &&RegionReport| {
        let last = view.last.iter().flat_map(|last| &last.begun);
        last.map(|run| run.workflow_id).any(|flow| flow == report.report.workflow_id)
    };
    let regions = view.regions.iter().filter(begun).map(|region| (region.region_id.as_str(), &region.report));
    view.last.iter().map(|last| ("", last)).chain(regions)
}

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Retention => "retention policies",
        Kind::Distribution => "distribution lists",
    }
}

/// What one says, in words.
fn says(view: &UpkeepView) -> String {
    if let Some(it) = &view.retention {
        let keep = it.keep.map(|keep| format!("newest {keep}"));
        let younger = it.younger_than_seconds.map(|seconds| format!("younger than {}", span(seconds)));
        let stay: Vec<String> = keep.into_iter().chain(younger).collect();
        let mut text = format!("keeps {}, grace {}", stay.join(" and "), span(it.grace_seconds));
        let more = [(it.in_use, ", even in use"), (it.shared, ", even shared")];
        text.extend(more.iter().filter(|(is, _)| *is).map(|(_, word)| *word));
        return text;
    }
    let Some(it) = &view.distribution else { return String::new() };
    let mut parts = Vec::new();
    if !it.to_regions.is_empty() {
        parts.push(format!("to {}", it.to_regions.join(" ")));
    }
    if !it.share_with.is_empty() {
        parts.push(format!("shared with {}", it.share_with.join(" ")));
    }
    let newest = if it.newest == 1 { "the newest".to_owned() } else { format!("the newest {}", it.newest) };
    format!("{newest} {}", parts.join(", "))
}

/// A length of time in the largest unit that fits.
fn span(seconds: i64) -> String {
    if seconds == 0 {
        return "none".to_owned();
    }
    let units = [("d", 86_400), ("h", 3600), ("m", 60)];
    let fits = units.iter().find(|(_, unit)| seconds % unit == 0);
    fits.map_or_else(|| format!("{seconds}s"), |(name, unit)| format!("{}{name}", seconds / unit))
}

fn list_text(session: &Session, kind: Kind, all: &Upkeeps) -> String {
    let place = if kind == Kind::Retention { "REGION" } else { "FROM" };
    let columns = [
        Column::Whole("NAME"),
        Column::Whole("FAMILY"),
        Column::Whole(place),
        Column::Text("SAYS"),
        Column::Spare("LAST RUN"),
    ];
    let row = |view: &UpkeepView| {
        let region = if view.region_id.is_empty() { "all" } else { &view.region_id };
        let last = view.last.as_ref().map(|last| last.end_time.clone()).unwrap_or_default();
        vec![view.upkeep_name.clone(), view.image_family.clone(), region.to_owned(), says(view), last]
    };
    draw(&session.screen, &columns, &all.upkeeps.iter().map(row).collect::<Vec<_>>())
}

/// One of them.
fn text(session: &Session, view: &UpkeepView) -> String {
    let region = if view.region_id.is_empty() { "all" } else { &view.region_id };
    let underway = |run: &RegionRun| format!("{} by {} ({})", run.region_id, run.workflow_id, run.state);
    let mut text = facts(
        &session.screen,
        &[
            ("name", view.upkeep_name.clone()),
            ("id", view.upkeep_id.clone()),
            ("family", view.image_family.clone()),
            ("region", region.to_owned()),
            ("says", says(view)),
            ("running", view.running.map(|flow| flow.to_string()).unwrap_or_default()),
            ("underway", view.underway.iter().map(underway).collect::<Vec<_>>().join(", ")),
            ("last run", view.last.as_ref().map(|last| last.end_time.clone()).unwrap_or_default()),
            ("created", view.creation_time.clone()),
        ],
    );
    let report = reports_text(session, &mut all_reports(view));
    if !report.is_empty() {
        text.push('\n');
        text.push_str(&report);
    }
    text
}

/// What the last run came to, and the last work in every region.
fn all_reports(view: &UpkeepView) -> impl Iterator<Item = (&str, &RunReport)> {
    let regions = view.regions.iter().map(|region| (region.region_id.as_str(), &region.report));
    view.last.iter().map(|last| ("", last)).chain(regions)
}

fn runs_text(session: &Session, view: &UpkeepView) -> String {
    let table = reports_text(session, &mut reports(view));
    if table.is_empty() { "nothing was to be done\n".to_owned() } else { table }
}

/// What was done and what was not, in a table; nothing if there is nothing to tell.
fn reports_text<'a>(
    session: &Session,
    reports: &mut dyn Iterator<Item = (&'a str, &'a RunReport)>,
) -> String {
    let columns = [
        Column::State("WHAT"),
        Column::Whole("IMAGE"),
        Column::Whole("REGION"),
        Column::Spare("WORKFLOW"),
        Column::Text("WHY NOT"),
    ];
    let mut rows = Vec::new();
    for (region, report) in reports {
        let flow = report.workflow_id.to_string();
        let mut row = |what: &str, image: &str, region: &str, why: String| {
            rows.push(vec![what.to_owned(), image.to_owned(), region.to_owned(), flow.clone(), why]);
        };
        let done = [
            ("Deprecated", &report.deprecated),
            ("Deleted", &report.deleted),
            ("Copied", &report.copied),
            ("Shared", &report.shared),
        ];
        for (what, images) in done {
            for image in images {
                row(what, image, region, String::new());
            }
        }
        for not in &report.refused {
            let why = format!("{}: {}", not.error_code, not.error_message);
            row(&format!("{} failed", not.does), &not.image_id, &not.region_id, why);
        }
        for away in &report.away {
            row("Waits", "", &away.region_id, away.because.clone());
        }
    }
    if rows.is_empty() { String::new() } else { draw(&session.screen, &columns, &rows) }
}

fn plan_text(session: &Session, kind: Kind, plan: &UpkeepPlanView) -> String {
    let columns = [
        Column::State("DOES"),
        Column::Whole("IMAGE"),
        Column::Text("NAME"),
        Column::Whole("REGION"),
        Column::Spare("STATUS"),
        Column::Text("WHY"),
    ];
    let row = |row: &PlanRow| {
        let why = match (kind, row.delete_time.as_str()) {
            (Kind::Retention, time) if !time.is_empty() => format!("deleted from {time} on: {}", row.because),
            _ => row.because.clone(),
        };
        let id = row.image_id.clone();
        vec![row.does.clone(), id, row.image_name.clone(), row.region_id.clone(), row.status.clone(), why]
    };
    draw(&session.screen, &columns, &plan.images.iter().map(row).collect::<Vec<_>>())
}

/// What a plan comes to.
fn summary(kind: Kind, plan: &UpkeepPlanView) -> String {
    if plan.images.is_empty() {
        return format!("the family `{}` has no images there", plan.image_family);
    }
    let count = |does: &str| plan.images.iter().filter(|row| row.does == does).count();
    let words: &[(&str, &str)] = match kind {
        Kind::Retention => {
            &[("Stays", "stay"), ("Deprecate", "to deprecate"), ("Waits", "wait"), ("Delete", "to delete")]
        }
        Kind::Distribution => &[
            ("There", "there"),
            ("Share", "to share"),
            ("Copy", "to copy"),
            ("Underway", "underway"),
            ("Waits", "wait"),
            ("Left", "left as they are"),
        ],
    };
    let counts = words.iter().map(|(does, word)| (count(does), word)).filter(|(count, _)| *count > 0);
    counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}
