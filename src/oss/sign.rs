//! Who asks, by the signature: versions 1 and 4, in a header or in a URL that was given away.
//!
//! ```text
//! V1   base64 HMAC-SHA1(secret, VERB ␊ Content-MD5 ␊ Content-Type ␊ date or expiry ␊
//!                               x-oss-* lines, /bucket/key?subresources)
//! V4   hex HMAC-SHA256(key of the day, region and product, OSS4-HMAC-SHA256 ␊ time ␊ scope ␊ digest of
//!                      VERB ␊ /bucket/key ␊ parameters ␊ headers ␊␊ names of further ones ␊ payload)
//! ```
//!
//! Signatures are compared in constant time. An address that can be read in two ways is tried in both.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::asked::{Asked, Place};
use crate::error::Refused;
use crate::escape::percent;
use crate::time;

/// How far a client's clock may be off, as the API documents: 15 minutes.
const SKEW_MS_MAX: i64 = 15 * 60 * 1000;
/// How long a URL of version 4 may be good for, as the API documents: seven days.
const EXPIRES_S_MAX: i64 = 7 * 24 * 60 * 60;

const V4: &str = "OSS4-HMAC-SHA256";
const V4_END: &str = "aliyun_v4_request";

/// The parameters that a signature of version 1 covers.
#[rustfmt::skip]
const SUBRESOURCES: &[&str] = &[
    "accessPoint", "accessPointPolicy", "accessmonitor", "acl", "append", "asyncFetch", "bucketArchiveDirectRead",
    "bucketInfo", "callback", "callback-var", "cloudboxes", "cname", "comp", "continuation-token", "cors", "delete",
    "encryption",
    "endTime", "group", "httpsConfig", "img", "inventory", "inventoryId", "lifecycle", "link", "live", "location",
    "logging", "metaQuery", "objectInfo", "objectMeta", "partNumber", "policy", "policyStatus", "position",
    "publicAccessBlock", "qos", "qosInfo", "qosRequester", "redundancyTransition", "referer", "regionList", "regions",
    "replication", "replicationLocation", "replicationProgress", "requestPayment", "requesterQosInfo",
    "resourceGroup", "resourcePool", "resourcePoolBuckets", "resourcePoolInfo", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "restore", "security-token", "sequential", "startTime", "stat",
    "status", "style", "styleName", "symlink", "tagging", "token", "transferAcceleration", "uploadId", "uploads",
    "versionId", "versioning", "versions", "vip", "vod", "website", "worm", "wormExtend", "wormId",
    "x-oss-ac-forward-allow", "x-oss-ac-source-ip", "x-oss-ac-subnet-mask", "x-oss-ac-vpc-id",
    "x-oss-access-point-name", "x-oss-async-process", "x-oss-process", "x-oss-redundancy-transition-taskid",
    "x-oss-request-payer", "x-oss-target-redundancy-type", "x-oss-traffic-limit", "x-oss-write-get-object-response",
];

/// What is verified with where there is no key: as long as a secret is.
pub const NOBODYS_SECRET: &str = "000000000000000000000000000000";

/// Whether a request is for buckets, by its signature.
pub(crate) fn is_signed_for_buckets(headers: &http::HeaderMap, query: &str) -> bool {
    let header = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if header.is_some_and(|header| header.starts_with("OSS ") || header.starts_with(V4)) {
        return true;
    }
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    has("x-oss-signature-version") || ["OSSAccessKeyId", "Signature", "Expires"].into_iter().all(has)
}

/// What a signature says.
struct Claim<'a> {
    key_id: &'a str,
    signature: Vec<u8>,
    provided: &'a str,
    how: How<'a>,
}

enum How<'a> {
    /// The line of the date, or of the expiry.
    V1 {
        date: &'a str,
    },
    V4 {
        time: &'a str,
        scope: &'a str,
        additional: Vec<String>,
        in_url: bool,
    },
}

/// A request whose signature is right.
#[derive(Clone, Debug)]
pub(crate) struct Signed<T> {
    pub(crate) place: Place,
    /// What is known of who signed it.
    pub(crate) who: T,
    /// The region that the signature names.
    pub(crate) region: Option<String>,
}

fn denied(why: &str) -> Refused {
    Refused::new(403, "AccessDenied", why)
}

fn malformed() -> Refused {
    Refused::new(400, "InvalidArgument", "Authorization header is invalid.")
}

