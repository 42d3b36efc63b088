//! `CancelCopyImage`: stops a copy, named by the image that would come to be, in its own region.

use service::{Request, ShareRequest, WorkflowView};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let at = ask.image_at(&region)?;
    let cancel = ShareRequest::CancelCopy { at, reason: "CancelCopyImage".to_owned() };
    let flow: WorkflowView = ask.act(Request::Share(cancel)).await?;
    ask.undone(flow.workflow_id).await?;
    Ok(Object::new())
}
