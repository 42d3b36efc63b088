//! `DeleteRole` of RAM: a role that has no policies any more.

use service::{AccessRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let name = ask.params.need("RoleName")?.to_owned();
    ask.finish(Request::Access(AccessRequest::RoleDelete(name))).await?;
    Ok(Object::new())
}
