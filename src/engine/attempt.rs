//! Trying: attempts, backoff, and what each family of failure comes to.

use std::time::Duration;

use event::{Attempt, Failure, Refusal, Wait};
use serde::{Deserialize, Serialize};

use crate::at::{At, work_key};
use crate::flow::{Act, Flow, Policy};
use crate::queue::lock;
use crate::workflow::Halt;

/// What is remembered of a step that failed, so that attempts survive restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tried {
    /// Attempts made.
    pub(crate) attempts: u32,
    /// When the next is due, milliseconds since 1970 UTC.
    pub(crate) due_ms: i64,
    /// How the last one failed.
    pub(crate) error: String,
}

/// Tries an action until it succeeds or fails for good. The outer error is the flow's, the inner
/// one the step's.
pub(crate) async fn run<P: Send + Sync + 'static, T: Send + 'static>(
    flow: &Flow<P>,
    path: &str,
    act: &Act<P, T>,
    policy: Policy,
    undoing: bool,
) -> Result<Result<T, Refusal>, Halt> {
    let inner = &flow.inner;
    // An effect waits for all earlier records of its flow.
    flow.durable().await?;
    let mut tried = lock(&inner.told).tried.remove(path);
    loop {
        if let Some(tried) = &tried {
            let doing = format!("trying again after attempt {} ({})", tried.attempts, tried.error);
            let before = inner.live.says(doing);
            wait_until(flow, tried.due_ms, undoing).await;
            inner.live.says(before);
        }
        flow.turn(path).await?;
        if undoing {
            flow.open()?;
        } else {
            flow.forward()?;
        }
        // The number fences and never falls; what counts against the policy begins anew when a
        // person has let a parked flow go on.
        let before = tried.as_ref().map_or(0, |tried| tried.attempts);
        let fence = inner.shared.next_number(inner.id, path, before);
        let number = before + 1;
        let attempt = Attempt { incarnation: inner.shared.incarnation, number: fence };
        let at = At::new(inner.shared.clone(), inner.live.clone(), inner.id, path, attempt, undoing);
        let outcome = crate::act::run(act(at)).await;
        let outcome = outcome.ok_or_else(|| Halt::Stopped(inner.shared.queue.error()))?;
        // Past the point of no return there is nobody left to say no to: it is tried again.
        let outcome = outcome.map_err(|failure| match failure {
            Failure::Caller(refusal) if flow.is_committed() => Failure::World(refusal.to_string()),
            failure => failure,
        });
        if outcome.is_err() {
            inner.shared.failed(inner.id, path, fence);
        }
        match outcome {
            Ok(value) => {
                if tried.is_some() {
                    let key = work_key(inner.id, path, "tried");
                    // Without waiting: the event that follows is behind it in the queue.
                    inner.shared.queue.submit(Box::new(move |batch| batch.set_work(key, None)));
                }
                return Ok(Ok(value));
            }
            Err(Failure::Caller(refusal)) => return Ok(Err(refusal)),
            Err(Failure::Cancelled) => {
                flow.open()?;
                flow.forward()?;
                return Err(Halt::Park("a step stopped as if cancelled, but nobody had asked".to_owned()));
            }
            Err(Failure::Ours(why)) => {
                return Err(Halt::Park(format!("step {path} met a fault of its own: {why}")));
            }
            Err(Failure::World(error)) => {
                tracing::warn!(flow = %inner.id, path, number, error, "an attempt failed");
                if number >= policy.attempts_max && flow.is_committed() {
                    return Err(Halt::Park(format!("step {path} failed {number} times: {error}")));
                }
                if number >= policy.attempts_max {
                    let refusal = Refusal::new("ServiceUnavailable", format!("{error} ({number} attempts)"));
                    return Ok(Err(
                        refusal.advise("mend what the message names, then start the operation again")
                    ));
                }
                let due_ms =
                    inner.shared.clock.now_ms().saturating_add(backoff_ms(flow, path, number, policy));
                let next = Tried { attempts: number, due_ms, error };
                let value = rmp_serde::to_vec_named(&next).expect("a memo is plain data");
                let (id, path) = (inner.id, path.to_owned());
                let ticket =
                    inner.shared.queue.submit(Box::new(move |batch| batch.keep(id, &path, "tried", value)));
                inner.shared.queue.durable(ticket).await?;
                tried = Some(next);
            }
        }
    }
}

async fn wait_until<P: Send + Sync + 'static>(flow: &Flow<P>, due_ms: i64, undoing: bool) {
    let live = &flow.inner.live;
    let left_ms = due_ms.saturating_sub(flow.inner.shared.clock.now_ms()).max(0).cast_unsigned();
    if left_ms > 0 {
        flow.waits();
    }
    let _pause = flow.pauses(Wait::Time);
    let sleep = tokio::time::sleep(Duration::from_millis(left_ms));
    if undoing {
        tokio::select! {
            () = sleep => {}
            () = live.closing() => {}
        }
    } else {
        tokio::select! {
            () = sleep => {}
            () = live.called() => {}
        }
    }
}

/// Doubles with each attempt; the jitter, up to a half of it, is a function of flow, path and
/// number, so that a simulation repeats and two flows do not knock together.
fn backoff_ms<P>(flow: &Flow<P>, path: &str, number: u32, policy: Policy) -> i64 {
    let doubled = policy.backoff_ms.saturating_mul(1 << (number - 1).min(20)).min(policy.backoff_ms_max);
    let seed = blake3::hash(format!("{} {path} {number}", flow.inner.id).as_bytes());
    let share = u64::from(seed.as_bytes()[0]);
    i64::try_from(doubled - doubled * share / 512).unwrap_or(i64::MAX)
}
