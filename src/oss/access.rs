//! Whether who asks may do what is asked: actions and resources in the words of policies.
//!
//! Asked before anything is looked for, so that a user who may not learns nothing of what is there.

use http::Method;
use service::{Denied, Family, Trouble};

use crate::error::Refused;
use crate::turn::Turn;

/// What a key that cannot be used for its token is answered.
pub(crate) fn unknown(trouble: Trouble) -> Refused {
    match trouble.family {
        Family::Refused if trouble.code.ends_with(".Expired") => {
            Refused::new(403, "SecurityTokenExpired", "The security token you provided has expired.")
        }
        Family::Refused => {
            Refused::new(403, "InvalidSecurityToken", "The security token you provided is invalid.")
        }
        _ => trouble.into(),
    }
}

/// The no of a policy.
fn denied(denied: &Denied) -> Refused {
    let why = format!("You have no right to do `{}` with `{}`.", denied.action, denied.resource);
    Refused::new(403, "AccessDenied", why)
        .with("AuthAction", &denied.action)
        .with("AuthResource", &denied.resource)
        .with("AuthPrincipalType", denied.principal_type())
        .with("AuthPrincipalOwnerId", denied.account.as_str())
        .with("AuthPrincipalDisplayName", &denied.display_name)
        .with("NoPermissionType", denied.no_permission_type())
        .with("PolicyType", denied.policy_type())
}

impl Turn<'_> {
    /// Fails unless who asks may do that with something: a bucket, or a bucket and a key.
    pub(crate) fn may(&self, action: &str, what: &str) -> Result<(), Refused> {
        let resource = format!("acs:oss:*:{}:{what}", self.identity.account);
        let may = self.oss.service.may(self.identity, action, &resource, &self.context)?;
        may.map_err(|no| denied(&no))
    }

    /// Fails unless who asks may do what the request is for, with what it speaks of. Lists of keys to
    /// remove, and sources of copies, are asked for where they are read.
    pub(crate) fn may_all(&self) -> Result<(), Refused> {
        let Some(bucket) = &self.place.bucket else { return self.may("oss:ListBuckets", "*") };
        if self.place.key.is_empty() {
            return match self.bucket_action() {
                Some(action) => self.may(&action, bucket),
                None => Ok(()),
            };
        }
        self.may(self.object_action(), &format!("{bucket}/{}", self.place.key))
    }

    fn bucket_action(&self) -> Option<String> {
        let has = |name| self.asked.has(name);
        let verb = match self.asked.method {
            Method::GET | Method::HEAD => "Get",
            Method::PUT => "Put",
            Method::DELETE => "Delete",
            _ if has("delete") => return None,
            _ => "Put",
        };
        if let Some(name) = self.setting().map(crate::settings::Setting::name) {
            let (first, rest) = name.split_at(1);
            return Some(format!("oss:{verb}Bucket{}{rest}", first.to_uppercase()));
        }
        let action = match self.asked.method {
            Method::GET if has("bucketInfo") => "oss:GetBucketInfo",
            Method::GET if has("location") => "oss:GetBucketLocation",
            Method::GET if has("stat") => "oss:GetBucketStat",
            Method::GET if has("uploads") => "oss:ListMultipartUploads",
            Method::GET => "oss:ListObjects",
            Method::HEAD => "oss:GetBucketInfo",
            Method::DELETE => "oss:DeleteBucket",
            _ => "oss:PutBucket",
        };
        Some(action.to_owned())
    }

    fn object_action(&self) -> &'static str {
        let has = |name| self.asked.has(name);
        match self.asked.method {
            Method::GET if has("acl") => "oss:GetObjectAcl",
            _ if has("acl") => "oss:PutObjectAcl",
            Method::GET if has("tagging") => "oss:GetObjectTagging",
            Method::DELETE if has("tagging") => "oss:DeleteObjectTagging",
            _ if has("tagging") => "oss:PutObjectTagging",
            Method::GET if has("uploadId") => "oss:ListParts",
            Method::GET | Method::HEAD => "oss:GetObject",
            Method::DELETE if has("uploadId") => "oss:AbortMultipartUpload",
            Method::DELETE => "oss:DeleteObject",
            _ => "oss:PutObject",
        }
    }
}
