//! Waiting for an operation, and what its end means for the command.

use event::FlowId;
use service::{Request, Started, WorkflowQuery, WorkflowView, Workflows};

use crate::bar::{Bar, Bars};
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

/// All operations that have not ended, newest first: an answer holds no more than some, and tells where to look on.
pub(crate) async fn open(session: &Session) -> Result<Vec<WorkflowView>, Stop> {
    pages(async |query| session.ask(Request::WorkflowList(query)).await).await
}

async fn pages<E>(ask: impl AsyncFn(WorkflowQuery) -> Result<Workflows, E>) -> Result<Vec<WorkflowView>, E> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = ask(WorkflowQuery { after, ..WorkflowQuery::open(u32::MAX) }).await?;
        all.extend(page.workflows);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// Waits until several operations have ended or are parked, showing a line each on a terminal; `told`
/// prints what is to be said of one as soon as it rests.
pub(crate) async fn several(
    session: &Session,
    mut waiting: Vec<FlowId>,
    mut told: impl FnMut(&WorkflowView),
) -> Result<(), Stop> {
    let Some(first) = waiting.first().copied() else { return Ok(()) };
    let mut bars = Bars::new(&session.screen);
    let waited = async {
        loop {
            let open = open(session).await?;
            // Oldest first: what has been waited for longest stays where it is on the screen.
            let going = open.iter().rev().filter(|flow| !flow.rests());
            let going: Vec<_> = going.filter(|flow| waiting.contains(&flow.workflow_id)).collect();
            let rests = |id: &FlowId| !going.iter().any(|flow| flow.workflow_id == *id);
            for id in waiting.iter().copied().filter(|id| rests(id)) {
                let view: WorkflowView = session.ask(Request::WorkflowShow(id)).await?;
                bars.aside(|| told(&view));
            }
            bars.show(&going);
            waiting = going.iter().map(|flow| flow.workflow_id).collect();
            let Some(oldest) = going.first() else { return Ok(()) };
            let wait = Request::WorkflowWait { workflow: oldest.workflow_id, events: oldest.events };
            let _: WorkflowView = session.ask(wait).await?;
        }
    };
    let ended = tokio::select! {
        ended = waited => ended,
        _ = tokio::signal::ctrl_c() => Err(Stop::Interrupted(first)),
    };
    bars.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_on_later_pages_is_waited_for_as_well() {
        let asked = std::cell::RefCell::new(Vec::new());
        let ask = async |query: WorkflowQuery| {
            assert!(query.open);
            asked.borrow_mut().push(query.after);
            let next = match query.after {
                None => Some(70),
                Some(70) => Some(3),
                _ => None,
            };
            Ok::<_, ()>(Workflows { workflows: Vec::new(), next })
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(pages(ask)).unwrap();
        assert_eq!(asked.into_inner(), [None, Some(70), Some(3)]);
    }
}
