//! A batch whose process is killed with SIGKILL again and again ends with each line done exactly once.
//!
//! The real program runs a manifest of real changes, and is killed when so many more lines have ended. Then the log is
//! read from its first event to its last: every line has one operation, and every operation changed its image once.
//! A few lines of another sort are among them: some that never become operations, whose refusals have to be told.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Projections;
use domain::events::ImageModified;
use engine::{Engine, SystemClock};
use event::{Cause, Event as _, Seq};
use serde_json::Value;

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
/// Pause between two looks at how far the batch is.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A line takes no longer than this on any machine, nor an opening of the log than a minute.
const PATIENCE_EACH: Duration = Duration::from_millis(40);
const PATIENCE: Duration = Duration::from_mins(2);

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.arg("--data").arg(self.data()).args(arguments).args(["--output", "json"]);
        command.stdin(Stdio::null());
        command
    }

    fn answer(&self, arguments: &[&str]) -> Value {
        let ended = self.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&ended.stdout).unwrap_or(Value::Null)
    }

    /// Starts the batch, or goes on with it.
    fn run(&self, manifest: &Path) -> Child {
        let arguments = ["batch", "run", manifest.to_str().unwrap(), "--name", "soak", "--concurrency", "32"];
        let mut command = self.command(&arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// How many lines have ended, if anybody says.
    fn settled(&self) -> u64 {
        let ended = self.command(&["batch", "show", "soak"]).output().unwrap();
        let view: Value = serde_json::from_slice(&ended.stdout).unwrap_or(Value::Null);
        view["Settled"].as_u64().unwrap_or(0)
    }
}

fn is_lost(number: u64) -> bool {
    number.is_multiple_of(LOST_ONE_IN)
}

#[test]
fn torture_batches_killed_again_and_again_do_each_line_exactly_once() {
    let lines = std::env::var("KILN_BATCH_LINES").ok().and_then(|lines| lines.parse().ok()).unwrap_or(LINES);
    let place = Place { dir: tempfile::tempdir().unwrap() };
    let disk = place.dir.path().join("disk.raw");
    fs::write(&disk, vec![7; 1 << 20]).unwrap();
    for number in 0..IMAGES {
        place.answer(&["image", "import", disk.to_str().unwrap(), "--name", &format!("web-{number}")]);
    }
    let mut text = "operation,image,tag:line\n".to_owned();
    for number in 1..=lines {
        let image = if is_lost(number) { "nobody".to_owned() } else { format!("web-{}", number % IMAGES) };
        writeln!(text, "image.modify,{image},{number}").unwrap();
    }
    let manifest = place.dir.path().join("soak.csv");
    fs::write(&manifest, text).unwrap();
    let begun = Instant::now();
    let patience = PATIENCE + PATIENCE_EACH * u32::try_from(lines).unwrap();
    let (mut kills, mut killed_at) = (0, Vec::new());
    let mut child = place.run(&manifest);
    loop {
        assert!(begun.elapsed() < patience, "it hangs at {} lines", place.settled());
        if let Some(status) = child.try_wait().unwrap() {
            // Some lines fail, so it ends with the code for that; or it was too quick to be killed once more.
            assert_eq!(status.code(), Some(1), "after {kills} kills");
            break;
        }
        let settled = place.settled();
        if kills < KILLS && settled >= (kills + 1) * lines / (KILLS + 2) {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            killed_at.push(settled);
            child = place.run(&manifest);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    assert_eq!(kills, KILLS, "killed at {killed_at:?} of {lines} lines");
    let lost = (1..=lines).filter(|number| is_lost(*number)).count() as u64;
    let view = place.answer(&["batch", "show", "soak"]);
    assert_eq!(
        (view["State"].as_str(), view["Done"].as_u64(), view["Failed"].as_u64()),
        (Some("Done"), Some(lines - lost), Some(lost)),
        "{view}"
    );
    let batch = view["BatchId"].as_str().unwrap().to_owned();
    let failures = place.dir.path().join("again.csv");
    place.answer(&["batch", "report", "soak", "--failures", failures.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&failures).unwrap().lines().count() as u64, lost + 1);
    each_once(&place.data(), &batch, lines);
    println!("soak: {lines} lines, killed at {killed_at:?}, in {} s", begun.elapsed().as_secs());
}

/// Reads the log: each line has one operation and one change, or none of either.
fn each_once(data: &Path, batch: &str, lines: u64) {
    let engine = Engine::<()>::open(engine::Options {
        files: Arc::new(files::RealFiles),
        dir: data.to_owned(),
        clock: Arc::new(SystemClock),
        fold: Arc::new(Projections),
        book: engine::Book::default(),
        ports: Arc::new(()),
        order: None,
    })
    .unwrap();
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
