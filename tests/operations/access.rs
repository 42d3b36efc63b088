//! The operations on who may ask: access keys.

use domain::access::AccessKeyId;
use workflows::{ChangeAccessKey, CreateAccessKey, DeleteAccessKey};

use crate::cases::{Case, account, nothing, run, start};
use crate::world::House;

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "create_access_key",
            acts: false,
            before: nothing,
            start: |house| Box::pin(start(house, create_key())),
        },
        Case {
            name: "change_access_key",
            acts: false,
            before: with_key,
            start: |house| {
                let change = ChangeAccessKey { account: account(), key: key(), active: false };
                Box::pin(start(house, change))
            },
        },
        Case {
            name: "change_access_key_to_active",
            acts: false,
            before: with_key,
            start: |house| {
                let change = ChangeAccessKey { account: account(), key: key(), active: true };
                Box::pin(start(house, change))
            },
        },
        Case {
            name: "delete_access_key",
            acts: false,
            before: with_key,
            start: |house| Box::pin(start(house, DeleteAccessKey { account: account(), key: key() })),
        },
    ]
}

fn key() -> AccessKeyId {
    AccessKeyId::from("LTAI00000000000000000001")
}

/// A key whose secret was sealed by nobody: no story opens one.
fn create_key() -> CreateAccessKey {
    CreateAccessKey { account: account(), user: None, key: key(), sealed: vec![7; 71] }
}

fn with_key(house: &House) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(run(house, "key", create_key()))
}
