//! One request whose sender is known: which operation it is.

use domain::port::Location;
use event::Actor;
use http::{Method, Response, StatusCode};
use service::OwnBucket;

use crate::asked::{Asked, Place};
use crate::body::{Incoming, full};
use crate::error::Refused;
use crate::{Body, Oss};

/// Bytes of an XML document that comes with a request: far more than a list of 10,000 parts or of
/// 1,000 keys takes.
const DOCUMENT_BYTES_MAX: u64 = 2 << 20;

/// What takes another function than the bucket or the object itself; each is named by a parameter.
const UNDONE: [&str; 5] = ["x-oss-process", "x-oss-async-process", "symlink", "restore", "versions"];

/// See above.
pub(crate) struct Turn<'a> {
    pub(crate) oss: &'a Oss,
    pub(crate) asked: &'a Asked,
    pub(crate) place: &'a Place,
    /// The region that the signature names.
    pub(crate) region: Option<&'a str>,
    pub(crate) actor: Actor,
    pub(crate) request_id: &'a str,
    /// The request's body, until somebody reads it.
    pub(crate) body: &'a mut Option<Body>,
}

/// An answer, or why there is none.
pub(crate) type Answer = Result<Response<Body>, Refused>;

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(Vec::new()));
    *response.status_mut() = status;
    response
}

/// An answer that is a document.
pub(crate) fn document(xml: String) -> Response<Body> {
    let mut response = Response::new(full(xml));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/xml"));
    response
}

impl Turn<'_> {
    /// Does what is asked.
    pub(crate) async fn run(&mut self) -> Answer {
        if let Some(what) = UNDONE.into_iter().find(|name| self.asked.has(name)) {
            return Err(Refused::not_implemented(what));
        }
        match &self.place.bucket {
            None => self.service().await,
            Some(_) if self.place.key.is_empty() => self.bucket().await,
            Some(_) => self.object().await,
        }
    }

    async fn service(&mut self) -> Answer {
        match self.asked.method {
            Method::GET if self.asked.has("regions") => self.list_regions(),
            Method::GET => self.list_buckets(),
            _ => Err(self.not_allowed()),
        }
    }

    async fn bucket(&mut self) -> Answer {
        if let Some(setting) = self.setting() {
            return self.set(setting).await;
        }
        match self.asked.method {
            Method::GET if self.asked.has("bucketInfo") => self.bucket_info(),
            Method::GET if self.asked.has("location") => self.bucket_location(),
            Method::GET if self.asked.has("stat") => self.bucket_stat().await,
            Method::GET if self.asked.has("uploads") => self.list_uploads().await,
            Method::GET => self.list_objects().await,
            Method::HEAD => self.head_bucket(),
            Method::PUT => self.create_bucket().await,
            Method::DELETE => self.delete_bucket().await,
            Method::POST if self.asked.has("delete") => self.delete_objects().await,
            _ => Err(self.not_allowed()),
        }
    }

    async fn object(&mut self) -> Answer {
        let has = |name| self.asked.has(name);
        match self.asked.method {
            _ if has("acl") => self.object_acl().await,
            _ if has("tagging") => self.object_tagging().await,
            Method::GET if has("uploadId") => self.list_parts().await,
            Method::GET | Method::HEAD if has("objectMeta") => self.object_meta().await,
            Method::GET => self.get_object().await,
            Method::HEAD => self.head_object().await,
            Method::PUT if has("partNumber") || has("uploadId") => self.upload_part().await,
            Method::PUT if self.asked.headers.contains_key("x-oss-copy-source") => self.copy_object().await,
            Method::PUT => self.put_object().await,
            Method::POST if has("append") => self.append_object().await,
            Method::POST if has("uploads") => self.initiate_upload().await,
            Method::POST if has("uploadId") => self.complete_upload().await,
            Method::DELETE if has("uploadId") => self.abort_upload().await,
            Method::DELETE => self.delete_object().await,
            _ => Err(self.not_allowed()),
        }
    }

    fn not_allowed(&self) -> Refused {
        let why = "The specified method is not allowed against this resource.";
        Refused::new(405, "MethodNotAllowed", why).with("Method", self.asked.method.as_str())
    }

    /// The name of the bucket that is spoken of.
    pub(crate) fn bucket_name(&self) -> &str {
        self.place.bucket.as_deref().unwrap_or_default()
    }

    /// The bucket that is spoken of, if it is the account's.
    pub(crate) fn own(&self) -> Result<OwnBucket, Refused> {
        let name = self.bucket_name();
        self.oss.service.own_bucket(&self.actor, name).map_err(|trouble| match Refused::from(trouble) {
            refused if refused.code == "NoSuchBucket" => Refused::no_bucket(name),
            refused => refused,
        })
    }

    /// The object that is spoken of, in a bucket of the account.
    pub(crate) fn at(&self) -> Result<Location, Refused> {
        let bucket = self.own()?.at;
        check_key(&self.place.key)?;
        Ok(Location::object(bucket, self.place.key.clone()))
    }

    /// The body, of at most so many bytes.
    pub(crate) fn incoming(&mut self, bytes_max: u64) -> Incoming {
        Incoming::new(self.body.take().unwrap_or_else(|| full(Vec::new())), bytes_max)
    }

    /// The body as a document.
    pub(crate) async fn document_bytes(&mut self) -> Result<Vec<u8>, Refused> {
        self.incoming(DOCUMENT_BYTES_MAX).whole().await
    }
}

/// Fails unless an object can have that key.
pub(crate) fn check_key(key: &str) -> Result<(), Refused> {
    domain::name::object_key(key).map_err(|refusal| {
        let why = "The specified object is not valid.";
        let _ = refusal;
        Refused::new(400, "InvalidObjectName", why).with("ObjectName", key)
    })
}
