//! Kiln's own requests: `POST /kiln/v1`, signed in the newer style. The body is a [`service::Call`], the answer
//! what the service
//! answers, both rmp-serde with field names, as on the socket of the data directory.
//!
//! Who asks is whom the key belongs to, whatever the call says; and no call from elsewhere names a file
//! of this computer.

use http::{HeaderValue, Response};
use service::{Call, Family, Reply, Request, Trouble, dispatch};
use wire::{Fault, Form, Pairs};

use crate::body::{Body, full};
use crate::gate::{Gate, Told, Whole, host, refuse};

/// Where Kiln's own requests go.
pub(crate) const PATH: &str = "/kiln/v1";
/// What bodies are.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.kiln+msgpack";

/// Answers one of Kiln's own requests.
pub(crate) async fn answer(gate: &Gate, whole: Whole<'_>, told: &mut Told) -> Response<Body> {
    let call = match read(gate, &whole, told) {
        Ok(call) => call,
        Err(fault) => return refuse(&fault, Form::Json, whole.request_id, &host(whole.parts), told),
    };
    let answer: Result<Reply, Trouble> = match call {
        Ok(call) => dispatch(&gate.service, call).await,
        Err(trouble) => Err(trouble),
    };
    if let Err(trouble) = &answer {
        told.code.clone_from(&trouble.code);
    }
    let Ok(bytes) = service::encode(&answer) else {
        let fault = Fault::new(500, "InternalError", "The answer could not be written.");
        return refuse(&fault, Form::Json, whole.request_id, &host(whole.parts), told);
    };
    let mut response = Response::new(full(bytes));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

/// The call, as whoever signed it may make it; the outer error is one of the gate, the inner one of the call.
fn read(gate: &Gate, whole: &Whole<'_>, told: &mut Told) -> Result<Result<Call, Trouble>, Fault> {
    let query = Pairs::read(whole.parts.uri.query().unwrap_or_default(), "")?;
    let proved = gate.prove(whole, query, None, told)?;
    let call: Call = service::decode(whole.body).map_err(|error| {
        Fault::new(400, "InvalidParameter", format!("The body is no call of this version of Kiln: {error}."))
    })?;
    // What is asked for later, or by the lines of a batch, is asked for by the account: whether who asks now may is
    // settled now, and so has to be read now.
    let later = match call.request.begins_later() {
        Ok(later) => later.map(|later| later.action_name()),
        Err(trouble) => return Ok(Err(trouble)),
    };
    if call.request.names_files() {
        let why = "a file of the server's computer cannot be named from elsewhere";
        let trouble = Trouble::new(Family::Refused, "InvalidSource.NotHere", why);
        return Ok(Err(trouble.advise("put the file into a bucket and name the object: `oss://BUCKET/KEY`")));
    }
    if matches!(call.request, Request::WorkflowReset { .. }) && !proved.identity.is_root() {
        let why = "an operation is begun anew as whoever asked for it first";
        let trouble = Trouble::new(Family::Refused, "Forbidden.RAM", why);
        return Ok(Err(trouble.advise("ask with a key of the account itself, not of a user or role")));
    }
    let resource = format!("acs:kiln:*:{}:*", proved.identity.account);
    let beside = call.request.asks_beside().iter().cloned().chain(later);
    for action in std::iter::once(call.request.action_name()).chain(beside) {
        gate.may(&proved.identity, &format!("kiln:{action}"), &resource, &whole.context)?;
    }
    let actor = proved.identity.actor();
    // An id that another account has chosen finds nothing of it.
    let id = format!("v1/{}/{}", actor.account, call.id);
    Ok(Ok(Call { actor, id, drive: true, ..call }))
}
