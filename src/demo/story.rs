//! What the demo does, step by step.

use std::io::Write;
use std::path::PathBuf;

use crate::error::Error;

/// What the demo is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that is shown.
    pub exe: PathBuf,
    /// A disk to show it with; one is made if there is none.
    pub disk: Option<PathBuf>,
    /// Where to work; a fresh directory if it is not said.
    pub dir: Option<PathBuf>,
}

/// Shows what Kiln does, and says it to `out`.
pub fn run(_options: &Options, _out: &mut dyn Write) -> Result<(), Error> {
    Ok(())
}
