//! One request: who asks, for what, and what they have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::policy::Context;
use domain::port::Location;
use domain::port_objects::Objects;
use event::Actor;
use http::Method;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use oss::{Lane, Lanes, Line};
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::{S3Error, S3ErrorCode, S3Result};
use service::{Family, Identity, OwnBucket, Service, Trouble};

use crate::error::{refused, told};
use crate::host::{Signer, lasts_too_long, named_bucket};
use crate::{Asker, S3};

/// See above. The adapter wants one for each of its ports, so what is in it is shared.
#[derive(Clone)]
pub(crate) struct Turn(Arc<Known>);

struct Known {
    service: Arc<Service>,
    objects: Arc<dyn Objects>,
    lanes: Lanes,
    /// Who says they ask; proved once the adapter has compared the signature.
    who: Option<Identity>,
    context: Context,
    request_id: String,
    /// The bucket in the host's name.
    host_bucket: Option<String>,
    /// Whether the adapter has found the signature to be theirs.
    is_proved: AtomicBool,
    /// Whether an operation has its input.
    is_begun: AtomicBool,
}

/// What a key that cannot be used for its token is answered.
fn unknown(trouble: Trouble) -> S3Error {
    match trouble.family {
        Family::Refused if trouble.code.ends_with(".Expired") => {
            refused(S3ErrorCode::ExpiredToken, "The provided token has expired.")
        }
        Family::Refused => {
            refused(S3ErrorCode::InvalidToken, "The provided token is malformed or otherwise invalid.")
        }
        _ => told(trouble),
    }
}

/// The policy of whoever asks says no.
pub(crate) fn denied(what: &service::Denied) -> S3Error {
    let why = format!("You have no right to do `{}` with `{}`.", what.action, what.resource);
    refused(S3ErrorCode::AccessDenied, why)
}

impl Turn {
    /// Reads who asks, and of which bucket. That nobody may ask in this way is said here.
    pub(crate) fn begin(s3: &S3, parts: &Parts, line: Line, request_id: &str) -> S3Result<Self> {
        let Some(Signer::Key { id, token }) = Signer::of(parts) else {
            let why = "The authorization mechanism you have provided is not supported. Please use \
                       AWS4-HMAC-SHA256.";
            return Err(refused(S3ErrorCode::InvalidRequest, why));
        };
        if lasts_too_long(parts) {
            let why = "X-Amz-Expires must be less than a week (in seconds) that is, the given X-Amz-Expires must \
                       be less than 604800 seconds";
            return Err(refused(S3ErrorCode::AuthorizationQueryParametersError, why));
        }
        let kind = parts.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
        if parts.method == Method::POST && kind.is_some_and(|kind| kind.starts_with(b"multipart/")) {
            // The adapter would read a form's file into memory before anybody is proved.
            return Err(refused(S3ErrorCode::NotImplemented, "Objects cannot be posted as forms."));
        }
        let who = s3.service.who(&id, token.as_deref()).map_err(unknown)?.filter(|who| who.active);
        let is_own =
            |name: &str| who.as_ref().is_some_and(|who| s3.service.own_bucket(&who.actor(), name).is_ok());
        let host_bucket = named_bucket(parts, is_own);
        let Line { source_ip, secure } = line;
        Ok(Self(Arc::new(Known {
            service: s3.service.clone(),
            objects: s3.objects.clone(),
            lanes: s3.lanes.clone(),
            who,
            context: Context { source_ip, now_ms: s3.service.now_ms(), secure },
            request_id: request_id.to_owned(),
            host_bucket,
            is_proved: AtomicBool::new(false),
            is_begun: AtomicBool::new(false),
        })))
    }

    /// Who asks, for the access log, once that is proved.
    pub(crate) fn asker(&self) -> Option<Asker> {
        let who = self.0.who.as_ref().filter(|_| self.0.is_proved.load(Ordering::Relaxed))?;
        Some(Asker { account: who.account.0.clone(), key: who.key.clone() })
    }

    /// Says that the signature is theirs.
    pub(crate) fn proves(&self) {
        self.0.is_proved.store(true, Ordering::Relaxed);
    }

    /// Whether an operation has its input, so that what fails is not the reading of it.
    pub(crate) fn is_begun(&self) -> bool {
        self.0.is_begun.load(Ordering::Relaxed)
    }

    pub(crate) fn begins(&self) {
        self.0.is_begun.store(true, Ordering::Relaxed);
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.0.service
    }

    pub(crate) fn objects(&self) -> &dyn Objects {
        &*self.0.objects
    }

    /// In which what is read of an object goes.
    pub(crate) fn lane(&self, at: &Location) -> Arc<Lane> {
        let key = self.0.who.as_ref().map_or("", |who| &who.key);
        self.0.lanes.lane(key, self.0.context.source_ip, at)
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.0.request_id
    }

    pub(crate) fn who(&self) -> S3Result<&Identity> {
        self.0.who.as_ref().ok_or_else(|| S3Error::new(S3ErrorCode::AccessDenied))
    }

    /// Who asks, as what is done is dispatched.
    pub(crate) fn actor(&self) -> S3Result<Actor> {
        self.who().map(Identity::actor)
    }

    /// Fails unless who asks may do that with something: a bucket, or a bucket and a key.
    pub(crate) fn may(&self, action: &str, what: &str) -> S3Result<()> {
        let who = self.who()?;
        let resource = format!("acs:oss:*:{}:{what}", who.account);
        let may = self.0.service.may(who, action, &resource, &self.0.context).map_err(told)?;
        may.map_err(|no| denied(&no))
    }

    /// The bucket of that name, if it is the account's.
    pub(crate) fn own(&self, bucket: &str) -> S3Result<OwnBucket> {
        self.0.service.own_bucket(&self.actor()?, bucket).map_err(told)
    }

    /// An object in a bucket of the account.
    pub(crate) fn at(&self, bucket: &str, key: &str) -> S3Result<Location> {
        let at = self.own(bucket)?.at;
        check_key(key)?;
        Ok(Location::object(at, key))
    }
}

/// Fails unless an object can have that key.
pub(crate) fn check_key(key: &str) -> S3Result<()> {
    domain::name::object_key(key).map_err(|refusal| refused(S3ErrorCode::InvalidArgument, refusal.message))
}

#[async_trait::async_trait]
impl S3Auth for Turn {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match &self.0.who {
            Some(who) if who.key == access_key => Ok(who.secret.as_str().into()),
            _ => {
                let why = "The AWS Access Key Id you provided does not exist in our records.";
                Err(refused(S3ErrorCode::InvalidAccessKeyId, why))
            }
        }
    }
}

impl S3Host for Turn {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let read = VirtualHost::new(host);
        Ok(match &self.0.host_bucket {
            Some(bucket) => read.with_bucket(bucket.as_str()),
            None => read,
        })
    }
}
