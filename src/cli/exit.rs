//! How a command ends when it does not end well: what is told, and the exit code.

use event::FlowId;
use serde::Serialize;
use service::{Family, Trouble};

use crate::screen::{self, Screen};

/// What the exit codes mean, for the help.
pub(crate) const CODES: &str = "\
Exit codes:
  0    done; or, of a dry run, it could be done
  1    failed, cancelled or given up
  2    the command line was not understood
  3    a rule said no: ask otherwise
  4    the world did: a disk is full, a directory cannot be written …
  5    something stored is damaged, or a check found something
  6    the operation is parked: a person has to look at it
  130  interrupted; the work is kept";

/// Why a command does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something could not be.
    Trouble(Trouble),
    /// The person interrupted the wait for an operation, which is kept.
    Interrupted(FlowId),
    /// The command line asks for what cannot be.
    Usage(String),
    /// The same, and what to ask for instead.
    Advised(String, String),
    /// A check found something; it has been told.
    Found,
    /// The person was asked, and said no.
    Declined,
}

/// What answers a dry run that nothing stands against.
const DRY_RUN: &str = "DryRunOperation";

/// The end of a dry run, for programs.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DryRun<'a> {
    code: &'a str,
    message: &'a str,
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Stop {
    /// The command line asks for what cannot be; what to ask for instead.
    pub(crate) fn usage(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Advised(message.into(), advice.into())
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Trouble(trouble) if trouble.code == DRY_RUN => 0,
            Self::Trouble(trouble) => match trouble.family {
                Family::Refused => 3,
                Family::World => 4,
                Family::Damaged => 5,
                Family::Parked => 6,
                Family::Ended | Family::Ours => 1,
            },
            Self::Usage(_) | Self::Advised(..) => 2,
            Self::Found => 5,
            Self::Declined => 1,
            Self::Interrupted(_) => 130,
        }
    }

    /// Tells the person.
    pub(crate) fn tell(&self, screen: &Screen) {
        match self {
            Self::Trouble(trouble) if trouble.code == DRY_RUN => {
                let end = DryRun { code: &trouble.code, message: &trouble.message };
                screen.give(&end, |end| format!("{}\n", end.message));
            }
            Self::Trouble(trouble) => {
                screen.error(&trouble.message);
                screen::tell(&format!("  code: {}", trouble.code));
                if !trouble.advice.is_empty() {
                    screen::tell(&format!("  try: {}", trouble.advice));
                }
                if screen.is_watched() {
                    screen::tell(&format!("  more: `kiln explain {}`", trouble.code));
                }
            }
            Self::Usage(message) => {
                screen.error(message);
                screen::tell("  try: `kiln help`");
            }
            Self::Advised(message, advice) => {
                screen.error(message);
                screen::tell(&format!("  try: {advice}"));
            }
            Self::Interrupted(id) => {
                screen::tell(&format!("interrupted; the work is kept, as workflow `{id}`"));
                screen::tell(&format!("  to go on:  kiln workflow watch {id}   (or the same command again)"));
                screen::tell(&format!("  to stop:   kiln workflow cancel {id}"));
            }
            Self::Declined => screen::tell("nothing was done"),
            Self::Found => {}
        }
    }
}
