//! The OSS wire: buckets and objects as the cloud's own clients speak of them.
//!
//! [`Oss::answer`] takes a request as it came and gives the response. The bucket is found by host or
//! path, whoever asks by the signature; buckets are made and removed by the service's requests, and
//! objects stream to and from the data plane.
//!
//! ```text
//! request ─▶ asked: which bucket, key, parameters ─▶ sign: who asks ─▶ turn: what is asked
//!                 ┌───────────┬──────────┬──────────┬──────────────┬──────┴───┐
//!              buckets     settings     list       read    put, copy, parts  remove
//! ```
//!
//! ```
//! let request = http::Request::builder().uri("/disks/web.raw").header("authorization", "OSS key:sig=");
//! assert!(oss::is_bucket_request(&request.body(()).unwrap().into_parts().0));
//! ```
//!
//! To every account but its own a bucket is not there: whatever is asked of it is answered as if
//! nobody had one of that name. Only making one of that name tells, for names are everybody's.
//!
//! What it deliberately does not do: listen (the server does), decide whose key is whose or what a
//! policy means (the service does), or open a file.

mod access;
mod asked;
mod body;
mod buckets;
mod conditions;
mod copy;
mod error;
mod escape;
mod headers;
mod lanes;
mod list;
mod pace;
mod parts;
mod put;
mod read;
mod remove;
mod settings;
mod sign;
#[cfg(test)]
mod tests_door;
#[cfg(test)]
mod tests_sign;
mod time;
mod turn;
mod xml;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use domain::policy::Context;
use domain::port_objects::Objects;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::combinators::BoxBody;
use service::Service;

use crate::asked::Asked;
use crate::error::{Asker, Refused};
use crate::turn::Turn;

pub use crate::body::{Outgoing, drain};
pub use crate::escape::{percent, unpercent};
pub use crate::headers::{KEPT, META, META_BYTES_MAX};
pub use crate::lanes::{Lane, Lanes};
pub use crate::pace::Pace;
pub use crate::sign::NOBODYS_SECRET;

/// The body of a request or a response.
pub type Body = BoxBody<Bytes, io::Error>;

/// What the server knows of the line a request came by; it puts it into the request's extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The client's address.
    pub source_ip: Option<IpAddr>,
    /// Whether it is encrypted.
    pub secure: bool,
}

/// The wire, on an open data directory.
pub struct Oss {
    service: Arc<Service>,
    objects: Arc<dyn Objects>,
    lanes: Lanes,
    asked: AtomicU64,
    chance: RandomState,
}

/// Whether a request is for buckets: its signature is of their kind.
pub fn is_bucket_request(parts: &Parts) -> bool {
    sign::is_signed_for_buckets(&parts.headers, parts.uri.query().unwrap_or_default())
}

impl Oss {
    /// The wire of a service.
    pub fn new(service: Arc<Service>) -> Self {
        let (objects, lanes) = (service.objects(), Lanes::default());
        Self { service, objects, lanes, asked: AtomicU64::new(0), chance: RandomState::new() }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let begin = Instant::now();
        let request_id = self.request_id();
        let (parts, body) = request.into_parts();
        let method = parts.method.clone();
        let asked = Asked::of(&parts);
        let line = parts.extensions.get::<Line>().copied().unwrap_or_default();
        let host = asked.as_ref().map(|asked| asked.host.clone()).unwrap_or_default();
        let mut response = match self.answer_asked(asked, line, body, &request_id).await {
            Ok(response) => response,
            Err(refused) => refused.answer(&Asker { method: &method, host: &host, request_id: &request_id }),
        };
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            headers.insert("x-oss-request-id", id);
        }
        let took_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        headers.insert("x-oss-server-time", HeaderValue::from(took_ms));
        response
    }

    async fn answer_asked(
        &self,
        asked: Result<Asked, Refused>,
        line: Line,
        body: Body,
        request_id: &str,
    ) -> Result<Response<Body>, Refused> {
        let mut body = Some(body);
        let answer = self.try_answer(asked, line, &mut body, request_id).await;
        if let (Err(_), Some(body)) = (&answer, body) {
            body::drain(body).await;
        }
        answer
    }

    async fn try_answer(
        &self,
        asked: Result<Asked, Refused>,
        line: Line,
        body: &mut Option<Body>,
        request_id: &str,
    ) -> Result<Response<Body>, Refused> {
        let asked = asked?;
        let now_ms = self.service.now_ms();
        let who = |key: &str, token: Option<&str>| {
            let found = self.service.who(key, token).map_err(access::unknown)?;
            Ok(found.filter(|found| found.active).map(|found| (found.secret.clone(), found)))
        };
        let signed = sign::verify(&asked, who, now_ms)?;
        let Line { source_ip, secure } = line;
        let mut turn = Turn {
            oss: self,
            asked: &asked,
            place: &signed.place,
            region: signed.region.as_deref(),
            actor: signed.who.actor(),
            identity: &signed.who,
            context: Context { source_ip, now_ms, secure },
            request_id,
            body,
        };
        turn.run().await
    }

    /// 24 hexadecimal digits that no other request has.
    fn request_id(&self) -> String {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let time_ms = self.service.now_ms().unsigned_abs() & 0xff_ffff_ffff;
        format!("{:010X}{:014X}", time_ms, self.chance.hash_one(number) >> 8)
    }
}

/// Whether a method may change something.
pub(crate) fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
