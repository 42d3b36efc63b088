//! Reading how many tests passed and failed out of what nextest and `cargo test` print.
//!
//! Both print for people, so this reads only their summary lines. A run whose summary is not found counts nothing,
//! and whoever asked must treat that as a failure: a suite that ran no test has shown nothing.

use std::ops::AddAssign;

/// Tests, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Those that passed, slow and flaky ones among them.
    pub(crate) passed: u64,
    /// Those that failed, crashed or ran out of time.
    pub(crate) failed: u64,
    /// Those that were not run: ignored, or left out by a filter.
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Adds up every summary line found.
pub(crate) fn counts<'a>(lines: impl Iterator<Item = &'a str>) -> Counts {
    let mut sum = Counts::default();
    for line in lines {
        let line = without_colour(line);
        if let Some(summary) = nextest_summary(&line).or_else(|| libtest_summary(&line)) {
            sum += tally(summary);
        }
    }
    sum
}

/// `     Summary [   0.1s] 10 tests run: 8 passed (1 slow), 2 failed, 1 skipped`
fn nextest_summary(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("Summary [")?;
    rest.split_once(" run: ").map(|(_, summary)| summary)
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn libtest_summary(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("test result: ")?;
    rest.split_once(". ").map(|(_, summary)| summary)
}

fn tally(summary: &str) -> Counts {
    let mut counts = Counts::default();
    for part in summary.split([',', ';']) {
        let mut words = part.split_whitespace();
        let Some(number) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
            continue;
        };
        match words.next() {
            Some("passed") => counts.passed += number,
            // "2 timed out" and "1 exec failed" are nextest's other ways to fail.
            Some("failed" | "timed" | "exec") => counts.failed += number,
            Some("skipped" | "ignored") => counts.skipped += number,
            _ => {}
        }
    }
    counts
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, passed: u64, failed: u64, skipped: u64) {
        assert_eq!(counts(text.lines()), Counts { passed, failed, skipped }, "{text}");
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        check("     Summary [   0.010s] 10 tests run: 10 passed, 0 skipped", 10, 0, 0);
        check("     Summary [   0.010s] 1 test run: 1 passed (1 slow), 4 skipped", 1, 0, 4);
        check(
            "     Summary [  61.2s] 9/10 tests run: 5 passed, 2 failed, 1 timed out, 1 exec failed, 3 skipped",
            5,
            4,
            3,
        );
        check(
            "\u{1b}[32;1m     Summary\u{1b}[0m [   0.010s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \
             \u{1b}[32;1mpassed\u{1b}[0m, 0 skipped",
            2,
            0,
            0,
        );
    }

    #[test]
    fn every_summary_of_cargo_test_is_added_up() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                    test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s";
        check(text, 7, 2, 1);
    }

    #[test]
    fn a_test_that_prints_numbers_is_not_a_summary() {
        check("imported 3 passed, 4 failed\ntest a_test ... ok\nSummary of 3 passed", 0, 0, 0);
    }
}
