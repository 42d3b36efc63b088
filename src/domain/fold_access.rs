//! How events about access become rows.

use event::{Event as _, Record, RowsMut};

use crate::access::{ACCESS_KEYS, AccessKey, AccessKeyId, KEYS_OF};
use crate::events::{AccessKeyCreated, AccessKeyDeleted, AccessKeyDisabled, AccessKeyEnabled};
use crate::fold::with;
use crate::image::house;

pub(crate) fn apply(rows: &mut dyn RowsMut, record: &Record) -> bool {
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
