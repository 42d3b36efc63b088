//! How an action of a step is run: at once, and on a task of its own from where it first waits.
//!
//! Its panic is an answer either way. What does not wait at all costs no task and no turn of the scheduler, which is
//! most of what a small step costs.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use event::Failure;

use crate::committer::panic_text;

/// Runs an action to its end; none if the runtime ended first. Once it has waited, it goes on to its end even if
/// what is returned is dropped.
pub(crate) async fn run<T: Send + 'static>(
    mut action: impl Future<Output = Result<T, Failure>> + Send + Unpin + 'static,
) -> Option<Result<T, Failure>> {
    let at_once = poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut action).poll(context)));
        // Whatever it waits for is asked for again from the task, which is then woken.
        Poll::Ready(polled.unwrap_or_else(|panic| Poll::Ready(Err(Failure::Ours(panic_text(&*panic))))))
    });
    if let Poll::Ready(outcome) = at_once.await {
        return Some(outcome);
    }
    match tokio::spawn(action).await {
        Ok(outcome) => Some(outcome),
        Err(join) if join.is_panic() => Some(Err(Failure::Ours(panic_text(&*join.into_panic())))),
        Err(_) => None,
    }
}
