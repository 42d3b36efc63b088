//! Times in the three spellings of this wire.

use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

fn whole_seconds(ms: i64) -> Timestamp {
    Timestamp::from_second(ms.div_euclid(1000)).unwrap_or_default()
}

/// `Wed, 25 Nov 2026 18:32:04 GMT`
pub(crate) fn http(ms: i64) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&whole_seconds(ms)).unwrap_or_default()
}

/// `2026-11-25T18:32:04.000Z`: always whole seconds, for clients read nothing else.
pub(crate) fn iso(ms: i64) -> String {
    format!("{:.3}", whole_seconds(ms))
}

/// Milliseconds since 1970 of an HTTP date.
pub(crate) fn parse_http(text: &str) -> Option<i64> {
    DateTimeParser::new().parse_timestamp(text).ok().map(Timestamp::as_millisecond)
}

/// Milliseconds since 1970 of `20261125T183204Z`.
pub(crate) fn parse_compact(text: &str) -> Option<i64> {
    let parsed = strtime::parse("%Y%m%dT%H%M%SZ", text).ok()?.to_datetime().ok()?;
    parsed.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_millisecond())
}

/// Of either of both.
pub(crate) fn parse_any(text: &str) -> Option<i64> {
    parse_compact(text).or_else(|| parse_http(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_comes_back() {
        let ms = 1_795_631_524_000;
        assert_eq!(http(ms), "Wed, 25 Nov 2026 18:32:04 GMT");
        assert_eq!(iso(ms + 7), "2026-11-25T18:32:04.000Z");
        assert_eq!(parse_http(&http(ms)), Some(ms));
        assert_eq!(parse_compact("20261125T183204Z"), Some(ms));
        assert_eq!(parse_compact("20261325T183204Z"), None);
        assert_eq!(parse_http("yesterday"), None);
    }
}
