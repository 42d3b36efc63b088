//! Rates under a key: so many attempts in so long, the others wait.
//!
//! A key has the time at which all that was let begin would be spent at an even pace. So in any stretch of time there
//! begin at most one period's worth, and besides that what the stretch has room for at that pace. Nothing of it is in
//! the log: after a restart each key begins anew, so that at most one period's worth more begins than without it.

use std::collections::HashMap;
use std::time::Duration;

use event::Wait;
use tokio::time::Instant;

use crate::flow::Flow;
use crate::queue::lock;
use crate::workflow::Halt;

/// What a flow is shown to be doing while it waits.
const WAITING: &str = "waiting, for no more are to begin in so short a time";
/// Keys from which on those that no longer make anybody wait are forgotten.
const KEYS_KEPT: usize = 1024;

/// A rate that steps share.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    pub(crate) key: String,
    pub(crate) count: u32,
    pub(crate) period: Duration,
}

/// When what was let begin is spent, by key.
#[derive(Debug, Default)]
pub(crate) struct Rates(HashMap<String, Instant>);

impl Rates {
    /// Takes the next begin under a rate; says when it is.
    fn take(&mut self, rate: &Rate, now: Instant) -> Instant {
        if self.0.len() >= KEYS_KEPT {
            self.0.retain(|_, spent| *spent > now);
        }
        let count = rate.count.max(1);
        let spent = self.0.get(&rate.key).copied().unwrap_or(now).max(now) + rate.period / count;
        self.0.insert(rate.key.clone(), spent);
        spent.checked_sub(rate.period).unwrap_or(now).max(now)
    }
}

impl<P: Send + Sync + 'static> Flow<P> {
    /// Waits until the rate lets one more begin, or the flow is called. What was waited for is spent either way.
    pub(crate) async fn paced(&self, rate: &Rate) -> Result<(), Halt> {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::NoPace) {
            return Ok(());
        }
        let now = Instant::now();
        let begins = lock(&self.inner.shared.rates).take(rate, now);
        if begins <= now {
            return Ok(());
        }
        self.waits();
        let live = &self.inner.live;
        let before = live.says(WAITING.to_owned());
        let pause = self.pauses(Wait::Time);
        tokio::select! {
            () = tokio::time::sleep_until(begins) => {}
            () = self.called() => {}
        }
        drop(pause);
        live.says(before);
        self.open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_periods_worth_begins_at_once_and_then_at_an_even_pace() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        let rate = Rate { key: "cn-a".to_owned(), count: 4, period: Duration::from_secs(2) };
        let begins: Vec<_> = (0..7).map(|_| (rates.take(&rate, now) - now).as_millis()).collect();
        assert_eq!(begins, [0, 0, 0, 0, 500, 1000, 1500]);
        let later = now + Duration::from_secs(10);
        assert_eq!(rates.take(&rate, later), later, "after a pause the next begins at once");
        let other = Rate { key: "cn-b".to_owned(), ..rate };
        assert_eq!(rates.take(&other, now), now, "each key has its own");
    }

    #[test]
    fn keys_that_make_nobody_wait_are_forgotten() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        for key in 0..3 * KEYS_KEPT {
            let rate = Rate { key: key.to_string(), count: 1, period: Duration::from_millis(1) };
            rates.take(&rate, now + Duration::from_millis(key as u64));
        }
        assert!(rates.0.len() <= KEYS_KEPT);
    }
}
