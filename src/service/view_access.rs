//! Views of who may ask: access keys.

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
}
