//! Both signature styles: who asked, what exactly was signed, and whether the signature is right.
//!
//! | | RPC, HMAC-SHA1 | ACS3-HMAC-SHA256 |
//! |---|---|---|
//! | where it is | parameters `Signature…`, `AccessKeyId` | header `Authorization`, headers `x-acs-…` |
//! | what is signed | method and all parameters | method, path, query, the headers it names, the body's hash |
//! | written | base64 | hexadecimal |
//!
//! What is read here is not trusted before [`Signed::verify`] has said so. Whether a nonce was seen and
//! a time is near are questions for whoever has a clock.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::encode::percent;
use crate::time::parse_time;
use crate::{Fault, Pairs};

/// The name of the newer style, as the header begins.
pub const ACS3: &str = "ACS3-HMAC-SHA256";
/// How far a request's time may be from ours, in milliseconds, as the API documents: 15 minutes.
pub const SKEW_MS: i64 = 15 * 60 * 1000;
/// Characters of a nonce that are looked at; clients send UUIDs.
const NONCE_CHARS_MAX: usize = 128;
/// Headers that change what a request does or when: a signature that leaves one out proves nothing.
const ALWAYS_SIGNED: [&str; 6] = [
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-content-sha256",
    "x-acs-security-token",
];

/// The style of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Everything is a parameter.
    Rpc,
    /// The signature is a header.
    Acs3,
}

/// What a request shows of itself.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The path, as it was received.
    pub path: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The parameters of the query.
    pub query: &'a Pairs,
    /// Those and the ones of the form.
    pub all: &'a Pairs,
    /// The body.
    pub body: &'a [u8],
}

/// A signature, and what it claims.
#[derive(Clone, Debug)]
pub struct Signed {
    /// How it was signed.
    pub style: Style,
    /// The access key's id.
    pub key: String,
    /// The token that goes with a key of short life.
    pub token: Option<String>,
    /// What makes the request one of its kind.
    pub nonce: String,
    /// When it was signed, milliseconds since 1970 UTC.
    pub time_ms: i64,
    signature: Vec<u8>,
    to_sign: String,
    canonical: String,
}

impl Signed {
    /// The style of a request, if it is signed at all.
    pub fn style(headers: &HeaderMap, all: &Pairs) -> Option<Style> {
        let header = text(headers, "authorization");
        if header.is_some_and(|header| header.starts_with("ACS3-")) {
            return Some(Style::Acs3);
        }
        all.get("Signature").is_some().then_some(Style::Rpc)
    }

    /// Reads the signature of a request.
    pub fn read(seen: Seen<'_>) -> Result<Self, Fault> {
        match Self::style(seen.headers, seen.all) {
            Some(Style::Acs3) => read_acs3(seen),
            Some(Style::Rpc) => read_rpc(seen),
            None => Err(Fault::missing(if seen.all.get("AccessKeyId").is_some() {
                "Signature"
            } else {
                "AccessKeyId"
            })),
        }
    }

    /// Whether the time is near enough to `now_ms`.
    pub fn is_timely(&self, now_ms: i64) -> bool {
        self.time_ms.abs_diff(now_ms) <= SKEW_MS.unsigned_abs()
    }

    /// Fails unless whoever signed knows the secret. Takes as long for a wrong signature as for a
    /// right one.
    pub fn verify(&self, secret: &str) -> Result<(), Fault> {
        let right = match self.style {
            Style::Rpc => hmac_sha1(secret, &self.to_sign).verify_slice(&self.signature).is_ok(),
            Style::Acs3 => hmac_sha256(secret, &self.to_sign).verify_slice(&self.signature).is_ok(),
        };
        if right { Ok(()) } else { Err(self.mismatch()) }
    }

    /// The fault of a wrong signature. Older clients cut the message at its first colon and compare
    /// what follows with what they signed, so it ends with that.
    pub fn mismatch(&self) -> Fault {
        let why = match self.style {
            Style::Rpc => {
                format!(
                    "Specified signature is not matched with our calculation. server string to sign is:{}",
                    self.to_sign
                )
            }
            Style::Acs3 => format!(
                "Specified signature does not match our calculation: server StringToSign is [{}] \
                 server CanonicalRequest is [{}]",
                self.to_sign, self.canonical
            ),
        };
        Fault::new(400, "SignatureDoesNotMatch", why)
    }
}

