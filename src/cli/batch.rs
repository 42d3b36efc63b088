//! `kiln batch …`: many operations of one manifest.

use clap::{Args, Subcommand};
use service::{BatchRequest, BatchView, Batches, Because, Known, Request, Takes, bytes_text, operations};

use crate::batch_report::Report;
use crate::batch_run::{Plan, Run, Watch, watch};
use crate::confirm::confirm;
use crate::exit::Stop;
use crate::session::Session;
use crate::table::{Column, draw, facts};

/// What may be done with batches.
#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Check every line of a manifest, and find out which could be done now
    Plan(Plan),
    /// Do what a manifest says, line by line; the same manifest again goes on with it
    Run(Run),
    /// List batches
    List,
    /// Show how far a batch is
    Show(One),
    /// Wait for a batch, and show how far it is
    Watch(Watch),
    /// Start no more lines until it is resumed; those that run come to their ends
    Pause(Said),
    /// Start lines again, whatever failed before
    Resume(Resume),
    /// Start no more lines ever; those that run come to their ends
    Cancel(Cancel),
    /// Write what became of each line, and what failed as a manifest for another try
    Report(Report),
    /// Take a batch that has ended out of the list, with its manifest
    Forget(Forget),
    /// List the operations a manifest may hold, or what one of them takes
    Operations(Operations),
}

/// A batch.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln batch show nightly
  kiln batch show nightly --output json | jq .Failed")]
pub(crate) struct One {
    /// Its name or id
    batch: String,
}

/// A batch, and why.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln batch pause nightly
  kiln batch pause nightly --reason 'the disk is slow'")]
pub(crate) struct Said {
    /// Its name or id
    batch: String,
    /// Why; it stands in the log
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// A batch to resume.
#[derive(Debug, Args)]
#[command(
    after_help = "One that stopped because too many lines failed goes on, and stops again when as many more have.

Examples:
  kiln batch resume nightly
  kiln batch resume nightly --reason 'the names are right now' --no-wait"
)]
pub(crate) struct Resume {
    /// Its name or id
    batch: String,
    /// Why; it stands in the log
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Say it and return
    #[arg(long)]
    no_wait: bool,
}

/// A batch to cancel.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln batch cancel nightly
  kiln batch cancel nightly --hard --reason 'the wrong manifest'")]
pub(crate) struct Cancel {
    /// Its name or id
    batch: String,
    /// Why; it stands in the log
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Cancel lines that run as well: they are undone, but for those past their point of no return
    #[arg(long)]
    hard: bool,
    /// Say it and return
    #[arg(long)]
    no_wait: bool,
}

/// A batch to forget.
#[derive(Debug, Args)]
#[command(after_help = "What its lines did stays in the log.

Examples:
  kiln batch forget nightly --yes")]
pub(crate) struct Forget {
    /// Its name or id
    batch: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Operations.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln batch operations
  kiln batch operations image.copy")]
pub(crate) struct Operations {
    /// Only what this one takes
    operation: Option<String>,
}

impl BatchCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Run(run) => run.because(),
            Self::Watch(_) => Because::Waits,
            Self::Resume(Resume { no_wait, .. }) | Self::Cancel(Cancel { no_wait, .. }) if !no_wait => {
                Because::Waits
            }
            _ => Because::Looks,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Plan(plan) => plan.run(session).await,
            Self::Run(run) => run.run(session).await,
            Self::List => list(session).await,
            Self::Show(One { batch }) => {
                let view: BatchView = session.ask(Request::Batch(BatchRequest::Show { batch })).await?;
                session.screen.give(&view, |view| facts_of(session, view));
                Ok(())
            }
            Self::Watch(one) => one.run(session).await,
            Self::Pause(Said { batch, reason }) => {
                tell(session, BatchRequest::Pause { batch, reason }, "paused").await.map(drop)
            }
            Self::Resume(Resume { batch, reason, no_wait }) => {
                let view = ask(session, BatchRequest::Resume { batch, reason }).await?;
                follow(session, view, no_wait, "resumed").await
            }
            Self::Cancel(Cancel { batch, reason, hard, no_wait }) => {
                let view = ask(session, BatchRequest::Cancel { batch, reason, hard }).await?;
                follow(session, view, no_wait, "cancelled").await
            }
            Self::Report(report) => report.run(session).await,
            Self::Forget(Forget { batch, yes }) => {
                confirm(session, &format!("the batch `{batch}` and its manifest will be forgotten"), yes)?;
                tell(session, BatchRequest::Forget { batch }, "forgotten").await.map(drop)
            }
            Self::Operations(Operations { operation }) => list_operations(session, operation.as_deref()),
        }
    }
}

async fn ask(session: &Session, request: BatchRequest) -> Result<BatchView, Stop> {
    session.ask(Request::Batch(request)).await
}

async fn tell(session: &Session, request: BatchRequest, done: &str) -> Result<BatchView, Stop> {
    let view = ask(session, request).await?;
    session.screen.give(&view, |view| format!("{done} `{}`: {}\n", view.batch_name, progress(view)));
    Ok(view)
}

/// Waits for what follows a word on a batch.
async fn follow(session: &Session, view: BatchView, no_wait: bool, done: &str) -> Result<(), Stop> {
    if no_wait {
        session.screen.give(&view, |view| format!("{done} `{}`: {}\n", view.batch_name, progress(view)));
        return Ok(());
    }
    let ended = watch(session, &view.batch_id).await?;
    session.screen.give(&ended, |view| format!("{done} `{}`: {}\n", view.batch_name, progress(view)));
    Ok(())
}

