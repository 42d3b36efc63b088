//! Trying: attempts, backoff, and what each family of failure comes to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use event::{Attempt, Failure, Refusal, Wait, When};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::act;
use crate::at::{At, Pulse, work_key};
use crate::committer::panic_text;
use crate::flow::Flow;
use crate::live::Live;
use crate::queue::{Ticket, lock};
use crate::rate::Rate;
use crate::spans;
use crate::step::{Act, Policy};
use crate::workflow::Halt;

/// What is remembered of a step that failed, so that attempts survive restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tried {
    /// Attempts made.
    pub(crate) attempts: u32,
    /// When the next is due, milliseconds since 1970 UTC.
    pub(crate) due_ms: i64,
    /// How the last one failed; nothing if none has.
    pub(crate) error: String,
    /// When the first one began, of a step whose attempts are limited together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since_ms: Option<i64>,
}

/// By how much each reset raises the numbers of attempts: an attempt that succeeded is not noted, and what is done
/// once more has to fence it. More than the attempts any policy makes at a step.
pub(crate) const RESET_NUMBERS: u32 = 1 << 20;
/// How long an attempt that is to stop may go on to its next checkpoint before it is cut off.
const GRACE: Duration = Duration::from_secs(5);

/// Tries an action until it succeeds or fails for good. The outer error is the flow's, the inner
/// one the step's.
pub(crate) async fn run<P: Send + Sync + 'static, T: Send + 'static>(
    flow: &Flow<P>,
    path: &Arc<str>,
    act: &Act<'_, P, T>,
    policy: Policy,
    rate: Option<&Rate>,
) -> Result<Result<T, Refusal>, Halt> {
    let (inner, undoing) = (&flow.inner, path.ends_with('~'));
    all_before(flow).await?;
    let mut tried = {
        let mut told = lock(&inner.told);
        if told.tried.is_empty() { None } else { told.tried.remove(&**path) }
    };
    let since_ms = tried.as_ref().and_then(|tried| tried.since_ms);
    let since_ms = since_ms.or_else(|| policy.total_limit.map(|_| inner.shared.clock.now_ms()));
    if let (Some(since_ms), None) = (since_ms, &tried) {
        // Before it begins, or a process that ends in the first attempt would begin the time anew.
        remember(
            flow,
            path,
            &Tried { attempts: 0, due_ms: since_ms, error: String::new(), since_ms: Some(since_ms) },
        );
    }
    loop {
        if let Some(tried) = tried.as_ref().filter(|tried| !tried.error.is_empty()) {
            let doing = format!("trying again after attempt {} ({})", tried.attempts, tried.error);
            let before = inner.live.says(doing);
            wait_until(flow, tried.due_ms, undoing).await;
            inner.live.says(before);
        }
        comes_to(flow, path, rate).await?;
        if undoing {
            flow.open()?;
        } else {
            flow.forward()?;
        }
        // The number fences and never falls; what counts against the policy begins anew when a
        // person has let a parked flow go on.
        let before = tried.as_ref().map_or(0, |tried| tried.attempts);
        let fence = inner.shared.next_number(
            inner.work,
            path,
            before.saturating_add(inner.resets.saturating_mul(RESET_NUMBERS)),
        );
        let number = before + 1;
        let attempt = Attempt { incarnation: inner.shared.incarnation, number: fence };
        let span = spans::of_attempt(inner.id, path, number);
        let limits = Limits::of(flow, &policy, since_ms);
        let outcome = attempted(flow, path, act, attempt, &limits).instrument(span.clone()).await?;
        spans::ended(&span, &outcome);
        drop(span);
        // Past the point of no return there is nobody left to say no to: it is tried again.
        let outcome = outcome.map_err(|failure| match failure {
            Failure::Caller(refusal) if flow.is_committed() => Failure::World(refusal.to_string()),
            failure => failure,
        });
        if outcome.is_err() {
            inner.shared.store.measures.failed_attempts.fetch_add(1, Ordering::Relaxed);
            inner.shared.failed(inner.work, path, fence);
        }
        match outcome {
            Ok(value) => {
                if tried.is_some() || since_ms.is_some() {
                    // The memo goes, and with it what the undo would have to be above.
                    inner.shared.failed(inner.work, path, fence);
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
                tracing::warn!(flow = %inner.id, path = &**path, number, error, "an attempt failed");
                let now_ms = inner.shared.clock.now_ms();
                let due_ms = now_ms.saturating_add(backoff_ms(flow, path, number, policy));
                let why_final = if number >= policy.attempts_max {
                    Some(format!("{number} attempts"))
                } else if (policy.is_final)(&error) {
                    Some("trying again is no use".to_owned())
                } else if let (Some(limit), Some(since_ms)) = (policy.total_limit, since_ms)
                    && due_ms.saturating_sub(since_ms) >= millis(limit)
                {
                    Some(format!("{number} attempts, {} seconds in all are allowed", limit.as_secs_f32()))
                } else {
                    None
                };
                if let Some(why) = why_final {
                    if flow.is_committed() {
                        return Err(Halt::Park(format!("step {path} failed {number} times: {error}")));
                    }
                    let refusal = Refusal::new("ServiceUnavailable", format!("{error} ({why})"));
                    let advice = "mend what the message names, then start the operation again";
                    return Ok(Err(refusal.advise(advice)));
                }
                let next = Tried { attempts: number, due_ms, error, since_ms };
                let ticket = remember(flow, path, &next);
                inner.shared.queue.durable(ticket).await?;
                tried = Some(next);
            }
        }
    }
}

/// Waits for the flow's turn, and last of all for its pace, so that those which come late do not begin together. What
/// was made to stand still while it waited takes another place in the pace when it goes on.
async fn comes_to<P: Send + Sync + 'static>(
    flow: &Flow<P>,
    path: &str,
    rate: Option<&Rate>,
) -> Result<(), Halt> {
    loop {
        flow.turn(path).await?;
        let Some(rate) = rate else { return Ok(()) };
        flow.paced(rate).await?;
        if !flow.stands_still() {
            return Ok(());
        }
    }
}

