//! `GetUser` of RAM: one user.

use service::{AccessRequest, Request, UserView};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let name = ask.params.need("UserName")?.to_owned();
    let user: UserView = ask.look(Request::Access(AccessRequest::UserShow(name))).await?;
    Ok(Object::new().put("User", shape_access::user(&user)))
}
