//! A request as this wire reads it: which bucket and key, which parameters.
//!
//! A bucket may be named by the host or by the path, and only the signature says which was meant: a
//! host like `files.example.com` may be a bucket `files` or an endpoint. So both readings are kept,
//! the likelier one first, and the one whose signature is right is the request.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, Method};

use crate::error::Refused;
use crate::escape::unpercent;

/// What is spoken of: nothing, a bucket, or an object (its key is not empty).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) bucket: Option<String>,
    pub(crate) key: String,
}

/// A request, read.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// The host, with its port, as the client knows it.
    pub(crate) host: String,
    /// Parameters in their order, unescaped; an empty value if there is none.
    pub(crate) query: Vec<(String, String)>,
    /// What may be meant, the likeliest first.
    pub(crate) places: Vec<Place>,
}

fn malformed(what: &str) -> Refused {
    Refused::new(400, "InvalidURI", format!("Couldn't parse the specified URI: {what}."))
}

impl Asked {
    /// Reads the head of a request.
    pub(crate) fn of(parts: &Parts) -> Result<Self, Refused> {
        let host = host(parts);
        let raw_query = parts.uri.query().unwrap_or_default();
        let mut query = Vec::new();
        for pair in raw_query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // Python's clients write a space as HTML forms do; what is meant as a plus comes as `%2B`.
            let read = |text: &str| {
                unpercent(&text.replace('+', " ")).ok_or_else(|| malformed("a parameter is not valid"))
            };
            query.push((read(name)?, read(value)?));
        }
        let path = parts.uri.path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = unpercent(path).ok_or_else(|| malformed("the path is not valid"))?;
        let places = places(&host, path);
        Ok(Self { method: parts.method.clone(), headers: parts.headers.clone(), host, query, places })
    }

    /// A parameter's value.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Whether there is such a parameter.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parameter(name).is_some()
    }

    /// A parameter that is a number, or what it is if it is not there.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T, Refused> {
        match self.parameter(name) {
            None | Some("") => Ok(default),
            Some(text) => text.parse().map_err(|_| Refused::argument(name, text)),
        }
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The host as the client knows it: that of an absolute target goes first, as HTTP has it. Clients
/// are known that write a whole URL into the header.
fn host(parts: &Parts) -> String {
    let given = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let host = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => given.unwrap_or_default(),
    };
    let host = host.split_once("://").map_or(host, |(_, host)| host);
    host.split('/').next().unwrap_or_default().to_owned()
}

/// The host without its port.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

fn places(host: &str, path: String) -> Vec<Place> {
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    let by_path =
        Place { bucket: Some(bucket.to_owned()).filter(|name| !name.is_empty()), key: key.to_owned() };
    let name = name_of(host);
    let label = name.split_once('.').filter(|(_, rest)| !rest.is_empty()).map(|(label, _)| label);
    match label {
        Some(label) if name.parse::<IpAddr>().is_err() && domain::name::bucket(label).is_ok() => {
            vec![Place { bucket: Some(label.to_owned()), key: path }, by_path]
        }
        _ => vec![by_path],
    }
}

/// The endpoint behind a host that may name a bucket.
pub(crate) fn endpoint<'h>(host: &'h str, bucket: &str) -> &'h str {
    host.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('.')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, host: &str, expected: &[(Option<&str>, &str)]) {
        let request = http::Request::builder().uri(target).header("host", host).body(()).unwrap();
        let asked = Asked::of(&request.into_parts().0).unwrap();
        let found: Vec<_> =
            asked.places.iter().map(|place| (place.bucket.as_deref(), place.key.as_str())).collect();
        assert_eq!(found, expected, "{target} at {host}");
    }

    #[test]
    fn addresses_and_localhost_have_the_bucket_in_the_path() {
        for host in ["127.0.0.1", "127.0.0.1:8080", "[::1]:80", "localhost:1", "kiln"] {
            check("/bucket/a/b%20c", host, &[(Some("bucket"), "a/b c")]);
            check("/bucket/", host, &[(Some("bucket"), "")]);
            check("/bucket", host, &[(Some("bucket"), "")]);
            check("/", host, &[(None, "")]);
        }
    }

    #[test]
    fn other_hosts_may_name_the_bucket() {
        check("/a/b", "disks.oss-cn-hangzhou.kiln:80", &[(Some("disks"), "a/b"), (Some("a"), "b")]);
        check("/", "disks.localhost:80", &[(Some("disks"), ""), (None, "")]);
        check("/a", "d.x", &[(Some("a"), "")]);
    }

    #[test]
    fn the_target_may_be_a_whole_url_and_so_may_the_host() {
        check("http://disks.kiln.local:80/a", "10.0.0.1", &[(Some("disks"), "a"), (Some("a"), "")]);
        check("/disks/a", "http://10.0.0.1:80", &[(Some("disks"), "a")]);
    }

    #[test]
    fn a_target_that_cannot_be_read_is_refused() {
        for target in ["/a%", "/%ff", "/a?b=%zz"] {
            let request = http::Request::builder().uri(target).body(()).unwrap();
            assert_eq!(Asked::of(&request.into_parts().0).unwrap_err().code, "InvalidURI");
        }
    }
}
