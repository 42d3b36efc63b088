//! Figures and how they are shown: medians, goals, tables in Markdown.

use std::fmt::Write as _;

/// Runs of one program, in the order they were made.
#[derive(Default)]
pub(crate) struct Runs {
    /// Wall-clock time of each run, including the fsync.
    pub(crate) seconds: Vec<f64>,
    /// The largest resident set of all runs, in KiB.
    pub(crate) peak_kib: u64,
}

impl Runs {
    /// Adds a run.
    pub(crate) fn add(&mut self, seconds: f64, peak_kib: u64) {
        self.seconds.push(seconds);
        self.peak_kib = self.peak_kib.max(peak_kib);
    }

    /// The run in the middle.
    pub(crate) fn median(&self) -> f64 {
        median(self.seconds.clone())
    }

    /// How many times faster than another program, as the median of the rounds' ratios: a machine that slows down
    /// for a while slows both programs of a round.
    pub(crate) fn faster_than(&self, other: &Self) -> f64 {
        median(self.seconds.iter().zip(&other.seconds).map(|(ours, theirs)| theirs / ours).collect())
    }
}

/// The middle of some numbers; the mean of both when two are in the middle.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    assert!(!numbers.is_empty(), "a median needs a number");
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[middle] } else { f64::midpoint(numbers[middle - 1], numbers[middle]) }
}

/// A goal of a judged line and what was found.
pub(crate) struct Goal {
    /// What is wanted, in words.
    pub(crate) wanted: String,
    /// What was found, in words.
    pub(crate) found: String,
    /// Whether it is reached.
    pub(crate) reached: bool,
}

/// Goals as a table, and a closing sentence that names what is missed.
pub(crate) fn goals(goals: &[Goal]) -> String {
    let rows = goals.iter().map(|goal| {
        vec![
            goal.wanted.clone(),
            goal.found.clone(),
            if goal.reached { "reached" } else { "MISSED" }.to_owned(),
        ]
    });
    let mut text = table(&["goal", "found", ""], &rows.collect::<Vec<_>>());
    let missed: Vec<_> = goals.iter().filter(|goal| !goal.reached).map(|goal| goal.wanted.as_str()).collect();
    let _ = match missed.as_slice() {
        [] => writeln!(text, "\nEvery goal is reached."),
        missed => writeln!(text, "\nMissed: {}.", missed.join("; ")),
    };
    text
}

/// A table in Markdown, its columns as wide as their widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let width =
        |column: usize| rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let rule = widths.iter().map(|&width| "-".repeat(width)).collect();
    let mut text = String::new();
    for row in [&head, &rule].into_iter().chain(rows) {
        for (cell, &width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
    }
    text
}

/// A number of bytes in megabytes, as disks are sold.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// A number of KiB in MiB.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(crate) fn mebibytes(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let ours = Runs { seconds: vec![1.0, 2.0, 1.0], peak_kib: 0 };
        let theirs = Runs { seconds: vec![8.0, 16.0, 24.0], peak_kib: 0 };
        assert!((ours.faster_than(&theirs) - 8.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn a_missed_goal_is_named() {
        let goal = |wanted: &str, reached| Goal { wanted: wanted.into(), found: "1x".into(), reached };
        assert!(goals(&[goal("8x", true)]).ends_with("Every goal is reached.\n"));
        assert!(goals(&[goal("8x", true), goal("9x", false)]).ends_with("Missed: 9x.\n"));
    }

    #[test]
    fn columns_of_a_table_line_up() {
        let text = table(&["a", "b"], &[vec!["long".into(), "c".into()]]);
        assert_eq!(text, "| a    | b |\n| ---- | - |\n| long | c |\n");
    }
}
