//! What becomes true of access: keys, users, policies and roles.

use event::{Event, Subject};
use serde::{Deserialize, Serialize};

use crate::AccountId;
use crate::access::{AccessKeyId, Arn};
use crate::details::Concerned;
use crate::events::events;

/// Whether a kind of event is of who may ask as an account: that account is among its subjects.
pub fn is_of_access(kind: &str) -> bool {
    KINDS.contains(&kind)
}

events! {
    /// An access key exists. Its secret is told to who asked for it, and kept sealed.
    AccessKeyCreated "access-key.created/1" about key and account {
        /// Its id.
        key: AccessKeyId,
        /// Whose it is.
        account: AccountId,
        /// The user it speaks for, if it is not the account's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Its secret, sealed with a key of the account and bound to the id.
        #[serde(with = "serde_bytes")]
        sealed: Vec<u8>,
    }
    /// Requests may be signed with a key again.
    AccessKeyEnabled "access-key.enabled/1" about key and account {
        /// Its id.
        key: AccessKeyId,
        /// Whose it is.
        account: AccountId,
    }
    /// Requests may be signed with a key no more, until it is enabled.
    AccessKeyDisabled "access-key.disabled/1" about key and account {
        /// Its id.
        key: AccessKeyId,
        /// Whose it is.
        account: AccountId,
    }
    /// An access key is gone.
    AccessKeyDeleted "access-key.deleted/1" about key and account {
        /// The id it had.
        key: AccessKeyId,
        /// Whose it was.
        account: AccountId,
    }
    /// A user exists. It may do what policies let it, and nothing before one is attached.
    UserCreated "user.created/1" about user and account {
        /// Its resource name.
        user: Arn,
        /// Whose it is.
        account: AccountId,
        /// What people call it; empty for its name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        display_name: String,
        /// What is said of it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        comments: String,
    }
    /// A user is gone.
    UserDeleted "user.deleted/1" about user and account {
        /// The resource name it had.
        user: Arn,
        /// Whose it was.
        account: AccountId,
    }
    /// A policy exists.
    PolicyCreated "policy.created/1" about policy and account {
        /// Its resource name.
        policy: Arn,
        /// Whose it is.
        account: AccountId,
        /// What it is for.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// What it says, as it was given.
        document: String,
    }
    /// A policy is gone.
    PolicyDeleted "policy.deleted/1" about policy and account {
        /// The resource name it had.
        policy: Arn,
        /// Whose it was.
        account: AccountId,
    }
    /// A user or a role has a policy.
    PolicyAttached "policy.attached/1" about policy and to and account {
        /// The policy.
        policy: Arn,
        /// Who has it.
        to: Arn,
        /// Whose that is.
        account: AccountId,
    }
    /// A user or a role has a policy no more.
    PolicyDetached "policy.detached/1" about policy and from and account {
        /// The policy.
        policy: Arn,
        /// Who had it.
        from: Arn,
        /// Whose that is.
        account: AccountId,
    }
    /// A role exists.
    RoleCreated "role.created/1" about role and account {
        /// Its resource name.
        role: Arn,
        /// Whose it is.
        account: AccountId,
        /// What it is for.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// Whom it trusts to assume it: a document, as it was given.
        trust: String,
        /// Seconds that a session of it lasts at most.
        session_s_max: u32,
    }
    /// A role is gone, and no token of it is worth anything any more.
    RoleDeleted "role.deleted/1" about role and account {
        /// The resource name it had.
        role: Arn,
        /// Whose it was.
        account: AccountId,
    }
    /// Somebody acts as a role for a while, with a key of its own. Its secret and its token are kept nowhere.
    RoleAssumed "role.assumed/1" about role and key and by and account {
        /// The role.
        role: Arn,
        /// Whose that is.
        account: AccountId,
        /// What the session is called.
        session: String,
        /// The key of it.
        key: AccessKeyId,
        /// The user or role that assumed it.
        by: Arn,
        /// Until when, milliseconds since 1970 UTC.
        until_ms: i64,
    }
}
