//! `GetCallerIdentity` of STS: as whom a request is signed. It needs no permission.

use service::{AccessRequest, Principal, Request, RoleView, UserView};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let account = ask.account().to_owned();
    let principal = ask.caller.proved.as_ref().map_or(&Principal::Root, |(identity, _)| &identity.principal);
    let told = match principal {
        Principal::Root => Object::new()
            .put("IdentityType", "Account")
            .put("Arn", format!("acs:ram::{account}:root"))
            .put("PrincipalId", &account)
            .put("UserId", &account),
        Principal::User(name) => {
            let user: UserView = ask.look(Request::Access(AccessRequest::UserShow(name.clone()))).await?;
            Object::new()
                .put("IdentityType", "RAMUser")
                .put("Arn", user.arn)
                .put("PrincipalId", &user.user_id)
                .put("UserId", &user.user_id)
        }
        Principal::Role { name, session } => {
            let role: RoleView = ask.look(Request::Access(AccessRequest::RoleShow(name.clone()))).await?;
            Object::new()
                .put("IdentityType", "AssumedRoleUser")
                .put("Arn", format!("acs:sts::{account}:assumed-role/{name}/{session}"))
                .put("PrincipalId", format!("{}:{session}", role.role_id))
                .put("RoleId", &role.role_id)
        }
    };
    Ok(told.put("AccountId", &account))
}
