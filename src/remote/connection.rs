//! One connection, kept for the next request.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use service::Trouble;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::Endpoint;

/// How long a server may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A body that is sent.
pub(crate) type Sent = Full<Bytes>;

/// The connection to a server, opened when it is needed.
pub(crate) struct Connection {
    endpoint: Endpoint,
    open: Mutex<Option<SendRequest<Sent>>>,
}

impl Connection {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, open: Mutex::new(None) }
    }

    /// Sends a request and reads the answer whole.
    pub(crate) async fn ask(&self, request: Request<Sent>) -> Result<Response<Bytes>, Trouble> {
        let mut open = self.open.lock().await;
        let mut sender = match open.take() {
            Some(sender) if sender.is_ready() => sender,
            _ => self.connect().await?,
        };
        let lost = |error: hyper::Error| self.trouble("asking", &error);
        let response: Response<Incoming> = sender.send_request(request).await.map_err(lost)?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map_err(lost)?.to_bytes();
        *open = Some(sender);
        Ok(Response::from_parts(parts, bytes))
    }

    async fn connect(&self) -> Result<SendRequest<Sent>, Trouble> {
        let stream = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(self.endpoint.authority())).await;
        let stream = stream.map_err(|_| self.trouble("connecting to", &"it does not answer"))?;
        let stream = stream.map_err(|error| self.trouble("connecting to", &error))?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| self.trouble("speaking with", &error))?;
        // It ends with the sender; what breaks it is told where it is used.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn trouble(&self, doing: &str, error: &dyn std::fmt::Display) -> Trouble {
        Trouble::world(format_args!("{doing} the server at {}", self.endpoint), error).advise(
            "look whether `kiln serve` runs there, and whether this endpoint is the one it listens on",
        )
    }
}
