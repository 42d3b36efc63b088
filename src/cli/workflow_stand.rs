//! `kiln workflow pause|resume|reset`: operations that stand still, go on, or are begun anew.

use clap::Args;
use event::{FlowId, Seq};
use service::{Request, Which, WorkflowView, Workflows};

use crate::exit::Stop;
use crate::session::Session;

/// Which operations are to stand still or to go on.
#[derive(Debug, Args)]
#[command(
    after_help = "An operation that stands still ends what it is at and begins nothing new; a cancel goes through.
It stays so over restarts. Those of a kind, the background, or all, are the operator's to pause, and
go on together.

Examples:
  kiln workflow pause w-06dszv2c8jv5v61bgm3kb9y9m4 --reason 'the disk is being replaced'
  kiln workflow pause --kind copy_image
  kiln workflow pause --background --reason 'not in the daytime'
  kiln workflow resume --all"
)]
pub(crate) struct Stand {
    #[command(flatten)]
    asked: Asked,
    /// Why; it stands in the log
    #[arg(long, default_value = "")]
    reason: String,
    /// Say it and return, without waiting for what follows
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// One of them, those of a kind, or all.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Asked {
    /// Its id
    workflow: Option<FlowId>,
    /// All of a kind, as `kiln workflow list --output json` names it
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,
    /// What nobody waits for and what starts by itself: batches, schedules, checks
    #[arg(long)]
    background: bool,
    /// All there are
    #[arg(long)]
    all: bool,
}

/// Which operation is begun anew, and from where.
#[derive(Debug, Args)]
#[command(
    after_help = "A parked operation undoes what it did from one of its events on, is given up, and begun anew from
there: what it did before is taken over, and undone by the new one if that turns. It has to be parked, before
its point of no return, and not cancelled. From within a race that was decided later nothing goes on, as what lost in
it is undone. One that has ended is simply started once more.
A cancel while the old one undoes holds for the new one.

Examples:
  kiln audit log --workflow w-06dszv2c8jv5v61bgm3kb9y9m4    # its events, with their numbers
  kiln workflow reset w-06dszv2c8jv5v61bgm3kb9y9m4 --before 4711 --reason 'the mirror had sent rubbish'"
)]
pub(crate) struct Reset {
    /// Its id
    workflow: FlowId,
    /// The first of its events that is not taken over; its beginning if it is not given
    #[arg(long, value_name = "EVENT")]
    before: Option<u64>,
    /// Why; it stands in the log
    #[arg(long, default_value = "")]
    reason: String,
    /// Say it and return, without waiting for what follows
    #[arg(long)]
    pub(crate) no_wait: bool,
}

impl Stand {
    fn which(&self) -> Which {
        match &self.asked {
            Asked { workflow: Some(id), .. } => Which::Flow(*id),
            Asked { kind: Some(kind), .. } => Which::Kind(kind.clone()),
            Asked { background: true, .. } => Which::Background,
            Asked { .. } => Which::All,
        }
    }

    /// Whether it is one operation that is to be waited for.
    pub(crate) fn waits(&self) -> bool {
        self.asked.workflow.is_some() && !self.no_wait
    }

    /// Makes them stand still.
    pub(crate) async fn pause(self, session: &Session) -> Result<(), Stop> {
        let (which, reason) = (self.which(), self.reason);
        let stood: Workflows = session.ask(Request::WorkflowPause { which, reason }).await?;
        tell(session, &stood, "stand still");
        Ok(())
    }

    /// Lets them go on; yields the one that is to be waited for, if it is one.
    pub(crate) async fn resume(self, session: &Session) -> Result<Option<WorkflowView>, Stop> {
        let (which, reason) = (self.which(), self.reason);
        if let Which::Flow(workflow) = which {
            return Ok(Some(session.ask(Request::WorkflowResume { workflow, reason }).await?));
        }
        let going: Workflows = session.ask(Request::WorkflowResumeAll { which, reason }).await?;
        tell(session, &going, "go on");
        Ok(None)
    }
}

impl Reset {
    /// Begins it anew; yields the new operation.
    pub(crate) async fn run(self, session: &Session) -> Result<WorkflowView, Stop> {
        let Self { workflow, before, reason, .. } = self;
        let before = before.map(Seq);
        session.ask(Request::WorkflowReset { workflow, before, reason }).await
    }
}

fn tell(session: &Session, flows: &Workflows, does: &str) {
    session.screen.give(flows, |flows| match &*flows.workflows {
        [one] => format!("{} ({}): {}\n", one.label, one.workflow_id, one.state),
        several => format!("{} operations that have not ended {does}\n", several.len()),
    });
}
