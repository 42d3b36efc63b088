//! Times as people type them, and how long.

pub(crate) use service::span_ms;

/// A time as Kiln prints it, or a day.
pub(crate) fn time_ms(text: &str) -> Result<i64, String> {
    let day = || service::time_ms(&format!("{text}T00:00:00Z"));
    service::time_ms(text).or_else(|_| day()).map_err(|_| {
        format!("`{text}` is no time: one looks like 2027-01-31T12:00:00Z, a day like 2027-01-31")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_typed() {
        let day_ms = 24 * 60 * 60 * 1000;
        assert_eq!(time_ms("1970-01-02"), Ok(day_ms));
        assert_eq!(time_ms("1970-01-01T00:00:01Z"), Ok(1000));
        assert!(time_ms("tomorrow").is_err());
    }
}
