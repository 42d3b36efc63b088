//! `CreatePolicy` of RAM: a policy of the account.

use service::{AccessRequest, PolicyType, PolicyView, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let name = ask.params.need("PolicyName")?.to_owned();
    let create = AccessRequest::PolicyCreate {
        name: name.clone(),
        description: ask.params.string("Description").unwrap_or_default(),
        document: ask.params.need("PolicyDocument")?.to_owned(),
    };
    ask.finish(Request::Access(create)).await?;
    let show = AccessRequest::PolicyShow { name, policy_type: Some(PolicyType::Custom) };
    let policy: PolicyView = ask.look(Request::Access(show)).await?;
    Ok(Object::new().put("Policy", shape_access::policy(&policy)))
}
