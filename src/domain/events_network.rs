//! What becomes true of what machines stand in: networks, security groups, addresses, key pairs.

use std::collections::BTreeMap;

use event::{Event, Subject};
use serde::{Deserialize, Serialize};

use crate::details::Concerned;
use crate::events::{ResourceId, events};
use crate::group::GroupId;
use crate::network::{Is, ItemId, Rule};
use crate::{AccountId, RegionId};

events! {
    /// A VPC, a vSwitch, a security group, an address or a key pair is there.
    ItemCreated "network.created/1" about item {
        /// Its id.
        item: ItemId,
        /// Its name; empty for none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// Its description; empty for none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
        /// Its tags.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
        /// Whose it is.
        account: AccountId,
        /// Where it is.
        region: RegionId,
        /// The resource group it is put in, if it is another than the one everything is in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
        /// What it is.
        is: Is,
    }
    /// One of those has another name or description, or other attributes.
    ItemModified "network.modified/1" about item {
        /// The item.
        item: ItemId,
        /// Its name now, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its description now, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// Whether the machines of a security group may not speak with each other, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        isolated: Option<bool>,
    }
    /// Some of those are gone.
    ItemsDeleted "network.deleted/1" about items {
        /// The items.
        items: Vec<ItemId>,
    }
    /// A resource group is there.
    GroupCreated "resource-group.created/1" about group {
        /// Its id.
        group: GroupId,
        /// Whose it is.
        account: AccountId,
        /// Its name.
        name: String,
        /// What people call it.
        display_name: String,
    }
    /// Something was put in a resource group.
    ResourceGrouped "resource.grouped/1" about resource and group {
        /// What was put.
        resource: ResourceId,
        /// Where.
        group: GroupId,
    }
    /// A security group has other rules than before.
    RulesChanged "security-group.rules-changed/1" about item {
        /// The group.
        item: ItemId,
        /// Rules it has from now on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        added: Vec<Rule>,
        /// Ids of rules it has no more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
    }
}
