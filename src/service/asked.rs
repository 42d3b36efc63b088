//! How something is asked: once for each request id or token, or only to know whether it could be.
//!
//! A client token makes a request repeatable for a day: asked again with the same token and the
//! same words it finds the operation it had started. The words are kept as a digest in the id by
//! which the log knows the request, so that nothing but the log has to remember them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use engine::{Class, Snapshot};
use event::Refusal;

use crate::request::{Call, Request};
use crate::{Service, Trouble};

/// How long a token stands for the request it came with, as the API documents: 24 hours.
pub const TOKEN_MS: i64 = 24 * 60 * 60 * 1000;
/// Characters of a token at most, as the API documents.
const TOKEN_CHARS_MAX: usize = 64;

/// A request on its way through a use case.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The id by which the log knows it.
    pub(crate) id: String,
    /// Whether it is only asked whether it could be.
    pub(crate) dry_run: bool,
    /// Who is behind whom where operations wait.
    pub(crate) class: Class,
}

impl Asked {
    /// What follows from an operation by itself.
    pub(crate) fn by_itself(id: String) -> Self {
        Self { id, dry_run: false, class: Class::Background }
    }

    /// Ends a use case that was only to be tried, when everything was found well.
    pub(crate) fn go_on(&self) -> Result<(), Trouble> {
        if !self.dry_run {
            return Ok(());
        }
        let why = "nothing stands against it, and as this was a dry run nothing was done";
        Err(Refusal::new("DryRunOperation", why).into())
    }
}

/// The tokens of requests that have not been answered yet.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<HashSet<String>>);

/// A token that is being answered; until this is dropped nobody else is answered under it.
pub(crate) struct Answering<'a> {
    tokens: &'a Tokens,
    token: Option<String>,
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            self.tokens.0.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
        }
    }
}

impl Service {
    /// The request behind a call: a new one, or the one that its token stands for.
    pub(crate) fn asked(&self, call: &Call) -> Result<(Asked, Answering<'_>), Trouble> {
        let dry_run = call.manner.dry_run;
        let class = if call.manner.background { Class::Background } else { Class::Person };
        let tokens = &self.tokens;
        let Some(token) = &call.manner.token else {
            return Ok((Asked { id: call.id.clone(), dry_run, class }, Answering { tokens, token: None }));
        };
        check_token(token)?;
        let named = serde_json::to_value(&call.request).unwrap_or_default();
        let (action, region) = (action_of(&named), region(&named));
        let prefix = format!("token/{}/{action}/{region}/{}/", call.actor.account, quoted(token));
        if !tokens.0.lock().unwrap_or_else(PoisonError::into_inner).insert(prefix.clone()) {
            let why = format!("a request with the token `{token}` is still being answered");
            return Err(Refusal::new("IdempotentProcessing", why).advise("ask again in a moment").into());
        }
        let answering = Answering { tokens, token: Some(prefix.clone()) };
        let words = rmp_serde::to_vec_named(&call.request).expect("a request is plain data");
        let digest = &blake3::hash(&words).to_hex()[..32];
        let now_ms = self.clock.now_ms();
        let id = match before(&self.engine.snapshot()?, &prefix, now_ms) {
            Some(known) if known.ends_with(digest) => known,
            Some(_) => {
                let why = format!("the token `{token}` came with another request within the last day");
                let code = if action == "image-create" {
                    "IdempotenceParamNotMatch"
                } else {
                    "IdempotentParameterMismatch"
                };
                return Err(Refusal::new(code, why).advise("use a token of its own for each request").into());
            }
            None => format!("{prefix}{now_ms:016x}/{digest}"),
        };
        Ok((Asked { id, dry_run, class }, answering))
    }
}

/// The request that came with a token, if that is less than a day ago.
fn before(snapshot: &Snapshot, prefix: &str, now_ms: i64) -> Option<String> {
    let newest = snapshot.requests_under(prefix).pop()?;
    let time = newest.strip_prefix(prefix)?.split('/').next()?;
    let time_ms = i64::from_str_radix(time, 16).ok()?;
    (now_ms.saturating_sub(time_ms) < TOKEN_MS).then_some(newest)
}

