//! Reading policy documents, so strictly that nothing in one is ever passed over.
//!
//! ```json
//! {"Version": "1", "Statement": [{
//!   "Effect": "Allow", "Action": ["ecs:Describe*"], "Resource": "acs:ecs:*:*:image/*",
//!   "Condition": {"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}}}]}
//! ```

use std::fmt;

use event::Refusal;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::policy::{
    DOCUMENT_CHARS_MAX, Document, Effect, Statement, Trust, TrustStatement, Trusted, Which, arn_parts,
    is_like,
};
use crate::policy_condition::Condition;

/// The only version there is.
const VERSION: &str = "1";
/// What a role's trust is about.
const ASSUME: &str = "sts:AssumeRole";

impl Document {
    /// Reads a policy.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        Ok(Self { statements: statements(text)?.into_iter().map(statement).collect::<Result<_, _>>()? })
    }
}

impl Trust {
    /// Reads whom a role trusts.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        Ok(Self { statements: statements(text)?.into_iter().map(trust_statement).collect::<Result<_, _>>()? })
    }
}

/// The no to a document.
pub(crate) fn malformed(why: impl Into<String>) -> Refusal {
    let example = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"ecs:*","Resource":"*"}]}"#;
    Refusal::new("MalformedPolicyDocument", why).advise(format!("a policy looks like `{example}`"))
}

/// JSON with the fields in their order, none twice.
enum Json {
    Text(String),
    Truth(bool),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
    Other,
}

type Fields = Vec<(String, Json)>;

/// The statements of a document, each as its fields.
fn statements(text: &str) -> Result<Vec<Fields>, Refusal> {
    let count = text.chars().count();
    if count > DOCUMENT_CHARS_MAX {
        return Err(malformed(format!(
            "the document has {count} characters; it may have {DOCUMENT_CHARS_MAX}"
        )));
    }
    let json: Json =
        serde_json::from_str(text).map_err(|error| malformed(format!("it is no JSON: {error}")))?;
    let Json::Map(fields) = json else { return Err(malformed("the document is no object")) };
    let (mut version, mut list) = (None, None);
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("Version", Json::Text(text)) => version = Some(text),
            ("Statement", Json::List(values)) => list = Some(values),
            ("Statement", _) => return Err(malformed("`Statement` is no list")),
            (other, _) => {
                return Err(malformed(format!("`{}` has no place in a document", other.escape_debug())));
            }
        }
    }
    if version.as_deref() != Some(VERSION) {
        return Err(malformed("`Version` is not \"1\""));
    }
    let list = list.filter(|list| !list.is_empty()).ok_or_else(|| malformed("it has no `Statement`"))?;
    list.into_iter()
        .map(|one| match one {
            Json::Map(fields) => Ok(fields),
            _ => Err(malformed("a statement is no object")),
        })
        .collect()
}

fn statement(fields: Fields) -> Result<Statement, Refusal> {
    let (mut of, mut actions, mut resources, mut conditions) = (None, None, None, Vec::new());
    for (name, value) in fields {
        let name = name.as_str();
        match name {
            "Effect" => of = Some(effect(&value)?),
            "Action" => once(&mut actions, name, Which::These(checked(name, value, check_action)?))?,
            "NotAction" => once(&mut actions, name, Which::AllBut(checked(name, value, check_action)?))?,
            "Resource" => once(&mut resources, name, Which::These(checked(name, value, check_resource)?))?,
            "NotResource" => {
                once(&mut resources, name, Which::AllBut(checked(name, value, check_resource)?))?;
            }
            "Condition" => conditions = read_conditions(value)?,
            other => return Err(unknown(other)),
        }
    }
    Ok(Statement {
        effect: of.ok_or_else(|| missing("Effect"))?,
        actions: actions.ok_or_else(|| missing("Action"))?,
        resources: resources.ok_or_else(|| missing("Resource"))?,
        conditions,
    })
}

fn trust_statement(fields: Fields) -> Result<TrustStatement, Refusal> {
    let (mut of, mut actions, mut trusted, mut conditions) = (None, None, None, Vec::new());
    for (name, value) in fields {
        match name.as_str() {
            "Effect" => of = Some(effect(&value)?),
            "Action" => actions = Some(checked(&name, value, check_action)?),
            "Principal" => trusted = Some(principals(value)?),
            "Condition" => conditions = read_conditions(value)?,
            other => return Err(unknown(other)),
        }
    }
    let actions = actions.ok_or_else(|| missing("Action"))?;
    let (assume, is_assume) = (ASSUME.to_lowercase(), |it: &String| it.to_lowercase());
    if !actions.iter().any(|action| is_like(&is_assume(action), &assume)) {
        return Err(malformed(format!("a role's trust is about `{ASSUME}`, and this statement is not")));
    }
    Ok(TrustStatement {
        effect: of.ok_or_else(|| missing("Effect"))?,
        trusted: trusted.filter(|it| !it.is_empty()).ok_or_else(|| missing("Principal"))?,
        conditions,
    })
}

