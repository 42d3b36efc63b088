//! Deciding at the head of the log: a pure question, one event or a no.

use std::future::Future;
use std::sync::Arc;

use event::{Draft, Event, Refusal, Scope, View};
use tokio::sync::oneshot;

use crate::committer::Slot;
use crate::flow::{DecideUndo, Flow, Undo};
use crate::kinds::Refused;
use crate::queue::lock;
use crate::workflow::Halt;

/// A decide's answer.
enum Answer<E> {
    Event(E, i64),
    Refused(Refusal, i64),
    Cancelled,
    Fault(String),
    Gone,
}

impl<P: Send + Sync + 'static> Flow<P> {
    /// Decides something at the head of the log: a pure function of one scope's rows that yields
    /// one event or a refusal. Say how it is undone before awaiting it.
    ///
    /// ```compile_fail
    /// # async fn story<P: Send + Sync + 'static>(flow: &engine::Flow<P>) {
    /// let _ = flow.decide("100000/cn-a".into(), |_| Ok(engine::Superseded { what: String::new() })).await;
    /// # }
    /// ```
    pub fn decide<E: Event>(
        &self,
        scope: Scope,
        decide: impl FnOnce(&View<'_>) -> Result<E, Refusal> + Send + 'static,
    ) -> Decide<'_, P, E> {
        Decide { flow: self, scope, rule: Box::new(decide) }
    }

    async fn decide_now<E: Event>(
        &self,
        path: Arc<str>,
        scope: Scope,
        decide: DecideFn<E>,
        undo: Option<DecideUndo>,
    ) -> Result<E, Halt> {
        if path.ends_with('!') && self.branch.may_lose {
            let why = format!("step {path} has no way back, but stands in a race, whose losers are undone");
            lock(&self.inner.told).broken = Some(why.clone());
            return Err(Halt::Park(why));
        }
        // A refusal is kept without the mark of no return.
        let recalled = match self.recall::<E>(&path)? {
            None if path.ends_with('!') => self.recall::<E>(path.trim_end_matches('!'))?,
            recalled => recalled,
        };
        let event = match recalled {
            Some(answer) => answer?,
            None => self.ask_now(&path, scope.clone(), decide).await?,
        };
        if path.ends_with('!') {
            lock(&self.inner.told).committed = true;
        }
        // Its record is its effect: only a decide that is in the log has anything to undo.
        if let Some(undo) = undo {
            self.arm(&path, Undo::Decide(scope, undo));
        }
        Ok(event)
    }

    async fn ask_now<E: Event>(&self, path: &Arc<str>, scope: Scope, decide: DecideFn<E>) -> Result<E, Halt> {
        self.forward()?;
        self.turn(path).await?;
        self.forward()?;
        let (sender, receiver) = oneshot::channel();
        let (id, live, path) = (self.inner.id, self.inner.live.clone(), path.clone());
        let ticket = self.inner.shared.queue.submit(Box::new(move |batch| {
            let slot = Slot { flow: id, path: &path, scope: &scope };
            let answer = decide_in(batch, &slot, decide);
            live.ahead.answered();
            // A flow that was dropped meanwhile replays.
            if sender.send(answer).is_err() {
                live.ahead.gone();
            }
        }));
        self.submitted(ticket);
        let answer = receiver.await.map_err(|_| self.inner.shared.queue.error())?;
        self.inner.live.ahead.taken();
        match answer {
            Answer::Event(event, time_ms) => {
                self.met(time_ms);
                Ok(event)
            }
            Answer::Refused(refusal, time_ms) => {
                self.met(time_ms);
                Err(Halt::Refused(refusal))
            }
            Answer::Cancelled => {
                lock(&self.inner.told).turned = true;
                Err(Halt::Turned)
            }
            Answer::Fault(why) => Err(Halt::Park(format!("a rule met a fault of its own: {why}"))),
            Answer::Gone => Err(Halt::Park("the log no longer holds this flow as running".to_owned())),
        }
    }
}

fn decide_in<E: Event>(
    batch: &mut crate::committer::Batch<'_>,
    slot: &Slot<'_>,
    decide: DecideFn<E>,
) -> Answer<E> {
    let Some(flow) = batch.flow(slot.flow) else {
        return Answer::Gone;
    };
    #[cfg(test)]
    let asks = !crate::planted::is(crate::planted::Planted::NoCancelCheck);
    #[cfg(not(test))]
    let asks = true;
    if asks && flow.cancel.is_some() && !flow.committed {
        return Answer::Cancelled;
    }
    let decided = batch.ask(slot.scope, |view| {
        let event = decide(view)?;
        let draft = Draft::of(&event);
        Ok::<_, Refusal>((event, draft))
    });
    match decided {
        Err(panic) => Answer::Fault(panic),
        Ok(Ok((event, draft))) => match batch.append(slot, draft) {
            Some((_, time_ms)) => Answer::Event(event, time_ms),
            None => Answer::Gone,
        },
        Ok(Err(refusal)) => {
            // The mark of no return belongs to what was decided, not to a refusal.
            let slot = Slot { path: slot.path.trim_end_matches('!'), ..*slot };
            match batch.append(&slot, Draft::of(&Refused { refusal: refusal.clone() })) {
                Some((_, time_ms)) => Answer::Refused(refusal, time_ms),
                None => Answer::Gone,
            }
        }
    }
}

type DecideFn<E> = Box<dyn FnOnce(&View<'_>) -> Result<E, Refusal> + Send>;

/// A decide that still lacks its undo.
#[must_use = "a decide happens only when its undo is given and it is awaited"]
pub struct Decide<'a, P, E> {
    flow: &'a Flow<P>,
    scope: Scope,
    rule: DecideFn<E>,
}

impl<'a, P: Send + Sync + 'static, E: Event> Decide<'a, P, E> {
    /// The event that takes it back, decided at the head as well. Compare and release: if the
    /// thing is no longer this flow's, yield [`Superseded`](crate::Superseded).
    pub fn undo<D: Into<Draft>>(
        self,
        undo: impl FnOnce(&View<'_>) -> D + Send + 'static,
    ) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        let undo: DecideUndo = Box::new(move |view| undo(view).into());
        self.run("", Some(undo))
    }

    /// Nothing has to be taken back, for a reason.
    pub fn nothing_to_undo(self, _reason: &'static str) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        self.run("", None)
    }

    /// From here there is no way back, for a reason: a cancel is refused, failures go forward or
    /// park.
    pub fn point_of_no_return(
        self,
        _reason: &'static str,
    ) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        self.run("!", None)
    }

    fn run(self, mark: &str, undo: Option<DecideUndo>) -> impl Future<Output = Result<E, Halt>> + Send + 'a {
        let Decide { flow, scope, rule } = self;
        let path = flow.next_path(mark);
        async move {
            let whole = flow.begins_alone(path.clone())?;
            let done = flow.decide_now(path, scope, rule, undo).await;
            whole.ends();
            done
        }
    }
}
