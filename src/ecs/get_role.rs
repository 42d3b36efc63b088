//! `GetRole` of RAM: one role. Clients look so for the role an import or an export goes by.

use service::{AccessRequest, Request, RoleView};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let name = ask.params.need("RoleName")?.to_owned();
    let role: RoleView = ask.look(Request::Access(AccessRequest::RoleShow(name))).await?;
    Ok(Object::new().put("Role", shape_access::role(&role)))
}
