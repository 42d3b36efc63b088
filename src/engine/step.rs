//! Acting on the world: a step, how often and how patiently it is tried, and its undo.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use event::{Draft, Event, Failure};

use crate::at::At;
use crate::flow::{Flow, StepUndo, Undo};
use crate::kinds::Failed;
use crate::rate::Rate;
use crate::workflow::Halt;

impl<P: Send + Sync + 'static> Flow<P> {
    /// Acts on the world. It runs at least once: make its effects keyed, let a second run find the
    /// first one's work. Say how it is undone before awaiting it.
    pub fn step<E, F, Fut>(&self, act: F) -> Step<'_, P, E>
    where
        E: Event,
        F: Fn(At<P>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<E, Failure>> + Send + 'static,
    {
        Step {
            flow: self,
            act: Box::new(move |at| Box::pin(act(at))),
            limit: None,
            rate: None,
            policy: Policy::default(),
        }
    }
}

/// What is done in an attempt at a step or an undo.
pub(crate) type Act<'a, P, E> =
    dyn Fn(At<P>) -> Pin<Box<dyn Future<Output = Result<E, Failure>> + Send>> + Send + Sync + 'a;

/// How often and how patiently a step is tried.
///
/// What a failure comes to is its family's: a [`Failure::Caller`] is final at once, [`Failure::World`] is tried
/// again as this says, [`Failure::Ours`] parks the flow.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts before the world's failure is final.
    pub attempts_max: u32,
    /// Wait after the first failure; doubles each time, less a jitter of up to a half.
    pub backoff_ms: u64,
    /// The longest wait.
    pub backoff_ms_max: u64,
    /// How long one attempt may take. One that takes longer is told to stop at its next checkpoint, a moment later it
    /// is cut off, and it counts as failed by the world.
    pub attempt_limit: Option<Duration>,
    /// How long all attempts together may take, from the beginning of the first one, restarts and waits between
    /// included. The attempt under way is ended as by `attempt_limit`, and the failure is final.
    pub total_limit: Option<Duration>,
    /// How long an attempt may go without a checkpoint, for steps that are long but never silent. One that is silent
    /// for longer is ended as by `attempt_limit`.
    pub heartbeat_limit: Option<Duration>,
    /// Says of a failure by the world, by its words, that trying again is no use.
    pub is_final: fn(&str) -> bool,
}

impl Default for Policy {
    /// Eight attempts over about half a minute: a disk that hiccups, not one that is gone. No limits of time.
    fn default() -> Self {
        Self {
            attempts_max: 8,
            backoff_ms: 200,
            backoff_ms_max: 30_000,
            attempt_limit: None,
            total_limit: None,
            heartbeat_limit: None,
            is_final: |_| false,
        }
    }
}

impl Policy {
    /// Undos are tried longer before a person is called: leaving things behind is the worse end.
    pub(crate) fn of_undo() -> Self {
        Self { attempts_max: 12, ..Self::default() }
    }
}

/// A step that still lacks its undo.
#[must_use = "a step happens only when its undo is given and it is awaited"]
pub struct Step<'a, P, E> {
    flow: &'a Flow<P>,
    act: Box<Act<'static, P, E>>,
    limit: Option<(String, usize)>,
    rate: Option<Rate>,
    policy: Policy,
}

impl<'a, P: Send + Sync + 'static, E: Event> Step<'a, P, E> {
    /// At most `count` steps with the same key run at once; the others wait their turn.
    pub fn limit(mut self, key: impl Into<String>, count: usize) -> Self {
        self.limit = Some((key.into(), count));
        self
    }

    /// On the whole `count` attempts under the same key begin within `period`, over all flows of this process; the
    /// others wait. They keep an even pace; after a pause `count` of them begin at once, and the next when its share
    /// of the period is over. A key is what is to be spared: a region, an account.
    pub fn rate(mut self, key: impl Into<String>, count: u32, period: Duration) -> Self {
        self.rate = Some(Rate { key: key.into(), count, period });
        self
    }

    /// Another policy for retries.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What takes it back, however far it came, even if it never began. May run more than once.
    pub fn undo<D, F, Fut>(self, undo: F) -> impl Future<Output = Result<E, Halt>> + Send + 'a
    where
        D: Into<Draft>,
        F: Fn(At<P>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<D, Failure>> + Send + 'static,
    {
        let undo: StepUndo<P> = Arc::new(move |at| {
            let undone = undo(at);
            Box::pin(async move { undone.await.map(Into::into) })
        });
        self.run(Some(undo))
    }

    /// Nothing has to be taken back, for a reason.
    pub fn nothing_to_undo(self, _reason: &'static str) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        self.run(None)
    }

    fn run(self, undo: Option<StepUndo<P>>) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        let flow = self.flow;
        let path = flow.next_path("");
        async move {
            let whole = flow.begins_alone(path.clone())?;
            let done = self.run_at(path, undo).await;
            whole.ends();
            done
        }
    }

    async fn run_at(self, path: Arc<str>, undo: Option<StepUndo<P>>) -> Result<E, Halt> {
        let flow = self.flow;
        // Armed before anything else is looked at: a step that replay reaches and finds
        // unrecorded counts as begun.
        if let Some(undo) = undo {
            flow.arm(&path, Undo::Step(undo));
        }
        if let Some(answer) = flow.recall::<E>(&path)? {
            return answer;
        }
        flow.forward()?;
        let _permit = match &self.limit {
            Some((key, count)) => Some(flow.permit(key, *count).await?),
            None => None,
        };
        match crate::attempt::run(flow, &path, &*self.act, self.policy, self.rate.as_ref()).await? {
            Ok(event) => {
                flow.append(path, Draft::of(&event));
                Ok(event)
            }
            Err(refusal) => {
                flow.append(path, Draft::of(&Failed { refusal: refusal.clone() }));
                Err(Halt::Failed(refusal))
            }
        }
    }
}
