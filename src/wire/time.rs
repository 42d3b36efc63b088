//! The two ways the API writes a time: to the second, and to the minute.

use jiff::Timestamp;
use jiff::fmt::strtime;

fn written(ms: i64, form: &str) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    strtime::format(form, time).unwrap_or_default()
}

/// A time as `2026-11-25T18:27:32Z`; from milliseconds since 1970 UTC.
pub fn seconds(ms: i64) -> String {
    written(ms, "%Y-%m-%dT%H:%M:%SZ")
}

/// A time as `2026-11-25T18:27Z`, as instances and tasks have it.
pub fn minutes(ms: i64) -> String {
    written(ms, "%Y-%m-%dT%H:%MZ")
}

/// A time as headers of HTTP have it: `Wed, 25 Nov 2026 18:27:32 GMT`.
pub fn http_date(ms: i64) -> String {
    written(ms, "%a, %d %b %Y %H:%M:%S GMT")
}

/// A time in either form, in milliseconds since 1970 UTC.
pub fn parse_time(text: &str) -> Option<i64> {
    let whole = match text.len() {
        // yyyy-MM-ddTHH:mmZ
        17 => format!("{}:00Z", text.strip_suffix('Z')?),
        // yyyy-MM-ddTHH:mm:ssZ
        20 if text.ends_with('Z') => text.to_owned(),
        _ => return None,
    };
    whole.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_to_the_second_and_to_the_minute() {
        let ms = 1_767_225_677_000;
        assert_eq!(seconds(ms), "2026-01-01T00:01:17Z");
        assert_eq!(parse_time(&seconds(ms)), Some(ms));
        assert_eq!(minutes(ms), "2026-01-01T00:01Z");
        assert_eq!(parse_time(&minutes(ms)), Some(ms - 17_000));
        for wrong in ["", "yesterday", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }
}
