//! The gate of the ECS wire: from a request as it came to an action that is asked by somebody who was
//! proved.
//!
//! The order matters: nothing is looked up for who has not signed, nothing is remembered of a request
//! whose signature is wrong, and nothing is done that was done before.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ecs::{Action, Ask, Caller};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use oss::NOBODYS_SECRET;
use service::{Context, Identity, Service, Trouble};
use tokio::sync::Semaphore;
use wire::{Answer, Denied, Fault, Form, Object, Pairs, Params, Seen, Signed};

use crate::body::{Body, full};
use crate::metrics::Metrics;
use crate::nonces::{Nonce, Nonces};
use crate::throttle::{Limits, Throttle};

/// After how many milliseconds it is worth asking again where too much is asked at once.
const BUSY_MS: u32 = 200;

/// The gate, and what it remembers.
pub(crate) struct Gate {
    pub(crate) service: Arc<Service>,
    pub(crate) metrics: Metrics,
    limits: Limits,
    pub(crate) nonces: Nonces,
    throttle: Throttle,
    room: Semaphore,
}

/// What the access log is told of a request.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) what: String,
    /// The action that it is, if it is one that there is.
    pub(crate) action: Option<&'static str>,
    pub(crate) account: String,
    pub(crate) key: String,
    pub(crate) code: String,
}

/// A request as it came, with its body read.
pub(crate) struct Whole<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) body: &'a Bytes,
    pub(crate) request_id: &'a str,
    /// When it is judged, from where it came, and whether over TLS.
    pub(crate) context: Context,
}

/// Somebody who was proved, and what they said.
pub(crate) struct Proved {
    pub(crate) identity: Identity,
    pub(crate) params: Params,
}

impl Gate {
    pub(crate) fn new(service: Arc<Service>, limits: Limits, nonces: Nonces) -> Self {
        Self {
            service,
            metrics: Metrics::default(),
            limits,
            nonces,
            throttle: Throttle::default(),
            room: Semaphore::new(limits.at_once),
        }
    }

    /// Answers a request of an action.
    pub(crate) async fn answer(&self, whole: Whole<'_>, told: &mut Told) -> Response<Body> {
        let host = host(whole.parts);
        let (query, form_pairs) = match pairs(&whole) {
            Ok(pairs) => pairs,
            Err(fault) => {
                return refuse(
                    &fault,
                    Form::wanted(None, accept(whole.parts)),
                    whole.request_id,
                    &host,
                    told,
                );
            }
        };
        let all = form_pairs.as_ref().unwrap_or(&query);
        let form = Form::wanted(all.get("Format").filter(|format| !format.is_empty()), accept(whole.parts));
        self.metrics.answering.fetch_add(1, Ordering::Relaxed);
        let answered = self.ask(&whole, query, form_pairs, &host, told).await;
        self.metrics.answering.fetch_sub(1, Ordering::Relaxed);
        match answered {
            Ok((action, answer)) => {
                let body = Answer(answer).body(form, action, whole.request_id);
                respond(StatusCode::OK, form, body, whole.request_id)
            }
            Err(fault) => refuse(&fault, form, whole.request_id, &host, told),
        }
    }

    async fn ask(
        &self,
        whole: &Whole<'_>,
        query: Pairs,
        form: Option<Pairs>,
        host: &str,
        told: &mut Told,
    ) -> Result<(&'static str, Object), Fault> {
        let Ok(_place) = self.room.try_acquire() else { return Err(busy()) };
        if !["GET", "POST"].contains(&whole.parts.method.as_str()) {
            return Err(Fault::new(
                403,
                "UnsupportedHTTPMethod",
                "This http method is not supported: use GET or POST.",
            ));
        }
        let (name, version) = named(whole.parts, form.as_ref().unwrap_or(&query))?;
        told.what.clone_from(&name);
        let action = action(&name, &version);
        told.action = action.as_ref().ok().map(|action| action.name);
        let proved = self.prove(whole, query, form, told)?;
        let action = action?;
        let region = proved.params.text("RegionId").unwrap_or_default();
        let who = (proved.identity.account.as_str(), region, action.name);
        self.throttle
            .count(&self.limits, who, whole.context.now_ms)
            .map_err(|wait_ms| throttled("Throttling.User", wait_ms))?;
        if !proved.identity.is_root() {
            for resource in action.resources(proved.identity.account.as_str(), &proved.params) {
                self.may(&proved.identity, &action.permission(), &resource, &whole.context)?;
            }
        }
        let caller = Caller {
            actor: proved.identity.actor(),
            request_id: whole.request_id.to_owned(),
            host: host.to_owned(),
            proved: Some((proved.identity, whole.context.clone())),
        };
        let ask = Ask::new(self.service.clone(), caller, proved.params, action.name);
        Ok((action.name, action.answer(ask).await?))
    }

