//! `cargo xtask soak`: the counts the judged lines ask for, which are too long for every test run.
//!
//! A soak is an ordinary test that reads how much to do from its environment. [`SOAKS`] says which, how much, and
//! which judged line it is for; adding one touches that table. A test says what it counted in lines that begin with
//! `soak: `, and those become the report in `docs/soak-report.md`, which is committed.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use crate::count::{self, Counts};
use crate::disks;
use crate::error::{Context as _, Error, Result};
use crate::machine;
use crate::place;
use crate::run;
use crate::setup;
use crate::test::SEED_VARIABLE;

pub(crate) const HELP: &str = "\
Run the full counts of the judged lines and write docs/soak-report.md

Usage: cargo xtask soak [--hours H] [--only NAME]

Options:
  --hours H    time in all for the soaks that go by time (default 1)
  --only NAME  run one soak; the report's other rows stay as they are
  --list       print the soaks and end

Environment for the tests:
  KILN_SOAK=1            full counts are asked for
  KILN_SEED              the first seed
  KILN_SEEDS             how many seeds
  KILN_ORDERS            how many orders each pair of operations races in
  KILN_TORTURE_KILLS     how many times the real binary is killed
  KILN_COPIES_KILLS      how many times copies are killed on the way
  KILN_BATCH_LINES       how many lines a batch of changes has that is killed ten times
  KILN_BATCH_COPIES      how many copies a batch makes that is killed five times
  KILN_YEARS             how many years of retention and distribution are lived
  KILN_WIRE_KILLS        how many times a server is killed amid a hundred requests
  KILN_WIRE_SOUPS        how many requests that nobody should send a server is sent
  KILN_SOAK_SECONDS      how long, for a soak that goes by time
  KILN_TEST_DISKS        where the real Debian disks lie
";

/// One soak: the tests it runs and how much it asks of them.
struct Soak {
    name: &'static str,
    /// The judged line it is for.
    judges: &'static str,
    package: &'static str,
    /// The part of the tests' names that picks them.
    tests: &'static str,
    how_much: HowMuch,
}

