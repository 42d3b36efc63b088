//! Cron expressions: a set of local times, down to the second.
//!
//! ```text
//!  second   minute  hour    day of month  month   day of week
//!  0-59     0-59    0-23    1-31          1-12    0-7 (0 and 7: Sunday)
//!  0 if             *  a  a-b  */n  a-b/n  and lists of these with `,`
//!  left out                 L LW nW       JAN…    SUN…  nL  n#1…n#5
//! ```
//!
//! Every field is checked here, so that a refusal names it, and handed on in numbers alone; which days are meant is
//! then `croner`'s answer. Where neither day field is `*`, a day that either of them has is meant, as ever in cron.
//! What is searched for is a local date and time; `zone.rs` says which instant that is.

use croner::parser::{CronParser, Seconds, Year};
use croner::time::Weekday;
use jiff::Span;
use jiff::civil::{Date, DateTime, Time};

use crate::Error;
use crate::error::quoted;

/// Characters of an expression at most: a list of all sixty seconds and minutes has less.
const LENGTH_MAX: usize = 512;
/// Days looked through for the next that is meant: after 400 years the calendar repeats, weekdays included, so
/// what is not found in them is never.
pub const SEARCH_DAYS_MAX: u32 = 146_097;

/// A field of an expression.
struct Field {
    name: &'static str,
    min: u16,
    max: u16,
    /// What it may be called by name, from `min` on.
    names: &'static [&'static str],
    /// What else it may be.
    more: &'static str,
}

const FIELDS: [Field; 6] = [
    Field { name: "second", min: 0, max: 59, names: &[], more: "" },
    Field { name: "minute", min: 0, max: 59, names: &[], more: "" },
    Field { name: "hour", min: 0, max: 23, names: &[], more: "" },
    Field {
        name: "day of month",
        min: 1,
        max: 31,
        names: &[],
        more: "`L` (the last day), `LW` (the last weekday), `15W` (the weekday nearest to the 15th)",
    },
    Field { name: "month", min: 1, max: 12, names: &MONTHS, more: "" },
    Field {
        name: "day of week",
        min: 0,
        max: 7,
        names: &WEEKDAYS,
        more: "`FRIL` (the last Friday of the month), `MON#2` (the second Monday)",
    },
];
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const DAY_OF_MONTH: usize = 3;
const DAY_OF_WEEK: usize = 5;
/// What Sunday is called at the end of a week; the field of weekdays alone has so much at most.
const SUNDAY_AGAIN: u16 = 7;
/// Names for whole expressions.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A cron expression.
#[derive(Clone, Debug)]
pub(crate) struct Cron {
    pattern: croner::CronPattern,
    hours: Vec<i8>,
    minutes: Vec<i8>,
    seconds: Vec<i8>,
}

