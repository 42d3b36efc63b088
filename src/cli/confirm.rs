//! Asking before what cannot be undone: a person on a terminal, `--yes` anywhere else.

use std::io::{self, IsTerminal, Write};

use crate::exit::Stop;
use crate::session::Session;

/// Goes on if a person says so, or has said so with `--yes`. What will happen is told as a sentence
/// without its end: "`web-1` (m-…) will be deleted".
pub(crate) fn confirm(session: &Session, what: &str, yes: bool) -> Result<(), Stop> {
    // A dry run does nothing that would have to be undone.
    if yes || session.is_dry_run() {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Stop::Usage(format!(
            "{what}, and nobody is there to be asked: say `--yes` where there is no terminal"
        )));
    }
    let mut asked = io::stderr();
    let mut answer = String::new();
    let read = write!(asked, "{what}. Go on? [y/N] ")
        .and_then(|()| asked.flush())
        .and_then(|()| io::stdin().read_line(&mut answer));
    match read {
        Ok(_) if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") => Ok(()),
        _ => Err(Stop::Declined),
    }
}