fn unknown(field: &str) -> Refusal {
    malformed(format!("`{}` has no place in a statement", field.escape_debug()))
}

fn missing(field: &str) -> Refusal {
    malformed(format!("a statement has no `{field}`"))
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Refusal> {
    match place.replace(value) {
        Some(_) => Err(malformed(format!("a statement has `{name}` and its opposite"))),
        None => Ok(()),
    }
}

fn effect(value: &Json) -> Result<Effect, Refusal> {
    match value {
        Json::Text(text) if text == "Allow" => Ok(Effect::Allow),
        Json::Text(text) if text == "Deny" => Ok(Effect::Deny),
        _ => Err(malformed("`Effect` is neither \"Allow\" nor \"Deny\"")),
    }
}

/// One text, or a list of some.
fn texts(name: &str, value: Json) -> Result<Vec<String>, Refusal> {
    let wrong = || malformed(format!("`{}` is neither a text nor a list of some", name.escape_debug()));
    let text = |value| match value {
        Json::Text(text) => Ok(text),
        Json::Truth(truth) => Ok(truth.to_string()),
        _ => Err(wrong()),
    };
    match value {
        Json::List(values) if values.is_empty() => Err(malformed(format!("`{name}` is empty"))),
        Json::List(values) => values.into_iter().map(text).collect(),
        other => Ok(vec![text(other)?]),
    }
}

fn checked(name: &str, value: Json, is_fine: impl Fn(&str) -> bool) -> Result<Vec<String>, Refusal> {
    let texts = texts(name, value)?;
    match texts.iter().find(|text| !is_fine(text)) {
        Some(text) => Err(malformed(format!("`{}` is no {name}", text.escape_debug()))),
        None => Ok(texts),
    }
}

/// `*`, or `service:action` with `*` and `?` in it.
fn check_action(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "*?-_".contains(c))
    };
    text == "*" || text.split_once(':').is_some_and(|(service, action)| part(service) && part(action))
}

/// `*`, or `acs:service:region:account:relative` with `*` and `?` in it.
fn check_resource(text: &str) -> bool {
    let named = arn_parts(text).is_some_and(|[acs, service, _, _, relative]| {
        acs == "acs" && !service.is_empty() && !relative.is_empty()
    });
    text == "*" || (named && !text.chars().any(char::is_control))
}

fn read_conditions(value: Json) -> Result<Vec<Condition>, Refusal> {
    let object = |value| match value {
        Json::Map(fields) => Ok(fields),
        _ => Err(malformed("`Condition` is no object of objects")),
    };
    let mut conditions = Vec::new();
    for (operator, keys) in object(value)? {
        for (key, values) in object(keys)? {
            conditions.push(Condition::read(&operator, &key, &texts(&key, values)?)?);
        }
    }
    Ok(conditions)
}

/// Whom a statement of trust is about.
fn principals(value: Json) -> Result<Vec<Trusted>, Refusal> {
    let Json::Map(fields) = value else { return Err(malformed("`Principal` is no object")) };
    let mut trusted = Vec::new();
    for (kind, names) in fields {
        let names = texts(&kind, names)?;
        match kind.as_str() {
            "RAM" => {
                for name in names {
                    trusted.push(principal(&name).ok_or_else(|| {
                        malformed(format!("`{}` names no account, user or role", name.escape_debug())).advise(
                            "an account is `acs:ram::100000:root`, a user `acs:ram::100000:user/alice`",
                        )
                    })?);
                }
            }
            "Service" => trusted.extend(names.iter().map(|_| Trusted::Service)),
            other => {
                let why = format!("principals of the kind `{}` are not known here", other.escape_debug());
                return Err(malformed(why).advise("they are of the kinds `RAM` and `Service`"));
            }
        }
    }
    Ok(trusted)
}

fn principal(name: &str) -> Option<Trusted> {
    let ["acs", "ram", "", account, relative] = arn_parts(name)? else { return None };
    let is_account = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
    match relative.split_once('/') {
        None if relative == "root" && account == "*" => Some(Trusted::Everybody),
        None if relative == "root" && is_account => Some(Trusted::Account(account.to_owned())),
        Some(("user" | "role", name)) if is_account && !name.is_empty() && !name.contains(['*', '?']) => {
            Some(Trusted::Principal(format!("acs:ram::{account}:{relative}")))
        }
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Truth(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields: Fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Json>()? {
            // Of two, a reader may see one and the judge the other.
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format!("`{}` is there twice", name.escape_debug())));
            }
            fields.push((name, value));
        }
        Ok(Json::Map(fields))
    }
}
