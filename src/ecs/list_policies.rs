//! `ListPolicies` of RAM: the account's policies and those of the system, all on one page.

use service::{AccessRequest, Policies, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let policy_type = match ask.params.text("PolicyType").filter(|said| !said.is_empty()) {
        Some(_) => Some(ask.policy_type()?),
        None => None,
    };
    let policies: Policies = ask.look(Request::Access(AccessRequest::PolicyList(policy_type))).await?;
    Ok(Object::new()
        .list("Policies", "Policy", policies.policies.iter().map(shape_access::policy))
        .put("IsTruncated", false))
}
