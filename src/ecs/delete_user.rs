//! `DeleteUser` of RAM: a user that has neither keys nor policies any more.

use service::{AccessRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let name = ask.params.need("UserName")?.to_owned();
    ask.finish(Request::Access(AccessRequest::UserDelete(name))).await?;
    Ok(Object::new())
}
