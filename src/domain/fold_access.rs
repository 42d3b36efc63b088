//! How events about access become rows.

use event::{Event as _, Record, RowsMut};

use crate::access::{
    ACCESS_KEYS, ATTACHED, AccessKey, AccessKeyId, Arn, Attachment, KEYS_OF, POLICIES, Policy, ROLES, Role,
    USERS, User, number,
};
use crate::events::{
    AccessKeyCreated, AccessKeyDeleted, AccessKeyDisabled, AccessKeyEnabled, PolicyAttached, PolicyCreated,
    PolicyDeleted, PolicyDetached, RoleCreated, RoleDeleted, UserCreated, UserDeleted,
};
use crate::fold::with;
use crate::image::house;

pub(crate) fn apply(rows: &mut dyn RowsMut, record: &Record) -> bool {
    key_event(rows, record) || ram_event(rows, record)
}

fn ram_event(rows: &mut dyn RowsMut, record: &Record) -> bool {
    match record.kind.as_str() {
        UserCreated::KIND => with(record, |event: UserCreated| {
            let row = User {
                arn: event.user,
                id: number(record.flow),
                display_name: event.display_name,
                comments: event.comments,
                created_ms: record.time_ms,
            };
            let Some(place) = at(&row.arn) else { return };
            USERS.put(rows, &house(), &place, &row);
        }),
        UserDeleted::KIND => with(record, |event: UserDeleted| {
            let Some(place) = at(&event.user) else { return };
            USERS.remove(rows, &house(), &place);
        }),
        PolicyCreated::KIND => with(record, |event: PolicyCreated| {
            let row = Policy {
                arn: event.policy,
                description: event.description,
                document: event.document,
                attached: 0,
                created_ms: record.time_ms,
            };
            let Some(place) = at(&row.arn) else { return };
            POLICIES.put(rows, &house(), &place, &row);
        }),
        PolicyDeleted::KIND => with(record, |event: PolicyDeleted| {
            let Some(place) = at(&event.policy) else { return };
            POLICIES.remove(rows, &house(), &place);
        }),
        PolicyAttached::KIND => with(record, |event: PolicyAttached| {
            let row = Attachment { to: event.to, policy: event.policy, since_ms: record.time_ms };
            let Some(place) = attachment(&row.to, &row.policy) else { return };
            if ATTACHED.get(rows, &house(), &place).is_none() {
                count_attached(rows, &row.policy, |count| count.saturating_add(1));
            }
            ATTACHED.put(rows, &house(), &place, &row);
        }),
        PolicyDetached::KIND => with(record, |event: PolicyDetached| {
            let Some(place) = attachment(&event.from, &event.policy) else { return };
            if ATTACHED.get(rows, &house(), &place).is_some() {
                count_attached(rows, &event.policy, |count| count.saturating_sub(1));
            }
            ATTACHED.remove(rows, &house(), &place);
        }),
        RoleCreated::KIND => with(record, |event: RoleCreated| {
            let row = Role {
                arn: event.role,
                id: number(record.flow),
                description: event.description,
                trust: event.trust,
                session_s_max: event.session_s_max,
                created_ms: record.time_ms,
            };
            let Some(place) = at(&row.arn) else { return };
            ROLES.put(rows, &house(), &place, &row);
        }),
        RoleDeleted::KIND => with(record, |event: RoleDeleted| {
            let Some(place) = at(&event.role) else { return };
            ROLES.remove(rows, &house(), &place);
        }),
        _ => false,
    }
}

/// Where a table has what a resource name names.
fn at(arn: &Arn) -> Option<[&str; 2]> {
    arn.named().map(|named| [named.account, named.name])
}

/// Where [`ATTACHED`] has a policy of somebody's.
fn attachment<'a>(to: &'a Arn, policy: &'a Arn) -> Option<[&'a str; 3]> {
    Some([to.named()?.account, to.relative(), policy.as_str()])
}

/// Counts where a policy is attached; nobody counts that of a policy of the system.
fn count_attached(rows: &mut dyn RowsMut, policy: &Arn, count: impl FnOnce(u32) -> u32) {
    let Some(place) = at(policy) else { return };
    POLICIES.change(rows, &house(), &place, |policy| policy.attached = count(policy.attached));
}

fn key_event(rows: &mut dyn RowsMut, record: &Record) -> bool {
    match record.kind.as_str() {
        AccessKeyCreated::KIND => with(record, |event: AccessKeyCreated| {
            let row = AccessKey {
                id: event.key,
                account: event.account,
                user: event.user,
                sealed: event.sealed,
                active: true,
                created_ms: record.time_ms,
            };
            KEYS_OF.put(rows, &house(), &place(&row), &row.id);
            ACCESS_KEYS.put(rows, &house(), &[row.id.as_str()], &row);
        }),
        AccessKeyEnabled::KIND => with(record, |event: AccessKeyEnabled| activate(rows, &event.key, true)),
        AccessKeyDisabled::KIND => with(record, |event: AccessKeyDisabled| activate(rows, &event.key, false)),
        AccessKeyDeleted::KIND => with(record, |event: AccessKeyDeleted| {
            let Some(row) = ACCESS_KEYS.get(rows, &house(), &[event.key.as_str()]) else { return };
            KEYS_OF.remove(rows, &house(), &place(&row));
            ACCESS_KEYS.remove(rows, &house(), &[row.id.as_str()]);
        }),
        _ => false,
    }
}

/// Where [`KEYS_OF`] has a key.
fn place(key: &AccessKey) -> [&str; 3] {
    [key.account.as_str(), key.user.as_deref().unwrap_or_default(), key.id.as_str()]
}

fn activate(rows: &mut dyn RowsMut, key: &AccessKeyId, active: bool) {
    ACCESS_KEYS.change(rows, &house(), &[key.as_str()], |key| key.active = active);
}
