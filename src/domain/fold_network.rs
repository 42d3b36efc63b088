//! How events of networks, security groups, addresses and key pairs become rows.

use event::{Event, Record, RowsMut};

use crate::events_network::{
    GroupCreated, ItemCreated, ItemModified, ItemsDeleted, ResourceGrouped, RulesChanged,
};
use crate::fold::with;
use crate::group::{GROUPED, GROUPS, Group};
use crate::image::{PLACES, house};
use crate::network::{ITEMS, Is, Item, Rule, key};

/// Folds the record, if it is one of these; says whether it was.
pub(crate) fn apply(rows: &mut dyn RowsMut, record: &Record) -> bool {
    let scope = &record.scope;
    match record.kind.as_str() {
        ItemCreated::KIND => with(record, |event| created(rows, record, event)),
        ItemModified::KIND => with(record, |event: ItemModified| {
            ITEMS.change(rows, scope, &key(&event.item), |item| {
                item.name = event.name.unwrap_or_else(|| item.name.clone());
                item.description = event.description.unwrap_or_else(|| item.description.clone());
                if let Is::SecurityGroup { isolated, .. } = &mut item.is {
                    *isolated = event.isolated.unwrap_or(*isolated);
                }
            });
        }),
        ItemsDeleted::KIND => with(record, |event: ItemsDeleted| {
            for item in &event.items {
                ITEMS.remove(rows, scope, &key(item));
                PLACES.remove(rows, &house(), &[item.as_str()]);
                GROUPED.remove(rows, scope, &[item.as_str()]);
            }
        }),
        RulesChanged::KIND => with(record, |event: RulesChanged| {
            ITEMS.change(rows, scope, &key(&event.item), |item| {
                if let Is::SecurityGroup { rules, .. } = &mut item.is {
                    rules.retain(|rule| !event.removed.contains(&rule.id));
                    let made = event.added.into_iter();
                    rules.extend(made.map(|rule| Rule { created_ms: record.time_ms, ..rule }));
                }
            });
        }),
        GroupCreated::KIND => with(record, |event: GroupCreated| {
            let GroupCreated { group: id, account, name, display_name } = event;
            let row = Group { id, account, name, display_name, created_ms: record.time_ms };
            GROUPS.put(rows, &house(), &[row.account.as_str(), row.id.as_str()], &row);
        }),
        ResourceGrouped::KIND => with(record, |event: ResourceGrouped| {
            GROUPED.put(rows, scope, &[event.resource.as_str()], &event.group);
        }),
        _ => false,
    }
}

fn created(rows: &mut dyn RowsMut, record: &Record, event: ItemCreated) {
    if let Some(group) = &event.group {
        GROUPED.put(rows, &record.scope, &[event.item.as_str()], group);
    }
    let item = Item {
        id: event.item,
        name: event.name,
        description: event.description,
        tags: event.tags,
        account: event.account,
        region: event.region,
        created_ms: record.time_ms,
        born: record.seq,
        is: event.is,
    };
    PLACES.put(rows, &house(), &[item.id.as_str()], &record.scope);
    ITEMS.put(rows, &record.scope, &key(&item.id), &item);
}