/// An effect waits for all earlier records of its flow.
async fn all_before<P: Send + Sync + 'static>(flow: &Flow<P>) -> Result<(), Halt> {
    #[cfg(test)]
    if crate::planted::is(crate::planted::Planted::EarlyEffect) {
        return Ok(());
    }
    flow.durable().await
}

/// Keeps what is remembered of a step's attempts.
fn remember<P: Send + Sync + 'static>(flow: &Flow<P>, path: &str, tried: &Tried) -> Ticket {
    #[cfg(test)]
    if crate::planted::is(crate::planted::Planted::NoMemo) {
        return Ticket::default();
    }
    let value = rmp_serde::to_vec_named(tried).expect("a memo is plain data");
    let (id, path) = (flow.inner.id, path.to_owned());
    flow.inner.shared.queue.submit(Box::new(move |batch| batch.keep(id, &path, "tried", value)))
}

/// Until when an attempt may go on, and how long it may be silent.
struct Limits {
    /// The end, and what is said of one that reaches it.
    end: Option<(Instant, String)>,
    silence: Option<Duration>,
}

impl Limits {
    fn of<P>(flow: &Flow<P>, policy: &Policy, since_ms: Option<i64>) -> Self {
        if policy.attempt_limit.is_none() && policy.total_limit.is_none() {
            return Self { end: None, silence: policy.heartbeat_limit };
        }
        let now = Instant::now();
        let attempt = policy.attempt_limit.map(|limit| {
            (now + limit, format!("an attempt took longer than the {} seconds it may", limit.as_secs_f32()))
        });
        let total = policy.total_limit.zip(since_ms).map(|(limit, since_ms)| {
            let spent_ms = flow.inner.shared.clock.now_ms().saturating_sub(since_ms).max(0).cast_unsigned();
            let left = limit.saturating_sub(Duration::from_millis(spent_ms));
            (now + left, format!("it took longer than the {} seconds it may in all", limit.as_secs_f32()))
        });
        let end = attempt.into_iter().chain(total).min_by_key(|(end, _)| *end);
        Self { end, silence: policy.heartbeat_limit }
    }
}

