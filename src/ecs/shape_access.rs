//! Users, their keys, roles and policies as the API of RAM shows them.

use domain::access::AccessKeyId;
use service::{
    AttachedPolicy, KeyRequest, Keys, PolicyType, PolicyView, Principal, Request, RoleView, UserView,
};
use wire::{Fault, Object};

use crate::ask::Ask;

/// The states of a key.
pub(crate) const ACTIVE: &str = "Active";
pub(crate) const INACTIVE: &str = "Inactive";
/// The version of every policy: here none is ever changed, and so has a second.
pub(crate) const POLICY_VERSION: &str = "v1";

/// A user.
pub(crate) fn user(user: &UserView) -> Object {
    Object::new()
        .put("UserId", &user.user_id)
        .put("UserName", &user.user_name)
        .put("DisplayName", &user.display_name)
        .put("Comments", &user.comments)
        .put("CreateDate", &user.create_date)
}

/// A policy, without what it says.
pub(crate) fn policy(policy: &PolicyView) -> Object {
    Object::new()
        .put("PolicyName", &policy.policy_name)
        .put("PolicyType", &policy.policy_type)
        .put("Description", &policy.description)
        .put("DefaultVersion", POLICY_VERSION)
        .put("AttachmentCount", policy.attachment_count)
        .put("CreateDate", &policy.create_date)
}

/// A policy of a user or a role.
pub(crate) fn attached(policy: &AttachedPolicy) -> Object {
    Object::new()
        .put("PolicyName", &policy.policy_name)
        .put("PolicyType", &policy.policy_type)
        .put("DefaultVersion", POLICY_VERSION)
        .put("AttachDate", &policy.attach_date)
}

/// Whose keys are meant: the user that is named, or who asks. None is the account itself, which speaks for itself
/// alone: a session of a role has to name a user, or what a role may would be all that the account may.
pub(crate) fn key_owner(ask: &Ask) -> Result<Option<String>, Fault> {
    if let Some(named) = ask.params.string("UserName").filter(|name| !name.is_empty()) {
        return Ok(Some(named));
    }
    match ask.caller.proved.as_ref().map(|(identity, _)| &identity.principal) {
        None | Some(Principal::Root) => Ok(None),
        Some(Principal::User(name)) => Ok(Some(name.clone())),
        Some(Principal::Role { .. }) => Err(Fault::missing("UserName")),
    }
}

/// The keys of a user, or of the account itself.
pub(crate) async fn keys(ask: &Ask, user: Option<String>) -> Result<Keys, Fault> {
    let mut keys: Keys =
        ask.look(Request::Key(KeyRequest::List { account: None, user: user.clone() })).await?;
    keys.access_keys.retain(|key| key.user_name == user.as_deref().unwrap_or_default());
    Ok(keys)
}

/// The key that is named, which has to be one of the user that is meant.
pub(crate) async fn named_key(ask: &Ask) -> Result<AccessKeyId, Fault> {
    let named = ask.params.need("UserAccessKeyId")?;
    let keys = keys(ask, key_owner(ask)?).await?;
    if keys.access_keys.iter().any(|key| key.access_key_id == named) {
        return Ok(AccessKeyId::from(named));
    }
    let why =
        format!("The user has no access key `{}`: ListAccessKeys tells which it has.", named.escape_debug());
    Err(Fault::new(404, "EntityNotExist.User.AccessKey", why))
}

/// A role.
pub(crate) fn role(role: &RoleView) -> Object {
    Object::new()
        .put("RoleId", &role.role_id)
        .put("RoleName", &role.role_name)
        .put("Arn", &role.arn)
        .put("Description", &role.description)
        .put("AssumeRolePolicyDocument", &role.assume_role_policy_document)
        .put("MaxSessionDuration", role.max_session_duration)
        .put("CreateDate", &role.create_date)
}

impl Ask {
    /// Which policy of a name is meant.
    pub(crate) fn policy_type(&self) -> Result<PolicyType, Fault> {
        match self.params.need("PolicyType")? {
            "System" => Ok(PolicyType::System),
            "Custom" => Ok(PolicyType::Custom),
            other => {
                let why = format!(
                    "The specified PolicyType `{}` is not valid: use System or Custom.",
                    other.escape_debug()
                );
                Err(Fault::new(400, "InvalidParameter.PolicyType", why))
            }
        }
    }
}
