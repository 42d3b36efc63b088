//! Where a server is: `http://HOST:PORT`, or `HOST:PORT` for short.

use std::fmt;
use std::str::FromStr;

use service::{Family, Trouble};

/// The port where nobody says.
const PORT: u16 = 8080;

/// Host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Host and port, as the header `Host` has them and as a socket is opened.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

impl FromStr for Endpoint {
    type Err = Trouble;

    fn from_str(text: &str) -> Result<Self, Trouble> {
        let wrong = |why: &str| {
            let message = format!("`{}` is no endpoint: {why}", text.escape_debug());
            Trouble::new(Family::Refused, "InvalidEndpoint", message)
                .advise("an endpoint looks like http://HOST:PORT")
        };
        if text.starts_with("https://") {
            return Err(wrong("this program speaks plain HTTP only; put a proxy that ends TLS before it"));
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains("://") || rest.contains('/') || rest.contains('@') || rest.is_empty() {
            return Err(wrong("it has more than a host and a port"));
        }
        // An address of IPv6 has colons of its own and stands in brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| wrong("what follows the colon is no port"))?)
            }
            _ => (rest, PORT),
        };
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(wrong("it has no host"));
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port_in_any_usual_writing() {
        for (text, authority) in [
            ("http://127.0.0.1:9000", "127.0.0.1:9000"),
            ("localhost", "localhost:8080"),
            ("http://images.example/", "images.example:8080"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]:8080"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().authority(), authority);
        }
        for text in ["", "https://x", "ftp://x", "http://x/y", "x:port", ":80", "a b", "me@x"] {
            assert_eq!(text.parse::<Endpoint>().unwrap_err().code, "InvalidEndpoint", "{text}");
        }
    }
}
