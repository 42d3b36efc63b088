//! Under which conditions an object is given, and which stretch of it.

use std::ops::Range;

use domain::port_objects::ObjectFacts;

use crate::asked::Asked;
use crate::error::Refused;
use crate::time;

/// The headers that hold conditions.
pub(crate) struct Names {
    pub(crate) matches: &'static str,
    pub(crate) none_match: &'static str,
    pub(crate) modified_since: &'static str,
    pub(crate) unmodified_since: &'static str,
}

/// Those of a read.
pub(crate) const OF_READS: Names = Names {
    matches: "if-match",
    none_match: "if-none-match",
    modified_since: "if-modified-since",
    unmodified_since: "if-unmodified-since",
};

/// Those of a copy, about its source.
pub(crate) const OF_COPIES: Names = Names {
    matches: "x-oss-copy-source-if-match",
    none_match: "x-oss-copy-source-if-none-match",
    modified_since: "x-oss-copy-source-if-modified-since",
    unmodified_since: "x-oss-copy-source-if-unmodified-since",
};

fn names_tag(list: &str, etag: &str) -> bool {
    list.split(',').any(|tag| {
        let tag = tag.trim().trim_start_matches("W/").trim_matches('"');
        tag == "*" || tag.eq_ignore_ascii_case(etag)
    })
}

/// Fails unless the conditions hold.
pub(crate) fn check(asked: &Asked, names: &Names, facts: &ObjectFacts) -> Result<(), Refused> {
    let failed = |condition: &str| {
        let why = "At least one of the pre-conditions you specified did not hold.";
        Refused::new(412, "PreconditionFailed", why).with("Condition", condition)
    };
    let not_modified = || Refused::new(304, "NotModified", "Not Modified");
    // An HTTP date has whole seconds.
    let modified_s = facts.modified_ms.div_euclid(1000);
    let since = |name: &str| asked.header(name).and_then(time::parse_http).map(|ms| ms.div_euclid(1000));
    match asked.header(names.matches) {
        Some(tags) if !names_tag(tags, &facts.etag) => return Err(failed("If-Match")),
        Some(_) => {}
        None if since(names.unmodified_since).is_some_and(|since| modified_s > since) => {
            return Err(failed("If-Unmodified-Since"));
        }
        None => {}
    }
    match asked.header(names.none_match) {
        Some(tags) if names_tag(tags, &facts.etag) => Err(not_modified()),
        Some(_) => Ok(()),
        None if since(names.modified_since).is_some_and(|since| modified_s <= since) => Err(not_modified()),
        None => Ok(()),
    }
}

/// What a range of bytes comes to for an object of that length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stretch {
    Part(Range<u64>),
    /// There is nothing of it in the object.
    Nothing,
    /// It is no range.
    Malformed,
}

/// Reads `bytes=0-9`, `bytes=5-` and `bytes=-3`.
pub(crate) fn stretch(text: &str, bytes: u64) -> Stretch {
    let Some((begin, end)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Stretch::Malformed;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (begin.trim(), end.trim()) {
        ("", last) => match number(last) {
            Some(last) => bytes.saturating_sub(last)..bytes,
            None => return Stretch::Malformed,
        },
        (begin, "") => match number(begin) {
            Some(begin) => begin..bytes,
            None => return Stretch::Malformed,
        },
        (begin, end) => match (number(begin), number(end)) {
            (Some(begin), Some(end)) if begin <= end => begin..end.saturating_add(1),
            _ => return Stretch::Malformed,
        },
    };
    if range.start >= bytes || range.is_empty() {
        return Stretch::Nothing;
    }
    Stretch::Part(range.start..range.end.min(bytes))
}

/// The stretch of the object that a request asks for. A range that cannot be is not looked at, as
/// the API has it; with `x-oss-range-behavior: standard` it is what HTTP makes of it: too long a range
/// ends with the object, and one behind its end is refused.
pub(crate) fn wanted(asked: &Asked, bytes: u64) -> Result<Option<Range<u64>>, Refused> {
    let Some(text) = asked.header("range") else { return Ok(None) };
    let is_standard = asked.header("x-oss-range-behavior").is_some_and(|how| how == "standard");
    match stretch(text, bytes) {
        Stretch::Part(range) if is_standard || !ends_behind(text, bytes) => Ok(Some(range)),
        Stretch::Nothing if is_standard => {
            let why = "The requested range cannot be satisfied.";
            Err(Refused::new(416, "InvalidRange", why).with("ActualObjectSize", bytes.to_string()))
        }
        _ => Ok(None),
    }
}

/// Whether a range ends behind the object's end.
fn ends_behind(text: &str, bytes: u64) -> bool {
    let end = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')).map(|(_, end)| end);
    let begins = text.trim().strip_prefix("bytes=").is_some_and(|range| !range.starts_with('-'));
    begins && end.and_then(|end| end.trim().parse::<u64>().ok()).is_some_and(|end| end >= bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        for (text, expected) in [
            ("bytes=0-9", Stretch::Part(0..10)),
            ("bytes=5-", Stretch::Part(5..100)),
            ("bytes=-3", Stretch::Part(97..100)),
            ("bytes=-300", Stretch::Part(0..100)),
            ("bytes=99-200", Stretch::Part(99..100)),
            ("bytes=100-", Stretch::Nothing),
            ("bytes=-0", Stretch::Nothing),
            ("bytes=9-0", Stretch::Malformed),
            ("bytes=a-b", Stretch::Malformed),
            ("0-9", Stretch::Malformed),
            ("bytes=0-9,20-29", Stretch::Malformed),
        ] {
            assert_eq!(stretch(text, 100), expected, "{text}");
        }
    }

    fn check_wanted(range: &str, standard: bool, expected: Result<Option<Range<u64>>, &str>) {
        let mut request = http::Request::builder().uri("/b/k").header("range", range);
        if standard {
            request = request.header("x-oss-range-behavior", "standard");
        }
        let asked = Asked::of(&request.body(()).unwrap().into_parts().0).unwrap();
        let found = wanted(&asked, 100);
        assert_eq!(found.map_err(|refused| refused.code), expected.map_err(str::to_owned), "{range}");
    }

    #[test]
    fn a_range_that_cannot_be_gives_the_whole_unless_http_is_asked_for() {
        check_wanted("bytes=0-99", false, Ok(Some(0..100)));
        check_wanted("bytes=0-100", false, Ok(None));
        check_wanted("bytes=200-", false, Ok(None));
        check_wanted("bytes=-200", false, Ok(Some(0..100)));
        check_wanted("bytes=0-100", true, Ok(Some(0..100)));
        check_wanted("bytes=200-", true, Err("InvalidRange"));
        check_wanted("nonsense", true, Ok(None));
    }
}
