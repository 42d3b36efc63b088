//! A client of both wires: signs as the house does and speaks plain HTTP over a socket of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha1::Sha1;
use wire::{Pairs, percent};

/// How long an answer may take; one that takes longer is none.
const PATIENCE: Duration = Duration::from_mins(1);

/// Who asks, and where.
#[derive(Clone, Debug)]
pub struct Client {
    pub at: SocketAddr,
    pub key: String,
    pub secret: String,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// What stands in an element of a document.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.replace("&quot;", "\""))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.text())
    }
}

impl Client {
    /// The head and body of a signed request of an action.
    pub fn signed(&self, version: &str, action: &str, params: &[(&str, &str)]) -> Vec<u8> {
        let (time, nonce) = (wire::seconds(now_ms()), random());
        let common = [
            ("Action", action),
            ("Version", version),
            ("Format", "JSON"),
            ("AccessKeyId", &self.key),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureVersion", "1.0"),
            ("SignatureNonce", &nonce),
            ("Timestamp", &time),
        ];
        let parts: Vec<String> = common
            .iter()
            .chain(params)
            .map(|(name, value)| format!("{}={}", percent(name), percent(value)))
            .collect();
        let form = parts.join("&");
        let pairs = Pairs::read("", &form).unwrap();
        let form = format!("{form}&Signature={}", percent(&wire::sign_rpc(&self.secret, "POST", &pairs)));
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            self.at,
            form.len()
        );
        [head.into_bytes(), form.into_bytes()].concat()
    }

    /// Asks an action of the ECS API; an error if no whole answer came.
    pub fn ask(&self, action: &str, params: &[(&str, &str)]) -> io::Result<Answer> {
        self.send(&self.signed("2014-05-26", action, params))
    }

    /// The same, and it has to go well.
    pub fn call(&self, action: &str, params: &[(&str, &str)]) -> Value {
        let answer = self.ask(action, params).unwrap();
        assert_eq!(answer.status, 200, "{action} {params:?}: {answer}");
        answer.json()
    }

    /// A signed request about a bucket or an object: `/bucket/key?uploads`.
    pub fn about(&self, method: &str, resource: &str, body: &[u8]) -> Vec<u8> {
        let date = wire::http_date(now_ms());
        let to_sign = format!("{method}\n\n\n{date}\n{resource}");
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(to_sign.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let head = format!(
            "{method} {resource} HTTP/1.1\r\nhost: {}\r\ndate: {date}\r\nauthorization: OSS {}:{signature}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            self.at,
            self.key,
            body.len()
        );
        [head.into_bytes(), body.to_vec()].concat()
    }

    /// Asks about a bucket or an object; an error if no whole answer came.
    pub fn object(&self, method: &str, resource: &str, body: &[u8]) -> io::Result<Answer> {
        self.send(&self.about(method, resource, body))
    }

    /// Opens a connection.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.at, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Sends a request and reads the answer whole.
    pub fn send(&self, request: &[u8]) -> io::Result<Answer> {
        let mut stream = self.connect()?;
        stream.write_all(request)?;
        answer_on(&mut stream)
    }
}

/// Reads an answer whole: its head, and as many bytes as that says.
pub fn answer_on(stream: &mut TcpStream) -> io::Result<Answer> {
    let broken = |why: &str| io::Error::new(io::ErrorKind::UnexpectedEof, why.to_owned());
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(broken("the connection ended within a head"));
        }
        bytes.extend_from_slice(&piece[..count]);
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let mut answer = Answer { status, head, body: bytes.split_off(head_end + 4) };
    let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    assert!(answer.header("transfer-encoding").is_none(), "every answer says how long it is");
    while answer.body.len() < length {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(broken("the connection ended within a body"));
        }
        answer.body.extend_from_slice(&piece[..count]);
    }
    // What follows is the answer to what the server took for a request of its own.
    answer.body.truncate(length);
    Ok(answer)
}

pub fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// A word nobody has used.
pub fn random() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let word = || RandomState::new().hash_one(now_ms());
    format!("{:016x}{:016x}", word(), word())
}
