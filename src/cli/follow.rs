//! Waiting for an operation, and what its end means for the command.

use std::time::Duration;

use event::FlowId;
use indicatif::MultiProgress;
use service::{Request, Started, WorkflowView};

use crate::bar::Bar;
use crate::exit::Stop;
use crate::session::Session;

/// How often several operations are looked at: a bar that moves five times a second moves smoothly.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Waits until the operation has ended or is parked, showing how far it is. An interrupt ends the
/// wait, not the operation.
pub(crate) async fn to_rest(session: &Session, started: &Started) -> Result<WorkflowView, Stop> {
    let id = started.workflow_id;
    let mut bar = Bar::new(&session.screen);
    let waited = async {
        let mut events = 0;
        loop {
            let view: WorkflowView = session.ask(Request::WorkflowWait { workflow: id, events }).await?;
            if view.rests() {
                return Ok(view);
            }
            events = view.events;
            bar.show(&view);
        }
    };
    let ended = tokio::select! {
        ended = waited => ended,
        _ = tokio::signal::ctrl_c() => Err(Stop::Interrupted(id)),
    };
    bar.clear();
    ended
}

/// Waits until the operation has done what it was for; anything else is an error.
pub(crate) async fn to_end(session: &Session, started: &Started) -> Result<WorkflowView, Stop> {
    let view = to_rest(session, started).await?;
    match view.trouble() {
        Some(trouble) => Err(trouble.into()),
        None => Ok(view),
    }
}

/// Waits until all of them have ended or are parked, showing how far each is; in their order.
pub(crate) async fn all_to_rest(
    session: &Session,
    flows: &[(String, FlowId)],
) -> Result<Vec<WorkflowView>, Stop> {
    let bars = MultiProgress::new();
    let mut bars: Vec<Bar> = flows.iter().map(|(of, _)| Bar::among(&session.screen, &bars, of)).collect();
    let waited = async {
        loop {
            let mut views = Vec::with_capacity(flows.len());
            for ((_, id), bar) in flows.iter().zip(&mut bars) {
                let view: WorkflowView = session.ask(Request::WorkflowShow(*id)).await?;
                if view.rests() {
                    bar.clear();
                } else {
                    bar.show(&view);
                }
                views.push(view);
            }
            if views.iter().all(WorkflowView::rests) {
                return Ok(views);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let ended = tokio::select! {
        ended = waited => ended,
        _ = tokio::signal::ctrl_c() => Err(flows.first().map_or(Stop::Found, |(_, id)| Stop::Interrupted(*id))),
    };
    bars.iter().for_each(Bar::clear);
    ended
}

/// For `--no-wait`: says what was started, and how to see it through.
pub(crate) fn leave(session: &Session, started: &Started) {
    session.screen.give(started, |started| format!("started workflow `{}`\n", started.workflow_id));
    session.screen.say(&format!(
        "it goes on under the next `kiln` that waits for something, for example `kiln workflow watch {}`",
        started.workflow_id
    ));
}
