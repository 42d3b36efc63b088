//! `UpdateAccessKey` of RAM: lets requests be signed with a key of a user, or not any more.

use service::{KeyRequest, Request};
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};
use crate::shape_access::{self, ACTIVE, INACTIVE};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let key = shape_access::named_key(&ask).await?;
    let change = match ask.params.need("Status")? {
        ACTIVE => KeyRequest::Enable(key),
        INACTIVE => KeyRequest::Disable(key),
        other => {
            let why = format!(
                "The specified Status `{}` is not valid: use {ACTIVE} or {INACTIVE}.",
                other.escape_debug()
            );
            return Err(Fault::new(400, "InvalidParameter.Status", why));
        }
    };
    ask.finish(Request::Key(change)).await?;
    Ok(Object::new())
}
