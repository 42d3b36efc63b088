//! Where output goes: data to stdout, the rest to stderr, colour only where a person sees it.
//!
//! A reader that hangs up (`kiln image list | head -1`) has had enough: that is no error.

use std::io::{self, IsTerminal, Write};

/// Columns, where a terminal does not say.
const COLUMNS_DEFAULT: usize = 80;

/// What to print on, and how.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    /// Whether data is printed as JSON.
    pub(crate) json: bool,
    /// Whether only data and errors are printed.
    pub(crate) quiet: bool,
    colour_out: bool,
    colour_err: bool,
}

impl Screen {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let colour_out = colour && io::stdout().is_terminal();
        let colour_err = colour && io::stderr().is_terminal();
        Self { json, quiet, colour_out, colour_err }
    }

    /// Prints data.
    pub(crate) fn print(&self, text: &str) {
        let mut out = io::stdout().lock();
        // A reader that hung up has had enough, and there is nobody to tell about another error.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Prints data as JSON, or as the text made of it.
    pub(crate) fn give<T: serde::Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            let mut json = serde_json::to_string_pretty(value).unwrap_or_default();
            json.push('\n');
            self.print(&json);
        } else {
            self.print(&text(value));
        }
    }

    /// Says something beside the data, unless silence was asked for.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            self.say_always(text);
        }
    }

    /// Says something that has to be said.
    pub(crate) fn say_always(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Tells an error.
    pub(crate) fn error(&self, text: &str) {
        let head = if self.colour_err { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
        self.say_always(&format!("{head} {text}"));
    }

    /// Text in bold, where a person sees it.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.painted("1", text)
    }

    /// Text in a colour by what it says of a state.
    pub(crate) fn state(&self, padded: &str) -> String {
        match padded.trim_end() {
            "Available" | "Done" => self.painted("32", padded),
            "Creating" | "Running" | "Unwinding" => self.painted("33", padded),
            "Parked" | "Abandoned" => self.painted("31", padded),
            "Deprecated" | "Undone" => self.painted("2", padded),
            _ => padded.to_owned(),
        }
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour_out { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Columns a table may take; none where no terminal cuts it.
    pub(crate) fn columns(&self) -> Option<usize> {
        if !io::stdout().is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        Some(columns.unwrap_or(COLUMNS_DEFAULT))
    }

    /// Whether a person watches what is said on stderr.
    pub(crate) fn is_watched(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}
