//! Bodies, whole or streamed, in one type.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};

/// A body of a request or an answer.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// Bytes of a request that is read whole, at most. The largest real one, a pipeline with two contents
/// of 16 KiB, has a tenth of it.
pub(crate) const WHOLE_BYTES_MAX: usize = 1 << 20;
/// How long a client may take for the body of a request that is read whole.
const WHOLE_TIME_MAX: Duration = Duration::from_secs(20);

/// A body that is there.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A plain answer.
pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain;charset=utf-8"));
    response
}

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is longer than is read.
    TooLong,
    /// It did not come in time.
    TooSlow,
    /// The connection broke.
    Broken,
}

/// Reads a body whole. One that says it is too long is not begun.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Unread> {
    let said = headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|length| length > WHOLE_BYTES_MAX as u64) {
        return Err(Unread::TooLong);
    }
    match tokio::time::timeout(WHOLE_TIME_MAX, Limited::new(body, WHOLE_BYTES_MAX).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLong),
        Ok(Err(_)) => Err(Unread::Broken),
        Err(_) => Err(Unread::TooSlow),
    }
}
