//! `cargo xtask test`: every check and every test, on a laptop as in CI, within one time budget.
//!
//! Stages run one after another and all of them run, so that one look at the closing table tells everything that is
//! wrong; only a failed set-up ends the run, because what follows would fail for its sake. A stage that fails without
//! a failed test counts as one failure, so the last line alone tells whether all is well.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::clients;
use crate::count::{self, Counts};
use crate::disks;
use crate::error::{Error, Result};
use crate::licences;
use crate::place;
use crate::run;
use crate::setup;

pub(crate) const HELP: &str = "\
Run every check and every test

Usage: cargo xtask test [--quick]

Stages: set-up (installs missing Debian packages), formatting, clippy, docs, licences, test disks, the
official clients, tests, doc tests.
Together they have 39 minutes; whatever still runs then is killed and counts as failed. The last line is
`N passed, N failed`.

Options:
  --quick  leave out the set-up, the test disks, the clients, and the tests named after debian disks, torture or
           clients

Environment:
  KILN_SEED         the seed of the random tests; a fresh one, which is printed, unless given
  KILN_TEST_DISKS   where the Debian test disks lie or are made
  KILN_TEST_PYTHON  the interpreter that has the official clients, for who runs the tests without this command
  CI                when set, snapshots are never written
";

/// What all stages have together: 40 minutes are what a run may take on two cores, and it ends before that. On a
/// machine in a slow hour a run has taken 37; on most it takes 26 to 34.
const BUDGET_MINUTES: u64 = 39;

/// Tests with these words in their names take minutes, the real disks or the official clients;
/// `.config/nextest.toml` runs
/// the first two one by one.
const HEAVY: [&str; 3] = ["debian", "torture", "clients"];

/// The seed of this run's random tests.
pub(crate) const SEED_VARIABLE: &str = "KILN_SEED";

/// What a run was asked to do.
struct Run {
    quick: bool,
    seed: String,
    begin: Instant,
    budget: Duration,
    ended: Vec<Ended>,
}

/// A stage that ended, as a row of the closing table.
struct Ended {
    name: &'static str,
    well: bool,
    took: Duration,
    counts: Counts,
    note: String,
}

/// What a stage's work says of itself.
struct Outcome {
    well: bool,
    counts: Counts,
    note: String,
}

impl Outcome {
    fn done(note: String) -> Self {
        Self { well: true, counts: Counts::default(), note }
    }
}

/// Runs every stage.
pub(crate) fn begin(arguments: &[String]) -> Result<bool> {
    let mut quick = false;
    for argument in arguments {
        match argument.as_str() {
            "--quick" => quick = true,
            other => {
                return Err(
                    Error::new(format!("`test` takes no `{other}`")).try_next("cargo xtask test --help")
                );
            }
        }
    }
    let mut run = Run {
        quick,
        seed: std::env::var(SEED_VARIABLE).unwrap_or_else(|_| fresh_seed()),
        begin: Instant::now(),
        budget: Duration::from_secs(BUDGET_MINUTES * 60),
        ended: Vec::new(),
    };
    println!("the random tests of this run: {SEED_VARIABLE}={}", run.seed);
    every_stage(&mut run);
    Ok(run.close())
}

fn every_stage(run: &mut Run) {
    if !run.quick && !run.stage("set-up", |_| setup::for_everything().map(Outcome::done)) {
        return;
    }
    run.stage("formatting", |run| run.cargo(&["fmt", "--all", "--check"]));
    run.stage("clippy", |run| run.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]));
    run.stage("docs", |run| run.cargo(&["doc", "--no-deps", "--workspace"]));
    run.stage("licences", |run| {
        let (well, note) = licences::check(run.deadline())?;
        Ok(Outcome { well, counts: Counts::default(), note })
    });
    if !run.quick {
        run.stage("test disks", |_| disks::make_sure().map(|_| Outcome::done(String::new())));
        run.stage("clients", |_| clients::make_sure().map(|_| Outcome::done(String::new())));
    }
    run.stage("tests", tests);
    run.stage("doc tests", |run| run.suite(&["test", "--doc", "--workspace", "--no-fail-fast"]));
}

