//! The archive of the log: whoever reads the log reads it, a backup has it, and what was done to it is named.

use std::fs;

use serde_json::Value;

use crate::kit::Place;

/// A house with a little history.
fn lived_in() -> Place {
    let place = Place::new();
    place.image("web-1", &[]);
    for n in 0..6 {
        place.done(&["image", "modify", "web-1", "--description", &format!("text {n}")]);
    }
    place.image("web-2", &[]);
    place
}

/// What is asked of a log in many ways.
fn told(place: &Place) -> Vec<Value> {
    let ask = |words: &str| place.json(&words.split(' ').collect::<Vec<_>>());
    let mut told = vec![
        ask("audit log --from 1 --count 100000"),
        ask("audit log --subject web-1 --count 1000"),
        ask("image history web-1"),
        ask("workflow list"),
        ask("audit verify"),
        ask("audit diff --from 12 --to 40"),
    ];
    for event in ["9", "25", "45"] {
        told.push(place.json(&["audit", "replay", "images", "--at", event]));
    }
    told
}

#[test]
fn what_is_archived_is_read_proved_backed_up_and_restored_as_before() {
    let place = lived_in();
    let before = told(&place);
    let idle = place.json(&["audit", "archive"]);
    assert_eq!((idle["Segments"].as_u64(), idle["ArchivedEvents"].as_u64()), (Some(0), Some(0)));
    let nothing = place.json(&["audit", "archive", "--now"]);
    assert_eq!(nothing["SegmentsNow"], 0, "all of it is younger than thirty days");
    let made = place.json(&["audit", "archive", "--now", "--older-than", "0"]);
    assert_eq!(made["Segments"], 1, "{made}");
    assert!(
        made["ArchivedEvents"].as_u64().unwrap() > 40 && made["EndedRows"].as_u64().unwrap() > 10,
        "{made}"
    );
    assert!(made["ArchiveBytes"].as_u64() < made["RawBytes"].as_u64(), "{made}");
    assert_eq!(told(&place), before);
    let rebuilt = place.json(&["audit", "rebuild"]);
    assert_eq!(rebuilt["Differing"], 0);
    // It goes on, and a backup has all of it, for any moment.
    place.done(&["image", "modify", "web-2", "--description", "later"]);
    place.done(&["backup", "backup"]);
    place.done(&["restore", "backup", "--to", "again", "--at", "30"]);
    let data = place.path("again").to_string_lossy().into_owned();
    place.done(&["--data", &data, "audit", "verify", "--projections"]);
    let log = |data: &[&str]| -> Value {
        let words = ["audit", "log", "--from", "1", "--count", "30", "--output", "json"];
        serde_json::from_str(&place.done(&[data, &words].concat())).unwrap()
    };
    assert_eq!(log(&["--data", &data])["Log"], log(&[])["Log"]);
}

#[test]
fn a_segment_that_is_gone_is_named_and_found_again_when_it_is_brought_back() {
    let place = lived_in();
    place.done(&["audit", "archive", "--now", "--older-than", "0"]);
    let dir = place.data().join("archive");
    let segment = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    let name = segment.file_name().unwrap().to_str().unwrap().to_owned();
    let aside = place.path("aside");
    fs::rename(&segment, &aside).unwrap();
    let verified = place.run(&["audit", "verify"]);
    assert_eq!(verified.code, 5, "{}", verified.err);
    assert!(verified.err.contains(&name) && verified.err.contains("removed"), "{}", verified.err);
    // What needs nothing of it goes on.
    place.done(&["image", "list"]);
    place.done(&["image", "modify", "web-2", "--description", "later"]);
    let read = place.run(&["audit", "log", "--from", "1"]);
    assert_ne!(read.code, 0);
    assert!(read.err.contains(&name), "{}", read.err);
    fs::rename(&aside, &segment).unwrap();
    place.done(&["audit", "verify", "--projections"]);
}
