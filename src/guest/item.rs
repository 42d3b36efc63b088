//! How checks say what they found.

use domain::port::CheckItem;

use crate::codes::Code;

/// What a check of something has found; the name is put in front of it by the list of checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) value: String,
    pub(crate) code: Option<Code>,
}

impl Finding {
    /// Nothing is wrong.
    pub(crate) fn fine(value: impl AsRef<str>) -> Self {
        Self { value: shorten(value.as_ref()), code: None }
    }

    /// Something is.
    pub(crate) fn risk(value: impl AsRef<str>, code: Code) -> Self {
        Self { value: shorten(value.as_ref()), code: Some(code) }
    }

    /// The item of the answer.
    pub(crate) fn named(self, name: &str) -> CheckItem {
        CheckItem {
            name: name.to_owned(),
            value: self.value,
            risk: self.code.map(|Code(_, risk)| risk),
            risk_code: self.code.map(|Code(word, _)| word.to_owned()).unwrap_or_default(),
        }
    }
}

/// Values come out of a guest's files and go into answers, logs and tags: they are cut to what a
/// person reads in a line.
const VALUE_CHARS_MAX: usize = 200;

fn shorten(value: &str) -> String {
    value.chars().filter(|char| !char.is_control()).take(VALUE_CHARS_MAX).collect()
}
