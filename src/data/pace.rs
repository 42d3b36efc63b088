//! How fast a copy may send, and how much it has sent.
//!
//! Whoever sends takes the bytes at once and pays for them before it sends more: a bucket that may
//! be in debt. So nobody waits while holding what others need, and over any stretch of time no more
//! is sent than the pace allows, but for a short credit and what is in flight.
//!
//! A copy has a bucket of its own, or one that it shares with others, or both. A small copy ends
//! before it has paid: only a bucket that outlives it holds many of them to a pace together.
//!
//! The bucket knows no clock: it is told the time. A wait is cut into slices, so that a cancel is
//! heard soon however slow the pace. What is owed is forgotten when the process ends.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::fault::Result;

/// What idle time is worth at most: evens out a sync or a slow read, and is below a second.
const CREDIT: Duration = Duration::from_millis(250);
/// A cancel is heard this soon.
const SLICE: Duration = Duration::from_millis(200);

/// Bytes taken and when they are paid for.
#[derive(Debug)]
pub(crate) struct Bucket {
    bytes_per_second: NonZeroU64,
    /// The time at which all that was taken is paid for.
    paid_at: Duration,
}

impl Bucket {
    /// A bucket that owes nothing.
    pub(crate) fn new(bytes_per_second: NonZeroU64) -> Self {
        Self { bytes_per_second, paid_at: Duration::ZERO }
    }

    /// Takes bytes now.
    pub(crate) fn take(&mut self, bytes: u64, now: Duration) {
        const NANOS: u128 = 1_000_000_000;
        let nanos = (u128::from(bytes) * NANOS).div_ceil(u128::from(self.bytes_per_second.get()));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.paid_at = self.paid_at.max(now.saturating_sub(CREDIT)).saturating_add(cost);
    }

    /// How long it takes until more may be taken.
    pub(crate) fn debt(&self, now: Duration) -> Duration {
        self.paid_at.saturating_sub(now)
    }

    /// Whether a new one would be the same: nothing is owed, and all credit is there again.
    fn is_as_new(&self, now: Duration) -> bool {
        self.paid_at <= now.saturating_sub(CREDIT)
    }
}

/// A bucket that several senders take from.
type Limit = Arc<Mutex<Bucket>>;

fn lock(limit: &Limit) -> MutexGuard<'_, Bucket> {
    limit.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a copy may send in a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    /// By itself.
    pub(crate) own: Option<NonZeroU64>,
    /// Together with others that share what is named so.
    pub(crate) shared: Option<(String, NonZeroU64)>,
}

impl Rates {
    /// What it may send in a second even if no other sends.
    pub(crate) fn most(&self) -> Option<NonZeroU64> {
        self.own.into_iter().chain(self.shared.iter().map(|(_, rate)| *rate)).min()
    }
}

/// The limits that copies share, by what they have in common.
pub(crate) struct Limits {
    clock: Arc<dyn Clock>,
    shared: Mutex<HashMap<String, Limit>>,
}

impl Limits {
    /// No limits yet, by that clock.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shared: Mutex::default() }
    }

    /// The toll of one copy, which counts into `sent`. At no rate it only counts.
    pub(crate) fn toll(&self, rates: &Rates, sent: Arc<AtomicU64>) -> Toll {
        let own = rates.own.map(|rate| Arc::new(Mutex::new(Bucket::new(rate))));
        let shared = rates.shared.as_ref().map(|(of, rate)| self.shared(of, *rate));
        Toll { sent, limits: own.into_iter().chain(shared).collect(), clock: Arc::clone(&self.clock) }
    }

    /// The limit that is shared under a name. The rate that was said last is the one that holds.
    fn shared(&self, of: &str, rate: NonZeroU64) -> Limit {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        // One that owes is kept though nobody uses it just now, or copies that follow each other would owe nothing.
        all.retain(|_, limit| Arc::strong_count(limit) > 1 || !lock(limit).is_as_new(now));
        let limit = all.entry(of.to_owned()).or_insert_with(|| Arc::new(Mutex::new(Bucket::new(rate))));
        lock(limit).bytes_per_second = rate;
        Arc::clone(limit)
    }
}

/// A clock that only goes forward.
pub(crate) trait Clock: Send + Sync {
    /// Time since some beginning.
    fn now(&self) -> Duration;

    /// Lets time pass.
    fn sleep(&self, time: Duration);
}

/// The computer's.
pub(crate) struct Monotonic(Instant);

