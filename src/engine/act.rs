//! How an action of a step begins: where its flow is, and not yet on a task of its own.
//!
//! What does not wait at all costs no task and no turn of the scheduler, which is most of what a small step costs.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use event::Failure;

use crate::committer::panic_text;

/// Runs an action until it first waits: its outcome, if it has one by then. A panic is one.
///
/// One that waits is to be polled again at once, from where it goes on: that is then woken instead.
pub(crate) async fn at_once<T>(
    action: &mut (impl Future<Output = Result<T, Failure>> + Unpin),
) -> Option<Result<T, Failure>> {
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut *action).poll(context)));
        Poll::Ready(match polled {
            Ok(Poll::Ready(outcome)) => Some(outcome),
            Ok(Poll::Pending) => None,
            Err(panic) => Some(Err(Failure::Ours(panic_text(&*panic)))),
        })
    })
    .await
}
