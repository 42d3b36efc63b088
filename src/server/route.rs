//! Tells the wires apart, by path, headers and parameters, and counts what was answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, Request, Response, StatusCode};
use oss::Oss;
use service::Context;
use wire::{Fault, Form};

use crate::access_log::{self, Line};
use crate::body::{self, Body, Unread, plain};
use crate::gate::{Gate, Told, Whole, host, refuse};
use crate::{own, request_id};

/// All that is served.
pub(crate) struct Routes {
    pub(crate) gate: Gate,
    pub(crate) buckets: Oss,
    pub(crate) is_logging: bool,
    /// Whether new requests are still wanted.
    pub(crate) is_draining: std::sync::atomic::AtomicBool,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// Whether it speaks TLS.
    pub(crate) is_secure: bool,
}

/// Answers a request, whatever it is.
pub(crate) async fn answer(routes: Arc<Routes>, request: Request<Body>, peer: Peer) -> Response<Body> {
    let begun = Instant::now();
    let id = request_id::fresh();
    let mut told = Told::default();
    let method = request.method().clone();
    let response = Box::pin(routes.route(request, peer, &id, &mut told)).await;
    let status = response.status().as_u16();
    let took = begun.elapsed();
    routes.gate.metrics.count(kind(&told.what), status, took);
    if routes.is_logging {
        access_log::write(&Line {
            time_ms: now_ms(),
            request_id: &id,
            peer: &peer.address.to_string(),
            method: method.as_str(),
            what: &told.what,
            account: &told.account,
            key: &told.key,
            status,
            code: &told.code,
            took,
        });
    }
    response
}

/// What a request is counted as: only words of ours, for anybody may ask anything.
fn kind(what: &str) -> &str {
    match what {
        "/health" | "/ready" | "/metrics" | own::PATH => what,
        name => match name.split_once(' ') {
            Some(_) => "bucket",
            None => ecs::known_name(name).unwrap_or("other"),
        },
    }
}

/// The time, milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Routes {
    async fn route(&self, request: Request<Body>, peer: Peer, id: &str, told: &mut Told) -> Response<Body> {
        let (parts, incoming) = request.into_parts();
        parts.uri.path().clone_into(&mut told.what);
        if let Some(said) = self.about_itself(&parts) {
            return said;
        }
        if oss::is_bucket_request(&parts) {
            told.what = format!("{} {}", parts.method, parts.uri.path());
            return self.buckets.answer(Request::from_parts(parts, incoming)).await;
        }
        let bytes = match body::read(&parts.headers, incoming).await {
            Ok(bytes) => bytes,
            Err(unread) => {
                let mut response = refuse(&fault(&unread), Form::Json, id, &host(&parts), told);
                // What was not read cannot be told from the next request.
                response
                    .headers_mut()
                    .insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
                return response;
            }
        };
        let context = Context { source_ip: Some(peer.address), now_ms: now_ms(), secure: peer.is_secure };
        let whole = Whole { parts: &parts, body: &bytes, request_id: id, context };
        if parts.method == Method::POST && parts.uri.path() == own::PATH {
            return own::answer(&self.gate, whole, told).await;
        }
        self.gate.answer(whole, told).await
    }

    /// Health, readiness and metrics: unsigned, and they say nothing of what is stored.
    fn about_itself(&self, parts: &http::request::Parts) -> Option<Response<Body>> {
        if ![Method::GET, Method::HEAD].contains(&parts.method) {
            return None;
        }
        match parts.uri.path() {
            "/health" => Some(plain(StatusCode::OK, "ok\n")),
            "/ready" if self.is_draining.load(std::sync::atomic::Ordering::Acquire) => {
                Some(plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"))
            }
            "/ready" => Some(plain(StatusCode::OK, "ready\n")),
            "/metrics" => Some(plain(StatusCode::OK, self.gate.metrics.text())),
            _ => None,
        }
    }
}

fn fault(unread: &Unread) -> Fault {
    match unread {
        Unread::TooLong => {
            let why = format!("The body is too long: a request has at most {} bytes.", body::WHOLE_BYTES_MAX);
            Fault::new(413, "RequestEntityTooLarge", why)
        }
        Unread::TooSlow => Fault::new(408, "RequestTimeout", "The body did not come in time."),
        Unread::Broken => Fault::new(400, "InvalidParameter", "The body could not be read."),
    }
}
