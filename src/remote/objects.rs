//! The bucket wire, as this program speaks it to a server: requests signed in its first style, and its
//! answers in XML.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service::{Family, Trouble};
use sha1::Sha1;

use crate::connection::Sent;
use crate::{Keys, Remote};

/// An object on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectAt {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
}

/// A request about an object, or with an empty key about its bucket.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) at: &'a ObjectAt,
    /// Parts of the query that are signed, in the order of their names; without a value where it is `None`.
    pub(crate) subresources: Vec<(&'static str, Option<String>)>,
    /// Parts of the query that are not.
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(method: Method, at: &'a ObjectAt) -> Self {
        Self {
            method,
            at,
            subresources: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }
}

/// What a server says of a refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refused {
    code: String,
    message: String,
}

impl Remote {
    /// Asks about an object; what is no success is a trouble.
    pub(crate) async fn object(&self, ask: Ask<'_>) -> Result<Response<Bytes>, Trouble> {
        let name = format!("oss://{}/{}", ask.at.bucket, ask.at.key);
        let response = self.connection.ask(self.request(ask)).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let said: Refused = std::str::from_utf8(response.body())
            .ok()
            .and_then(|text| quick_xml::de::from_str(text).ok())
            .unwrap_or_default();
        let code = match (said.code.as_str(), response.status()) {
            ("", StatusCode::NOT_FOUND) => "NoSuchKey",
            ("", _) => "ServiceUnavailable",
            (code, _) => code,
        };
        let family = if response.status().is_server_error() { Family::World } else { Family::Refused };
        let message = if said.message.is_empty() {
            format!("the server answered {} for `{name}`", response.status())
        } else {
            format!("`{name}`: {}", said.message)
        };
        Err(Trouble::new(family, code, message))
    }

    fn request(&self, ask: Ask<'_>) -> Request<Sent> {
        let date = wire::http_date(crate::remote::now_ms());
        let resource = resource(ask.at, &ask.subresources);
        let mut oss: Vec<_> = ask.headers.iter().filter(|(name, _)| name.starts_with("x-oss-")).collect();
        oss.sort();
        let mut to_sign = format!("{}\n\n\n{date}\n", ask.method);
        for (name, value) in oss {
            let _ = writeln!(to_sign, "{name}:{value}");
        }
        to_sign.push_str(&resource);
        let signed = ask.subresources.iter().map(|(name, value)| (*name, value.as_deref()));
        let query = signed.chain(ask.query.iter().map(|(name, value)| (*name, Some(value.as_str()))));
        let query: Vec<String> = query
            .map(|(name, value)| match value {
                Some(value) => format!("{name}={}", wire::percent(value)),
                None => name.to_owned(),
            })
            .collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let mut request = Request::new(Sent::new(ask.body));
        *request.method_mut() = ask.method;
        *request.uri_mut() =
            format!("{}{query}", path(ask.at)).parse().expect("what is no letter is encoded");
        let text = |text: &str| HeaderValue::from_str(text).expect("it is plain ASCII");
        let headers = request.headers_mut();
        headers.insert(http::header::HOST, text(&self.endpoint().authority()));
        headers.insert(http::header::DATE, text(&date));
        headers.insert(
            http::header::AUTHORIZATION,
            text(&format!("OSS {}:{}", self.keys.id, sign(&self.keys, &to_sign))),
        );
        for (name, value) in ask.headers {
            headers.insert(name, text(&value));
        }
        request
    }

    /// A URL by which anybody may read an object until a time, seconds since 1970 UTC.
    pub fn url_of(&self, at: &ObjectAt, until_s: i64) -> String {
        let to_sign = format!("GET\n\n\n{until_s}\n{}", resource(at, &[]));
        let signature = wire::percent(&sign(&self.keys, &to_sign));
        let (endpoint, path, key) = (self.endpoint(), path(at), wire::percent(&self.keys.id));
        format!("{endpoint}{path}?OSSAccessKeyId={key}&Expires={until_s}&Signature={signature}")
    }
}

/// Reads an answer.
pub(crate) fn xml<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, Trouble> {
    let text = std::str::from_utf8(response.body()).unwrap_or_default();
    quick_xml::de::from_str(text).map_err(|error| {
        Trouble::world("understanding the bucket wire of the server", error)
            .advise("what answers there may be no server of Kiln")
    })
}

/// The path of an object, encoded but for its slashes.
fn path(at: &ObjectAt) -> String {
    let key: Vec<String> = at.key.split('/').map(wire::percent).collect();
    format!("/{}/{}", wire::percent(&at.bucket), key.join("/"))
}

/// What is signed of the address: nothing of it encoded.
fn resource(at: &ObjectAt, subresources: &[(&'static str, Option<String>)]) -> String {
    let parts: Vec<String> = subresources
        .iter()
        .map(|(name, value)| value.as_ref().map_or((*name).to_owned(), |value| format!("{name}={value}")))
        .collect();
    let query = if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) };
    format!("/{}/{}{query}", at.bucket, at.key)
}

fn sign(keys: &Keys, text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(keys.secret.as_bytes()).expect("a key of any length will do");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
