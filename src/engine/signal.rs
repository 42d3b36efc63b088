//! Telling a flow something while it runs, and asking it something.
//!
//! What a flow is told is an event of it, in the log before whoever tells it is answered. Its story takes what it was
//! told by name, oldest first, and that is an event as well, so that a replay takes the same. What it shows of itself
//! is no event: it is said again whenever the story is told again, and is there while the flow is driven.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use event::{Actor, Draft, FlowId, Seq, Wait};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::committer::Slot;
use crate::flow::Flow;
use crate::fold::{TOLD, house};
use crate::kinds::{SignalTaken, Signalled, TimerFired};
use crate::queue::lock;
use crate::workflow::Halt;
use crate::{Denial, Engine, Error};

/// What a flow may have been told that it has not taken, at most: a story that does not listen is not to fill the log.
pub const SIGNALS_MAX: u32 = 1_000;
/// Bytes of one thing told, at most: what is larger belongs into a store, and its name into the signal. All that a
/// flow was told goes over in one commit when it goes on as another, which these two keep to 8 MiB.
pub const SIGNAL_BYTES_MAX: usize = 8 << 10;

impl<P: Send + Sync + 'static> Flow<P> {
    /// Waits until the flow is told something under a name, and takes it. What was told before it waited is taken
    /// at once, oldest first.
    ///
    /// # Errors
    /// [`Halt::Park`] if what was told does not decode as `T`.
    pub fn signal<T: DeserializeOwned + Send + 'static>(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<T, Halt>> + Send + '_ {
        let (path, name) = (self.next_path(""), name.to_owned());
        self.alone(path.clone(), async move {
            let taken = self.signal_at(&path, &name, None).await?;
            Ok(taken.expect("without a limit of time it waits until there is one"))
        })
    }

    /// The same, for so long at most; none if the time is over first.
    pub fn signal_within<T: DeserializeOwned + Send + 'static>(
        &self,
        name: &str,
        limit: Duration,
    ) -> impl Future<Output = Result<Option<T>, Halt>> + Send + '_ {
        let (path, name) = (self.next_path(""), name.to_owned());
        self.alone(path.clone(), async move { self.signal_at(&path, &name, Some(limit)).await })
    }

    /// Shows something of the story under a name, over what it showed before, for [`Engine::query`]. It is part of
    /// the story, not of the log: a story that is told again shows it again.
    pub fn show<T: Serialize>(&self, name: &str, state: &T) {
        let value = rmp_serde::to_vec_named(state).expect("what is shown is plain data");
        self.inner.live.show(name, value);
    }

    async fn signal_at<T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
        limit: Option<Duration>,
    ) -> Result<Option<T>, Halt> {
        let due_ms = match limit {
            Some(limit) => Some(self.set_timer(path, limit).await?),
            None => None,
        };
        let end = format!("{path}+");
        // Which of the two it came to stands at the same place.
        if self.journal_has::<TimerFired>(&end) {
            return self.recall::<TimerFired>(&end)?.transpose().map(|_| None);
        }
        let live = &self.inner.live;
        if let Some(taken) = self.recall::<SignalTaken>(&end)?.transpose()? {
            let told = live.take_signal(|seq, _, _| seq == taken.signal);
            let (_, told) =
                told.ok_or_else(|| Halt::Park(format!("event {} is no signal of it", taken.signal)))?;
            return read(&told).map(Some);
        }
        loop {
            self.forward()?;
            if let Some((signal, told)) = live.take_signal(|_, told, free| free && told.name == name) {
                self.append(end.as_str(), Draft::of(&SignalTaken { signal }));
                return read(&told).map(Some);
            }
            self.durable().await?;
            self.waits();
            let pause = self.pauses(due_ms.map_or(Wait::Word, |_| Wait::Time));
            let over = async {
                match due_ms {
                    Some(due_ms) => self.until(due_ms).await,
                    None => std::future::pending().await,
                }
            };
            let is_over = tokio::select! {
                biased;
                () = live.called_or(|| self.branch.is_stopped() || live.has_signal(name)) => false,
                () = over => true,
            };
            drop(pause);
            if is_over {
                self.forward()?;
                self.append(end.as_str(), Draft::of(&TimerFired { set_at: path.to_owned() }));
                return Ok(None);
            }
        }
    }
}

