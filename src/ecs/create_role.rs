//! `CreateRole` of RAM: a role, and whom it trusts to assume it.

use service::{AccessRequest, Request, RoleView};
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};
use crate::shape_access;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let params = &ask.params;
    let name = params.need("RoleName")?.to_owned();
    let session_s_max = params.number("MaxSessionDuration")?;
    let session_s_max = session_s_max.map(|seconds| {
        let wrong = || {
            Fault::new(
                400,
                "InvalidParameter.MaxSessionDuration",
                format!("`{seconds}` seconds are no time."),
            )
        };
        u32::try_from(seconds).map_err(|_| wrong())
    });
    let create = AccessRequest::RoleCreate {
        name: name.clone(),
        description: params.string("Description").unwrap_or_default(),
        trust: Some(params.need("AssumeRolePolicyDocument")?.to_owned()),
        session_s_max: session_s_max.transpose()?,
    };
    ask.finish(Request::Access(create)).await?;
    let role: RoleView = ask.look(Request::Access(AccessRequest::RoleShow(name))).await?;
    Ok(Object::new().put("Role", shape_access::role(&role)))
}