impl Cron {
    /// Reads an expression of five fields, or of six with the seconds first.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let numbers = in_numbers(text)?;
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build();
        let read = parser.parse(&numbers).map_err(|error| {
            Error::when(format!("{} is no cron expression: {error}", quoted(text)), shape_advice())
        })?;
        let pattern = read.pattern;
        let values = |field: &croner::CronComponent| -> Vec<i8> {
            field.values().into_iter().filter_map(|value| i8::try_from(value).ok()).collect()
        };
        let cron = Self {
            hours: values(&pattern.hours),
            minutes: values(&pattern.minutes),
            seconds: values(&pattern.seconds),
            pattern,
        };
        // Any day will do to begin the 400 years with.
        if cron.next(jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0)).is_none() {
            let message = format!(
                "{} never comes: no day of {SEARCH_DAYS_MAX} is meant by it, and after those 400 years they repeat",
                quoted(text)
            );
            return Err(Error::when(
                message,
                "look at the day of month and the month: there is no 30 February; `L` is the last day",
            ));
        }
        Ok(cron)
    }

    /// The first local time that is meant, from this one on.
    pub(crate) fn next(&self, from: DateTime) -> Option<DateTime> {
        let (mut date, mut clock) = (from.date(), whole_second(from.time())?);
        // The seconds are cut, so a part of one is past.
        if from.time().subsec_nanosecond() > 0 {
            let next = DateTime::from_parts(date, clock).checked_add(Span::new().seconds(1)).ok()?;
            (date, clock) = (next.date(), next.time());
        }
        let mut left = SEARCH_DAYS_MAX;
        while left > 0 {
            if !self.has_month(date) {
                let next = date.last_of_month().tomorrow().ok()?;
                left = left.saturating_sub(u32::from(
                    date.days_in_month().unsigned_abs() - date.day().unsigned_abs() + 1,
                ));
                (date, clock) = (next, Time::midnight());
                continue;
            }
            if self.has_day(date)
                && let Some(time) = self.next_time(clock)
            {
                return Some(DateTime::from_parts(date, time));
            }
            (date, clock) = (date.tomorrow().ok()?, Time::midnight());
            left -= 1;
        }
        None
    }

    fn has_month(&self, date: Date) -> bool {
        self.pattern.month_match(u32::from(date.month().unsigned_abs())).unwrap_or(false)
    }

    fn has_day(&self, date: Date) -> bool {
        let weekday =
            Weekday::from_days_from_sunday(u32::from(date.weekday().to_sunday_zero_offset().unsigned_abs()));
        let (month, day) = (u32::from(date.month().unsigned_abs()), u32::from(date.day().unsigned_abs()));
        self.pattern.day_match(i32::from(date.year()), month, day, weekday).unwrap_or(false)
    }

    /// The first time of day that is meant, from this one on.
    fn next_time(&self, from: Time) -> Option<Time> {
        let (first_minute, first_second) = (*self.minutes.first()?, *self.seconds.first()?);
        let at_least = |values: &[i8], from: i8| values.iter().copied().find(|value| *value >= from);
        let hour = at_least(&self.hours, from.hour())?;
        if hour > from.hour() {
            return Time::new(hour, first_minute, first_second, 0).ok();
        }
        if let Some(minute) = at_least(&self.minutes, from.minute()) {
            if minute > from.minute() {
                return Time::new(hour, minute, first_second, 0).ok();
            }
            if let Some(second) = at_least(&self.seconds, from.second()) {
                return Time::new(hour, minute, second, 0).ok();
            }
            if let Some(minute) = at_least(&self.minutes, minute + 1) {
                return Time::new(hour, minute, first_second, 0).ok();
            }
        }
        let hour = at_least(&self.hours, hour + 1)?;
        Time::new(hour, first_minute, first_second, 0).ok()
    }
}

fn whole_second(time: Time) -> Option<Time> {
    Time::new(time.hour(), time.minute(), time.second(), 0).ok()
}

fn shape_advice() -> String {
    "an expression is `MINUTE HOUR DAY MONTH WEEKDAY`, such as `30 2 * * *` (every day at 02:30), with the seconds \
     before it if they matter; `every 6h` and `at 2027-01-01T03:00` are the other ways to say when"
        .to_owned()
}

/// The expression as it is handed on: six fields, every name a number.
fn in_numbers(text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::when("nothing says when", shape_advice()));
    }
    if text.len() > LENGTH_MAX {
        let message =
            format!("the expression has {} characters, and at most {LENGTH_MAX} are read", text.len());
        return Err(Error::when(message, "write ranges and steps, such as `*/5`, instead of lists"));
    }
    let text = if text.starts_with('@') { expand(text)? } else { text };
    let mut fields: Vec<&str> = text.split_ascii_whitespace().collect();
    match fields.len() {
        5 => fields.insert(0, "0"),
        6 => {}
        count => {
            let plural = if count == 1 { "" } else { "s" };
            let message = format!(
                "{} has {count} field{plural}, and a cron expression has 5, or 6 with seconds",
                quoted(text)
            );
            return Err(Error::when(message, shape_advice()));
        }
    }
    let read: Result<Vec<String>, Error> =
        fields.iter().enumerate().map(|(place, given)| read_field(place, given)).collect();
    Ok(read?.join(" "))
}

fn expand(text: &str) -> Result<&'static str, Error> {
    let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, expression)| *expression).ok_or_else(|| {
        let names: Vec<_> = NICKNAMES.iter().map(|(name, _)| format!("`{name}`")).collect();
        Error::when(format!("there is no {}", quoted(text)), format!("there are {}", names.join(", ")))
    })
}

fn read_field(place: usize, given: &str) -> Result<String, Error> {
    let field = &FIELDS[place];
    let is_day = matches!(place, DAY_OF_MONTH | DAY_OF_WEEK);
    // `?` is what other programs want where the other field says which day.
    if matches!(given, "*" | "*/1") || is_day && given == "?" {
        return Ok("*".to_owned());
    }
    let items: Vec<&str> = given.split(',').collect();
    if items.len() > 1 && items.iter().any(|item| matches!(*item, "*" | "?" | "*/1")) {
        return Err(field.wrong(
            given,
            "what stands beside `*` in a list says nothing",
            "leave one of them out",
        ));
    }
    let is = |word: &str| items.iter().any(|item| item.eq_ignore_ascii_case(word));
    if is("L") && is("LW") {
        return Err(field.wrong(given, "`L` and `LW` do not stand in one list", "make a schedule for each"));
    }
    let items: Result<Vec<String>, Error> =
        items.into_iter().map(|item| field.item(place, given, item)).collect();
    Ok(items?.join(","))
}

