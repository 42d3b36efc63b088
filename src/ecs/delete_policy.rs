//! `DeletePolicy` of RAM: a policy of the account that nobody has any more.

use service::{AccessRequest, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let name = ask.params.need("PolicyName")?.to_owned();
    ask.finish(Request::Access(AccessRequest::PolicyDelete(name))).await?;
    Ok(Object::new())
}
