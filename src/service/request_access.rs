//! What may be asked about who may ask.

use domain::AccountId;
use domain::access::AccessKeyId;
use serde::{Deserialize, Serialize};

/// What may be asked about access keys. They are the account's that asks; the operator at the machine may
/// name another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyRequest {
    /// Creates a key, and tells its secret.
    Create {
        /// Whose; the one that asks if none is named.
        account: Option<AccountId>,
        /// The user it speaks for; the account itself if none is named.
        user: Option<String>,
    },
    /// Keys, without their secrets.
    List {
        /// Whose; the one that asks if none is named.
        account: Option<AccountId>,
        /// Those of a user alone.
        user: Option<String>,
    },
    /// Lets requests be signed with it again.
    Enable(AccessKeyId),
    /// Lets requests be signed with it no more.
    Disable(AccessKeyId),
    /// Removes it for ever.
    Delete(AccessKeyId),
}

/// Who has a policy, or is to have it: by name, of the account that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grantee {
    /// A user.
    User(String),
    /// A role.
    Role(String),
}

/// Which policy of a name is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyType {
    /// One that is there without anybody having made it.
    System,
    /// One that the account made.
    Custom,
}

/// What may be asked about users, policies and roles of the account that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessRequest {
    /// Creates a user.
    UserCreate {
        /// Its name.
        name: String,
        /// What people call it; empty for its name.
        display_name: String,
        /// What is said of it.
        comments: String,
    },
    /// Users.
    UserList,
    /// One user, with its keys and policies.
    UserShow(String),
    /// Removes a user that has neither keys nor policies.
    UserDelete(String),
    /// Creates a policy.
    PolicyCreate {
        /// Its name.
        name: String,
        /// What it is for.
        description: String,
        /// What it says, as JSON.
        document: String,
    },
    /// Policies, of one type or of both.
    PolicyList(Option<PolicyType>),
    /// One policy, with who has it.
    PolicyShow {
        /// Its name.
        name: String,
        /// Which is meant; the one there is if it is not said.
        policy_type: Option<PolicyType>,
    },
    /// Removes a policy that nobody has.
    PolicyDelete(String),
    /// Gives a user or a role a policy.
    Attach {
        /// Its name.
        policy: String,
        /// Which is meant; the one there is if it is not said.
        policy_type: Option<PolicyType>,
        /// Who is to have it.
        to: Grantee,
    },
    /// Takes a policy from a user or a role.
    Detach {
        /// Its name.
        policy: String,
        /// Which is meant; the one there is if it is not said.
        policy_type: Option<PolicyType>,
        /// Who has it.
        from: Grantee,
    },
    /// Creates a role.
    RoleCreate {
        /// Its name.
        name: String,
        /// What it is for.
        description: String,
        /// Whom it trusts to assume it, as JSON; the users of the account if it is not said.
        trust: Option<String>,
        /// Seconds that a session of it lasts at most; an hour if it is not said.
        session_s_max: Option<u32>,
    },
    /// Roles.
    RoleList,
    /// One role, with its policies.
    RoleShow(String),
    /// Removes a role that has no policies.
    RoleDelete(String),
}