impl Monotonic {
    /// Begins at zero.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Counts what is sent, and holds the senders of one copy to their pace together.
pub(crate) struct Toll {
    sent: Arc<AtomicU64>,
    limits: Vec<Limit>,
    clock: Arc<dyn Clock>,
}

impl Toll {
    /// So many bytes were sent. Does not wait.
    pub(crate) fn charge(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        for limit in &self.limits {
            lock(limit).take(bytes, self.clock.now());
        }
    }

    /// Waits until all that was sent by now is paid for; `pause` is asked again and again whether
    /// to go on.
    pub(crate) fn wait(&self, mut pause: impl FnMut() -> Result<()>) -> Result<()> {
        let begin = self.clock.now();
        let debt = self.limits.iter().map(|limit| lock(limit).debt(begin)).max().unwrap_or_default();
        loop {
            let left = begin.saturating_add(debt).saturating_sub(self.clock.now());
            if left.is_zero() {
                return Ok(());
            }
            pause()?;
            self.clock.sleep(left.min(SLICE));
        }
    }
}

#[cfg(test)]
mod tests {
    use event::Failure;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate(bytes: u64) -> NonZeroU64 {
        NonZeroU64::new(bytes).unwrap()
    }

    /// A clock that goes on only when somebody sleeps, and remembers how long each slept.
    #[derive(Clone, Default)]
    struct Still(Arc<Mutex<Vec<Duration>>>);

    impl Clock for Still {
        fn now(&self) -> Duration {
            self.0.lock().unwrap().iter().sum()
        }

        fn sleep(&self, time: Duration) {
            self.0.lock().unwrap().push(time);
        }
    }