/// Finds out who asks, and for what: `who` knows the secret of a key, which may come with a token.
pub(crate) fn verify<T>(
    asked: &Asked,
    who: impl FnOnce(&str, Option<&str>) -> Result<Option<(String, T)>, Refused>,
    now_ms: i64,
) -> Result<Signed<T>, Refused> {
    let claim = claim(asked, now_ms)?;
    let in_url = || asked.parameter("x-oss-security-token").or_else(|| asked.parameter("security-token"));
    let token = asked.header("x-oss-security-token").or_else(in_url);
    // Where there is no key it is verified all the same, so that it takes as long to be told so.
    let (secret, who) = match who(claim.key_id, token)? {
        Some((secret, who)) => (secret, Some(who)),
        None => (NOBODYS_SECRET.to_owned(), None),
    };
    let nobody = || {
        let why = "The OSS Access Key Id you provided does not exist in our records.";
        Refused::new(403, "InvalidAccessKeyId", why).with("OSSAccessKeyId", claim.key_id)
    };
    let region = match &claim.how {
        How::V1 { .. } => None,
        How::V4 { scope, .. } => scope.split('/').nth(1).map(str::to_owned),
    };
    let mut shown = Vec::new();
    for place in &asked.places {
        for text in claim.texts(asked, place) {
            if claim.is_signed(&secret, &text) {
                let who = who.ok_or_else(nobody)?;
                return Ok(Signed { place: place.clone(), who, region });
            }
            if shown.is_empty() {
                shown = text;
            }
        }
    }
    if who.is_none() {
        return Err(nobody());
    }
    let why = "The request signature we calculated does not match the signature you provided. Check your \
               key and signing method.";
    Err(Refused::new(403, "SignatureDoesNotMatch", why)
        .with("OSSAccessKeyId", claim.key_id)
        .with("SignatureProvided", claim.provided)
        .with("StringToSign", String::from_utf8_lossy(&shown)))
}

fn claim(asked: &Asked, now_ms: i64) -> Result<Claim<'_>, Refused> {
    if let Some(header) = asked.header("authorization") {
        if let Some(rest) = header.strip_prefix("OSS ") {
            let (key_id, provided) = rest.trim().split_once(':').ok_or_else(malformed)?;
            let date = asked.header("x-oss-date").or_else(|| asked.header("date")).unwrap_or_default();
            check_skew(time::parse_any(date), now_ms)?;
            return Ok(Claim { key_id, signature: from_base64(provided), provided, how: How::V1 { date } });
        }
        let rest = header.strip_prefix(V4).ok_or_else(malformed)?;
        let time = asked.header("x-oss-date").or_else(|| asked.header("date")).unwrap_or_default();
        check_skew(time::parse_any(time), now_ms)?;
        let field = |name: &str| {
            let mut fields = rest.split(',').filter_map(|field| field.trim().split_once('='));
            fields.find(|(other, _)| *other == name).map(|(_, value)| value.trim())
        };
        let provided = field("Signature").ok_or_else(malformed)?;
        let credential = field("Credential").ok_or_else(malformed)?;
        let how = (time, field("AdditionalHeaders").unwrap_or_default(), false);
        return claim_v4(credential, provided, how);
    }
    if asked.parameter("x-oss-signature-version") == Some(V4) {
        let given = |name: &str| asked.parameter(name).unwrap_or_default();
        let (time, expires) = (given("x-oss-date"), given("x-oss-expires"));
        let begin_ms = time::parse_compact(time).ok_or_else(|| Refused::argument("x-oss-date", time))?;
        let expires_s = expires.parse::<i64>().ok().filter(|seconds| (1..=EXPIRES_S_MAX).contains(seconds));
        let expires_s = expires_s.ok_or_else(|| Refused::argument("x-oss-expires", expires))?;
        if begin_ms - now_ms > SKEW_MS_MAX {
            return Err(denied("The time of the request is in the future."));
        }
        check_expiry(begin_ms.saturating_add(expires_s * 1000), now_ms)?;
        let how = (time, given("x-oss-additional-headers"), true);
        return claim_v4(given("x-oss-credential"), given("x-oss-signature"), how);
    }
    match (asked.parameter("OSSAccessKeyId"), asked.parameter("Expires"), asked.parameter("Signature")) {
        (Some(key_id), Some(date), Some(provided)) => {
            let expires_s: i64 = date.parse().map_err(|_| Refused::argument("Expires", date))?;
            check_expiry(expires_s.saturating_mul(1000), now_ms)?;
            Ok(Claim { key_id, signature: from_base64(provided), provided, how: How::V1 { date } })
        }
        _ => Err(denied("You have no right to access this object because of bucket acl.")),
    }
}

fn claim_v4<'a>(
    credential: &'a str,
    provided: &'a str,
    (time, additional, in_url): (&'a str, &'a str, bool),
) -> Result<Claim<'a>, Refused> {
    let (key_id, scope) = credential.split_once('/').ok_or_else(malformed)?;
    let parts: Vec<&str> = scope.split('/').collect();
    let [date, _, "oss", V4_END] = parts[..] else { return Err(malformed()) };
    if !time.starts_with(date) || date.len() != 8 {
        return Err(Refused::argument("Credential", credential));
    }
    let names = additional.split(';').map(|name| name.trim().to_ascii_lowercase());
    let mut additional: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    additional.sort_unstable();
    let how = How::V4 { time, scope, additional, in_url };
    Ok(Claim { key_id, signature: from_hex(provided), provided, how })
}

