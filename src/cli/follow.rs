//! Waiting for an operation, and what its end means for the command.

use service::{Request, Started, WorkflowView};

use crate::bar::Bar;
use crate::exit::Stop;
use crate::session::Session;

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

/// For `--no-wait`: says what was started, and how to see it through.
pub(crate) fn leave(session: &Session, started: &Started) {
    session.screen.give(started, |started| format!("started workflow `{}`\n", started.workflow_id));
    session.screen.say(&format!(
        "it goes on under the next `kiln` that waits for something, for example `kiln workflow watch {}`",
        started.workflow_id
    ));
}
