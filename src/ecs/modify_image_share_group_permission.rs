//! `ModifyImageShareGroupPermission`: what `IsPublic` says elsewhere, as older clients say it. There is one group,
//! `all`; adding or removing it twice changes nothing.

use service::{Request, ShareRequest, Shares};
use wire::Object;

use crate::ask::{Ask, Outcome};

/// Everybody.
const ALL: &str = "all";

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let at = ask.image_at(&region)?;
    let (add, remove) = (ask.params.list("AddGroup"), ask.params.list("RemoveGroup"));
    if let Some(other) = add.iter().chain(&remove).find(|group| *group != ALL) {
        let why =
            format!("The specified group `{}` is not valid: the only one is `all`.", other.escape_debug());
        return Err(ask.refuse("InvalidGroup.Malformed", why));
    }
    let shares: Shares = ask.look(Request::Share(ShareRequest::Shares(at.clone()))).await?;
    // Who is added and removed at once is added, as a request is read from its front.
    let change = match (shares.is_public, add.is_empty(), remove.is_empty()) {
        (false, false, _) => ShareRequest::Publish(at),
        (true, true, false) => ShareRequest::Unpublish(at),
        _ => return ask.read_only(Object::new()),
    };
    ask.finish(Request::Share(change)).await?;
    Ok(Object::new())
}
