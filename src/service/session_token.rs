//! Sessions of roles: acting as a role for a while, with a key, a secret and a token that nobody keeps.
//!
//! A token is all there is to a session: who it is, its secret and its end, sealed with a key of this data directory.
//! It goes to the client and comes back with each request, so nothing has to be stored or forgotten; the
//! log holds that the role was assumed, by whom and until when. A role that is deleted takes its tokens
//! with it, because a token names the role by its number too.

use std::sync::Arc;

use domain::access::{AccessKeyId, Arn, ROLES};
use domain::image::house;
use domain::policy::{Context, Document};
use domain::{AccountId, rules};
use engine::Snapshot;
use event::{Refusal, View};
use serde::{Deserialize, Serialize};
use workflows::AssumeRole;

use crate::identity::{Identity, Principal};
use crate::seal::letters;
use crate::service::settled;
use crate::view::time_text;
use crate::view_access::{Assumed, Secret};
use crate::{Service, Trouble};

/// What the id of a session's key begins with.
pub(crate) const STS_PREFIX: &str = "STS.";
/// Letters and digits behind it, and of its secret: as many as the cloud's have.
const STS_KEY_CHARS: usize = 25;
const STS_SECRET_CHARS: usize = 44;
/// Characters of a token at most: the limit of a session with the longest policy, twice over for the hexadecimal
/// digits, and room for the rest. What is longer is none of ours, and is not even looked at.
const TOKEN_CHARS_MAX: usize = 64 << 10;

/// What somebody wants to act as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleAsk {
    /// The role: `acs:ram::100000:role/importer`.
    pub role_arn: String,
    /// What the session is called.
    pub session: String,
    /// Seconds it is to last; an hour if it is not said.
    pub duration_s: Option<u32>,
    /// What it is limited to, as a policy; to what the role may if it is not said.
    pub policy: Option<String>,
}

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Token {
    key: String,
    secret: String,
    account: AccountId,
    role: String,
    role_id: String,
    session: String,
    until_ms: i64,
    policy: Option<String>,
}

impl Service {
    /// Lets somebody act as a role. The request is known by its id; asked again under it, it is refused, for the
    /// token was told and is kept nowhere.
    pub async fn assume_role(
        self: &Arc<Self>,
        identity: &Identity,
        ask: RoleAsk,
        request: &str,
        context: &Context,
    ) -> Result<Assumed, Trouble> {
        let Some(by) = identity.arn() else {
            let why = "roles may not be assumed by root accounts";
            return Err(Refusal::new("NoPermission", why)
                .advise("ask with a key of a user: `kiln user create`")
                .into());
        };
        let role = Arn(ask.role_arn);
        if let Err(denied) = self.may(identity, "sts:AssumeRole", role.as_str(), context)? {
            return Err(denied.refusal("NoPermission").into());
        }
        let seconds = ask.duration_s.unwrap_or(rules::SESSION_S_DEFAULT);
        if seconds < rules::SESSION_S_MIN {
            let why = format!("a session of {seconds} seconds is too short");
            return Err(Refusal::new("InvalidParameter.DurationSeconds", why)
                .advise(format!("it lasts {} seconds at least", rules::SESSION_S_MIN))
                .into());
        }
        if let Some(policy) = &ask.policy {
            Document::read(policy)
                .map_err(|no| Refusal { code: "InvalidParameter.PolicyGrammar".to_owned(), ..no })?;
        }
        let snapshot = self.engine.snapshot()?;
        let now_ms = self.clock.now_ms();
        let flow = AssumeRole {
            role_id: role_id(&snapshot, &role),
            session: ask.session,
            key: AccessKeyId(format!("{STS_PREFIX}{}", letters(STS_KEY_CHARS)?)),
            by,
            until_ms: now_ms.saturating_add(i64::from(seconds) * 1000),
            context: Context { now_ms, ..context.clone() },
            role,
        };
        rules::assume_role(&View::new(&snapshot, &house(), now_ms), &flow.assuming())?;
        drop(snapshot);
        let named = flow.role.named();
        let token = Token {
            key: flow.key.0.clone(),
            secret: letters(STS_SECRET_CHARS)?,
            account: named.map(|named| AccountId::from(named.account)).unwrap_or_default(),
            role: flow.role.name().to_owned(),
            role_id: flow.role_id.clone(),
            session: flow.session.clone(),
            until_ms: flow.until_ms,
            policy: ask.policy,
        };
        let said = rmp_serde::to_vec_named(&token).expect("a token is plain data");
        let sealed = self.seal.seal_token(&said)?;
        let arn = format!("{}/{}", flow.role, flow.session);
        self.drive().await?;
        let made = self.engine.run(identity.actor(), request, flow).await?;
        settled(&made)?;
        if !made.subjects.iter().any(|subject| subject.0 == token.key) {
            let why = "this request had its answer, and the token in it is kept nowhere";
            return Err(Refusal::new("IdempotentParameterMismatch", why)
                .advise("ask under an id of its own")
                .into());
        }
        Ok(Assumed {
            access_key_id: token.key,
            access_key_secret: Secret(token.secret),
            security_token: Secret(hex(&sealed)),
            expiration: time_text(token.until_ms),
            arn,
            assumed_role_id: format!("{}:{}", token.role_id, token.session),
        })
    }

    /// Who a session's key and token stand for.
    pub(crate) fn who_by_token(&self, key: &str, token: Option<&str>) -> Result<Identity, Trouble> {
        let Some(token) = token else {
            let why = "a key of a session came without its security token";
            return Err(Refusal::new("MissingSecurityToken", why)
                .advise("send the token beside the key")
                .into());
        };
        let malformed = || {
            Refusal::new("InvalidSecurityToken.Malformed", "the security token is none that was made here")
                .advise("send it as it was told, to the last letter, or assume the role again")
        };
        let sealed = unhex(token).ok_or_else(malformed)?;
        let said = self.seal.open_token(&sealed)?.ok_or_else(malformed)?;
        let token: Token = rmp_serde::from_slice(&said).map_err(|_| malformed())?;
        if token.key != key {
            return Err(mismatch(key).into());
        }
        if token.until_ms <= self.clock.now_ms() {
            let why = format!("the security token was good until {}", time_text(token.until_ms));
            return Err(Refusal::new("InvalidSecurityToken.Expired", why)
                .advise("assume the role again")
                .into());
        }
        let limit = match &token.policy {
            Some(policy) => Some(self.policies.read(policy).ok_or_else(malformed)?),
            None => None,
        };
        let role = Arn::role(&token.account, &token.role);
        let active = role_id(&self.engine.snapshot()?, &role) == token.role_id;
        let principal = Principal::Role { name: token.role, session: token.session };
        Ok(Identity {
            key: token.key,
            secret: token.secret,
            account: token.account,
            principal,
            active,
            limit,
        })
    }
}

/// The no to a token that came with another key than its own.
pub(crate) fn mismatch(key: &str) -> Refusal {
    let why = format!("the security token does not belong to the key `{}`", key.escape_debug());
    Refusal::new("InvalidSecurityToken.MismatchWithAccessKey", why)
        .advise("send key, secret and token of one session, or a key of an account or a user without a token")
}

/// The number of a role; empty if there is none, which no role has.
fn role_id(snapshot: &Snapshot, role: &Arn) -> String {
    let named = role.named().filter(|named| named.kind == "role");
    let row = named.and_then(|named| ROLES.get(snapshot, &house(), &[named.account, named.name]));
    row.map(|row| row.id).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() > TOKEN_CHARS_MAX || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
