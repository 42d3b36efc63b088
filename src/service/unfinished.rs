//! Joining an operation that has not ended: asked for again with the same input, it goes on.

use engine::{FlowRow, Snapshot, Started as FlowStarted, State, Workflow};
use event::Refusal;

use crate::Trouble;
use crate::service::made_by;
use crate::view::Started;

/// The operation that has not ended and has an input like the one wanted. One that is being undone
/// cannot be joined, and stands in the way until it is: `what` says what that is, for the refusal.
pub(crate) fn join<W: Workflow>(
    snapshot: &Snapshot,
    wanted: &W,
    what: &str,
    alike: impl Fn(&W) -> bool,
) -> Result<Option<Started>, Trouble> {
    let (scope, label) = (wanted.scope(), wanted.label());
    let named = |flow: &FlowRow| flow.name == W::NAME && flow.scope == scope && flow.label == label;
    for flow in snapshot.open_flows().into_iter().filter(named) {
        let Some(record) = snapshot.record(flow.first)? else { continue };
        let Ok(started) = record.get::<FlowStarted>() else { continue };
        let Ok(input) = rmp_serde::from_slice::<W>(&started.input) else { continue };
        if flow.state == State::Abandoned || !alike(&input) {
            continue;
        }
        if flow.turn.is_some() || flow.cancel.is_some() {
            let why = format!("{what} was cancelled or failed, and is still being undone");
            let advice = format!("wait until it is: `kiln workflow watch {}`", flow.id);
            return Err(Refusal::new("IncorrectWorkflowStatus", why).advise(advice).into());
        }
        let image_id = made_by(&flow.name, flow.id).unwrap_or_default();
        return Ok(Some(Started { workflow_id: flow.id, joined: true, image_id }));
    }
    Ok(None)
}
