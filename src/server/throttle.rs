//! How many requests are answered: per account, region and action in each minute, and at once.
//!
//! A throttled action stays so until the next minute, as the API documents; what clients read is
//! the code `Throttling.User`, and after how many milliseconds to come again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A minute, in milliseconds.
const MINUTE_MS: i64 = 60_000;

/// How much is answered.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests of an account, region and action in a minute; no limit for none.
    pub per_minute: Option<u32>,
    /// Requests answered at once. Each holds its parameters and its answer, at most some megabytes.
    pub at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_minute: None, at_once: 512 }
    }
}

/// What was asked in this minute.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    asked: HashMap<(String, String, &'static str), u32>,
}

impl Throttle {
    /// Counts a request; if it is one too many, says after how many milliseconds the next minute begins.
    pub(crate) fn count(
        &self,
        limits: &Limits,
        who: (&str, &str, &'static str),
        now_ms: i64,
    ) -> Result<(), u32> {
        let Some(most) = limits.per_minute else { return Ok(()) };
        let (account, region, action) = who;
        let number = now_ms.div_euclid(MINUTE_MS);
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.number != number {
            *minute = Minute { number, asked: HashMap::new() };
        }
        let asked = minute.asked.entry((account.to_owned(), region.to_owned(), action)).or_default();
        *asked = asked.saturating_add(1);
        if *asked <= most {
            return Ok(());
        }
        Err(u32::try_from(MINUTE_MS - now_ms.rem_euclid(MINUTE_MS)).unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_waits_for_the_next_minute_and_nobody_else_does() {
        let (throttle, limits) = (Throttle::default(), Limits { per_minute: Some(2), at_once: 1 });
        let ask = |account, now_ms| throttle.count(&limits, (account, "r", "DescribeImages"), now_ms);
        assert_eq!((ask("1", 0), ask("1", 10)), (Ok(()), Ok(())));
        assert_eq!(ask("1", 20_000), Err(40_000));
        assert_eq!(ask("2", 20_000), Ok(()));
        assert_eq!(throttle.count(&limits, ("1", "r", "DescribeRegions"), 20_000), Ok(()));
        assert_eq!(ask("1", 60_000), Ok(()));
    }
}
