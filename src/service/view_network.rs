//! Views of what machines stand in.

use std::collections::BTreeMap;

use domain::group::{Group, GroupId};
use domain::network::{Is, Item};
use serde::{Deserialize, Serialize};

use crate::view::{Started, time_text, views};

views! {
    /// A VPC, a vSwitch, a security group, an elastic address or a key pair.
    ItemView {
        /// Its id.
        item_id: String,
        /// Its name; empty for none.
        item_name: String,
        /// Its description; empty for none.
        description: String,
        /// Its region.
        region_id: String,
        /// Its owner.
        owner_id: String,
        /// When it was made.
        creation_time: String,
        /// Its tags.
        tags: BTreeMap<String, String>,
        /// What is its kind's own.
        is: Is,
        /// The resource group it is in.
        group_id: String,
        /// The vSwitches in it, if it is a VPC.
        vswitch_ids: Vec<String>,
    }
    /// Items.
    Items {
        /// Oldest first, by region.
        items: Vec<ItemView>,
        /// How many there are on all pages.
        total_count: u64,
        /// The page's number, from 1.
        page_number: u32,
        /// How many a page may have; all there are where nobody asked for pages.
        page_size: u32,
    }
    /// A resource group.
    GroupView {
        /// Its id.
        group_id: String,
        /// Its name.
        name: String,
        /// What people call it.
        display_name: String,
        /// Its owner.
        account_id: String,
        /// When it was made.
        creation_time: String,
    }
    /// Resource groups.
    Groups {
        /// The one that everything is in first.
        groups: Vec<GroupView>,
        /// How many there are on all pages.
        total_count: u64,
        /// The page's number, from 1.
        page_number: u32,
        /// How many a page may have; all there are where nobody asked for pages.
        page_size: u32,
    }
    /// A key pair that is being made.
    KeyPairStarted {
        /// The operation; the key pair's id is what it yields.
        started: Started,
        /// MD5 of the public key.
        fingerprint: String,
        /// The private key, if it was made here: told now, and kept nowhere.
        private_key: String,
    }
}

impl ItemView {
    pub(crate) fn of(item: &Item, group: GroupId, vswitch_ids: Vec<String>) -> Self {
        Self {
            item_id: item.id.0.clone(),
            item_name: item.name.clone(),
            description: item.description.clone(),
            region_id: item.region.0.clone(),
            owner_id: item.account.0.clone(),
            creation_time: time_text(item.created_ms),
            tags: item.tags.clone(),
            is: item.is.clone(),
            group_id: group.0,
            vswitch_ids,
        }
    }
}

impl GroupView {
    pub(crate) fn of(group: Group) -> Self {
        Self {
            group_id: group.id.0,
            name: group.name,
            display_name: group.display_name,
            account_id: group.account.0,
            creation_time: time_text(group.created_ms),
        }
    }
}
