//! The S3 dialect: the buckets of the OSS wire, as the clients of the other cloud speak of them.
//!
//! [`S3::answer`] takes a request as it came and gives the response. Parsing, signatures, the framing of
//! signed bodies and the documents are those of the crate `s3s`; what is done is what [`oss`] does: the same
//! buckets, keys and policies, the same streams to and from the data plane.
//!
//! ```text
//! request ─▶ host: which bucket it may name ─▶ turn: who asks ─▶ s3s: signature, operation, input
//!        ─▶ access: may they ─▶ operations ─┬─ buckets   list   read
//!                                           └─ write   copy   parts   remove
//! ```
//!
//! ```
//! let signed = "AWS4-HMAC-SHA256 Credential=KEY/20261125/cn-hangzhou/s3/aws4_request, SignedHeaders=host";
//! let request = http::Request::builder().uri("/disks/web.raw").header("authorization", signed);
//! assert!(s3::is_s3_request(&request.body(()).unwrap().into_parts().0));
//! ```
//!
//! A tag is upper-case to clients of OSS and lower-case to those of S3; headers of users are kept under the
//! names of OSS. Nothing else of an object tells by which dialect it came.
//!
//! What it deliberately does not do: listen, decide whose key is whose, or open a file; and what the OSS wire
//! has no call for (versions, locks, lifecycles …) is `NotImplemented`.

mod access;
mod body;
mod buckets;
mod checksum;
mod chunks;
mod conditions;
mod copy;
mod error;
mod headers;
mod host;
mod list;
mod operations;
mod parts;
mod read;
mod remove;
mod turn;
mod write;

use std::io;
use std::sync::Arc;

use domain::port_objects::Objects;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use oss::{Body, Lanes, Line};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use service::Service;

use crate::body::Lent;
use crate::host::Signer;
use crate::turn::Turn;

/// Bytes of an XML document that comes with a request: a list of 10,000 parts, each with its tag and a
/// checksum, takes somewhat less.
const DOCUMENT_BYTES_MAX: usize = 4 << 20;

/// The dialect, on an open data directory.
pub struct S3 {
    service: Arc<Service>,
    objects: Arc<dyn Objects>,
    lanes: Lanes,
    config: Arc<StaticConfigProvider>,
}

/// Who asked, as the access log tells it; it is in the response's extensions if the key is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The account.
    pub account: String,
    /// The access key.
    pub key: String,
}

/// Whether a request is of this dialect: its signature is of their kind, or of the kind they gave up.
pub fn is_s3_request(parts: &Parts) -> bool {
    Signer::of(parts).is_some()
}

impl S3 {
    /// The dialect of a service.
    pub fn new(service: Arc<Service>) -> Self {
        let (objects, lanes) = (service.objects(), Lanes::default());
        let mut config = S3Config::default();
        config.xml_max_body_size = DOCUMENT_BYTES_MAX;
        Self { service, objects, lanes, config: Arc::new(StaticConfigProvider::new(Arc::new(config))) }
    }

    /// Answers a request under an id that no other has.
    pub async fn answer(&self, request: Request<Body>, request_id: &str) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let line = parts.extensions.get::<Line>().copied().unwrap_or_default();
        let lent = Lent::new(body, &parts.headers);
        let back = lent.back();
        let begun = Turn::begin(self, &parts, line, request_id);
        let (mut response, asker) = match begun {
            Ok(turn) => {
                let response = self.ask(&turn, Request::from_parts(parts, lent)).await;
                (response, turn.asker())
            }
            Err(refused) => (error::answer(&refused), None),
        };
        if response.status().is_client_error() || response.status().is_server_error() {
            // Its client sees the answer, and not a connection that was reset.
            if let Some(body) = back.take() {
                oss::drain(body).await;
            }
        }
        if response.status() == StatusCode::NOT_MODIFIED {
            // Here HTTP has no document.
            *response.body_mut() = Empty::new().map_err(|never| match never {}).boxed();
            response.headers_mut().remove(header::CONTENT_TYPE);
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        if let Some(asker) = asker {
            response.extensions_mut().insert(asker);
        }
        response
    }

    async fn ask(&self, turn: &Turn, request: Request<Lent>) -> Response<Body> {
        let called = self.adapter(turn).call(request.map(s3s::Body::http_body)).await;
        let response = match called {
            Ok(response) => response.map(|body| body.map_err(io::Error::other).boxed()),
            Err(failed) => {
                let failed = s3s::StdError::from(failed);
                tracing::warn!(%failed, "a request of the S3 dialect has no answer");
                error::answer(&error::inside())
            }
        };
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR && !turn.is_begun() {
            // The adapter calls it its own failure when a document cannot be read.
            return error::answer(&error::incomplete());
        }
        response
    }

    /// The adapter for one request: who asks is known by what comes with it, so each has its own.
    fn adapter(&self, turn: &Turn) -> S3Service {
        let mut builder = S3ServiceBuilder::new(turn.clone());
        builder.set_auth(turn.clone());
        builder.set_access(turn.clone());
        builder.set_host(turn.clone());
        builder.set_config(self.config.clone());
        builder.build()
    }
}
