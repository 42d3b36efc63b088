//! The spans that what a flow does is seen in by whoever collects traces: one for each time that a flow is driven,
//! and below it one for each attempt at a step or its undo. Decides have none: they are over before anything could
//! be seen of them, and are lines of the log.

use event::{FlowId, Scope};
use tracing::{Span, info_span};

use crate::kinds::Started;

/// The span of a flow while it is driven here.
pub(crate) fn of_flow(id: FlowId, started: &Started, scope: &Scope, account: &str) -> Span {
    let region = scope.as_str().split_once('/').map_or("", |(_, place)| place);
    info_span!("flow", flow = %id, story = started.name, version = started.version, account, region)
}

/// The span of an attempt; made inside that of its flow.
pub(crate) fn of_attempt(id: FlowId, path: &str, attempt: u32) -> Span {
    let undoing = path.ends_with('~');
    info_span!("step", flow = %id, path, attempt, undoing)
}
