//! Access keys as they stand: the rows that say who may ask, and as whom.
//!
//! All of it lies in the scope of the house: a request names nothing but a key, and whose that is
//! has to be found in one look. A secret is in a row only sealed (`service` seals and opens it); this
//! room could not open it if it wanted to.

use event::Table;
use serde::{Deserialize, Serialize};

use crate::AccountId;

event::text_id! {
    /// An access key: `LTAI` and 20 letters and digits.
    AccessKeyId
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

/// Access keys, by id.
pub const ACCESS_KEYS: Table<AccessKey> = Table::new("access-key");
/// Ids of access keys, by account, user (empty for the account's own) and id.
pub const KEYS_OF: Table<AccessKeyId> = Table::new("access-key-of");
