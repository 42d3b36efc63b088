//! A request that is not answered: status, code and message in the envelope of the API.

use crate::{Form, Object};

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status.
    pub status: u16,
    /// The stable code clients look at.
    pub code: String,
    /// What was wrong with what, and what to try.
    pub message: String,
    /// After how many milliseconds it is worth trying again; newer clients read it from a header.
    pub retry_after_ms: Option<u32>,
    /// What was not allowed, if that is why.
    pub denied: Option<Box<Denied>>,
}

/// What a policy does not allow, as `AccessDeniedDetail` of the API tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// `ecs:DeleteImage`.
    pub action: String,
    /// `acs:ecs:cn-hangzhou:100000:image/m-1`.
    pub resource: String,
    /// Who was not allowed.
    pub principal: String,
    /// `SubUser` or `AssumedRoleUser`.
    pub principal_type: String,
    /// The account.
    pub account: String,
    /// Whether a statement denies it; none allows it otherwise.
    pub explicit: bool,
}

impl Fault {
    /// A fault.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), retry_after_ms: None, denied: None }
    }

    /// The body, as the API has it.
    pub fn body(&self, form: Form, request_id: &str, host: &str) -> String {
        let body = Object::new()
            .put("RequestId", request_id)
            .put("HostId", host)
            .put("Code", &self.code)
            .put("Message", &self.message)
            .put("Recommend", format!("kiln explain {}", self.code));
        match form {
            Form::Json => {
                body.put_some("AccessDeniedDetail", self.denied.as_deref().map(Denied::object)).json()
            }
            Form::Xml => body.xml("Error"),
        }
    }
}

impl Denied {
    fn object(&self) -> Object {
        Object::new()
            .put("AuthAction", &self.action)
            .put("AuthResource", &self.resource)
            .put("AuthPrincipalDisplayName", &self.principal)
            .put("AuthPrincipalOwnerId", &self.account)
            .put("AuthPrincipalType", &self.principal_type)
            .put("PolicyType", "AccountLevelIdentityBasedPolicy")
            .put("NoPermissionType", if self.explicit { "ExplicitDeny" } else { "ImplicitDeny" })
    }
}
