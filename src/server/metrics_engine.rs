//! What the engine has done, as Prometheus reads it. `docs/metrics.md` says the same in words; a test holds the
//! two together.

use std::fmt::Write as _;

use service::{Archived, Histogram, Measured};

/// A metric: name, type, unit, meaning.
pub(crate) type Metric = (&'static str, &'static str, &'static str, &'static str);

const BATCH: Metric =
    ("kiln_engine_batch_events", "histogram", "events", "Events made durable by one commit.");
const COMMIT: Metric =
    ("kiln_engine_commit_seconds", "histogram", "seconds", "Time to make a commit durable, syncs included.");
const SYNC: Metric =
    ("kiln_engine_sync_seconds", "histogram", "seconds", "Time of one sync of the journal or the database.");
const WAITING: Metric =
    ("kiln_engine_queue_depth", "gauge", "requests", "Requests to the log that wait to be decided.");
const FAILED: Metric = (
    "kiln_engine_failed_attempts_total",
    "counter",
    "attempts",
    "Attempts at steps and undos that failed; most are tried again.",
);
const PARKS: Metric = (
    "kiln_engine_parks_total",
    "counter",
    "operations",
    "Times that an operation came to wait for a person.",
);
const RECOVERIES: Metric = (
    "kiln_engine_recoveries_total",
    "counter",
    "operations",
    "Operations taken up again when the log was opened.",
);
const FLOWS: Metric = (
    "kiln_engine_operations",
    "gauge",
    "operations",
    "Operations in progress and parked, by kind and state.",
);
const ENDED: Metric = (
    "kiln_engine_operations_ended_total",
    "counter",
    "operations",
    "Operations that ended since the log was opened, by kind and state.",
);

const SEGMENTS: Metric = ("kiln_archive_segments", "gauge", "segments", "Segments of the log's archive.");
const ARCHIVED: Metric =
    ("kiln_archive_events", "gauge", "events", "Events of the log that are in its archive.");
const ARCHIVE: Metric =
    ("kiln_archive_bytes", "gauge", "bytes", "Bytes of the archive's segments, compressed.");
const LIVE: Metric = ("kiln_log_live_events", "gauge", "events", "Events that are in the log's database.");
const DATABASE: Metric =
    ("kiln_log_database_bytes", "gauge", "bytes", "Bytes of the log's database on the disk.");
const ENDED_FILE: Metric = (
    "kiln_log_ended_bytes",
    "gauge",
    "bytes",
    "Bytes of the file with rows of operations that ended long ago.",
);

/// All of them, in the order in which they are told.
#[cfg(test)]
pub(crate) const ALL: [Metric; 15] = [
    BATCH, COMMIT, SYNC, WAITING, FAILED, PARKS, RECOVERIES, FLOWS, ENDED, SEGMENTS, ARCHIVED, ARCHIVE, LIVE,
    DATABASE, ENDED_FILE,
];

/// A million microseconds are a second.
const MICROS: f64 = 1e6;

/// All of it, in the text format of Prometheus.
pub(crate) fn text(measured: &Measured, archived: &Archived) -> String {
    let mut text = String::new();
    histogram(&mut text, &BATCH, &measured.batches, 1.0);
    histogram(&mut text, &COMMIT, &measured.commit_us, MICROS);
    histogram(&mut text, &SYNC, &measured.sync_us, MICROS);
    for (metric, value) in [
        (&WAITING, measured.waiting),
        (&FAILED, measured.failed_attempts),
        (&PARKS, measured.parks),
        (&RECOVERIES, measured.recoveries),
    ] {
        head(&mut text, metric);
        let _ = writeln!(text, "{} {value}", metric.0);
    }
    for (metric, are_ended) in [(&FLOWS, false), (&ENDED, true)] {
        head(&mut text, metric);
        for (kind, state, count) in
            measured.flows.iter().filter(|(_, state, _)| state.has_ended() == are_ended)
        {
            // Names are words of the source.
            let _ = writeln!(text, "{}{{kind=\"{kind}\",state=\"{}\"}} {count}", metric.0, state.word());
        }
    }
    for (metric, value) in [
        (&SEGMENTS, archived.segments),
        (&ARCHIVED, archived.last.0),
        (&ARCHIVE, archived.file_bytes),
        (&LIVE, archived.live_events),
        (&DATABASE, archived.database_bytes),
        (&ENDED_FILE, archived.ended_bytes),
    ] {
        head(&mut text, metric);
        let _ = writeln!(text, "{} {value}", metric.0);
    }
    text
}

fn head(text: &mut String, (name, kind, _, help): &Metric) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus keeps numbers so")]
fn histogram(text: &mut String, metric: &Metric, told: &Histogram, unit: f64) {
    head(text, metric);
    let name = metric.0;
    for (border, count) in &told.buckets {
        let _ = writeln!(text, "{name}_bucket{{le=\"{}\"}} {count}", *border as f64 / unit);
    }
    let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {}", told.count);
    let _ = writeln!(text, "{name}_sum {}\n{name}_count {}", told.sum as f64 / unit, told.count);
}

#[cfg(test)]
mod tests {
    use service::State;

    use super::*;

    const PAGE: &str = include_str!("../../docs/metrics.md");

    fn measured() -> Measured {
        let batches = Histogram { buckets: vec![(1, 2), (4, 5)], sum: 70, count: 6 };
        let commit_us = Histogram { buckets: vec![(100, 0), (1_000_000, 6)], sum: 1_500_000, count: 6 };
        let flows = vec![
            ("copy_image".to_owned(), State::Running, 3),
            ("copy_image".to_owned(), State::Done, 40),
            ("import_image".to_owned(), State::Parked, 1),
        ];
        Measured { batches, commit_us, waiting: 7, parks: 2, flows, ..Measured::default() }
    }

    #[test]
    fn what_the_engine_has_done_reads_as_prometheus_wants_it() {
        let archived = Archived { segments: 3, live_events: 12, ..Archived::default() };
        let text = text(&measured(), &archived);
        for line in [
            "# TYPE kiln_engine_batch_events histogram",
            "kiln_engine_batch_events_bucket{le=\"4\"} 5",
            "kiln_engine_batch_events_bucket{le=\"+Inf\"} 6",
            "kiln_engine_batch_events_sum 70",
            "kiln_engine_commit_seconds_bucket{le=\"0.0001\"} 0",
            "kiln_engine_commit_seconds_bucket{le=\"1\"} 6",
            "kiln_engine_commit_seconds_sum 1.5",
            "kiln_engine_queue_depth 7",
            "kiln_archive_segments 3",
            "kiln_log_live_events 12",
            "kiln_engine_parks_total 2",
            "kiln_engine_operations{kind=\"copy_image\",state=\"running\"} 3",
            "kiln_engine_operations{kind=\"import_image\",state=\"parked\"} 1",
            "kiln_engine_operations_ended_total{kind=\"copy_image\",state=\"done\"} 40",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_page_of_metrics_and_what_is_told_agree() {
        let told = crate::metrics::Metrics::default().text() + &text(&measured(), &Archived::default());
        let told: Vec<(&str, &str)> =
            told.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        let rows: Vec<Vec<&str>> = PAGE
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
            .collect();
        let page: Vec<(&str, &str)> = rows.iter().map(|row| (row[0], row[1])).collect();
        assert_eq!(
            page, told,
            "docs/metrics.md has a row for each metric, in the order in which they are told"
        );
        for (name, kind, unit, meaning) in ALL {
            assert!(
                rows.contains(&vec![name, kind, unit, meaning]),
                "docs/metrics.md says of `{name}`: {unit}, {meaning}"
            );
        }
    }
}
