//! Asking before what cannot be undone: on a terminal the person is asked, elsewhere `--yes` has to be said.

use std::io::{self, BufRead, IsTerminal};

use crate::exit::Stop;
use crate::screen;
use crate::session::Session;

/// Goes on if the person says so, or has said so already with `--yes`. A dry run does nothing that
/// would have to be confirmed, and is not asked about, but only the service knows of it; so the
/// question comes first and is harmless there.
pub(crate) fn confirm(_session: &Session, what: &str, yes: bool) -> Result<(), Stop> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Stop::Usage(format!("{what}: this cannot be undone; say `--yes` to do it")));
    }
    screen::tell(&format!("{what}: this cannot be undone. Go on? [y/N]"));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    match (read, answer.trim().to_lowercase().as_str()) {
        (Ok(_), "y" | "yes") => Ok(()),
        _ => Err(Stop::Usage("nothing was done".to_owned())),
    }
}
