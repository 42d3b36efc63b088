//! What is said of a text that is no calendar: the field, what was given, what is allowed.

use crate::{About, Calendar, Spec, span_ms};

#[track_caller]
fn check(when: &str, message: &str, advice: &str) {
    let error = Calendar::read(&Spec { when, ..Spec::default() }).expect_err(when);
    assert_eq!(error.to_string(), message);
    assert!(error.advice.contains(advice), "{} does not say {advice}", error.advice);
    assert_eq!(error.about, About::When);
}

#[test]
fn a_wrong_field_is_named_with_what_was_given_and_what_is_allowed() {
    for (when, message, advice) in [
        (
            "60 * * * *",
            "the minute `60`: `60` is no minute",
            "a minute is 0 to 59, a range `0-59`, `*`, a step `*/2`",
        ),
        ("61 0 * * * *", "the second `61`: `61` is no second", "a second is 0 to 59"),
        ("0 24 * * *", "the hour `24`: `24` is no hour", "a hour is 0 to 23"),
        ("0 0 0 * *", "the day of month `0`: `0` is no day of month", "1 to 31"),
        ("0 0 1 13 *", "the month `13`: `13` is no month", "1 to 12, JAN to DEC"),
        ("0 0 1 MON *", "the month `MON`: `MON` is no month", "JAN to DEC"),
        ("MON 0 * * *", "the minute `MON`: `MON` is no minute", "0 to 59"),
        ("0 0 * * JAN", "the day of week `JAN`: `JAN` is no day of week", "SUN to SAT"),
        ("0 0 * * 8", "the day of week `8`: `8` is no day of week", "0 to 7"),
        ("0 0 * * MONTUE", "the day of week `MONTUE`: `MONTUE` is no day of week", "SUN to SAT"),
        ("1,,2 * * * *", "the minute `1,,2`: nothing stands on one side of a `,`", "leave the `,` out"),
        ("*/0 * * * *", "the minute `*/0`: `0` is no step, which is 1 to 59", "how many to go on by"),
        ("*/60 * * * *", "the minute `*/60`: `60` is no step, which is 1 to 59", "how many to go on by"),
        ("5/10 * * * *", "the minute `5/10`: a step goes through a range or through `*`", "`5-59/10`"),
        ("/10 * * * *", "the minute `/10`: a step goes through a range or through `*`", "0 to 59"),
        ("0 22-2 * * *", "the hour `22-2`: the range ends before it begins", "`22-23,0-2`"),
        ("0 0 * * FRI-MON", "the day of week `FRI-MON`: the range ends before it begins", "`5-6,0-1`"),
        (
            "*,5 * * * *",
            "the minute `*,5`: what stands beside `*` in a list says nothing",
            "leave one of them out",
        ),
        (
            "0 0 L,LW * *",
            "the day of month `L,LW`: `L` and `LW` do not stand in one list",
            "a schedule for each",
        ),
        ("0 0 32W * *", "the day of month `32W`: `32` is no day of month", "1 to 31"),
        ("0 0 L-3 * *", "the day of month `L-3`: `L` is no day of month", "the last day"),
        (
            "0 0 * * MON#6",
            "the day of week `MON#6`: a month has a weekday five times at most",
            "`#1` to `#5`",
        ),
        ("0 0 * * L", "the day of week `L`: `` is no day of week", "the last Friday"),
        ("? * * * *", "the minute `?`: `?` is no minute", "0 to 59"),
        ("-5 * * * *", "the minute `-5`: `` is no minute", "0 to 59"),
        ("+5 * * * *", "the minute `+5`: `+5` is no minute", "0 to 59"),
        ("1.5 * * * *", "the minute `1.5`: `1.5` is no minute", "0 to 59"),
        ("ä * * * *", "the minute `ä`: `ä` is no minute", "0 to 59"),
        (
            "* * * *",
            "`* * * *` has 4 fields, and a cron expression has 5, or 6 with seconds",
            "MINUTE HOUR DAY",
        ),
        (
            "0 0 0 1 1 * 2027",
            "`0 0 0 1 1 * 2027` has 7 fields, and a cron expression has 5, or 6 with seconds",
            "at 2027",
        ),
        ("daily", "`daily` has 1 field, and a cron expression has 5, or 6 with seconds", "every 6h"),
        ("@fortnightly", "there is no `@fortnightly`", "`@weekly`"),
        ("", "nothing says when", "MINUTE HOUR"),
        ("   ", "nothing says when", "MINUTE HOUR"),
        ("every", "`` is no length of time", "every 6h"),
        ("every day", "`day` is no length of time", "every 6h"),
        ("every 0s", "`0s` is not between a second and a hundred years", "every 6h"),
        ("every 99999999999999999999w", "`99999999999999999999w` is no length of time", "every 6h"),
        ("every 6 h", "`6 h` is no length of time", "every 6h"),
        ("at tomorrow", "`tomorrow` is no time", "2027-01-01T03:00"),
        ("at 2027-02-30T00:00", "`2027-02-30T00:00` is no time", "2027-01-01T03:00"),
        (
            "at 2027-01-01T03:00[Asia/Tokyo]",
            "`2027-01-01T03:00[Asia/Tokyo]` is no time",
            "in the schedule's zone",
        ),
    ] {
        check(when, message, advice);
    }
    let long = format!("{}0 * * * *", "0,".repeat(300));
    check(&long, "the expression has 609 characters, and at most 512 are read", "ranges and steps");
}

