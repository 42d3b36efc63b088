//! `DeleteAccessKey` of RAM: removes a key of a user for ever.

use service::{KeyRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let key = shape_access::named_key(&ask).await?;
    ask.finish(Request::Key(KeyRequest::Delete(key))).await?;
    Ok(Object::new())
}
