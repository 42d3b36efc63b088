//! Sizes as a person types them: `20GiB`, `20G`, `20g`, `512 MiB`, or a number of bytes.
//!
//! Every unit is a power of 1024. A number without a unit is bytes, and refused where it is so
//! small that a unit was forgotten. `GB`, which some read as 1000³, is deliberately not taken.

/// A number of bytes below this has lost its unit: nothing asked for here is that small.
const PLAIN_BYTES_MIN: u64 = 1 << 20;

/// Units by their letter, each 1024 of the one before.
const LETTERS: &str = "KMGT";

/// The bytes of a size, for clap; the error says what a size looks like.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let shape = "a size looks like `20GiB`, `20G` or `512MiB`";
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = (&text[..digits], text[digits..].trim_start().to_ascii_uppercase());
    if number.is_empty() {
        return Err(shape.to_owned());
    }
    let number: u64 = number.parse().map_err(|_| format!("`{number}` is more than can be counted"))?;
    if unit.is_empty() {
        let small = number > 0 && number < PLAIN_BYTES_MIN;
        let forgotten = || format!("{number} what? Give a unit: `{number}GiB`, `{number}MiB`");
        return if small { Err(forgotten()) } else { Ok(number) };
    }
    let (letter, rest) = unit.split_at(unit.chars().next().map_or(0, char::len_utf8));
    let step = LETTERS.find(letter).filter(|_| matches!(rest, "" | "IB"));
    let step = step.ok_or_else(|| format!("{shape}; units are KiB, MiB, GiB and TiB"))?;
    let unit_bytes = 1u64 << (10 * (step + 1));
    number.checked_mul(unit_bytes).ok_or_else(|| format!("`{text}` is more than can be counted"))
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read_with_any_of_the_usual_units() {
        for (text, bytes) in [
            ("20GiB", 20 << 30),
            ("20G", 20 << 30),
            ("20g", 20 << 30),
            ("20 gib", 20 << 30),
            ("512MiB", 512 << 20),
            ("4k", 4096),
            ("2TiB", 2 << 40),
            ("0", 0),
            ("1048576", 1 << 20),
            ("16777215T", 16_777_215 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_or_has_lost_its_unit_is_refused() {
        for text in
            ["", "G", "20", "1048575", "-1G", "1.5G", "20GB", "20B", "20X", "20 G iB", "ü", "5ü", "99999999T"]
        {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(size("18446744073709551616").unwrap_err().contains("more than can be counted"));
        assert!(size("20").unwrap_err().contains("`20GiB`"));
    }
}
