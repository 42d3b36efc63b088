//! Use cases on operations: how one is, waiting for it, and a person's word on it.

use std::time::Duration;

use domain::port::Collected;
use engine::{FlowRow, Outcome, TakesUp, Workflow as _};
use event::{Actor, FlowId};
use workflows::CollectChunks;

use crate::asked::Asked;
use crate::operator::is_operator;
use crate::standing::Word;
use crate::view::{Progress, WorkflowView, time_text};
use crate::{Service, Trouble};

/// How long a wait is held before it is answered with what there is: a progress bar moves five
/// times a second, and a client learns soon that its holder is gone.
const WAIT_MAX: Duration = Duration::from_millis(200);

impl Service {
    pub(crate) fn workflow(&self, actor: &Actor, id: FlowId) -> Result<WorkflowView, Trouble> {
        Ok(self.view_of(actor, &self.flow(actor, id)?))
    }

    /// The operation, as soon as it differs from what was seen, or after a moment.
    pub(crate) async fn wait(&self, actor: &Actor, id: FlowId, events: u64) -> Result<WorkflowView, Trouble> {
        let flow = self.flow(actor, id)?;
        if flow.records > events || flow.state.has_ended() || flow.parked.is_some() {
            return Ok(self.view_of(actor, &flow));
        }
        match self.engine.watch(id) {
            Some(mut watch) => {
                // Either way what there is now is the answer.
                let _ = tokio::time::timeout(WAIT_MAX, watch.at_rest.wait_for(|rest| *rest)).await;
            }
            None => tokio::time::sleep(WAIT_MAX).await,
        }
        self.workflow(actor, id)
    }

    pub(crate) async fn cancel(
        &self,
        actor: Actor,
        asked: &Asked,
        id: FlowId,
        reason: &str,
    ) -> Result<WorkflowView, Trouble> {
        Word::Back.may_be_said(asked, &self.flow(&actor, id)?)?;
        self.engine.cancel(actor.clone(), id, reason).await?;
        self.workflow(&actor, id)
    }

    pub(crate) async fn resume(
        &self,
        actor: Actor,
        asked: &Asked,
        id: FlowId,
        reason: &str,
    ) -> Result<WorkflowView, Trouble> {
        Word::On.may_be_said(asked, &self.flow(&actor, id)?)?;
        self.lets_go_on(&actor, id, reason).await?;
        self.workflow(&actor, id)
    }

    pub(crate) async fn unwind(
        &self,
        actor: Actor,
        asked: &Asked,
        id: FlowId,
        reason: &str,
    ) -> Result<WorkflowView, Trouble> {
        Word::ParkedBack.may_be_said(asked, &self.flow(&actor, id)?)?;
        self.engine.unwind(actor.clone(), id, reason).await?;
        self.workflow(&actor, id)
    }

    pub(crate) async fn abandon(
        &self,
        actor: Actor,
        asked: &Asked,
        id: FlowId,
        reason: &str,
    ) -> Result<WorkflowView, Trouble> {
        Word::Parked.may_be_said(asked, &self.flow(&actor, id)?)?;
        self.engine.abandon(actor.clone(), id, reason).await?;
        self.workflow(&actor, id)
    }

    pub(crate) fn view_of(&self, actor: &Actor, flow: &FlowRow) -> WorkflowView {
        let watch = self.engine.watch(flow.id);
        let progress = watch.as_ref().map(|watch| watch.progress.borrow().clone());
        let progress = progress.filter(|progress| !progress.doing.is_empty());
        let trouble = flow.trouble();
        let done = match &flow.outcome {
            Some(Outcome::Done(output)) => Some(output.as_slice()),
            _ => None,
        };
        // How much went is of all accounts together, and no account is told what another stores.
        let collected = done.filter(|_| flow.name == CollectChunks::NAME && is_operator(actor));
        let collected = collected.and_then(|output| rmp_serde::from_slice::<Collected>(output).ok());
        WorkflowView {
            workflow_id: flow.id,
            name: flow.name.clone(),
            label: flow.label.clone(),
            state: self.state_of(flow),
            driven: watch.is_some(),
            progress: progress.map(|progress| Progress {
                doing: progress.doing,
                done_bytes: progress.done_bytes,
                total_bytes: progress.total_bytes,
            }),
            start_time: time_text(flow.started_ms),
            end_time: flow.ended_ms.map(time_text).unwrap_or_default(),
            events: flow.records,
            subjects: flow.subjects.iter().map(|subject| subject.0.clone()).collect(),
            past_no_return: flow.committed,
            cancel_requested: flow.cancel.is_some(),
            error_code: trouble.as_ref().map(|trouble| trouble.code.clone()).unwrap_or_default(),
            error_message: trouble.as_ref().map(|trouble| trouble.message.clone()).unwrap_or_default(),
            advice: trouble.map(|trouble| trouble.advice).unwrap_or_default(),
            output: done.map(output_text).unwrap_or_default(),
            collected: collected.map(Into::into),
            account_id: flow.actor.account.clone(),
            region_id: flow.place().unwrap_or_default().to_owned(),
            paused: self.engine.stands_still(flow).unwrap_or_default(),
            takes_up: takes_up(flow),
        }
    }
}

/// The operation that one takes up, in words.
fn takes_up(flow: &FlowRow) -> String {
    match &flow.takes_up {
        None => String::new(),
        Some(TakesUp::Continues(before)) => before.to_string(),
        Some(TakesUp::Resets { flow, before }) => format!("{flow} from before event {before}"),
    }
}

/// An output is an id, a path, or several of them, or nothing to show.
fn output_text(output: &[u8]) -> String {
    let one = rmp_serde::from_slice::<String>(output);
    let several = || rmp_serde::from_slice::<Vec<String>>(output).map(|several| several.join("\n"));
    one.or_else(|_| several()).unwrap_or_default()
}
