//! When something is to happen: a cron expression, `every 6h` or `at 2027-01-01T03:00`, in a time zone.
//!
//! A cron expression is a set of local times, and each of them is one tick:
//!
//! - one that does not exist, because the clock was put forward over it, ticks at the first instant after the gap,
//!   be the gap half an hour or a whole day; however many fall together there, it ticks once;
//! - one that exists twice, because the clock was put back, ticks the first time only.
//!
//! ```
//! use calendar::{Calendar, Spec};
//!
//! let spec = Spec { when: "30 2 * * *", zone: "Europe/Berlin", ..Spec::default() };
//! let calendar = Calendar::read(&spec)?;
//! let since_ms = "2027-03-27T12:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
//! let told: Vec<_> = calendar.after(since_ms).take(2).map(|at_ms| calendar.zone().text(at_ms)).collect();
//! // On 28 March there is no 02:30: the clock goes from 01:59:59 to 03:00:00.
//! assert_eq!(told, ["2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]);
//! # Ok::<(), calendar::Error>(())
//! ```
//!
//! It deliberately knows neither what time it is nor what is to happen.

mod cron;
mod error;
mod jitter;
mod moments;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_oracle;
#[cfg(test)]
mod tests_words;
mod zone;

use jiff::civil::DateTime;
use jiff::{Span, Timestamp};

use cron::Cron;
pub use cron::SEARCH_DAYS_MAX;
pub use error::{About, Error};
pub use jitter::{JITTER_MS_MAX, jitter_ms};
pub use moments::{span_ms, time_ms};
use zone::Instant;
pub use zone::Zone;

/// What a calendar is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spec<'a> {
    /// A cron expression of five fields or of six with seconds, `every 6h`, or `at 2027-01-01T03:00`.
    pub when: &'a str,
    /// The time zone; empty for UTC.
    pub zone: &'a str,
    /// Nothing before this, milliseconds since 1970 UTC; `every …` counts from here.
    pub start_ms: Option<i64>,
    /// Nothing after this.
    pub end_ms: Option<i64>,
    /// What `every …` counts from where nothing else is said.
    pub anchor_ms: i64,
}

/// When something is to happen.
#[derive(Clone, Debug)]
pub struct Calendar {
    when: When,
    zone: Zone,
    start_ms: Option<i64>,
    end_ms: Option<i64>,
}

#[derive(Clone, Debug)]
enum When {
    Cron(Box<Cron>),
    Every { every_ms: i64, anchor_ms: i64 },
    Once { at_ms: i64 },
}

impl Calendar {
    /// Reads a calendar; fails in words for whoever wrote it.
    pub fn read(spec: &Spec<'_>) -> Result<Self, Error> {
        let zone = Zone::named(if spec.zone.trim().is_empty() { "UTC" } else { spec.zone })?;
        let text = spec.when.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let when = if word.eq_ignore_ascii_case("every") {
            When::Every {
                every_ms: moments::every(rest)?,
                anchor_ms: spec.start_ms.unwrap_or(spec.anchor_ms),
            }
        } else if word.eq_ignore_ascii_case("at") {
            When::Once { at_ms: moments::time_ms(rest, &zone)? }
        } else {
            When::Cron(Box::new(Cron::read(text)?))
        };
        if let (Some(start_ms), Some(end_ms)) = (spec.start_ms, spec.end_ms)
            && start_ms > end_ms
        {
            let message = format!("it ends at {} and starts at {}", zone.text(end_ms), zone.text(start_ms));
            return Err(Error::bounds(message, "give an end that comes after the start"));
        }
        Ok(Self { when, zone, start_ms: spec.start_ms, end_ms: spec.end_ms })
    }

    /// The time zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The ticks after a time, milliseconds since 1970 UTC, each later than the one before. They are found as they
    /// are asked for, and there may be no end of them.
    pub fn after(&self, after_ms: i64) -> Ticks<'_> {
        let after_ms = self.start_ms.map_or(after_ms, |start_ms| after_ms.max(start_ms.saturating_sub(1)));
        Ticks { calendar: self, after_ms, from: None }
    }

    /// The first tick after a time.
    pub fn next_after(&self, after_ms: i64) -> Option<i64> {
        self.after(after_ms).next()
    }

    /// The ticks of a time, its first and last millisecond among it.
    pub fn between(&self, first_ms: i64, last_ms: i64) -> impl Iterator<Item = i64> + '_ {
        self.after(first_ms.saturating_sub(1)).take_while(move |at_ms| *at_ms <= last_ms)
    }

    /// Whether it ticks at a time.
    pub fn ticks_at(&self, at_ms: i64) -> bool {
        self.next_after(at_ms.saturating_sub(1)) == Some(at_ms)
    }
}

/// Ticks of a calendar, one after another.
#[derive(Clone, Debug)]
pub struct Ticks<'a> {
    calendar: &'a Calendar,
    after_ms: i64,
    /// From which local time on a cron expression is looked through.
    from: Option<DateTime>,
}

impl Iterator for Ticks<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let next_ms = match &self.calendar.when {
            When::Once { at_ms } => Some(*at_ms).filter(|at_ms| *at_ms > self.after_ms),
            When::Every { every_ms, anchor_ms } => {
                let past = self.after_ms.checked_sub(*anchor_ms)?.div_euclid(*every_ms);
                anchor_ms.checked_add(every_ms.checked_mul(past.checked_add(1)?)?)
            }
            When::Cron(cron) => self.next_of(cron),
        }?;
        self.after_ms = next_ms;
        self.calendar.end_ms.is_none_or(|end_ms| next_ms <= end_ms).then_some(next_ms)
    }
}

impl Ticks<'_> {
    fn next_of(&mut self, cron: &Cron) -> Option<i64> {
        let zone = &self.calendar.zone;
        let mut from = match self.from {
            Some(from) => from,
            None => begin(zone, self.after_ms)?,
        };
        loop {
            let local = cron.next(from)?;
            let (at, next) = match zone.instant(local)? {
                Instant::At(at) => (at, local.checked_add(Span::new().seconds(1)).ok()?),
                // All that the gap has is this one tick.
                Instant::Gap(at, resumes) => (at, resumes),
            };
            from = next;
            // What a gap put off to the instant of a local time that is meant as well, and what is past.
            if at.as_millisecond() > self.after_ms {
                self.from = Some(from);
                return Some(at.as_millisecond());
            }
        }
    }
}

/// The local time from which what comes after a time is looked for.
fn begin(zone: &Zone, after_ms: i64) -> Option<DateTime> {
    let first = DateTime::constant(1, 1, 1, 0, 0, 0, 0);
    match Timestamp::from_millisecond(after_ms) {
        Ok(after) => Some(zone.fresh(after).max(first)),
        Err(_) if after_ms < 0 => Some(first),
        Err(_) => None,
    }
}