/// How a test is told how much to do.
enum HowMuch {
    /// A count, in this variable.
    Count(&'static str, u64),
    /// Its share of the hours.
    #[expect(dead_code, reason = "for soaks without a natural count; none has come yet")]
    Time,
}

/// Every soak.
const SOAKS: &[Soak] = &[
    Soak {
        name: "torture",
        judges: "issue 2, line 3: SIGKILL at random moments",
        package: "kiln",
        tests: "torture_by_kills",
        how_much: HowMuch::Count("KILN_TORTURE_KILLS", 400),
    },
    Soak {
        name: "power-cuts",
        judges: "issue 2, line 3: power cuts under the log and the packs",
        package: "kiln",
        tests: "torture_power_cuts",
        how_much: HowMuch::Count("KILN_SEEDS", 2_000),
    },
    Soak {
        name: "copies",
        judges: "issue 3: copies of 200 images and a Debian disk, killed on the way",
        package: "kiln",
        tests: "copies_of_200_images",
        how_much: HowMuch::Count("KILN_COPIES_KILLS", 50),
    },
    Soak {
        name: "batches",
        judges: "issue 5, line 6: a batch of 100,000 lines, killed ten times on the way",
        package: "kiln",
        tests: "batches_killed",
        how_much: HowMuch::Count("KILN_BATCH_LINES", 100_000),
    },
    Soak {
        name: "batch-copies",
        judges: "issue 5, line 7: a batch of 2,000 copies under a bandwidth, killed five times on the way",
        package: "kiln",
        tests: "batch_of_copies",
        how_much: HowMuch::Count("KILN_BATCH_COPIES", 2_000),
    },
    Soak {
        name: "upkeep-years",
        judges: "issue 5, line 7: years of retention and distribution, through failures, clock jumps and power cuts",
        package: "service",
        tests: "a_year_of_power_cuts",
        how_much: HowMuch::Count("KILN_YEARS", 40),
    },
    Soak {
        name: "wire-kills",
        judges: "issue 4, line 7: SIGKILL in the middle of a hundred mixed requests",
        package: "kiln",
        tests: "a_hundred_requests_killed",
        how_much: HowMuch::Count("KILN_WIRE_KILLS", 60),
    },
    Soak {
        name: "wire-soups",
        judges: "issue 4: a million requests that nobody should send, to a live server",
        package: "kiln",
        tests: "soups_of_requests",
        how_much: HowMuch::Count("KILN_WIRE_SOUPS", 1_000_000),
    },
    Soak {
        name: "operations",
        judges: "issue 2, operations: every fault at every call, not only at two dozen of them",
        package: "kiln",
        tests: "an_operation",
        how_much: HowMuch::Count("KILN_POINTS", 100_000),
    },
    Soak {
        name: "races",
        judges: "issue 3, races: each pair of operations that can meet, in a thousand commit orders",
        package: "kiln",
        tests: "races_of",
        how_much: HowMuch::Count("KILN_ORDERS", 1_000),
    },
    Soak {
        name: "simulate",
        judges: "issue 5, line 3: the engine simulated from a seed, and every planted fault found",
        package: "engine",
        tests: "simulated_",
        how_much: HowMuch::Count("KILN_SEEDS", 100_000),
    },
    Soak {
        name: "data",
        judges: "issue 2: disks of random content through the data plane",
        package: "data",
        tests: "whatever_happens_at_once",
        how_much: HowMuch::Count("KILN_SEEDS", 2_000),
    },
    Soak {
        name: "disk-mutations",
        judges: "issue 2: bad input",
        package: "disk",
        tests: "trips_us",
        how_much: HowMuch::Count("DISK_MUTATIONS", 200_000),
    },
];

/// What begins a line that a test wants in the report.
const REPORT_PREFIX: &str = "soak: ";
/// How many times its share a soak by count may take before it is killed as stuck.
const PATIENCE: u32 = 4;
/// Where the report is, below the root.
const REPORT: &str = "docs/soak-report.md";
/// A soak of zero hours shows nothing, one of a fortnight is a slip of the finger.
const HOURS: std::ops::RangeInclusive<f64> = 0.01..=240.0;

/// A row of the report.
struct Row {
    name: String,
    text: String,
}

/// Runs the soaks and writes the report.
pub(crate) fn begin(arguments: &[String]) -> Result<bool> {
    let mut hours = 1.0;
    let mut only = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next().ok_or_else(|| {
                Error::new(format!("`{argument}` needs a value")).try_next("cargo xtask soak --help")
            })
        };
        match argument.as_str() {
            "--hours" => hours = parse_hours(value()?)?,
            "--only" => only = Some(find(value()?)?),
            "--list" => {
                for soak in SOAKS {
                    println!("{:<12} {}", soak.name, soak.judges);
                }
                return Ok(true);
            }
            other => {
                return Err(
                    Error::new(format!("`soak` takes no `{other}`")).try_next("cargo xtask soak --help")
                );
            }
        }
    }
    let chosen: Vec<&Soak> = SOAKS.iter().filter(|soak| only.is_none_or(|name| name == soak.name)).collect();
    println!("{}", setup::for_everything()?);
    let disks = disks::make_sure()?;
    let seconds = hours * 3600.0 / f64::from(u32::try_from(chosen.len()).expect("the table is short"));
    let share = Duration::from_secs_f64(seconds);

    let mut rows = if only.is_some() { rows_before() } else { Vec::new() };
    let mut well = true;
    for soak in chosen {
        let (row, passed) = soak.run(share, &disks)?;
        well &= passed;
        match rows.iter_mut().find(|before| before.name == row.name) {
            Some(before) => *before = row,
            None => rows.push(row),
        }
        // After each soak, so that a night's work is not lost with the last one.
        write_report(&rows)?;
    }
    println!("wrote {REPORT}");
    Ok(well)
}

fn parse_hours(text: &str) -> Result<f64> {
    text.parse().ok().filter(|hours| HOURS.contains(hours)).ok_or_else(|| {
        Error::new(format!("`{text}` is no number of hours between {} and {}", HOURS.start(), HOURS.end()))
    })
}

fn find(name: &str) -> Result<&'static str> {
    SOAKS
        .iter()
        .map(|soak| soak.name)
        .find(|known| *known == name)
        .ok_or_else(|| Error::new(format!("there is no soak `{name}`")).try_next("cargo xtask soak --list"))
}

