//! Schedules on the command line: created, seen, run, made up for and refused.

use serde_json::Value;

use crate::kit::Place;

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

#[test]
fn a_schedule_is_created_shown_run_paused_made_up_for_and_deleted() {
    let place = Place::new();
    let zone = ["--zone", "europe/berlin"];
    let words = ["schedule", "create", "disks", "at 2999-07-01T02:30", "disk.create", "size=20GiB"];
    let created = place.json(&[&words[..], &zone].concat());
    assert_eq!(text(&created, "TimeZone"), "Europe/Berlin");
    assert_eq!(text(&created["Next"], "LocalTime"), "2999-07-01T02:30:00+02:00");
    assert_eq!(text(&created["Next"], "Time"), "2999-07-01T00:30:00Z");
    let list = place.done(&["schedule", "list"]);
    assert!(list.starts_with("NAME") && list.contains("2999-07-01 02:30:00+02:00"), "{list}");

    let ran = place.json(&["schedule", "run-now", "disks"]);
    assert_eq!(text(&ran["Recent"][0], "State"), "Done");
    assert_eq!(place.json(&["disk", "list"])["Disks"].as_array().unwrap().len(), 1);
    let story = place.done(&["audit", "log", "--subject", text(&created, "ScheduleId"), "--output", "json"]);
    for kind in ["schedule.created/1", "schedule.run-asked/1", "schedule.run-began/1", "schedule.run-ended/1"]
    {
        assert!(story.contains(kind), "{kind} in {story}");
    }

    let paused = place.json(&["schedule", "pause", "disks", "--reason", "the mirror moves"]);
    assert_eq!((text(&paused, "Status"), text(&paused, "PausedBecause")), ("Paused", "the mirror moves"));
    let shown = place.done(&["schedule", "show", "disks"]);
    assert!(shown.contains("the mirror moves") && shown.contains("disk.create size=20GiB"), "{shown}");
    assert_eq!(text(&place.json(&["schedule", "resume", "disks"]), "Status"), "Active");
    let none = place.run(&["schedule", "backfill", "disks", "--from", "2020-01-01"]);
    assert_eq!(none.code, 3, "{}", none.err);
    assert!(none.err.contains("kiln schedule preview"), "{}", none.err);

    place.done(&["schedule", "create", "daily", "0 0 * * *", "disk.create", "size=20GiB"]);
    place.done(&["schedule", "backfill", "daily", "--from", "2026-01-01", "--to", "2026-01-03"]);
    // Whoever waits for something keeps the house meanwhile; each of these does a part.
    while place.json(&["schedule", "show", "daily"])["Ended"] != 3 {
        // It may be told that the run before goes on.
        place.run(&["schedule", "run-now", "disks", "--no-wait"]);
        place.done(&["disk", "create", "--size", "20GiB"]);
    }
    let again = place.run(&["schedule", "backfill", "daily", "--from", "2026-01-01", "--to", "2026-01-03"]);
    assert_eq!(again.code, 3, "what has run does not run again: {}", again.err);

    assert_eq!(place.run(&["schedule", "delete", "disks"]).code, 2, "nobody is there to be asked");
    place.done(&["schedule", "delete", "disks", "--yes"]);
    let gone = place.run(&["schedule", "show", "disks"]);
    assert_eq!((gone.code, gone.err.contains("kiln schedule list")), (3, true), "{}", gone.err);
}

#[test]
fn ticks_are_previewed_before_there_is_a_schedule_and_what_makes_no_sense_says_what_to_write() {
    let place = Place::new();
    let words =
        ["schedule", "preview", "--when", "0 12 30 12 *", "--zone", "Pacific/Apia", "--from", "2011-12-01"];
    let ticks = place.json(&[&words[..], &["--count", "2"]].concat());
    let told: Vec<&str> = ticks["Ticks"].as_array().unwrap().iter().map(|it| text(it, "LocalTime")).collect();
    assert_eq!(told, ["2011-12-31T00:00:00+14:00", "2012-12-30T12:00:00+14:00"], "a day that was left out");
    let ten = place.json(&["schedule", "preview", "--when", "every 6h"]);
    assert_eq!(ten["Ticks"].as_array().unwrap().len(), 10);
    let create = |when: &str, more: &[&str]| {
        let words = [&["schedule", "create", "x", when, "image.check", "image=web-1"], more].concat();
        let run = place.run(&words);
        assert_eq!(run.code, 3, "{}", run.err);
        run.err
    };
    let wrong = create("0 24 * * *", &[]);
    assert!(wrong.contains("the hour `24`") && wrong.contains("0 to 23"), "{wrong}");
    let wrong = create("0 0 30 2 *", &[]);
    assert!(wrong.contains("never comes"), "{wrong}");
    let wrong = create("@daily", &["--zone", "Berlin"]);
    assert!(wrong.contains("did you mean `Europe/Berlin`?"), "{wrong}");
    let wrong = create("at 2020-01-01T00:00", &[]);
    assert!(wrong.contains("InvalidSchedule.NeverTicks"), "{wrong}");
    let usage =
        place.run(&["schedule", "create", "x", "@daily", "image.check", "image=web-1", "--overlap", "some"]);
    assert!(usage.code == 2 && usage.err.contains("buffer-one"), "{}", usage.err);
}

/// What the help shows is what people try first.
#[test]
fn what_the_help_of_a_schedule_shows_is_not_refused() {
    let place = Place::new();
    let help = place.done(&["schedule", "create", "--help"]);
    let examples: Vec<&str> =
        help.lines().filter_map(|line| line.trim().strip_prefix("kiln schedule create ")).collect();
    assert!(examples.len() >= 4, "{help}");
    for example in examples {
        let mut words = vec!["schedule", "create"];
        // Every other part stands between quotes.
        for (number, part) in example.split('\'').enumerate() {
            let quoted = number % 2 == 1;
            words.extend(if quoted { vec![part] } else { part.split_whitespace().collect() });
        }
        place.done(&words);
    }
    assert_eq!(place.json(&["schedule", "list"])["Schedules"].as_array().unwrap().len(), 4);
}