fn check_token(token: &str) -> Result<(), Refusal> {
    let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if !token.is_empty() && token.len() <= TOKEN_CHARS_MAX && token.bytes().all(plain) {
        return Ok(());
    }
    let why = format!("`{}` is no client token", token.escape_debug());
    Err(Refusal::new("InvalidClientToken.Malformed", why)
        .advise("a token has up to 64 visible ASCII characters"))
}

/// A token as a part of an id, whose parts stand between `/`.
fn quoted(token: &str) -> String {
    token.replace('%', "%25").replace('/', "%2F")
}

/// The name of what is asked, as the socket spells it: `image-import`. A group of requests is named
/// by one word and each in it by its own, which makes `image-create` of `image` and `create`.
pub(crate) fn action(request: &Request) -> String {
    action_of(&serde_json::to_value(request).unwrap_or_default())
}

fn action_of(named: &serde_json::Value) -> String {
    let (group, inside) = first_name(named);
    if group.contains('-') {
        return group.to_owned();
    }
    match inside.map(first_name) {
        Some((name, _)) if !name.is_empty() => format!("{group}-{name}"),
        _ => group.to_owned(),
    }
}

/// The region that a request names, or nothing: an account's tokens in one region say nothing of another.
/// What can be no region is none, for it is to be a part of an id.
fn region(named: &serde_json::Value) -> &str {
    let serde_json::Value::Object(fields) = named else { return "" };
    if let Some(region) = fields.get("region").and_then(serde_json::Value::as_str) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        return if region.bytes().all(plain) { region } else { "" };
    }
    fields.values().map(region).find(|region| !region.is_empty()).unwrap_or_default()
}

/// The name of a variant, and what is in it.
fn first_name(value: &serde_json::Value) -> (&str, Option<&serde_json::Value>) {
    match value {
        serde_json::Value::String(name) => (name, None),
        serde_json::Value::Object(fields) => match fields.iter().next() {
            Some((name, inside)) => (name, Some(inside)),
            None => ("", None),
        },
        _ => ("", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageAt, ImageCreate, ImageQuery, ImageRequest};

    #[test]
    fn a_request_has_the_name_of_its_action_wherever_it_stands() {
        let at = ImageAt { image: "web".to_owned(), region: None };
        for (request, name) in [
            (Request::ImageShow(at.clone()), "image-show"),
            (Request::Image(ImageRequest::Create(ImageCreate::default())), "image-create"),
            (Request::Image(ImageRequest::Check(at)), "image-check"),
            (Request::ImageList(ImageQuery::default()), "image-list"),
            (Request::RegionList, "region-list"),
        ] {
            assert_eq!(action(&request), name);
        }
    }

    #[test]
    fn the_region_is_found_wherever_a_request_has_it() {
        let at = |region: Option<&str>| ImageAt { image: "web".to_owned(), region: region.map(Into::into) };
        let create = ImageCreate { region: Some("cn-beijing".into()), ..ImageCreate::default() };
        for (request, expected) in [
            (Request::ImageShow(at(Some("cn-hangzhou"))), "cn-hangzhou"),
            (Request::ImageShow(at(None)), ""),
            (Request::ImageShow(at(Some("cn\0/"))), ""),
            (Request::Image(ImageRequest::Create(create)), "cn-beijing"),
            (Request::RegionList, ""),
        ] {
            assert_eq!(region(&serde_json::to_value(&request).unwrap()), expected);
        }
    }

    #[test]
    fn a_token_may_hold_what_base64_does() {
        assert_eq!(check_token("a/b+c== %"), Ok(()));
        assert_eq!(quoted("a/b%2F"), "a%2Fb%252F");
        for wrong in ["", "\n", "ä", &"x".repeat(65)] {
            assert!(check_token(wrong).is_err(), "{wrong:?}");
        }
    }
}
