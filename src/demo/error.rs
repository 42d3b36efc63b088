//! What can go wrong with the demo: the world, a command of Kiln, or a claim that is not so.

use std::fmt::Display;
use std::io;

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The computer did not do its part.
    #[error("{attempted}")]
    World {
        /// What was attempted, on what.
        attempted: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command of Kiln did not end as it should have.
    #[error("`{command}` ended with {code}: {said}")]
    Command {
        /// The command, as one would type it.
        command: String,
        /// How it ended.
        code: String,
        /// The end of what it said.
        said: String,
    },
    /// Something the demo was about to claim is not so.
    #[error("this is not so: {claim}; found {found}")]
    Claim {
        /// What should have been.
        claim: String,
        /// What was.
        found: String,
    },
    /// What was asked cannot be done.
    #[error("{0}")]
    Asked(String),
}

/// Says what was attempted, once, where it is known.
pub(crate) trait Attempted<T> {
    /// The same, with what was attempted.
    fn attempting(self, what: impl Display) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Attempted<T> for Result<T, E> {
    fn attempting(self, what: impl Display) -> Result<T, Error> {
        self.map_err(|error| Error::World { attempted: what.to_string(), source: error.into() })
    }
}

/// An error of the disk crates, which know no `io::Error`.
pub(crate) fn disk(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}
