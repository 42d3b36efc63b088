//! Access as it stands: the rows of keys, users, policies and roles, which say who may ask, as whom, for what.
//!
//! All of it lies in the scope of the house: a request names nothing but a key, and whose that is
//! has to be found in one look. A secret is in a row only sealed (`service` seals and opens it); this
//! room could not open it if it wanted to.

use event::{FlowId, Table};
use serde::{Deserialize, Serialize};

use crate::AccountId;

event::text_id! {
    /// An access key: `LTAI` and 20 letters and digits.
    AccessKeyId
}

event::text_id! {
    /// The resource name of a user, a role or a policy: `acs:ram::100000:user/alice`. A policy of the system
    /// is `acs:ram:*:system:policy/AdministratorAccess`.
    Arn
}

impl Arn {
    /// Of a user.
    pub fn user(account: &AccountId, name: &str) -> Self {
        Self(format!("acs:ram::{account}:user/{name}"))
    }

    /// Of a role.
    pub fn role(account: &AccountId, name: &str) -> Self {
        Self(format!("acs:ram::{account}:role/{name}"))
    }

    /// Of a policy that an account made.
    pub fn policy(account: &AccountId, name: &str) -> Self {
        Self(format!("acs:ram::{account}:policy/{name}"))
    }

    /// Of a policy of the system.
    pub fn system_policy(name: &str) -> Self {
        Self(format!("acs:ram:*:system:policy/{name}"))
    }

    /// What it names, if it is such a name.
    pub fn named(&self) -> Option<Named<'_>> {
        let (account, relative) = self.0.strip_prefix("acs:ram:")?.split_once(':')?.1.split_once(':')?;
        let (kind, name) = relative.split_once('/')?;
        let fits = |part: &str| !part.is_empty() && !part.contains(['/', ':', '\0']);
        (fits(account) && fits(name)).then_some(Named { account, kind, name })
    }

    /// What follows the account: `user/alice`.
    pub fn relative(&self) -> &str {
        self.0.rsplit(':').next().unwrap_or_default()
    }

    /// Its name alone.
    pub fn name(&self) -> &str {
        self.named().map(|named| named.name).unwrap_or_default()
    }
}

/// What a resource name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The account; `system` for a policy of the system.
    pub account: &'a str,
    /// `user`, `role` or `policy`.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// What an access key's id begins with, as the cloud's do.
pub const KEY_PREFIX: &str = "LTAI";
/// Letters and digits behind it.
pub const KEY_CHARS: usize = 20;
/// Letters and digits of a secret, as many as the cloud's have.
pub const SECRET_CHARS: usize = 30;

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// Its id, which a request names.
    pub id: AccessKeyId,
    /// Whose it is.
    pub account: AccountId,
    /// The user of the account it speaks for; it is the account's own if there is none.
    pub user: Option<String>,
    /// Its secret, sealed with a key of the account and bound to the id.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// Whether requests may be signed with it.
    pub active: bool,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_ms: i64,
}

/// A user of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its resource name.
    pub arn: Arn,
    /// Its number, which is another one when a user of the same name is made again.
    pub id: String,
    /// What people call it; empty for its name.
    pub display_name: String,
    /// What is said of it.
    pub comments: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_ms: i64,
}

/// A policy that an account made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its resource name.
    pub arn: Arn,
    /// What it is for.
    pub description: String,
    /// What it says, as it was given.
    pub document: String,
    /// To how many users and roles it is attached.
    pub attached: u32,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_ms: i64,
}

/// A role of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its resource name.
    pub arn: Arn,
    /// Its number, which is another one when a role of the same name is made again.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// Whom it trusts to assume it: a document, as it was given.
    pub trust: String,
    /// Seconds that a session of it lasts at most.
    pub session_s_max: u32,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_ms: i64,
}

/// A policy that a user or a role has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The user or role.
    pub to: Arn,
    /// The policy.
    pub policy: Arn,
    /// Since when, milliseconds since 1970 UTC.
    pub since_ms: i64,
}

/// A number for what an operation made, shaped as the cloud's are: 18 digits.
pub(crate) fn number(flow: FlowId) -> String {
    const DIGITS_17: u128 = 100_000_000_000_000_000;
    format!("2{:017}", u128::from_be_bytes(flow.0) % DIGITS_17)
}

/// Access keys, by id.
pub const ACCESS_KEYS: Table<AccessKey> = Table::new("access-key");
/// Ids of access keys, by account, user (empty for the account's own) and id.
pub const KEYS_OF: Table<AccessKeyId> = Table::new("access-key-of");
/// Users, by account and name.
pub const USERS: Table<User> = Table::new("user");
/// Policies that accounts made, by account and name.
pub const POLICIES: Table<Policy> = Table::new("policy");
/// Roles, by account and name.
pub const ROLES: Table<Role> = Table::new("role");
/// Policies of users and roles, by account, `user/NAME` or `role/NAME`, and policy.
pub const ATTACHED: Table<Attachment> = Table::new("attached");
