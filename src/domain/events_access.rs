//! What becomes true of access: keys, and whom they speak for.

use event::{Event, Subject};
use serde::{Deserialize, Serialize};

use crate::AccountId;
use crate::access::AccessKeyId;
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
}
