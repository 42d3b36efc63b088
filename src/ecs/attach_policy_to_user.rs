//! `AttachPolicyToUser` of RAM: gives a user a policy.

use service::{AccessRequest, Grantee, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let attach = AccessRequest::Attach {
        policy: ask.params.need("PolicyName")?.to_owned(),
        policy_type: Some(ask.policy_type()?),
        to: Grantee::User(ask.params.need("UserName")?.to_owned()),
    };
    ask.finish(Request::Access(attach)).await?;
    Ok(Object::new())
}
