//! Each odd thing about local time by name, written out by hand.

use crate::{Calendar, JITTER_MS_MAX, Spec, Zone, jitter_ms, time_ms};

/// The ticks of a calendar after a time, as the clocks of its zone show them.
#[track_caller]
fn check(when: &str, zone: &str, after: &str, expected: &[&str]) {
    let spec = Spec { when, zone, ..Spec::default() };
    let calendar = Calendar::read(&spec).unwrap_or_else(|error| panic!("{when}: {error}; {}", error.advice));
    let after_ms = time_ms(after, calendar.zone()).expect("a time");
    let ticks: Vec<i64> = calendar.after(after_ms).take(expected.len()).collect();
    let told: Vec<String> = ticks.iter().map(|at_ms| calendar.zone().text(*at_ms)).collect();
    assert_eq!(told, expected, "`{when}` in {zone} after {after}");
    for at_ms in ticks {
        assert!(calendar.ticks_at(at_ms) && !calendar.ticks_at(at_ms + 1));
    }
}

#[test]
fn a_time_that_does_not_exist_ticks_once_at_the_first_instant_after_the_gap() {
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-28T12:00",
        &["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
    );
    // Three nominal times, one instant; and the hour behind them is the same instant again.
    check(
        "0,20,40 2,3 29 3 *",
        "Europe/Berlin",
        "2026-03-28T12:00",
        &[
            "2026-03-29T03:00:00+02:00",
            "2026-03-29T03:20:00+02:00",
            "2026-03-29T03:40:00+02:00",
            "2027-03-29T02:00:00+02:00",
        ],
    );
    check(
        "*/15 * * * *",
        "Europe/Berlin",
        "2026-03-29T01:40",
        &["2026-03-29T01:45:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:15:00+02:00"],
    );
    check(
        "45 * * * *",
        "Europe/Berlin",
        "2026-03-29T00:50",
        &["2026-03-29T01:45:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:45:00+02:00"],
    );
}

#[test]
fn a_time_that_exists_twice_ticks_the_first_time_only() {
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T12:00",
        &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
    );
    check(
        "*/20 * * * *",
        "Europe/Berlin",
        "2026-10-25T01:45",
        &[
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:20:00+02:00",
            "2026-10-25T02:40:00+02:00",
            "2026-10-25T03:00:00+01:00",
        ],
    );
    // Asked in the second of the two hours, nothing of it is left.
    check(
        "* * * * * *",
        "Europe/Berlin",
        "2026-10-25T01:00:00Z",
        &["2026-10-25T03:00:00+01:00", "2026-10-25T03:00:01+01:00"],
    );
    check("* * * * * *", "Europe/Berlin", "2026-10-25T01:17:03.5Z", &["2026-10-25T03:00:00+01:00"]);
}

