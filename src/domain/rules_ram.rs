//! Rules of users, policies and roles: what there may be of them, and who may act as a role.

use event::{Refusal, Scope, Table, View};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AccountId;
use crate::access::{ATTACHED, AccessKeyId, Arn, KEYS_OF, POLICIES, Policy, ROLES, Role, USERS, User};
use crate::events::{
    PolicyAttached, PolicyCreated, PolicyDeleted, PolicyDetached, RoleAssumed, RoleCreated, RoleDeleted,
    UserCreated, UserDeleted,
};
use crate::policy::{Context, Document, Judged, Trust, system_policy};

/// Users of an account, as the API documents.
pub const USERS_MAX: usize = 1000;
/// Roles of an account, as the API documents.
pub const ROLES_MAX: usize = 1000;
/// Policies an account makes, as the API documents.
pub const POLICIES_MAX: usize = 1500;
/// Policies a user or a role has, as the API documents for those an account made. Each is read for
/// every request of theirs, so those of the system count as well.
pub const ATTACHED_MAX: usize = 20;
/// Characters of the name of a user or a role, as the API documents.
const NAME_CHARS_MAX: usize = 64;
/// Characters of the name of a policy, as the API documents.
const POLICY_NAME_CHARS_MAX: usize = 128;
/// Characters of a description or a comment, as the API documents for the longer.
const DESCRIPTION_CHARS_MAX: usize = 1024;
/// Seconds a session lasts at least, as the API documents.
pub const SESSION_S_MIN: u32 = 900;
/// Seconds a session lasts if nobody says, and what the longest that a role allows is at least.
pub const SESSION_S_DEFAULT: u32 = 3600;
/// Seconds a role may allow at most, as the API documents.
pub const SESSION_S_MAX: u32 = 43_200;
/// Characters of a session's name, as the API documents.
const SESSION_NAME_CHARS: std::ops::RangeInclusive<usize> = 2..=64;

/// Makes a user.
pub fn create_user(view: &View<'_>, wanted: UserCreated) -> Result<UserCreated, Refusal> {
    let name = wanted.user.name();
    check_name(
        &wanted.user,
        ["InvalidParameter.UserName.Length", "InvalidParameter.UserName.InvalidChars"],
        NAME_CHARS_MAX,
        ".-_",
    )?;
    check_text("InvalidParameter.Comments.Length", "comment", &wanted.comments)?;
    check_text("InvalidParameter.DisplayName.Length", "display name", &wanted.display_name)?;
    if view.get(&USERS, &[wanted.account.as_str(), name]).is_some() {
        return Err(there_already("EntityAlreadyExists.User", "user", name));
    }
    let there = view.list(&USERS, &[wanted.account.as_str()]).len();
    has_room("LimitExceeded.User", "users", there, USERS_MAX)?;
    Ok(wanted)
}

/// Removes a user that has neither keys nor policies any more.
pub fn delete_user(view: &View<'_>, user: &Arn, by: &AccountId) -> Result<UserDeleted, Refusal> {
    let row = own_user(view, user, by)?;
    let name = row.arn.name();
    if !view.list(&KEYS_OF, &[by.as_str(), name]).is_empty() {
        return Err(Refusal::new(
            "DeleteConflict.User.AccessKey",
            format!("the user `{name}` has access keys"),
        )
        .advise(format!("delete them first: `kiln key list --user {name}`, `kiln key delete`")));
    }
    no_policies(view, &row.arn, by, "DeleteConflict.User.Policy")?;
    Ok(UserDeleted { user: row.arn, account: by.clone() })
}

/// Makes a policy; what it says was read, and is kept as it was given.
pub fn create_policy(view: &View<'_>, wanted: PolicyCreated) -> Result<PolicyCreated, Refusal> {
    let name = wanted.policy.name();
    check_name(
        &wanted.policy,
        ["InvalidParameter.PolicyName.Length", "InvalidParameter.PolicyName.InvalidChars"],
        POLICY_NAME_CHARS_MAX,
        "-",
    )?;
    check_text("InvalidParameter.Description.Length", "description", &wanted.description)?;
    Document::read(&wanted.document)?;
    let taken =
        view.get(&POLICIES, &[wanted.account.as_str(), name]).is_some() || system_policy(name).is_some();
    if taken {
        return Err(there_already("EntityAlreadyExists.Policy", "policy", name));
    }
    let there = view.list(&POLICIES, &[wanted.account.as_str()]).len();
    has_room("LimitExceeded.Policy", "policies", there, POLICIES_MAX)?;
    Ok(wanted)
}