fn check_skew(time_ms: Option<i64>, now_ms: i64) -> Result<(), Refused> {
    let time_ms = time_ms.ok_or_else(|| denied("OSS authentication requires a valid Date."))?;
    if (now_ms - time_ms).abs() <= SKEW_MS_MAX {
        return Ok(());
    }
    let why = "The difference between the request time and the current time is too large.";
    Err(Refused::new(403, "RequestTimeTooSkewed", why)
        .with("MaxAllowedSkewMilliseconds", SKEW_MS_MAX.to_string())
        .with("RequestTime", time::iso(time_ms))
        .with("ServerTime", time::iso(now_ms)))
}

fn check_expiry(end_ms: i64, now_ms: i64) -> Result<(), Refused> {
    if now_ms < end_ms {
        return Ok(());
    }
    Err(denied("Request has expired.")
        .with("Expires", time::iso(end_ms))
        .with("ServerTime", time::iso(now_ms)))
}

fn from_base64(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text).unwrap_or_default()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2)).unwrap_or_default();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn hmac256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes what is written");
        text
    })
}

impl Claim<'_> {
    /// Whether this text has that signature.
    fn is_signed(&self, secret: &str, text: &[u8]) -> bool {
        match &self.how {
            How::V1 { .. } => {
                let mut mac =
                    Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
                mac.update(text);
                mac.verify_slice(&self.signature).is_ok()
            }
            How::V4 { scope, .. } => {
                let first = format!("aliyun_v4{secret}").into_bytes();
                let key = scope.split('/').fold(first, |key, part| hmac256(&key, part.as_bytes()));
                let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key of any length will do");
                mac.update(text);
                mac.verify_slice(&self.signature).is_ok()
            }
        }
    }

    /// The texts that may have been signed: clients differ in how they name a bucket.
    fn texts(&self, asked: &Asked, place: &Place) -> Vec<Vec<u8>> {
        let resources = match &place.bucket {
            None => vec!["/".to_owned()],
            Some(bucket) if place.key.is_empty() => vec![format!("/{bucket}/"), format!("/{bucket}")],
            Some(bucket) => vec![format!("/{bucket}/{}", place.key)],
        };
        let text = |resource: &String| match &self.how {
            How::V1 { date } => v1_text(asked, date, resource),
            How::V4 { time, scope, additional, in_url } => {
                let request = v4_request(asked, resource, additional, *in_url);
                let digest = hex(&Sha256::digest(request));
                format!("{V4}\n{time}\n{scope}\n{digest}").into_bytes()
            }
        };
        resources.iter().map(text).collect()
    }
}

/// A header's values, as they are signed.
fn signed_value(asked: &Asked, name: &str) -> Vec<u8> {
    let values: Vec<&[u8]> =
        asked.headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect();
    values.join(&b","[..])
}

fn header_lines(asked: &Asked, is_signed: impl Fn(&str) -> bool) -> Vec<u8> {
    let mut names: Vec<&str> = asked.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let mut lines = Vec::new();
    for name in names.into_iter().filter(|name| is_signed(name)) {
        lines.extend_from_slice(name.as_bytes());
        lines.push(b':');
        lines.extend_from_slice(&signed_value(asked, name));
        lines.push(b'\n');
    }
    lines
}

fn v1_text(asked: &Asked, date: &str, resource: &str) -> Vec<u8> {
    let mut text = asked.method.as_str().as_bytes().to_vec();
    for line in [signed_value(asked, "content-md5"), signed_value(asked, "content-type"), date.into()] {
        text.push(b'\n');
        text.extend_from_slice(&line);
    }
    text.push(b'\n');
    text.extend_from_slice(&header_lines(asked, |name| name.starts_with("x-oss-")));
    text.extend_from_slice(resource.as_bytes());
    let mut covered: Vec<&(String, String)> =
        asked.query.iter().filter(|(name, _)| SUBRESOURCES.contains(&name.as_str())).collect();
    covered.sort_unstable();
    for (at, (name, value)) in covered.into_iter().enumerate() {
        text.push(if at == 0 { b'?' } else { b'&' });
        text.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
        }
    }
    text
}

fn v4_request(asked: &Asked, resource: &str, additional: &[String], in_url: bool) -> Vec<u8> {
    let covered = asked.query.iter().filter(|(name, _)| !(in_url && name == "x-oss-signature"));
    let mut parameters: Vec<(String, String)> =
        covered.map(|(name, value)| (percent(name, false), percent(value, false))).collect();
    parameters.sort_unstable();
    let parameters = parameters.into_iter().map(|(name, value)| match value.as_str() {
        "" => name,
        value => format!("{name}={value}"),
    });
    let parameters: Vec<String> = parameters.collect();
    let is_signed = |name: &str| {
        name.starts_with("x-oss-")
            || matches!(name, "content-type" | "content-md5")
            || additional.iter().any(|other| other == name)
    };
    let mut request =
        format!("{}\n{}\n{}\n", asked.method, percent(resource, true), parameters.join("&")).into_bytes();
    request.extend_from_slice(&header_lines(asked, is_signed));
    let payload = asked.header("x-oss-content-sha256").unwrap_or("UNSIGNED-PAYLOAD");
    request.extend_from_slice(format!("\n{}\n{payload}", additional.join(";")).as_bytes());
    request
}