#[test]
fn a_gap_and_a_fold_may_be_half_an_hour_or_two_hours() {
    check(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T12:00",
        &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
    );
    check(
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2026-04-04T12:00",
        &["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
    );
    check(
        "30 1,2 29 3 *",
        "Antarctica/Troll",
        "2026-03-28T12:00",
        &["2026-03-29T03:00:00+02:00", "2027-03-29T01:30:00+02:00"],
    );
}

#[test]
fn a_day_may_begin_without_its_midnight_or_have_it_twice() {
    check(
        "0 0 * * *",
        "America/Sao_Paulo",
        "2018-11-03T12:00",
        &["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"],
    );
    check(
        "@daily",
        "Asia/Beirut",
        "2023-03-25T12:00",
        &["2023-03-26T01:00:00+03:00", "2023-03-27T00:00:00+03:00"],
    );
    check(
        "0 0 * * FRI",
        "Africa/Cairo",
        "2023-04-27T12:00",
        &["2023-04-28T01:00:00+03:00", "2023-05-05T00:00:00+03:00"],
    );
    // In October the clock goes from the end of Thursday back to its last hour.
    check(
        "30 23 * * *",
        "Africa/Cairo",
        "2023-10-26T12:00",
        &["2023-10-26T23:30:00+03:00", "2023-10-27T23:30:00+02:00"],
    );
}

#[test]
fn a_day_that_a_zone_left_out_ticks_once_when_the_next_begins() {
    check(
        "0 12 30 12 *",
        "Pacific/Apia",
        "2011-12-01T00:00",
        &["2011-12-31T00:00:00+14:00", "2012-12-30T12:00:00+14:00"],
    );
    check(
        "0 */6 * * *",
        "Pacific/Apia",
        "2011-12-29T17:00",
        &["2011-12-29T18:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T06:00:00+14:00"],
    );
    check(
        "0 9 21 8 *",
        "Pacific/Kwajalein",
        "1993-08-01T00:00",
        &["1993-08-22T00:00:00+12:00", "1994-08-21T09:00:00+12:00"],
    );
    // The day of the week that was left out is not made up for by another.
    check(
        "0 0 * * FRI",
        "Pacific/Apia",
        "2011-12-28T00:00",
        &["2011-12-31T00:00:00+14:00", "2012-01-06T00:00:00+14:00"],
    );
    check("at 2011-12-30T15:00", "Pacific/Apia", "2011-01-01T00:00", &["2011-12-31T00:00:00+14:00"]);
}

#[test]
fn a_day_that_a_zone_had_twice_ticks_on_the_first() {
    check(
        "0 12 18 10 *",
        "America/Sitka",
        "1867-10-01T00:00",
        &["1867-10-18T12:00:00+14:58:47", "1868-10-18T12:00:00-09:01:13"],
    );
}

#[test]
fn a_zone_may_change_its_time_for_good_and_once_had_the_suns() {
    check(
        "0 0 * * *",
        "Asia/Pyongyang",
        "2015-08-14T12:00",
        &["2015-08-15T00:00:00+08:30", "2015-08-16T00:00:00+08:30"],
    );
    check(
        "45 23 * * *",
        "Asia/Pyongyang",
        "2018-05-03T12:00",
        &["2018-05-03T23:45:00+08:30", "2018-05-05T00:00:00+09:00"],
    );
    check("50 23 4 5 *", "Asia/Pyongyang", "2018-01-01T00:00", &["2018-05-05T00:00:00+09:00"]);
    check("0 0 7 1 *", "Africa/Monrovia", "1972-01-01T00:00", &["1972-01-07T00:44:30+00:00"]);
    check("0 12 1 1 *", "Europe/Berlin", "1850-06-01T00:00", &["1851-01-01T12:00:00+00:53:28"]);
}

#[test]
fn years_far_away_are_told_and_beyond_them_there_are_none() {
    check("0 3 * 7 *", "Europe/Berlin", "9000-01-01T00:00", &["9000-07-01T03:00:00+02:00"]);
    check(
        "0 0 29 2 *",
        "UTC",
        "1896-03-01T00:00",
        &["1904-02-29T00:00:00+00:00", "1908-02-29T00:00:00+00:00"],
    );
    // The longest wait there is for a day of the Gregorian calendar that comes at all.
    check("0 0 29 2 MON#5", "UTC", "1895-01-01T00:00", &["1896-02-29T00:00:00+00:00"]);
    let calendar = Calendar::read(&Spec { when: "* * * * *", zone: "Pacific/Apia", ..Spec::default() })
        .expect("a calendar");
    assert_eq!(calendar.next_after(i64::MAX), None);
    assert_eq!(calendar.next_after(253_402_207_200_000), None, "the last second that can be told");
    assert!(calendar.next_after(i64::MIN).is_some());
    let every = Calendar::read(&Spec { when: "every 1w", ..Spec::default() }).expect("a calendar");
    assert_eq!(every.next_after(i64::MAX), None);
    let _ = every.next_after(i64::MIN);
}

#[test]
fn days_are_those_of_cron_and_of_its_common_additions() {
    check(
        "0 0 L * *",
        "UTC",
        "2028-01-15T00:00",
        &["2028-01-31T00:00:00+00:00", "2028-02-29T00:00:00+00:00"],
    );
    check(
        "0 0 LW * *",
        "UTC",
        "2026-05-01T00:00",
        &["2026-05-29T00:00:00+00:00", "2026-06-30T00:00:00+00:00"],
    );
    // The 1st is a Saturday, and the Friday before it is of another month.
    check(
        "0 0 1W * *",
        "UTC",
        "2026-07-31T00:00",
        &["2026-08-03T00:00:00+00:00", "2026-09-01T00:00:00+00:00"],
    );
    check(
        "0 0 * * tue#2",
        "UTC",
        "2026-11-01T00:00",
        &["2026-11-10T00:00:00+00:00", "2026-12-08T00:00:00+00:00"],
    );
    check(
        "0 0 * * 5L",
        "UTC",
        "2026-11-01T00:00",
        &["2026-11-27T00:00:00+00:00", "2026-12-25T00:00:00+00:00"],
    );
    // Either day field, where neither is `*`.
    check(
        "0 0 13 * 5",
        "UTC",
        "2026-11-05T00:00",
        &["2026-11-06T00:00:00+00:00", "2026-11-13T00:00:00+00:00", "2026-11-20T00:00:00+00:00"],
    );
    check(
        "0 0 */1 * MON",
        "UTC",
        "2026-11-05T00:00",
        &["2026-11-09T00:00:00+00:00", "2026-11-16T00:00:00+00:00"],
    );
    check(
        "0 0 ? JAN-feb SAT-SUN",
        "UTC",
        "2026-11-05T00:00",
        &["2027-01-02T00:00:00+00:00", "2027-01-03T00:00:00+00:00"],
    );
    check(
        "59 59 23 31 12 ?",
        "UTC",
        "2026-11-05T00:00",
        &["2026-12-31T23:59:59+00:00", "2027-12-31T23:59:59+00:00"],
    );
    check("@weekly", "UTC", "2026-11-05T00:00", &["2026-11-08T00:00:00+00:00"]);
}

#[test]
fn a_rate_counts_from_its_start_and_knows_no_summer_time() {
    let at = |text: &str| time_ms(text, &Zone::named("Europe/Berlin").expect("a zone")).expect("a time");
    let start = at("2026-10-24T20:00");
    let spec = Spec { when: "every 6h", zone: "Europe/Berlin", start_ms: Some(start), ..Spec::default() };
    let calendar = Calendar::read(&spec).expect("a calendar");
    let told: Vec<_> = calendar.after(0).take(4).map(|at_ms| calendar.zone().text(at_ms)).collect();
    assert_eq!(
        told,
        [
            "2026-10-24T20:00:00+02:00",
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T07:00:00+01:00",
            "2026-10-25T13:00:00+01:00",
        ]
    );
    // Without a start, from where it is anchored; to both sides, so that a past can be made up for.
    let spec = Spec { when: "every 1h30m", anchor_ms: start, ..Spec::default() };
    let calendar = Calendar::read(&spec).expect("a calendar");
    assert_eq!(calendar.next_after(start), Some(start + 90 * 60_000));
    assert_eq!(calendar.between(start - 200 * 60_000, start).count(), 3);
}

#[test]
fn a_start_and_an_end_are_both_still_in_it() {
    let at = |text: &str| time_ms(text, &Zone::named("UTC").expect("a zone")).expect("a time");
    let (start, end) = (at("2027-01-02T03:00"), at("2027-01-04T03:00"));
    let spec = Spec { when: "0 3 * * *", start_ms: Some(start), end_ms: Some(end), ..Spec::default() };
    let calendar = Calendar::read(&spec).expect("a calendar");
    assert_eq!(calendar.after(0).collect::<Vec<_>>(), [start, start + 86_400_000, end]);
    assert_eq!(calendar.next_after(end), None);
    let late = Spec { when: "at 2027-01-05T00:00", end_ms: Some(end), ..Spec::default() };
    assert_eq!(Calendar::read(&late).expect("a calendar").next_after(0), None);
    let turned = Spec { start_ms: Some(end), end_ms: Some(start), ..spec };
    let error = Calendar::read(&turned).expect_err("it ends before it starts");
    assert_eq!(
        error.to_string(),
        "it ends at 2027-01-02T03:00:00+00:00 and starts at 2027-01-04T03:00:00+00:00"
    );
}

#[test]
fn what_never_comes_is_refused_without_looking_for_ever() {
    for when in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30,31 FEB *", "0 0 31W 2 *"] {
        let error = Calendar::read(&Spec { when, ..Spec::default() }).expect_err(when);
        assert!(error.to_string().contains("never comes"), "{error}");
    }
    // A day that no February has, but a weekday that each has.
    check("0 0 30 2 MON", "UTC", "2026-11-05T00:00", &["2027-02-01T00:00:00+00:00"]);
}

#[test]
fn jitter_is_the_same_each_time_and_never_comes_to_the_next_tick() {
    let (mut least, mut most) = (i64::MAX, 0);
    for tick in 0..2_000 {
        let at_ms = tick * 60_000;
        let jitter = jitter_ms("sch-1", at_ms, Some(at_ms + 60_000), 10 * 60_000);
        assert_eq!(jitter, jitter_ms("sch-1", at_ms, Some(at_ms + 60_000), 10 * 60_000));
        assert!((0..60_000).contains(&jitter), "{jitter}");
        (least, most) = (least.min(jitter), most.max(jitter));
    }
    assert!(least < 1_000 && most > 59_000, "{least} to {most} is not all there is");
    assert_ne!(jitter_ms("sch-1", 0, None, 60_000), jitter_ms("sch-2", 0, None, 60_000));
    assert!((0..=5_000).contains(&jitter_ms("sch-1", 0, None, 5_000)));
    assert_eq!(jitter_ms("sch-1", 0, Some(1_000), 0), 0);
    assert_eq!(jitter_ms("sch-1", 0, Some(1), JITTER_MS_MAX), 0);
    assert!(jitter_ms("sch-1", 0, None, i64::MAX) <= JITTER_MS_MAX);
}