impl Field {
    fn wrong(&self, given: &str, why: impl std::fmt::Display, advice: &str) -> Error {
        let message = format!("the {} {}: {why}", self.name, quoted(given));
        Error::when(message, format!("{advice}; {}", self.allowed()))
    }

    /// What it may be.
    fn allowed(&self) -> String {
        let Self { name, min, max, .. } = self;
        let numbers = format!("{min} to {max}");
        let names = match self.names {
            [first, .., last] => format!(", {first} to {last}"),
            _ => String::new(),
        };
        let more = if self.more.is_empty() { String::new() } else { format!(", {}", self.more) };
        format!(
            "a {name} is {numbers}{names}, a range `{min}-{max}`, `*`, a step `*/2`{more}, or a list with `,`"
        )
    }

    /// One item of the list.
    fn item(&self, place: usize, given: &str, item: &str) -> Result<String, Error> {
        if item.is_empty() {
            return Err(self.wrong(given, "nothing stands on one side of a `,`", "leave the `,` out"));
        }
        let (body, step) = match item.split_once('/') {
            Some((body, step)) => (body, Some(self.step(given, step)?)),
            None => (item, None),
        };
        let body = match (body.split_once('-'), step) {
            _ if body == "*" => body.to_owned(),
            (Some((first, last)), _) => self.range(given, first, last)?,
            (None, None) => return self.single(place, given, body),
            (None, Some(step)) => {
                let advice = format!("write `{body}-{}/{step}` for every {step} from there on", self.max);
                return Err(self.wrong(given, "a step goes through a range or through `*`", &advice));
            }
        };
        Ok(step.map_or_else(|| body.clone(), |step| format!("{body}/{step}")))
    }

    fn step(&self, given: &str, step: &str) -> Result<u16, Error> {
        let read = digits(step).filter(|step| (1..=self.max).contains(step));
        let why = || format!("{} is no step, which is 1 to {}", quoted(step), self.max);
        read.ok_or_else(|| self.wrong(given, why(), "a step is how many to go on by"))
    }

    fn range(&self, given: &str, first: &str, last: &str) -> Result<String, Error> {
        let from = self.value(given, first)?;
        let mut to = self.value(given, last)?;
        // A week may be told to end with its Sunday.
        if self.max == SUNDAY_AGAIN && to == 0 && from > 0 {
            to = SUNDAY_AGAIN;
        }
        if from > to {
            let last = if self.max == SUNDAY_AGAIN { SUNDAY_AGAIN - 1 } else { self.max };
            let advice = format!("write `{from}-{last},{}-{to}`", self.min);
            return Err(self.wrong(given, "the range ends before it begins", &advice));
        }
        Ok(format!("{from}-{to}"))
    }

    /// An item that is neither a range nor a step.
    fn single(&self, place: usize, given: &str, item: &str) -> Result<String, Error> {
        let upper = item.to_ascii_uppercase();
        if place == DAY_OF_MONTH {
            if upper == "L" || upper == "LW" {
                return Ok(upper);
            }
            if let Some(day) = upper.strip_suffix('W') {
                return Ok(format!("{}W", self.value(given, day)?));
            }
        }
        if place == DAY_OF_WEEK {
            if let Some(day) = upper.strip_suffix('L') {
                return Ok(format!("{}L", self.value(given, day)?));
            }
            if let Some((day, which)) = upper.split_once('#') {
                let which = digits(which).filter(|which| (1..=5).contains(which));
                let which = which.ok_or_else(|| {
                    self.wrong(given, "a month has a weekday five times at most", "write `#1` to `#5`")
                })?;
                return Ok(format!("{}#{which}", self.value(given, day)?));
            }
        }
        Ok(self.value(given, item)?.to_string())
    }

    fn value(&self, given: &str, text: &str) -> Result<u16, Error> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|place| u16::try_from(place).ok()).map(|place| place + self.min);
        let value = named.or_else(|| digits(text)).filter(|value| (self.min..=self.max).contains(value));
        value.ok_or_else(|| {
            let why = format!("{} is no {}", quoted(text), self.name);
            self.wrong(given, why, "correct it")
        })
    }
}

/// A number of a few digits, and nothing else.
fn digits(text: &str) -> Option<u16> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}