/// Every test but the doc tests, by nextest if it is there.
fn tests(run: &Run) -> Result<Outcome> {
    let heavy = HEAVY.join("|");
    let without_heavy = format!("not test(/{heavy}/)");
    if place::tool("cargo-nextest").is_some() {
        let mut arguments = vec!["nextest", "run", "--workspace", "--no-fail-fast"];
        if place::unattended() {
            arguments.extend(["--profile", "ci"]);
        }
        if run.quick {
            arguments.extend(["--filterset", &without_heavy]);
        }
        return run.suite(&arguments);
    }
    println!("cargo-nextest is not installed: tests run by `cargo test`, without time limits of their own");
    let mut arguments = vec!["test", "--workspace", "--all-targets", "--no-fail-fast"];
    if run.quick {
        arguments.push("--");
        for word in HEAVY {
            arguments.extend(["--skip", word]);
        }
    }
    run.suite(&arguments)
}

impl Run {
    fn deadline(&self) -> Instant {
        self.begin + self.budget
    }

    fn remaining(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Does a stage's work, says how it went, and keeps a row for the closing table.
    fn stage(&mut self, name: &'static str, work: impl FnOnce(&Self) -> Result<Outcome>) -> bool {
        println!("\n── {name} ── {} left", minutes(self.remaining()));
        let begin = Instant::now();
        let outcome = work(self).unwrap_or_else(|error| {
            println!("{error}");
            Outcome { well: false, counts: Counts::default(), note: first_line(&error.to_string()) }
        });
        let took = begin.elapsed();
        let verdict = if outcome.well { "well" } else { "FAILED" };
        println!("── {name}: {verdict}, took {}, {} left", minutes(took), minutes(self.remaining()));
        let Outcome { well, counts, note } = outcome;
        self.ended.push(Ended { name, well, took, counts, note });
        well
    }

    /// A cargo command that is well or not.
    fn cargo(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut command = run::cargo()?;
        // A changed `RUSTFLAGS` would build everything anew; only rustdoc is told this way.
        command.args(arguments).env("RUSTDOCFLAGS", "-D warnings");
        let ended = run::watched(&mut command, self.deadline())?;
        let note = if ended.late { "ran out of time".into() } else { String::new() };
        Ok(Outcome { well: ended.well, counts: Counts::default(), note })
    }

    /// A cargo command that runs tests.
    fn suite(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut command = run::cargo()?;
        command.args(arguments).env(SEED_VARIABLE, &self.seed);
        if !self.quick {
            command.env(disks::PLACE_VARIABLE, disks::make_sure()?);
            command.env(clients::PYTHON_VARIABLE, clients::make_sure()?);
        }
        let ended = run::watched(&mut command, self.deadline())?;
        let counts = count::counts(ended.lines.iter().map(String::as_str));
        let note = match (ended.late, counts) {
            (true, _) => "ran out of time".into(),
            (false, Counts { passed: 0, failed: 0, .. }) => "no test ran".into(),
            (false, Counts { skipped: 0, .. }) => String::new(),
            (false, Counts { skipped, .. }) => format!("{skipped} not run"),
        };
        Ok(Outcome { well: ended.well && counts.passed > 0 && counts.failed == 0, counts, note })
    }

    /// Prints the closing table and the last line.
    fn close(&self) -> bool {
        println!("\n{:<12} {:<7} {:>9} {:>7} {:>7}  note", "stage", "result", "took", "passed", "failed");
        let mut sum = Counts::default();
        for stage in &self.ended {
            let mut counts = stage.counts;
            if !stage.well && counts.failed == 0 {
                counts.failed = 1;
            }
            let result = if stage.well { "well" } else { "FAILED" };
            let Ended { name, took, note, .. } = stage;
            println!(
                "{name:<12} {result:<7} {:>9} {:>7} {:>7}  {note}",
                minutes(*took),
                counts.passed,
                counts.failed
            );
            sum += counts;
        }
        println!(
            "{:<12} {:<7} {:>9}  of {}",
            "in sum",
            "",
            minutes(self.begin.elapsed()),
            minutes(self.budget)
        );
        println!("{} passed, {} failed", sum.passed, sum.failed);
        sum.failed == 0
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// A duration as people say it: `3m 05s`.
fn minutes(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1}s", duration.as_secs_f64())
    } else {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    }
}

fn fresh_seed() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().to_string()
}
