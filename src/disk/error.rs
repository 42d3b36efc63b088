//! What can go wrong with a disk file, in the three families of [`event::Failure`].

use std::fmt;
use std::io;

use event::{Failure, Refusal};

/// Which family a failure belongs to and, for the caller's, which code of the API it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The file could not be read or written: the world's, worth another try.
    Io,
    /// The bytes are not what their format demands: `InvalidImageFormat.Malformed`.
    Malformed,
    /// The format, or something this file makes of it, is known and not taken:
    /// `InvalidImageFormat.NotSupported`.
    NotSupported,
    /// The disk is too small, too large, or no whole number of sectors: `InvalidImageSize`.
    Size,
    /// Our own code called this room in a way it does not allow.
    Ours,
}

/// A failure of opening, reading or writing a disk file: what was wrong with what, and what to try.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    kind: Kind,
    message: String,
    advice: String,
    #[source]
    below: Option<io::Error>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), advice: String::new(), below: None }
    }

    pub(crate) fn io(attempted: impl Into<String>, below: io::Error) -> Self {
        Self { below: Some(below), ..Self::new(Kind::Io, attempted) }
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(Kind::Malformed, message)
            .advise("`qemu-img check` on the file tells more; upload a whole, closed copy of it")
    }

    pub(crate) fn not_supported(message: impl Into<String>) -> Self {
        Self::new(Kind::NotSupported, message)
    }

    pub(crate) fn size(message: impl Into<String>) -> Self {
        Self::new(Kind::Size, message)
    }

    pub(crate) fn ours(message: impl Into<String>) -> Self {
        Self::new(Kind::Ours, message)
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// The family and, for the caller's, the code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What to try next; empty if there is nothing sensible to say.
    pub fn advice(&self) -> &str {
        &self.advice
    }

    /// The error of the file port, if the world is at fault: tells a full disk from a failing one.
    pub fn below(&self) -> Option<&io::Error> {
        self.below.as_ref()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind {
            Kind::Io => {
                return match error.below {
                    Some(below) => Self::world(error.message, below),
                    None => Self::World(error.message),
                };
            }
            Kind::Ours => return Self::Ours(error.message),
            Kind::Malformed => "InvalidImageFormat.Malformed",
            Kind::NotSupported => "InvalidImageFormat.NotSupported",
            Kind::Size => "InvalidImageSize",
        };
        Self::Caller(Refusal::new(code, error.message).advise(error.advice))
    }
}