/// Removes a policy that nobody has any more.
pub fn delete_policy(view: &View<'_>, policy: &Arn, by: &AccountId) -> Result<PolicyDeleted, Refusal> {
    let row = own_policy(view, policy, by)?;
    if row.attached > 0 {
        let (name, count) = (row.arn.name(), row.attached);
        let why = format!("the policy `{name}` is attached to {count} users and roles");
        return Err(Refusal::new("DeleteConflict.Policy", why)
            .advise(format!("detach it first: `kiln policy show {name}` says from whom")));
    }
    Ok(PolicyDeleted { policy: row.arn, account: by.clone() })
}

/// Gives a user or a role a policy.
pub fn attach_policy(
    view: &View<'_>,
    policy: &Arn,
    to: &Arn,
    by: &AccountId,
) -> Result<PolicyAttached, Refusal> {
    let kind = own_grantee(view, to, by)?;
    if !is_system(policy) {
        own_policy(view, policy, by)?;
    }
    let (name, of) = (policy.name(), to.relative());
    if view.get(&ATTACHED, &[by.as_str(), of, policy.as_str()]).is_some() {
        let code = kind.of(["EntityAlreadyExists.User.Policy", "EntityAlreadyExists.Role.Policy"]);
        return Err(Refusal::new(code, format!("`{of}` has the policy `{name}` already")));
    }
    let there = view.list(&ATTACHED, &[by.as_str(), of]).len();
    has_room(
        kind.of(["LimitExceeded.User.Policy", "LimitExceeded.Role.Policy"]),
        "policies",
        there,
        ATTACHED_MAX,
    )?;
    Ok(PolicyAttached { policy: policy.clone(), to: to.clone(), account: by.clone() })
}

/// Takes a policy from a user or a role.
pub fn detach_policy(
    view: &View<'_>,
    policy: &Arn,
    from: &Arn,
    by: &AccountId,
) -> Result<PolicyDetached, Refusal> {
    let kind = own_grantee(view, from, by)?;
    let (name, of) = (policy.name(), from.relative());
    if policy.as_str().contains('\0') || view.get(&ATTACHED, &[by.as_str(), of, policy.as_str()]).is_none() {
        let code = kind.of(["EntityNotExist.User.Policy", "EntityNotExist.Role.Policy"]);
        return Err(Refusal::new(code, format!("`{of}` has no policy `{}`", name.escape_debug()))
            .advise("`kiln user show` and `kiln role show` say which there are"));
    }
    Ok(PolicyDetached { policy: policy.clone(), from: from.clone(), account: by.clone() })
}

/// Makes a role; whom it trusts was read, and is kept as it was given.
pub fn create_role(view: &View<'_>, wanted: RoleCreated) -> Result<RoleCreated, Refusal> {
    let name = wanted.role.name();
    check_name(
        &wanted.role,
        ["InvalidParameter.RoleName.Length", "InvalidParameter.RoleName.InvalidChars"],
        NAME_CHARS_MAX,
        ".-_",
    )?;
    check_text("InvalidParameter.Description.Length", "description", &wanted.description)?;
    Trust::read(&wanted.trust)?;
    if !(SESSION_S_DEFAULT..=SESSION_S_MAX).contains(&wanted.session_s_max) {
        let why = format!("a session of {} seconds at most is none a role may allow", wanted.session_s_max);
        return Err(Refusal::new("InvalidParameter.MaxSessionDuration", why)
            .advise(format!("it is {SESSION_S_DEFAULT} to {SESSION_S_MAX} seconds")));
    }
    if view.get(&ROLES, &[wanted.account.as_str(), name]).is_some() {
        return Err(there_already("EntityAlreadyExists.Role", "role", name));
    }
    let there = view.list(&ROLES, &[wanted.account.as_str()]).len();
    has_room("LimitExceeded.Role", "roles", there, ROLES_MAX)?;
    Ok(wanted)
}

