//! `SendFile`: a file is sent to instances, of which there are none before there is a compute driver.

use wire::Fault;

use crate::ask::{Ask, Outcome};

/// Bytes of a file at most, as it comes, as the API documents.
const CONTENT_BYTES_MAX: usize = 32 * 1024;
/// Characters of its name at most, as the API documents.
const NAME_CHARS_MAX: usize = 255;

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.region().await?;
    let params = &ask.params;
    params.need("TargetDir")?;
    if params.need("Name")?.chars().count() > NAME_CHARS_MAX {
        return Err(Fault::new(403, "FileName.ExceedLimit", "The specified Name is too long."));
    }
    if params.need("Content")?.len() > CONTENT_BYTES_MAX {
        return Err(Fault::new(403, "FileContent.ExceedLimit", "The specified Content is too long."));
    }
    ask.on_targets()
}
