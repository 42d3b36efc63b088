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
//! # fn keys() {}
//! let request = http::Request::builder().uri("/disks/web.raw").header("authorization", "OSS key:sig=");
//! assert!(oss::is_bucket_request(&request.body(()).unwrap().into_parts().0));
//! ```
//!
//! To every account but its own a bucket is not there: whatever is asked of it is answered as if
//! nobody had one of that name. Only making one of that name tells, for names are everybody's.
//!
//! What it deliberately does not do: listen (the server does), decide whose key is whose ([`Keys`]),
//! or open a file.

mod asked;
mod body;
mod buckets;
mod conditions;
mod copy;
mod error;
mod escape;
mod headers;
mod list;
mod parts;
mod put;
mod read;
mod remove;
mod settings;
mod sign;
mod time;
mod turn;
mod xml;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use domain::AccountId;
use domain::port_objects::Objects;
use event::Actor;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::combinators::BoxBody;
use service::Service;

use crate::asked::Asked;
use crate::error::{Asker, Refused};
use crate::turn::Turn;

/// The body of a request or a response.
pub type Body = BoxBody<Bytes, io::Error>;

/// Who knows the secrets of keys.
pub trait Keys: Send + Sync + 'static {
    /// The secret of an active key, and whose it is.
    fn key(&self, id: &str) -> Option<(String, AccountId)>;
}

/// The wire, on an open data directory.
pub struct Oss {
    service: Arc<Service>,
    objects: Arc<dyn Objects>,
    keys: Arc<dyn Keys>,
    asked: AtomicU64,
    chance: RandomState,
}

/// Whether a request is for buckets: its signature is of their kind.
pub fn is_bucket_request(parts: &Parts) -> bool {
    sign::is_signed_for_buckets(&parts.headers, parts.uri.query().unwrap_or_default())
}

impl Oss {
    /// The wire of a service.
    pub fn new(service: Arc<Service>, keys: Arc<dyn Keys>) -> Self {
        let objects = service.objects();
        Self { service, objects, keys, asked: AtomicU64::new(0), chance: RandomState::new() }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let begin = Instant::now();
        let request_id = self.request_id();
        let (parts, body) = request.into_parts();
        let method = parts.method.clone();
        let asked = Asked::of(&parts);
        let host = asked.as_ref().map(|asked| asked.host.clone()).unwrap_or_default();
        let mut response = match self.answer_asked(asked, body, &request_id).await {
            Ok(response) => response,
            Err(refused) => refused.answer(&Asker { method: &method, host: &host, request_id: &request_id }),
        };
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            headers.insert("x-oss-request-id", id);
        }
        headers.insert("x-oss-server-time", HeaderValue::from(begin.elapsed().as_millis() as u64));
        response
    }

    async fn answer_asked(
        &self,
        asked: Result<Asked, Refused>,
        body: Body,
        request_id: &str,
    ) -> Result<Response<Body>, Refused> {
        let mut body = Some(body);
        let answer = self.try_answer(asked, &mut body, request_id).await;
        if let (Err(_), Some(body)) = (&answer, body) {
            body::drain(body).await;
        }
        answer
    }

    async fn try_answer(
        &self,
        asked: Result<Asked, Refused>,
        body: &mut Option<Body>,
        request_id: &str,
    ) -> Result<Response<Body>, Refused> {
        let asked = asked?;
        let signed = sign::verify(&asked, &*self.keys, self.service.now_ms())?;
        let actor = Actor { account: signed.account.0, key: signed.key_id };
        let mut turn = Turn {
            oss: self,
            asked: &asked,
            place: &signed.place,
            region: signed.region.as_deref(),
            actor,
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
