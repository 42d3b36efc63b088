//! `GetPolicy` of RAM: one policy, and what it says. A policy here has one version, the first.

use service::{AccessRequest, PolicyView, Request};
use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::shape_access::{self, POLICY_VERSION};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let show = AccessRequest::PolicyShow {
        name: ask.params.need("PolicyName")?.to_owned(),
        policy_type: Some(ask.policy_type()?),
    };
    let policy: PolicyView = ask.look(Request::Access(show)).await?;
    let version = Object::new()
        .put("VersionId", POLICY_VERSION)
        .put("IsDefaultVersion", true)
        .put("PolicyDocument", &policy.policy_document)
        .put("CreateDate", &policy.create_date);
    let shown = shape_access::policy(&policy).put("PolicyDocument", &policy.policy_document);
    Ok(Object::new().put("Policy", shown).put("DefaultPolicyVersion", version))
}
