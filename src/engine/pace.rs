//! The log's own threads: how they are begun, and how one waits for another.
//!
//! In a house at work they go as they come. In a simulation they ask a [`Pace`] wherever they would wait, and
//! nothing else of what they do is another: what is simulated is the code that ships.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use event::{Hand, Pace, Until};
use tokio::sync::oneshot;

use crate::Error;
use crate::queue::lock;

/// Whoever lets the threads go, if anybody does.
pub(crate) type Paced = Option<Arc<dyn Pace>>;

/// Begins one of the threads.
pub(crate) fn spawn(
    hand: Hand,
    pace: Paced,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let name = match hand {
        Hand::Committer => "committer",
        Hand::Writer => "writer",
        Hand::Archiver => "archiver",
    };
    if let Some(pace) = &pace {
        pace.begins(hand);
    }
    let ends = Ends { hand, pace };
    #[cfg(test)]
    let planted = crate::planted::planted();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Dropped last: the end is told when all that the thread held is let go.
        let ends = ends;
        #[cfg(test)]
        crate::planted::plant(planted);
        if let Some(pace) = &ends.pace {
            pace.pauses(hand, Until::Now);
        }
        work();
    })
}

/// Does something that takes long, beside the threads that decide and write. What it comes to is told before its end
/// is, so that nobody who waits for the end is still to be told. In a simulation it has a thread that the runtime does
/// not know: the runtime's clock would stand still while it has one.
pub(crate) async fn beside<T: Send + 'static>(
    hand: Hand,
    pace: Paced,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (sender, receiver) = oneshot::channel();
    // Whoever waited may have gone.
    let work = move || drop(sender.send(work()));
    if pace.is_some() {
        spawn(hand, pace, work).map_err(Error::read)?;
    } else {
        tokio::task::spawn_blocking(work);
    }
    receiver.await.map_err(Error::read)
}

/// Tells that a thread is at its end, or never came to its beginning.
struct Ends {
    hand: Hand,
    pace: Paced,
}

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(pace) = &self.pace {
            pace.ends(self.hand);
        }
    }
}

/// Waits for a thread to end, from another of them.
pub(crate) fn join(thread: JoinHandle<()>, me: Hand, other: Hand, pace: &Paced) {
    if let Some(pace) = pace {
        pace.pauses(me, Until::Ended(other));
    }
    // Its fault, if any, has been told to everybody who waited.
    let _ = thread.join();
}

/// What wakes one of the threads.
#[derive(Debug)]
pub(crate) struct Bell {
    hand: Hand,
    rung: Condvar,
    pub(crate) pace: Paced,
}

impl Bell {
    pub(crate) fn new(hand: Hand, pace: Paced) -> Self {
        Self { hand, rung: Condvar::new(), pace }
    }

    pub(crate) fn ring(&self) {
        match &self.pace {
            None => self.rung.notify_one(),
            Some(pace) => pace.wakes(self.hand),
        }
    }

    /// Lets go of the lock until it rings, or for so long at most; says whether that was over first.
    pub(crate) fn wait<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        state: MutexGuard<'a, T>,
        until: Until,
        most: Option<Duration>,
    ) -> (MutexGuard<'a, T>, bool) {
        match (&self.pace, most) {
            (Some(pace), _) => {
                drop(state);
                let over = pace.pauses(self.hand, until);
                (lock(mutex), over)
            }
            (None, None) => (self.rung.wait(state).unwrap_or_else(PoisonError::into_inner), false),
            (None, Some(most)) => {
                let (state, timeout) =
                    self.rung.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner);
                (state, timeout.timed_out())
            }
        }
    }
}