/// Counts an attempt that is being made.
struct AtWork<'a>(&'a Live);

impl<'a> AtWork<'a> {
    fn new(live: &'a Live) -> Self {
        live.at_work.fetch_add(1, Ordering::AcqRel);
        Self(live)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes one attempt, unless something strikes it.
async fn attempted<P: Send + Sync + 'static, T: Send + 'static>(
    flow: &Flow<P>,
    path: &Arc<str>,
    act: &Act<'_, P, T>,
    attempt: Attempt,
    limits: &Limits,
) -> Result<Result<T, Failure>, Halt> {
    let Some(order) = &flow.inner.shared.order else { return acted(flow, path, act, attempt, limits).await };
    if let Some(failure) = order.strikes(flow.inner.id, path, When::Before) {
        return Ok(Err(failure));
    }
    let outcome = acted(flow, path, act, attempt, limits).await;
    match order.strikes(flow.inner.id, path, When::After) {
        Some(failure) => Ok(Err(failure)),
        None => outcome,
    }
}

/// Makes one attempt, and ends it when it takes too long. It has ended when this has.
async fn acted<P: Send + Sync + 'static, T: Send + 'static>(
    flow: &Flow<P>,
    path: &Arc<str>,
    act: &Act<'_, P, T>,
    attempt: Attempt,
    limits: &Limits,
) -> Result<Result<T, Failure>, Halt> {
    let at = At::new(flow, path, attempt, path.ends_with('~'), Pulse::new(limits.silence.is_some()));
    let _at_work = AtWork::new(&flow.inner.live);
    let mut action = act(at.clone()).in_current_span();
    if let Some(outcome) = act::at_once(&mut action).await {
        return Ok(outcome);
    }
    // On a task of its own: a panic in it is an answer, and it ends before anything follows.
    let mut task = tokio::spawn(action);
    let late = overdue(at.pulse(), limits);
    let (joined, late) = tokio::select! {
        biased;
        joined = &mut task => (joined, None),
        why = late => {
            at.pulse().overdue.store(true, Ordering::Release);
            let stopped = tokio::time::timeout(GRACE, &mut task).await;
            let joined = if let Ok(joined) = stopped {
                joined
            } else {
                task.abort();
                task.await
            };
            (joined, Some(why))
        }
    };
    match (joined, late) {
        // One that came to its end after all has done what it was for.
        (Ok(Ok(value)), _) => Ok(Ok(value)),
        (Ok(Err(Failure::Cancelled)), Some(why)) => {
            flow.open()?;
            Ok(Err(Failure::World(why)))
        }
        (Ok(outcome), _) => Ok(outcome),
        (Err(join), _) if join.is_panic() => Ok(Err(Failure::Ours(panic_text(&*join.into_panic())))),
        (Err(_), Some(why)) => Ok(Err(Failure::World(why))),
        (Err(_), None) => Err(Halt::Stopped(flow.inner.shared.queue.error())),
    }
}

/// Ends when the attempt has taken too long, and says why.
async fn overdue(pulse: &Pulse, limits: &Limits) -> String {
    loop {
        let silence = limits.silence.zip(pulse.beat.as_ref());
        let silent_until = silence.map(|(silence, beat)| *lock(beat) + silence);
        let end = limits.end.as_ref().map(|(end, _)| *end);
        let Some(next) = end.into_iter().chain(silent_until).min() else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(next).await;
        let now = Instant::now();
        if let Some((_, why)) = limits.end.as_ref().filter(|(end, _)| *end <= now) {
            return why.clone();
        }
        if let Some((silence, _)) = silence.filter(|(silence, beat)| *lock(beat) + *silence <= now) {
            return format!(
                "an attempt was silent for longer than the {} seconds it may",
                silence.as_secs_f32()
            );
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
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
            () = flow.called() => {}
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
