//! Requests to a collector of traces. Whoever sends is a thread without a runtime, so the work is done on that of the
//! process; a batch has a connection of its own, as there is one in some seconds.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// How long a batch may take, tries again included: the standard's default.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long one try may take.
const TRY_MAX: Duration = Duration::from_secs(3);
/// The longest answer that is read: it says how many spans were refused, and why.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Where a collector listens that names no port.
const PORT_DEFAULT: u16 = 80;

/// Tells the person a line.
pub(crate) type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// A client of one collector.
pub(crate) struct Client {
    runtime: Handle,
    tell: Tell,
    is_lost: AtomicBool,
}

impl fmt::Debug for Client {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.debug_struct("Client").field("is_lost", &self.is_lost).finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn new(runtime: Handle, tell: Tell) -> Self {
        Self { runtime, tell, is_lost: AtomicBool::new(false) }
    }

    /// Tells when the collector is lost and when it is found again, and nothing of the tries between.
    fn heard(&self, to: &Uri, answer: &Result<Response<Bytes>, HttpError>) {
        let trouble = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        match trouble {
            Some(why) if !self.is_lost.swap(true, Ordering::Relaxed) => {
                (self.tell)(&format!("traces do not arrive at {to}: {why}; nothing waits for them"));
            }
            None if self.is_lost.swap(false, Ordering::Relaxed) => {
                (self.tell)(&format!("traces arrive at {to} again"));
            }
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let to = request.uri().clone();
        // The clock of the runtime is read where it runs.
        let sent = self.runtime.spawn(async move { tokio::time::timeout(TRY_MAX, send(request)).await });
        let answer = match sent.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("it does not answer".into()),
            Err(ended) => Err(ended.into()),
        };
        self.heard(&to, &answer);
        answer
    }
}

async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().cloned().ok_or("its address names no host")?;
    let address = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(PORT_DEFAULT));
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends with the sender; what breaks it is told where the answer is waited for.
    tokio::spawn(connection);
    head.headers.insert(HOST, authority.as_str().parse()?);
    head.uri = head.uri.path_and_query().map_or("/", PathAndQuery::as_str).parse()?;
    let answer = sender.send_request(Request::from_parts(head, Full::new(body))).await?;
    let (head, body) = answer.into_parts();
    let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
    Ok(Response::from_parts(head, bytes))
}
