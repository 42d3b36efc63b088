//! Resource groups: heaps that an account puts its things in, to see and to allow them together.
//!
//! An account has one from the beginning, in which everything is that was put in no other.

use event::{Table, text_id};
use serde::{Deserialize, Serialize};

use crate::AccountId;

text_id! {
    /// A resource group: `rg-` and 20 lower-case letters and digits.
    GroupId
}

/// A resource group as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Whose it is.
    pub account: AccountId,
    /// Its name, of which an account has one.
    pub name: String,
    /// What people call it.
    pub display_name: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_ms: i64,
}

/// Resource groups, in the scope of the house, by account and id.
pub const GROUPS: Table<Group> = Table::new("resource-group");
/// The groups of what was put in one, by account, region and the id of what was put.
pub const GROUPED: Table<GroupId> = Table::new("grouped");

/// The group that an account has from the beginning.
pub fn default_group(account: &AccountId) -> GroupId {
    GroupId(format!("rg-{:0>20}", account.as_str()))
}
