//! Bodies of requests on their way through the adapter, and what becomes of those that break.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use domain::port_objects::{Ending, ObjectFacts, Upload};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use oss::{Body, Pace};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result};
use tokio::time::{Instant, Sleep};

use crate::checksum::Checks;
use crate::chunks::{Frames, Unframed};
use crate::error::{failed, incomplete, refused, too_large};

/// Bytes handed on at once: long enough that what is done for each batch costs nothing, and few enough
/// that a hundred uploads fit into memory.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of one request's object or part, as both APIs document: 5 GiB.
pub(crate) const UPLOAD_BYTES_MAX: u64 = 5 << 30;

/// What a body that breaks here says of itself. The adapter wraps it, and what is left of it is this text.
const SLOW: &str = "the client is too slow";
const CHUNK_TOO_LARGE: &str = "a signed chunk is too large";
const MALFORMED: &str = "the chunks are malformed";

/// A body that the adapter has, and that comes back when it has had enough of it.
pub(crate) struct Lent {
    body: Option<Body>,
    frames: Option<Frames>,
    pace: Pace,
    /// Over when the client has been waited for too long; looked at only while it is waited for.
    over: Pin<Box<Sleep>>,
    waiting_since: Option<Instant>,
    back: Back,
}

/// What is left of a body when the adapter has had enough.
#[derive(Clone, Default)]
pub(crate) struct Back(Arc<Mutex<Option<Body>>>);

impl Back {
    pub(crate) fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Lent {
    /// A body, framed as the headers say.
    pub(crate) fn new(body: Body, headers: &HeaderMap) -> Self {
        let framing = headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
        let framing = framing.filter(|framing| framing.starts_with("STREAMING-"));
        let frames = framing.map(|framing| Frames::new(!framing.starts_with("STREAMING-UNSIGNED-")));
        let (pace, back) = (Pace::default(), Back::default());
        let over = Box::pin(tokio::time::sleep(pace.patience()));
        Self { body: Some(body), frames, pace, over, waiting_since: None, back }
    }

    /// Where it will be.
    pub(crate) fn back(&self) -> Back {
        self.back.clone()
    }

    /// The next piece as it comes, or an end to waiting for it.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            let waited = self.waiting_since.take().map_or(Duration::ZERO, |since| since.elapsed());
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
            self.pace.came(waited, data.map_or(0, Bytes::len));
            return Poll::Ready(frame);
        }
        if self.waiting_since.is_none() {
            // Only now somebody waits: what was done with earlier pieces may have taken long.
            let now = Instant::now();
            self.waiting_since = Some(now);
            self.over.as_mut().reset(now + self.pace.patience());
        }
        ready!(self.over.as_mut().poll(context));
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, SLOW))))
    }
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(piece) = self.frames.as_mut().and_then(Frames::next) {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let frame = ready!(self.poll_piece(context));
            let Some(frames) = &mut self.frames else { return Poll::Ready(frame) };
            let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
            let Ok(piece) = frame.into_data() else { continue };
            if let Err(unframed) = frames.take(piece) {
                let why = match unframed {
                    Unframed::TooLarge => CHUNK_TOO_LARGE,
                    Unframed::Malformed => MALFORMED,
                };
                return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidData, why))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_none() && self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.frames, &self.body) {
            (None, Some(body)) => body.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.back.0.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
    }
}

/// Why a body could not be read to its end. The adapter's errors are of private types, so their texts tell.
fn unread(error: &s3s::StdError) -> S3Error {
    let text = error.to_string();
    let has = |word: &str| text.contains(word);
    if has("Sha256Mismatch") {
        let why = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        let mut mismatch = refused(S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()), why);
        mismatch.set_status_code(http::StatusCode::BAD_REQUEST);
        return mismatch;
    }
    if has("SignatureMismatch") {
        return refused(S3ErrorCode::SignatureDoesNotMatch, "The signature of a chunk does not match.");
    }
    if has(SLOW) {
        let why = "Your socket connection to the server was not read from or written to within the timeout \
                   period.";
        return refused(S3ErrorCode::RequestTimeout, why);
    }
    if has(CHUNK_TOO_LARGE) {
        return refused(S3ErrorCode::InvalidRequest, "A signed chunk is longer than 16 MiB.");
    }
    if has(MALFORMED) || has("FormatError") || has("TooLarge") || has("TooMany") {
        return refused(S3ErrorCode::InvalidRequest, "The chunks of the body are not well-formed.");
    }
    incomplete()
}

/// A body that came, with all that it is held to.
pub(crate) struct Incoming {
    pub(crate) body: Option<StreamingBlob>,
    /// How long it is said to be.
    pub(crate) length: Option<i64>,
    pub(crate) checks: Checks,
}

