//! Calls to a server elsewhere.

use std::time::Duration;

use bytes::Bytes;
use event::Actor;
use http::{HeaderMap, HeaderValue, Method, Request as HttpRequest};
use service::{Call, Family, Manner, PROTOCOL, Reply, Request, Trouble};
use wire::{Pairs, Seen, sha256_hex, sign_acs3};

use crate::Endpoint;
use crate::connection::{Connection, Sent};

/// Where calls go.
const PATH: &str = "/kiln/v1";
/// What calls are signed as: an action and a version of our own.
const ACTION: &str = "KilnCall";
const VERSION: &str = "kiln-1";
/// Times a call is sent while nobody answers.
const TRIES_MAX: u32 = 4;
/// A pause between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// An access key and its secret.
#[derive(Clone)]
pub struct Keys {
    /// The key's id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// A server elsewhere.
pub struct Remote {
    endpoint: Endpoint,
    keys: Keys,
    manner: Manner,
    connection: Connection,
}

impl Remote {
    /// A server that is asked with a key, in a manner.
    pub fn new(endpoint: Endpoint, keys: Keys, manner: Manner) -> Self {
        Self { connection: Connection::new(endpoint.clone()), endpoint, keys, manner }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether it is only asked whether something could be done.
    pub fn is_dry_run(&self) -> bool {
        self.manner.dry_run
    }

    /// Asks, and takes the answer as what it has to be.
    pub async fn ask<T: TryFrom<Reply, Error = Trouble>>(&self, request: Request) -> Result<T, Trouble> {
        let actor = Actor { account: String::new(), key: self.keys.id.clone() };
        let call = Call {
            protocol: PROTOCOL,
            drive: true,
            actor,
            id: random(),
            manner: self.manner.clone(),
            request,
        };
        let body = Bytes::from(
            service::encode(&call).map_err(|error| Trouble::world("writing the request", error))?,
        );
        let mut tried = 1;
        loop {
            match self.connection.ask(self.signed(&body)).await {
                Ok(answer) if answer.status().is_success() => {
                    let answer: Result<Reply, Trouble> = service::decode(answer.body()).map_err(|error| {
                        Trouble::world(format_args!("understanding the server at {}", self.endpoint), error)
                            .advise("it may be another version of `kiln`: use the same program for both")
                    })?;
                    return T::try_from(answer?);
                }
                Ok(answer) => {
                    let trouble = refused(answer.body());
                    if !trouble.code.starts_with("Throttling") || tried == TRIES_MAX {
                        return Err(trouble);
                    }
                }
                // Under the same id, so that what has begun is found.
                Err(lost) if tried == TRIES_MAX => return Err(lost),
                Err(_) => {}
            }
            tried += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A call, signed anew: no signature is accepted twice.
    fn signed(&self, body: &Bytes) -> HttpRequest<Sent> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let time = wire::seconds(i64::try_from(now.as_millis()).unwrap_or_default());
        let mut headers = HeaderMap::new();
        let text = |text: &str| HeaderValue::from_str(text).expect("it is plain ASCII");
        headers.insert(http::header::HOST, text(&self.endpoint.authority()));
        headers.insert("x-acs-action", HeaderValue::from_static(ACTION));
        headers.insert("x-acs-version", HeaderValue::from_static(VERSION));
        headers.insert("x-acs-date", text(&time));
        headers.insert("x-acs-signature-nonce", text(&random()));
        headers.insert("x-acs-content-sha256", text(&sha256_hex(body)));
        let none = Pairs::default();
        let seen = Seen { method: "POST", path: PATH, headers: &headers, query: &none, all: &none, body };
        let authorization = sign_acs3(&self.keys.id, &self.keys.secret, seen);
        let mut request = HttpRequest::new(Sent::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = http::Uri::from_static(PATH);
        *request.headers_mut() = headers;
        if let Ok(authorization) = HeaderValue::from_str(&authorization) {
            request.headers_mut().insert(http::header::AUTHORIZATION, authorization);
        }
        request
    }
}

/// What the gate of the server says, in the envelope of the API.
fn refused(body: &[u8]) -> Trouble {
    let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| said.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let (code, message) = (text("Code"), text("Message"));
    if code.is_empty() {
        return Trouble::new(Family::World, "ServiceUnavailable", "what answers there is no server of Kiln");
    }
    let advice = match code.as_str() {
        "InvalidAccessKeyId.NotFound" | "SignatureDoesNotMatch" => {
            "look at KILN_ACCESS_KEY_ID and KILN_ACCESS_KEY_SECRET; `kiln key create` makes a key"
        }
        "InvalidTimeStamp.Expired" => "set the clock of this computer or of the server's",
        _ => "",
    };
    // The message of a wrong signature holds all that was signed, which helps nobody here.
    let message =
        if code == "SignatureDoesNotMatch" { "the secret is not the key's".to_owned() } else { message };
    Trouble::new(Family::Refused, &code, message).advise(advice)
}

/// A word nobody has used.
fn random() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    format!("{:032x}", u128::from_be_bytes(bytes))
}