/// How far a batch is, in words.
pub(crate) fn progress(view: &BatchView) -> String {
    let mut text = format!("{}, {} of {} lines", view.state, view.settled, view.lines);
    for (count, word) in [(view.failed, "failed"), (view.parked, "parked"), (view.running, "run")] {
        if count > 0 {
            text.extend([", ", &count.to_string(), " ", word]);
        }
    }
    if !view.reason.is_empty() {
        text.extend([" (", &view.reason, ")"]);
    }
    text
}

async fn list(session: &Session) -> Result<(), Stop> {
    let batches: Batches = session.ask(Request::Batch(BatchRequest::List)).await?;
    session.screen.give(&batches, |batches| {
        if batches.batches.is_empty() {
            return String::new();
        }
        let columns = [
            Column::Whole("ID"),
            Column::Text("NAME"),
            Column::State("STATE"),
            Column::Number("LINES"),
            Column::Number("DONE"),
            Column::Number("FAILED"),
            Column::Spare("BEGUN"),
        ];
        let row = |view: &BatchView| {
            vec![
                view.batch_id.clone(),
                view.batch_name.clone(),
                view.state.clone(),
                view.lines.to_string(),
                view.done.to_string(),
                (view.failed + view.parked).to_string(),
                view.begin_time.clone(),
            ]
        };
        draw(&session.screen, &columns, &batches.batches.iter().map(row).collect::<Vec<_>>())
    });
    if batches.batches.is_empty() {
        session.screen.say("no batches yet; `kiln batch run MANIFEST` begins one");
    }
    Ok(())
}

fn facts_of(session: &Session, view: &BatchView) -> String {
    let left =
        view.left_seconds.map(|seconds| format!("{seconds} s at {:.0} lines/s", view.lines_per_second));
    let bandwidth = view.bytes_per_second.map(|bytes| format!("{} a second, all copies", bytes_text(bytes)));
    let facts_there = [
        ("batch", view.batch_id.clone()),
        ("name", view.batch_name.clone()),
        ("state", view.state.clone()),
        ("because", view.reason.clone()),
        ("lines", view.lines.to_string()),
        ("done", view.done.to_string()),
        ("failed", view.failed.to_string()),
        ("parked", view.parked.to_string()),
        ("running", view.running.to_string()),
        ("bandwidth", bandwidth.unwrap_or_default()),
        ("left", left.unwrap_or_default()),
        ("begun", view.begin_time.clone()),
        ("ended", view.end_time.clone()),
        ("manifest", view.manifest.clone()),
    ];
    facts(&session.screen, &facts_there)
}

fn list_operations(session: &Session, only: Option<&str>) -> Result<(), Stop> {
    let Some(only) = only else {
        let rows = |_: &Vec<serde_json::Value>| {
            let columns = [Column::Whole("OPERATION"), Column::Whole("TAKES"), Column::Text("DOES")];
            let row = |known: &Known| {
                let needed: Vec<_> =
                    known.parameters.iter().filter(|one| one.needed).map(|one| one.name).collect();
                vec![known.name.to_owned(), needed.join(", "), known.about.to_owned()]
            };
            draw(&session.screen, &columns, &operations().iter().map(row).collect::<Vec<_>>())
        };
        session.screen.give(&operations().iter().map(as_json).collect::<Vec<_>>(), rows);
        session.screen.say("`kiln batch operations OPERATION` says all that one takes");
        return Ok(());
    };
    let Some(known) = operations().iter().find(|known| known.name == only) else {
        // Asked for it, the operation says itself what may be meant.
        let unknown = service::Operation::new(only, []).request();
        return Err(unknown.map(drop).err().map_or_else(|| Stop::Usage(only.to_owned()), Stop::Trouble));
    };
    session.screen.give(&as_json(known), |_| {
        let columns = [Column::Whole("PARAMETER"), Column::Whole("TAKES"), Column::Text("SAYS")];
        let row = |one: &service::Parameter| {
            let needed = if one.needed { " (needed)" } else { "" };
            vec![one.name.to_owned(), takes(one.takes), format!("{}{needed}", one.about)]
        };
        draw(&session.screen, &columns, &known.parameters.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

fn as_json(known: &Known) -> serde_json::Value {
    let parameter = |one: &service::Parameter| {
        serde_json::json!({
            "Parameter": one.name, "Takes": takes(one.takes), "Needed": one.needed, "About": one.about,
        })
    };
    let parameters: Vec<_> = known.parameters.iter().map(parameter).collect();
    serde_json::json!({ "Operation": known.name, "About": known.about, "Parameters": parameters })
}

fn takes(takes: Takes) -> String {
    match takes {
        Takes::Text => "text".to_owned(),
        Takes::Yes => "yes or no".to_owned(),
        Takes::Size => "size (20MiB)".to_owned(),
        Takes::Span => "length of time (30d)".to_owned(),
        Takes::Time => "time".to_owned(),
        Takes::Number => "number".to_owned(),
        Takes::List => "words with ;".to_owned(),
        Takes::Tags => "KEY=VALUE with ;".to_owned(),
        Takes::File => "path or oss://".to_owned(),
        Takes::OneOf(words) => words.join(", "),
    }
}
