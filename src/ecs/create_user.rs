//! `CreateUser` of RAM: a user, who may do nothing before a policy says so.

use service::{AccessRequest, Request, UserView};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let name = ask.params.need("UserName")?.to_owned();
    let create = AccessRequest::UserCreate {
        name: name.clone(),
        display_name: ask.params.string("DisplayName").unwrap_or_default(),
        comments: ask.params.string("Comments").unwrap_or_default(),
    };
    ask.finish(Request::Access(create)).await?;
    let user: UserView = ask.look(Request::Access(AccessRequest::UserShow(name))).await?;
    Ok(Object::new().put("User", shape_access::user(&user)))
}