impl Incoming {
    /// How long it is said to be, if an upload may be so long.
    pub(crate) fn bytes(&self) -> S3Result<Option<u64>> {
        let bytes = self.length.map(|length| u64::try_from(length).map_err(|_| incomplete())).transpose()?;
        if bytes.is_some_and(|bytes| bytes > UPLOAD_BYTES_MAX) {
            return Err(too_large());
        }
        Ok(bytes)
    }

    /// Sends it into an upload.
    pub(crate) async fn pour(
        mut self,
        mut upload: Box<dyn Upload>,
        ending: Ending,
    ) -> S3Result<(ObjectFacts, Checks)> {
        let expected = self.bytes()?;
        let mut body = self.body.take().map(s3s::Body::from).unwrap_or_default();
        let (mut batch, mut batch_bytes, mut bytes) = (Vec::new(), 0, 0_u64);
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(|error| unread(&error))?.into_data() else { continue };
            bytes += piece.len() as u64;
            if bytes > expected.unwrap_or(UPLOAD_BYTES_MAX) {
                return Err(if expected.is_some() { incomplete() } else { too_large() });
            }
            self.checks.update(&piece);
            batch_bytes += piece.len();
            batch.push(piece);
            if batch_bytes >= BATCH_BYTES {
                upload.write(std::mem::take(&mut batch)).await.map_err(failed)?;
                batch_bytes = 0;
            }
        }
        if expected.is_some_and(|expected| expected != bytes) {
            return Err(incomplete());
        }
        if !batch.is_empty() {
            upload.write(batch).await.map_err(failed)?;
        }
        // What was sent behind the body is there now.
        self.checks.verify()?;
        let facts = upload.finish(ending).await.map_err(failed)?;
        Ok((facts, self.checks))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    fn lent(body: &'static str, framing: &'static str) -> Lent {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-content-sha256", http::HeaderValue::from_static(framing));
        let body = Full::new(Bytes::from_static(body.as_bytes())).map_err(|never| match never {});
        Lent::new(body.boxed(), &headers)
    }

    async fn read(lent: Lent) -> Result<Bytes, String> {
        lent.collect().await.map(http_body_util::Collected::to_bytes).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_body_comes_back_when_the_adapter_has_had_enough() {
        let lent = lent("abc", "UNSIGNED-PAYLOAD");
        let back = lent.back();
        assert!(back.take().is_none());
        drop(lent);
        assert_eq!(back.take().unwrap().collect().await.unwrap().to_bytes(), "abc");
    }

    /// A body of so many bytes that come one a second.
    struct Drops(u32, Pin<Box<Sleep>>);

    impl http_body::Body for Drops {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            if self.0 == 0 {
                return Poll::Ready(None);
            }
            ready!(self.1.as_mut().poll(context));
            self.0 -= 1;
            self.1.as_mut().reset(Instant::now() + Duration::from_secs(1));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    /// Time is tokio's own here and stands still, so that a minute takes no time.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_not_waited_for() {
        let drops = |bytes| {
            let begun = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
            Lent::new(Drops(bytes, begun).boxed(), &HeaderMap::new())
        };
        assert_eq!(read(drops(30)).await.unwrap().len(), 30, "what is small and soon whole need not be fast");
        assert_eq!(read(drops(3600)).await, Err(SLOW.to_owned()));
    }

    #[tokio::test]
    async fn a_framed_body_is_watched_and_another_one_goes_through() {
        let (framed, tail) = ("3\r\nabc\r\n0\r\n\r\n", "1000001;chunk-signature=ab\r\n");
        assert_eq!(read(lent("nothing framed", "UNSIGNED-PAYLOAD")).await.unwrap(), "nothing framed");
        assert_eq!(read(lent(framed, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")).await.unwrap(), framed);
        let signed = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
        assert_eq!(read(lent(tail, signed)).await, Err(CHUNK_TOO_LARGE.to_owned()));
        assert_eq!(read(lent("x", signed)).await, Err(MALFORMED.to_owned()));
    }

    #[test]
    fn what_the_adapter_says_of_a_body_becomes_a_code() {
        let check = |text: &str, expected: &str| {
            let error: s3s::StdError = text.to_owned().into();
            assert_eq!(unread(&error).code().as_str(), expected, "{text}");
        };
        check("UploadStreamError: Sha256Mismatch", "XAmzContentSHA256Mismatch");
        check("AwsChunkedStreamError: SignatureMismatch", "SignatureDoesNotMatch");
        check("AwsChunkedStreamError: FormatError", "InvalidRequest");
        check(&format!("AwsChunkedStreamError: Underlying: {SLOW}"), "RequestTimeout");
        check(&format!("AwsChunkedStreamError: Underlying: {CHUNK_TOO_LARGE}"), "InvalidRequest");
        check("UploadStreamError: Incomplete", "IncompleteBody");
        check("connection reset", "IncompleteBody");
    }
}
