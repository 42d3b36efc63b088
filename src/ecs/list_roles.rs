//! `ListRoles` of RAM: the account's roles, all on one page.

use service::{AccessRequest, Request, Roles};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let roles: Roles = ask.look(Request::Access(AccessRequest::RoleList)).await?;
    Ok(Object::new()
        .list("Roles", "Role", roles.roles.iter().map(shape_access::role))
        .put("IsTruncated", false))
}
