//! Tells the wires apart, by path, headers and parameters, and counts what was answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use oss::Oss;
use s3::S3;
use service::Context;
use wire::{Fault, Form};

use crate::access_log::{self, Line};
use crate::body::{self, Body, Unread, plain};
use crate::gate::{Gate, Told, Whole, host, refuse};
use crate::{metrics_engine, own, request_id};

/// All that is served.
pub(crate) struct Routes {
    pub(crate) gate: Gate,
    pub(crate) buckets: Oss,
    /// The same buckets in the other dialect.
    pub(crate) s3: S3,
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
    routes.gate.metrics.count(told.action.unwrap_or_else(|| kind(&told.what)), status, took);
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
fn kind(what: &str) -> &'static str {
    const PATHS: [&str; 4] = ["/health", "/ready", "/metrics", own::PATH];
    match PATHS.into_iter().find(|path| *path == what) {
        Some(path) => path,
        None => match what.split_once(' ') {
            Some(_) => "bucket",
            None => ecs::known_name(what).unwrap_or("other"),
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
        // Most requests say at once that they are an action's.
        let is_action = is_signed_action(&parts);
        let is_s3 = !is_action && s3::is_s3_request(&parts);
        if is_s3 || !is_action && (oss::is_bucket_request(&parts) || is_of_an_object(&parts)) {
            told.what = format!("{} {}", parts.method, parts.uri.path());
            let mut request = Request::from_parts(parts, incoming);
            let line = oss::Line { source_ip: Some(peer.address), secure: peer.is_secure };
            request.extensions_mut().insert(line);
            if is_s3 {
                // Apart, as all that is long, so that the requests which are most are small.
                let response = Box::pin(self.s3.answer(request, id)).await;
                if let Some(asker) = response.extensions().get::<s3::Asker>() {
                    told.account.clone_from(&asker.account);
                    told.key.clone_from(&asker.key);
                }
                return response;
            }
            return Box::pin(self.buckets.answer(request)).await;
        }
        let read = if incoming.is_end_stream() {
            Ok(Bytes::new())
        } else {
            Box::pin(body::read(&parts.headers, incoming)).await
        };
        let bytes = match read {
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
            return Box::pin(own::answer(&self.gate, whole, told)).await;
        }
        self.gate.answer(whole, told).await
    }

    fn metrics(&self) -> String {
        self.gate.metrics.text()
            + &metrics_engine::text(&self.gate.service.measured(), &self.gate.service.archived())
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
            "/metrics" => Some(plain(StatusCode::OK, self.metrics())),
            _ => None,
        }
    }
}

/// Whether a request is an action's in the newer style, by the two headers that have all of it.
fn is_signed_action(parts: &http::request::Parts) -> bool {
    let header = |name: &str| parts.headers.get(name).map(http::HeaderValue::as_bytes);
    header("x-acs-action").is_some()
        && header("authorization").is_some_and(|said| said.starts_with(wire::ACS3.as_bytes()))
}

/// Whether a request that nobody signed asks for an object or a bucket: it names no action, and more than
/// the root. What answers it in its own envelope is the bucket wire.
fn is_of_an_object(parts: &http::request::Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    let names_action = parts.headers.contains_key("x-acs-action")
        || query.split('&').any(|part| part.starts_with("Action=") || part.starts_with("Signature="));
    let is_own = parts.uri.path() == own::PATH;
    !names_action
        && !is_own
        && (parts.uri.path() != "/" || ![Method::GET, Method::POST].contains(&parts.method))
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
