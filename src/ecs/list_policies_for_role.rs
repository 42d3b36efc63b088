//! `ListPoliciesForRole` of RAM: which policies a role has.

use service::{AccessRequest, AttachedPolicy, Request, RoleView};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let name = ask.params.need("RoleName")?.to_owned();
    let role: RoleView = ask.look(Request::Access(AccessRequest::RoleShow(name))).await?;
    let policy = |policy: &AttachedPolicy| {
        Object::new()
            .put("PolicyName", &policy.policy_name)
            .put("PolicyType", &policy.policy_type)
            .put("AttachDate", &policy.attach_date)
    };
    Ok(Object::new().list("Policies", "Policy", role.policies.iter().map(policy)))
}
