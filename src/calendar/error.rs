//! Why a text is no calendar: what was given, and what is allowed there.

/// Which part of a calendar is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// What it says of when: a cron expression, `every …` or `at …`.
    When,
    /// The time zone.
    Zone,
    /// Its start and its end.
    Bounds,
}

/// Why a text is no calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Which part is wrong.
    pub about: About,
    /// What was wrong with what.
    pub message: String,
    /// What to write instead.
    pub advice: String,
}

impl Error {
    pub(crate) fn when(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about: About::When, message: message.into(), advice: advice.into() }
    }

    pub(crate) fn zone(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about: About::Zone, message: message.into(), advice: advice.into() }
    }

    pub(crate) fn bounds(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { about: About::Bounds, message: message.into(), advice: advice.into() }
    }
}

/// Characters of a given text that a message repeats.
const QUOTED_MAX: usize = 60;

/// What was given, in backticks, cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED_MAX).collect();
    if text.chars().nth(QUOTED_MAX).is_some() {
        quoted.push('…');
    }
    format!("`{}`", quoted.escape_debug())
}
