//! How fast a copy may send, and how much it has sent.
//!
//! Whoever sends takes the bytes at once and pays for them before it sends more: a bucket that may
//! be in debt. So nobody waits while holding what others need, and over any stretch of time no more
//! is sent than the pace allows, but for a short credit and what is in flight.
//!
//! The bucket knows no clock: it is told the time. A wait is cut into slices, so that a cancel is
//! heard soon however slow the pace.

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
    bucket: Option<Mutex<Bucket>>,
    clock: Box<dyn Clock>,
}

impl Toll {
    /// A toll that counts into `sent`; without a pace it only counts.
    pub(crate) fn new(sent: Arc<AtomicU64>, pace: Option<NonZeroU64>, clock: Box<dyn Clock>) -> Self {
        Self { sent, bucket: pace.map(|pace| Mutex::new(Bucket::new(pace))), clock }
    }

    fn bucket(&self) -> Option<MutexGuard<'_, Bucket>> {
        self.bucket.as_ref().map(|bucket| bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// So many bytes were sent. Does not wait.
    pub(crate) fn charge(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        if let Some(mut bucket) = self.bucket() {
            bucket.take(bytes, self.clock.now());
        }
    }

    /// Waits until all that was sent by now is paid for; `pause` is asked again and again whether
    /// to go on.
    pub(crate) fn wait(&self, mut pause: impl FnMut() -> Result<()>) -> Result<()> {
        let begin = self.clock.now();
        let Some(debt) = self.bucket().map(|bucket| bucket.debt(begin)) else { return Ok(()) };
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
        let toll = Toll::new(Arc::clone(&sent), Some(rate(1000)), Box::new(clock.clone()));
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
        let toll = Toll::new(Arc::clone(&sent), None, Box::new(Still::default()));
        toll.charge(7);
        toll.charge(u64::from(u32::MAX));
        toll.wait(|| panic!("nothing is owed")).unwrap();
        assert_eq!(sent.load(Ordering::Relaxed), 7 + u64::from(u32::MAX));
    }
}
