//! What the wire says when something cannot be: a status, a code, an XML document.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use event::Failure;
use http::{HeaderValue, Method, Response, StatusCode};
use service::{Family, Trouble};

use crate::Body;
use crate::body::full;
use crate::xml::document;

/// A request refused, or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Further elements of the document.
    pub(crate) more: Vec<(&'static str, String)>,
}

/// Who is answered.
pub(crate) struct Asker<'a> {
    pub(crate) method: &'a Method,
    pub(crate) host: &'a str,
    pub(crate) request_id: &'a str,
}

impl Refused {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), more: Vec::new() }
    }

    /// With a further element in the document.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.more.push((name, text.into()));
        self
    }

    /// A parameter or header has a value that it cannot have.
    pub(crate) fn argument(name: &str, value: &str) -> Self {
        Self::new(400, "InvalidArgument", format!("The value of `{name}` is not valid."))
            .with("ArgumentName", name)
            .with("ArgumentValue", value)
    }

    /// Kiln does not do this.
    pub(crate) fn not_implemented(what: &str) -> Self {
        let why =
            format!("A header or query you provided requests a function that is not implemented: {what}.");
        Self::new(501, "NotImplemented", why)
    }

    pub(crate) fn no_bucket(name: &str) -> Self {
        Self::new(404, "NoSuchBucket", "The specified bucket does not exist.").with("BucketName", name)
    }

    pub(crate) fn no_key(key: &str) -> Self {
        Self::new(404, "NoSuchKey", "The specified key does not exist.").with("Key", key)
    }

    /// The answer. A request for headers alone gets the document in one of them.
    pub(crate) fn answer(&self, asker: &Asker<'_>) -> Response<Body> {
        let xml = document("Error", |error| {
            error.text("Code", &self.code).text("Message", &self.message);
            error.text("RequestId", asker.request_id).text("HostId", asker.host);
            for (name, text) in &self.more {
                error.text(name, text);
            }
            error.text("EC", self.ec());
        });
        let mut response = Response::builder()
            .status(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        let has_body = asker.method != Method::HEAD && self.status != 304;
        if has_body {
            response = response.header("content-type", "application/xml");
        } else if self.status != 304
            && let Ok(value) = HeaderValue::from_str(&BASE64_STANDARD.encode(&xml))
        {
            response = response.header("x-oss-err", value);
        }
        let body = if has_body { full(xml) } else { full(Vec::new()) };
        response.header("x-oss-ec", self.ec()).body(body).expect("the parts of an answer are plain")
    }

    /// OSS numbers its errors; a client shows the number and looks it up in documents of the cloud.
    fn ec(&self) -> &'static str {
        match self.code.as_str() {
            "SignatureDoesNotMatch" => "0002-00000040",
            "InvalidAccessKeyId" => "0002-00000902",
            "RequestTimeTooSkewed" => "0002-00000504",
            "NoSuchBucket" => "0015-00000101",
            "NoSuchKey" => "0026-00000001",
            "BucketNotEmpty" => "0015-00000301",
            "BucketAlreadyExists" => "0015-00000104",
            "FileAlreadyExists" => "0026-00000002",
            "NoSuchUpload" => "0042-00000002",
            _ => "0003-00000001",
        }
    }
}

/// What codes of Kiln are on this wire.
fn translated(trouble: &Trouble) -> (u16, &str) {
    match trouble.code.as_str() {
        "InvalidOSSBucket.NotFound" => (404, "NoSuchBucket"),
        "InvalidOSSBucket.Malformed" => (400, "InvalidBucketName"),
        "InvalidOSSObject.Malformed" => (400, "InvalidObjectName"),
        "InvalidOSSObject.NotFound" | "NoSuchKey" => (404, "NoSuchKey"),
        "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" => (409, "BucketAlreadyExists"),
        "NoSuchUpload" => (404, "NoSuchUpload"),
        code @ ("BucketNotEmpty"
        | "FileAlreadyExists"
        | "PositionNotEqualToLength"
        | "ObjectNotAppendable") => (409, code),
        code @ ("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" | "InvalidDigest"
        | "IncompleteBody") => (400, code),
        "InvalidAccount.NotFound" => (403, "InvalidAccessKeyId"),
        "Storage.Full" => (507, "InsufficientStorage"),
        _ => match trouble.family {
            Family::Refused => (400, "InvalidArgument"),
            Family::World | Family::Parked | Family::Ended => (503, "ServiceUnavailable"),
            Family::Damaged | Family::Ours => (500, "InternalError"),
        },
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        let (status, code) = translated(&trouble);
        if status >= 500 {
            // What failed inside is for the operator; a client is told that something did.
            tracing::warn!(code = trouble.code, message = trouble.message, "a bucket request failed");
        }
        match (status, code) {
            (404, "NoSuchBucket") => Self::new(404, code, "The specified bucket does not exist."),
            (500.., "InternalError") => {
                Self::new(status, code, "We encountered an internal error. Please try again.")
            }
            (503, _) => Self::new(status, code, "The service cannot answer now. Please try again."),
            _ => Self::new(status, code, trouble.message.clone()),
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Trouble::from(failure).into()
    }
}