    /// Proves who asks: a key that is there and active, near in time, rightly signed, for the first time. The form is
    /// the parameters of the query with those of a form, if there is one.
    pub(crate) fn prove(
        &self,
        whole: &Whole<'_>,
        query: Pairs,
        form: Option<Pairs>,
        told: &mut Told,
    ) -> Result<Proved, Fault> {
        let signed = Signed::read(Seen {
            method: whole.parts.method.as_str(),
            path: whole.parts.uri.path(),
            headers: &whole.parts.headers,
            query: &query,
            all: form.as_ref().unwrap_or(&query),
            body: whole.body,
        })?;
        let found =
            self.service.who(&signed.key, signed.token.as_deref()).map_err(|trouble| unproved(&trouble))?;
        let identity = found.ok_or_else(|| {
            // The code says that there is no such key, as clients expect; that it was signed for is work all the
            // same, so that a flood of unknown keys is no cheaper to send than one of wrong secrets.
            let _ = signed.verify(NOBODYS_SECRET);
            Fault::new(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        })?;
        if !signed.is_timely(whole.context.now_ms) {
            let why = "Specified time stamp or date value is expired: it is more than 15 minutes from the time here.";
            return Err(Fault::new(400, "InvalidTimeStamp.Expired", why));
        }
        signed.verify(&identity.secret)?;
        told.account.clone_from(&identity.account.0);
        told.key.clone_from(&identity.key);
        if !identity.active {
            return Err(Fault::new(400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."));
        }
        match self.nonces.spend(&identity.key, &signed.nonce, whole.context.now_ms) {
            Nonce::Fresh => Ok(Proved { identity, params: form.unwrap_or(query).params() }),
            Nonce::Used => {
                Err(Fault::new(400, "SignatureNonceUsed", "Specified signature nonce was used already."))
            }
            Nonce::Full => Err(busy()),
        }
    }

    /// Fails unless somebody may do something with something, and says what they may not.
    pub(crate) fn may(
        &self,
        identity: &Identity,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<(), Fault> {
        let judged = self.service.may(identity, action, resource, context).map_err(|_| inside())?;
        judged.map_err(|denied| {
            let refusal = denied.refusal("Forbidden.RAM");
            let detail = Denied {
                principal: denied.display_name.clone(),
                principal_type: denied.principal_type().to_owned(),
                account: denied.account.0,
                explicit: denied.explicit,
                action: denied.action,
                resource: denied.resource,
            };
            let fault = Fault::new(403, refusal.code, format!("{} ({})", refusal.message, refusal.advice));
            Fault { denied: Some(Box::new(detail)), ..fault }
        })
    }
}

/// Why nobody was proved, where the key itself says.
fn unproved(trouble: &Trouble) -> Fault {
    if trouble.family != service::Family::Refused {
        return inside();
    }
    Fault::new(400, trouble.code.clone(), trouble.message.clone())
}

/// The action and the version that a request names, in headers or in parameters.
fn named(parts: &Parts, all: &Pairs) -> Result<(String, String), Fault> {
    let name = |header: &str, parameter: &str| {
        let said =
            parts.headers.get(header).and_then(|value| value.to_str().ok()).or_else(|| all.get(parameter));
        said.filter(|said| !said.is_empty()).map(str::to_owned).ok_or_else(|| Fault::missing(parameter))
    };
    Ok((name("x-acs-action", "Action")?, name("x-acs-version", "Version")?))
}

fn action(name: &str, version: &str) -> Result<&'static Action, Fault> {
    if !ecs::VERSIONS.contains(&version) {
        let why = format!("Specified parameter Version is not valid: `{}`.", version.escape_debug());
        return Err(Fault::new(400, "InvalidVersion", why));
    }
    ecs::find(version, name).ok_or_else(|| {
        let why = format!(
            "Specified api is not found, please check your url and method: `{}`.",
            name.escape_debug()
        );
        Fault::new(404, "InvalidAction.NotFound", why)
    })
}

/// The parameters of the query, and those together with the ones of a form if there is one.
fn pairs(whole: &Whole<'_>) -> Result<(Pairs, Option<Pairs>), Fault> {
    let text = whole.parts.uri.query().unwrap_or_default();
    let query = Pairs::read(text, "")?;
    let kind = whole
        .parts
        .headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if whole.body.is_empty() || !kind.starts_with("application/x-www-form-urlencoded") {
        return Ok((query, None));
    }
    let form = std::str::from_utf8(whole.body)
        .map_err(|_| Fault::new(400, "InvalidParameter", "The form in the body is not UTF-8."))?;
    Ok((query, Some(Pairs::read(text, form)?)))
}

fn accept(parts: &Parts) -> Option<&str> {
    parts.headers.get(http::header::ACCEPT)?.to_str().ok()
}

/// Host and port as the client wrote them. Some write the scheme as well.
pub(crate) fn host(parts: &Parts) -> String {
    let written = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let written =
        written.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    let bare =
        written.strip_prefix("http://").or_else(|| written.strip_prefix("https://")).unwrap_or(written);
    bare.trim_end_matches('/').to_owned()
}

fn throttled(code: &str, wait_ms: u32) -> Fault {
    let why = "Request was denied due to user flow control: ask again in the next minute.";
    Fault { retry_after_ms: Some(wait_ms.max(1)), ..Fault::new(400, code, why) }
}

/// Too much is asked at once. The code is the one that clients of both generations ask again for.
pub(crate) fn busy() -> Fault {
    let why = "Request was denied due to request throttling: too much is asked at once.";
    Fault { retry_after_ms: Some(BUSY_MS), ..Fault::new(400, "Throttling", why) }
}

/// What went wrong inside is for the operator's eyes.
fn inside() -> Fault {
    Fault::new(500, "InternalError", "The request processing has failed due to some unknown error.")
}

/// The answer that refuses.
pub(crate) fn refuse(
    fault: &Fault,
    form: Form,
    request_id: &str,
    host: &str,
    told: &mut Told,
) -> Response<Body> {
    told.code.clone_from(&fault.code);
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond(status, form, fault.body(form, request_id, host), request_id);
    if let Some(wait_ms) = fault.retry_after_ms {
        response.headers_mut().insert("x-acs-retry-after", HeaderValue::from(wait_ms));
    }
    response
}

fn respond(status: StatusCode, form: Form, body: String, request_id: &str) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-acs-request-id", id);
    }
    response
}
