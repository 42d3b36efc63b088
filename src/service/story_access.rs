//! What the events of access say in plain words.

use domain::events as told;
use event::{Event, Record};

use crate::story_text::read;

/// The event in plain words, if it is one of access.
pub(crate) fn text(record: &Record) -> Option<String> {
    if let Some(event) = read::<told::AccessKeyCreated>(record) {
        let whose = match event.user {
            Some(user) => format!("the user `{user}` of account `{}`", event.account),
            None => format!("account `{}`", event.account),
        };
        return Some(format!("the access key `{}` was created for {whose}", event.key));
    }
    Some(match record.kind.as_str() {
        told::AccessKeyEnabled::KIND => "the access key was enabled".to_owned(),
        told::AccessKeyDisabled::KIND => "the access key was disabled".to_owned(),
        told::AccessKeyDeleted::KIND => "the access key was deleted".to_owned(),
        _ => return None,
    })
}