impl Soak {
    /// Runs the soak's tests; returns its row, and whether all is well.
    fn run(&self, share: Duration, disks: &std::path::Path) -> Result<(Row, bool)> {
        println!("\n── {} ── {}", self.name, self.judges);
        let seed = std::env::var(SEED_VARIABLE).unwrap_or_else(|_| "1".into());
        let mut command = run::cargo()?;
        command.args(["test", "--release", "--package", self.package, self.tests]);
        command.args(["--", "--nocapture", "--include-ignored", "--test-threads", "1"]);
        command.env("KILN_SOAK", "1").env(SEED_VARIABLE, &seed).env(disks::PLACE_VARIABLE, disks);
        let (asked, limit) = match self.how_much {
            HowMuch::Count(variable, count) => {
                command.env(variable, count.to_string());
                (format!("`{variable}={count}` from `{SEED_VARIABLE}={seed}`"), share * PATIENCE)
            }
            HowMuch::Time => {
                command.env("KILN_SOAK_SECONDS", share.as_secs().to_string());
                (format!("{} s from `{SEED_VARIABLE}={seed}`", share.as_secs()), share * PATIENCE)
            }
        };
        let begin = Instant::now();
        let ended = run::watched(&mut command, begin + limit)?;
        let counts = count::counts(ended.lines.iter().map(String::as_str));
        let well = ended.well && counts.passed > 0 && counts.failed == 0;
        let verdict = match (well, ended.late, counts) {
            (true, ..) => "well",
            (_, true, _) => "FAILED: ran out of time",
            (_, _, Counts { passed: 0, failed: 0, .. }) => "FAILED: no test of that name ran",
            _ => "FAILED",
        };
        let mut text = String::new();
        let _ = writeln!(text, "- For: {}.", self.judges);
        let _ = writeln!(text, "- Asked: {asked}.");
        let _ = writeln!(
            text,
            "- Made: {}, commit {}, on {}.",
            machine::today(),
            machine::commit(),
            machine::description()
        );
        let _ = writeln!(
            text,
            "- Result: **{verdict}**; {} passed, {} failed in {} s.",
            counts.passed,
            counts.failed,
            begin.elapsed().as_secs()
        );
        for line in ended.lines.iter().filter_map(|line| reported(line)) {
            let _ = writeln!(text, "- {line}");
        }
        println!("── {}: {verdict}", self.name);
        Ok((Row { name: self.name.into(), text }, well))
    }
}

/// What a test wants in the report. With the output shown, a line may begin behind `test name ... `.
fn reported(line: &str) -> Option<&str> {
    line.find(REPORT_PREFIX).map(|at| line[at + REPORT_PREFIX.len()..].trim())
}

const TITLE: &str = "# Soak report\n\nThe full counts of the judged lines, as `cargo xtask soak` last found them. \
    Written by that command.\n";

fn write_report(rows: &[Row]) -> Result<()> {
    let mut text = String::from(TITLE);
    for row in rows {
        let _ = write!(text, "\n## {}\n\n{}", row.name, row.text);
    }
    let file = place::root().join(REPORT);
    fs::write(&file, text).attempting(|| format!("writing `{REPORT}`"))
}

fn rows_before() -> Vec<Row> {
    let text = fs::read_to_string(place::root().join(REPORT)).unwrap_or_default();
    let row = |part: &str| {
        let (name, text) = part.split_once('\n')?;
        let known = SOAKS.iter().any(|soak| soak.name == name.trim());
        known.then(|| Row { name: name.trim().into(), text: format!("{}\n", text.trim()) })
    };
    text.split("\n## ").skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_reports_by_a_prefix_even_behind_the_name_libtest_prints() {
        assert_eq!(reported("soak: 212 kills"), Some("212 kills"));
        assert_eq!(reported("test torture ... soak: 212 kills"), Some("212 kills"));
        assert_eq!(reported("nothing to report"), None);
    }

    #[test]
    fn hours_are_a_number_within_reason() {
        assert_eq!(parse_hours("0.5").expect("half an hour is fine").to_bits(), 0.5_f64.to_bits());
        for text in ["", "0", "-1", "NaN", "inf", "1000", "two"] {
            assert!(parse_hours(text).is_err(), "{text}");
        }
    }
}
