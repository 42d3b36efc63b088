//! The spans that what a flow does is seen in by whoever collects traces: one for each time that a flow is driven,
//! and below it one for each attempt at a step or its undo. Decides have none: they are over before anything could
//! be seen of them, and are lines of the log. Fields that begin with `otel.` are for the exporter: the name of a span
//! there, and whether it ended badly and why (docs/tracing.md has the others).

use event::{Failure, FlowId, Scope};
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::fold::{self, State};
use crate::kinds::Started;
use crate::shared::Shared;

/// The span of a flow while it is driven here.
pub(crate) fn of_flow(id: FlowId, started: &Started, scope: &Scope, account: &str) -> Span {
    let region = scope.as_str().split_once('/').map_or("", |(_, place)| place);
    info_span!(
        "flow",
        otel.name = started.name,
        otel.status_code = Empty,
        otel.status_description = Empty,
        flow = %id,
        story = started.name,
        version = started.version,
        account,
        region,
        state = Empty
    )
}

/// Tells where a flow stands that is not driven any more.
pub(crate) fn rests<P>(span: &Span, shared: &Shared<P>, id: FlowId) {
    if span.is_disabled() {
        return;
    }
    let row = shared.store.snapshot().ok().and_then(|rows| fold::flow(&rows, id));
    let Some(row) = row else { return };
    span.record("state", row.state.word());
    let is_over = !matches!(row.state, State::Running | State::Unwinding);
    if let Some(refusal) = row.trouble().filter(|_| is_over) {
        failed(span, &format!("{}: {}", refusal.code, refusal.message));
    }
}

/// The span of an attempt; made inside that of its flow.
pub(crate) fn of_attempt(id: FlowId, path: &str, attempt: u32) -> Span {
    let undoing = path.ends_with('~');
    info_span!(
        "step",
        otel.name = path,
        otel.status_code = Empty,
        otel.status_description = Empty,
        flow = %id,
        path,
        attempt,
        undoing,
        outcome = Empty
    )
}

/// Tells how an attempt ended.
pub(crate) fn ended<T>(span: &Span, outcome: &Result<T, Failure>) {
    if span.is_disabled() {
        return;
    }
    span.record(
        "outcome",
        match outcome {
            Ok(_) => "done",
            Err(Failure::Caller(_)) => "refused",
            Err(Failure::World(_)) => "failed",
            Err(Failure::Ours(_)) => "faulty",
            Err(Failure::Cancelled) => "cancelled",
        },
    );
    if let Err(failure) = outcome {
        failed(span, &failure.to_string());
    }
}

fn failed(span: &Span, why: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", why);
}
