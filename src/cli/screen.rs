//! Where output goes: data to stdout, the rest to stderr, colour only where a person sees it.
//!
//! A reader that hangs up (`kiln image list | head -1`) has had enough: that is no error.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use service::Trouble;

use crate::exit::Stop;

/// Columns, where a terminal does not say.
const COLUMNS_DEFAULT: usize = 80;

/// What to print on, and how.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    /// Whether data is printed as JSON.
    pub(crate) json: bool,
    /// Whether only data and errors are printed.
    pub(crate) quiet: bool,
    colour: Colour,
}

/// Where colour is seen.
#[derive(Clone, Copy, Debug)]
struct Colour {
    out: bool,
    err: bool,
}

impl Screen {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let colour =
            Colour { out: colour && io::stdout().is_terminal(), err: colour && io::stderr().is_terminal() };
        Self { json, quiet, colour }
    }

    /// Prints data as JSON, or as the text made of it.
    pub(crate) fn give<T: serde::Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            let mut json = serde_json::to_string_pretty(value).unwrap_or_default();
            json.push('\n');
            print(&json);
        } else {
            print(&text(value));
        }
    }

    /// Says something beside the data, unless silence was asked for.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            tell(text);
        }
    }

    /// Tells an error.
    pub(crate) fn error(&self, text: &str) {
        let head = if self.colour.err { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
        tell(&format!("{head} {text}"));
    }

    /// Text in bold, where a person sees it.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.painted("1", text)
    }

    /// Text in a colour by what it says of a state.
    pub(crate) fn state(&self, padded: &str) -> String {
        match padded.trim_end() {
            "Available" | "Done" | "Finished" | "accomplished" | "There" | "Copied" | "Shared" => {
                self.painted("32", padded)
            }
            "Creating" | "Running" | "Unwinding" | "Waiting" | "Processing" | "progressing" | "Underway"
            | "Waits" | "Copy" | "Share" => self.painted("33", padded),
            "Parked" | "Abandoned" | "Failed" | "Paused" | "Delete" | "Deprecate" => {
                self.painted("31", padded)
            }
            "Deprecated" | "Undone" | "Deleted" | "Stays" | "Left" => self.painted("2", padded),
            _ => padded.to_owned(),
        }
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour.out { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Whether a person watches what is said on stderr.
    pub(crate) fn is_watched(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

/// The first error of printing data, to be told at the end: done is done, but it was not said.
static UNSAID: OnceLock<String> = OnceLock::new();

/// Prints data.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => _ = UNSAID.set(error.to_string()),
        // A reader that hung up has had enough.
        _ => {}
    }
}

/// Whether all data could be printed.
pub(crate) fn said() -> Result<(), Stop> {
    let Some(error) = UNSAID.get() else { return Ok(()) };
    Err(Trouble::world("printing the answer", error)
        .advise("it is done all the same; ask for it again")
        .into())
}

/// Says something that has to be said.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Columns a table may take; none where no terminal cuts it.
pub(crate) fn columns() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    Some(columns.unwrap_or(COLUMNS_DEFAULT))
}