#[test]
fn a_zone_is_found_in_any_case_and_another_that_is_meant_is_named() {
    let read = |zone: &str| Calendar::read(&Spec { when: "@daily", zone, ..Spec::default() });
    assert_eq!(read("europe/BERLIN").expect("a zone").zone().name(), "Europe/Berlin");
    assert_eq!(read("").expect("a zone").zone().name(), "UTC");
    for (zone, meant) in [
        ("Berlin", "did you mean `Europe/Berlin`?"),
        ("new york", "did you mean `America/New_York`?"),
        ("Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("Mars/Olympus_Mons", "such as `Europe/Berlin`, or `UTC`"),
    ] {
        let error = read(zone).expect_err(zone);
        assert_eq!((error.about, error.to_string()), (About::Zone, format!("`{zone}` is no time zone")));
        assert!(error.advice.contains(meant), "{}", error.advice);
    }
}

#[test]
fn nothing_anybody_writes_takes_it_down() {
    let letters: Vec<char> = "0123456789*/,-LW#?@ everyatMONJAN:TZ+[]ä\u{0}\t\n".chars().collect();
    let mut chance = 7u64;
    let mut draw = |count: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(chance >> 33).expect("31 bits") % count
    };
    let mut read = 0;
    for _ in 0..20_000 {
        let length = draw(14);
        let mut when: String = (0..length).map(|_| letters[draw(letters.len())]).collect();
        if draw(2) == 0 {
            when.push_str(" * * * *");
        }
        if let Ok(calendar) = Calendar::read(&Spec { when: &when, ..Spec::default() }) {
            read += 1;
            let _ = calendar.next_after(1_800_000_000_000);
        }
    }
    assert!(read > 50, "only {read} were read");
}

#[test]
fn a_length_of_time_is_numbers_with_units() {
    for (text, ms) in
        [("6h", 21_600_000), ("1h30m", 5_400_000), ("90s", 90_000), ("2d", 172_800_000), ("1w", 604_800_000)]
    {
        assert_eq!(span_ms(text), Some(ms));
    }
    for text in ["", "6", "h", "6x", "-6h", "6h ", "6H", "1.5h"] {
        assert_eq!(span_ms(text.trim_end()).filter(|_| !text.ends_with(' ')), None, "{text}");
    }
}
