//! Roles and policies as the API of RAM shows them.

use service::{PolicyType, RoleView};
use wire::{Fault, Object};

use crate::ask::Ask;

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
