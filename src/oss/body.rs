//! Bodies: what comes is read in batches of bounded size, what goes is read from the object as fast
//! as it is taken.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use domain::port_objects::ObjectBytes;
use event::Failure;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Body;
use crate::error::Refused;
use crate::lanes::{Lane, Slot, Then};
use crate::pace::Pace;

/// Bytes handed on at once: long enough that what is done for each batch costs nothing, and few
/// enough that a hundred uploads fit into memory.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of an object read at once, for the same reasons; one such piece is sent and one is read.
const PIECE_BYTES: u64 = 512 << 10;
/// A shorter stretch goes at once: it is through before another one is in its way.
const ALONE_BYTES_MIN: u64 = 2 << 20;
/// Bytes of a refused request's body that are still read, so that its client sees the answer and not
/// a connection that was reset.
const DRAIN_BYTES_MAX: u64 = 4 << 20;
/// How long that may take.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// A body that is there already.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// The body of a request.
pub(crate) struct Incoming {
    body: Body,
    /// Bytes that may come.
    left: u64,
    pace: Pace,
}

impl Incoming {
    /// A body of at most so many bytes.
    pub(crate) fn new(body: Body, bytes_max: u64) -> Self {
        Self { body, left: bytes_max, pace: Pace::default() }
    }

    /// The next frame, if there is one, of a client that is fast enough.
    async fn frame(&mut self) -> Result<Option<Frame<Bytes>>, Refused> {
        let begun = Instant::now();
        let frame =
            tokio::time::timeout(self.pace.patience(), self.body.frame()).await.map_err(|_| too_slow())?;
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|_| incomplete())?;
        self.pace.came(begun.elapsed(), frame.data_ref().map_or(0, Bytes::len));
        Ok(Some(frame))
    }

    /// The next pieces, about [`BATCH_BYTES`]; none at the end.
    pub(crate) async fn batch(&mut self) -> Result<Vec<Bytes>, Refused> {
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES {
            let Some(frame) = self.frame().await? else { break };
            let Ok(data) = frame.into_data() else { continue };
            let Some(left) = self.left.checked_sub(data.len() as u64) else { return Err(too_large()) };
            self.left = left;
            bytes += data.len();
            if !data.is_empty() {
                pieces.push(data);
            }
        }
        Ok(pieces)
    }

    /// All of it.
    pub(crate) async fn whole(mut self) -> Result<Vec<u8>, Refused> {
        let mut whole = Vec::new();
        loop {
            let batch = self.batch().await?;
            if batch.is_empty() {
                return Ok(whole);
            }
            for piece in batch {
                whole.extend_from_slice(&piece);
            }
        }
    }
}

