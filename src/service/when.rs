//! Moments as people write them: `2026-03-03`, `2026-03-03T10:00:00Z`, `2h`, `yesterday`, or an event.
//!
//! A time is in UTC unless it gives an offset, and it is as long as it is written: a date is that
//! whole day, `10:00` that minute, `10:00:00` that second. What is asked from a time on begins with
//! its first millisecond; what is asked up to it, or as of it, ends with its last. What is relative
//! is so to the clock of the process that holds the directory.

use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// What to write instead.
const ADVICE: &str = "give `2026-03-03`, `2026-03-03T10:00:00Z` (UTC unless it has an offset), `yesterday`, \
                      or how long ago: `2h`, `3d`";

/// A time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Time {
    /// From one millisecond since 1970 UTC to another, both of them in it.
    Between {
        /// The first.
        first_ms: i64,
        /// The last.
        last_ms: i64,
    },
    /// So many milliseconds ago.
    AgoMs(i64),
    /// The whole day, in UTC, that began so many midnights before the last one.
    DaysAgo(i64),
}

/// A moment of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// This one.
    #[default]
    Now,
    /// Just after an event of the log.
    Event(u64),
    /// The end of a time.
    Time(Time),
}

impl Time {
    /// Its first and its last millisecond since 1970 UTC.
    pub(crate) fn span_ms(self, now_ms: i64) -> (i64, i64) {
        match self {
            Self::Between { first_ms, last_ms } => (first_ms, last_ms),
            Self::AgoMs(ago_ms) => (now_ms.saturating_sub(ago_ms), now_ms.saturating_sub(ago_ms)),
            Self::DaysAgo(days) => {
                let midnight_ms = now_ms - now_ms.rem_euclid(DAY_MS) - days * DAY_MS;
                (midnight_ms, midnight_ms + DAY_MS - 1)
            }
        }
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = match text {
            "now" => Some(Self::AgoMs(0)),
            "today" => Some(Self::DaysAgo(0)),
            "yesterday" => Some(Self::DaysAgo(1)),
            _ => ago(text).or_else(|| written(text)),
        };
        known.ok_or_else(|| format!("`{}` is no time: {ADVICE}", text.escape_debug()))
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Event).map_err(|_| format!("`{text}` is no event of a log"));
        }
        text.parse().map(Self::Time).map_err(|why: String| format!("{why}; or the number of an event"))
    }
}

/// `2h`, `3d`.
fn ago(text: &str) -> Option<Time> {
    let unit_ms = match text.chars().next_back()? {
        's' => SECOND_MS,
        'm' => MINUTE_MS,
        'h' => HOUR_MS,
        'd' => DAY_MS,
        'w' => 7 * DAY_MS,
        _ => return None,
    };
    let count = &text[..text.len() - 1];
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count: i64 = digits.then(|| count.parse().ok())??;
    count.checked_mul(unit_ms).map(Time::AgoMs)
}

/// A date, or a date and a time of day.
fn written(text: &str) -> Option<Time> {
    let utc = |at: civil::DateTime| at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let Some((_, clock)) = text.split_once(['T', 't', ' ']) else {
        let first_ms = utc(text.parse::<civil::Date>().ok()?.at(0, 0, 0, 0))?.as_millisecond();
        return Some(Time::Between { first_ms, last_ms: first_ms + DAY_MS - 1 });
    };
    let at = text.parse::<jiff::Timestamp>().ok().or_else(|| utc(text.parse().ok()?))?;
    let clock = clock.split(['Z', 'z', '+', '-', '[']).next().unwrap_or_default();
    let length_ms = match (clock.contains(['.', ',']), clock.matches(':').count()) {
        (true, _) => 1,
        (false, 1) => MINUTE_MS,
        (false, _) => SECOND_MS,
    };
    let first_ms = at.as_millisecond();
    Some(Time::Between { first_ms, last_ms: first_ms + length_ms - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-03T00:00:00Z.
    const DAY: i64 = 1_772_496_000_000;

    #[test]
    fn a_time_is_in_utc_and_as_long_as_it_is_written() {
        let now_ms = DAY + 5 * HOUR_MS + 7;
        for (text, first_ms, length_ms) in [
            ("2026-03-03", DAY, DAY_MS),
            ("2026-03-03T10:00", DAY + 10 * HOUR_MS, MINUTE_MS),
            ("2026-03-03 10:00:01", DAY + 10 * HOUR_MS + 1000, SECOND_MS),
            ("2026-03-03T10:00:00Z", DAY + 10 * HOUR_MS, SECOND_MS),
            ("2026-03-03T10:00:00+08:00", DAY + 2 * HOUR_MS, SECOND_MS),
            ("2026-03-03T10:00:00.250-01:00", DAY + 11 * HOUR_MS + 250, 1),
            ("now", now_ms, 1),
            ("2h", DAY + 3 * HOUR_MS + 7, 1),
            ("3d", now_ms - 3 * DAY_MS, 1),
            ("today", DAY, DAY_MS),
            ("yesterday", DAY - DAY_MS, DAY_MS),
        ] {
            let time: Time = text.parse().unwrap();
            assert_eq!(time.span_ms(now_ms), (first_ms, first_ms + length_ms - 1), "{text}");
        }
    }

    #[test]
    fn digits_are_an_event_and_anything_else_says_what_to_write() {
        assert_eq!("17".parse(), Ok(When::Event(17)));
        assert_eq!("17d".parse(), Ok(When::Time(Time::AgoMs(17 * DAY_MS))));
        for text in [
            "",
            "d",
            "tomorrow",
            "2026-02-30",
            "03.03.2026",
            "-2h",
            "2026-03-03T",
            "ä",
            "99999999999999999999",
        ] {
            assert!(text.parse::<Time>().unwrap_err().contains("`2h`"), "{text}");
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
