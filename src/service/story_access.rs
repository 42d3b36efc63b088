//! What the events of access say in plain words.

use domain::events as told;
use event::{Event, Record};

use crate::story_text::read;
use crate::view::time_text;

/// The event in plain words, if it is one of access.
pub(crate) fn text(record: &Record) -> Option<String> {
    if let Some(event) = read::<told::AccessKeyCreated>(record) {
        let whose = match event.user {
            Some(user) => format!("the user `{user}` of account `{}`", event.account),
            None => format!("account `{}`", event.account),
        };
        return Some(format!("the access key `{}` was created for {whose}", event.key));
    }
    if let Some(event) = read::<told::PolicyAttached>(record) {
        return Some(format!(
            "`{}` has the policy `{}` from now on",
            event.to.relative(),
            event.policy.name()
        ));
    }
    if let Some(event) = read::<told::PolicyDetached>(record) {
        return Some(format!("`{}` has the policy `{}` no more", event.from.relative(), event.policy.name()));
    }
    if let Some(event) = read::<told::RoleAssumed>(record) {
        let (by, role, until) = (&event.by, event.role.name(), time_text(event.until_ms));
        return Some(format!("`{by}` acts as the role `{role}` until {until}, called `{}`", event.session));
    }
    if let Some(event) = read::<told::UserCreated>(record) {
        return Some(format!("the user `{}` was created", event.user.name()));
    }
    if let Some(event) = read::<told::PolicyCreated>(record) {
        return Some(format!("the policy `{}` was created", event.policy.name()));
    }
    if let Some(event) = read::<told::RoleCreated>(record) {
        return Some(format!("the role `{}` was created", event.role.name()));
    }
    Some(match record.kind.as_str() {
        told::UserDeleted::KIND => "the user was deleted".to_owned(),
        told::PolicyDeleted::KIND => "the policy was deleted".to_owned(),
        told::RoleDeleted::KIND => "the role was deleted".to_owned(),
        told::AccessKeyEnabled::KIND => "the access key was enabled".to_owned(),
        told::AccessKeyDisabled::KIND => "the access key was disabled".to_owned(),
        told::AccessKeyDeleted::KIND => "the access key was deleted".to_owned(),
        _ => return None,
    })
}
