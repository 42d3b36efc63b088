//! What follows a deletion: the collection that gives its space back.

use domain::RegionId;
use service::{Request, Started, WorkflowQuery, WorkflowView, Workflows, bytes_text};

use crate::exit::Stop;
use crate::follow;
use crate::session::Session;

/// Waits for the collection behind a deletion that is done; the bytes given back, or nothing where
/// other work has to end first. What was deleted is gone whatever becomes of the collection, so its
/// troubles are only told.
pub(crate) async fn behind(session: &Session, deletion: &Started, region: &str) -> Result<Option<u64>, Stop> {
    let region = Some(RegionId::from(region));
    let collect = Request::RegionCollect { region, after: Some(deletion.workflow_id) };
    let collection: Started = session.ask(collect).await?;
    let open: Workflows = session.ask(Request::WorkflowList(WorkflowQuery::open(2))).await?;
    if open.workflows.iter().any(|flow| flow.workflow_id != collection.workflow_id) {
        return Ok(None);
    }
    let view: WorkflowView = follow::to_rest(session, &collection).await?;
    if let Some(trouble) = view.trouble() {
        session.screen.say(&format!("giving its space back did not work: {trouble}"));
        session.screen.say("  try: `kiln region collect`");
    }
    Ok(view.collected.map(|collected| collected.freed_bytes))
}

/// What became of the space, for the end of a sentence.
pub(crate) fn space_text(freed_bytes: Option<u64>) -> String {
    match freed_bytes {
        Some(bytes) => format!("{} given back", bytes_text(bytes)),
        None => "its space is given back when other work has ended".to_owned(),
    }
}
