//! `ResizeDisk`: a disk grows; what is new of it reads zero. No instance has it, so offline and online are one.

use service::{DiskRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

/// How a disk may be resized, as the API documents.
const TYPES: [&str; 2] = ["offline", "online"];

pub(crate) async fn run(ask: Ask) -> Outcome {
    let at = ask.thing("DiskId", "d-", "InvalidDiskId.NotFound")?;
    ask.params.need("NewSize")?;
    if let Some(word) = ask.params.text("Type").filter(|word| !TYPES.contains(word)) {
        let why =
            format!("The specified Type `{}` is not valid: use offline or online.", word.escape_debug());
        return Err(ask.refuse("InvalidParameter", why));
    }
    let size_bytes = ask.size(&ask.params, "NewSize")?;
    let change = DiskRequest::Modify { at, name: None, description: None, size_bytes };
    ask.finish(Request::Disk(change)).await?;
    Ok(Object::new())
}
