//! The headers of an object: which are kept with it, and what an answer says of it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::port_objects::{Headers, ObjectFacts, ObjectKind};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::asked::Asked;
use crate::buckets::STORAGE_CLASS;
use crate::error::Refused;
use crate::{escape, time};

/// Headers that are kept beside those of users.
pub const KEPT: [&str; 6] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
];
/// What the names of users' headers begin with.
pub const META: &str = "x-oss-meta-";
/// Tags, as the query of a URL has its parameters.
pub(crate) const TAGGING: &str = "x-oss-tagging";
/// What there is when nothing was said.
const TYPE_USUAL: &str = "application/octet-stream";
/// Bytes of names and values of users' headers, as the API documents: 8 KiB.
pub const META_BYTES_MAX: usize = 8 << 10;
/// Tags of an object, as the API documents.
const TAGS_MAX: usize = 10;
/// Characters of a tag's key and of its value, as the API documents.
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;
/// Headers that ask for what is not done here.
const UNDONE: [&str; 4] =
    ["x-oss-callback", "x-oss-server-side-encryption", "x-oss-server-side-data-encryption", "x-oss-process"];

/// The headers that a request wants kept with an object.
pub(crate) fn kept(asked: &Asked) -> Result<Headers, Refused> {
    if let Some(undone) = UNDONE.into_iter().find(|name| asked.headers.contains_key(*name)) {
        return Err(Refused::not_implemented(undone));
    }
    if let Some(class) = asked.header("x-oss-storage-class").filter(|class| *class != STORAGE_CLASS) {
        return Err(Refused::not_implemented(&format!("the storage class {class}")));
    }
    let mut headers = Headers::new();
    let mut meta_bytes = 0;
    for (name, value) in &asked.headers {
        let name = name.as_str();
        let is_meta = name.starts_with(META);
        if !(is_meta || KEPT.contains(&name) || name == TAGGING) || value.is_empty() {
            continue;
        }
        let value = text_of(value);
        if is_meta {
            meta_bytes += name.len() + value.len();
        }
        headers.insert(name.to_owned(), value);
    }
    if meta_bytes > META_BYTES_MAX {
        let why = "Your metadata headers exceed the maximum allowed metadata size.";
        return Err(Refused::new(400, "MetadataTooLarge", why));
    }
    if let Some(tags) = headers.get(TAGGING) {
        check_tags(tags)?;
    }
    Ok(headers)
}

/// A header's text; bytes that are no UTF-8 are what they were in the oldest HTTP.
fn text_of(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// Fails unless an object can have these tags.
pub(crate) fn check_tags(tags: &str) -> Result<(), Refused> {
    let pairs: Vec<&str> = tags.split('&').filter(|pair| !pair.is_empty()).collect();
    let fits = |pair: &&str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let chars = |text: &str| escape::unpercent(text).map_or(usize::MAX, |text| text.chars().count());
        (1..=TAG_KEY_CHARS_MAX).contains(&chars(key)) && chars(value) <= TAG_VALUE_CHARS_MAX
    };
    if pairs.len() <= TAGS_MAX && pairs.iter().all(fits) {
        return Ok(());
    }
    Err(Refused::new(400, "InvalidTag", "The tags of the object are not valid.").with("Tagging", tags))
}

/// The MD5 that a request says its body has.
pub(crate) fn content_md5(asked: &Asked) -> Result<Option<[u8; 16]>, Refused> {
    let Some(text) = asked.header("content-md5").filter(|text| !text.is_empty()) else { return Ok(None) };
    let digest = BASE64_STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let why = "The Content-MD5 you specified is not valid.";
    digest.map(Some).ok_or_else(|| Refused::new(400, "InvalidDigest", why).with("Content-MD5", text))
}

/// The CRC-64 that a request says its body has.
pub(crate) fn content_crc64(asked: &Asked) -> Result<Option<u64>, Refused> {
    let name = "x-oss-hash-crc64ecma";
    let Some(text) = asked.header(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Refused::argument(name, text))
}

/// A header of an answer; one that HTTP cannot hold is left out.
pub(crate) fn put(headers: &mut HeaderMap, name: &str, value: impl AsRef<str>) {
    if let (Ok(name), Ok(value)) =
        (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_ref().as_bytes()))
    {
        headers.insert(name, value);
    }
}

/// The tag as headers have it.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// What the wire calls the kind.
pub(crate) fn kind_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Normal => "Normal",
        ObjectKind::Multipart => "Multipart",
        ObjectKind::Appendable => "Appendable",
    }
}

/// What an answer to a write says of the object.
pub(crate) fn tell_written(headers: &mut HeaderMap, facts: &ObjectFacts) {
    put(headers, "etag", quoted(&facts.etag));
    if let Some(crc64) = facts.crc64 {
        put(headers, "x-oss-hash-crc64ecma", crc64.to_string());
    }
}

/// What every answer about an object says of it.
pub(crate) fn tell_briefly(headers: &mut HeaderMap, facts: &ObjectFacts) {
    tell_written(headers, facts);
    put(headers, "last-modified", time::http(facts.modified_ms));
    put(headers, "content-length", facts.bytes.to_string());
}

/// What an answer with the object, or about all of it, says.
pub(crate) fn tell(headers: &mut HeaderMap, facts: &ObjectFacts) {
    tell_briefly(headers, facts);
    put(headers, "content-type", TYPE_USUAL);
    for (name, value) in facts.headers.iter().filter(|(name, _)| *name != TAGGING) {
        put(headers, name, value);
    }
    if let Some(tags) = facts.headers.get(TAGGING) {
        let count = tags.split('&').filter(|pair| !pair.is_empty()).count();
        put(headers, "x-oss-tagging-count", count.to_string());
    }
    put(headers, "accept-ranges", "bytes");
    put(headers, "x-oss-object-type", kind_word(facts.kind));
    put(headers, "x-oss-storage-class", STORAGE_CLASS);
    if facts.kind == ObjectKind::Appendable {
        put(headers, "x-oss-next-append-position", facts.bytes.to_string());
    }
    if let Some(md5) = md5_of(facts) {
        put(headers, "content-md5", BASE64_STANDARD.encode(md5));
    }
}

fn md5_of(facts: &ObjectFacts) -> Option<Vec<u8>> {
    if facts.kind != ObjectKind::Normal || facts.etag.len() != 32 {
        return None;
    }
    let digit = |at: usize| facts.etag.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..16).map(|at| digit(at * 2)).collect()
}