fn read<T: DeserializeOwned>(told: &Signalled) -> Result<T, Halt> {
    let read = rmp_serde::from_slice(&told.payload);
    read.map_err(|error| Halt::Park(format!("what it was told as `{}` does not decode: {error}", told.name)))
}

impl<P: Send + Sync + 'static> Engine<P> {
    /// Tells a flow something under a name; durable on return. With the same `key` (if it is not empty) the same
    /// flow is told once, and the answer is the same.
    ///
    /// # Errors
    /// [`Error::NoFlow`]; [`Error::Denied`] with [`Denial::Ended`], [`Denial::Turned`] if it only undoes what it
    /// began, [`Denial::Busy`] if it has [`SIGNALS_MAX`] to take already, [`Denial::TooLarge`].
    pub async fn signal<T: Serialize>(
        &self,
        by: Actor,
        id: FlowId,
        name: &str,
        payload: &T,
        key: &str,
    ) -> Result<(), Error> {
        self.shared.admit(id)?;
        let payload = rmp_serde::to_vec_named(payload).expect("what is told is plain data");
        let denied = |denial, why: String| Error::Denied { flow: id, denial, why };
        if payload.len() > SIGNAL_BYTES_MAX {
            let why = format!(
                "was not told: {} bytes are more than the {SIGNAL_BYTES_MAX} a signal may have",
                payload.len()
            );
            return Err(denied(Denial::TooLarge, why));
        }
        self.shared.signalled.store(true, Ordering::SeqCst);
        let told = Signalled { name: name.to_owned(), payload, by, key: key.to_owned() };
        let (sender, receiver) = oneshot::channel();
        let shared = self.shared.clone();
        let ticket = self.shared.queue.submit(Box::new(move |batch| {
            // Nobody may be waiting for the answer.
            let _ = sender.send(tell(batch, id, told, shared.live(id).as_deref()));
        }));
        let answer = receiver.await.map_err(|_| self.shared.queue.error())?;
        // A no is told as well when what it rests on is on disk.
        self.shared.queue.durable(ticket).await?;
        let told = answer.map_err(|no| match no {
            Some((denial, why)) => denied(denial, why),
            None => Error::NoFlow(id),
        })?;
        // Once more for one that began to be driven meanwhile, from a log that did not have it.
        if let (Some((seq, told)), Some(live)) = (told, self.shared.live(id)) {
            live.tell(seq, told);
        }
        Ok(())
    }

    /// What a flow shows under a name now; nothing if its story has not shown any such thing.
    ///
    /// # Errors
    /// [`Error::NoFlow`]; [`Error::Denied`] with [`Denial::NotDriven`] if it has ended or is not driven by this
    /// process; [`Error::Read`] if it does not decode as `T`.
    pub fn query<T: DeserializeOwned>(&self, id: FlowId, name: &str) -> Result<Option<T>, Error> {
        let Some(live) = self.shared.live(id) else {
            self.shared.flow_row(id)?.ok_or(Error::NoFlow(id))?;
            let why = "shows nothing: it has ended, is parked, or is not driven by this process".to_owned();
            return Err(Error::Denied { flow: id, denial: Denial::NotDriven, why });
        };
        live.shown(name).map(|value| rmp_serde::from_slice(&value).map_err(Error::read)).transpose()
    }
}

type Told = Result<Option<(Seq, Signalled)>, Option<(Denial, String)>>;

