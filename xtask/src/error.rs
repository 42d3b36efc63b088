//! The one error of this crate: what could not be done, and what to try next.
//!
//! Nobody matches on it, so it is text; the exit code is all a script gets.

use std::fmt;

/// What a chore returns.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Something a chore could not do.
#[derive(Debug)]
pub(crate) struct Error {
    what: String,
    next: Option<String>,
}

impl Error {
    /// An error that says what could not be done.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), next: None }
    }

    /// The same error, ending in a command or an action to try.
    pub(crate) fn try_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.what)?;
        match &self.next {
            Some(next) => write!(out, "\n  try: {next}"),
            None => Ok(()),
        }
    }
}

/// Says what was attempted when the file system or a process refused.
pub(crate) trait Context<T> {
    /// Names the attempt; only called when it failed.
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::new(format!("{}: {error}", what())))
    }
}
