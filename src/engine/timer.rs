//! Letting time pass.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use event::{Draft, Wait};

use crate::flow::Flow;
use crate::kinds::{TimerFired, TimerSet};
use crate::workflow::Halt;

impl<P: Send + Sync + 'static> Flow<P> {
    /// Lets time pass; survives restarts.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = Result<(), Halt>> + Send + '_ {
        let path = self.next_path("");
        let slept = path.clone();
        self.alone(path, async move { self.sleep_at(slept, duration).await })
    }

    async fn sleep_at(&self, path: Arc<str>, duration: Duration) -> Result<(), Halt> {
        #[cfg(test)]
        let recalled = crate::queue::lock(&self.inner.told).journal.contains_key(&*path);
        let due_ms = self.set_timer(&path, duration).await?;
        let fired_path = format!("{path}+");
        if let Some(fired) = self.recall::<TimerFired>(&fired_path)? {
            fired?;
            return Ok(());
        }
        self.forward()?;
        self.durable().await?;
        self.waits();
        #[cfg(test)]
        let due_ms = match crate::planted::planted() {
            Some(crate::planted::Planted::EarlyTimer) if recalled => 0,
            Some(crate::planted::Planted::NoTimer) if recalled => i64::MAX / 4,
            _ => due_ms,
        };
        let pause = self.pauses(Wait::Time);
        tokio::select! {
            () = self.until(due_ms) => {}
            () = self.called() => {}
        }
        drop(pause);
        self.forward()?;
        self.append(fired_path, Draft::of(&TimerFired { set_at: path.to_string() }));
        Ok(())
    }

    /// Sets the timer at a path, if it is not set; says when it is due, milliseconds since 1970 UTC.
    pub(crate) async fn set_timer(&self, path: &str, duration: Duration) -> Result<i64, Halt> {
        let now_ms = self.now_ms().await;
        if let Some(set) = self.recall::<TimerSet>(path)? {
            return Ok(set?.due_ms);
        }
        self.forward()?;
        let wait_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let due_ms = now_ms.saturating_add(wait_ms);
        self.append(path, Draft::of(&TimerSet { due_ms }));
        Ok(due_ms)
    }

    /// Waits until a time has come, milliseconds since 1970 UTC.
    pub(crate) async fn until(&self, due_ms: i64) {
        let left_ms = due_ms.saturating_sub(self.inner.shared.clock.now_ms()).max(0).cast_unsigned();
        tokio::time::sleep(Duration::from_millis(left_ms)).await;
    }
}