/// Reads what is left of a refused request's body, if that is not much.
pub async fn drain(mut body: Body) {
    let drain = async {
        let mut bytes = 0;
        while bytes < DRAIN_BYTES_MAX
            && let Some(Ok(frame)) = body.frame().await
        {
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
    };
    let _ = tokio::time::timeout(DRAIN_MAX, drain).await;
}

fn too_slow() -> Refused {
    let why =
        "Your socket connection to the server was not read from or written to within the timeout period.";
    Refused::new(400, "RequestTimeout", why)
}

pub(crate) fn too_large() -> Refused {
    Refused::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
}

pub(crate) fn incomplete() -> Refused {
    let why = "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    Refused::new(400, "IncompleteBody", why)
}

/// A stretch of an object on its way to a client.
pub struct Outgoing {
    object: Arc<dyn ObjectBytes>,
    /// The stretch that is not being read yet.
    at: u64,
    end: u64,
    ahead: Option<JoinHandle<Result<Bytes, Failure>>>,
    left: u64,
    lane: Arc<Lane>,
    goes: Goes,
}

/// Whether a stretch goes.
enum Goes {
    /// It waits for its turn.
    Not(JoinHandle<Option<Slot>>),
    /// It is its turn.
    Alone(Slot),
    /// Whatever others do.
    Beside,
}

impl Outgoing {
    /// The stretch from `begin` to `end`, after what goes in the same lane.
    pub fn new(object: Arc<dyn ObjectBytes>, begin: u64, end: u64, lane: Arc<Lane>) -> Self {
        let goes = if end - begin < ALONE_BYTES_MIN {
            Goes::Beside
        } else {
            Goes::Not(tokio::spawn(Arc::clone(&lane).turn()))
        };
        let mut outgoing = Self { object, at: begin, end, ahead: None, left: end - begin, lane, goes };
        outgoing.read_ahead();
        outgoing
    }

    fn read_ahead(&mut self) {
        let len = PIECE_BYTES.min(self.end - self.at);
        if len == 0 {
            return;
        }
        let (object, at) = (Arc::clone(&self.object), self.at);
        self.at += len;
        let len = usize::try_from(len).expect("at most a piece");
        self.ahead = Some(tokio::spawn(async move { object.read(at, len).await }));
    }

    /// So many bytes were taken.
    fn took(&mut self, bytes: usize) {
        self.left -= bytes as u64;
        let Goes::Alone(turn) = &mut self.goes else { return };
        match turn.took(bytes) {
            _ if self.left == 0 => self.goes = Goes::Beside,
            Then::GoOn => {}
            Then::GoBeside => self.goes = Goes::Beside,
            Then::WaitAgain => {
                // Who waits comes first, so the turn is given back before another one is asked for.
                self.goes = Goes::Beside;
                self.goes = Goes::Not(tokio::spawn(Arc::clone(&self.lane).turn()));
            }
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Goes::Not(waiting) = &self.goes {
            waiting.abort();
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Goes::Not(waiting) = &mut self.goes {
            let turn = ready!(Pin::new(waiting).poll(context));
            self.goes = turn.ok().flatten().map_or(Goes::Beside, Goes::Alone);
        }
        let Some(ahead) = &mut self.ahead else { return Poll::Ready(None) };
        let read = ready!(Pin::new(ahead).poll(context));
        self.ahead = None;
        Poll::Ready(Some(match read {
            Ok(Ok(bytes)) => {
                self.took(bytes.len());
                self.read_ahead();
                Ok(Frame::data(bytes))
            }
            Ok(Err(failure)) => Err(io::Error::other(failure.to_string())),
            Err(error) => Err(io::Error::other(error)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Whether nothing can come any more.
pub(crate) fn is_over(body: &Body) -> bool {
    body.is_end_stream()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that sends so many bytes at a time, with so long between them.
    struct Trickle {
        piece_bytes: usize,
        pieces: usize,
        pause: Duration,
        next: Pin<Box<tokio::time::Sleep>>,
    }

    impl http_body::Body for Trickle {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            if self.pieces == 0 {
                return Poll::Ready(None);
            }
            ready!(self.next.as_mut().poll(context));
            self.pieces -= 1;
            let then = Instant::now() + self.pause;
            self.next.as_mut().reset(then);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![7; self.piece_bytes])))))
        }
    }

    async fn check(piece_bytes: usize, pieces: usize, pause: Duration, is_taken: bool) {
        let next = Box::pin(tokio::time::sleep(pause));
        let body = Trickle { piece_bytes, pieces, pause, next }.boxed();
        match Incoming::new(body, u64::MAX).whole().await {
            Ok(whole) => assert!(is_taken && whole.len() == piece_bytes * pieces),
            Err(refused) => assert!(!is_taken && refused.code == "RequestTimeout", "{}", refused.code),
        }
    }

    /// Time is tokio's own here and stands still, so that an hour takes no time.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_not_waited_for_and_one_that_is_slow_is() {
        let second = Duration::from_secs(1);
        check(1, 3600, second, false).await;
        check(1 << 10, 3600, second, true).await;
        check(500, 3600, second, false).await;
        check(1 << 20, 20, 50 * second, true).await;
        check(1 << 20, 2, 61 * second, false).await;
        // What is small and soon whole need not be fast.
        check(1, 30, second, true).await;
    }
}
