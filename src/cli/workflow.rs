//! `kiln workflow …`: operations, and a person's word on them.

use clap::{Args, Subcommand};
use event::FlowId;
use service::{Because, Request, Started, Story, WorkflowView};

use crate::exit::Stop;
use crate::follow;
use crate::image::story_text;
use crate::session::Session;
use crate::table::facts;
use crate::workflow_list::List;
use crate::workflow_stand::{Reset, Stand};

/// What may be done with operations.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// List operations, newest first
    List(List),
    /// Show one operation and what it did
    Show(One),
    /// Wait for an operation, or for all of them, showing how far they are
    Watch(Watch),
    /// Stop an operation and undo what it began
    Cancel(Word),
    /// Make operations stand still
    Pause(Stand),
    /// Let operations go on that were paused, or one that is parked
    #[command(alias = "retry")]
    Resume(Stand),
    /// Begin a parked operation anew from one of its events, or any from its beginning
    Reset(Reset),
    /// Make a parked operation undo what it began
    Unwind(Word),
    /// Give a parked operation up, leaving things as they are
    Abandon(Word),
}

/// An operation.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Its id
    workflow: FlowId,
}

/// What to wait for.
#[derive(Debug, Args)]
#[command(
    after_help = "Operations go on as long as some `kiln` waits for one. Without an id this one waits for all.

Examples:
  kiln workflow watch
  kiln workflow watch w-06dszv2c8jv5v61bgm3kb9y9m4"
)]
pub(crate) struct Watch {
    /// Its id; all that have not ended if none is given
    workflow: Option<FlowId>,
}

/// A person's word on an operation.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln workflow cancel w-06dszv2c8jv5v61bgm3kb9y9m4
  kiln workflow resume w-06dszv2c8jv5v61bgm3kb9y9m4 --reason 'the disk is mounted again'
  kiln workflow unwind w-06dszv2c8jv5v61bgm3kb9y9m4 --reason 'not needed any more'")]
pub(crate) struct Word {
    /// Its id
    workflow: FlowId,
    /// Why; it stands in the log
    #[arg(long, default_value = "")]
    reason: String,
    /// Say it and return, without waiting for what follows
    #[arg(long)]
    no_wait: bool,
}

impl WorkflowCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::List(_) | Self::Show(_) | Self::Abandon(_) | Self::Pause(_) => Because::Looks,
            Self::Cancel(word) | Self::Unwind(word) if word.no_wait => Because::Looks,
            Self::Resume(stand) if !stand.waits() => Because::Looks,
            Self::Reset(reset) if reset.no_wait => Because::Looks,
            Self::Watch(_) | Self::Cancel(_) | Self::Resume(_) | Self::Reset(_) | Self::Unwind(_) => {
                Because::Waits
            }
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::List(list) => list.run(session).await?,
            Self::Show(one) => show(session, one.workflow).await?,
            Self::Watch(watch) => watch.run(session).await?,
            Self::Cancel(word) => cancel(session, word).await?,
            Self::Pause(stand) => stand.pause(session).await?,
            Self::Resume(stand) => {
                let waits = stand.waits();
                match stand.resume(session).await? {
                    Some(view) if waits => return watch_one(session, view.workflow_id).await,
                    Some(view) => tell(session, &view),
                    None => {}
                }
            }
            Self::Reset(reset) => {
                let waits = !reset.no_wait;
                let view = reset.run(session).await?;
                if waits {
                    return watch_one(session, view.workflow_id).await;
                }
                tell(session, &view);
            }
            Self::Unwind(Word { workflow, reason, no_wait }) => {
                let view: WorkflowView = session.ask(Request::WorkflowUnwind { workflow, reason }).await?;
                if !no_wait {
                    return undone(session, workflow).await;
                }
                tell(session, &view);
            }
            Self::Abandon(Word { workflow, reason, .. }) => {
                let view: WorkflowView = session.ask(Request::WorkflowAbandon { workflow, reason }).await?;
                tell(session, &view);
            }
        }
        Ok(())
    }
}

/// What an operation is about, and how far it is.
pub(crate) fn what(flow: &WorkflowView) -> String {
    let far = flow.progress.as_ref().filter(|progress| progress.total_bytes > 0).map(|progress| {
        let percent = u128::from(progress.done_bytes) * 100 / u128::from(progress.total_bytes);
        format!(" ({} {percent} %)", progress.doing)
    });
    format!("{}{}", flow.label, far.unwrap_or_default())
}

