//! Places under a key: so many at once, the others wait for their turn.
//!
//! A step takes a place for as long as it runs (`Step::limit`), a story for as long as it keeps a
//! [`Hold`]. Both draw from the same places. Nothing of it is in the log: a place is what this
//! process gives out, and a story that is told again after a restart asks for one again. Who had it
//! before the restart gets it before those who waited: what the log says of them goes on being true.
//! It deliberately knows nothing of whole groups of keys: whoever needs two takes them one after
//! the other, and every story in the same order, or two of them wait for each other for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use event::Wait;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::flow::Flow;
use crate::live::Live;
use crate::workflow::Halt;

/// What a flow is shown to be doing while it waits for a place.
const WAITING: &str = "waiting for its turn";

/// A place that a story keeps until this is dropped, at the latest when the story is over.
#[must_use = "the place is given up as soon as this is dropped"]
#[derive(Debug)]
pub struct Hold {
    /// None for a flow that only undoes: it was not made to wait.
    _place: Option<OwnedSemaphorePermit>,
}

impl<P: Send + Sync + 'static> Flow<P> {
    /// Takes one of `count` places under `key`, and waits for it while all are taken. Places go
    /// out in the order in which they are asked for; after a restart first to those whose records
    /// show that they had one, then to the oldest, which are driven first. Whoever asks first
    /// says how many there are, for as long as anybody holds or wants one.
    ///
    /// It is no step: nothing of it is written, and a replay that passes it waits again. A flow
    /// that is cancelled or has turned is not kept waiting, it goes on to what it has to undo;
    /// undos therefore run without the place. A story that holds a place and then asks for another
    /// under the same key, itself or in its parts, may wait for itself.
    ///
    /// # Errors
    /// [`Halt::Stopped`] when the engine closes.
    pub async fn hold(&self, key: &str, count: usize) -> Result<Hold, Halt> {
        self.open()?;
        // What the log still holds of a cancelled story has to be told, or its undos are not armed.
        let place =
            if self.only_undoes() { None } else { self.place(key, count, !self.came_further()).await? };
        Ok(Hold { _place: place })
    }

    /// A place for a step, which a flow that is cancelled does not begin.
    pub(crate) async fn permit(&self, key: &str, count: usize) -> Result<OwnedSemaphorePermit, Halt> {
        match self.place(key, count, false).await? {
            Some(place) => Ok(place),
            None => self.forward().and(Err(Halt::Turned)),
        }
    }

    /// A place, or none if the flow was cancelled while it waited; with `behind`, after those who had
    /// one before a restart.
    async fn place(
        &self,
        key: &str,
        count: usize,
        behind: bool,
    ) -> Result<Option<OwnedSemaphorePermit>, Halt> {
        let returning = self.inner.shared.returning.clone();
        let limit = self.inner.shared.limit(key, count);
        if !(behind && returning.any())
            && let Ok(place) = limit.clone().try_acquire_owned()
        {
            return Ok(Some(place));
        }
        self.waits();
        let live = &self.inner.live;
        let _pause = self.pauses(Wait::Place);
        let _shown = Shown { live, before: live.says(WAITING.to_owned()) };
        let taken = async {
            if behind {
                returning.all_here().await;
            }
            limit.acquire_owned().await
        };
        tokio::select! {
            place = taken => Ok(Some(place.expect("limits are never closed"))),
            () = self.called() => {
                self.open()?;
                Ok(None)
            }
        }
    }
}

/// The flows that an opening takes up and whose stories have not yet come to a stand-still: some of
/// them had a place and have not asked for it again.
#[derive(Debug)]
pub(crate) struct Returning {
    left: AtomicUsize,
    none: Notify,
}

/// One of those, or whoever is about to say which they are.
#[derive(Debug)]
pub(crate) struct Returns(Arc<Returning>);

impl Returning {
    /// Nobody has come yet, and one is expected who says who else is.
    pub(crate) fn new() -> (Arc<Self>, Returns) {
        let all = Arc::new(Self { left: AtomicUsize::new(1), none: Notify::new() });
        (all.clone(), Returns(all))
    }

    /// One more.
    pub(crate) fn another(self: &Arc<Self>) -> Returns {
        self.left.fetch_add(1, Ordering::AcqRel);
        Returns(self.clone())
    }

    fn any(&self) -> bool {
        self.left.load(Ordering::Acquire) > 0
    }

    /// Ends when all have come.
    async fn all_here(&self) {
        loop {
            let none = self.none.notified();
            tokio::pin!(none);
            none.as_mut().enable();
            if !self.any() {
                return;
            }
            none.await;
        }
    }
}

impl Drop for Returns {
    fn drop(&mut self) {
        if self.0.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

/// Shows again what was shown before the wait, however it ends.
struct Shown<'a> {
    live: &'a Live,
    before: String,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.live.says(std::mem::take(&mut self.before));
    }
}
