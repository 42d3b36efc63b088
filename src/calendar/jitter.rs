//! Jitter: how long after its tick something begins, so that a thousand schedules do not begin at once.
//!
//! It is a pure function of the schedule and the tick: after a crash, on another machine and in a preview it is the
//! same. It never comes to the next tick, so that nothing begins in another order than it ticked.

/// The longest jitter: a day.
pub const JITTER_MS_MAX: i64 = 24 * 60 * 60 * 1000;

/// How long after a tick it begins, at most `max_ms`, and before the next one.
pub fn jitter_ms(schedule: &str, at_ms: i64, next_ms: Option<i64>, max_ms: i64) -> i64 {
    let room_ms = next_ms.map_or(i64::MAX, |next_ms| next_ms.saturating_sub(at_ms).saturating_sub(1));
    let most_ms = max_ms.min(JITTER_MS_MAX).min(room_ms).max(0).cast_unsigned();
    if most_ms == 0 {
        return 0;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(schedule.as_bytes()).update(&[0]).update(&at_ms.to_be_bytes());
    let digest = *hasher.finalize().as_bytes();
    let (chance, _) = digest.split_first_chunk::<8>().expect("a digest has 32 bytes");
    // A day is so little of 64 bits that the rest favours nothing anybody could see.
    (u64::from_be_bytes(*chance) % (most_ms + 1)).cast_signed()
}
