//! Rules of access: how many keys there may be, and whose they are.

use event::{Refusal, View};

use crate::AccountId;
use crate::access::{ACCESS_KEYS, AccessKey, AccessKeyId, Arn, KEY_CHARS, KEY_PREFIX, KEYS_OF};
use crate::events::{AccessKeyCreated, AccessKeyDeleted, AccessKeyDisabled, AccessKeyEnabled};
use crate::image::ACCOUNTS;
use crate::rules_ram::own_user;

/// Keys of an account's own: two to rotate, and some for programs that are not to share one.
pub const ACCOUNT_KEYS_MAX: usize = 5;
/// Keys of a user, as the API documents: two to rotate.
pub const USER_KEYS_MAX: usize = 2;

/// Makes an access key.
pub fn create_access_key(view: &View<'_>, wanted: AccessKeyCreated) -> Result<AccessKeyCreated, Refusal> {
    let account = wanted.account.as_str();
    if account.contains('\0') || view.get(&ACCOUNTS, &[account]).is_none() {
        let why = format!("there is no account `{}`", account.escape_debug());
        return Err(
            Refusal::new("InvalidAccount.NotFound", why).advise("`kiln account list` shows those there are")
        );
    }
    let id = wanted.key.as_str();
    let shaped = id
        .strip_prefix(KEY_PREFIX)
        .is_some_and(|rest| rest.len() == KEY_CHARS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !shaped || view.get(&ACCESS_KEYS, &[id]).is_some() {
        let why = format!("`{}` can not be the id of a new access key", id.escape_debug());
        return Err(
            Refusal::new("InvalidAccessKeyId.Malformed", why).advise("ask again: ids are made by chance")
        );
    }
    let user = wanted.user.as_deref().unwrap_or_default();
    if !user.is_empty() {
        own_user(view, &Arn::user(&wanted.account, user), &wanted.account)?;
    }
    let (whose, most) = match user {
        "" => (format!("account `{account}`"), ACCOUNT_KEYS_MAX),
        user => (format!("the user `{user}`"), USER_KEYS_MAX),
    };
    let there = view.list(&KEYS_OF, &[account, user]).len();
    if there >= most {
        let why = format!("{whose} has {there} access keys of its own; it may have {most}");
        return Err(Refusal::new("LimitExceeded.User.AccessKey", why)
            .advise("delete one that is used no more: `kiln key list`, `kiln key delete`"));
    }
    Ok(wanted)
}

/// Lets requests be signed with a key again.
pub fn enable_access_key(
    view: &View<'_>,
    key: &AccessKeyId,
    by: &AccountId,
) -> Result<AccessKeyEnabled, Refusal> {
    let row = own_key(view, key, by)?;
    Ok(AccessKeyEnabled { key: row.id, account: row.account })
}

/// Lets requests be signed with a key no more.
pub fn disable_access_key(
    view: &View<'_>,
    key: &AccessKeyId,
    by: &AccountId,
) -> Result<AccessKeyDisabled, Refusal> {
    let row = own_key(view, key, by)?;
    Ok(AccessKeyDisabled { key: row.id, account: row.account })
}

/// Removes a key for ever.
pub fn delete_access_key(
    view: &View<'_>,
    key: &AccessKeyId,
    by: &AccountId,
) -> Result<AccessKeyDeleted, Refusal> {
    let row = own_key(view, key, by)?;
    Ok(AccessKeyDeleted { key: row.id, account: row.account })
}

/// The key, if it is this account's. To others it is not there.
fn own_key(view: &View<'_>, key: &AccessKeyId, by: &AccountId) -> Result<AccessKey, Refusal> {
    let id = key.as_str();
    let found = if id.contains('\0') { None } else { view.get(&ACCESS_KEYS, &[id]) };
    found.filter(|row| row.account == *by).ok_or_else(|| {
        let why = format!("there is no access key `{}`", id.escape_debug());
        Refusal::new("EntityNotExist.User.AccessKey", why).advise("`kiln key list` shows those there are")
    })
}
