//! What is read of a request before its signature is: by whose key it is signed, and whether its host names
//! a bucket.
//!
//! The signature does not say which was meant: `disks.example.com` may be a bucket `disks` or an endpoint. So a
//! host names a bucket if the account has one of that name, or if what is asked can be asked of a bucket
//! only. A host without dots and an address never do.

use std::net::IpAddr;

use http::Method;
use http::request::Parts;

/// How the signatures of this dialect begin.
const V4: &str = "AWS4-";
/// And those of the one before, which nobody has to speak any more.
const V2: &str = "AWS ";

/// What may be asked of all buckets, beside what a signature takes.
const OF_ALL_BUCKETS: [&str; 5] = ["x-id", "max-buckets", "prefix", "continuation-token", "bucket-region"];

/// How long a URL that is given away may be good for, as the API documents: seven days.
const EXPIRES_S_MAX: u32 = 7 * 24 * 60 * 60;

/// By whose key a request says it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// A key, and the token of its session if there is one.
    Key { id: String, token: Option<String> },
    /// It cannot be read, or is of the older kind.
    Outdated,
}

fn parameter<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let pairs = parts.uri.query().unwrap_or_default().split('&');
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find_map(|(other, value)| (other == name).then_some(value))
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

impl Signer {
    /// Who signed a request, if its signature is of this dialect.
    pub(crate) fn of(parts: &Parts) -> Option<Self> {
        let authorization = header(parts, "authorization");
        if authorization.is_some_and(|said| said.starts_with(V2))
            || parameter(parts, "AWSAccessKeyId").is_some()
        {
            return Some(Self::Outdated);
        }
        if let Some(said) = authorization.filter(|said| said.starts_with(V4)) {
            let credential = said.split_once("Credential=").map(|(_, rest)| rest.to_owned());
            let token = header(parts, "x-amz-security-token").map(str::to_owned);
            return Some(Self::key(credential, token));
        }
        if parameter(parts, "X-Amz-Algorithm").is_none() && parameter(parts, "X-Amz-Signature").is_none() {
            return None;
        }
        let plain = |name: &str| parameter(parts, name).and_then(oss::unpercent);
        let token = plain("X-Amz-Security-Token")
            .or_else(|| header(parts, "x-amz-security-token").map(str::to_owned));
        Some(Self::key(plain("X-Amz-Credential"), token))
    }

    fn key(credential: Option<String>, token: Option<String>) -> Self {
        let id = credential.and_then(|text| text.split_once('/').map(|(id, _)| id.to_owned()));
        // Without one the adapter says what is missing.
        Self::Key { id: id.unwrap_or_default(), token }
    }
}

/// Whether a URL was given away for longer than may be.
pub(crate) fn lasts_too_long(parts: &Parts) -> bool {
    let expires = parameter(parts, "X-Amz-Expires").map(str::parse::<u32>);
    expires.is_some_and(|seconds| !seconds.is_ok_and(|seconds| seconds <= EXPIRES_S_MAX))
}

/// The bucket that the host names, if it does.
pub(crate) fn named_bucket(parts: &Parts, is_own: impl FnOnce(&str) -> bool) -> Option<String> {
    let host = header(parts, "host")?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if host.starts_with('[') || name.parse::<IpAddr>().is_ok() {
        return None;
    }
    let (label, _) = name.split_once('.').filter(|(_, rest)| !rest.is_empty())?;
    domain::name::bucket(label).ok()?;
    let names = is_own(label) || parts.uri.path() == "/" && !may_list_all(parts);
    names.then(|| label.to_owned())
}

/// Whether a request for the root may be one for the list of buckets.
fn may_list_all(parts: &Parts) -> bool {
    let pairs = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut names = pairs.map(|pair| pair.split('=').next().unwrap_or_default());
    parts.method == Method::GET
        && names.all(|name| name.starts_with("X-Amz-") || OF_ALL_BUCKETS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn check_bucket(request: &str, host: &str, expected: Option<&str>) {
        let (method, target) = request.split_once(' ').unwrap();
        let found = named_bucket(&parts(method, target, &[("host", host)]), |name| name == "own");
        assert_eq!(found.as_deref(), expected, "{request} at {host}");
    }

    #[test]
    fn a_host_names_a_bucket_that_the_account_has() {
        check_bucket("GET /", "own.kiln.example:80", Some("own"));
        check_bucket("PUT /a/b", "own.localhost:8080", Some("own"));
        check_bucket("PUT /a/b", "files.kiln.example", None);
        check_bucket("GET /", "files.kiln.example", None);
        check_bucket("GET /?x-id=ListBuckets&X-Amz-Date=1", "files.kiln.example", None);
    }

    #[test]
    fn a_host_names_a_bucket_if_nothing_else_is_asked_for() {
        for request in ["PUT /", "HEAD /", "DELETE /", "GET /?list-type=2", "GET /?location", "POST /?delete"]
        {
            check_bucket(request, "new.kiln.example", Some("new"));
        }
    }

    #[test]
    fn an_address_or_a_plain_name_names_none() {
        for host in ["127.0.0.1:80", "[::1]:80", "::1", "localhost:80", "own", "a.", "A_B.example"] {
            check_bucket("PUT /", host, None);
        }
    }

    #[test]
    fn a_signature_says_whose_dialect_it_is() {
        let by_header = |said: &str| Signer::of(&parts("GET", "/", &[("authorization", said)]));
        let key = |id: &str| Some(Signer::Key { id: id.to_owned(), token: None });
        assert_eq!(by_header("AWS4-HMAC-SHA256 Credential=K/20261125/r/s3/aws4_request, Sig"), key("K"));
        assert_eq!(by_header("AWS4-HMAC-SHA256 nothing"), key(""));
        assert_eq!(by_header("AWS key:sig"), Some(Signer::Outdated));
        for other in ["OSS key:sig", "OSS4-HMAC-SHA256 Credential=K/a", "ACS3-HMAC-SHA256 Credential=K"] {
            assert_eq!(by_header(other), None, "{other}");
        }
        let by_url = |query: &str| Signer::of(&parts("GET", &format!("/a/b?{query}"), &[]));
        assert_eq!(by_url("X-Amz-Algorithm=x&X-Amz-Credential=K%2F2026%2Fr"), key("K"));
        let with_token = Signer::Key { id: "K".to_owned(), token: Some("t+t".to_owned()) };
        let query = "X-Amz-Signature=x&X-Amz-Credential=K%2F2&X-Amz-Security-Token=t%2Bt";
        assert_eq!(by_url(query), Some(with_token));
        assert_eq!(by_url("AWSAccessKeyId=K&Signature=s&Expires=1"), Some(Signer::Outdated));
        let lasts = |query: &str| lasts_too_long(&parts("GET", &format!("/?{query}"), &[]));
        assert!(!lasts("") && !lasts("X-Amz-Expires=604800"));
        assert!(lasts("X-Amz-Expires=604801") && lasts("X-Amz-Expires=x"));
        assert_eq!(by_url("OSSAccessKeyId=K&Signature=s&Expires=1"), None);
    }
}
