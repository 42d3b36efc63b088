//! Views of who may ask: access keys, users, policies, roles and their sessions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::view::views;

/// A secret on its way to who asked for it: written into that one answer, and shown nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

views! {
    /// An access key that has just been created, with its secret, which is told this once.
    KeyCreated {
        /// Its id.
        access_key_id: String,
        /// Its secret.
        access_key_secret: Secret,
        /// Whose it is.
        account_id: String,
        /// The user it speaks for; empty if it is the account's own.
        user_name: String,
    }
    /// An access key.
    KeyView {
        /// Its id.
        access_key_id: String,
        /// Whose it is.
        account_id: String,
        /// The user it speaks for; empty if it is the account's own.
        user_name: String,
        /// `Active` or `Inactive`.
        status: String,
        /// When it was made.
        create_date: String,
    }
    /// Access keys.
    Keys {
        /// By user, the account's own first, then by id.
        access_keys: Vec<KeyView>,
    }
    /// A policy that a user or a role has.
    AttachedPolicy {
        /// Its name.
        policy_name: String,
        /// `System` or `Custom`.
        policy_type: String,
        /// Since when.
        attach_date: String,
    }
    /// A user.
    UserView {
        /// Its name.
        user_name: String,
        /// Its number, which is another one when a user of the same name is made again.
        user_id: String,
        /// What people call it.
        display_name: String,
        /// What is said of it.
        comments: String,
        /// Its resource name.
        arn: String,
        /// When it was made.
        create_date: String,
        /// Its keys.
        access_keys: Vec<KeyView>,
        /// Its policies.
        policies: Vec<AttachedPolicy>,
    }
    /// Users.
    Users {
        /// By name.
        users: Vec<UserView>,
    }
    /// A policy.
    PolicyView {
        /// Its name.
        policy_name: String,
        /// `System` or `Custom`.
        policy_type: String,
        /// What it is for.
        description: String,
        /// What it says, as it was given.
        policy_document: String,
        /// To how many users and roles of the account it is attached.
        attachment_count: u32,
        /// When it was made; empty for one of the system.
        create_date: String,
        /// Who has it: `user/alice`, `role/importer`.
        attached_to: Vec<String>,
    }
    /// Policies.
    Policies {
        /// Those of the account first, by name.
        policies: Vec<PolicyView>,
    }
    /// A role.
    RoleView {
        /// Its name.
        role_name: String,
        /// Its number, which is another one when a role of the same name is made again.
        role_id: String,
        /// What it is for.
        description: String,
        /// Its resource name.
        arn: String,
        /// Whom it trusts to assume it, as it was given.
        assume_role_policy_document: String,
        /// Seconds that a session of it lasts at most.
        max_session_duration: u32,
        /// When it was made.
        create_date: String,
        /// Its policies.
        policies: Vec<AttachedPolicy>,
    }
    /// Roles.
    Roles {
        /// By name.
        roles: Vec<RoleView>,
    }
    /// A session of a role that has just begun, with what a client signs its requests with.
    Assumed {
        /// The key of the session.
        access_key_id: String,
        /// Its secret.
        access_key_secret: Secret,
        /// What has to come with every request.
        security_token: Secret,
        /// Until when.
        expiration: String,
        /// The resource name of the session: `acs:ram::100000:role/importer/ci`.
        arn: String,
        /// The number of the role and the name of the session: `2…:ci`.
        assumed_role_id: String,
    }
}
