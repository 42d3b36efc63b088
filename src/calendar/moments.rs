//! The two other ways to say when: `every 6h`, and `at 2027-01-01T03:00`.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::Error;
use crate::error::quoted;

const SECOND_MS: i64 = 1000;
/// The units of a length of time.
const UNITS: [(char, i64); 5] = [
    ('s', SECOND_MS),
    ('m', 60 * SECOND_MS),
    ('h', 60 * 60 * SECOND_MS),
    ('d', 24 * 60 * 60 * SECOND_MS),
    ('w', 7 * 24 * 60 * 60 * SECOND_MS),
];
/// The longest between two: a hundred years, so that sums of times stay far from any border.
const EVERY_MS_MAX: i64 = 36_525 * 24 * 60 * 60 * SECOND_MS;

/// A length of time: `6h`, `90m`, `1h30m`, in milliseconds.
pub fn span_ms(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut sum = 0i64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).filter(|end| *end > 0)?;
        let unit = rest[end..].chars().next()?;
        let (_, unit_ms) = UNITS.iter().find(|(letter, _)| *letter == unit)?;
        let count: i64 = rest[..end].parse().ok()?;
        sum = sum.checked_add(count.checked_mul(*unit_ms)?)?;
        rest = &rest[end + unit.len_utf8()..];
    }
    Some(sum)
}

/// How long between two: `6h`.
pub(crate) fn every(text: &str) -> Result<i64, Error> {
    let advice = "write `every 6h`, `every 90m` or `every 1h30m`, with the units s, m, h, d (24 hours) and w; what is \
                  to keep its time of day is a cron expression, such as `0 3 * * *`";
    let Some(every_ms) = span_ms(text) else {
        return Err(Error::when(format!("{} is no length of time", quoted(text)), advice));
    };
    if !(SECOND_MS..=EVERY_MS_MAX).contains(&every_ms) {
        let message = format!("{} is not between a second and a hundred years", quoted(text));
        return Err(Error::when(message, advice));
    }
    Ok(every_ms)
}

/// A point of time as it was written: with its offset, or to be looked up in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Once {
    /// `2027-01-01T03:00Z`.
    Instant(Timestamp),
    /// `2027-01-01T03:00`.
    Local(DateTime),
}

pub(crate) fn once(text: &str) -> Result<Once, Error> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(Once::Instant(instant));
    }
    // A zone in brackets would be read over, and there is one already.
    let local = text.parse::<DateTime>().ok().filter(|_| !text.contains('['));
    local.map(Once::Local).ok_or_else(|| {
        Error::when(
            format!("{} is no time", quoted(text)),
            "write `at 2027-01-01T03:00`, in the schedule's zone unless it ends with an offset such as `Z` or `+08:00`",
        )
    })
}

/// A time as people write it, in a zone unless it has an offset of its own, in milliseconds since 1970 UTC. What
/// does not exist is the first instant after the gap, what exists twice the first.
pub fn time_ms(text: &str, zone: &crate::Zone) -> Result<i64, Error> {
    let instant = match once(text)? {
        Once::Instant(instant) => Some(instant),
        Once::Local(local) => zone.instant(local).map(|instant| match instant {
            crate::zone::Instant::At(at) | crate::zone::Instant::Gap(at, _) => at,
        }),
    };
    let far =
        || Error::when(format!("{} is too far away to be told", quoted(text)), "give a year from 1 to 9998");
    instant.map(Timestamp::as_millisecond).ok_or_else(far)
}
