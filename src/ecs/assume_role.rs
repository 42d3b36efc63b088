//! `AssumeRole` of STS: acts as a role for a while, with a key, a secret and a token.

use service::RoleAsk;
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};
use crate::codes::fault;

pub(crate) async fn run(ask: Ask) -> Outcome {
    let params = &ask.params;
    let duration_s = params.number("DurationSeconds")?.map(|seconds| {
        u32::try_from(seconds).map_err(|_| {
            let why = format!("The parameter DurationSeconds is wrongly formed: `{seconds}` is no time.");
            Fault::new(400, "InvalidParameter.DurationSeconds", why)
        })
    });
    let wanted = RoleAsk {
        role_arn: params.need("RoleArn")?.to_owned(),
        session: params.need("RoleSessionName")?.to_owned(),
        duration_s: duration_s.transpose()?,
        policy: params.string("Policy").filter(|policy| !policy.is_empty()),
    };
    let Some((identity, context)) = &ask.caller.proved else {
        let why = "A role is assumed with a key of a user, and this request came with none.";
        return Err(Fault::new(403, "NoPermission", why));
    };
    let assumed = ask.service.assume_role(identity, wanted, &ask.caller.request_id, context).await;
    let assumed = assumed.map_err(|trouble| fault(ask.action, trouble))?;
    let user = Object::new().put("Arn", &assumed.arn).put("AssumedRoleId", &assumed.assumed_role_id);
    let credentials = Object::new()
        .put("AccessKeyId", &assumed.access_key_id)
        .put("AccessKeySecret", &assumed.access_key_secret.0)
        .put("SecurityToken", &assumed.security_token.0)
        .put("Expiration", &assumed.expiration);
    Ok(Object::new().put("AssumedRoleUser", user).put("Credentials", credentials))
}
