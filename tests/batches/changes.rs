//! Many changes of a few images: each line has one operation, and every operation changed its image once.
//!
//! A few lines of another sort are among them: some that never become operations, whose refusals have to be told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use domain::events::ImageModified;
use event::{Cause, Event as _, Seq};

use crate::killed::{Batch, Place, count};

/// Lines in an ordinary run.
const LINES: u64 = 3_000;
/// Kills, whatever the number of lines.
const KILLS: u64 = 10;
/// Images that the lines change.
const IMAGES: u64 = 16;
/// One in so many lines names an image that is not there.
const LOST_ONE_IN: u64 = 97;
/// Records read at once.
const STRETCH: usize = 10_000;

fn is_lost(number: u64) -> bool {
    number.is_multiple_of(LOST_ONE_IN)
}

pub fn play() {
    let lines = count("KILN_BATCH_LINES").unwrap_or(LINES);
    let place = Place::new();
    let disk = place.path("disk.raw");
    fs::write(&disk, vec![7; 1 << 20]).unwrap();
    for number in 0..IMAGES {
        place.answer(&["image", "import", disk.to_str().unwrap(), "--name", &format!("web-{number}")]);
    }
    let mut text = "operation,image,tag:line\n".to_owned();
    for number in 1..=lines {
        let image = if is_lost(number) { "nobody".to_owned() } else { format!("web-{}", number % IMAGES) };
        writeln!(text, "image.modify,{image},{number}").unwrap();
    }
    let manifest = place.path("soak.csv");
    fs::write(&manifest, text).unwrap();
    let begun = Instant::now();
    let batch = Batch {
        name: "soak",
        manifest: &manifest,
        lines,
        words: &["--concurrency", "32"],
        patience_each: Duration::from_millis(40),
    };
    // Some lines fail, so it ends with the code for that.
    let killed_at = batch.run_killed(&place, KILLS, 1);
    let lost = (1..=lines).filter(|number| is_lost(*number)).count() as u64;
    let view = place.answer(&["batch", "show", "soak"]);
    assert_eq!(
        (view["State"].as_str(), view["Done"].as_u64(), view["Failed"].as_u64()),
        (Some("Done"), Some(lines - lost), Some(lost)),
        "{view}"
    );
    let batch = view["BatchId"].as_str().unwrap().to_owned();
    let failures = place.path("again.csv");
    place.answer(&["batch", "report", "soak", "--failures", failures.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&failures).unwrap().lines().count() as u64, lost + 1);
    each_once(&place, &batch, lines);
    println!("soak: {lines} lines, killed at {killed_at:?}, in {} s", begun.elapsed().as_secs());
}

/// Reads the log: each line has one operation and one change, or none of either.
fn each_once(place: &Place, batch: &str, lines: u64) {
    let engine = place.engine();
    assert_eq!(engine.verify().unwrap().fault, None);
    let snapshot = engine.snapshot().unwrap();
    let prefix = format!("batch/{batch}/");
    let (mut changes, mut from) = (BTreeMap::<String, u64>::new(), Seq(1));
    loop {
        let records = snapshot.records(from, STRETCH).unwrap();
        let Some(last) = records.last() else { break };
        from = last.seq.next();
        for record in records.iter().filter(|record| record.kind == ImageModified::KIND) {
            if let Cause::Request(request) = &record.cause
                && let Some(line) = request.strip_prefix(&prefix)
            {
                *changes.entry(line.to_owned()).or_default() += 1;
            }
        }
    }
    // The first line of the file has the columns.
    let expected: BTreeMap<String, u64> = (1..=lines)
        .filter(|number| !is_lost(*number))
        .map(|number| (format!("{:07}", number + 1), 1))
        .collect();
    assert_eq!(changes.len(), expected.len());
    assert_eq!(changes, expected);
}