async fn show(session: &Session, workflow: FlowId) -> Result<(), Stop> {
    let view: WorkflowView = session.ask(Request::WorkflowShow(workflow)).await?;
    let story: Story = session.ask(Request::WorkflowHistory(workflow)).await?;
    session.screen.give(&view, |view| format!("{}\n{}", view_text(session, view), story_text(&story)));
    Ok(())
}

fn view_text(session: &Session, view: &WorkflowView) -> String {
    let yes = |claim: bool| if claim { "yes".to_owned() } else { String::new() };
    facts(
        &session.screen,
        &[
            ("Workflow", view.workflow_id.to_string()),
            ("What", what(view)),
            ("State", view.state.clone()),
            ("Driven now", yes(view.driven)),
            ("Started", view.start_time.clone()),
            ("Ended", view.end_time.clone()),
            ("Past return", yes(view.past_no_return)),
            ("Cancelled", yes(view.cancel_requested)),
            ("Paused", view.paused.clone()),
            ("Takes up", view.takes_up.clone()),
            ("Yielded", view.output.clone()),
            ("Code", view.error_code.clone()),
            ("Why", view.error_message.clone()),
            ("Try", view.advice.clone()),
        ],
    )
}

impl Watch {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        if let Some(workflow) = self.workflow {
            return watch_one(session, workflow).await;
        }
        if session.screen.is_watched() {
            return watch_all(session).await;
        }
        let mut worst = Ok(());
        loop {
            let open = follow::open(session).await?;
            // Oldest first; one that is parked has nothing to wait for.
            let next = open.iter().rev().find(|flow| !flow.rests());
            let Some(next) = next else { break };
            session.screen.say(&format!("waiting for {} ({})", next.label, next.workflow_id));
            match watch_one(session, next.workflow_id).await {
                Ok(()) => {}
                Err(Stop::Trouble(trouble)) => {
                    session.screen.say(&format!("{}: {trouble}", next.label));
                    worst = Err(Stop::Trouble(trouble));
                }
                Err(other) => return Err(other),
            }
        }
        worst
    }
}

/// Waits for all operations that have not ended, and for those they start, with a line for each.
async fn watch_all(session: &Session) -> Result<(), Stop> {
    let mut worst = Ok(());
    loop {
        let open = follow::open(session).await?;
        let going = open.iter().rev().filter(|flow| !flow.rests());
        let going: Vec<FlowId> = going.map(|flow| flow.workflow_id).collect();
        if going.is_empty() {
            return worst;
        }
        let told = |view: &WorkflowView| match view.trouble() {
            Some(trouble) => {
                session.screen.say(&format!("{}: {trouble}", view.label));
                worst = Err(Stop::Trouble(trouble));
            }
            None => tell(session, view),
        };
        follow::several(session, going, told).await?;
    }
}

/// Waits for one operation and tells how it ended.
async fn watch_one(session: &Session, workflow: FlowId) -> Result<(), Stop> {
    let started = Started { workflow_id: workflow, joined: true, image_id: String::new() };
    let view = follow::to_end(session, &started).await?;
    tell(session, &view);
    Ok(())
}

/// Waits until an operation is undone. It is the end that was asked for, and so no error.
async fn undone(session: &Session, workflow: FlowId) -> Result<(), Stop> {
    let started = Started { workflow_id: workflow, joined: true, image_id: String::new() };
    let view = follow::to_rest(session, &started).await?;
    if let Some(trouble) = view.trouble().filter(|_| view.state != "Undone") {
        return Err(trouble.into());
    }
    tell(session, &view);
    Ok(())
}

async fn cancel(session: &Session, word: Word) -> Result<(), Stop> {
    let Word { workflow, reason, no_wait } = word;
    let view: WorkflowView = session.ask(Request::WorkflowCancel { workflow, reason }).await?;
    if !no_wait {
        return undone(session, workflow).await;
    }
    tell(session, &view);
    Ok(())
}

fn tell(session: &Session, view: &WorkflowView) {
    session.screen.give(view, |view| {
        let state = match view.state.as_str() {
            "Done" => "done",
            "Undone" => "stopped, and everything it had begun is undone",
            "Abandoned" => "given up",
            "Parked" => "parked",
            _ if view.cancel_requested => "going to stop",
            _ => "in progress",
        };
        format!("{}: {state}\n", view.label)
    });
}
