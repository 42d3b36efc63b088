//! Use cases on operations that stand still, go on, or are begun anew.

use std::sync::Arc;
use std::time::Duration;

use engine::{Class, FlowRow, State, Which};
use event::{Actor, FlowId, Refusal, Seq};

use crate::asked::Asked;
use crate::operator::operator;
use crate::request::Reply;
use crate::view::{WorkflowView, Workflows};
use crate::{Service, Trouble};

/// How long a reset is answered only when the new operation has begun: most undos are of a moment.
const RESET_WAIT: Duration = Duration::from_secs(10);

impl Service {
    /// Makes operations stand still: one of the account's, or, for the operator, those of a kind or all.
    pub(crate) async fn pause(&self, actor: Actor, which: Which, reason: &str) -> Result<Reply, Trouble> {
        self.may_stand(&actor, &which)?;
        self.engine.pause(actor.clone(), which.clone(), reason).await?;
        self.stood(&actor, &which)
    }

    pub(crate) async fn resume_all(
        self: &Arc<Self>,
        actor: Actor,
        which: Which,
        reason: &str,
    ) -> Result<Reply, Trouble> {
        self.may_stand(&actor, &which)?;
        self.engine.resume(actor.clone(), which.clone(), reason).await?;
        // What starts by itself may do so again: whoever keeps it looks at once.
        self.run_batches();
        self.engine.departures().notify_one();
        self.stood(&actor, &which)
    }

    fn may_stand(&self, actor: &Actor, which: &Which) -> Result<(), Trouble> {
        match which {
            Which::Flow(id) => self.flow(actor, *id).map(|_| ()),
            Which::Kind(_) | Which::Background | Which::All => operator(actor),
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
        self.flow(&actor, id)?;
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
