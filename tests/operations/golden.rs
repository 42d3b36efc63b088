//! Golden logs: what every version of every story has once written, told to the stories of today.
//!
//! A log that is on somebody's disk has to be answered as it was for as long as its version is in the book, or flows in
//! progress park at the next start. `snapshots/logs/` has a log of each operation that went to its end, and of each
//! that acts on the world one that was cancelled. They are written once, by `KILN_GOLDEN=write`, and never anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{Gathered, Started};
use event::Record;
use serde_json::{Value, json};

use crate::cases::{Case, all};
use crate::faults;
use crate::world::{House, Outcome, Way, incarnation, prepared};

/// What to do, wherever it fails.
const ADVICE: &str = "a story that changes gets a new version: keep the old one beside it under its own VERSION, in \
    the book as well, until no log needs it; or change the story so that this log is still answered. Logs are not \
    written anew";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/logs")
}

/// A record a line, its payload in hexadecimal: as exact as the log, and a person finds the line that differs.
fn line(record: &Record) -> String {
    let mut value = serde_json::to_value(record).unwrap();
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
    let hex: String = record.payload.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    value["payload"] = json!(hex);
    format!("{value}\n")
}

fn record(line: &str) -> Record {
    let mut value: Value = serde_json::from_str(line).unwrap();
    let hex = value["payload"].as_str().unwrap().to_owned();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    value["payload"] = (0..hex.len()).step_by(2).map(byte).collect::<Vec<u8>>().into();
    serde_json::from_value(value).unwrap()
}

/// The logs of a file, one a flow.
fn read(path: &Path) -> Vec<Vec<Record>> {
    let text = fs::read_to_string(path).unwrap();
    let mut flows: Vec<Vec<Record>> = Vec::new();
    for record in text.lines().map(record) {
        match flows.last_mut().filter(|flow| flow[0].flow == record.flow) {
            Some(flow) => flow.push(record),
            None => flows.push(vec![record]),
        }
    }
    flows
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Name and version of the story that a log tells.
fn story(records: &[Record]) -> (String, u32) {
    let started: Started = records[0].get().unwrap();
    (started.name, started.version)
}

fn write(case: &Case) {
    let logs = [
        ("done", Some(faults::undisturbed(case))),
        ("undone", faults::cancelled(case).filter(|_| case.acts)),
    ];
    for (how, outcome) in logs {
        let Some(Outcome { flows, .. }) = outcome else { continue };
        // A log is told again by itself, where operations that another has begun are not.
        let has_parts = |record: &Record| {
            record.get::<Gathered>().is_ok_and(|gathered| gathered.done + gathered.failed > 0)
        };
        if flows.iter().any(|(_, records)| records.iter().any(has_parts)) {
            continue;
        }
        let flows: Vec<_> = flows.into_iter().filter(|(row, _)| row.state.has_ended()).collect();
        let (name, version) = story(&flows[0].1);
        assert!(case.name.starts_with(&name), "{}: its first flow is `{name}`", case.name);
        let path = directory().join(format!("{}.{version}.{how}.jsonl", case.name));
        if path.exists() {
            continue;
        }
        let text: String = flows.iter().flat_map(|(_, records)| records.iter().map(line)).collect();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn every_golden_log_is_answered_by_the_stories_of_today() {
    if std::env::var("KILN_GOLDEN").is_ok_and(|word| word == "write") {
        fs::create_dir_all(directory()).unwrap();
        all().iter().for_each(write);
    }
    let files: Arc<dyn files::Files> = prepared(11).mount();
    incarnation(async {
        let house = House::open(&files, Way::Plain).unwrap();
        house.engine.drive().await.unwrap();
        for path in self::files() {
            for records in read(&path) {
                let (name, version) = story(&records);
                if let Err(why) = house.engine.retell(records).await {
                    let log = path.file_name().unwrap().to_string_lossy();
                    panic!(
                        "the story `{name}` version {version} no longer tells `snapshots/logs/{log}`: {why}; {ADVICE}"
                    );
                }
            }
        }
        house.engine.close().await;
    });
}

#[test]
fn every_version_of_every_story_has_a_golden_log() {
    let told: BTreeSet<(String, u32)> =
        files().iter().flat_map(|path| read(path)).map(|records| story(&records)).collect();
    let stories: BTreeSet<(String, u32)> = workflows::book().stories().collect();
    let untold: Vec<_> = stories.difference(&told).collect();
    let advice = "write it with `KILN_GOLDEN=write cargo test --test operations golden`, and commit it";
    assert!(untold.is_empty(), "no log in snapshots/logs of {untold:?}: {advice}");
    let lost: Vec<_> = told.difference(&stories).collect();
    assert!(lost.is_empty(), "the book has no {lost:?} any more, of which there are logs: {ADVICE}");
}
