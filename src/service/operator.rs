//! Who may do what concerns all accounts: the account a first start makes.
//!
//! Everybody else sees and touches what is theirs, and what others share with them. See
//! `docs/decisions/0008-the-default-account-is-the-operator.md`.

use engine::FlowRow;
use event::{Actor, Record, Refusal};

use crate::Trouble;
use crate::service::DEFAULT_ACCOUNT;

/// Whether it is the operator who asks.
pub(crate) fn is_operator(actor: &Actor) -> bool {
    actor.account == DEFAULT_ACCOUNT
}

/// Goes on only if it is the operator who asks.
pub(crate) fn operator(actor: &Actor) -> Result<(), Trouble> {
    if is_operator(actor) {
        return Ok(());
    }
    let why = format!("account `{}` is not the operator of this house", actor.account);
    let advice = format!("ask as the operator, account `{DEFAULT_ACCOUNT}`: it concerns all accounts");
    Err(Refusal::new("Forbidden.Operator", why).advise(advice).into())
}

/// Whether an account may see an operation: its own; the operator may see all, for it is told of
/// those that are parked.
pub(crate) fn sees_flow(actor: &Actor, flow: &FlowRow) -> bool {
    is_operator(actor) || flow.actor.account == actor.account
}

/// Whether it is the operator at the machine itself, and no request that was signed with a key.
pub(crate) fn is_at_the_machine(actor: &Actor) -> bool {
    is_operator(actor) && actor.key.is_empty()
}

/// Whether a record is an account's: it asked for it, it was decided among what it has, or it is of who
/// may ask as the account.
pub(crate) fn is_of(record: &Record, account: &str) -> bool {
    let decided_in = record.scope.as_str().split_once('/').map(|(owner, _)| owner);
    let access =
        || domain::events::is_of_access(&record.kind) && record.subjects.iter().any(|it| it.0 == account);
    record.actor.account == account || decided_in == Some(account) || access()
}
