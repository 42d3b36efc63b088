//! Percent signs and angle brackets: how the wire writes what it may not write plainly.

use std::fmt::Write;

/// Every byte but letters, digits and `-_.~` as `%XX`; a `/` as it is if it is to be kept.
pub fn percent(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            b'/' if keep_slash => out.push('/'),
            _ => write!(out, "%{byte:02X}").expect("a string takes what is written"),
        }
    }
    out
}

/// What was escaped; none if it is no UTF-8 or a percent sign is followed by no two digits.
pub fn unpercent(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'%' {
            out.push(first);
            continue;
        }
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        let value = digit(0)? * 16 + digit(1)?;
        out.push(u8::try_from(value).ok()?);
        rest = &behind[2..];
    }
    String::from_utf8(out).ok()
}

/// Text as XML has it. Characters that XML cannot hold at all become `U+FFFD`: who may meet them asks
/// for `encoding-type=url`.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => out.push(letter),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_comes_back() {
        for text in ["", "a b+c/d", "镜像", "100%", "~-_."] {
            assert_eq!(unpercent(&percent(text, false)).as_deref(), Some(text));
            assert_eq!(unpercent(&percent(text, true)).as_deref(), Some(text));
        }
        assert_eq!(percent("a b/ü", true), "a%20b/%C3%BC");
        for wrong in ["%", "%4", "%zz", "%+1", "%ff"] {
            assert_eq!(unpercent(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn xml_holds_any_text() {
        assert_eq!(xml("<a&\"b'>\u{1}"), "&lt;a&amp;&quot;b&apos;&gt;\u{fffd}");
    }
}
