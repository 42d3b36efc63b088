//! `kiln completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::command::Kiln;
use crate::screen;

/// Completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln completions bash > ~/.local/share/bash-completion/completions/kiln
  kiln completions zsh > ~/.zfunc/_kiln
  kiln completions fish > ~/.config/fish/completions/kiln.fish")]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Kiln::command(), "kiln", &mut script);
        screen::print(&String::from_utf8_lossy(&script));
    }
}
