//! `ListPoliciesForRole` of RAM: which policies a role has.

use service::{AccessRequest, Request, RoleView};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let name = ask.params.need("RoleName")?.to_owned();
    let role: RoleView = ask.look(Request::Access(AccessRequest::RoleShow(name))).await?;
    Ok(Object::new().list("Policies", "Policy", role.policies.iter().map(shape_access::attached)))
}