/// Writes what a flow is told, unless it cannot be; nothing new if it was told before under this key.
fn tell(
    batch: &mut crate::committer::Batch<'_>,
    id: FlowId,
    told: Signalled,
    live: Option<&crate::live::Live>,
) -> Told {
    let Some(flow) = batch.flow(id).cloned() else {
        let known = crate::fold::flow(batch.rows(), id).is_some() || batch.ended(id).is_some();
        return Err(known.then(|| (Denial::Ended, "has ended already".to_owned())));
    };
    if !told.key.is_empty() && TOLD.get(batch.rows(), house(), &[&id.to_string(), &told.key]).is_some() {
        return Ok(None);
    }
    if flow.turn.is_some() || (flow.cancel.is_some() && !flow.committed) {
        let why = "undoes what it began and takes nothing more".to_owned();
        return Err(Some((Denial::Turned, why)));
    }
    if flow.signals >= SIGNALS_MAX {
        let why = format!("was told {SIGNALS_MAX} things that it has not taken; wait until it has");
        return Err(Some((Denial::Busy, why)));
    }
    let slot = Slot { flow: id, path: "", scope: &flow.scope };
    let written = batch.append(&slot, Draft::of(&told));
    let (seq, _) = written.expect("it has not ended");
    if let Some(live) = live {
        live.tell(seq, told.clone());
    }
    Ok(Some((seq, told)))
}

/// What a flow was told, by its records, oldest first.
fn told(records: &[event::Record]) -> Vec<(Seq, Signalled)> {
    let told = records.iter().filter_map(|record| Some((record.seq, record.get::<Signalled>().ok()?)));
    told.collect()
}

impl crate::live::Live {
    /// The flow was told something, if that is not known already.
    pub(crate) fn tell(&self, seq: Seq, told: Signalled) {
        {
            let mut signals = lock(&self.signals);
            if signals.taken.contains(&seq) {
                return;
            }
            signals.told.insert(seq, told);
        }
        self.ring();
    }

    fn take_signal(&self, wanted: impl Fn(Seq, &Signalled, bool) -> bool) -> Option<(Seq, Signalled)> {
        let mut signals = lock(&self.signals);
        let free = |seq: &Seq| !signals.claimed.contains(seq);
        let mut told = signals.told.iter();
        let seq = told.find(|(seq, told)| wanted(**seq, told, free(seq))).map(|(seq, _)| *seq)?;
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::TakenTwice) {
            return signals.told.get(&seq).cloned().map(|told| (seq, told));
        }
        let told = signals.told.remove(&seq)?;
        signals.taken.insert(seq);
        Some((seq, told))
    }

    fn has_signal(&self, name: &str) -> bool {
        let signals = lock(&self.signals);
        signals.told.iter().any(|(seq, told)| told.name == name && !signals.claimed.contains(seq))
    }

    /// Takes over what the log says of what the flow was told.
    pub(crate) fn remember(&self, records: &[event::Record]) {
        let taken = records.iter().filter_map(|record| record.get::<SignalTaken>().ok());
        lock(&self.signals).claimed.extend(taken.map(|taken| taken.signal));
        for (seq, signal) in told(records) {
            #[cfg(test)]
            if crate::planted::is(crate::planted::Planted::Forgets)
                && !lock(&self.signals).claimed.contains(&seq)
            {
                continue;
            }
            self.tell(seq, signal);
        }
    }

    /// What it was told and has not taken, oldest first.
    pub(crate) fn signals_left(&self) -> Vec<Signalled> {
        lock(&self.signals).told.values().cloned().collect()
    }

    fn show(&self, name: &str, value: Vec<u8>) {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::FirstShown) {
            lock(&self.shown).entry(name.to_owned()).or_insert(value);
            return;
        }
        lock(&self.shown).insert(name.to_owned(), value);
    }

    fn shown(&self, name: &str) -> Option<Vec<u8>> {
        lock(&self.shown).get(name).cloned()
    }
}
