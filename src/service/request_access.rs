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
    },
    /// Keys, without their secrets.
    List {
        /// Whose; the one that asks if none is named.
        account: Option<AccountId>,
    },
    /// Lets requests be signed with it again.
    Enable(AccessKeyId),
    /// Lets requests be signed with it no more.
    Disable(AccessKeyId),
    /// Removes it for ever.
    Delete(AccessKeyId),
}
