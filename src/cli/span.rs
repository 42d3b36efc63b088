//! Times as people type them, and how long.

/// Milliseconds of `30d`, `12h`, `45m` or `10s`.
pub(crate) fn span_ms(text: &str) -> Result<i64, String> {
    let (number, unit) = parts(text);
    let second: i64 = 1000;
    let unit_ms = match unit {
        "s" => second,
        "m" => 60 * second,
        "h" => 60 * 60 * second,
        "d" => 24 * 60 * 60 * second,
        "w" => 7 * 24 * 60 * 60 * second,
        _ => return Err(format!("`{text}` is no length of time: one looks like 30d, 12h or 45m")),
    };
    let number: i64 = number.parse().map_err(|_| format!("`{text}` is no length of time"))?;
    number.checked_mul(unit_ms).filter(|ms| *ms > 0).ok_or_else(|| format!("`{text}` is out of range"))
}

/// A time as Kiln prints it, or a day.
pub(crate) fn time_ms(text: &str) -> Result<i64, String> {
    let day = || service::time_ms(&format!("{text}T00:00:00Z"));
    service::time_ms(text).or_else(|_| day()).map_err(|_| {
        format!("`{text}` is no time: one looks like 2027-01-31T12:00:00Z, a day like 2027-01-31")
    })
}

fn parts(text: &str) -> (&str, &str) {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    (&text[..split], text[split..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_lengths_of_time_are_read_as_they_are_typed() {
        let day_ms = 24 * 60 * 60 * 1000;
        for (text, wanted) in [("30d", 30 * day_ms), ("12h", day_ms / 2), ("10s", 10_000), ("1w", 7 * day_ms)]
        {
            assert_eq!(span_ms(text), Ok(wanted), "{text}");
        }
        for text in ["", "30", "d", "-3d", "0h", "3 years"] {
            assert!(span_ms(text).is_err(), "{text}");
        }
        assert_eq!(time_ms("1970-01-02"), Ok(day_ms));
        assert_eq!(time_ms("1970-01-01T00:00:01Z"), Ok(1000));
        assert!(time_ms("tomorrow").is_err());
    }
}