fn read_rpc(seen: Seen<'_>) -> Result<Signed, Fault> {
    let need =
        |name: &str| seen.all.get(name).filter(|value| !value.is_empty()).ok_or_else(|| Fault::missing(name));
    let key = need("AccessKeyId")?.to_owned();
    let signature = need("Signature")?;
    for (name, known) in [("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")] {
        let said = seen.all.get(name).unwrap_or(known);
        if !said.eq_ignore_ascii_case(known) {
            return Err(incomplete(&format!(
                "`{name}` is `{}`; only `{known}` is understood",
                said.escape_debug()
            )));
        }
    }
    let kind = seen.all.get("SignatureType").unwrap_or_default();
    if !kind.is_empty() {
        return Err(incomplete(&format!("a `SignatureType` of `{}` is not understood", kind.escape_debug())));
    }
    let time_ms = time(need("Timestamp")?)?;
    let nonce = nonce(need("SignatureNonce")?)?;
    // What is no base64 is no signature, and as wrong as any other.
    let signature = STANDARD.decode(signature).unwrap_or_default();
    let token = seen.all.get("SecurityToken").filter(|token| !token.is_empty()).map(str::to_owned);
    let to_sign = rpc_to_sign(seen.method, seen.all);
    Ok(Signed { style: Style::Rpc, key, token, nonce, time_ms, signature, to_sign, canonical: String::new() })
}

fn rpc_to_sign(method: &str, all: &Pairs) -> String {
    format!("{method}&%2F&{}", percent(&canonical_query(all.iter().filter(|(name, _)| *name != "Signature"))))
}

