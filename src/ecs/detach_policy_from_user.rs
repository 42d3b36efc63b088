//! `DetachPolicyFromUser` of RAM: takes a policy from a user.

use service::{AccessRequest, Grantee, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let detach = AccessRequest::Detach {
        policy: ask.params.need("PolicyName")?.to_owned(),
        policy_type: Some(ask.policy_type()?),
        from: Grantee::User(ask.params.need("UserName")?.to_owned()),
    };
    ask.finish(Request::Access(detach)).await?;
    Ok(Object::new())
}
