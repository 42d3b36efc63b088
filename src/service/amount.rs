//! Sizes and lengths of time as a person writes them: `20G`, `512MiB`, `1.5T`; `30d`, `12h`.

/// What follows a number: powers of 1024, as everywhere in this program.
const UNITS: [(&str, u32); 5] = [("B", 0), ("K", 1), ("M", 2), ("G", 3), ("T", 4)];
/// Digits behind the point that can matter for a size.
const DECIMALS_MAX: usize = 6;

/// The bytes of a size. A number needs its unit, so that nobody means GiB and gets bytes.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size is a number and its unit, such as `20G` or `512MiB`".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.to_ascii_uppercase();
    let unit = unit.strip_suffix("IB").or_else(|| unit.strip_suffix('B').filter(|unit| !unit.is_empty()));
    let named = unit.map_or_else(|| text[digits..].to_ascii_uppercase(), str::to_owned);
    let power = UNITS.iter().find(|(word, _)| *word == named).ok_or_else(wrong)?.1;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.contains('.') || part.len() > DECIMALS_MAX {
        return Err(wrong());
    }
    let scale = 10u128.pow(u32::try_from(part.len()).map_err(|_| wrong())?);
    let number: u128 = format!("{whole}{part}").parse().map_err(|_| wrong())?;
    let bytes = number.checked_mul(1 << (10 * power)).ok_or_else(wrong)? / scale;
    u64::try_from(bytes).map_err(|_| wrong())
}

/// Milliseconds of `30d`, `12h`, `1h30m` or `10s`, as schedules are written with.
pub fn span_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no length of time: one looks like 30d, 12h or 1h30m");
    calendar::span_ms(text).filter(|ms| *ms > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_with_their_unit() {
        for (text, bytes) in [
            ("20G", 20 << 30),
            ("20GiB", 20 << 30),
            ("20gb", 20 << 30),
            ("512m", 512 << 20),
            ("1.5T", 3 << 39),
            ("4096B", 4096),
            ("1K", 1024),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "20", "G", ".5G", "1.2.3G", "20X", "-1G", "999999999999T", "1e3G", "2 G", "iB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_of_time_have_their_unit() {
        let day_ms = 24 * 60 * 60 * 1000;
        for (text, ms) in [
            ("30d", 30 * day_ms),
            ("12h", day_ms / 2),
            ("10s", 10_000),
            ("1w", 7 * day_ms),
            // As `every 1h30m` is.
            ("1h30m", day_ms / 16),
        ] {
            assert_eq!(span_ms(text), Ok(ms), "{text}");
        }
        for wrong in ["", "30", "d", "-3d", "0h", "3 years", "99999999999999999999d"] {
            assert!(span_ms(wrong).is_err(), "{wrong}");
        }
    }
}
