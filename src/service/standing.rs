//! Use cases on operations that stand still, go on, or are begun anew.

use std::sync::Arc;
use std::time::Duration;

use engine::{Class, Denial, Error, FlowRow, State, Which};
use event::{Actor, FlowId, Refusal, Seq};

use crate::asked::Asked;
use crate::operator::operator;
use crate::request::Reply;
use crate::view::{WorkflowView, Workflows};
use crate::{Service, Trouble};

/// How long a reset is answered only when the new operation has begun: most undos are of a moment.
const RESET_WAIT: Duration = Duration::from_secs(10);

/// What a person says to an operation, by what that needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// That it goes on or stands still: it has not ended.
    On,
    /// That it goes back: it is not past its point of no return either.
    Back,
    /// That nothing more becomes of it: it is parked.
    Parked,
    /// Both.
    ParkedBack,
}

impl Word {
    /// Ends what was only to be tried, with the no that would be the answer, as far as its row says. What comes into
    /// the log meanwhile is known when the word is said.
    pub(crate) fn may_be_said(self, asked: &Asked, flow: &FlowRow) -> Result<(), Trouble> {
        if !asked.dry_run {
            return Ok(());
        }
        let no = if flow.state.has_ended() {
            Some((Denial::Ended, "has ended already"))
        } else if matches!(self, Self::Parked | Self::ParkedBack) && flow.parked.is_none() {
            Some((Denial::NotParked, "is not parked"))
        } else if matches!(self, Self::Back | Self::ParkedBack) && flow.committed {
            Some((Denial::NoReturn, "is past its point of no return and goes on to its end"))
        } else {
            None
        };
        match no {
            Some((denial, why)) => Err(Error::Denied { flow: flow.id, denial, why: why.to_owned() }.into()),
            None => asked.go_on(),
        }
    }
}

impl Service {
    /// Makes operations stand still: one of the account's, or, for the operator, those of a kind or all.
    pub(crate) async fn pause(
        &self,
        actor: Actor,
        asked: &Asked,
        which: Which,
        reason: &str,
    ) -> Result<Reply, Trouble> {
        self.may_stand(&actor, asked, &which)?;
        self.engine.pause(actor.clone(), which.clone(), reason).await?;
        self.stood(&actor, &which)
    }

    pub(crate) async fn resume_all(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        which: Which,
        reason: &str,
    ) -> Result<Reply, Trouble> {
        self.may_stand(&actor, asked, &which)?;
        self.engine.resume(actor.clone(), which.clone(), reason).await?;
        // What starts by itself may do so again: whoever keeps it looks at once.
        self.run_batches();
        self.engine.departures().notify_one();
        self.stood(&actor, &which)
    }

    fn may_stand(&self, actor: &Actor, asked: &Asked, which: &Which) -> Result<(), Trouble> {
        match which {
            Which::Flow(id) => Word::On.may_be_said(asked, &self.flow(actor, *id)?),
            Which::Kind(_) | Which::Background | Which::All => {
                operator(actor)?;
                asked.go_on()
            }
        }
    }

    /// The operations that were meant and have not ended.
    fn stood(&self, actor: &Actor, which: &Which) -> Result<Reply, Trouble> {
        let meant = |flow: &FlowRow| match which {
            Which::Flow(id) => flow.id == *id,
            Which::Kind(name) => flow.name == *name,
            Which::Background => flow.class == Class::Background,
            Which::All => true,
        };
        let open = self.engine.snapshot()?.open_flows().into_iter().filter(meant);
        let workflows = open.map(|flow| self.view_of(actor, &flow)).collect();
        Ok(Workflows { workflows, next: None }.into())
    }

    /// Begins a parked operation anew from before one of its events. The answer is the new operation; or the old one,
    /// if what it is to undo takes longer, or cannot be undone.
    pub(crate) async fn reset(
        &self,
        actor: Actor,
        asked: &Asked,
        id: FlowId,
        before: Option<Seq>,
        reason: &str,
    ) -> Result<WorkflowView, Trouble> {
        Word::ParkedBack.may_be_said(asked, &self.flow(&actor, id)?)?;
        let next = self.engine.reset(actor.clone(), id, before, reason, &asked.id).await?;
        // Elapsed, or an error of an engine that drives nothing: the old one is there to be looked at.
        let rests = tokio::time::timeout(RESET_WAIT, self.engine.wait(id)).await;
        // It may have been given up meanwhile, and then there is no other.
        let begun = matches!(rests, Ok(Ok(_))) && self.engine.snapshot()?.flow(next).is_some();
        self.workflow(&actor, if begun { next } else { id })
    }

    /// Lets an operation go on, whether it was paused or has parked.
    pub(crate) async fn lets_go_on(&self, actor: &Actor, id: FlowId, reason: &str) -> Result<(), Trouble> {
        let flow = self.flow(actor, id)?;
        if flow.paused.is_some() {
            self.engine.resume(actor.clone(), Which::Flow(id), reason).await?;
        }
        // One that is not parked goes on anyway: resuming it is watching it.
        if flow.parked.is_some() {
            self.engine.retry(actor.clone(), id, reason).await?;
        }
        let flow = self.flow(actor, id)?;
        if let Some(why) = self.engine.stands_still(&flow) {
            let why = format!("operation `{id}` stands still together with others: {why}");
            let kind = &flow.name;
            let advice =
                format!("`kiln workflow resume --kind {kind}`, `--background` or `--all`, as the operator");
            return Err(Refusal::new("IncorrectWorkflowStatus", why).advise(advice).into());
        }
        Ok(())
    }

    /// Where it stands, in a word.
    pub(crate) fn state_of(&self, flow: &FlowRow) -> String {
        let still = matches!(flow.state, State::Running | State::Unwinding);
        match self.engine.stands_still(flow).filter(|_| still) {
            Some(_) => "Paused".to_owned(),
            None => format!("{:?}", flow.state),
        }
    }
}
