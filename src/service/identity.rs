//! Who asks, and whether they may: the two questions of the wire for every request that comes signed.
//!
//! ```text
//!  key id, token ──who──▶ Identity: account, principal, secret ──signature verified──▶ may(action, resource)
//! ```
//!
//! An account's own key may do all within its account. A user and a session of a role may do what their policies let
//! them, and nothing before one does. What lies in the account and what does not is not asked here: to the house
//! another account's things are not there, whoever asks.

use std::fmt;
use std::sync::Arc;

use domain::access::{Arn, USERS};
use domain::events::{AccessKeyCreated, RoleAssumed};
use domain::image::house;
use domain::policy::{Context, Document, Judged, Question, judge};
use domain::{AccountId, rules};
use engine::Snapshot;
use event::{Actor, Event as _, Refusal};

use crate::session_token::STS_PREFIX;
use crate::{Service, Trouble};

/// As what a key speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The account itself.
    Root,
    /// A user of it, by name.
    User(String),
    /// A session of a role of it.
    Role {
        /// The role's name.
        name: String,
        /// What the session is called.
        session: String,
    },
}

impl Principal {
    /// What is told of it in a log: nothing of the account itself.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::User(name) => format!("user/{name}"),
            Self::Role { name, session } => format!("role/{name}/{session}"),
        }
    }
}

/// Who asks, with the secret by which that is verified. It is shown without the secret.
#[derive(Clone)]
pub struct Identity {
    /// The access key.
    pub key: String,
    /// Its secret.
    pub secret: String,
    /// The account for which everything is done.
    pub account: AccountId,
    /// As what the key speaks there.
    pub principal: Principal,
    /// Whether requests may be signed with it.
    pub active: bool,
    /// What a session was limited to when it began.
    pub(crate) limit: Option<Arc<Document>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Identity");
        shown.field("key", &self.key).field("account", &self.account).field("principal", &self.principal);
        shown.field("active", &self.active).finish_non_exhaustive()
    }
}

impl Identity {
    /// As whom its requests are dispatched.
    pub fn actor(&self) -> Actor {
        Actor { account: self.account.0.clone(), key: self.key.clone() }
    }

    /// Whether it is the account itself, which may do all within it.
    pub fn is_root(&self) -> bool {
        self.principal == Principal::Root
    }

    /// The resource name of the user or the role; none of an account itself.
    pub fn arn(&self) -> Option<Arn> {
        match &self.principal {
            Principal::Root => None,
            Principal::User(name) => Some(Arn::user(&self.account, name)),
            Principal::Role { name, .. } => Some(Arn::role(&self.account, name)),
        }
    }
}

/// A no to who asks, with what the API tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What was to be done: `ecs:DeleteImage`.
    pub action: String,
    /// With what: `acs:ecs:cn-hangzhou:100000:image/m-1`.
    pub resource: String,
    /// The account that owns who asked.
    pub account: AccountId,
    /// Who asked.
    pub principal: Principal,
    /// Who asked, as the API displays it: the number of a user, the role and the session else.
    pub display_name: String,
    /// Whether a policy says no in so many words; none says yes else.
    pub explicit: bool,
}

impl Denied {
    /// What kind of principal asked, in the word of `AuthPrincipalType`.
    pub fn principal_type(&self) -> &'static str {
        match self.principal {
            Principal::Root => "Account",
            Principal::User(_) => "SubUser",
            Principal::Role { .. } => "AssumedRoleUser",
        }
    }

    /// What kind of no it is, in the word of `NoPermissionType`.
    pub fn no_permission_type(&self) -> &'static str {
        if self.explicit { "ExplicitDeny" } else { "ImplicitDeny" }
    }

    /// What kind of policy decided, in the word of `PolicyType`.
    pub fn policy_type(&self) -> &'static str {
        "AccountLevelIdentityBasedPolicy"
    }

    /// The refusal of it under a code: each API of the cloud has one of its own.
    pub fn refusal(&self, code: &str) -> Refusal {
        let who = self.principal.text();
        let why = if self.explicit { "a policy denies it" } else { "no policy allows it" };
        let message = format!("`{who}` may not do `{}` with `{}`: {why}", self.action, self.resource);
        let kind = who.split('/').next().unwrap_or_default().to_owned();
        Refusal::new(code, message)
            .advise(format!("`kiln {kind} show` says what it has, `kiln policy attach` gives it more"))
    }
}

impl From<Denied> for Trouble {
    fn from(denied: Denied) -> Self {
        denied.refusal("Forbidden.RAM").into()
    }
}

impl Service {
    /// Whose key it is; none if there is no such key. A key of a session comes with its token.
    pub fn who(&self, key: &str, security_token: Option<&str>) -> Result<Option<Identity>, Trouble> {
        let token = security_token.filter(|token| !token.is_empty());
        if key.starts_with(STS_PREFIX) {
            return self.who_by_token(key, token).map(Some);
        }
        let Some(found) = self.access_key(key)? else { return Ok(None) };
        if token.is_some() {
            return Err(crate::session_token::mismatch(key).into());
        }
        let principal = found.user.map_or(Principal::Root, Principal::User);
        let (account, secret, active) = (found.account, found.secret, found.active);
        Ok(Some(Identity { key: found.id, secret, account, principal, active, limit: None }))
    }

    /// Whether somebody may do something with something.
    pub fn may(
        &self,
        identity: &Identity,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<Result<(), Denied>, Trouble> {
        let Some(arn) = identity.arn() else { return Ok(Ok(())) };
        let rows = self.engine.snapshot()?;
        let account = identity.account.as_str();
        let texts = rules::documents_of(&rows, &house(), account, arn.relative());
        let documents: Option<Vec<Arc<Document>>> =
            texts.iter().map(|text| self.policies.read(text)).collect();
        let question = Question { action, resource, context };
        let judged = match documents {
            Some(documents) => judge(documents.iter().map(AsRef::as_ref), &question),
            // One that can not be judged might say no.
            None => Judged::Denied,
        };
        // What a session was limited to has to allow it as well.
        let judged = match (judged, &identity.limit) {
            (Judged::Allowed, Some(limit)) => limit.judge(&question),
            (judged, _) => judged,
        };
        if judged == Judged::Allowed {
            return Ok(Ok(()));
        }
        let display_name = match &identity.principal {
            Principal::Role { name, session } => format!("{name}:{session}"),
            Principal::User(name) => {
                USERS.get(&rows, &house(), &[account, name]).map(|user| user.id).unwrap_or_default()
            }
            Principal::Root => account.to_owned(),
        };
        Ok(Err(Denied {
            action: action.to_owned(),
            resource: resource.to_owned(),
            account: identity.account.clone(),
            principal: identity.principal.clone(),
            display_name,
            explicit: judged == Judged::Denied,
        }))
    }
}

/// As what a key speaks, or spoke while it was there, in the words of a log: the log knows of keys that are gone too.
pub(crate) fn principal_of(snapshot: &Snapshot, key: &str) -> Result<String, Trouble> {
    for record in snapshot.history(key)? {
        if record.kind == AccessKeyCreated::KIND
            && let Ok(event) = record.get::<AccessKeyCreated>()
        {
            return Ok(event.user.map_or(Principal::Root, Principal::User).text());
        }
        if record.kind == RoleAssumed::KIND
            && let Ok(event) = record.get::<RoleAssumed>()
        {
            let (name, session) = (event.role.name().to_owned(), event.session);
            return Ok(Principal::Role { name, session }.text());
        }
    }
    Ok(String::new())
}
