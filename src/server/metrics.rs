//! What the server has done since it started, as Prometheus reads it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Borders of the buckets of times, in seconds. Reads take half a millisecond, what is waited for up
/// to eight seconds.
const BORDERS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

/// Counts of requests.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// By kind and status. Kinds are words of the source, so that there are only so many.
    requests: Mutex<HashMap<(&'static str, u16), Times>>,
    /// Connections that are open.
    pub(crate) connections: AtomicI64,
    /// Requests that are being answered.
    pub(crate) answering: AtomicI64,
}

#[derive(Debug, Default)]
struct Times {
    count: u64,
    seconds: f64,
    buckets: [u64; BORDERS.len()],
}

impl Metrics {
    /// Counts an answered request.
    pub(crate) fn count(&self, kind: &'static str, status: u16, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let times = requests.entry((kind, status)).or_default();
        times.count += 1;
        times.seconds += took.as_secs_f64();
        for (bucket, border) in times.buckets.iter_mut().zip(BORDERS) {
            *bucket += u64::from(took.as_secs_f64() <= border);
        }
    }

    /// All of it, in the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let gauge = |text: &mut String, name: &str, help: &str, value: i64| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        };
        gauge(
            &mut text,
            "kiln_connections",
            "Connections that are open.",
            self.connections.load(Ordering::Relaxed),
        );
        gauge(
            &mut text,
            "kiln_requests_in_flight",
            "Requests that are being answered.",
            self.answering.load(Ordering::Relaxed),
        );
        let name = "kiln_request_seconds";
        let _ = writeln!(text, "# HELP {name} Time to answer a request.\n# TYPE {name} histogram");
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let sorted: BTreeMap<_, _> = requests.iter().collect();
        for ((kind, status), times) in sorted {
            let labels = format!("action=\"{kind}\",status=\"{status}\"");
            for (bucket, border) in times.buckets.iter().zip(BORDERS) {
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{border}\"}} {bucket}");
            }
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", times.count);
            let _ = writeln!(text, "{name}_sum{{{labels}}} {}", times.seconds);
            let _ = writeln!(text, "{name}_count{{{labels}}} {}", times.count);
        }
        text
    }
}
