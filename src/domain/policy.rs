//! Policies: documents that say who may do what, and how several of them are judged together.
//!
//! ```text
//!  any statement that applies says Deny ──▶ denied, explicitly
//!  else any that applies says Allow     ──▶ allowed
//!  else                                 ──▶ nothing is said, which is a no
//! ```
//!
//! A document is read once (`policy_read.rs`), and what cannot be judged is refused then: no condition is ever
//! passed over. Where a condition asks for what a request does not tell (a request over the socket has no address),
//! it counts against who asks: an Allow under it is not given, a Deny under it is. Nothing here knows
//! rows: whose policies they are is `rules_ram.rs`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::policy_condition::Condition;
pub use crate::policy_system::{SYSTEM_POLICIES, SystemPolicy, system_policy};

/// Characters of a document at most, as the API documents.
pub const DOCUMENT_CHARS_MAX: usize = 6144;

/// What is told of a request beside who asks for what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Where it comes from; not known of one at the machine itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// When it is judged, milliseconds since 1970 UTC.
    pub now_ms: i64,
    /// Whether it came over TLS.
    pub secure: bool,
}

/// What is asked: may this be done with that.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// `ecs:DescribeImages`.
    pub action: &'a str,
    /// `acs:ecs:cn-hangzhou:100000:image/m-1`.
    pub resource: &'a str,
    /// What else is known.
    pub context: &'a Context,
}

/// What documents say to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Judged {
    /// Nothing: that is a no as well.
    Silent,
    /// Yes.
    Allowed,
    /// No, in so many words.
    Denied,
}

/// What a statement comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// Some things by their patterns, or all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which<T> {
    These(Vec<T>),
    AllBut(Vec<T>),
}

impl<T> Which<T> {
    fn has(&self, is: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::These(patterns) => patterns.iter().any(is),
            Self::AllBut(patterns) => !patterns.iter().any(is),
        }
    }
}

/// A statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) actions: Which<String>,
    pub(crate) resources: Which<String>,
    pub(crate) conditions: Vec<Condition>,
}

/// A policy document that was read and found to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub(crate) statements: Vec<Statement>,
}

impl Document {
    /// What it says to a question.
    pub fn judge(&self, question: &Question<'_>) -> Judged {
        let applies = |statement: &&Statement| {
            statement.actions.has(|pattern| is_action(pattern, question.action))
                && statement.resources.has(|pattern| is_resource(pattern, question.resource))
        };
        let statements = self.statements.iter().filter(applies);
        strongest(statements.map(|it| weigh(it.effect, &it.conditions, question.context)))
    }
}

/// What several documents say together.
pub fn judge<'a>(documents: impl IntoIterator<Item = &'a Document>, question: &Question<'_>) -> Judged {
    strongest(documents.into_iter().map(|document| document.judge(question)))
}

fn strongest(judged: impl Iterator<Item = Judged>) -> Judged {
    judged.max().unwrap_or(Judged::Silent)
}

/// What a statement that is about the question says, by its conditions. One that cannot be judged counts
/// against who asks.
fn weigh(effect: Effect, conditions: &[Condition], context: &Context) -> Judged {
    // All have to hold; one that does not settles it, whatever is not known of the others.
    let hold: Vec<_> = conditions.iter().map(|condition| condition.holds(context)).collect();
    let all = [Some(false), None].into_iter().find(|one| hold.contains(one)).unwrap_or(Some(true));
    match effect {
        Effect::Allow if all == Some(true) => Judged::Allowed,
        Effect::Deny if all != Some(false) => Judged::Denied,
        Effect::Allow | Effect::Deny => Judged::Silent,
    }
}

/// Whether an action is one of a pattern's: in any case of letters, as documented for most services.
fn is_action(pattern: &str, action: &str) -> bool {
    is_like(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

/// Whether a resource is one of a pattern's. Parts are compared one by one, so that a `*` for the region
/// never eats the account behind it; only a pattern that is nothing but `*` is every resource.
fn is_resource(pattern: &str, resource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (wanted, parts) = (arn_parts(pattern), arn_parts(resource));
    match (wanted, parts) {
        (Some(wanted), Some(parts)) => wanted.iter().zip(&parts).all(|(wanted, part)| is_like(wanted, part)),
        _ => false,
    }
}

/// The five parts of a resource's name; the last may hold more colons.
pub(crate) fn arn_parts(text: &str) -> Option<[&str; 5]> {
    let mut parts = text.splitn(5, ':');
    let mut next = || parts.next();
    Some([next()?, next()?, next()?, next()?, next()?])
}

/// Whether a text is as a pattern says: `*` stands for any letters or none, `?` for any one.
pub(crate) fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where the last `*` was, and how much of the text it has eaten: only that one has to be tried again.
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[place] => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((star_at, eaten)) = star else { return false };
                star = Some((star_at, eaten + 1));
                at = star_at + 1;
                place = eaten + 1;
            }
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// Who a role lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trusted {
    /// Users and roles of an account, whichever their own policies let.
    Account(String),
    /// One user or role, by its resource name.
    Principal(String),
    /// Users and roles of every account.
    Everybody,
    /// A service of the cloud, by its name: no request ever comes from one here.
    Service,
}

/// A statement of a role's trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustStatement {
    pub(crate) effect: Effect,
    pub(crate) trusted: Vec<Trusted>,
    pub(crate) conditions: Vec<Condition>,
}

/// Whom a role trusts to assume it: a document that was read and found to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    pub(crate) statements: Vec<TrustStatement>,
}

impl Trust {
    /// What it says to a user or role, by its resource name, that wants to assume the role.
    pub fn judge(&self, asks: &str, context: &Context) -> Judged {
        let account = arn_parts(asks).map(|parts| parts[3]).unwrap_or_default();
        let is_meant = |trusted: &Trusted| match trusted {
            Trusted::Account(id) => id == account,
            Trusted::Principal(name) => name == asks,
            Trusted::Everybody => true,
            Trusted::Service => false,
        };
        let statements = self.statements.iter().filter(|it| it.trusted.iter().any(is_meant));
        strongest(statements.map(|it| weigh(it.effect, &it.conditions, context)))
    }
}