    #[test]
    fn over_any_stretch_no_more_is_taken_than_the_pace_and_its_credit() {
        // Pieces of many sizes, now and then an idle time; each taker pays before it takes.
        let mut bucket = Bucket::new(rate(1000));
        let mut now = Duration::ZERO;
        let mut taken: Vec<(Duration, u64)> = Vec::new();
        for turn in 0..500_u64 {
            now += bucket.debt(now);
            if turn % 37 == 0 {
                now += 10 * SECOND;
            }
            let bytes = turn * 7919 % 400;
            bucket.take(bytes, now);
            taken.push((now, bytes));
        }
        for (first, (begin, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for (at, bytes) in &taken[first..] {
                sum += bytes;
                // A byte a millisecond, and the last piece, which is paid for behind it.
                let allowed = (at.saturating_sub(*begin) + CREDIT).as_millis() + 400 + 1;
                assert!(u128::from(sum) <= allowed, "{sum} bytes from {begin:?} to {at:?}");
            }
        }
        let last = bucket.debt(Duration::ZERO);
        let all: u64 = taken.iter().map(|(_, bytes)| bytes).sum();
        let idle = 14 * 10 * SECOND;
        assert!(last <= Duration::from_millis(all) + idle, "nor is anybody slower than the pace");
    }

    #[test]
    fn a_pace_of_a_byte_a_second_and_one_without_end_do_not_overflow() {
        for pace in [1, u64::MAX] {
            let mut bucket = Bucket::new(rate(pace));
            for _ in 0..3 {
                bucket.take(u64::MAX, Duration::MAX);
                bucket.take(u64::MAX, Duration::ZERO);
            }
            assert!(bucket.debt(Duration::ZERO) > SECOND);
        }
    }

    #[test]
    fn a_wait_is_as_long_as_the_debt_in_slices_that_hear_a_cancel() {
        let clock = Still::default();
        let sent = Arc::new(AtomicU64::new(0));
        let rates = Rates { own: Some(rate(1000)), shared: None };
        let toll = Limits::new(Arc::new(clock.clone())).toll(&rates, Arc::clone(&sent));
        toll.wait(|| panic!("nothing is owed")).unwrap();
        toll.charge(1500);
        let mut asked = 0;
        toll.wait(|| {
            asked += 1;
            Ok(())
        })
        .unwrap();
        let slept = clock.0.lock().unwrap().clone();
        assert_eq!(slept.iter().sum::<Duration>(), Duration::from_millis(1500));
        assert!(slept.iter().all(|slice| *slice <= SLICE) && asked == slept.len());
        toll.charge(1 << 60);
        let mut left = 3;
        let cancelled = toll.wait(|| {
            left -= 1;
            if left == 0 { Err(Failure::Cancelled) } else { Ok(()) }
        });
        assert_eq!(cancelled, Err(Failure::Cancelled));
        assert_eq!(clock.0.lock().unwrap().len(), slept.len() + 2);
        assert_eq!(sent.load(Ordering::Relaxed), 1500 + (1 << 60));
    }

    #[test]
    fn without_a_pace_nobody_waits_and_all_is_counted() {
        let sent = Arc::new(AtomicU64::new(0));
        let toll = Limits::new(Arc::new(Still::default())).toll(&Rates::default(), Arc::clone(&sent));
        toll.charge(7);
        toll.charge(u64::from(u32::MAX));
        toll.wait(|| panic!("nothing is owed")).unwrap();
        assert_eq!(sent.load(Ordering::Relaxed), 7 + u64::from(u32::MAX));
    }

    /// What is sent, and when, by copies of which each sends as much as it has, a piece at a time, and ends. As many
    /// as `at_once` take turns; the others follow them.
    fn sent_by(copies: &[u64], at_once: usize, rates: &Rates) -> Vec<(Duration, u64)> {
        let clock = Still::default();
        let limits = Limits::new(Arc::new(clock.clone()));
        let mut waiting = copies.iter().map(|bytes| (limits.toll(rates, Arc::default()), *bytes));
        let mut senders: Vec<_> = waiting.by_ref().take(at_once).collect();
        let mut taken = Vec::new();
        while !senders.is_empty() {
            senders.retain_mut(|(toll, left)| {
                toll.wait(|| Ok(())).unwrap();
                let piece = PIECE.min(*left);
                toll.charge(piece);
                taken.push((clock.now(), piece));
                *left -= piece;
                *left > 0
            });
            senders.extend(waiting.by_ref().take(at_once - senders.len()));
        }
        taken
    }

    const PIECE: u64 = 100;

    /// How long all of it took, if over no stretch more was sent than the pace allows and what is in flight.
    fn kept_to(taken: &[(Duration, u64)], bytes_per_second: u64) -> Option<Duration> {
        for (first, (begin, _)) in taken.iter().enumerate() {
            let mut sum = 0;
            for (at, bytes) in &taken[first..] {
                sum += bytes;
                let time = at.saturating_sub(*begin) + CREDIT;
                let paid = (time.as_nanos() * u128::from(bytes_per_second)).div_ceil(1_000_000_000);
                if u128::from(sum) > paid + u128::from(PIECE) {
                    return None;
                }
            }
        }
        taken.last().map(|(at, _)| *at)
    }

    #[test]
    fn copies_that_share_a_limit_keep_to_it_together_however_small_they_are() {
        let copies: Vec<u64> = (1..=400).map(|number| number * 7919 % 350 + 1).collect();
        let all: u64 = copies.iter().sum();
        let shared = |of: &str| Rates { own: None, shared: Some((of.to_owned(), rate(1000))) };
        for at_once in [1, 5] {
            let took = kept_to(&sent_by(&copies, at_once, &shared("b-1")), 1000).expect("no more was sent");
            assert!(
                took <= Duration::from_millis(all),
                "nor were they slower than the pace: {took:?} for {all}"
            );
            // By themselves they would have kept to nothing: most end before they pay.
            let own = Rates { own: Some(rate(1000)), shared: None };
            assert_eq!(kept_to(&sent_by(&copies, at_once, &own), 1000), None);
        }
    }

    #[test]
    fn a_copy_keeps_to_its_own_limit_and_to_the_shared_one() {
        for (own, shared, least) in [(500, 2000, 500), (4000, 2000, 2000)] {
            let rates = Rates { own: Some(rate(own)), shared: Some(("b-1".to_owned(), rate(shared))) };
            assert_eq!(rates.most(), Some(rate(least)));
            let took = kept_to(&sent_by(&[20_000], 1, &rates), least).expect("no more was sent");
            assert!(took + CREDIT + SECOND >= Duration::from_millis(20_000_000 / least), "{took:?}");
        }
    }

    #[test]
    fn limits_of_other_names_owe_nothing_and_are_forgotten_when_they_are_as_new() {
        let clock = Still::default();
        let limits = Limits::new(Arc::new(clock.clone()));
        let toll = |of: &str, bytes: u64| {
            let rates = Rates { own: None, shared: Some((of.to_owned(), rate(bytes))) };
            limits.toll(&rates, Arc::default())
        };
        toll("b-1", 1000).charge(3000);
        toll("b-2", 1000).wait(|| panic!("another's debt")).unwrap();
        assert_eq!(limits.shared.lock().unwrap().len(), 2, "what owes stays though nobody uses it");
        toll("b-1", 1000).wait(|| Ok(())).unwrap();
        assert_eq!(clock.now(), 3 * SECOND, "who comes later pays for who was there before");
        clock.sleep(CREDIT);
        let used = toll("b-3", 1000);
        assert_eq!(limits.shared.lock().unwrap().len(), 1);
        // Said anew, the rate is the new one for all of them.
        toll("b-3", 500).charge(500);
        used.wait(|| Ok(())).unwrap();
        assert_eq!(clock.now(), 4 * SECOND, "with the credit, which idle time is worth");
    }
}