/// Removes a role that has no policies any more.
pub fn delete_role(view: &View<'_>, role: &Arn, by: &AccountId) -> Result<RoleDeleted, Refusal> {
    let row = own_role(view, role, by)?;
    no_policies(view, &row.arn, by, "DeleteConflict.Role.Policy")?;
    Ok(RoleDeleted { role: row.arn, account: by.clone() })
}

/// How somebody wants to act as a role.
#[derive(Clone, Copy, Debug)]
pub struct Assuming<'a> {
    /// The role, of whatever account.
    pub role: &'a Arn,
    /// Its number, as it was when the token was made.
    pub role_id: &'a str,
    /// What the session is called.
    pub session: &'a str,
    /// The key of the session.
    pub key: &'a AccessKeyId,
    /// The user or role that wants to.
    pub by: &'a Arn,
    /// Until when, milliseconds since 1970 UTC.
    pub until_ms: i64,
    /// What is told of the request.
    pub context: &'a Context,
}

/// Lets somebody act as a role that trusts it. That its own policies let it was asked before.
pub fn assume_role(view: &View<'_>, wanted: &Assuming<'_>) -> Result<RoleAssumed, Refusal> {
    let (role, by, session) = (wanted.role, wanted.by, wanted.session);
    let named = |c: char| c.is_ascii_alphanumeric() || ".@-_".contains(c);
    if !SESSION_NAME_CHARS.contains(&session.chars().count()) || !session.chars().all(named) {
        let why = format!("`{}` can not be the name of a session", session.escape_debug());
        return Err(Refusal::new("InvalidParameter.RoleSessionName", why)
            .advise("it has 2 to 64 letters, digits and `.` `@` `-` `_`"));
    }
    let account = role.named().map(|named| AccountId::from(named.account)).unwrap_or_default();
    // A role that is not there and one that does not trust are one answer: names are not to be guessed.
    let no = || {
        let why = format!("`{by}` may not assume the role `{}`", role.as_str().escape_debug());
        Refusal::new("NoPermission", why).advise("the role has to be there and to trust who assumes it")
    };
    let row = own_role(view, role, &account).map_err(|_| no())?;
    // The context's time is that of the request; the record's is what counts.
    let context = Context { now_ms: view.now_ms(), ..wanted.context.clone() };
    let trusts =
        Trust::read(&row.trust).is_ok_and(|trust| trust.judge(by.as_str(), &context) == Judged::Allowed);
    if !trusts || row.id != wanted.role_id {
        return Err(no());
    }
    let longest_ms = i64::from(row.session_s_max) * 1000;
    if wanted.until_ms.saturating_sub(wanted.context.now_ms) > longest_ms {
        return Err(Refusal::new(
            "InvalidParameter.DurationSeconds",
            "the session would last longer than the role allows",
        )
        .advise(format!("it is {SESSION_S_MIN} to {} seconds for this role", row.session_s_max)));
    }
    Ok(RoleAssumed {
        role: row.arn,
        account,
        session: session.to_owned(),
        key: wanted.key.clone(),
        by: by.clone(),
        until_ms: wanted.until_ms,
    })
}

/// A user or a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grantee {
    User,
    Role,
}

impl Grantee {
    fn of<T>(self, [user, role]: [T; 2]) -> T {
        match self {
            Self::User => user,
            Self::Role => role,
        }
    }
}

/// Whether there is a policy of the system of that name.
fn is_system(policy: &Arn) -> bool {
    policy
        .named()
        .is_some_and(|named| system_policy(named.name).is_some() && *policy == Arn::system_policy(named.name))
}

/// The user or role, if it is this account's; which of the two it is.
fn own_grantee(view: &View<'_>, to: &Arn, by: &AccountId) -> Result<Grantee, Refusal> {
    if to.named().is_some_and(|named| named.kind == "role") {
        return own_role(view, to, by).map(|_| Grantee::Role);
    }
    own_user(view, to, by).map(|_| Grantee::User)
}

/// The user, if it is this account's. To others it is not there.
pub fn own_user(view: &View<'_>, user: &Arn, by: &AccountId) -> Result<User, Refusal> {
    own(view, &USERS, "user", user, by).ok_or_else(|| {
        let why = format!("there is no user `{}`", last(user).escape_debug());
        Refusal::new("EntityNotExist.User", why).advise("`kiln user list` shows those there are")
    })
}

