//! Times as the log's ids have them.

use jiff::Timestamp;

/// A time in UTC: `2027-01-01T03:00:00Z`; one beyond the years that can be told, in milliseconds.
pub(crate) fn text(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms}ms"), |time| time.to_string())
}