fn canonical_query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pairs = pairs.map(|(name, value)| format!("{}={}", percent(name), percent(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn read_acs3(seen: Seen<'_>) -> Result<Signed, Fault> {
    let header = text(seen.headers, "authorization").unwrap_or_default();
    let Some(parts) = header.strip_prefix(ACS3).map(str::trim) else {
        let algorithm = header.split(' ').next().unwrap_or_default();
        return Err(incomplete(&format!(
            "the algorithm `{}` is not understood; use `{ACS3}`",
            algorithm.escape_debug()
        )));
    };
    let part = |name: &str| {
        let found =
            parts.split(',').map(str::trim).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let found = found.filter(|value| !value.is_empty());
        found.ok_or_else(|| incomplete(&format!("the header `Authorization` has no `{name}`")))
    };
    let (key, names, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let signed: Vec<&str> = names.split(';').collect();
    for name in ALWAYS_SIGNED {
        if seen.headers.contains_key(name) && !signed.contains(&name) {
            return Err(incomplete(&format!("the header `{name}` is not signed")));
        }
    }
    let mut headers = String::new();
    for name in &signed {
        let value = text(seen.headers, name).unwrap_or_default();
        let _ = writeln!(headers, "{name}:{}", value.trim());
    }
    let hash = sha256_hex(seen.body);
    if let Some(said) =
        text(seen.headers, "x-acs-content-sha256").filter(|said| !said.eq_ignore_ascii_case(&hash))
    {
        let why =
            format!("the body's SHA-256 is not what `x-acs-content-sha256` says: `{}`", said.escape_debug());
        return Err(Fault::new(400, "SignatureDoesNotMatch", why));
    }
    let need = |name: &str| {
        text(seen.headers, name).filter(|value| !value.is_empty()).ok_or_else(|| Fault::missing(name))
    };
    let time_ms = time(need("x-acs-date")?)?;
    let nonce = nonce(need("x-acs-signature-nonce")?)?;
    let query = canonical_query(seen.query.iter());
    let canonical = format!("{}\n{}\n{query}\n{headers}\n{names}\n{hash}", seen.method, seen.path);
    let to_sign = format!("{ACS3}\n{}", sha256_hex(canonical.as_bytes()));
    Ok(Signed {
        style: Style::Acs3,
        key: key.to_owned(),
        token: text(seen.headers, "x-acs-security-token")
            .filter(|token| !token.is_empty())
            .map(str::to_owned),
        nonce,
        time_ms,
        signature: unhex(signature).unwrap_or_default(),
        to_sign,
        canonical,
    })
}

/// Signs parameters in the older style; they hold all but `Signature` already.
pub fn sign_rpc(secret: &str, method: &str, all: &Pairs) -> String {
    STANDARD.encode(hmac_sha1(secret, &rpc_to_sign(method, all)).finalize().into_bytes())
}

/// The header `Authorization` of the newer style. Signs the headers `host`, `content-type` and `x-acs-…`,
/// which have to be there already.
pub fn sign_acs3(key: &str, secret: &str, seen: Seen<'_>) -> String {
    let is_signed = |name: &str| name == "host" || name == "content-type" || name.starts_with("x-acs-");
    let mut names: Vec<&str> =
        seen.headers.keys().map(http::HeaderName::as_str).filter(|name| is_signed(name)).collect();
    names.sort_unstable();
    let lines =
        names.iter().map(|name| format!("{name}:{}\n", text(seen.headers, name).unwrap_or_default().trim()));
    let headers: String = lines.collect();
    let names = names.join(";");
    let hash = sha256_hex(seen.body);
    let query = canonical_query(seen.query.iter());
    let canonical = format!("{}\n{}\n{query}\n{headers}\n{names}\n{hash}", seen.method, seen.path);
    let to_sign = format!("{ACS3}\n{}", sha256_hex(canonical.as_bytes()));
    let signature = hex(&hmac_sha256(secret, &to_sign).finalize().into_bytes());
    format!("{ACS3} Credential={key},SignedHeaders={names},Signature={signature}")
}

fn hmac_sha1(secret: &str, text: &str) -> Hmac<Sha1> {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()).expect("a key of any length will do");
    mac.update(text.as_bytes());
    mac
}

fn hmac_sha256(secret: &str, text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(text.as_bytes());
    mac
}

/// The SHA-256 of bytes, in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

/// A header as text; none if it is not there or no text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    std::str::from_utf8(headers.get(name)?.as_bytes()).ok()
}

fn time(text: &str) -> Result<i64, Fault> {
    parse_time(text).ok_or_else(|| {
        let why =
            format!("Specified time stamp or date value is not well formatted: `{}`.", text.escape_debug());
        Fault::new(400, "InvalidTimeStamp.Format", why)
    })
}

fn nonce(text: &str) -> Result<String, Fault> {
    if text.len() <= NONCE_CHARS_MAX {
        return Ok(text.to_owned());
    }
    Err(incomplete(&format!("a nonce has at most {NONCE_CHARS_MAX} characters")))
}

fn incomplete(why: &str) -> Fault {
    Fault::new(
        400,
        "IncompleteSignature",
        format!("The request signature does not conform to the standards: {why}."),
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// The vectors were computed with the code of both generations of the official clients.
    const QUERY: &str =
        "RegionId=cn-hangzhou&ImageName=%E6%B5%8B%E8%AF%95+a%2Bb*~&Tag.1.Key=k&Tag.1.Value=&DryRun=False";
    const NONCE: &str = "5fd8acb8b7a0cc04d5187284b70cc75d";
    const TIME: &str = "2026-01-01T00:00:00Z";
    const SIGNATURE: &str = "fb8adc7bbbe79b9011c8c35b99bd055631af76fe54f70173041159dd1ecde771";

    fn headers() -> HeaderMap {
        let signed = [
            ("accept", "application/json"),
            ("host", "127.0.0.1:8080"),
            ("user-agent", "test"),
            ("x-acs-action", "DescribeImages"),
            ("x-acs-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("x-acs-date", TIME),
            ("x-acs-signature-nonce", NONCE),
            ("x-acs-version", "2014-05-26"),
        ];
        let mut headers: HeaderMap = signed
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        let names = signed.map(|(name, _)| name).join(";");
        let header = format!("{ACS3} Credential=testak,SignedHeaders={names},Signature={SIGNATURE}");
        headers.insert("authorization", HeaderValue::from_str(&header).unwrap());
        headers
    }

    fn acs3(headers: &HeaderMap, query: &str, body: &[u8]) -> Result<Signed, Fault> {
        let query = Pairs::read(query, "").unwrap();
        Signed::read(Seen { method: "POST", path: "/", headers, query: &query, all: &query, body })
    }

    #[test]
    fn the_newer_vector_is_right_and_anything_changed_is_wrong() {
        let right = acs3(&headers(), QUERY, b"").unwrap();
        assert_eq!(right.verify("testsk"), Ok(()));
        let query = "\nDryRun=False&ImageName=%E6%B5%8B%E8%AF%95%20a%2Bb%2A~&RegionId=cn-hangzhou\
                     &Tag.1.Key=k&Tag.1.Value=\n";
        assert!(right.canonical.contains(query));
        assert_eq!(right.verify("other").unwrap_err().code, "SignatureDoesNotMatch");
        let query = acs3(&headers(), &format!("{QUERY}&Force=true"), b"").unwrap();
        assert!(query.verify("testsk").is_err());
        assert_eq!(acs3(&headers(), QUERY, b"x").unwrap_err().code, "SignatureDoesNotMatch");
        for name in ["host", "x-acs-action", "x-acs-date", "accept"] {
            let mut changed = headers();
            changed.insert(name, HeaderValue::from_static("2026-01-01T00:00:01Z"));
            assert!(acs3(&changed, QUERY, b"").unwrap().verify("testsk").is_err(), "{name}");
        }
    }

    #[test]
    fn a_header_that_counts_has_to_be_signed() {
        let mut headers = headers();
        headers.insert("x-acs-security-token", HeaderValue::from_static("another's"));
        let fault = acs3(&headers, QUERY, b"").unwrap_err();
        assert_eq!(fault.code, "IncompleteSignature");
        assert!(fault.message.contains("x-acs-security-token"), "{}", fault.message);
    }

    fn rpc(query: &str) -> Result<Signed, Fault> {
        let all = Pairs::read(query, "").unwrap();
        Signed::read(Seen {
            method: "POST",
            path: "/",
            headers: &HeaderMap::new(),
            query: &all,
            all: &all,
            body: b"",
        })
    }

    fn rpc_query() -> String {
        format!(
            "{QUERY}&Action=DescribeImages&Version=2014-05-26&Format=JSON&SignatureMethod=HMAC-SHA1\
             &SignatureVersion=1.0&SignatureType=&AccessKeyId=testak&SignatureNonce={NONCE}\
             &Timestamp=2026-01-01T00%3A00%3A00Z"
        )
    }

    #[test]
    fn the_older_vector_is_right_and_its_fault_ends_with_what_was_signed() {
        let query = format!("{}&Signature=u9VQePWyyEILeUIzk2yWc8HN2WU%3D", rpc_query());
        let right = rpc(&query).unwrap();
        assert_eq!(right.verify("testsk"), Ok(()));
        let fault = right.verify("wrong").unwrap_err();
        let (_, signed) = fault.message.split_once(':').unwrap();
        assert!(
            signed.starts_with("POST&%2F&AccessKeyId%3Dtestak%26Action%3DDescribeImages%26DryRun%3DFalse"),
            "{signed}"
        );
        assert!(rpc(&format!("{query}&Force=true")).unwrap().verify("testsk").is_err());
        let all = Pairs::read(&rpc_query(), "").unwrap();
        assert_eq!(sign_rpc("testsk", "POST", &all), "u9VQePWyyEILeUIzk2yWc8HN2WU=");
    }

    #[test]
    fn what_is_missing_or_malformed_has_its_code() {
        for (query, code) in [
            ("", "MissingParameter"),
            ("AccessKeyId=a", "MissingParameter"),
            ("AccessKeyId=a&Signature=b", "MissingParameter"),
            ("AccessKeyId=a&Signature=b&Timestamp=now&SignatureNonce=1", "InvalidTimeStamp.Format"),
            ("AccessKeyId=a&Signature=b&SignatureMethod=HMAC-SHA256", "IncompleteSignature"),
            ("AccessKeyId=a&Signature=b&SignatureType=BEARERTOKEN", "IncompleteSignature"),
        ] {
            assert_eq!(rpc(query).unwrap_err().code, code, "{query}");
        }
        for header in ["ACS3-RSA-SHA256 Credential=a", "ACS3-HMAC-SHA256 Credential=a", "ACS3-HMAC-SHA256"] {
            let mut headers = headers();
            headers.insert("authorization", HeaderValue::from_static(header));
            assert_eq!(acs3(&headers, QUERY, b"").unwrap_err().code, "IncompleteSignature", "{header}");
        }
    }

    #[test]
    fn what_we_sign_we_accept() {
        let mut headers = headers();
        headers.remove("authorization");
        let query = Pairs::read(QUERY, "").unwrap();
        let seen = Seen {
            method: "POST",
            path: "/kiln/v1",
            headers: &headers,
            query: &query,
            all: &query,
            body: b"body",
        };
        headers.clone().remove("x-acs-content-sha256");
        let mut sent = headers.clone();
        sent.insert("x-acs-content-sha256", HeaderValue::from_str(&sha256_hex(b"body")).unwrap());
        let header = sign_acs3("ak", "sk", Seen { headers: &sent, ..seen });
        sent.insert("authorization", HeaderValue::from_str(&header).unwrap());
        let signed = Signed::read(Seen { headers: &sent, ..seen }).unwrap();
        assert_eq!((signed.verify("sk"), signed.key.as_str()), (Ok(()), "ak"));
    }
}
