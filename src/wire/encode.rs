//! Percent-encoding as both signature styles count it: RFC 3986, nothing more and nothing less.

/// Encodes a text: letters, digits, `-`, `_`, `.` and `~` stay, every other byte becomes `%XX`.
pub fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    encoded
}

/// Decodes what a form or a query holds: `+` is a space, `%XX` a byte. A `%` that begins nothing
/// stays as it is, as browsers have it; bytes that are no UTF-8 are replaced, so that they never
/// compare equal to a text that is.
pub fn decode_form(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => match after {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    bytes.push(digit(*high) << 4 | digit(*low));
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            other => bytes.push(*other),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        b'a'..=b'f' => hex - b'a' + 10,
        _ => hex - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back_whatever_it_is() {
        for text in ["", "a b+c*~", "测试", "/?&=%", "\u{0}\u{7f}"] {
            assert_eq!(decode_form(&percent(text)), text);
        }
        assert_eq!(percent("a b+c*~/测"), "a%20b%2Bc%2A~%2F%E6%B5%8B");
    }

    #[test]
    fn both_ways_to_write_a_space_are_one_and_a_stray_sign_stays() {
        assert_eq!(decode_form("a+b%20c%2Bd"), "a b c+d");
        assert_eq!(decode_form("100%"), "100%");
        assert_eq!(decode_form("%zz%4"), "%zz%4");
        assert_eq!(decode_form("%ff"), "\u{fffd}");
    }
}