/// The policy, if it is this account's. To others it is not there.
pub fn own_policy(view: &View<'_>, policy: &Arn, by: &AccountId) -> Result<Policy, Refusal> {
    own(view, &POLICIES, "policy", policy, by).ok_or_else(|| {
        let why = format!("there is no policy `{}`", last(policy).escape_debug());
        Refusal::new("EntityNotExist.Policy", why).advise("`kiln policy list` shows those there are")
    })
}

/// The role, if it is this account's. To others it is not there.
pub fn own_role(view: &View<'_>, role: &Arn, by: &AccountId) -> Result<Role, Refusal> {
    own(view, &ROLES, "role", role, by).ok_or_else(|| {
        let why = format!("there is no role `{}`", last(role).escape_debug());
        Refusal::new("EntityNotExist.Role", why).advise("`kiln role list` shows those there are")
    })
}

fn own<T: Serialize + DeserializeOwned>(
    view: &View<'_>,
    table: &Table<T>,
    kind: &str,
    arn: &Arn,
    by: &AccountId,
) -> Option<T> {
    let named = arn.named().filter(|named| named.kind == kind && named.account == by.as_str())?;
    view.get(table, &[named.account, named.name])
}

/// What follows the last `/`, whatever it is.
fn last(arn: &Arn) -> &str {
    arn.as_str().split_once('/').map(|(_, name)| name).unwrap_or_default()
}

fn no_policies(view: &View<'_>, of: &Arn, by: &AccountId, code: &str) -> Result<(), Refusal> {
    let there = view.list(&ATTACHED, &[by.as_str(), of.relative()]);
    let Some(first) = there.first() else { return Ok(()) };
    let why = format!("`{}` has {} policies, `{}` first", of.relative(), there.len(), first.policy.name());
    Err(Refusal::new(code, why).advise("detach them first: `kiln policy detach`"))
}

fn there_already(code: &str, what: &str, name: &str) -> Refusal {
    Refusal::new(code, format!("the {what} `{name}` is there already")).advise("choose another name")
}

fn has_room(code: &str, what: &str, there: usize, most: usize) -> Result<(), Refusal> {
    if there < most {
        return Ok(());
    }
    Err(Refusal::new(code, format!("there are {there} {what}; there may be {most}"))
        .advise("remove what is no longer needed"))
}

/// Checks a name: its length by one code, its characters by another, as the API does.
fn check_name(arn: &Arn, [length, chars]: [&str; 2], most: usize, signs: &str) -> Result<(), Refusal> {
    let name = last(arn);
    let advice = format!("it has 1 to {most} letters, digits and {}", ticked(signs));
    let count = name.chars().count();
    if count == 0 || count > most {
        return Err(Refusal::new(length, format!("a name of {count} characters")).advise(advice));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || signs.contains(c);
    if !name.chars().all(fits) || arn.named().is_none() {
        let why = format!("`{}` can not be a name", name.escape_debug());
        return Err(Refusal::new(chars, why).advise(advice));
    }
    Ok(())
}

fn ticked(signs: &str) -> String {
    signs.chars().map(|sign| format!("`{sign}`")).collect::<Vec<_>>().join(" ")
}

fn check_text(code: &str, what: &str, text: &str) -> Result<(), Refusal> {
    let count = text.chars().count();
    if count <= DESCRIPTION_CHARS_MAX && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Ok(());
    }
    Err(Refusal::new(code, format!("a {what} of {count} characters, or with one that is none to be read"))
        .advise(format!("it has up to {DESCRIPTION_CHARS_MAX} characters")))
}

/// The policies that a user or a role has, as documents; one that is gone says nothing.
pub fn documents_of(rows: &dyn event::Rows, house: &Scope, account: &str, of: &str) -> Vec<String> {
    let attached = ATTACHED.list(rows, house, &[account, of]);
    let text = |policy: &Arn| {
        let named = policy.named()?;
        match system_policy(named.name).filter(|_| is_system(policy)) {
            Some(system) => Some(system.document.to_owned()),
            None => POLICIES.get(rows, house, &[named.account, named.name]).map(|row| row.document),
        }
    };
    attached.iter().filter_map(|attachment| text(&attachment.policy)).collect()
}
