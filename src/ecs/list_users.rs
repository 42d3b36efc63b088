//! `ListUsers` of RAM: the account's users, all on one page.

use service::{AccessRequest, Request, Users};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let users: Users = ask.look(Request::Access(AccessRequest::UserList)).await?;
    Ok(Object::new()
        .list("Users", "User", users.users.iter().map(shape_access::user))
        .put("IsTruncated", false))
}
