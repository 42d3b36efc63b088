//! The operations on what machines stand in.

use std::collections::BTreeMap;
use std::pin::Pin;

use domain::events_network::ItemModified;
use domain::group::default_group;
use domain::network::{Direction, ITEMS, Is, ItemId, Kind, Permission};
use workflows::{ChangeRules, CreateGroup, CreateItem, DeleteItems, JoinGroup, ModifyItem};

use crate::cases::{Case, account, nothing, region, run, start};
use crate::world::{House, scope};

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "create_item",
            acts: false,
            before: nothing,
            start: |house| Box::pin(start(house, create("net", Is::Vpc { cidr: "10.0.0.0/8".to_owned() }))),
        },
        Case {
            name: "modify_item",
            acts: false,
            before: with_group,
            start: |house| {
                let to = ItemModified {
                    item: item(house, Kind::SecurityGroup),
                    name: Some("front".to_owned()),
                    description: None,
                    isolated: Some(true),
                };
                Box::pin(start(house, ModifyItem { account: account(), region: region(), to }))
            },
        },
        Case {
            name: "change_rules",
            acts: false,
            before: with_group,
            start: |house| Box::pin(start(house, rules(house))),
        },
        Case {
            name: "create_group",
            acts: false,
            before: nothing,
            start: |house| {
                let (name, display_name) = ("team".to_owned(), "The team".to_owned());
                Box::pin(start(house, CreateGroup { account: account(), name, display_name }))
            },
        },
        Case {
            name: "join_group",
            acts: false,
            before: with_group,
            start: |house| {
                let (resource, group) = (item(house, Kind::SecurityGroup).into(), default_group(&account()));
                Box::pin(start(house, JoinGroup { account: account(), region: region(), resource, group }))
            },
        },
        Case {
            name: "delete_items",
            acts: false,
            before: with_group,
            start: |house| {
                let items = vec![item(house, Kind::SecurityGroup)];
                Box::pin(start(house, DeleteItems { account: account(), region: region(), items }))
            },
        },
    ]
}

fn create(name: &str, is: Is) -> CreateItem {
    CreateItem {
        account: account(),
        region: region(),
        name: name.to_owned(),
        description: String::new(),
        tags: BTreeMap::new(),
        group: None,
        is,
    }
}

fn rules(house: &House) -> ChangeRules {
    let says = Permission {
        protocol: "tcp".to_owned(),
        ports: "22/22".to_owned(),
        source_cidr: "0.0.0.0/0".to_owned(),
        priority: 1,
        ..Permission::default()
    };
    ChangeRules {
        account: account(),
        region: region(),
        item: item(house, Kind::SecurityGroup),
        direction: Direction::Ingress,
        add: vec![says],
        remove: Vec::new(),
        remove_ids: Vec::new(),
    }
}

fn with_group(house: &House) -> Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async {
        let group = Is::SecurityGroup { vpc: None, enterprise: false, isolated: false, rules: Vec::new() };
        run(house, "group", create("web", group)).await;
    })
}

/// The only item of a kind; after the operation it may be gone.
fn item(house: &House, kind: Kind) -> ItemId {
    let rows = house.engine.snapshot().unwrap();
    let items = ITEMS.list(&rows, &scope(), &[kind.prefix()]);
    items.into_iter().map(|item| item.id).next().unwrap_or_default()
}
