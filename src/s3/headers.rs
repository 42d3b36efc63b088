//! The headers of an object: which are kept with it, and under which names. They are kept as OSS has
//! them, so that each dialect tells what the other was told.

use std::time::{Duration, SystemTime};

use domain::port_objects::{Headers, ObjectFacts};
use http::HeaderMap;
use oss::{KEPT, META, META_BYTES_MAX};
use s3s::dto::{ETag, HeadObjectOutput, Metadata, Timestamp, TimestampFormat};
use s3s::{S3ErrorCode, S3Result};

use crate::error::{not_implemented, refused};

/// What there is when nothing was said.
const TYPE_USUAL: &str = "binary/octet-stream";
/// The framing of a body, which clients name among the encodings of the object.
const FRAMING: &str = "aws-chunked";
/// What headers that ask for what is not done here begin with.
const UNDONE: [&str; 5] = [
    "x-amz-server-side-encryption",
    "x-amz-tagging",
    "x-amz-object-lock-",
    "x-amz-website-redirect-location",
    "x-amz-grant-",
];
/// Who may have access: the account.
const PRIVATE: [&[u8]; 3] = [b"private", b"bucket-owner-full-control", b"bucket-owner-read"];
/// The only class of storage there is.
pub(crate) const STORAGE_CLASS: &str = "STANDARD";

/// A time as the dialect tells it. HTTP dates have whole seconds, and lists should not say otherwise.
pub(crate) fn time(ms: i64) -> Timestamp {
    let since = Duration::from_secs(u64::try_from(ms.div_euclid(1000)).unwrap_or_default());
    Timestamp::from(SystemTime::UNIX_EPOCH + since)
}

/// The tag as the dialect has it.
pub(crate) fn tag(etag: &str) -> ETag {
    ETag::Strong(etag.to_ascii_lowercase())
}

/// Fails if anybody but the account is to have access.
pub(crate) fn check_acl(headers: &HeaderMap) -> S3Result<()> {
    if headers.get("x-amz-acl").is_none_or(|acl| PRIVATE.contains(&acl.as_bytes())) {
        return Ok(());
    }
    let why = "Public access is not allowed: buckets and objects are private.";
    Err(refused(S3ErrorCode::AccessDenied, why))
}

/// The headers that a request wants kept with an object.
pub(crate) fn kept(headers: &HeaderMap, metadata: Option<Metadata>) -> S3Result<Headers> {
    check_acl(headers)?;
    if let Some(undone) =
        headers.keys().find(|name| UNDONE.iter().any(|undone| name.as_str().starts_with(undone)))
    {
        return Err(not_implemented(undone.as_str()));
    }
    if headers.get("x-amz-storage-class").is_some_and(|class| class != STORAGE_CLASS) {
        return Err(refused(S3ErrorCode::InvalidStorageClass, "The one storage class is STANDARD."));
    }
    let mut kept = Headers::new();
    for name in KEPT {
        let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let value = match value {
            Some(value) if name == "content-encoding" => without_framing(&value),
            value => value,
        };
        kept.extend(value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value)));
    }
    let mut meta_bytes = 0;
    for (name, value) in metadata.unwrap_or_default() {
        meta_bytes += name.len() + value.len();
        kept.insert(format!("{META}{}", name.to_ascii_lowercase()), value);
    }
    if meta_bytes > META_BYTES_MAX {
        let why = "Your metadata headers exceed the maximum allowed metadata size.";
        return Err(refused(S3ErrorCode::MetadataTooLarge, why));
    }
    Ok(kept)
}

/// The encodings of an object itself.
fn without_framing(encodings: &str) -> Option<String> {
    let own = encodings.split(',').map(str::trim).filter(|encoding| *encoding != FRAMING);
    let own: Vec<&str> = own.collect();
    (!own.is_empty()).then(|| own.join(", "))
}

/// What an answer about all of an object says.
pub(crate) fn tell(facts: &ObjectFacts) -> HeadObjectOutput {
    let kept = |name: &str| facts.headers.get(name).cloned();
    let own = facts.headers.iter().filter_map(|(name, value)| Some((name.strip_prefix(META)?, value)));
    let metadata: Metadata = own.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: kept("cache-control"),
        content_disposition: kept("content-disposition"),
        content_encoding: kept("content-encoding"),
        content_language: kept("content-language"),
        content_length: Some(size(facts.bytes)),
        content_type: Some(kept("content-type").unwrap_or_else(|| TYPE_USUAL.to_owned())),
        e_tag: Some(tag(&facts.etag)),
        expires: kept("expires").and_then(|text| Timestamp::parse(TimestampFormat::HttpDate, &text).ok()),
        last_modified: Some(time(facts.modified_ms)),
        metadata: Some(metadata).filter(|metadata| !metadata.is_empty()),
        ..HeadObjectOutput::default()
    }
}

/// A length as the adapter has it.
pub(crate) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_the_names_of_oss_and_no_framing() {
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", "aws-chunked, gzip".parse().unwrap());
        headers.insert("content-type", "text/plain".parse().unwrap());
        headers.insert("x-amz-acl", "private".parse().unwrap());
        let metadata = Metadata::from([("Mtime".to_owned(), "1".to_owned())]);
        let kept = kept(&headers, Some(metadata)).unwrap();
        let pairs: Vec<_> = kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            pairs,
            [("content-encoding", "gzip"), ("content-type", "text/plain"), ("x-oss-meta-mtime", "1")]
        );
    }

    #[test]
    fn what_is_not_done_is_refused() {
        let check = |name: &'static str, value: &str, expected: S3ErrorCode| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(*kept(&headers, None).unwrap_err().code(), expected, "{name}");
        };
        check("x-amz-acl", "public-read", S3ErrorCode::AccessDenied);
        check("x-amz-server-side-encryption", "AES256", S3ErrorCode::NotImplemented);
        check("x-amz-object-lock-mode", "GOVERNANCE", S3ErrorCode::NotImplemented);
        check("x-amz-tagging", "a=b", S3ErrorCode::NotImplemented);
        check("x-amz-storage-class", "GLACIER", S3ErrorCode::InvalidStorageClass);
    }
}
